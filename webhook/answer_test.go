package webhook

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestAtMostTwentyWarningsAreGivenAndTheLastTellsOfTheRest(t *testing.T) {
	warnings := func(n int) []sidecars.Warning {
		var w []sidecars.Warning
		for i := range n {
			w = append(w, sidecars.Warning{Code: "P101", Text: fmt.Sprint("number ", i)})
		}
		return w
	}
	for n, last := range map[int]string{1: "P101: number 0", 20: "P101: number 19", 21: "P903: 2 more warnings are not shown", 500: "P903: 481 more warnings are not shown"} {
		res := sidecars.Result{Outcome: sidecars.Unchanged, Warnings: warnings(n)}
		got := readAnswer(t, post(answering(t, &res), PathMutate, reviewOf("alpha")).Body.Bytes()).Warnings
		if len(got) != min(n, maxWarnings) || got[len(got)-1] != last {
			t.Errorf("%d warnings: %d given, the last is %q", n, len(got), got[len(got)-1])
		}
		if size := len(strings.Join(got, "")); size > 4096 {
			t.Errorf("%d warnings: %d bytes, of which the API server shows 4096", n, size)
		}
	}
}

func TestWarningsAreCutToTheLengthTheAPIServerShows(t *testing.T) {
	res := sidecars.Result{Outcome: sidecars.Unchanged, Warnings: []sidecars.Warning{{Code: "P101", Text: strings.Repeat("é", 300)}}}
	got := readAnswer(t, post(answering(t, &res), PathMutate, reviewOf("alpha")).Body.Bytes()).Warnings
	if len(got) != 1 || len(got[0]) > sidecars.MaxWarning || !utf8.ValidString(got[0]) {
		t.Errorf("got %q", got)
	}
}

func TestARefusalIsBoundedAndSaysHowMuchIsMissing(t *testing.T) {
	many := func(n, length int) (errs field.ErrorList) {
		for i := range n {
			errs = append(errs, field.Forbidden(field.NewPath("spec", "containers").Index(i), strings.Repeat("x", length)))
		}
		return errs
	}
	for _, c := range []struct {
		name       string
		errs       field.ErrorList
		begin, end string
	}{
		{"one short", many(1, 1), "spec.containers[0]: Forbidden: x", "x"},
		{"one long", many(1, 20_000), "spec.containers[0]: Forbidden: xxx", "xxx..."},
		{"three short", many(3, 1), "3 mistakes: (1) spec.containers[0]: Forbidden: x; (2) spec.", "(3) spec.containers[2]: Forbidden: x"},
		{"many", many(1000, 10), "1000 mistakes: (1) spec.", " and 836 more"},
		{"two, the second long", many(2, 6000), "2 mistakes: (1) spec.", "xxx; and 1 more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := sidecars.Result{Outcome: sidecars.Denied, Errors: c.errs}
			got := readAnswer(t, post(answering(t, &res), PathMutate, reviewOf("alpha")).Body.Bytes()).Status.Message
			if len(got) > maxMessage || !strings.HasPrefix(got, c.begin) || !strings.HasSuffix(got, c.end) {
				t.Errorf("%d bytes: %.80q ... %q", len(got), got, got[max(0, len(got)-40):])
			}
		})
	}
}

func TestAuditAnnotationsAreBounded(t *testing.T) {
	res := sidecars.Result{Outcome: sidecars.Denied, Reason: sidecars.UnknownSidecar, Sidecars: []string{strings.Repeat("ü", 50_000), "b"}}
	got := readAnswer(t, post(answering(t, &res), PathMutate, reviewOf("alpha")).Body.Bytes()).AuditAnnotations["sidecars"]
	if len(got) > maxAudit || !strings.HasSuffix(got, "ü...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestStringsComeBackWhole(t *testing.T) {
	for _, s := range []string{"", "plain", "quote\" back\\ slash/", "\x00\x1f\n\t", "é \u2028 \U0001F6B2", "bad \xff\xfe utf8"} {
		var got string
		if err := json.Unmarshal(appendString(nil, s), &got); err != nil {
			t.Errorf("%q: %v", s, err)
		}
		if diff := cmp.Diff(strings.ToValidUTF8(s, "\ufffd"), strings.ReplaceAll(got, "\ufffd\ufffd", "\ufffd")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestCodesOfTheShellAreNotThoseOfTheCore(t *testing.T) {
	core := sidecars.Codes()
	for code, text := range Codes() {
		if core[code] != "" {
			t.Errorf("%s is also a code of the core", code)
		}
		if !strings.HasPrefix(code, "P9") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q", code, text)
		}
	}
}
