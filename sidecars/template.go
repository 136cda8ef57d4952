package sidecars

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// A template is text with holes, made when an entry is loaded: all that does not depend on a Pod's parameters is ready
// text, so that filling it in is copying.
type template []part

// part is one of: a hole, a group, ready text.
type part struct {
	hole  *hole
	group *group
	text  string
}

func ready(text string) part { return part{text: text} }

func (p *part) ready() bool { return p.hole == nil && p.group == nil }

// hole is where a value enters.
type hole struct {
	// param is an index into Entry.params; -1 stands for the current item.
	param int
	// field is an index into the current item's fields; -1 is the item itself.
	field int
	escape
	// number: it stands outside any quotes; at is its place in the entry.
	number bool
	at     *field.Path
}

// escape says how a value's text is written.
// Golden: hostile-values.
type escape struct {
	// dollars: every $ is doubled, because the kubelet or the file's reader expands $(NAME) or ${NAME}. (Doubling only
	// "$(" would not do: "$$(X)" would become "$$$(X)", which expands.)
	dollars bool
	// inFile: the text stands in a quoted string of the file's own language.
	inFile bool
	// inJSON: the text stands in a JSON string.
	inJSON bool
}

// group is a collection some of whose children may be left out or repeated.
type group struct {
	open, sep, close, empty string
	children                []child
}

type child struct {
	when condition
	// each is an index into Entry.params of a list, or -1.
	each int
	body template
}

// condition holds when every test does.
type condition []test

type test struct {
	param  int
	values []string
}

func (c condition) holds(values []value) bool {
	for _, t := range c {
		v := &values[t.param]
		if !v.any && !slices.Contains(t.values, v.text) && (v.empty() || !slices.Contains(t.values, "*")) {
			return false
		}
	}
	return true
}

// fill appends the text of the template to dst.
func (t template) fill(dst []byte, values []value, it *item) []byte {
	for i := range t {
		p := &t[i]
		switch {
		case p.hole != nil:
			dst = p.hole.append(dst, values, it)
		case p.group != nil:
			dst = p.group.append(dst, values, it)
		default:
			dst = append(dst, p.text...)
		}
	}
	return dst
}

// unset visits the holes that want a number and get nothing.
func (t template) unset(values []value, it *item, visit func(*hole)) {
	for i := range t {
		p := &t[i]
		if p.hole != nil && p.hole.number && len(p.hole.append(nil, values, it)) == 0 {
			visit(p.hole)
		}
		if p.group == nil {
			continue
		}
		for _, c := range p.group.children {
			switch {
			case !c.when.holds(values):
			case c.each < 0:
				c.body.unset(values, it, visit)
			default:
				for j := range values[c.each].items {
					c.body.unset(values, &values[c.each].items[j], visit)
				}
			}
		}
	}
}

// text fills the template in and gives a string.
func (t template) text(values []value) string {
	if len(t) == 1 && t[0].ready() {
		return t[0].text
	}
	return string(t.fill(nil, values, nil))
}

func (g *group) append(dst []byte, values []value, it *item) []byte {
	start := len(dst)
	dst = append(dst, g.open...)
	opened := len(dst)
	for i := range g.children {
		c := &g.children[i]
		if !c.when.holds(values) {
			continue
		}
		if c.each < 0 {
			dst = c.body.fill(g.separate(dst, opened), values, it)
			continue
		}
		for j := range values[c.each].items {
			dst = c.body.fill(g.separate(dst, opened), values, &values[c.each].items[j])
		}
	}
	if len(dst) == opened {
		return append(dst[:start], g.empty...)
	}
	return append(dst, g.close...)
}

func (g *group) separate(dst []byte, opened int) []byte {
	if len(dst) == opened {
		return dst
	}
	return append(dst, g.sep...)
}

func (h *hole) append(dst []byte, values []value, it *item) []byte {
	var s string
	switch {
	case h.param >= 0:
		s = values[h.param].text
	case h.field >= 0:
		s = it.fields[h.field]
	default:
		s = it.text
	}
	return h.escape.append(dst, s)
}

func (e escape) append(dst []byte, s string) []byte {
	if !strings.ContainsAny(s, "$\"\\\u007f") && isASCII(s) {
		return append(dst, s...)
	}
	if e.dollars {
		s = strings.ReplaceAll(s, "$", "$$")
	}
	if e.inFile {
		s = escapeJSON(s)
	}
	if e.inJSON {
		s = escapeJSON(s)
	}
	return append(dst, s...)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] < ' ' {
			return false
		}
	}
	return true
}

// escapeJSON gives s as it stands between the quotes of a JSON string; YAML's and TOML's double-quoted strings read it
// alike.
func escapeJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	out := strings.TrimSuffix(strings.TrimPrefix(string(b), `"`), `"`)
	if strings.IndexFunc(out, unreadable) < 0 {
		return out
	}
	var safe strings.Builder
	for _, r := range out {
		if unreadable(r) {
			fmt.Fprintf(&safe, `\u%04x`, r)
			continue
		}
		safe.WriteRune(r)
	}
	return safe.String()
}

// unreadable reports whether YAML or TOML, unlike JSON, must not hold a character as it is.
func unreadable(r rune) bool {
	return r >= 0x7f && r <= 0x9f || r == 0xfeff || r == 0xfffe || r == 0xffff
}

// size is the length of the ready text.
func (t template) size() int {
	n := 0
	for i := range t {
		n += len(t[i].text)
		if t[i].group == nil {
			continue
		}
		for j := range t[i].group.children {
			n += t[i].group.children[j].body.size()
		}
	}
	return n
}

// holes visits every hole of the template.
func (t template) holes(visit func(*hole)) {
	for i := range t {
		if t[i].hole != nil {
			visit(t[i].hole)
		}
		if t[i].group == nil {
			continue
		}
		for j := range t[i].group.children {
			t[i].group.children[j].body.holes(visit)
		}
	}
}

// inString turns a template of text into one of the inside of a JSON string.
func (t template) inString() template {
	out := make(template, len(t))
	for i, p := range t {
		switch {
		case p.hole != nil:
			h := *p.hole
			h.inJSON = true
			out[i] = part{hole: &h}
		case p.group != nil:
			g := group{open: escapeJSON(p.group.open), sep: escapeJSON(p.group.sep), close: escapeJSON(p.group.close), empty: escapeJSON(p.group.empty)}
			for _, c := range p.group.children {
				g.children = append(g.children, child{c.when, c.each, c.body.inString()})
			}
			out[i] = part{group: &g}
		default:
			out[i] = ready(escapeJSON(p.text))
		}
	}
	return out
}

// joined merges neighbouring ready text.
func (t template) joined() template {
	var out template
	for _, p := range t {
		if p.group != nil {
			for i := range p.group.children {
				p.group.children[i].body = p.group.children[i].body.joined()
			}
		}
		if n := len(out); n > 0 && p.ready() && out[n-1].ready() {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}
