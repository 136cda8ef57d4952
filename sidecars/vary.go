package sidecars

import (
	"slices"
	"strconv"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// mostCombinations bounds the time that the proof of one piece takes.
const mostCombinations = 5000

// basis is a set of values that samples are put into: the base, or the full one with one value replaced.
type basis struct {
	full  bool
	param int // -1: none is replaced
	value value
}

// vary gives sets of values of some parameters, all others being at the base's or the full set's: the defaults (required
// parameters at their first sample), all optional ones given, all but one that a condition asks for, and for every value
// that a condition asks for, each parameter at each of its samples. It gives none twice; do must not keep what it gets.
func (pr *proof) vary(params []int, do func(values []value)) {
	seen := map[string]bool{}
	var key []byte
	try := func(values []value) {
		key = key[:0]
		for _, i := range params {
			key = append(append(strconv.AppendInt(key, int64(len(values[i].items)), 10), values[i].text...), 0)
		}
		if !seen[string(key)] {
			seen[string(key)] = true
			do(values)
		}
	}
	bases := pr.bases(params)
	values := make([]value, len(pr.params))
	for i := range bases {
		try(pr.set(values, &bases[i]))
	}
	left := mostCombinations - len(bases)
	for i := range bases {
		for _, p := range params {
			pr.set(values, &bases[i])
			for _, v := range pr.samples[p] {
				if left--; left < 0 {
					return
				}
				values[p] = v
				try(values)
			}
		}
	}
}

func (pr *proof) set(values []value, b *basis) []value {
	from := pr.base
	if b.full {
		from = pr.full
	}
	copy(values, from)
	if b.param >= 0 {
		values[b.param] = b.value
	}
	return values
}

func (pr *proof) bases(params []int) []basis {
	out := []basis{{param: -1}, {full: true, param: -1}}
	for _, i := range params {
		p := &pr.params[i]
		if !p.decides {
			continue
		}
		asked := pr.samples[i]
		if p.decl.Enum == nil && p.typ != v1alpha1.TypeBoolean {
			asked = nil
			for _, text := range p.asked {
				if v, err := p.parse(text); err == nil {
					asked = append(asked, v)
				}
			}
		}
		for _, v := range asked {
			out = append(out, basis{true, i, v})
		}
		if pr.base[i].empty() {
			out = append(out, basis{true, i, value{}})
		}
	}
	return out[:min(len(out), mostCombinations)]
}

// all lists every parameter.
func (pr *proof) all() []int {
	out := make([]int, len(pr.params))
	for i := range out {
		out[i] = i
	}
	return out
}

// users gathers the parameters on which something depends.
type users struct {
	of   []bool
	some bool
}

func (pr *proof) uses() *users { return &users{of: make([]bool, len(pr.params))} }

func (u *users) param(i int) {
	if i >= 0 {
		u.of[i], u.some = true, true
	}
}

func (u *users) condition(c condition) {
	for _, t := range c {
		u.param(t.param)
	}
}

func (u *users) template(list ...template) {
	for _, t := range list {
		for i := range t {
			switch p := &t[i]; {
			case p.hole != nil:
				u.param(p.hole.param)
			case p.group != nil:
				for j := range p.group.children {
					c := &p.group.children[j]
					u.condition(c.when)
					u.param(c.each)
					u.template(c.body)
				}
			}
		}
	}
}

func (u *users) list() []int {
	var out []int
	for i, used := range u.of {
		if used {
			out = append(out, i)
		}
	}
	return out
}

// longest gives the length in bytes that a template's text may come to at the samples; $(item) stands for an item of list.
func (pr *proof) longest(t template, list int) int {
	n := 0
	for i := range t {
		switch p := &t[i]; {
		case p.hole != nil:
			n += pr.longestValue(p.hole, list)
		case p.group != nil:
			n += pr.longestGroup(p.group, list)
		default:
			n += len(p.text)
		}
	}
	return n
}

func (pr *proof) longestGroup(g *group, list int) int {
	n := len(g.open) + len(g.close) + len(g.empty)
	for i := range g.children {
		c := &g.children[i]
		if c.each < 0 {
			n += len(g.sep) + pr.longest(c.body, list)
			continue
		}
		most := slices.MaxFunc(append(pr.samples[c.each], value{}), func(a, b value) int { return len(a.items) - len(b.items) })
		n += len(most.items) * (len(g.sep) + pr.longest(c.body, c.each))
	}
	return n
}

func (pr *proof) longestValue(h *hole, list int) int {
	n := 0
	look := func(text string) {
		pr.buf = h.escape.append(pr.buf[:0], text)
		n = max(n, len(pr.buf))
	}
	if h.param >= 0 {
		for _, text := range pr.params[h.param].asked {
			look(text)
		}
		for i := range pr.samples[h.param] {
			look(pr.samples[h.param][i].text)
		}
		return n
	}
	for i := range pr.samples[list] {
		for _, it := range pr.samples[list][i].items {
			if h.field >= 0 {
				look(it.fields[h.field])
				continue
			}
			look(it.text)
		}
	}
	return n
}
