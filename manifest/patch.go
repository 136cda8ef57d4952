package manifest

import (
	"bytes"
	"errors"
	"fmt"

	"gomodules.xyz/jsonpatch/v2"
)

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
		return nil, d.located(errEmpty)
	}
	p := &patching{doc: d, ops: ops, want: clone(v)}
	if t, err := d.parse(); err == nil {
		p.tree, p.json, p.style = t, t.json, t.habits()
		p.style.open = !bytes.HasSuffix(d.raw, []byte("\n"))
		d.tree = nil // it changes now
	}
	for _, op := range ops {
		if err := p.apply(op); err != nil {
			return nil, err
		}
	}
	if out := p.splice(); out != nil {
		return out, nil
	}
	return p.reencode()
}

// patching is a document on its way to being another.
type patching struct {
	doc   *Document
	want  any   // the value the document is to have
	tree  *tree // nil once the layout cannot be kept
	json  bool
	style style
	ops   []jsonpatch.Operation
}

func (p *patching) apply(op jsonpatch.Operation) error {
	c, err := parseChange(op)
	if err != nil {
		return p.doc.located(fmt.Errorf("%s %s: %w", op.Operation, op.Path, err))
	}
	if p.tree != nil && p.tree.edit(c, p.want) != nil {
		p.tree = nil
	}
	if p.want, err = apply(p.want, c); err != nil {
		return p.doc.misplaced(c, err)
	}
	return nil
}

// misplaced reports a change that has no place in the document, at the line of
// what is nearest to it.
func (d *Document) misplaced(c change, err error) error {
	err = fmt.Errorf("%s %s: %w", c.op, formatPointer(c.path), err)
	for n := len(c.path); n > 0; n-- {
		if line := d.lineOf(c.path[:n]); line > 0 {
			return fmt.Errorf("%s:%d: %w", d.name, line, err)
		}
	}
	return d.located(err)
}

// splice returns the document with its text spliced, nil if that did not give
// the value wanted.
func (p *patching) splice() *Document {
	if p.tree == nil {
		return nil
	}
	for _, p.style.single = range []bool{false, true} {
		text, err := p.tree.spliced(p.style)
		if err != nil {
			return nil
		}
		if out := p.verified(text); out != nil {
			return out
		}
	}
	return nil
}

// verified returns a document made of text, nil unless it has the value wanted.
// Text has neither byte order mark nor, where the document has none, a line
// break at its end.
func (p *patching) verified(text []byte) *Document {
	raw := p.doc.raw
	if bytes.HasPrefix(raw, bom) {
		text = append(bytes.Clone(bom), text...)
	}
	if !p.json && !bytes.HasSuffix(raw, []byte("\n")) {
		if out := p.equivalent(bytes.TrimSuffix(text, []byte(eolOf(text)))); out != nil {
			return out
		}
	}
	return p.equivalent(text)
}

// equivalent returns a document made of text if it has the value wanted.
func (p *patching) equivalent(text []byte) *Document {
	out := NewDocument(text, p.doc.name, p.doc.line)
	got, err := out.readAgain()
	if err != nil || !equal(p.want, got) {
		return nil
	}
	out.parsed, out.value = true, p.want
	return out
}

// reencode returns the document made anew.
func (p *patching) reencode() (*Document, error) {
	text := p.doc.body()
	if p.json {
		return p.anew(p.encodeJSON(text))
	}
	for _, safe := range []bool{false, true} {
		out, err := reencode(text, p.ops, p.style, safe)
		if err != nil {
			return nil, p.doc.located(err)
		}
		if d, err := p.anew(out); err == nil {
			return d, nil
		}
	}
	return nil, p.doc.located(errUnwritable)
}

var errUnwritable = errors.New("the patch cannot be written into this text")

func (p *patching) anew(text []byte) (*Document, error) {
	out := p.verified(text)
	if out == nil {
		return nil, p.doc.located(errUnwritable)
	}
	out.anew = true
	return out, nil
}

func (p *patching) encodeJSON(text []byte) []byte {
	root := scanJSON(text, contentStart(text))
	st := flowStyle{style: p.style, quoted: true, strict: true, pretty: p.style.unit != ""}
	out := st.appendFlow(bytes.Clone(text[:root.start]), orderedValue(p.want, root))
	return append(out, text[root.end:]...)
}
