package cli

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// labelName is the label with its name that every Namespace has in a cluster.
const labelName = "kubernetes.io/metadata.name"

// namespaces is what the input says of Namespaces. A Namespace in a file counts for all objects; one on standard input, or
// in another stream that can be read only once, for those after it, as a stream is not held back. One that comes too late
// is refused, unless it changes nothing.
type namespaces struct {
	// unnamed is the Namespace of objects that name none.
	unnamed string
	byName  map[string]*namespace
	// ask tells of a Namespace that the input does not, nil where it is not known; nil asks nobody.
	ask func(name string) *sidecars.Namespace
	// met are the Namespaces of Pods that have been answered; asked, of those that asked for a sidecar.
	met, asked map[string]*object
}

// namespace is what is known of one Namespace, and the object that says so, nil where none does.
type namespace struct {
	sidecars.Namespace
	object *object
}

func newNamespaces(unnamed string) *namespaces {
	return &namespaces{unnamed: unnamed, byName: map[string]*namespace{}, met: map[string]*object{}, asked: map[string]*object{}}
}

// of gives the Namespace of an object.
func (n *namespaces) of(o *object) *namespace {
	name := o.namespace
	if name == "" {
		name = n.unnamed
	}
	if ns := n.byName[name]; ns != nil {
		return ns
	}
	ns := &namespace{Namespace: sidecars.Namespace{Name: name, Labels: map[string]string{labelName: name}}}
	if n.ask != nil {
		if is := n.ask(name); is != nil {
			ns.Namespace = *is
		}
	}
	n.byName[name] = ns
	return ns
}

// add takes what a Namespace says; the last one of a name counts. What is no text is left out: see malformed.
func (n *namespaces) add(o *object) {
	ns := &namespace{Namespace: sidecars.Namespace{Name: o.name}, object: o}
	ns.Labels, ns.Annotations = o.texts("labels"), o.texts("annotations")
	ns.Labels[labelName] = o.name
	n.byName[o.name] = ns
}

// texts reads the labels or annotations of an object.
func (o *object) texts(kind string) map[string]string {
	out := map[string]string{}
	for name, value := range o.values(kind) {
		if value.Kind() == '"' {
			out[name] = stringOf(value)
		}
	}
	return out
}

// values gives the labels or annotations of an object, whatever their type.
func (o *object) values(kind string) map[string]jsontext.Value {
	var raw map[string]jsontext.Value
	if json.Unmarshal(o.metadata[kind], &raw, sidecars.DecodeOptions()) != nil {
		return nil
	}
	return raw
}

// malformed finds labels and annotations of Pillion's on a Namespace that are no text, which the API server refuses.
func (o *object) malformed() []trouble {
	var found []trouble
	for _, kind := range []string{"labels", "annotations"} {
		for name, value := range o.values(kind) {
			if value.Kind() != '"' && strings.HasPrefix(name, v1alpha1.Prefix) {
				pointer := "/metadata/" + kind + sidecars.FieldPointer("["+name+"]")
				found = append(found, trouble{place: o.place(pointer), path: "metadata." + kind + "[" + name + "]",
					text: "Invalid value: want a string; put " + string(value) + " in quotes"})
			}
		}
	}
	return found
}

// meet takes a Namespace as its turn comes in the stream. It says what is wrong with it: a value that is no text, or that it
// comes after an object it would have concerned.
func (n *namespaces) meet(o *object) []trouble {
	wrong := o.malformed()
	if o.doc.from.twice {
		return wrong
	}
	n.add(o)
	ns := n.byName[o.name]
	concerned := n.asked[o.name]
	if ns.says() {
		concerned = n.met[o.name]
	}
	if concerned != nil && (ns.says() || len(ns.Labels) > 1) {
		wrong = append(wrong, trouble{place: o.place(""), text: fmt.Sprintf(
			"comes after %s, which it concerns: put Namespaces first on standard input, or name files", concerned)})
	}
	return wrong
}

// says reports whether the Namespace carries a label or annotation of Pillion's.
func (ns *namespace) says() bool {
	for _, m := range []map[string]string{ns.Labels, ns.Annotations} {
		for name := range m {
			if strings.HasPrefix(name, v1alpha1.Prefix) {
				return true
			}
		}
	}
	return false
}

// answered notes that an object's Pod was answered by what was known of its Namespace.
func (n *namespaces) answered(o *object, ns *namespace, asked bool) {
	if ns.object != nil {
		return
	}
	if n.met[ns.Name] == nil {
		n.met[ns.Name] = o
	}
	if asked && n.asked[ns.Name] == nil {
		n.asked[ns.Name] = o
	}
}
