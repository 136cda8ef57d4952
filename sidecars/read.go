package sidecars

import (
	"bytes"
	"fmt"
	"io/fs"

	yaml "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// document is one YAML document of a catalog file.
type document struct {
	file string
	// line is how many lines of the file come before the document.
	line int
	root *yaml.Node
	// lines of mistakes whose place is no longer in root.
	lines map[*field.Error]int
	// kind and key of the entry; entry is nil where it has a mistake.
	kind  string
	key   Key
	entry *Entry
	// unplaced: a Sidecar that says no Namespace; its key has namespaceDefault.
	unplaced bool
}

// namespaceDefault is where kubectl puts what says no Namespace.
const namespaceDefault = "default"

// largestFile is the size of a catalog file, in bytes, beyond which it is not read: more than etcd takes.
const largestFile = 2 << 20

// readFile compiles the documents of one file.
func readFile(fsys fs.FS, name string) ([]*document, []error) {
	info, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, []error{&LoadError{File: name, Err: err}}
	}
	if info.Size() > largestFile {
		return nil, []error{&LoadError{File: name, Err: fmt.Errorf("has %d bytes, the most is %d", info.Size(), largestFile)}}
	}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, []error{&LoadError{File: name, Err: err}}
	}
	var docs []*document
	var errs []error
	for _, d := range splitDocuments(name, text) {
		errs = append(errs, d.read()...)
		if d.kind != "" {
			docs = append(docs, &d.document)
		}
	}
	return docs, errs
}

// splitDocuments finds the documents by the lines that separate them, so that one that is no YAML does not hide the others.
func splitDocuments(file string, text []byte) []*rawDocument {
	var out []*rawDocument
	d := &rawDocument{document: document{file: file}}
	n, begun := 0, false
	for line := range bytes.Lines(text) {
		word := bytes.TrimRight(line, " \t\r\n")
		begins, ends := marks(word, "---"), marks(word, "...")
		if begun && (begins || ends) {
			out = append(out, d)
			d, begun = &rawDocument{document: document{file: file, line: n}}, false
		}
		n++
		if ends {
			d.text = append(d.text, '\n')
			continue
		}
		d.text = append(d.text, line...)
		// What stands before a marker and is nothing, a comment or a directive belongs to the document that follows.
		begun = begun || begins || len(word) > 0 && word[0] != '#' && word[0] != '%'
	}
	return append(out, d)
}

// marks reports whether a line is a marker, with or without something behind it.
func marks(line []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

type rawDocument struct {
	document
	text []byte
}

// read decodes a document strictly and compiles it.
func (d *rawDocument) read() []error {
	d.root = new(yaml.Node)
	if err := yaml.Unmarshal(d.text, d.root); err != nil {
		return []error{d.syntaxError(err)}
	}
	if d.root.Kind == 0 || len(d.root.Content) == 0 || d.root.Content[0].Tag == "!!null" {
		return nil
	}
	d.root = d.root.Content[0]
	errs, tooLarge := d.tidy()
	if tooLarge != nil {
		return []error{tooLarge}
	}
	raw, err := sigsyaml.YAMLToJSON(d.text)
	if err != nil && len(errs) > 0 {
		return d.locate(errs)
	}
	if err != nil {
		return []error{d.syntaxError(err)}
	}
	entry, bad, err := decodeEntry(raw)
	if err != nil {
		return append(d.locate(errs), d.syntaxError(err))
	}
	errs = append(errs, bad...)
	if entry == nil {
		return d.locate(errs)
	}
	d.kind, d.key = entry.Kind, Key{entry.Namespace, entry.Name}
	if d.kind == v1alpha1.KindSidecar && d.key.Namespace == "" {
		d.unplaced, d.key.Namespace = true, namespaceDefault
	}
	d.entry, errs = compile(entry, raw, errs)
	if d.entry != nil {
		d.entry.Namespace = d.key.Namespace
	}
	return d.locate(errs)
}
