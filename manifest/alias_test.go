package manifest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"
)

// aliasTexts are documents in which one text stands for several places.
var aliasTexts = []string{
	`base: &base
  app: web
  list: [1, 1e3, 0x10, {a: b}]
copy: *base
merged:
  <<: *base
  app: other
`,
	`a: &a
  x: &x
  - 1
  - y: z # why
b:
- *a
- *x
- {in: *x, <<: {q: *x}}
c:
  k: &scalar "y"
  <<: [*a, {x: [], w: 1}]
d: *scalar
`,
	`- &one {a: 1, b: {c: 2}}
- <<: *one
  a: 2
- a: 3
  <<: *one
- <<: [*one]
`,
	`deep: &l0
  v: &l1
    v: &l2
      v: [1]
use:
  l0: *l0
  l1: *l1
  l2: *l2
  m:
    <<: *l1
`,
	`!!map
a: !!str 1
b: !custom
  c: &nothing
d: *nothing
? e
: f
"g" : [{h: i, j}, ? k, l: m]
`,
	`a: &again 1
b: *again
c: &again [2]
d: *again
`,
}

func TestPatchThroughAliasesChangesOnePlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := document(rapid.SampledFrom(aliasTexts).Draw(t, "text"))
		v, err := d.read()
		if err != nil {
			t.Fatal(err)
		}
		var patch []jsonpatch.Operation
		want := clone(v)
		for range rapid.IntRange(1, 3).Draw(t, "operations") {
			o := anOp(t, want, []string{opAdd, opRemove, opReplace})
			c, err := parseChange(o)
			if err != nil {
				t.Fatal(err)
			}
			if want, err = apply(want, c); err != nil {
				t.Fatal(err)
			}
			patch = append(patch, o)
		}
		out, err := d.Patch(patch)
		if err != nil {
			t.Fatalf("%s\n%s\n%v", d.Bytes(), show(patch...), err)
		}
		got, err := out.read()
		if err != nil || !equal(got, want) {
			t.Fatalf("%s\n%s\n%s%v", d.Bytes(), show(patch...), out.Bytes(), err)
		}
	})
}

// TestPatchKeepsTheStyleOfJSON checks that JSON is written with the
// indentation it had, or on one line, and that a removal undoes an addition.
func TestPatchKeepsTheStyleOfJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"", "  ", "    ", "\t"}).Draw(t, "unit")
		// styled writes a text as the library would.
		styled := func(text []byte) string {
			var b bytes.Buffer
			err := json.Compact(&b, text)
			if unit != "" {
				b.Reset()
				err = json.Indent(&b, text, "", unit)
			}
			if err != nil {
				t.Fatal(err)
			}
			return b.String()[:len(bytes.TrimSpace(b.Bytes()))] + "\n"
		}
		_, v := draw(t, true)
		compact, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		d := document(styled(compact))
		o := anOp(t, v, []string{opAdd})
		out, err := d.Patch([]jsonpatch.Operation{o})
		if err != nil || out.Reencoded() {
			t.Fatalf("%s\n%s\n%v", d.Bytes(), show(o), err)
		}
		if diff := cmp.Diff(styled(out.Bytes()), string(out.Bytes())); diff != "" {
			t.Fatalf("%s\n%s\n%s", d.Bytes(), show(o), diff)
		}
		if last := o.Path[len(o.Path)-1]; last == '-' {
			return
		}
		back, err := out.Patch([]jsonpatch.Operation{{Operation: opRemove, Path: o.Path}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(d.Bytes()), string(back.Bytes())); diff != "" {
			t.Fatalf("%s\n%s", show(o), diff)
		}
	})
}
