package sidecars

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// envName is the form of an environment variable that a catalog may give to an app.
var envName = regexp.MustCompile(`\A[A-Za-z_][A-Za-z0-9_]*\z`)

var dnsLabel = regexp.MustCompile(`\A[a-z]([a-z0-9-]*[a-z0-9])?\z`)

// anything stands for the pattern of a parameter whose type is wrong.
var anything = regexp.MustCompile(``)

// parameters compiles the declarations, sorted by name.
func (c *compiler) parameters(at *field.Path) {
	for _, name := range sortedKeys(c.entry.Spec.Parameters) {
		decl := c.entry.Spec.Parameters[name]
		if why := labelProblem(name, maxName); why != "" {
			c.bad(at.Key(name), name, why)
		}
		c.entry.params = append(c.entry.params, c.parameter(at.Key(name), name, &decl))
	}
}

func (c *compiler) parameter(at *field.Path, name string, d *v1alpha1.Parameter) param {
	p := param{name: name, typ: d.Type, decl: d}
	if d.Type != v1alpha1.TypeList && checkFor(d.Type) == nil {
		c.errs = append(c.errs, field.NotSupported(at.Child("type"), d.Type, append(scalarTypes(), "list")))
		p.typ, p.lineSafe, p.pattern = v1alpha1.TypeString, true, anything // one mistake is enough
		return p
	}
	c.bounds(at, &p)
	c.enum(at.Child("enum"), &p)
	if d.Type == v1alpha1.TypeList {
		c.ofItems(at, d)
		c.listItems(at.Child("items"), &p)
	} else if d.Items != nil {
		c.bad(at.Child("items"), d.Type, "only a list has items")
	}
	p.lineSafe = p.typ != v1alpha1.TypeList && provedLineSafe(d) || p.pattern == anything
	if d.Required && d.Default != nil {
		c.bad(at.Child("default"), d.Default.Text, "a required parameter has no default")
	}
	if d.Pattern != "" && d.Default == nil && d.Example == nil && d.Enum == nil {
		c.errs = append(c.errs, field.Required(at.Child("example"), "a parameter with a pattern and no default needs a valid example"))
	}
	p.fallback = c.declared(at.Child("default"), &p, d.Default)
	c.declared(at.Child("example"), &p, d.Example)
	return p
}

// declared checks a default or an example.
func (c *compiler) declared(at *field.Path, p *param, v *v1alpha1.Value) value {
	if v == nil {
		return value{}
	}
	isList := p.typ == v1alpha1.TypeList
	if isList != (v.List != nil) {
		c.bad(at, v.Text+strings.Join(v.List, ","), map[bool]string{true: "want a list", false: "want a scalar"}[isList])
		return value{}
	}
	if isList && p.decl.Items == nil {
		return value{}
	}
	var got value
	var err error
	if isList {
		got, err = p.list(v.List)
	} else {
		got, err = p.parse(v.Text)
	}
	if err != nil {
		c.bad(at, v.Text+strings.Join(v.List, ","), err.Error())
	}
	return got
}

func (c *compiler) bounds(at *field.Path, p *param) {
	d := p.decl
	if d.Pattern != "" {
		re, err := regexp.Compile(d.Pattern)
		if err != nil {
			c.bad(at.Child("pattern"), d.Pattern, err.Error())
			p.pattern = anything
		} else {
			p.pattern = regexp.MustCompile(`\A(?:` + re.String() + `)\z`)
		}
	}
	if d.MaxLength < 0 || d.MaxLength > largestMaxLength {
		c.bad(at.Child("maxLength"), d.MaxLength, "must be between 0 and 4096")
	}
	for _, b := range []struct {
		name, text string
		into       **bound
	}{{"minimum", d.Minimum, &p.min}, {"maximum", d.Maximum, &p.max}} {
		if b.text == "" {
			continue
		}
		limit, err := newBound(p.typ, b.text)
		if err != nil {
			c.bad(at.Child(b.name), b.text, err.Error())
			continue
		}
		*b.into = limit
	}
	if p.min != nil && p.max != nil && p.max.less(p.min) {
		c.bad(at.Child("maximum"), d.Maximum, "is below the minimum")
	}
	switch {
	case d.Schemes != nil && d.Type != v1alpha1.TypeURL:
		c.bad(at.Child("schemes"), d.Schemes, "only a url has schemes")
	case d.Schemes != nil && len(d.Schemes) == 0:
		c.errs = append(c.errs, field.Required(at.Child("schemes"), "without a scheme there is no url"))
	}
}

// enum checks that each value can be given, and in the form in which it is compared.
func (c *compiler) enum(at *field.Path, p *param) {
	for i, v := range p.decl.Enum {
		if p.typ == v1alpha1.TypeList {
			break
		}
		got, err := checkType(p, v)
		if err == nil && got != v {
			err = errors.New("is written " + got)
		}
		if err == nil {
			_, err = p.scalar(v)
		}
		if err != nil {
			c.bad(at.Index(i), v, err.Error())
		}
		if slices.Contains(p.decl.Enum[:i], v) {
			c.errs = append(c.errs, field.Duplicate(at.Index(i), v))
		}
	}
}

// ofItems finds bounds of a list that are those of its items.
func (c *compiler) ofItems(at *field.Path, d *v1alpha1.Parameter) {
	for name, set := range map[string]bool{"pattern": d.Pattern != "", "enum": d.Enum != nil, "maxLength": d.MaxLength != 0, "schemes": d.Schemes != nil} {
		if set {
			c.bad(at.Child(name), name, "belongs to the items")
		}
	}
}

func (c *compiler) listItems(at *field.Path, p *param) {
	it := p.decl.Items
	if it == nil {
		c.errs = append(c.errs, field.Required(at, "a list declares its items"))
		it = &v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: v1alpha1.TypeString}}
		p.decl.Items = it
	}
	if it.MaxItems < 0 || it.MaxItems > largestMaxItems {
		c.bad(at.Child("maxItems"), it.MaxItems, "must be between 0 and 64")
	}
	if len(it.Fields) == 0 {
		if it.Type == v1alpha1.TypeList {
			c.bad(at.Child("type"), it.Type, "a list cannot hold lists")
			it.Type = v1alpha1.TypeString
		}
		item := c.parameter(at, p.name, &v1alpha1.Parameter{Bounds: it.Bounds})
		p.item = &item
		return
	}
	for _, name := range sortedKeys(it.Fields) {
		if why := labelProblem(name, maxName); why != "" {
			c.bad(at.Child("fields").Key(name), name, why)
		}
		decl := v1alpha1.Parameter{Bounds: it.Fields[name]}
		if decl.Type == v1alpha1.TypeList {
			c.bad(at.Child("fields").Key(name).Child("type"), decl.Type, "a field cannot be a list")
			decl.Type = v1alpha1.TypeString
		}
		p.fields = append(p.fields, c.parameter(at.Child("fields").Key(name), name, &decl))
	}
}
