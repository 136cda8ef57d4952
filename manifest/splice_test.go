package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPatchRemovesAndReplaces(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "a member takes its own lines and no others",
			before: "a: 1\n# about b\nb: # eol\n  c: 1\n  # in b\n  d: 2\n\n# about e\ne: 3\n",
			ops:    []string{`remove /b`},
			after:  "a: 1\n# about b\n\n# about e\ne: 3\n",
		},
		{
			name:   "the last member leaves braces",
			before: "a: # c\n  # d\n  b: 1\nc:\n- d:\n  - 1\n- e\n",
			ops:    []string{`remove /a/b`, `remove /c/0/d/0`, `remove /c/1`},
			after:  "a: {} # c\n  # d\nc:\n- d: []\n",
		},
		{
			name:   "the first member of a list item gives its place to the next",
			before: "- name: a # one\n  image: b # two\n- name: c\n  # three\n  image: d\n-   x: 1\n    y: 2\n",
			ops:    []string{`remove /0/name`, `remove /1/name`, `remove /2/x`},
			after:  "- image: b # two\n-\n  # three\n  image: d\n-   y: 2\n",
		},
		{
			name:   "a list item with all its members",
			before: "- a\n- name: x\n  list:\n  - 1\n- |\n  text\n- c\n",
			ops:    []string{`remove /1`, `remove /1`},
			after:  "- a\n- c\n",
		},
		{
			name:   "the whole document may become empty",
			before: "---\n# c\na: 1\nb: 2\n",
			ops:    []string{`remove /a`, `remove /b`},
			after:  "---\n# c\n{}\n",
		},
		{
			name:   "in a document whose last line is open",
			before: "a: 1\nb:\n- c\n- d",
			ops:    []string{`remove /b/1`},
			after:  "a: 1\nb:\n- c",
		},
		{
			name:   "a scalar by any other value",
			before: "a: 1 # one\nb: 'x' # two\nc: |\n  text\n  more\nd: {e: 1} # four\nf:\n  g # five\nh: plain\n  text\ni: z\n",
			ops:    []string{`replace /a {"b":[1]}`, `replace /b "on\n"`, `replace /c null`, `replace /d ["x"]`, `replace /f "g\nh"`, `replace /h "i"`, `replace /i []`},
			after:  "a: # one\n  b:\n  - 1\nb: \"on\\n\" # two\nc: null\nd: # four\n- x\nf: |- # five\n  g\n  h\nh: i\ni: []\n",
		},
		{
			name:   "a collection by any other value",
			before: "a: # one\n  b: 1\n  # in a\n  c: 2\nd:\n- e\n- f # f\ng:\n- - h # h\n  - i\n- j: 1 # j\n  k: 2 # k\n",
			ops:    []string{`replace /a "x"`, `replace /d {"y":"z"}`, `replace /g/0 {"a":1,"b":2}`, `replace /g/1 [3,4]`},
			after:  "a: x # one\n  # in a\nd:\n  \"y\": z\ng:\n- a: 1 # h\n  b: 2\n- - 3 # j\n  - 4\n",
		},
		{
			name:   "a literal is not written where a comment would become part of it",
			before: "a: x\n    # comment\nb: y\n",
			ops:    []string{`replace /a "c\nd\n"`},
			after:  "a: \"c\\nd\\n\"\n    # comment\nb: y\n",
		},
		{
			name:   "an addition in the place of a removal",
			before: "- a\n# b\n- b\n- c: 1\n",
			ops:    []string{`remove /0`, `add /0 "x"`, `remove /1`, `add /1 "y"`, `remove /2/c`, `add /2/d 1`},
			after:  "- x\n- \"y\"\n# b\n- d: 1\n",
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchKeepsFlowStyle(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "a map on one line",
			before: "metadata: {name: web} # c\n",
			ops:    []string{`add /metadata/labels {"app":"web","v":"1","e":{}}`, `add /metadata/x "a: b"`, `add /metadata/y ["true","z"]`},
			after:  "metadata: {name: web, labels: {app: web, v: \"1\", e: {}}, x: \"a: b\", \"y\": [\"true\", z]} # c\n",
			back:   []string{`remove /metadata/y`, `remove /metadata/x`, `remove /metadata/labels`},
		},
		{
			name:   "a list on one line, with quotes as its neighbours have",
			before: "args: [\"--a\", \"--b\"]\nports: [80,443]\nempty: {a: [], b: {}}\n",
			ops:    []string{`add /args/- "--c"`, `add /args/0 "x"`, `add /ports/1 8080`, `add /empty/a/- {"x":1}`, `add /empty/b/c null`},
			after:  "args: [\"x\", \"--a\", \"--b\", \"--c\"]\nports: [80,8080,443]\nempty: {a: [{x: 1}], b: {c: null}}\n",
			back:   []string{`remove /args/0`, `remove /args/2`, `remove /ports/1`, `remove /empty/a/0`, `remove /empty/b/c`},
		},
		{
			name:   "on several lines",
			before: "a: {\n  b: 1,\n  c: [\n    x, # first\n    y\n  ],\n}\n",
			ops:    []string{`add /a/d {"e":1}`, `add /a/c/- "z"`, `add /a/c/0 "w"`},
			after:  "a: {\n  b: 1,\n  c: [\n    w,\n    x, # first\n    y,\n    z\n  ],\n  d: {e: 1},\n}\n",
			back:   []string{`remove /a/d`, `remove /a/c/3`, `remove /a/c/0`},
		},
		{
			name:   "removals and replacements",
			before: "a: {b: 1, c: 2, d: 3}\ne: [1, 2, 3]\nf: {g: 'x', h, i: }\nj: [x]\n",
			ops:    []string{`remove /a/b`, `remove /a/d`, `remove /e/1`, `replace /e/1 [4]`, `replace /f/g "z"`, `replace /f/h 1`, `replace /f/i 2`, `remove /j/0`},
			after:  "a: {c: 2}\ne: [1, [4]]\nf: {g: z, h: 1, i: 2 }\nj: []\n",
		},
		{
			name:   "nothing old remains",
			before: "a: {b: 1, c: 2}\nd: [1, 2]\n",
			ops:    []string{`add /a/z 1`, `remove /a/b`, `remove /a/c`, `add /a/w 2`, `remove /d/0`, `remove /d/0`, `add /d/0 3`},
			after:  "a: {z: 1, w: 2}\nd: [3]\n",
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchKeepsTheLayoutOfJSON(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "indented",
			before: "{\n    \"a\": {\n        \"b\": [1, 2],\n        \"c\": {}\n    }\n}\n",
			ops:    []string{`add /a/b/- 3`, `add /a/c/x {"y":["z"]}`, `add /d []`},
			after:  "{\n    \"a\": {\n        \"b\": [1, 2, 3],\n        \"c\": {\n            \"x\": {\n                \"y\": [\n                    \"z\"\n                ]\n            }\n        }\n    },\n    \"d\": []\n}\n",
			back:   []string{`remove /d`, `remove /a/c/x`, `remove /a/b/2`},
		},
		{
			name:   "indented with tabs",
			before: "{\n\t\"a\": [\n\t\t1\n\t]\n}",
			ops:    []string{`add /a/0 {"b":"\u2028"}`, `add /"q" 1`},
			after:  "{\n\t\"a\": [\n\t\t{\n\t\t\t\"b\": \"\\u2028\"\n\t\t},\n\t\t1\n\t],\n\t\"\\\"q\\\"\": 1\n}",
			back:   []string{`remove /a/0`, `remove /"q"`},
		},
		{
			name:   "compact",
			before: "---\n{\"a\":[],\"b\":\"\\ud83d\\ude00\"}\n",
			ops:    []string{`add /a/- {"c":1,"d":["<e>",2]}`, `replace /b false`},
			after:  "---\n{\"a\":[{\"c\":1,\"d\":[\"<e>\",2]}],\"b\":false}\n",
		},
		{
			name:   "on one line with spaces",
			before: "{\"a\": [1, 2], \"b\": {}}",
			ops:    []string{`add /a/- 3`, `add /c {"d":1,"e":2}`},
			after:  "{\"a\": [1, 2, 3], \"b\": {}, \"c\": {\"d\": 1, \"e\": 2}}",
			back:   []string{`remove /c`, `remove /a/2`},
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchCopiesWhatAliasesShare(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "a change behind an alias",
			before: "# labels\nlabels: &l # shared\n  app: web\n  b: [1]\nmatch: *l # here\nother: *l\n",
			ops:    []string{`add /match/x "y"`},
			after:  "# labels\nlabels: &l # shared\n  app: web\n  b: [1]\nmatch: # here\n  app: web\n  b:\n  - 1\n  x: \"y\"\nother: *l\n",
		},
		{
			name:   "a change below an anchor",
			before: "labels: &l\n  app: web\nmatch: *l # here\nflow: [*l, x]\n",
			ops:    []string{`add /labels/x 1`},
			after:  "labels: &l\n  app: web\n  x: 1\nmatch: # here\n  app: web\nflow: [{app: web}, x]\n",
		},
		{
			name:   "removal and replacement of an anchor",
			before: "a: &a [1]\nb: &b 2\nc: {d: *a, e: *b}\n",
			ops:    []string{`remove /a`, `replace /b 3`},
			after:  "b: 3\nc: {d: [1], e: 2}\n",
		},
		{
			name:   "a change elsewhere",
			before: "base: &base {a: 1}\nuse:\n  <<: *base # merged\n  b: 2\nother:\n- *base\n",
			ops:    []string{`add /use/c 3`, `add /use/a 4`, `add /other/- 5`},
			after:  "base: &base {a: 1}\nuse:\n  <<: *base # merged\n  b: 2\n  c: 3\n  a: 4\nother:\n- *base\n- 5\n",
		},
		{
			name:   "a change in what a merge key gives",
			before: "base: &base\n  a: {x: 1}\nuse:\n  <<: *base\n",
			ops:    []string{`add /use/a/y 2`},
			after:  "base: &base\n  a: {x: 1}\nuse:\n  <<: *base\n  a:\n    x: 1\n    \"y\": 2\n",
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchEncodesAnewWhatCannotBeSpliced(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "an anchor that is merged elsewhere",
			before: "# head\n---\nbase: &base\n  a:   y # why\n  l:\n  -   0777\n\nuse:\n  <<: *base\n  b: 'q' # two\n# end\n",
			ops:    []string{`add /base/c 3`},
			after:  "# head\n---\nbase:\n  a: y # why\n  l:\n  - 0777\n  c: 3\nuse:\n  a: y\n  l:\n  - 0777\n  b: 'q' # two\n# end\n",
		},
		{
			name:   "removal of a merged key",
			before: "base: &base\n  a: 1\n  b: 2\nuse: # c\n  <<: *base\n",
			ops:    []string{`remove /use/a`},
			after:  "base: &base\n  a: 1\n  b: 2\nuse: # c\n  b: 2\n",
		},
		{
			name:   "keys behind question marks",
			before: "? a\n: b\n? c\n: d # c\n",
			ops:    []string{`remove /a`, `add /e {"f":["on","g\nh\n"]}`},
			after:  "c: d # c\ne:\n  f:\n  - \"on\"\n  - |\n    g\n    h\n",
		},
		{
			name:   "line breaks that only YAML 1.1 knows",
			before: "a: 1\rb: 2\n",
			ops:    []string{`add /c 3`},
			after:  "a: 1\nb: 2\nc: 3\n",
		},
		{
			name:   "the document as a whole",
			before: "--- # c\na: 1\n...\n",
			ops:    []string{`replace  {"b":[1]}`},
			after:  "--- # c\nb:\n- 1\n...\n",
		},
		{
			name:   "the document as a whole, in JSON",
			before: " {\"a\": 1}\n",
			ops:    []string{`replace  {"b":[1]}`},
			after:  " {\"b\": [1]}\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := document(tc.before).Patch(ops(t, tc.ops...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.after, string(out.Bytes())); diff != "" {
				t.Error(diff)
			}
			if !out.Reencoded() {
				t.Error("the layout was kept")
			}
		})
	}
}

func TestPatchFails(t *testing.T) {
	const text = "a:\n  b:\n  - 1\n  c: null\n"
	for _, tc := range []struct{ name, before, op, want string }{
		{"without a parent", text, `add /a/x/y 1`, `web.yaml:1: add /a/x/y: /a has no "x"`},
		{"below null", text, `add /a/c/- 1`, `web.yaml:4: add /a/c/-: /a/c is null`},
		{"below a scalar", text, `add /a/b/0/x 1`, `web.yaml:3: add /a/b/0/x: /a/b/0 is neither a map nor a list`},
		{"past the end of a list", text, `add /a/b/2 1`, `web.yaml:2: add /a/b/2: /a/b: index 2 is past the end of the list`},
		{"with a bad index", text, `remove /a/b/01`, `web.yaml:2: remove /a/b/01: /a/b: "01" is not a list index`},
		{"for what is not there", text, `remove /z`, `web.yaml:1: remove /z: the document has no "z"`},
		{"for what cannot be replaced", text, `replace /a/z 1`, `web.yaml:1: replace /a/z: /a has no "z"`},
		{"with a bad pointer", text, `add a 1`, `web.yaml:1: add a: a JSON pointer is empty or begins with "/"`},
		{"with another operation", text, `move /a`, `web.yaml:1: move /a: the operation must be add, remove or replace`},
		{"for a whole document", text, `remove `, `web.yaml:1: remove : a whole document cannot be removed`},
		{"in an empty document", "# c\n", `add /a 1`, `web.yaml:1: the document is empty`},
		{"in a document that cannot be read", "a: b: c\n", `add /a 1`, `web.yaml:1: mapping values are not allowed in this context`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := document(tc.before).Patch(ops(t, tc.op))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestPatchTakesAnyValue(t *testing.T) {
	patch := ops(t, `add /a null`, `add /b null`, `add /c null`)
	patch[0].Value = map[string]any{"name": "x", "args": []string{"y"}}
	patch[1].Value = []int{1}
	patch[2].Value = nil
	out, err := document("z: 1\n").Patch(patch)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("z: 1\na:\n  name: x\n  args:\n  - \"y\"\nb:\n- 1\nc: null\n", string(out.Bytes())); diff != "" {
		t.Error(diff)
	}
	patch[0].Value = func() {}
	if _, err := document("z: 1\n").Patch(patch); err == nil || !strings.Contains(err.Error(), "web.yaml:1: add /a: value: ") {
		t.Error(err)
	}
}
