// Package configfile reads a program's YAML configuration field by field. Every mistake of a file is found in one go, and
// each says where it is: "adapter.yaml:12: health.rules[0].for: must be a duration such as 500ms or 1m30s".
package configfile

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
)

// MaxBytes bounds a file. A ConfigMap cannot hold more.
const MaxBytes = 1 << 20

// Mistake is one thing that is wrong in a file.
type Mistake struct {
	File   string
	Line   int    // from 1; 0 where the file as a whole is meant
	Field  string // such as health.rules[0].check; empty for the whole document
	Reason string
}

func (m *Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	if m.Field != "" {
		b.WriteString(": " + m.Field)
	}
	return b.String() + ": " + m.Reason
}

// Mistakes collects what is wrong, in whichever file.
type Mistakes struct{ list []*Mistake }

// Err joins all mistakes in order of file and line; nil where there are none.
func (m *Mistakes) Err() error {
	slices.SortStableFunc(m.list, func(a, b *Mistake) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	errs := make([]error, len(m.list))
	for i := range m.list {
		errs[i] = m.list[i]
	}
	return errors.Join(errs...)
}

// Field reads the value at a place.
type Field func(at Place)

// Fields are the keys that an object may have.
type Fields map[string]Field

// Place is a value in a file.
type Place struct {
	mistakes *Mistakes
	file     string
	field    string
	node     *yaml.Node
}

// Fail notes a mistake at the place.
func (at Place) Fail(format string, args ...any) {
	at.mistakes.list = append(at.mistakes.list, &Mistake{at.file, at.line(), at.field, fmt.Sprintf(format, args...)})
}

// Below is a place's field, for a mistake that concerns a field which is not there.
func (at Place) Below(key string) Place {
	at.field = strings.TrimPrefix(at.field+"."+key, ".")
	if value := at.value(key); value != nil {
		at.node = value
	}
	return at
}

// Has says whether an object has the field, right or wrong.
func (at Place) Has(key string) bool {
	value := at.value(key)
	return value != nil && !isNull(value)
}

func (at Place) line() int {
	if at.node == nil {
		return 0
	}
	return at.node.Line
}

func (at Place) value(key string) *yaml.Node {
	if at.node == nil || at.node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(at.node.Content); i += 2 {
		if at.node.Content[i].Value == key {
			return resolve(at.node.Content[i+1])
		}
	}
	return nil
}

// Read reads one document. An empty file is an object without fields.
func Read(mistakes *Mistakes, file string, text []byte, root Field) {
	at := Place{mistakes: mistakes, file: file}
	if len(text) > MaxBytes {
		at.Fail("has %d bytes; at most %d are read", len(text), MaxBytes)
		return
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		at.node = &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	case err != nil:
		at.Fail("%s", syntax(err))
		return
	default:
		at.node = resolve(doc.Content[0])
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) && err == nil {
		at.Fail("holds more than one document")
		return
	}
	if isNull(at.node) {
		at.node = &yaml.Node{Kind: yaml.MappingNode, Line: at.node.Line}
	}
	root(at)
}

// syntax is the YAML reader's message without its own name.
func syntax(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\n", " "), "yaml: ")
}

func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// Object reads an object with these fields, of which some are required. A value that is null counts as absent.
func Object(fields Fields, required ...string) Field {
	return func(at Place) {
		if at.node.Kind != yaml.MappingNode {
			at.Fail("must be an object with %s", known(fields))
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(at.node.Content); i += 2 {
			key, value := at.node.Content[i], resolve(at.node.Content[i+1])
			below := Place{at.mistakes, at.file, strings.TrimPrefix(at.field+"."+key.Value, "."), key}
			read, ok := fields[key.Value]
			switch {
			case !ok:
				below.Fail("is not known; known: %s", known(fields))
			case seen[key.Value]:
				below.Fail("is here twice")
			case !isNull(value):
				seen[key.Value], below.node = true, value
				read(below)
			}
		}
		for _, key := range required {
			if !seen[key] {
				at.Below(key).Fail("is required")
			}
		}
	}
}

func known(fields Fields) string { return strings.Join(slices.Sorted(maps.Keys(fields)), ", ") }

// List reads a list, item by item.
func List(item Field) Field {
	return func(at Place) {
		if at.node.Kind != yaml.SequenceNode {
			at.Fail("must be a list")
			return
		}
		for i, n := range at.node.Content {
			item(Place{at.mistakes, at.file, fmt.Sprintf("%s[%d]", at.field, i), resolve(n)})
		}
	}
}
