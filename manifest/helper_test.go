package manifest

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"gomodules.xyz/jsonpatch/v2"
)

// op makes an operation from a line like `add /a/b {"c":1}`.
func op(t testing.TB, line string) jsonpatch.Operation {
	t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	path, value, found := strings.Cut(rest, " ")
	o := jsonpatch.Operation{Operation: name, Path: path}
	if found {
		if !json.Valid([]byte(value)) {
			t.Fatalf("value of %q is not JSON", line)
		}
		o.Value = json.RawMessage(value)
	}
	return o
}

func ops(t testing.TB, lines ...string) []jsonpatch.Operation {
	t.Helper()
	var all []jsonpatch.Operation
	for _, line := range lines {
		all = append(all, op(t, line))
	}
	return all
}

// document returns a document on its own in a stream called web.yaml.
func document(text string) *Document { return NewDocument([]byte(text), "web.yaml", 1) }

// readAll returns all documents of a stream called web.yaml.
func readAll(t testing.TB, text string) []*Document {
	t.Helper()
	r := NewReader(strings.NewReader(text), "web.yaml")
	var all []*Document
	for {
		d, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
}

// show returns operations as JSON, one a line.
func show(patch ...jsonpatch.Operation) string {
	var lines []string
	for _, o := range patch {
		lines = append(lines, o.Json())
	}
	return strings.Join(lines, "\n")
}
