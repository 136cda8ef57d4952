package sidecars

import (
	"slices"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// samples lists values of a parameter to prove an entry with: the default or an example first, then every bound, and
// nothing where nothing may be given.
func (p *param) samples() []string {
	var out []string
	add := func(list ...string) {
		for _, s := range list {
			if _, err := p.parse(s); err == nil && !slices.Contains(out, s) {
				out = append(out, s)
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
		return append(out, p.listSamples()...)
	}
	add(p.typicalSamples()...)
	return out
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

// mostCombinations bounds the time that the proof of one entry takes.
const mostCombinations = 5000

// combinations gives sets of values to prove an entry with: the defaults (required parameters at their first sample), all
// optional ones given, all but one that a condition asks for, and for every value that a condition asks for, each parameter
// at each of its samples.
func (e *Entry) combinations(do func(values []value)) {
	bases := e.bases()
	bases = bases[:min(len(bases), mostCombinations)]
	for _, b := range bases {
		do(slices.Clone(b))
	}
	samples := make([][]value, len(e.params))
	for i := range e.params {
		for _, s := range e.params[i].samples() {
			if v, err := e.params[i].parse(s); err == nil {
				samples[i] = append(samples[i], v)
			}
		}
	}
	left := mostCombinations - len(bases)
	for _, b := range bases {
		for i := range samples {
			for _, v := range samples[i] {
				if left--; left < 0 {
					return
				}
				with := slices.Clone(b)
				with[i] = v
				do(with)
			}
		}
	}
}

func (e *Entry) bases() [][]value {
	base := e.defaults()
	for i := range e.params {
		if e.params[i].decl.Required {
			e.set(base, i, first(e.params[i].samples()))
		}
	}
	full := slices.Clone(base)
	for i := range e.params {
		if full[i].empty() {
			e.set(full, i, first(e.params[i].samples()))
		}
	}
	bases := [][]value{base, full}
	for i := range e.params {
		p := &e.params[i]
		if !p.decides {
			continue
		}
		asked := p.asked
		if p.decl.Enum != nil || p.typ == v1alpha1.TypeBoolean {
			asked = p.samples()
		}
		for _, s := range asked {
			with := slices.Clone(full)
			e.set(with, i, s)
			bases = append(bases, with)
		}
		if base[i].empty() {
			with := slices.Clone(full)
			with[i] = value{}
			bases = append(bases, with)
		}
	}
	return bases
}

func (e *Entry) set(values []value, i int, text string) {
	if v, err := e.params[i].parse(text); err == nil {
		values[i] = v
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
