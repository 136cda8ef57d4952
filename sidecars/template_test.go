package sidecars

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func TestConditionHolds(t *testing.T) {
	for _, c := range []struct {
		name   string
		value  value
		listed []string
		want   bool
	}{
		{"a value that is listed", value{text: "a"}, []string{"b", "a"}, true},
		{"a value that is not", value{text: "a"}, []string{"b"}, false},
		{"any value", value{text: "a"}, []string{"*"}, true},
		{"any value, of which there is none", value{}, []string{"*"}, false},
		{"no value", value{}, []string{""}, true},
		{"no value, where there is one", value{text: "a"}, []string{""}, false},
		{"any list", value{text: "a", items: []item{{text: "a"}}}, []string{"*"}, true},
		{"an empty list", value{items: []item{}}, []string{"*"}, false},
		{"a star that was given", value{text: "*"}, []string{"a"}, false},
		{"a proof of everything", value{any: true}, []string{"a"}, true},
	} {
		if got := (condition{{0, c.listed}}).holds([]value{c.value}); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
	if !(condition{}).holds(nil) {
		t.Error("no condition does not hold")
	}
	both := condition{{0, []string{"a"}}, {1, []string{"b"}}}
	if both.holds([]value{{text: "a"}, {text: "a"}}) || !both.holds([]value{{text: "a"}, {text: "b"}}) {
		t.Error("two tests are not both asked")
	}
}

func TestEscape(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		escape         escape
	}{
		{"plain text", "a-b/c:1", "a-b/c:1", escape{dollars: true, inFile: true, inJSON: true}},
		{"nothing to escape it from", `$("\é` + "\n", `$("\é` + "\n", escape{}},
		{"dollars", "$(A) $$ ${B}$", "$$(A) $$$$ $${B}$$", escape{dollars: true}},
		{"in JSON", "\"\\\n\u2028é", `\"\\\n\u2028é`, escape{inJSON: true}},
		{"in a file", "\"\\", `\"\\`, escape{inFile: true}},
		{"in a file in JSON", "\"\\$", `\\\"\\\\$`, escape{inFile: true, inJSON: true}},
		{"all", "$\"", `$$\\\"`, escape{dollars: true, inFile: true, inJSON: true}},
		{"what YAML does not hold", "\u007f\u0085\ufeff", `\u007f\u0085\ufeff`, escape{inFile: true}},
	} {
		if got := string(c.escape.append([]byte("x"), c.in)); got != "x"+c.want {
			t.Errorf("%s: %q, want %q", c.name, got, "x"+c.want)
		}
	}
}

func TestInReference(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "$": false, "$(": true, "$(A": true, "$(A)": false, "$(A) $(B": true, "${A": true, "${A}": false, "$(A) ${B": true, "(A": false, "{A": false, "$ (A": false, "$(A}": true,
	} {
		if got := inReference(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// TestWhereHolesMayStand puts a hole below every key of a container or volume that has a rule of its own.
func TestWhereHolesMayStand(t *testing.T) {
	for path, want := range map[string]string{
		"name": "no parameter may stand in a name", "env.name": "no parameter may stand in a name", "ports.name": "no parameter may stand in a name",
		"env.valueFrom.secretKeyRef.name": "", "env.valueFrom.configMapKeyRef.name": "", "envFrom.secretRef.name": "", "envFrom.configMapRef.name": "", "configMap.name": "",
		"projected.sources.secret.name": "", "securityContext.runAsUser": "no parameter may stand in securityContext",
		"securityContext.capabilities.add": "no parameter may stand in securityContext", "lifecycle.preStop.exec.command": "no parameter may stand in lifecycle",
		"ports.hostPort": "no parameter may stand in hostPort", "ports.hostIP": "no parameter may stand in hostIP", "hostPath.path": "no parameter may stand in hostPath",
		"image": "only a parameter with a pattern or an enum may enter an image", "args": "", "command": "", "env.value": "", "workingDir": "", "csi.volumeAttributes.a": "",
	} {
		ctx := podContext()
		for word := range strings.SplitSeq(path, ".") {
			ctx = ctx.below(word)
		}
		c := emitCompiler(t)
		c.text(field.NewPath("x"), "a $(params.text)", ctx)
		got := ""
		if len(c.errs) > 0 {
			got = c.errs[0].Detail
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		doubles := slices.Contains([]string{"args", "command", "env.value"}, path)
		if ctx.dollars != doubles && want == "" {
			t.Errorf("%s: dollars are doubled: %t", path, ctx.dollars)
		}
	}
}

// TestCombinationsMeetEveryCondition looks for the sets of values that a proof must try.
func TestCombinationsMeetEveryCondition(t *testing.T) {
	spec := &v1alpha1.SidecarSpec{
		Parameters: map[string]v1alpha1.Parameter{
			"level": {Bounds: v1alpha1.Bounds{Type: "integer", Default: &v1alpha1.Value{Text: "1"}}}, "mode": {Bounds: v1alpha1.Bounds{Type: "string", Enum: []string{"x", "y"}, Default: &v1alpha1.Value{Text: "x"}}},
			"one": {Bounds: v1alpha1.Bounds{Type: "string"}}, "two": {Bounds: v1alpha1.Bounds{Type: "string"}},
		},
		Files: []v1alpha1.File{{Name: "f", MountPath: "/f", Format: v1alpha1.FormatLines, Lines: []v1alpha1.Line{
			{Line: "a", When: v1alpha1.When{"level": {"007"}}}, {Line: "b", When: v1alpha1.When{"mode": {"y"}}}, {Line: "c", When: v1alpha1.When{"one": {"*"}, "two": {""}}},
			{Line: "d", When: v1alpha1.When{"one": {""}, "two": {"*"}}}, {Line: "e", When: v1alpha1.When{"two": {"exact"}}},
		}}},
		Containers: []v1alpha1.Container{{Name: "entry", Body: v1alpha1.Object{"image": []byte(`"a"`), "resources": []byte(`{"limits":{"cpu":"1m","memory":"1Mi"}}`)}}},
	}
	e, errs := Compile("entry", spec)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	left := []string{"a", "b", "c", "d", "e"}
	n := 0
	pr := newProof(e)
	pr.vary(pr.all(), func(values []value) {
		n++
		text := string(e.files[0].content.fill(nil, values, nil))
		left = slices.DeleteFunc(left, func(l string) bool { return strings.Contains(text, l+`\n`) })
	})
	if len(left) > 0 || n > mostCombinations {
		t.Errorf("after %d sets these lines were in none: %v", n, left)
	}
}
