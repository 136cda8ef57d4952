package manifest

import (
	"encoding/json"
	"fmt"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"
)

// textGen writes random YAML documents in the many ways people do.
type textGen struct {
	t        *rapid.T
	flow     bool // flow collections that are not empty
	comments int
	step     int
	dash     int
	gap      int
	out      strings.Builder
}

var plainScalars = []string{
	"web", "y", "on", "No", "0777", "0x1F", "0o17", "1e3", "~", "null", "12:30:45", "2001-01-01", "true", "1_000",
	"nginx:1.27", "/var/log", "a b  c", "it's", `say "hi"`, "-1", "3.14", "64Mi", "a#b", "-x", "a: b"[:2] + "b",
	"http://x.y/z?a=b&c", "{}", "[]", "été", "日本", "18446744073709551615", "9223372036854775808", "0b101", "=", "1.", ".5",
}

var quotedScalars = []string{
	`""`, `''`, `"y"`, `'0777'`, `"a: b # c"`, `'it''s # not'`, `"a\tb\nc"`, `"say \"hi\""`, `"\u00e9"`, `' x '`,
}

var jsonValues = []string{
	`"web"`, `"y"`, `"on"`, `"0777"`, `"1e3"`, `"~"`, `""`, `"12:30:45"`, `"2001-01-01"`, `".inf"`, `"a: b"`, `"a #b"`, `"'q'"`,
	`"\"q\""`, `"a\nb\n"`, `"a\nb"`, `" a\nb"`, `"a\n\nb\n"`, `"a\nb\n\n"`, `"# a\nb\n"`, `"a\n# b\n  c\n"`, `"tab\there"`, `"\u0001"`, `"\u2028"`, `"\ud83d\ude00"`,
	`"null"`, `"- x"`, `"-"`, `"?"`, `"? x"`, `": "`, `"a:"`, `"@x"`, "\"`x\"", `"%x"`, `"!x"`, `"&x"`, `"*x"`, `"{x}"`, `"[x]"`, `"a, b"`, `"x\\y"`,
	`"--flag=x"`, `"10m"`, `"64Mi"`, `"1.0"`, `"1.2.3"`, `"0x1f"`, `"2001-01-01T00:00:00Z"`, `"$(X)"`, `"<<"`, `"="`, `"---"`, `"..."`, `"---x"`, `"é"`, `" "`, `"x "`,
	`"\ttab\nb"`, `"a\n\tb"`, `"a\r\nb"`, `"a \nb\n"`, `"a\n \nb"`, `"\n"`, `"\na"`, `"\u0085"`, `"\ufeff"`, `"-.5"`, `"+1"`, `"0"`, `"-"`, `"y:"`,
	`1`, `-7`, `3.5`, `1e3`, `18446744073709551615`, `true`, `false`, `null`, `{}`, `[]`,
	`["a","y"]`, `{"name":"x","image":"y"}`, `{"b":{"c":[1,{"d":null}]},"a":[]}`, `[[1,[2]],[]]`, `[{"name":"c","args":["a\nb\n"]}]`,
	`{"y":"n","1":"2","":"","a b":"c","k:":"v","#":"x","a\nb":"c"}`,
}

var textKeys = []string{"a", "b", "name", "spec", "app.kubernetes.io/name", `"quoted key"`, `'it''s'`, "x-1", "clé", "on1", "y", "1", "0x10", `"a: b"`}

func newTextGen(t *rapid.T, flow bool) *textGen {
	return &textGen{
		t: t, flow: flow,
		step: rapid.SampledFrom([]int{2, 2, 4, 1}).Draw(t, "step"),
		dash: rapid.SampledFrom([]int{0, 2, 2, 4}).Draw(t, "dash"),
		gap:  rapid.SampledFrom([]int{2, 2, 4}).Draw(t, "gap"),
	}
}

func (g *textGen) chance(percent int) bool {
	return rapid.IntRange(1, 100).Draw(g.t, "chance") <= percent
}

func (g *textGen) pick(from []string) string { return rapid.SampledFrom(from).Draw(g.t, "pick") }

func (g *textGen) indent(column int) { g.out.WriteString(strings.Repeat(" ", column)) }

// comment writes blank lines and comments between members.
func (g *textGen) comment(column int) {
	for g.chance(12) {
		if g.chance(50) {
			g.out.WriteString("\n")
			continue
		}
		g.indent(rapid.SampledFrom([]int{column, column, column, 0, column + 2, max(column-2, 0)}).Draw(g.t, "comment column"))
		g.comments++
		fmt.Fprintf(&g.out, "# comment-%d.\n", g.comments)
	}
}

// eol ends a line, perhaps with a comment.
func (g *textGen) eol() {
	if g.chance(12) {
		g.comments++
		fmt.Fprintf(&g.out, "%s# comment-%d.", g.pick([]string{" ", "  "}), g.comments)
	}
	g.out.WriteString("\n")
}

// blockMap writes a map whose first key is at the column the text has reached.
func (g *textGen) blockMap(column, depth int) {
	n := rapid.IntRange(1, 4).Draw(g.t, "members")
	keys := rapid.Permutation(textKeys).Draw(g.t, "keys")
	for i := range n {
		if i > 0 {
			g.comment(column)
			g.indent(column)
		}
		g.out.WriteString(keys[i] + ":")
		g.value(column, depth, false)
	}
}

func (g *textGen) blockList(column, depth int) {
	for i := range rapid.IntRange(1, 3).Draw(g.t, "items") {
		if i > 0 {
			g.comment(column)
			g.indent(column)
		}
		g.out.WriteString("-")
		g.value(column, depth, true)
	}
}

// value writes what follows a colon or dash that is in the given column or
// belongs to a key there.
func (g *textGen) value(column, depth int, item bool) {
	choice := rapid.IntRange(0, 11).Draw(g.t, "value")
	switch {
	case choice <= 4 && depth > 0 && item && g.chance(70):
		g.indent(g.gap - 1)
		if choice < 4 {
			g.blockMap(column+g.gap, depth-1)
		} else {
			g.blockList(column+g.gap, depth-1)
		}
	case choice <= 2 && depth > 0:
		g.eol()
		g.comment(column + g.step)
		g.indent(column + g.step)
		g.blockMap(column+g.step, depth-1)
	case choice <= 4 && depth > 0:
		dash := g.dash
		if item {
			dash = 2
		}
		g.eol()
		g.comment(column + dash)
		g.indent(column + dash)
		g.blockList(column+dash, depth-1)
	case choice == 5 && g.flow:
		g.out.WriteString(" ")
		g.flowValue(2, true)
		g.eol()
	case choice == 6:
		g.multiLine(column)
	case choice == 7:
		g.eol() // null
	case choice == 8:
		g.out.WriteString(" " + g.pick(quotedScalars))
		g.eol()
	default:
		g.out.WriteString(" " + g.pick(plainScalars))
		g.eol()
	}
}

// multiLine writes a scalar of several lines.
func (g *textGen) multiLine(column int) {
	inner := strings.Repeat(" ", column+max(g.step, 2))
	switch rapid.IntRange(0, 5).Draw(g.t, "multi") {
	case 0:
		g.out.WriteString(" plain\n" + inner + "goes on\n\n" + inner + "and on")
		g.eol()
	case 1:
		g.out.WriteString(" \"double\n" + inner + "# goes on\"")
		g.eol()
	case 2:
		g.out.WriteString("\n" + inner + "next line")
		g.eol()
	default:
		g.out.WriteString(" " + g.pick([]string{"|", "|-", "|+", ">", ">-", ">+"}))
		g.eol()
		for range rapid.IntRange(0, 3).Draw(g.t, "lines") {
			g.out.WriteString(inner + g.pick([]string{"text", "# text", "- a: b", "  deeper", "text: {"}) + "\n")
			if g.chance(20) {
				g.out.WriteString("\n")
			}
		}
	}
}

func (g *textGen) flowValue(depth int, more bool) {
	choice := rapid.IntRange(0, 5).Draw(g.t, "flow")
	sep := ", "
	if g.chance(15) {
		sep = ",\n" + strings.Repeat(" ", 30)
	}
	n := rapid.IntRange(0, 3).Draw(g.t, "flow members")
	switch {
	case depth > 0 && (choice <= 1 || more && choice <= 3):
		keys := rapid.Permutation(textKeys).Draw(g.t, "flow keys")
		g.out.WriteString("{")
		for i := range n {
			if i > 0 {
				g.out.WriteString(sep)
			}
			g.out.WriteString(keys[i] + ": ")
			g.flowValue(depth-1, false)
		}
		g.out.WriteString("}")
	case depth > 0 && (choice == 2 || more):
		g.out.WriteString("[")
		for i := range n {
			if i > 0 {
				g.out.WriteString(sep)
			}
			g.flowValue(depth-1, false)
		}
		g.out.WriteString("]")
	case choice == 3:
		g.out.WriteString(g.pick(quotedScalars))
	default:
		g.out.WriteString(g.pick([]string{"web", "y", "0777", "1e3", "~", "x y", "64Mi", "a/b", "2001-01-01"}))
	}
}

// yamlText draws a document that is a map.
func yamlText(t *rapid.T, flow bool) string {
	g := newTextGen(t, flow)
	if g.chance(20) {
		g.out.WriteString("# head\n---\n")
	}
	g.comment(0)
	g.blockMap(0, 3)
	g.comment(0)
	text := g.out.String()
	if g.chance(10) {
		text = strings.TrimSuffix(text, "\n")
	}
	if g.chance(10) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// pathsOf lists the paths of all nodes below a value.
func pathsOf(v any, at []string) [][]string {
	var all [][]string
	switch v := v.(type) {
	case map[string]any:
		for _, name := range sortedKeys(v) {
			if name == "" {
				continue // the library to compare with cannot reach it
			}
			path := append(at[:len(at):len(at)], name)
			all = append(append(all, path), pathsOf(v[name], path)...)
		}
	case []any:
		for i, item := range v {
			path := append(at[:len(at):len(at)], fmt.Sprint(i))
			all = append(append(all, path), pathsOf(item, path)...)
		}
	}
	return all
}

func sortedKeys(m map[string]any) []string {
	v := orderedValue(m, nil)
	return v.names
}

// anOp draws an operation that a document with value v accepts.
func anOp(t *rapid.T, v any, kinds []string) jsonpatch.Operation {
	paths := pathsOf(v, nil)
	kind := rapid.SampledFrom(kinds).Draw(t, "op")
	o := jsonpatch.Operation{Operation: kind}
	if kind != opRemove {
		o.Value = json.RawMessage(rapid.SampledFrom(jsonValues).Draw(t, "op value"))
	}
	if kind != opAdd && len(paths) > 0 {
		o.Path = formatPointer(rapid.SampledFrom(paths).Draw(t, "path"))
		return o
	}
	if kind != opAdd { // nothing is there
		o = jsonpatch.Operation{Operation: opAdd, Value: json.RawMessage("1")}
	}
	containers := [][]string{nil}
	for _, path := range paths {
		switch at(v, path).(type) {
		case map[string]any, []any:
			containers = append(containers, path)
		}
	}
	path := rapid.SampledFrom(containers).Draw(t, "container")
	token := "-"
	switch in := at(v, path).(type) {
	case map[string]any:
		token = rapid.SampledFrom([]string{"new", "new2", "on", "a b", "a", "true", "k/~", "y: z"}).Draw(t, "key")
		if _, ok := in[token]; ok && len(kinds) == 1 {
			token = "certainly new " + fmt.Sprint(len(in))
		}
	case []any:
		if i := rapid.IntRange(0, len(in)).Draw(t, "index"); i < len(in) {
			token = fmt.Sprint(i)
		}
	}
	o.Path = formatPointer(append(path[:len(path):len(path)], token))
	return o
}

// at returns what is at a path of a plain value.
func at(v any, path []string) any {
	for _, token := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[token]
		case []any:
			i, _ := listIndex(token, len(in)-1, -1)
			v = in[i]
		}
	}
	return v
}

func decodeJSON(text []byte) any {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	return v
}
