package sidecars_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func entryNamed(name string, more ...string) string {
	text := strings.ReplaceAll(strings.ReplaceAll(goodEntry, "good", name), "GOOD", "X")
	for i := 0; i+1 < len(more); i += 2 {
		text = strings.Replace(text, more[i], more[i+1], 1)
	}
	return text
}

func TestBadCatalogs(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c,*%[3]c]\n", c, c, c-1)
	}
	after := func(names string) []string { return []string{"  flushSeconds: 5", "  order: {after: [" + names + "]}"} }
	manyAfter := fstest.MapFS{}
	var before []string
	for i := range 60 {
		name := fmt.Sprintf("e%02d", i)
		manyAfter[name+".yaml"] = &fstest.MapFile{Data: []byte(entryNamed(name, after(strings.Join(before, ","))...))}
		before = append(before, name)
	}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"nothing", map[string]string{}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"no YAML file", map[string]string{"README.md": "x", "entry.json": "{}", ".hidden.yaml": "x: ["}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"empty documents", map[string]string{"a.yaml": "", "b.yaml": "---\n# nothing\n---\n"}, []string{"no catalog entry: want .yaml files with kind ClusterSidecar"}},
		{"a scalar", map[string]string{"a.yaml": "hello\n"}, []string{"a.yaml:1: want an object with apiVersion, kind, metadata and spec, got a string"}},
		{"a list", map[string]string{"a.yaml": "\n- a\n"}, []string{"a.yaml:1: want an object with apiVersion, kind, metadata and spec, got a list"}},
		{"no YAML", map[string]string{"a.yaml": "\x00\x01\x02"}, []string{"a.yaml:1: control characters are not allowed"}},
		{"no UTF-8", map[string]string{"a.yaml": "a: b\nc: \"\xff\"\n"}, []string{"a.yaml:2: invalid leading UTF-8 octet"}},
		{"an entry behind empty documents", map[string]string{"a.yaml": "---\n# nothing\n---\n---\nkind: x\n"}, []string{`a.yaml:5: kind: Unsupported value: "x": supported values: "ClusterSidecar", "Sidecar"`}},
		{"markers of every form", map[string]string{"a.yaml": "%YAML 1.1\n# first\n--- # here\nkind: a\n... # end\n# second\nkind: b\n---\t\r\nkind: c\r\n---\r\nkind: |\n  ---d\n---- e\n...\n"},
			[]string{`a.yaml:4: kind: Unsupported value: "a": supported values: "ClusterSidecar", "Sidecar"`, `a.yaml:7: kind: Unsupported value: "b": supported values: "ClusterSidecar", "Sidecar"`,
				`a.yaml:9: kind: Unsupported value: "c": supported values: "ClusterSidecar", "Sidecar"`, "a.yaml:13: could not find expected ':'"}},
		{"keys that are none", map[string]string{"a.yaml": "kind: ClusterSidecar\n~: x\n? [a]\n: b\nspec:\n  {a: b}: c\n"},
			[]string{`a.yaml:2: ~: Invalid value: "~": is no key: want a string`, `a.yaml:3: ~: Invalid value: "!!seq": is no key: want a string`, `a.yaml:6: spec.~: Invalid value: "!!map": is no key: want a string`}},
		{"values that JSON does not have", map[string]string{"a.yaml": entryNamed("one", "flushSeconds: 5", "flushSeconds: .inf", "GOOD_PORT", "x")}, []string{`a.yaml:45: spec.flushSeconds: Invalid value: ".inf": want a string, number or boolean of JSON`}},
		{"a merge of nothing", map[string]string{"a.yaml": entryNamed("one", "flushSeconds: 5", "order: {<<: 5}")}, []string{`a.yaml:45: spec.order.<<: Invalid value: "": want an alias of an object, or a list of those`}},
		{"a mistake in what is merged", map[string]string{"a.yaml": entryNamed("one", "    - {name: X_PORT, value: $(params.port)}", "    - &a {name: X-PORT, value: $(params.port)}\n    - {<<: *a, containers: [a, \"[\"]}")},
			[]string{`a.yaml:44: spec.appEnv[0].name: Invalid value: "X-PORT": must be a C identifier`, `a.yaml:44: spec.appEnv[1].name: Invalid value: "X-PORT": must be a C identifier`,
				`a.yaml:45: spec.appEnv[1].containers[1]: Invalid value: "[": want a container name, a glob, or one $(params.NAME) of a list`}},
		{"two entries of one name", map[string]string{"a.yaml": entryNamed("one"), "b.yaml": "# first\n" + entryNamed("one")},
			[]string{`b.yaml:5: metadata.name: Duplicate value: "one": is also in a.yaml`}},
		{"two entries of one name in a file, the second with a mistake", map[string]string{"a.yaml": entryNamed("one") + "---\n" + entryNamed("one", "flushSeconds: 5", "flushSeconds: -1")},
			[]string{`a.yaml:50: metadata.name: Duplicate value: "one": is also in a.yaml`, "a.yaml:91: spec.flushSeconds: Invalid value: -1: must be between 0 and 600"}},
		{"a document that is no YAML between others with mistakes", map[string]string{
			"a.yaml": entryNamed("one", "flushSeconds: 5", "flushSeconds: -1") + "---\n  : [\n...\n--- # the third\n" + entryNamed("two", "format: lines", "format: txt")},
			[]string{"a.yaml:45: spec.flushSeconds: Invalid value: -1: must be between 0 and 600", "a.yaml:47: did not find expected key",
				`a.yaml:73: spec.files[1].format: Unsupported value: "txt": supported values: "yaml", "json", "toml", "lines"`}},
		{"mistakes in every file, found at every stage", map[string]string{
			"a.yaml": entryNamed("one", "  flushSeconds: 5", "\tflushSeconds: 5"), "b.yaml": entryNamed("two", "description:", "descriptoin:"), "c.yml": entryNamed("three", "$(params.mode)", "$(params.mod)"),
			"d.yaml": entryNamed("four", "[{name: four-data, mountPath: /data}]", "[{name: four-data, mountPath: /etc/four/lines}]"), "e.yaml": entryNamed("five", after("six")...), "f.yaml": entryNamed("six", after("five")...)},
			[]string{
				"a.yaml:45: found character that cannot start any token",
				`b.yaml:6: spec.descriptoin: Invalid value: "descriptoin": unknown field; did you mean "description"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
				`c.yml:19: spec.files[0].data.mode: Unsupported value: "params.mod": supported values: "containers", "list", "mode", "port", "text", "word"`,
				`d.yaml:5: spec: Invalid value: "/etc/four/lines": cannot be injected: container four of sidecar four would mount volumes four-data and four-files there`,
				`e.yaml:45: spec.order.after: Invalid value: "five": entries wait for one another: five after six after five`}},
		{"a circle of three, and two that wait for it", map[string]string{"a.yaml": entryNamed("a", after("b")...), "b.yaml": entryNamed("b", after("c")...), "c.yaml": entryNamed("c", after("a")...),
			"d.yaml": entryNamed("d", after("a, e")...), "e.yaml": entryNamed("e", after("b")...)},
			[]string{`a.yaml:45: spec.order.after: Invalid value: "a": entries wait for one another: a after b after c after a`}},
		{"a thousand million laughs", map[string]string{"a.yaml": bomb}, []string{"a.yaml:1: the document holds more than 100000 values, or 64 in one another"}},
		{"lists in lists", map[string]string{"a.yaml": "a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)}, []string{"a.yaml:1: the document holds more than 100000 values, or 64 in one another"}},
		{"lists in lists that do not end", map[string]string{"a.yaml": strings.Repeat("[", 50000)}, []string{"a.yaml:1: exceeded max depth of 10000"}},
		{"a file that is too large", map[string]string{"a.yaml": entryNamed("a"), "b.yaml": strings.Repeat("# nothing\n", 300_000)}, []string{"b.yaml: has 3000000 bytes, the most is 2097152"}},
		{"many values", map[string]string{"a.yaml": "a:\n" + strings.Repeat("- x\n", 200_000)}, []string{"a.yaml:100000: the document holds more than 100000 values, or 64 in one another"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := fstest.MapFS{}
			for name, text := range c.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if diff := cmp.Diff(c.want, said(t, files)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	t.Run("sixty entries, each after all before it", func(t *testing.T) {
		if got := said(t, manyAfter); got != nil {
			t.Error(got)
		}
	})
	t.Run("a directory that cannot be read", func(t *testing.T) {
		if diff := cmp.Diff([]string{"open .: file does not exist"}, said(t, nowhere{})); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		got := said(t, unreadable{fstest.MapFS{"a.yaml": {Data: []byte(goodEntry)}, "b.yaml": {Data: []byte("kind: x\n")}}})
		want := []string{"a.yaml: open a.yaml: permission denied", `b.yaml:1: kind: Unsupported value: "x": supported values: "ClusterSidecar", "Sidecar"`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

type nowhere struct{}

func (nowhere) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

type unreadable struct{ fstest.MapFS }

func (u unreadable) Open(name string) (fs.File, error) {
	if name == "a.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.Open(name)
}

func (u unreadable) ReadFile(name string) ([]byte, error) {
	if name == "a.yaml" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.MapFS.ReadFile(name)
}

// TestOrderInACircleEnds injects entries that wait for one another from a catalog that Load did not see.
func TestOrderInACircleEnds(t *testing.T) {
	var entries []*sidecars.Entry
	for name, after := range map[string]string{"a": "b", "b": "c", "c": "a"} {
		spec := &v1alpha1.SidecarSpec{Order: v1alpha1.Order{After: []string{after}}, Containers: []v1alpha1.Container{{Name: name, Body: v1alpha1.Object{
			"image": []byte(`"a"`), "resources": []byte(`{"limits":{"cpu":"1m","memory":"1Mi"}}`)}}}}
		e, errs := sidecars.Compile(name, spec)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		entries = append(entries, e)
	}
	pod := hostilePod(t, map[string]string{v1alpha1.AnnotationInject: "c,b,a"})
	res, _, err := run(sidecars.NewCatalog(entries...), pod, &sidecars.Namespace{})
	if diff := cmp.Diff([]string{"b", "a", "c"}, res.Sidecars); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
