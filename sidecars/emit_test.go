package sidecars

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"pgregory.net/rapid"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// emitted compiles a file and fills it in, as the Pod's annotation says it.
func emitted(c *compiler, f *v1alpha1.File, values []value) (string, error) {
	content := c.file(field.NewPath("f"), f)
	if len(c.errs) > 0 {
		return "", c.errs.ToAggregate()
	}
	var text string
	err := json.Unmarshal(append(content.fill([]byte{'"'}, values, nil), '"'), &text)
	return text, err
}

func TestEmit(t *testing.T) {
	values := map[string]value{
		"text": {text: `it's "<é>" \ #`}, "dollar": {text: "$(A) $$ ${env:B}"}, "none": {}, "port": {text: "80"}, "yes": {text: "true"},
		"list":  {text: "a,b", items: []item{{text: "a"}, {text: "b: c"}}},
		"empty": {items: []item{}},
		"routes": {text: "x", items: []item{
			{fields: []string{"/a", "1"}}, {fields: []string{"/b", "2"}}}},
	}
	c := emitCompiler(t)
	var ordered []value
	for _, p := range c.entry.params {
		ordered = append(ordered, values[p.name])
	}
	for _, one := range []struct{ name, data, yaml, json, toml string }{
		{"nothing", `{}`, "{}\n", "{}\n", ""},
		{"scalars", `{"a":"x","b":1,"c":true,"d":1.50,"e":-1e3}`,
			"a: \"x\"\nb: 1\nc: true\nd: 1.50\ne: -1e3\n", `{"a":"x","b":1,"c":true,"d":1.50,"e":-1e3}` + "\n", "a = \"x\"\nb = 1\nc = true\nd = 1.50\ne = -1e3\n"},
		{"empty collections", `{"a":{},"b":[]}`, "a: {}\nb: []\n", `{"a":{},"b":[]}` + "\n", "b = []\n\n[a]\n"},
		{"lists in lists", `{"a":[[1,2],[],["x"]]}`, "a:\n  -\n    - 1\n    - 2\n  - []\n  -\n    - \"x\"\n", `{"a":[[1,2],[],["x"]]}` + "\n", `a = [[1,2],[],["x"]]` + "\n"},
		{"keys that are no plain ones", `{"on":1,"No":1,"1":1,"a b":1,"a.b/c":1,"#":1,"":1,"é\"":1}`,
			"\"\": 1\n\"#\": 1\n\"1\": 1\n\"No\": 1\n\"a b\": 1\na.b/c: 1\n\"on\": 1\n\"é\\\"\": 1\n",
			`{"":1,"#":1,"1":1,"No":1,"a b":1,"a.b/c":1,"on":1,"é\"":1}` + "\n",
			"\"\" = 1\n\"#\" = 1\n1 = 1\nNo = 1\n\"a b\" = 1\n\"a.b/c\" = 1\non = 1\n\"é\\\"\" = 1\n"},
		{"holes", `{"t":"<$(params.text)>","p":"$(params.port)","q":"$(params.port)s","y":"$(params.yes)"}`,
			`p: 80` + "\n" + `q: "80s"` + "\n" + `t: "\u003cit's \"\u003cé\u003e\" \\ #\u003e"` + "\n" + `"y": true` + "\n",
			`{"p":80,"q":"80s","t":"\u003cit's \"\u003cé\u003e\" \\ #\u003e","y":true}` + "\n",
			`p = 80` + "\n" + `q = "80s"` + "\n" + `t = "\u003cit's \"\u003cé\u003e\" \\ #\u003e"` + "\n" + `y = true` + "\n"},
		{"a condition that holds", `{"a":{"$when":{"text":["*"],"none":[""]},"b":1}}`, "a:\n  b: 1\n", `{"a":{"b":1}}` + "\n", "\n[a]\nb = 1\n"},
		{"a condition that does not hold", `{"a":{"$when":{"none":["*"]},"b":1}}`, "{}\n", "{}\n", ""},
		{"a condition beside a member", `{"a":{"$when":{"none":["*"]},"b":1},"c":2}`, "c: 2\n", `{"c":2}` + "\n", "c = 2\n"},
		{"a condition on an item", `{"a":[{"$when":{"none":["*"]},"b":1},{"b":2}]}`, "a:\n  -\n    b: 2\n", `{"a":[{"b":2}]}` + "\n", "\n[[a]]\nb = 2\n"},
		{"a list of which nothing is left", `{"a":[{"$when":{"none":["*"]},"b":1}]}`, "a: []\n", `{"a":[]}` + "\n", ""},
		{"an item for each of a list", `{"a":[{"$each":"params.list","$item":"<$(item)>"}]}`,
			"a:\n  - \"\\u003ca\\u003e\"\n  - \"\\u003cb: c\\u003e\"\n", `{"a":["\u003ca\u003e","\u003cb: c\u003e"]}` + "\n", `a = ["\u003ca\u003e","\u003cb: c\u003e"]` + "\n"},
		{"an item for each of none", `{"a":[{"$each":"params.empty","$item":"$(item)"}],"b":1}`, "a: []\nb: 1\n", `{"a":[],"b":1}` + "\n", "a = []\nb = 1\n"},
		{"a map for each, with fields", `{"a":[{"$each":"params.routes","path":"$(item.path)","to":{"port":"$(item.port)"}}]}`,
			"a:\n  -\n    path: \"/a\"\n    to:\n      port: 1\n  -\n    path: \"/b\"\n    to:\n      port: 2\n",
			`{"a":[{"path":"/a","to":{"port":1}},{"path":"/b","to":{"port":2}}]}` + "\n",
			"\n[[a]]\npath = \"/a\"\n\n[a.to]\nport = 1\n\n[[a]]\npath = \"/b\"\n\n[a.to]\nport = 2\n"},
	} {
		for format, want := range map[v1alpha1.FileFormat]string{"yaml": one.yaml, "json": one.json, "toml": one.toml} {
			t.Run(one.name+" as "+string(format), func(t *testing.T) {
				got, err := emitted(c, &v1alpha1.File{Format: format, Data: dataOf(t, one.data)}, ordered)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
	t.Run("lines", func(t *testing.T) {
		got, err := emitted(c, &v1alpha1.File{Format: "lines", Lines: []v1alpha1.Line{
			{Line: "a $(params.port)"}, {Line: "b", When: v1alpha1.When{"none": {"*"}}}, {Line: "  c '\"\\ # $(item.port)", Each: "params.routes"}, {Line: ""}, {Line: "é ${d}"},
		}}, ordered)
		if diff := cmp.Diff("a 80\n  c '\"\\ # 1\n  c '\"\\ # 2\n\né ${d}\n", got); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
	t.Run("dollars", func(t *testing.T) {
		for expands, want := range map[bool]string{true: `a: "$(X) ${Y} $$(A) $$$$ $${env:B}"` + "\n", false: `a: "$(X) ${Y} $(A) $$ ${env:B}"` + "\n"} {
			f := v1alpha1.File{Format: "yaml", Data: dataOf(t, `{"a":"$(X) ${Y} $(params.dollar)"}`), DollarExpands: expands}
			if got, err := emitted(c, &f, ordered); err != nil || got != want {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	})
}

func dataOf(t interface{ Fatal(...any) }, text string) *v1alpha1.Object {
	o := new(v1alpha1.Object)
	if err := json.Unmarshal([]byte(text), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// emitCompiler has a parameter for every use.
func emitCompiler(t *testing.T) *compiler {
	t.Helper()
	c := &compiler{entry: &Entry{Spec: &v1alpha1.SidecarSpec{Parameters: map[string]v1alpha1.Parameter{
		"text": {Bounds: v1alpha1.Bounds{Type: "string"}}, "dollar": {Bounds: v1alpha1.Bounds{Type: "string"}}, "none": {Bounds: v1alpha1.Bounds{Type: "string"}}, "port": {Bounds: v1alpha1.Bounds{Type: "port"}}, "yes": {Bounds: v1alpha1.Bounds{Type: "boolean"}},
		"list":   {Bounds: v1alpha1.Bounds{Type: "list"}, Items: &v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: "string"}}},
		"empty":  {Bounds: v1alpha1.Bounds{Type: "list"}, Items: &v1alpha1.Items{Bounds: v1alpha1.Bounds{Type: "string"}}},
		"routes": {Bounds: v1alpha1.Bounds{Type: "list"}, Items: &v1alpha1.Items{Fields: map[string]v1alpha1.Bounds{"path": {Type: "path"}, "port": {Type: "port"}}}},
	}}}, used: map[int]bool{}, list: -1}
	c.parameters(field.NewPath("spec", "parameters"))
	if len(c.errs) > 0 {
		t.Fatal(c.errs)
	}
	return c
}

// emitGen draws the data of a file, and beside it what it means at one set of values.
type emitGen struct {
	t      *rapid.T
	values []value
	toml   bool
}

// dropped stands for what a condition leaves out.
type dropped struct{}

var (
	oddTexts = []string{"", "x", "on", "1", "null", "~", "- a", "a: b", "#x", " lead", "trail ", "'", `"\`, "é世🛵", "{{x}}", "%", "a\nb", "\tb", "\u2028", "\u0085", "\x1f", "\x7f", "$(X) $", "&a *b !c", "|", ">", "[", "{"}
	oddKeys  = []string{"a", "on", "No", "null", "1", "a b", "a.b", "#", "é", `q"`, "a: b", "- x", "~", "?", "[x]", "", "b", "c\nd", "=", "<<"}
)

func (g *emitGen) object(depth int) (map[string]any, map[string]any) {
	data, means := map[string]any{}, map[string]any{}
	for range rapid.IntRange(0, 3).Draw(g.t, "members") {
		key := rapid.SampledFrom(oddKeys).Draw(g.t, "key")
		d, m := g.any(depth)
		data[key] = d
		delete(means, key)
		if m != (dropped{}) {
			means[key] = m
		}
	}
	return data, means
}

// any draws a value and its meaning; in is the item that $(item) stands for, or -1.
func (g *emitGen) any(depth int) (any, any) {
	kinds := []string{"text", "number", "bool", "hole", "map", "list", "texts", "when", "null"}
	if g.toml {
		kinds = kinds[:len(kinds)-1]
	}
	if depth == 0 {
		kinds = kinds[:4]
	}
	switch rapid.SampledFrom(kinds).Draw(g.t, "kind") {
	case "text":
		s := rapid.SampledFrom(oddTexts).Draw(g.t, "text")
		return s, s
	case "number":
		n := json.Number(rapid.SampledFrom([]string{"0", "-1", "1.5", "1e3", "12345678901", "2.50"}).Draw(g.t, "number"))
		return n, n
	case "bool":
		return true, true
	case "hole":
		return g.hole()
	case "map":
		d, m := g.object(depth - 1)
		return d, m
	case "when":
		d, m := g.object(depth - 1)
		holds := rapid.Bool().Draw(g.t, "holds")
		d["$when"] = map[string]any{"text": []any{map[bool]string{true: "*", false: "else"}[holds]}}
		if holds {
			return d, m
		}
		return d, dropped{}
	case "list":
		return g.list(depth-1, "map", "when")
	case "texts":
		return g.list(depth-1, "text", "hole", "texts")
	}
	return nil, nil
}

func (g *emitGen) hole() (any, any) {
	switch rapid.SampledFrom([]string{"text", "within", "port", "bool"}).Draw(g.t, "hole") {
	case "within":
		return "<$(params.text)|$(params.port)>", "<" + g.values[g.at("text")].text + "|80>"
	case "port":
		return "$(params.port)", json.Number("80")
	case "bool":
		return "$(params.yes)", true
	}
	return "$(params.text)", g.values[g.at("text")].text
}

func (g *emitGen) at(name string) int {
	return map[string]int{"dollar": 0, "empty": 1, "list": 2, "none": 3, "port": 4, "routes": 5, "text": 6, "yes": 7}[name]
}

// list draws a list of either maps or everything else, as TOML wants it.
func (g *emitGen) list(depth int, kinds ...string) (any, any) {
	data, means := []any{}, []any{}
	for range rapid.IntRange(0, 3).Draw(g.t, "items") {
		d, m := any(nil), any(nil)
		switch rapid.SampledFrom(append(kinds, "each")).Draw(g.t, "item") {
		case "map", "when":
			dm, mm := g.object(max(depth, 0))
			d, m = dm, mm
		case "text":
			d = rapid.SampledFrom(oddTexts).Draw(g.t, "text")
			m = d
		case "hole":
			d, m = g.hole()
		case "texts":
			d, m = []any{"x"}, []any{"x"}
		case "each":
			if kinds[0] == "map" {
				data = append(data, map[string]any{"$each": "params.routes", "at": "$(item.path)", "to": []any{"$(item.port)"}})
				for _, it := range g.values[g.at("routes")].items {
					means = append(means, map[string]any{"at": it.fields[0], "to": []any{json.Number(it.fields[1])}})
				}
				continue
			}
			data = append(data, map[string]any{"$each": "params.list", "$item": "$(item)!"})
			for _, it := range g.values[g.at("list")].items {
				means = append(means, it.text+"!")
			}
			continue
		}
		data = append(data, d)
		if m != any(dropped{}) {
			means = append(means, m)
		}
	}
	return data, means
}

// TestPropertyFilesSayTheirData parses what is emitted, in each language, and compares it with what the data mean.
func TestPropertyFilesSayTheirData(t *testing.T) {
	c := emitCompiler(t)
	rapid.Check(t, func(t *rapid.T) {
		format := v1alpha1.FileFormat(rapid.SampledFrom([]string{"yaml", "json", "toml"}).Draw(t, "format"))
		odd := rapid.SampledFrom(oddTexts[:20]).Filter(func(s string) bool { return s != "" && printableText(s) })
		g := &emitGen{t: t, toml: format == v1alpha1.FormatTOML, values: []value{
			{}, {items: []item{}}, {text: "l", items: []item{{text: odd.Draw(t, "item")}, {text: "b"}}}, {}, {text: "80"},
			{text: "r", items: []item{{fields: []string{"/a", "1"}}, {fields: []string{"/b", "2"}}}}, {text: odd.Draw(t, "text")}, {text: "true"}}}
		data, means := g.object(3)
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		fresh := &compiler{entry: c.entry, used: map[int]bool{}, list: -1}
		text, err := emitted(fresh, &v1alpha1.File{Format: format, Data: dataOf(t, string(raw))}, g.values)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got, err := parsedAs(format, text)
		if err != nil {
			t.Fatalf("%s\n%s: %v", raw, text, err)
		}
		if diff := cmp.Diff(plain(means), plain(got)); diff != "" {
			t.Fatalf("%s\n%s\n%s", raw, text, diff)
		}
	})
}

func parsedAs(format v1alpha1.FileFormat, text string) (any, error) {
	var v map[string]any
	switch format {
	case v1alpha1.FormatYAML:
		err := sigsyaml.UnmarshalStrict([]byte(text), &v)
		return v, err
	case v1alpha1.FormatTOML:
		err := toml.Unmarshal([]byte(text), &v)
		return v, err
	}
	err := json.Unmarshal([]byte(text), &v)
	return v, err
}

// plain makes numbers comparable, and an empty list and an absent one the same: TOML has no empty list of tables.
func plain(v any) any {
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Map:
		out := map[string]any{}
		for _, k := range r.MapKeys() {
			if p := plain(r.MapIndex(k).Interface()); !cmp.Equal(p, any([]any{})) {
				out[k.String()] = p
			}
		}
		return out
	case reflect.Slice:
		out := []any{}
		for i := range r.Len() {
			out = append(out, plain(r.Index(i).Interface()))
		}
		return out
	}
	var n float64
	if num, ok := v.(json.Number); ok {
		v, _ = num.Float64()
	}
	if _, err := fmt.Sscan(fmt.Sprint(v), &n); err == nil && !strings.HasPrefix(fmt.Sprintf("%T", v), "string") && fmt.Sprintf("%T", v) != "bool" {
		return n
	}
	return v
}
