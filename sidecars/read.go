package sidecars

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// LoadError is one mistake in a catalog.
type LoadError struct {
	// File is the file's name, or the entry's where the file is not known.
	File string
	// Line of the mistake, 1-based; 0 where it is not known.
	Line int
	// Err says what is wrong; for a mistake in a field it starts with the field's path.
	Err error
}

// Error gives file:line: field: reason.
func (e *LoadError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Err.Error()
	}
	return e.File + ":" + strconv.Itoa(e.Line) + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// readFile compiles the documents of one file.
func readFile(name string, text []byte) ([]*Entry, []error) {
	var entries []*Entry
	var errs []error
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return entries, errs
		}
		if err != nil {
			return entries, append(errs, &LoadError{File: name, Line: yamlLine(err), Err: errors.New(strings.TrimPrefix(err.Error(), "yaml: "))})
		}
		e, bad := readDocument(&doc)
		for _, b := range bad {
			errs = append(errs, &LoadError{File: name, Line: lineOf(&doc, b), Err: b})
		}
		if e != nil {
			entries = append(entries, e)
		}
	}
}

func yamlLine(err error) int {
	var line int
	if i := strings.Index(err.Error(), "line "); i >= 0 {
		_, _ = fmt.Sscanf(err.Error()[i:], "line %d", &line)
	}
	return line
}

// readDocument decodes one document strictly and compiles it.
func readDocument(doc *yaml.Node) (*Entry, []error) {
	var plain any
	if err := doc.Decode(&plain); err != nil {
		return nil, []error{err}
	}
	if plain == nil {
		return nil, nil
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		return nil, []error{err}
	}
	raw, err := sigsyaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, []error{err}
	}
	var entry v1alpha1.ClusterSidecar
	if err := strictDecode(raw, &entry); err != nil {
		return nil, flatten(err)
	}
	switch {
	case entry.APIVersion != v1alpha1.GroupVersion:
		return nil, []error{field.NotSupported(field.NewPath("apiVersion"), entry.APIVersion, []string{v1alpha1.GroupVersion})}
	case entry.Kind != v1alpha1.KindClusterSidecar && entry.Kind != v1alpha1.KindSidecar:
		return nil, []error{field.NotSupported(field.NewPath("kind"), entry.Kind, []string{v1alpha1.KindClusterSidecar, v1alpha1.KindSidecar})}
	}
	e, bad := Compile(entry.Name, &entry.Spec)
	errs := make([]error, len(bad))
	for i, b := range bad {
		errs[i] = b
	}
	return e, errs
}

func flatten(err error) []error {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		return many.Unwrap()
	}
	return []error{err}
}

// lineOf finds the line of the field that an error names, or of its nearest parent that is there.
func lineOf(doc *yaml.Node, err error) int {
	var fe *field.Error
	path := ""
	if errors.As(err, &fe) {
		path = fe.Field
	} else if i := strings.Index(err.Error(), `"`); i >= 0 {
		path, _, _ = strings.Cut(err.Error()[i+1:], `"`)
	}
	at := doc
	if at.Kind == yaml.DocumentNode && len(at.Content) > 0 {
		at = at.Content[0]
	}
	line := at.Line
	for _, step := range steps(path) {
		next, l := below(at, step)
		if next == nil {
			return line
		}
		at, line = next, l
	}
	return line
}

// steps splits spec.a[0].b[key] into its words.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func below(n *yaml.Node, step string) (*yaml.Node, int) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1], n.Content[i].Line
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i].Line
		}
	case yaml.AliasNode:
		return below(n.Alias, step)
	}
	return nil, 0
}
