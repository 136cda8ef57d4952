package bench

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"testing/fstest"

	"github.com/pillion-dev/pillion/sidecars"
)

// TestTheSizeOfTheCatalogDoesNotMatter: a review takes the same allocations with 10 entries and with 1,000. Its time is
// BenchmarkCatalog's to show.
func TestTheSizeOfTheCatalogDoesNotMatter(t *testing.T) {
	few, _ := allocated(withCatalog(t, 10))
	many, _ := allocated(withCatalog(t, 1000))
	if few != many {
		t.Errorf("%d allocations with 10 entries, %d with 1,000", few, many)
	}
}

func BenchmarkCatalog(b *testing.B) {
	for _, entries := range []int{10, 1000} {
		c := withCatalog(b, entries)
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.do()
			}
		})
	}
}

// withCatalog asks for one small sidecar of a catalog of that size.
func withCatalog(t testing.TB, size int) *call {
	t.Helper()
	text, err := os.ReadFile("testdata/catalog/small.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{"small.yaml": {Data: text}}
	for i := 1; i < size; i++ {
		name := fmt.Sprintf("small%d", i)
		files[name+".yaml"] = &fstest.MapFile{Data: bytes.ReplaceAll(text, []byte("small"), []byte(name))}
	}
	entries, err := sidecars.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	c := &call{handler: pillion(entries), review: workOf(t, realPod, oneSmall).review}
	c.patch(t)
	return c
}
