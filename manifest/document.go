package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	yamlv3 "go.yaml.in/yaml/v3"
)

// Document is one document of a stream. It is not safe for concurrent use.
type Document struct {
	name string
	line int
	raw  []byte

	anew   bool // the text was encoded anew
	parsed bool
	value  any
	err    error
	nodes  *yamlv3.Node // of the text, if it has been read by them
	tree   *tree        // nil until a position in the text is asked for
}

// NewDocument returns a document from its text, which begins at the given line
// of the named stream. The text is not copied.
func NewDocument(text []byte, name string, line int) *Document {
	return &Document{name: name, line: line, raw: text}
}

// Bytes returns the exact text of the document with its separators. It must
// not be changed.
func (d *Document) Bytes() []byte { return d.raw }

// Name returns the name of the stream the document is from.
func (d *Document) Name() string { return d.name }

// FirstLine returns the line of the stream, counted from 1, that the text of
// the document begins at. A patched document has that of the one it came from.
func (d *Document) FirstLine() int { return d.line }

// Reencoded reports whether the document comes from Patch and its layout could
// not be kept.
func (d *Document) Reencoded() bool { return d.anew }

// JSON returns the document as the API server would read it, nil if it is
// empty or holds only comments. The keys of maps are sorted. Errors begin with
// the stream's name and a line.
func (d *Document) JSON() ([]byte, error) {
	v, err := d.read()
	if v == nil || err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Line returns the line of the stream at which the node begins that a JSON
// pointer names, 0 if there is none. The line of a map member is that of its
// key; a node behind an alias or merge key is where it is written.
func (d *Document) Line(pointer string) int {
	path, err := parsePointer(pointer)
	if err != nil {
		return 0
	}
	return d.lineOf(path)
}

func (d *Document) lineOf(path []string) int {
	t, err := d.parse()
	if t == nil || err != nil {
		return 0
	}
	m := t.lookup(path)
	if m == nil {
		return 0
	}
	return d.line + t.lineOf(m.start)
}

// read returns the value of the document, nil if there is none.
func (d *Document) read() (any, error) {
	if d.parsed {
		return d.value, d.err
	}
	d.parsed = true
	d.value, d.err = d.readText()
	if d.err != nil {
		d.err = d.located(d.err)
	}
	return d.value, d.err
}

func (d *Document) readText() (any, error) {
	text := d.body()
	if err := checkText(text); err != nil {
		return nil, err
	}
	if t := jsonTree(text); t != nil {
		d.tree = t
		return readJSON(t)
	}
	if mayReadNodes(text) {
		if nodes, err := parseNodes(text); err == nil && nodes != nil {
			if v, ok := plainNode(nodes.Content[0]); ok {
				d.nodes = nodes
				return v, nil
			}
		}
	}
	v, err := d.readAgain()
	if err != nil {
		return nil, err
	}
	return convert(v, nil)
}

// readAgain reads the text with the reader of Kubernetes. The maps of YAML
// still have keys of any type.
func (d *Document) readAgain() (any, error) {
	text := d.body()
	if t := jsonTree(text); t != nil {
		return readJSON(t)
	}
	v, err := decodeYAML(text, true)
	if errors.Is(err, errDuplicateKey) {
		if t, treeErr := d.parse(); treeErr == nil && t != nil && findDuplicate(t.root) == nil {
			return decodeYAML(text, false) // a merged key was overridden
		}
	}
	return v, err
}

func readJSON(t *tree) (any, error) {
	if findDuplicate(t.root) != nil {
		return nil, errDuplicateKey
	}
	return valueFromJSON(t.text, t.root).plain(), nil
}

// body returns the text of the document without a byte order mark.
func (d *Document) body() []byte { return bytes.TrimPrefix(d.raw, bom) }

// parse returns the tree of the document, nil if it has no content. The text
// of the tree always ends with a line break.
func (d *Document) parse() (*tree, error) {
	if d.tree != nil {
		return d.tree, nil
	}
	text := d.body()
	if t := jsonTree(text); t != nil {
		d.tree = t
		return t, nil
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(bytes.Clone(text), eolOf(text)...)
	}
	if d.nodes == nil {
		nodes, err := parseNodes(text)
		if nodes == nil || err != nil {
			return nil, err
		}
		d.nodes = nodes
	}
	d.tree = buildTree(text, d.nodes)
	return d.tree, nil
}

// located adds the stream's name and the line to an error.
func (d *Document) located(err error) error {
	var p *problem
	switch {
	case errors.Is(err, errDuplicateKey):
		return d.located(d.duplicate())
	case !errors.As(err, &p):
		return fmt.Errorf("%s:%d: %w", d.name, d.line, err)
	case p.line == 0 && p.path != nil:
		if line := d.lineOf(p.path); line > 0 {
			return fmt.Errorf("%s:%d: %w", d.name, line, err)
		}
	}
	return fmt.Errorf("%s:%d: %w", d.name, d.line+max(p.line, 1)-1, err)
}

// duplicate describes the first key that a map has twice.
func (d *Document) duplicate() *problem {
	if t, err := d.parse(); err == nil && t != nil {
		if dup := findDuplicate(t.root); dup != nil {
			return &problem{
				line: 1 + t.lineOf(dup.second.start),
				text: fmt.Sprintf("key %q is already set on line %d", dup.second.name, d.line+t.lineOf(dup.first.start)),
			}
		}
	}
	return &problem{text: "a map has the same key twice"}
}

// jsonTree returns the tree of a text that is JSON but for a separator or
// comments before it, nil for any other.
func jsonTree(text []byte) *tree {
	at := contentStart(text)
	if at == len(text) || text[at] != '{' && text[at] != '[' || !json.Valid(text[at:]) {
		return nil
	}
	return &tree{text: text, root: scanJSON(text, at), json: true}
}

// contentStart skips white space, comments and a bare "---".
func contentStart(text []byte) int {
	at := skipSpace(text, 0, len(text))
	if at == lineStart(text, at) && isMarker(text[at:], "---") {
		line := text[at+3 : nextLine(text, at)]
		if isBlankOrComment(line) {
			at = skipSpace(text, nextLine(text, at), len(text))
		}
	}
	return at
}

func eolOf(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}
