package manifest

import (
	"regexp"
	"strings"
	"testing"

	evanphx "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// TestReadingIsThatOfKubernetes compares JSON with sigs.k8s.io/yaml.
func TestReadingIsThatOfKubernetes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := yamlText(t, true)
		want, wantErr := yaml.YAMLToJSONStrict([]byte(text))
		got, err := document(text).JSON()
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%s\ngot error %v, want %v", text, err, wantErr)
		}
		if err == nil && string(got) != string(want) {
			t.Fatalf("%s\ngot  %s\nwant %s", text, got, want)
		}
	})
}

// draw returns a random document that can be read, with its value. Some texts
// cannot: two keys mean the same, or a block scalar is less indented than its
// first line.
func draw(t *rapid.T, flow bool) (*Document, any) {
	texts := rapid.Custom(func(t *rapid.T) string { return yamlText(t, flow) })
	text := texts.Filter(func(text string) bool {
		_, err := document(text).read()
		return err == nil
	}).Draw(t, "text")
	d := document(text)
	v, err := d.read()
	if err != nil {
		t.Fatal(err)
	}
	return d, v
}

// TestPatchGivesThePatchedObject compares Patch with another implementation of
// JSON patches.
func TestPatchGivesThePatchedObject(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, v := draw(t, true)
		checkPatch(t, d, clone(v), rapid.IntRange(1, 4).Draw(t, "operations"))
	})
}

func checkPatch(t *rapid.T, d *Document, v any, n int) {
	var patch []jsonpatch.Operation
	for range n {
		o := anOp(t, v, []string{opAdd, opAdd, opRemove, opReplace})
		c, err := parseChange(o)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = apply(v, c); err != nil {
			t.Fatalf("%s: %v", show(o), err)
		}
		patch = append(patch, o)
	}
	before, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Patch(patch)
	if err != nil {
		t.Fatalf("%s\n%s\n%v", d.Bytes(), show(patch...), err)
	}
	want := evanphxApply(t, before, patch)
	got, err := out.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decodeJSON(want), decodeJSON(got)); diff != "" {
		t.Fatalf("%s\n%s\n%s\n%s", d.Bytes(), show(patch...), out.Bytes(), diff)
	}
	if out.Reencoded() && !mayReencode(d, false) {
		t.Fatalf("encoded anew:\n%s\n%s\n%s", d.Bytes(), show(patch...), out.Bytes())
	}
}

// mayReencode reports documents with a block scalar that could take in what
// follows it: a line after the end of the text, or comments and blank lines
// after something that is removed.
func mayReencode(d *Document, adding bool) bool {
	text := string(d.Bytes())
	return !strings.HasSuffix(text, "\n") || !adding && strings.ContainsAny(text, "|>")
}

func evanphxApply(t *rapid.T, before []byte, patch []jsonpatch.Operation) []byte {
	var lines []string
	for _, o := range patch {
		lines = append(lines, o.Json())
	}
	text := []byte("[" + strings.Join(lines, ",") + "]")
	decoded, err := evanphx.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	want, err := decoded.Apply(before)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return want
}

var commentPattern = regexp.MustCompile(`# comment-\d+\.`)

// TestAddKeepsEveryLine adds to documents in block style.
func TestAddKeepsEveryLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, v := draw(t, false)
		o := anOp(t, v, []string{opAdd})
		out, err := d.Patch([]jsonpatch.Operation{o})
		if err != nil {
			t.Fatalf("%s\n%s\n%v", d.Bytes(), show(o), err)
		}
		if out.Reencoded() && mayReencode(d, true) {
			return
		}
		if out.Reencoded() {
			t.Fatalf("encoded anew:\n%s\n%s\n%s", d.Bytes(), show(o), out.Bytes())
		}
		was, is := commentPattern.FindAllString(string(d.Bytes()), -1), commentPattern.FindAllString(string(out.Bytes()), -1)
		if diff := cmp.Diff(was, is); diff != "" {
			t.Fatalf("comments:\n%s\n%s\n%s", d.Bytes(), show(o), out.Bytes())
		}
		if strings.HasSuffix(o.Path, "/-") {
			return // the place to remove from has another name
		}
		back, err := out.Patch([]jsonpatch.Operation{{Operation: opRemove, Path: o.Path}})
		if err != nil {
			t.Fatalf("%v\n%s", err, out.Bytes())
		}
		if diff := cmp.Diff(string(d.Bytes()), string(back.Bytes())); diff != "" {
			t.Fatalf("%s\nand back\n%s\n%s", show(o), out.Bytes(), diff)
		}
	})
}

// TestRemovingWhatWasInjectedGivesTheSameBytes patches a Deployment in several
// layouts as an injector does, and undoes it.
func TestRemovingWhatWasInjectedGivesTheSameBytes(t *testing.T) {
	inYAML, err := document(deployment).Format(YAML)
	if err != nil {
		t.Fatal(err)
	}
	inJSON, err := document(deployment).Format(JSON)
	if err != nil {
		t.Fatal(err)
	}
	wide := regexp.MustCompile(`(?m)^ +`).ReplaceAllString(string(inYAML), "$0$0")
	wide = regexp.MustCompile(`(?m)^( *)- `).ReplaceAllString(wide, "$1-   ")
	for name, text := range map[string]string{
		"as it is":           deployment,
		"lists not indented": string(inYAML),
		"four spaces":        wide,
		"last line open":     strings.TrimSuffix(deployment, "\n"),
		"CRLF":               strings.ReplaceAll(deployment, "\n", "\r\n"),
		"JSON":               string(inJSON),
		"flow":               strings.Replace(string(inJSON), "{", "# c\n{", 1),
	} {
		t.Run(name, func(t *testing.T) {
			out, err := document(text).Patch(ops(t, deploymentOps...))
			if err != nil || out.Reencoded() {
				t.Fatal("encoded anew, or ", err)
			}
			back, err := out.Patch(ops(t,
				`remove /spec/template/spec/volumes/2`, `remove /spec/template/spec/volumes/1`,
				`remove /spec/template/spec/containers/0/volumeMounts/2`, `remove /spec/template/spec/containers/0/volumeMounts/1`,
				`remove /spec/template/spec/containers/2`, `remove /spec/template/spec/containers/1`,
				`remove /spec/template/spec/initContainers`,
				`remove /spec/template/metadata/annotations/pillion.dev~1hash`, `remove /spec/template/metadata/annotations/pillion.dev~1injected`,
			))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string(back.Bytes())); diff != "" {
				t.Errorf("%s\n%s", diff, out.Bytes())
			}
		})
	}
}
