package sidecars_test

import (
	"bytes"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/sidecars"
)

// sampleFile holds random Pods of the property tests, one a line, which test/apiserver creates for real.
const sampleFile = "../test/golden/sample.jsonl"

// TestSampleIsInjected holds the sample to what its users expect: Pods that ask by themselves and are injected. With
// -update it is drawn anew.
func TestSampleIsInjected(t *testing.T) {
	catalog := propertyCatalog(t)
	if *update {
		drawSample(t, catalog)
	}
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	if len(lines) != sampleSize {
		t.Errorf("the sample has %d Pods, want %d", len(lines), sampleSize)
	}
	for i, line := range lines {
		if res, _, err := run(catalog, line, &sidecars.Namespace{}); err != nil || res.Outcome != sidecars.Injected {
			t.Errorf("line %d: %s, %v", i+1, res.Outcome, err)
		}
	}
}

const sampleSize = 100

func drawSample(t *testing.T, catalog *sidecars.Catalog) {
	t.Helper()
	draw := rapid.Custom(func(t *rapid.T) podCase { return drawCase(t, catalog) })
	var out bytes.Buffer
	for seed, n := 0, 0; n < sampleSize; seed++ {
		c := draw.Example(seed)
		if len(c.ns.Labels)+len(c.ns.Annotations) > 0 {
			continue
		}
		if res, _, err := run(catalog, c.json, &sidecars.Namespace{}); err == nil && res.Outcome == sidecars.Injected {
			out.Write(append(c.json, '\n'))
			n++
		}
	}
	if err := os.WriteFile(sampleFile, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
