package sidecars

import (
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// holePattern finds $(params.NAME), $(item) and $(item.FIELD), with a dollar before it where there is one.
var holePattern = regexp.MustCompile(`\$?\$\((params\.[A-Za-z0-9_-]*|item(?:\.[A-Za-z0-9_-]*)?)\)`)

// compiler turns the strings and objects of one entry into templates and gathers every mistake.
type compiler struct {
	entry *Entry
	errs  field.ErrorList
	used  map[int]bool
	// list is the parameter whose items $(item) stands for, or -1.
	list int
	// samples are values to try a part with.
	samples []value
	// holesOf gives for a sample text the text with holes that it was made of.
	holesOf map[string]string
}

func (c *compiler) bad(at *field.Path, v any, why string) {
	c.errs = append(c.errs, field.Invalid(at, v, why))
}

// text compiles a string whose bytes stand as they are: outside any quotes.
func (c *compiler) text(at *field.Path, s string, ctx context) template {
	var t template
	last := 0
	for _, m := range holePattern.FindAllStringSubmatchIndex(s, -1) {
		if m[0] > last {
			t = append(t, ready(s[last:m[0]]))
		}
		last = m[1]
		if strings.HasPrefix(s[m[0]:m[1]], "$$") {
			c.bad(at, s, "a dollar stands before $(…): write the hole alone")
			continue
		}
		if ctx.dollars && inReference(s[:m[0]]) {
			c.bad(at, s, "a parameter cannot stand inside a reference: its value would choose what is read")
		}
		if h := c.hole(at, s[m[2]:m[3]], ctx); h != nil {
			t = append(t, part{hole: h})
		}
	}
	if last < len(s) {
		t = append(t, ready(s[last:]))
	}
	return t
}

// inReference reports whether text ends within $(…) or ${…}.
func inReference(text string) bool {
	for open, end := range map[string]string{"$(": ")", "${": "}"} {
		if i := strings.LastIndex(text, open); i >= 0 && !strings.Contains(text[i:], end) {
			return true
		}
	}
	return false
}

// hole compiles what stands in $(…).
func (c *compiler) hole(at *field.Path, name string, ctx context) *hole {
	if ctx.fixed != "" {
		c.bad(at, "$("+name+")", ctx.fixed)
		return nil
	}
	h := &hole{param: -1, field: -1, escape: ctx.escape}
	p := c.paramAt(at, name, h)
	if p == nil {
		return nil
	}
	if ctx.lineSafe && !p.lineSafe {
		c.bad(at, "$("+name+")", `only a parameter whose pattern excludes white space, quotes and \ # $ { } may enter a line`)
	}
	if ctx.image && p.pattern == nil && p.decl.Enum == nil {
		c.bad(at, "$("+name+")", "only a parameter with a pattern or an enum may enter an image")
	}
	return h
}

// paramAt finds the parameter, or the item's declaration, behind a name, and notes in h where its value will be.
func (c *compiler) paramAt(at *field.Path, name string, h *hole) *param {
	if rest, ok := strings.CutPrefix(name, "params."); ok {
		i := c.entry.param(rest)
		if i < 0 {
			c.errs = append(c.errs, field.NotSupported(at, "params."+rest, c.entry.paramNames()))
			return nil
		}
		h.param = i
		c.used[i] = true
		return &c.entry.params[i]
	}
	if c.list < 0 {
		c.bad(at, "$("+name+")", "there is no item here: use it under each")
		return nil
	}
	list := &c.entry.params[c.list]
	fieldName, hasField := strings.CutPrefix(name, "item.")
	switch {
	case !hasField && list.fields == nil:
		return list.item
	case !hasField:
		c.bad(at, "$(item)", "the items have fields: "+list.fieldNames())
		return nil
	}
	h.field = slices.IndexFunc(list.fields, func(f param) bool { return f.name == fieldName })
	if h.field < 0 {
		c.bad(at, "$("+name+")", "the items have no such field; fields: "+list.fieldNames())
		return nil
	}
	return &list.fields[h.field]
}

// wholeHole reports whether s is one hole of an integer, port or boolean.
func (c *compiler) wholeHole(s string) bool {
	m := holePattern.FindStringSubmatch(s)
	if m == nil || m[0] != s || strings.HasPrefix(s, "$$") {
		return false
	}
	probe := compiler{entry: c.entry, used: map[int]bool{}, list: c.list}
	p := probe.paramAt(nil, m[1], &hole{})
	if p == nil {
		return false
	}
	switch p.typ {
	case v1alpha1.TypeInteger, v1alpha1.TypePort, v1alpha1.TypeBoolean:
		return true
	}
	return false
}

// when compiles a condition.
func (c *compiler) when(at *field.Path, w v1alpha1.When) condition {
	var out condition
	for _, name := range sortedKeys(w) {
		i := c.entry.param(name)
		if i < 0 {
			c.errs = append(c.errs, field.NotSupported(at, name, c.entry.paramNames()))
			continue
		}
		c.used[i] = true
		c.entry.params[i].decides = true
		out = append(out, test{i, c.asked(at.Key(name), &c.entry.params[i], w[name])})
	}
	return out
}

// asked gives the values that a condition lists in the form in which a parameter has them.
func (c *compiler) asked(at *field.Path, p *param, list []string) []string {
	if p.pattern == anything {
		return list
	}
	if len(list) == 0 {
		c.bad(at, "", "can never hold: it lists no value")
	}
	out := slices.Clone(list)
	for i, v := range list {
		if v == "*" {
			continue
		}
		got, err := p.parse(v)
		switch {
		case v == "" && err != nil && (p.decl.Required || p.decl.Default != nil):
			c.bad(at, v, "can never hold: the parameter always has a value")
		case v != "" && err != nil:
			c.bad(at, v, "can never hold: "+err.Error())
		case err == nil && v != "":
			out[i] = got.text
			p.asked = union(p.asked, []string{got.text})
		}
	}
	return out
}

// each compiles the reference to a list, "params.NAME", and gives its index or -1.
func (c *compiler) each(at *field.Path, ref string) int {
	name, ok := strings.CutPrefix(ref, "params.")
	i := c.entry.param(name)
	if !ok || i < 0 || c.entry.params[i].typ != v1alpha1.TypeList {
		c.bad(at, ref, "want params.NAME of a list parameter")
		return -1
	}
	c.used[i] = true
	return i
}

// tree decodes raw JSON, keeping numbers as they are written.
func (c *compiler) tree(at *field.Path, raw []byte) any {
	v, err := decodeTree(raw)
	if err != nil {
		c.bad(at, string(raw), err.Error())
	}
	return v
}
