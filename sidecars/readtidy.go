package sidecars

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mostNodes is how many values a document may hold, those that aliases repeat counted each time; deepest is how far they may
// nest.
const (
	mostNodes = 100_000
	deepest   = 64
)

// tidy takes keys that are there twice out of a document.
func (d *document) tidy() (field.ErrorList, error) {
	t := &tidier{left: mostNodes, lines: map[*field.Error]int{}}
	t.node(nil, d.root, 0)
	if t.left < 0 {
		why := fmt.Errorf("the document holds more than %d values, or %d in one another", mostNodes, deepest)
		return nil, &LoadError{File: d.file, Line: d.line + t.line, Err: why}
	}
	d.lines = t.lines
	return t.errs, nil
}

type tidier struct {
	// left is how many values may follow; below 0 there were too many, at line.
	left, line int
	errs       field.ErrorList
	lines      map[*field.Error]int
}

func (t *tidier) node(at *field.Path, n *yaml.Node, depth int) {
	if t.left < 0 {
		return
	}
	if t.left--; t.left < 0 || depth > deepest {
		t.left, t.line = -1, n.Line
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		t.scalar(at, n)
	case yaml.AliasNode:
		t.node(at, n.Alias, depth+1)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			t.node(at.Index(i), item, depth+1)
		}
	case yaml.MappingNode:
		t.mapping(at, n, depth)
	}
}

// scalar finds what YAML knows and JSON does not.
func (t *tidier) scalar(at *field.Path, n *yaml.Node) {
	tag := n.ShortTag()
	if at != nil && (tag == "!!binary" || tag == "!!float" && strings.ContainsAny(n.Value, "nN")) {
		t.wrong(n, field.Invalid(at, n.Value, "want a string, number or boolean of JSON"))
	}
}

func (t *tidier) wrong(n *yaml.Node, e *field.Error) {
	t.errs, t.lines[e] = append(t.errs, e), n.Line
}

// mergeable reports whether a value can stand at the key <<.
func mergeable(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.SequenceNode {
		return n.Kind == yaml.MappingNode
	}
	return !slices.ContainsFunc(n.Content, func(it *yaml.Node) bool { return it.Kind == yaml.SequenceNode || !mergeable(it) })
}

// keyTags are the kinds of keys that JSON can have.
var keyTags = []string{"!!str", "!!int", "!!float", "!!bool", "!!merge"}

func (t *tidier) mapping(at *field.Path, n *yaml.Node, depth int) {
	seen := make(map[string]bool, len(n.Content)/2)
	kept := n.Content[:0:0]
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !slices.Contains(keyTags, key.ShortTag()) {
			t.wrong(key, field.Invalid(at.Child(cmp.Or(key.Value, "~")), cmp.Or(key.Value, key.ShortTag()), "is no key: want a string"))
			continue
		}
		if key.Tag == "!!merge" && !mergeable(value) {
			t.wrong(key, field.Invalid(at.Child(key.Value), "", "want an alias of an object, or a list of those"))
			continue
		}
		if seen[key.Value] && key.Tag != "!!merge" {
			t.wrong(key, duplicate(at.Child(key.Value), key.Value, "is set above"))
			continue
		}
		seen[key.Value] = true
		kept = append(kept, key, value)
		t.node(at.Child(key.Value), value, depth+1)
	}
	n.Content = kept
}
