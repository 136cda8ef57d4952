package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"gomodules.xyz/jsonpatch/v2"
)

// Document is one document of a stream. It is not safe for concurrent use.
type Document struct {
	name string
	line int
	raw  []byte

	parsed bool
	value  any
	err    error
	tree   *tree // nil until a position in the text is asked for
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
	t, err := d.parseTree()
	if t == nil || err != nil {
		return 0
	}
	m := t.lookup(path)
	if m == nil {
		return 0
	}
	return d.line + t.lineOf(m.start)
}

var errEmpty = errors.New("the document is empty")

// Patch returns the document with RFC 6902 operations applied in order, which
// must be add, remove or replace. The document itself stays as it is.
//
// Only the lines of what is added, replaced or removed differ. A document in
// which that cannot be done, because of merge keys for example, is encoded
// anew: with its comments and the order of its keys, but not its layout. A
// document that is returned always has been read again and compared.
func (d *Document) Patch(ops []jsonpatch.Operation) (*Document, error) {
	if len(ops) == 0 {
		return d, nil
	}
	v, err := d.read()
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, d.fail(errEmpty)
	}
	t, layoutErr := d.parseTree()
	d.tree = nil // it is about to change
	changes, want, err := d.change(t, clone(v), ops)
	if err != nil {
		return nil, err
	}
	if t != nil && t.root != nil && layoutErr == nil {
		var text []byte
		if text, layoutErr = t.spliced(); layoutErr == nil {
			if out := d.with(trimEOL(text, d.raw)); out.means(want) {
				return out, nil
			}
		}
	}
	text, err := d.reencode(changes, want)
	if err != nil {
		return nil, d.fail(err)
	}
	out := d.with(text)
	if !out.means(want) {
		return nil, d.fail(errors.New("the patch cannot be written into this text"))
	}
	return out, nil
}
