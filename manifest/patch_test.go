package manifest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// patchCase is a document before and after operations. With back, removing
// what was added gives the same bytes.
type patchCase struct {
	name   string
	before string
	ops    []string
	after  string
	back   []string
}

func (tc patchCase) run(t *testing.T) {
	t.Helper()
	d := document(tc.before)
	out, err := d.Patch(ops(t, tc.ops...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tc.after, string(out.Bytes())); diff != "" {
		t.Error(diff)
	}
	if out.Reencoded() {
		t.Error("the layout was not kept")
	}
	if string(d.Bytes()) != tc.before {
		t.Error("the document itself changed")
	}
	if tc.back == nil {
		return
	}
	back, err := out.Patch(ops(t, tc.back...))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tc.before, string(back.Bytes())); diff != "" {
		t.Error("and back:", diff)
	}
}

func TestPatchAddsToMaps(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "a member goes to the end of its map",
			before: "metadata:\n  name: web\nspec: {}\n",
			ops:    []string{`add /metadata/namespace "shop"`},
			after:  "metadata:\n  name: web\n  namespace: shop\nspec: {}\n",
			back:   []string{`remove /metadata/namespace`},
		},
		{
			name:   "blank lines and comments that belong to what follows stay below",
			before: "metadata:\n  name: web\n\n# the spec\nspec: {}\n\n# end\n",
			ops:    []string{`add /metadata/namespace "shop"`, `add /status {"ready":true}`},
			after:  "metadata:\n  name: web\n  namespace: shop\n\n# the spec\nspec: {}\nstatus:\n  ready: true\n\n# end\n",
			back:   []string{`remove /status`, `remove /metadata/namespace`},
		},
		{
			name:   "a comment that is part of the map stays above",
			before: "metadata:\n  name: web\n  # namespace: shop\nspec: {}\n",
			ops:    []string{`add /metadata/labels {"app":"web"}`},
			after:  "metadata:\n  name: web\n  # namespace: shop\n  labels:\n    app: web\nspec: {}\n",
			back:   []string{`remove /metadata/labels`},
		},
		{
			name:   "apiVersion, kind, metadata and name come first",
			before: "a: 1\n",
			ops:    []string{`add /b {"spec":{"z":1,"name":"x","a":2},"metadata":{},"kind":"K","apiVersion":"v1"}`},
			after:  "a: 1\nb:\n  apiVersion: v1\n  kind: K\n  metadata: {}\n  spec:\n    name: x\n    z: 1\n    a: 2\n",
			back:   []string{`remove /b`},
		},
		{
			name:   "a member that exists is replaced",
			before: "a: 1 # one\nb: \"two\"\nc: 'three'\nd:\n- x\ne: 5\n",
			ops:    []string{`add /a 2`, `add /b "y"`, `add /c "it's"`, `add /d {"f":"y"}`},
			after:  "a: 2 # one\nb: \"y\"\nc: 'it''s'\nd:\n  f: \"y\"\ne: 5\n",
		},
		{
			name:   "null is replaced by what is added",
			before: "volumes:\nother: ~\nlast: # c\n",
			ops:    []string{`add /volumes [{"name":"x"}]`, `add /other {"a":1}`, `add /last ["b"]`},
			after:  "volumes:\n- name: x\nother:\n  a: 1\nlast: # c\n- b\n",
		},
		{
			name:   "an empty map becomes a block",
			before: "annotations: {} # none\nlist:\n- {}\n- []\n",
			ops:    []string{`add /annotations/a "b"`, `add /annotations/c "d"`, `add /list/0/x {"y":[]}`, `add /list/1/- 1`, `add /list/1/- 2`},
			after:  "annotations: # none\n  a: b\n  c: d\nlist:\n- x:\n    \"y\": []\n- - 1\n  - 2\n",
			back:   []string{`remove /annotations/a`, `remove /annotations/c`, `remove /list/0/x`, `remove /list/1/1`, `remove /list/1/0`},
		},
		{
			name:   "the map may be the item of a list",
			before: "items:\n- name: a\n  spec:\n    x: 1\n-\n  name: b\n- # c\n  name: c\n",
			ops:    []string{`add /items/0/w 2`, `add /items/0/spec/z 3`, `add /items/1/w 2`, `add /items/2/w 2`},
			after:  "items:\n- name: a\n  spec:\n    x: 1\n    z: 3\n  w: 2\n-\n  name: b\n  w: 2\n- # c\n  name: c\n  w: 2\n",
			back:   []string{`remove /items/0/w`, `remove /items/0/spec/z`, `remove /items/1/w`, `remove /items/2/w`},
		},
		{
			name:   "a List is patched in its items",
			before: "kind: List\nitems:\n- kind: Pod\n  spec:\n    containers:\n    - name: a\n- kind: Pod\n  spec:\n    containers:\n    - name: b\n",
			ops:    []string{`add /items/1/spec/volumes [{"name":"x"}]`, `add /items/0/spec/containers/0 {"name":"z"}`},
			after:  "kind: List\nitems:\n- kind: Pod\n  spec:\n    containers:\n    - name: z\n    - name: a\n- kind: Pod\n  spec:\n    containers:\n    - name: b\n    volumes:\n    - name: x\n",
			back:   []string{`remove /items/1/spec/volumes`, `remove /items/0/spec/containers/0`},
		},
		{
			name:   "keys are quoted where they must be",
			before: "a: 1\n",
			ops:    []string{`add /y 1`, `add /a:%20b 2`, `add /k:%20 3`, `add /app.kubernetes.io~1name "web"`, `add / 4`, `add /1 5`, `add /x~0 6`},
			after:  "a: 1\n\"y\": 1\na:%20b: 2\nk:%20: 3\napp.kubernetes.io/name: web\n\"\": 4\n\"1\": 5\nx~: 6\n",
		},
		{
			name:   "operations see what came before them",
			before: "a: 1\n",
			ops:    []string{`add /b {}`, `add /b/c []`, `add /b/c/- 1`, `add /b/c/0 0`, `add /d 1`, `remove /d`, `replace /b/c/1 2`},
			after:  "a: 1\nb:\n  c:\n  - 0\n  - 2\n",
			back:   []string{`remove /b`},
		},
		{
			name:   "the last line may be open",
			before: "a: 1\nb:\n- x",
			ops:    []string{`add /b/- "y"`, `add /c "d\ne\n"`},
			after:  "a: 1\nb:\n- x\n- \"y\"\nc: \"d\\ne\\n\"",
			back:   []string{`remove /c`, `remove /b/1`},
		},
		{
			name:   "line ends may be CRLF",
			before: "a: 1\r\nb:\r\n  c: |\r\n    text\r\n",
			ops:    []string{`add /b/d {"e":"f\ng"}`},
			after:  "a: 1\r\nb:\r\n  c: |\r\n    text\r\n  d:\r\n    e: |-\r\n      f\r\n      g\r\n",
			back:   []string{`remove /b/d`},
		},
		{
			name:   "separators and a byte order mark stay",
			before: "\ufeff# head\n--- # one\na: 1\n...\n",
			ops:    []string{`add /b 2`},
			after:  "\ufeff# head\n--- # one\na: 1\nb: 2\n...\n",
			back:   []string{`remove /b`},
		},
		{
			name:   "characters may be wide",
			before: "\"naïve\": {é: \"日本\", x: [ü]} # ö\nz: 1\n",
			ops:    []string{`add /naïve/y "ß"`, `add /naïve/x/0 "日"`},
			after:  "\"naïve\": {é: \"日本\", x: [日, ü], \"y\": ß} # ö\nz: 1\n",
			back:   []string{`remove /naïve/y`, `remove /naïve/x/0`},
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchAddsToLists(t *testing.T) {
	const pod = `spec:
  containers:
    # the application
    - name: web
      image: web:1 # pinned
      # args: [--debug]

    # the helper
    - name: helper
      args:
        - --a
    # no more
  volumes: []
`
	for _, tc := range []patchCase{
		{
			name:   "before the first item and its comment",
			before: pod,
			ops:    []string{`add /spec/containers/0 {"image":"x:1","name":"x"}`},
			after:  strings.Replace(pod, "    # the app", "    - name: x\n      image: x:1\n    # the app", 1),
			back:   []string{`remove /spec/containers/0`},
		},
		{
			name:   "between two items",
			before: pod,
			ops:    []string{`add /spec/containers/1 {"name":"x"}`},
			after:  strings.Replace(pod, "--debug]\n", "--debug]\n    - name: x\n", 1),
			back:   []string{`remove /spec/containers/1`},
		},
		{
			name:   "after the last item and its comments",
			before: pod,
			ops:    []string{`add /spec/containers/- {"name":"x"}`, `add /spec/containers/- {"name":"z"}`, `add /spec/containers/1/args/1 "--b"`},
			after:  strings.Replace(pod, "        - --a\n    # no more\n", "        - --a\n        - --b\n    # no more\n    - name: x\n    - name: z\n", 1),
			back:   []string{`remove /spec/containers/2`, `remove /spec/containers/2`, `remove /spec/containers/1/args/1`},
		},
		{
			name:   "in all places at once, as RFC 6902 counts",
			before: "- a\n- b\n",
			ops:    []string{`add /0 "0"`, `add /2 "2"`, `add /- "4"`, `add /0 "first"`},
			after:  "- first\n- \"0\"\n- a\n- \"2\"\n- b\n- \"4\"\n",
			back:   []string{`remove /5`, `remove /3`, `remove /1`, `remove /0`},
		},
		{
			name:   "a new list is indented as its siblings are",
			before: "a:\n  x:\n    - 1\nb:\n  z:\n  - 1\nc:\n  - 1\n",
			ops:    []string{`add /a/y [1]`, `add /b/w [1]`},
			after:  "a:\n  x:\n    - 1\n  \"y\":\n    - 1\nb:\n  z:\n  - 1\n  w:\n  - 1\nc:\n  - 1\n",
			back:   []string{`remove /a/y`, `remove /b/w`},
		},
		{
			name:   "a new list without siblings is indented as most lists are",
			before: "a:\n- 1\nb:\n  - 1\nc:\n  - 1\nd:\n  e: 1\n",
			ops:    []string{`add /d/f [[1,[2]],{"g":[3]},[]]`},
			after:  "a:\n- 1\nb:\n  - 1\nc:\n  - 1\nd:\n  e: 1\n  f:\n    - - 1\n      - - 2\n    - g:\n        - 3\n    - []\n",
			back:   []string{`remove /d/f`},
		},
		{
			name:   "maps are indented as those of the document",
			before: "a:\n    b:\n        c: 1\n",
			ops:    []string{`add /a/d {"e":{"f":1},"g":[{"h":{"i":1}}]}`},
			after:  "a:\n    b:\n        c: 1\n    d:\n        e:\n            f: 1\n        g:\n        - h:\n              i: 1\n",
			back:   []string{`remove /a/d`},
		},
		{
			name:   "lists within lists on one line",
			before: "- - a\n  - b\n-\n  - c\n",
			ops:    []string{`add /0/0 "0"`, `add /0/- "z"`, `add /1/0 "0"`, `add /0 "first"`},
			after:  "- first\n- - \"0\"\n  - a\n  - b\n  - z\n-\n  - \"0\"\n  - c\n",
			back:   []string{`remove /0`, `remove /0/0`, `remove /0/2`, `remove /1/0`},
		},
		{
			name:   "an empty list becomes a block",
			before: "spec:\n  volumes: [] # none\n  x: 1\n",
			ops:    []string{`add /spec/volumes/- {"name":"a","emptyDir":{}}`, `add /spec/volumes/- {"name":"b"}`},
			after:  "spec:\n  volumes: # none\n  - name: a\n    emptyDir: {}\n  - name: b\n  x: 1\n",
			back:   []string{`remove /spec/volumes/0`, `remove /spec/volumes/0`},
		},
	} {
		t.Run(tc.name, tc.run)
	}
}

func TestPatchAddsAfterBlockScalars(t *testing.T) {
	for _, tc := range []patchCase{
		{
			name:   "literal",
			before: "data:\n  a: |\n    # text\n\n    more\n\n  # c\nx: 1\n",
			ops:    []string{`add /data/b "c"`},
			after:  "data:\n  a: |\n    # text\n\n    more\n  b: c\n\n  # c\nx: 1\n",
			back:   []string{`remove /data/b`},
		},
		{
			name:   "with trailing lines kept",
			before: "data:\n  a: |+\n    text\n\n\nx: 1\n",
			ops:    []string{`add /data/b "c"`},
			after:  "data:\n  a: |+\n    text\n\n\n  b: c\nx: 1\n",
			back:   []string{`remove /data/b`},
		},
		{
			name:   "folded and stripped, with an indentation indicator",
			before: "- >2-\n    text\n   more\n- |1\n  b\n",
			ops:    []string{`add /1 "x"`, `add /- "z"`},
			after:  "- >2-\n    text\n   more\n- x\n- |1\n  b\n- z\n",
			back:   []string{`remove /3`, `remove /1`},
		},
		{
			name:   "strings of several lines become literals",
			before: "a: 1\n",
			ops:    []string{`add /b "x\n y\n\nz\n"`, `add /c ["x\n# y"]`, `add /d " x\ny"`, `add /e "x\n\n"`},
			after:  "a: 1\nb: |\n  x\n   y\n\n  z\nc:\n- |-\n  x\n  # y\nd: \" x\\ny\"\ne: \"x\\n\\n\"\n",
			back:   []string{`remove /b`, `remove /c`, `remove /d`, `remove /e`},
		},
		{
			name:   "quoted scalars of several lines",
			before: "a: \"x\n  # not a comment\"\nb:\n  'y\n\n  # nor this'\nc: plain\n  goes on # comment\n",
			ops:    []string{`add /d 1`, `replace /a "z"`},
			after:  "a: \"z\"\nb:\n  'y\n\n  # nor this'\nc: plain\n  goes on # comment\nd: 1\n",
		},
	} {
		t.Run(tc.name, tc.run)
	}
}
