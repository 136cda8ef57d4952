package webhook

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestEveryDecisionIsOneLine(t *testing.T) {
	at := field.NewPath("metadata", "annotations").Key("pillion.dev/alpha.level")
	long := strings.Repeat("x", 5000)
	for _, c := range []struct {
		name, review, want string
		res                sidecars.Result
	}{
		{"injected", reviewOf("alpha", `"dryRun":false`, `"dryRun":true`),
			`{"level":"INFO","msg":"decision","uid":"u-1","namespace":"shop","name":"web-","outcome":"injected","reason":"","sidecars":["alpha"],"durationMicros":0,"dryRun":true,"catalog":"REV"}`,
			sidecars.Result{Outcome: sidecars.Injected, Sidecars: []string{"alpha"}}},
		{"denied: place and rule of a mistake, not the value", reviewOf("alpha"),
			`{"level":"INFO","msg":"decision","uid":"u-1","namespace":"shop","name":"web-","outcome":"denied","reason":"badParameter","sidecars":["alpha"],"durationMicros":0,"dryRun":false,"catalog":"REV","errors":["metadata.annotations[pillion.dev/alpha.level]: Invalid value: must be info or debug"]}`,
			sidecars.Result{Outcome: sidecars.Denied, Reason: sidecars.BadParameter, Sidecars: []string{"alpha"}, Errors: field.ErrorList{field.Invalid(at, "s3cret", "must be info or debug")}}},
		{"denied: names are cut", reviewOf("alpha"),
			`{"level":"INFO","msg":"decision","uid":"u-1","namespace":"shop","name":"web-","outcome":"denied","reason":"unknownSidecar","sidecars":["` + long[:125] + `..."],"durationMicros":0,"dryRun":false,"catalog":"REV"}`,
			sidecars.Result{Outcome: sidecars.Denied, Reason: sidecars.UnknownSidecar, Sidecars: []string{long}}},
		{"nothing asked for", reviewOf(""),
			`{"level":"DEBUG","msg":"decision","uid":"u-1","namespace":"shop","name":"web-","outcome":"skipped","reason":"notRequested","sidecars":[],"durationMicros":0,"dryRun":false,"catalog":"REV"}`,
			sidecars.Result{Outcome: sidecars.Skipped, Reason: sidecars.NotRequested}},
		{"left alone", reviewOf("", `"CREATE"`, `"DELETE"`),
			`{"level":"INFO","msg":"decision","uid":"u-1","namespace":"shop","name":"web-","outcome":"skipped","reason":"otherRequest","sidecars":[],"durationMicros":0,"dryRun":false,"catalog":""}`,
			sidecars.Result{}},
		{"no review", "{}",
			`{"level":"WARN","msg":"decision","uid":"","namespace":"","name":"","outcome":"rejected","reason":"badReview","sidecars":[],"durationMicros":0,"dryRun":false,"catalog":""}`,
			sidecars.Result{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, lines := newLog(slog.LevelDebug)
			h := answering(t, &c.res)
			h.log = log
			post(h, PathMutate, c.review)
			want := strings.Replace(c.want, "REV", h.catalog().Revision(), 1) + "\n"
			if diff := cmp.Diff(want, lines.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlainSkipsAreNotLoggedByDefault(t *testing.T) {
	o := testOptions(t)
	log, lines := newLog(slog.LevelInfo)
	o.Log = log
	post(NewHandler(o), PathMutate, reviewOf(""))
	if got := lines.String(); got != "" {
		t.Errorf("logged %s", got)
	}
}

func TestALineIsBoundedWhateverAPodSays(t *testing.T) {
	o := testOptions(t)
	log, lines := newLog(slog.LevelInfo)
	o.Log = log
	h := NewHandler(o)
	post(h, PathMutate, reviewOf(strings.Repeat(strings.Repeat("n", 300)+",", 500)))
	if n := len(lines.String()); n > 16<<10 {
		t.Errorf("the line has %d bytes", n)
	}
}
