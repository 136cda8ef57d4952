package sidecars_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/sidecars"
)

// TestMain has every property see 1,000 cases where -rapid.checks or RAPID_CHECKS does not say; `make prove` says ten times
// as many.
func TestMain(m *testing.M) {
	flag.Parse()
	_, set := os.LookupEnv("RAPID_CHECKS")
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		if err := flag.Set("rapid.checks", "1000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// check runs a property and shows, and judges, how its cases were spread over the outcomes: at least 30 of 100 are to be
// injected, or the property says little.
func check(t *testing.T, property func(t *rapid.T, outcomes map[string]int)) {
	t.Helper()
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) { property(t, outcomes) })
	total := 0
	for what, n := range outcomes {
		if !strings.Contains(what, ":") {
			total += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%5.1f %% %s", 100*float64(outcomes[what])/float64(total), what)
	}
	if got := outcomes["injected"]; 100*got < 30*total {
		t.Errorf("%d of %d cases were injected, want at least 30 of 100", got, total)
	}
}

func TestPropertyInjection(t *testing.T) {
	catalog := propertyCatalog(t)
	var used sidecars.Workspace // by all cases before
	check(t, func(t *rapid.T, outcomes map[string]int) {
		c := drawCase(t, catalog)
		res, after := c.run(t, catalog, outcomes)
		for _, w := range []*sidecars.Workspace{{}, &used} {
			pod, err := sidecars.ReadPod(c.json)
			if err != nil {
				t.Fatal(err)
			}
			again := w.Inject(catalog, pod, &c.ns)
			if a, b := sidecars.AppendPatch(nil, res.Patch), sidecars.AppendPatch(nil, again.Patch); string(a) != string(b) {
				t.Fatalf("the same input gave another patch:\n%s\n%s\n%s", a, b, c)
			}
			if diff := cmp.Diff(says(res), says(again)); diff != "" {
				t.Fatalf("the same input gave another answer: %s", diff)
			}
		}
		if after == nil {
			return
		}
		for _, law := range []struct {
			name string
			hold func() error
		}{
			{"the result holds the Pod", func() error { return additions(c.json, after) }},
			{"the result decodes strictly", func() error { return decodesStrictly(after) }},
			{"the Pod Security level is kept", func() error { return levelKept(catalog, res, c.json, after) }},
			{"the QoS class is kept", func() error { return qosKept(c.json, after) }},
			{"uninject takes out what was added", func() error { return removable(c.json, after) }},
			{"the patch is small", func() error { return small(res.Patch) }},
			{"a second run adds nothing", func() error { return settled(catalog, after, &c.ns) }},
		} {
			if err := law.hold(); err != nil {
				t.Fatalf("%s: %v\n%s\npatch %s", law.name, err, c, sidecars.AppendPatch(nil, res.Patch))
			}
		}
	})
}
