package sidecars

import (
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// samples lists values of a parameter, as text, to prove an entry with.
func (p *param) samples() []string {
	texts, _ := p.sample()
	return texts
}

// sampleValues gives the values of the samples.
func (p *param) sampleValues() []value {
	_, values := p.sample()
	return values
}

// sample gives the default or an example first, then every bound, and nothing where nothing may be given.
func (p *param) sample() (out []string, values []value) {
	add := func(list ...string) {
		for _, s := range list {
			if slices.Contains(out, s) {
				continue
			}
			if v, err := p.parse(s); err == nil {
				out, values = append(out, s), append(values, v)
			}
		}
	}
	add(p.declaredSample(p.decl.Default)...)
	add(p.declaredSample(p.decl.Example)...)
	add(p.decl.Enum...)
	for _, bound := range []string{p.decl.Minimum, p.decl.Maximum} {
		if bound != "" {
			add(bound)
		}
	}
	if p.typ == v1alpha1.TypeList {
		add(p.listSamples()...)
		return out, values
	}
	add(p.typicalSamples()...)
	return out, values
}

// typicalSamples lists values at the edges of a type.
func (p *param) typicalSamples() []string {
	switch p.typ {
	case v1alpha1.TypeString:
		longest := p.decl.MaxLength
		if longest == 0 {
			longest = defaultMaxLength
		}
		return []string{"a", strings.Repeat("a", longest), `"'\ $(X) ${X} {{x}} %s #`}
	case v1alpha1.TypeInteger:
		return []string{"0", "1", "9223372036854775807"}
	case v1alpha1.TypeBoolean:
		return []string{"true", "false"}
	case v1alpha1.TypeQuantity:
		return []string{"1", "64Mi", "100m"}
	case v1alpha1.TypeDuration:
		return []string{"1s", "1m30s"}
	case v1alpha1.TypePort:
		return []string{"1", "65535"}
	case v1alpha1.TypePath:
		return []string{"/a", "/a/b.c"}
	case v1alpha1.TypeURL:
		var out []string
		for _, s := range slices.Concat(p.decl.Schemes, []string{"http", "https"}) {
			out = append(out, s+"://a", s+"://a.example:8080/b?c=d#e")
		}
		return out
	}
	return []string{"a", "a.b-c"}
}

func (p *param) declaredSample(v *v1alpha1.Value) []string {
	if v == nil {
		return nil
	}
	if v.List != nil {
		sep := ","
		if p.fields != nil {
			sep = ";"
		}
		return []string{strings.Join(v.List, sep)}
	}
	return []string{v.Text}
}

// listSamples gives a list of one item for every sample of an item, or of every field at once.
func (p *param) listSamples() []string {
	if p.fields == nil {
		return p.item.samples()
	}
	var first, last []string
	for i := range p.fields {
		s := p.fields[i].samples()
		if len(s) > 0 {
			first = append(first, p.fields[i].name+"="+s[0])
			last = append(last, p.fields[i].name+"="+s[len(s)-1])
		}
	}
	one, two, bare := strings.Join(first, ","), strings.Join(last, ","), p.bareItem(first)
	return []string{one, two, bare, one + ";" + two}
}

// bareItem is an item without its optional fields, or with one where it has no other.
func (p *param) bareItem(pairs []string) string {
	left := slices.DeleteFunc(slices.Clone(pairs), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.ContainsFunc(p.fields, func(f param) bool { return f.name == name && !f.decl.Required })
	})
	if len(left) == 0 && len(pairs) > 0 {
		return pairs[0]
	}
	return strings.Join(left, ",")
}

func firstOf(values []value) value {
	if len(values) == 0 {
		return value{}
	}
	return values[0]
}
