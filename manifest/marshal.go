package manifest

import (
	"fmt"
)

// Format is a way to write a whole document.
type Format string

// The formats of Marshal and Document.Format.
const (
	YAML Format = "yaml" // block style, lists not indented under their key
	JSON Format = "json" // indented by four spaces, as kubectl writes it
)

// Marshal writes a JSON text in a format, with a line break at its end. Keys
// keep their order, but apiVersion, kind, metadata and name come first.
func Marshal(text []byte, format Format) ([]byte, error) {
	v, err := parseValue(text)
	if err != nil {
		return nil, err
	}
	return v.marshal(format)
}

// Format writes the document in a format, with a line break at its end and
// without separators. Keys keep the order they have in the document; comments
// are lost. An empty document gives nil.
func (d *Document) Format(format Format) ([]byte, error) {
	v, err := d.read()
	if v == nil || err != nil {
		return nil, err
	}
	var like *node
	if t, err := d.parse(); err == nil && t != nil {
		like = t.root
	}
	return orderedValue(v, like).marshal(format)
}

func (v *value) marshal(format Format) ([]byte, error) {
	st := defaultStyle
	switch format {
	case JSON:
		st.unit = "    "
		out := flowStyle{style: st, quoted: true, strict: true, pretty: true}.appendFlow(nil, v)
		return append(out, '\n'), nil
	case YAML:
		if len(v.items) > 0 {
			return st.appendMembers(nil, v, 0, true), nil
		}
		return st.appendAfter(nil, v, -1, false)[1:], nil
	}
	return nil, fmt.Errorf("output format %q is not one of json, yaml", format)
}
