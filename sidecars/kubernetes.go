package sidecars

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	kjson "sigs.k8s.io/json"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func newContainer() any { return new(corev1.Container) }

func newVolume() any { return new(corev1.Volume) }

// kubernetes checks a body as the Kubernetes object that it becomes: without its conditions, with each repetition made
// once and a sample value in every hole. Unlike the proof it names the place in the entry, and every mistake.
func (c *compiler) kubernetes(at *field.Path, body v1alpha1.Object, into func() any) {
	values := c.sampleValues()
	c.holesOf = map[string]string{}
	tree := make(map[string]any, len(body))
	for k, raw := range body {
		v, err := decodeTree(raw)
		if err != nil {
			return
		}
		tree[k] = c.sampled(v, values, nil)
	}
	for _, e := range decodeErrors(at, tree, into) {
		if s, ok := e.BadValue.(string); ok && c.holesOf[s] != "" {
			e.BadValue = c.holesOf[s]
		}
		if !follows(e, c.errs, nil) {
			c.errs = append(c.errs, e)
		}
	}
}

// sampleValues are the defaults, with everything that has none at its first sample.
func (c *compiler) sampleValues() []value {
	if c.samples != nil {
		return c.samples
	}
	c.samples = c.entry.defaults()
	for i := range c.samples {
		if c.samples[i].empty() {
			c.samples[i] = firstOf(c.entry.params[i].sampleValues())
		}
	}
	return c.samples
}

// sampled gives a value with its holes filled in.
func (c *compiler) sampled(v any, values []value, it *item) any {
	switch v := v.(type) {
	case map[string]any:
		return c.sampledObject(v, values, it)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = c.sampled(v[i], values, it)
		}
		return out
	case string:
		return c.sampledText(v, values, it)
	}
	return v
}

func (c *compiler) sampledObject(m map[string]any, values []value, it *item) any {
	outer := c.list
	defer func() { c.list = outer }()
	if ref, ok := m[keyEach].(string); ok {
		name, _ := strings.CutPrefix(ref, "params.")
		if i := c.entry.param(name); i >= 0 && len(values[i].items) > 0 {
			c.list, it = i, &values[i].items[0]
		}
	}
	if only, ok := m[keyItem]; ok {
		return c.sampled(only, values, it)
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		if k != keyWhen && k != keyEach {
			out[k] = c.sampled(v, values, it)
		}
	}
	return out
}

func (c *compiler) sampledText(s string, values []value, it *item) any {
	quiet := &compiler{entry: c.entry, used: map[int]bool{}, list: c.list}
	t := quiet.text(nil, s, context{})
	broken := false
	t.holes(func(h *hole) {
		broken = broken || h.param < 0 && it == nil || h.param >= 0 && c.entry.params[h.param].pattern == anything
	})
	if broken || len(quiet.errs) > 0 {
		return nil // what is wrong is said elsewhere; null stands for anything
	}
	text := string(t.fill(nil, values, it))
	if text != s {
		c.holesOf[text] = s
	}
	switch {
	case !c.wholeHole(s):
		return text
	case text == "true" || text == "false":
		return text == "true"
	}
	return json.Number(cmp.Or(text, "0"))
}

// decodeErrors decodes a tree as the API server does and gives each mistake its path below at. It leaves out of the tree
// what is wrong.
func decodeErrors(at *field.Path, tree map[string]any, into func() any) field.ErrorList {
	var errs field.ErrorList
	const most = 20
	for len(errs) < most {
		strict, err := decodeStrictly(tree, into())
		if err == nil {
			return append(errs, strictErrors(at, strict)...)
		}
		b := blamed{at: at, v: tree, err: err}
		b.narrow(func() error {
			_, err := decodeStrictly(tree, into())
			return err
		})
		errs = append(errs, kubernetesError(b.at, b.v, b.err))
		if b.set == nil {
			return errs
		}
		b.set(nil)
	}
	return errs
}

func decodeStrictly(tree any, into any) ([]error, error) {
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	return kjson.UnmarshalStrict(raw, into)
}

func strictErrors(at *field.Path, strict []error) field.ErrorList {
	var errs field.ErrorList
	for _, e := range strict {
		where, why := at, e.Error()
		if m := unknownField.FindStringSubmatch(why); m != nil {
			where, why = at.Child(m[1]), "is no field of this Kubernetes object"
		}
		errs = append(errs, field.Invalid(where, where.String()[strings.LastIndex(where.String(), ".")+1:], why))
	}
	return errs
}

// blamed is the part of a tree at which decoding fails.
type blamed struct {
	at  *field.Path
	v   any
	set func(any)
	err error
}

// narrow finds the smallest part that fails with nothing beside it.
func (b *blamed) narrow(fails func() error) {
	var parts []blamed
	switch v := b.v.(type) {
	case map[string]any:
		for _, k := range sortedKeys(v) {
			parts = append(parts, blamed{at: b.at.Child(k), v: v[k], set: func(x any) { v[k] = x }})
		}
	case []any:
		for i := range v {
			parts = append(parts, blamed{at: b.at.Index(i), v: v[i], set: func(x any) { v[i] = x }})
		}
	}
	for i := range parts {
		parts[i].set(nil)
	}
	itself := fails() != nil
	for i := range parts {
		if itself {
			break
		}
		part := parts[i]
		part.set(part.v)
		if part.err = fails(); part.err != nil {
			part.narrow(fails)
			*b = part
			break
		}
		part.set(nil)
	}
	for i := range parts {
		parts[i].set(parts[i].v)
	}
}

func kubernetesError(at *field.Path, v any, err error) *field.Error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		s, _ := v.(string)
		return field.Invalid(at, s, err.Error())
	}
	switch kind := wrong.Type.Kind().String(); kind {
	case "string":
		return wrongKind(at, v, "a string")
	case "bool":
		return wrongKind(at, v, "true or false")
	case "slice":
		return wrongKind(at, v, "a list")
	case "map", "struct", "ptr":
		return wrongKind(at, v, "an object")
	}
	return wrongKind(at, v, "a whole number")
}
