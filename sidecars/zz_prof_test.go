package sidecars

import (
	"os"
	"testing"
	"time"
)

func TestZZProf(t *testing.T) {
	es, err := read(os.DirFS("catalog"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		n := 0
		s := time.Now()
		e.combinations(func([]value) { n++ })
		d0 := time.Since(s)
		s = time.Now()
		errs := e.Prove(nil)
		d := time.Since(s)
		s = time.Now()
		Compile(e.Name, e.Spec)
		t.Log(e.Name, len(e.params), n, d0, d, d/time.Duration(n), len(errs), "compile", time.Since(s), e.Level)
	}
}
