package bench

import (
	"fmt"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
)

// slower is how much more CPU time a review may take with a thousand entries in the catalog than with ten.
const slower = 1.2

// TestCatalogSizeDoesNotMatter answers the same reviews with ten entries in the catalog and with a thousand, half of them
// of single Namespaces.
func TestCatalogSizeDoesNotMatter(t *testing.T) {
	turns := rounds
	if testing.Short() {
		turns = 1
	}
	few, many := catalogOf(t, 10), catalogOf(t, 1000)
	if n := len(many.All()); n != 1000 || len(few.All()) != 10 {
		t.Fatalf("the catalogs have %d and %d entries", len(few.All()), n)
	}
	for _, what := range []string{oneSmall, fourBuiltin} {
		w := workOf(t, realPod, what)
		small := &row{what: "10 entries", work: w, call: &call{handler: pillion(few), review: w.review}}
		large := &row{what: "1,000 entries", work: w, call: &call{handler: pillion(many), review: w.review}, usual: small}
		if string(small.patch(t)) != string(large.patch(t)) {
			t.Errorf("%s: the patches differ", what)
		}
		for range turns {
			small.cpu = append(small.cpu, cpuOf(t, small.call, turn))
			large.cpu = append(large.cpu, cpuOf(t, large.call, turn))
		}
		ratio := 1 / large.times()
		t.Logf("%s: with 1,000 entries %.2f times the CPU time that 10 take", what, ratio)
		if ratio > slower {
			t.Errorf("%s: with 1,000 entries a review takes %.2f times the CPU time, want at most %.1f", what, ratio, slower)
		}
	}
}

// catalogOf is the benchmarks' catalog and as many others as it takes to have n entries.
func catalogOf(t testing.TB, n int) *sidecars.Catalog {
	t.Helper()
	entries := catalog(t).All()
	for i := 0; len(entries) < n; i++ {
		kind, namespace := "ClusterSidecar", ""
		if i%2 == 1 {
			kind, namespace = "Sidecar", fmt.Sprintf(`,"namespace":"team-%d"`, i%50)
		}
		e, errs := sidecars.Parse(fmt.Appendf(nil, `{"apiVersion":"pillion.dev/v1alpha1","kind":%q,"metadata":{"name":"other-%d"%s},"spec":{"description":"Another.","containers":[
			{"name":"other-%d","image":"registry.example/other:1","resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"cpu":"100m","memory":"32Mi"}}}]}}`, kind, i, namespace, i))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		entries = append(entries, e)
	}
	return sidecars.NewCatalog(entries...)
}
