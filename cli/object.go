package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/sidecars"
)

// object is one Kubernetes object: a document, or an item of a List.
type object struct {
	doc *document
	// at is the JSON pointer to the object in its document.
	at                    string
	apiVersion, kind      string
	name, namespace       string
	members, metadata     map[string]jsontext.Value
	podPointer, podPrefix string
	// pod is the JSON of the Pod or pod template; nil where the kind has none, or where it is broken.
	pod    []byte
	broken *trouble
}

// objectsOf finds the objects of a document, none in an empty one. The error names file and line.
func objectsOf(d *document) ([]*object, error) {
	text, err := d.JSON()
	if err != nil || text == nil {
		return nil, err
	}
	o, err := newObject(d, "", text, object{})
	if err != nil {
		return nil, err
	}
	return o.flat(nil)
}

// newObject reads what every object has. A List's items may leave kind and apiVersion to the List.
func newObject(d *document, at string, text []byte, like object) (*object, error) {
	o := &object{doc: d, at: at, apiVersion: like.apiVersion, kind: like.kind}
	if json.Unmarshal(text, &o.members, sidecars.DecodeOptions()) != nil || o.members == nil {
		return nil, o.errorf("", "want a Kubernetes object: a map with apiVersion and kind")
	}
	for name, into := range map[string]*string{"apiVersion": &o.apiVersion, "kind": &o.kind} {
		if raw, ok := o.members[name]; ok && json.Unmarshal(raw, into) != nil {
			return nil, o.errorf("/"+name, "%s: want a string", name)
		}
		if *into == "" {
			return nil, o.errorf("", "no %s: want a Kubernetes object, such as apiVersion: apps/v1, kind: Deployment", name)
		}
	}
	if raw, ok := o.members["metadata"]; ok && json.Unmarshal(raw, &o.metadata, sidecars.DecodeOptions()) != nil {
		return nil, o.errorf("/metadata", "metadata: want a map")
	}
	o.namespace = stringOf(o.metadata["namespace"])
	if o.name = stringOf(o.metadata["name"]); o.name == "" {
		o.name = stringOf(o.metadata["generateName"])
	}
	o.findPod(text)
	return o, nil
}

// stringOf gives a JSON string's text, and nothing for any other value.
func stringOf(raw jsontext.Value) string {
	var s string
	if raw.Kind() != '"' || json.Unmarshal(raw, &s, sidecars.DecodeOptions()) != nil {
		return ""
	}
	return s
}

// findPod takes the Pod or pod template out of the object.
func (o *object) findPod(text []byte) {
	pointer, ok := sidecars.PodPointer(o.apiVersion, o.kind)
	if !ok {
		return
	}
	o.podPointer, o.podPrefix = o.at+pointer, strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
	if o.podPrefix != "" {
		o.podPrefix += "."
	}
	if pointer == "" {
		o.pod = text
		return
	}
	members := o.members
	for word := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		raw := members[word]
		members = nil
		if raw.Kind() != '{' || json.Unmarshal(raw, &members, sidecars.DecodeOptions()) != nil {
			o.pod = nil
			o.broken = &trouble{place: o.place(pointer), object: o, path: strings.TrimSuffix(o.podPrefix, "."), text: "want a pod template: a map with metadata and spec"}
			return
		}
		o.pod = raw
	}
}

// template is the JSON pointer from the object to its Pod.
func (o *object) template() string { return strings.TrimPrefix(o.podPointer, o.at) }

// flat appends the object, or the items of a List in its place.
func (o *object) flat(list []*object) ([]*object, error) {
	items := o.members["items"]
	kind, isList := strings.CutSuffix(o.kind, "List")
	if !isList || items.Kind() != '[' {
		return append(list, o), nil
	}
	var raw []jsontext.Value
	if err := json.Unmarshal(items, &raw, sidecars.DecodeOptions()); err != nil {
		return nil, o.errorf("/items", "items: %v", err)
	}
	like := object{kind: kind}
	if kind != "" {
		like.apiVersion = o.apiVersion
	}
	for i := range raw {
		item, err := newObject(o.doc, o.at+"/items/"+strconv.Itoa(i), raw[i], like)
		if err != nil {
			return nil, err
		}
		if list, err = item.flat(list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (o *object) isNamespace() bool { return o.apiVersion == "v1" && o.kind == "Namespace" }

// String gives deployment/web.
func (o *object) String() string {
	name := o.name
	if name == "" {
		name = "(no name)"
	}
	return printable(strings.ToLower(o.kind) + "/" + name)
}

// place gives file and line of what a JSON pointer below the object names, or of its nearest parent that is there.
func (o *object) place(pointer string) place {
	if o.doc.from.live != nil {
		return place{file: o.doc.Name()}
	}
	for {
		if line := o.doc.Line(o.at + pointer); line > 0 {
			return place{o.doc.Name(), line}
		}
		i := strings.LastIndexByte(pointer, '/')
		if i < 0 {
			return place{o.doc.Name(), o.doc.FirstLine()}
		}
		pointer = pointer[:i]
	}
}

// errorf makes an error of something below the object.
func (o *object) errorf(pointer, format string, args ...any) error {
	return fmt.Errorf("%s: %w", o.place(pointer), fmt.Errorf(format, args...))
}

// place is a line of a file.
type place struct {
	file string
	line int
}

// String gives file:line.
func (p place) String() string {
	if p.line == 0 {
		return p.file
	}
	return p.file + ":" + strconv.Itoa(p.line)
}

// printable makes text from a file safe to show: control characters, but tabs and line breaks, become a question mark.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
