package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"gomodules.xyz/jsonpatch/v2"
	"sigs.k8s.io/yaml"
)

// FuzzReader checks that no stream makes the package panic or hang, that the
// documents of a stream joined are the stream, that documents are read as
// sigs.k8s.io/yaml reads them and that patched documents have the right value.
func FuzzReader(f *testing.F) {
	for _, seed := range readerSeeds {
		f.Add([]byte(seed))
	}
	for _, seed := range aliasTexts {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := NewReader(bytes.NewReader(stream), "fuzz.yaml")
		var joined []byte
		for {
			d, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			joined = append(joined, d.Bytes()...)
			fuzzDocument(t, d)
		}
		if !bytes.Equal(joined, stream) {
			t.Fatalf("got  %q\nwant %q", joined, stream)
		}
	})
}

func fuzzDocument(t *testing.T, d *Document) {
	got, err := d.JSON()
	d.Line("/metadata/name")
	if err != nil || got == nil {
		return
	}
	if jsonTree(d.body()) == nil {
		want, err := yaml.YAMLToJSON(d.Bytes())
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q\ngot  %s\nwant %s, %v", d.Bytes(), got, want, err)
		}
	}
	v, _ := d.read()
	for _, o := range fuzzOps(v) {
		want, err := apply(clone(v), mustChange(t, o))
		if err != nil {
			t.Fatalf("%q\n%s: %v", d.Bytes(), show(o), err)
		}
		out, err := d.Patch([]jsonpatch.Operation{o})
		if err != nil {
			continue
		}
		again, err := NewDocument(out.Bytes(), "fuzz.yaml", 1).read()
		if err != nil || !equal(again, want) {
			t.Fatalf("%q\n%s\n%q\n%v", d.Bytes(), show(o), out.Bytes(), err)
		}
	}
}

// fuzzOps returns operations that v accepts at its first few containers.
func fuzzOps(v any) []jsonpatch.Operation {
	var all []jsonpatch.Operation
	value := json.RawMessage(`{"name":"x","args":["y\nz"]}`)
	paths := append([][]string{nil}, pathsOf(v, nil)...)
	for _, path := range paths[:min(len(paths), 6)] {
		pointer := formatPointer(path)
		switch at(v, path).(type) {
		case map[string]any:
			all = append(all, jsonpatch.Operation{Operation: opAdd, Path: pointer + "/zz", Value: value})
		case []any:
			all = append(all, jsonpatch.Operation{Operation: opAdd, Path: pointer + "/0", Value: value})
		}
		if pointer != "" {
			all = append(all, jsonpatch.Operation{Operation: opRemove, Path: pointer})
			all = append(all, jsonpatch.Operation{Operation: opReplace, Path: pointer, Value: value})
		}
	}
	return all
}

func mustChange(t *testing.T, o jsonpatch.Operation) change {
	t.Helper()
	c, err := parseChange(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
