package sidecars

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/test/golden"
)

// nodeCatalog holds the entries of the golden cases, for a cluster with that helper.
func nodeCatalog(t *testing.T, h Helper) *Catalog {
	t.Helper()
	files, err := golden.Catalog()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return c.WithHelper(h)
}

func nodePod(t *testing.T, annotations, spec string) (*Pod, []byte) {
	t.Helper()
	object := []byte(`{"metadata":{"name":"web","annotations":{` + annotations + `}},"spec":{` + spec + `"containers":[{"name":"app","image":"app:1"}]}}`)
	pod, err := ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	return pod, object
}

// TestWithoutANodeHelper asks for what only the helper can do in a cluster that has none.
func TestWithoutANodeHelper(t *testing.T) {
	c := nodeCatalog(t, Helper{Absent: true})
	for _, r := range []struct {
		name, annotations, spec string
		want                    string // an error, or what the patch holds
	}{
		{"a redirect", `"pillion.dev/inject":"mesh"`, "", `sidecar mesh has the Pod's traffic redirected, for which the cluster would need the node helper`},
		{"a redirect that is off", `"pillion.dev/inject":"mesh","pillion.dev/mesh.transparent":"false"`, "", `{"name":"mesh"`},
		{"a join that may share", `"pillion.dev/inject":"joiner","pillion.dev/joiner.target":"app"`, "", `{"op":"add","path":"/spec/shareProcessNamespace","value":true}`},
		{"a join where the Pod does not share", `"pillion.dev/inject":"joiner","pillion.dev/joiner.target":"app"`, `"shareProcessNamespace":false,`,
			"spec.shareProcessNamespace: Invalid value: false: sidecar joiner needs the app's processes in its PID namespace, and the cluster has no node helper"},
	} {
		pod, _ := nodePod(t, r.annotations, r.spec)
		res := Inject(c, pod, &Namespace{})
		got := string(AppendPatch(nil, res.Patch))
		for _, e := range res.Errors {
			got += e.Error()
		}
		if !strings.Contains(got, r.want) || strings.Contains(got, `\"node\"`) {
			t.Errorf("%s: %s, want %s", r.name, got, r.want)
		}
	}
}

// TestEmbeddedEntriesWithoutANodeHelper: only what needs the helper is refused, and a join does not become shared processes.
func TestEmbeddedEntriesWithoutANodeHelper(t *testing.T) {
	c := Builtin().WithHelper(Helper{Absent: true})
	for annotations, want := range map[string]string{
		`"pillion.dev/inject":"proxy","pillion.dev/proxy.mode":"transparent"`:                                               `sidecar proxy has the Pod's traffic redirected, for which the cluster would need the node helper`,
		`"pillion.dev/inject":"proxy","pillion.dev/proxy.mode":"reverse"`:                                                   "",
		`"pillion.dev/inject":"confd-join","pillion.dev/confd-join.templates":"t","pillion.dev/confd-join.container":"app"`: `sidecar confd-join is to be in the PID namespace of container app, for which the cluster would need the node helper`,
	} {
		pod, _ := nodePod(t, annotations, `"securityContext":{"runAsUser":1000},`)
		res := Inject(c, pod, &Namespace{})
		if want == "" {
			if res.Outcome != Injected {
				t.Errorf("%s: %s %v", annotations, res.Outcome, res.Errors)
			}
			continue
		}
		if res.Outcome != Denied || len(res.Errors) != 1 || !strings.Contains(res.Errors[0].Error(), want) {
			t.Errorf("%s: %s %v, want %s", annotations, res.Outcome, res.Errors, want)
		}
	}
}

// TestARuntimeThatChecksForTheHelper has the annotation written, once, and taken out again.
func TestARuntimeThatChecksForTheHelper(t *testing.T) {
	c := nodeCatalog(t, Helper{RequiredPlugin: "pillion"})
	pod, object := nodePod(t, `"pillion.dev/inject":"mesh,plain"`, "")
	injected := applied(t, object, AppendPatch(nil, Inject(c, pod, &Namespace{}).Patch))
	again, err := ReadPod(injected)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Metadata.Annotations.Plugins[v1alpha1.AnnotationRequiredPlugins]; got != `["pillion"]` {
		t.Errorf("the annotation is %q", got)
	}
	if res := Inject(c, again, &Namespace{}); res.Outcome != Unchanged {
		t.Errorf("a second time: %s %v", res.Outcome, res.Errors)
	}
	removal, err := json.Marshal(Uninject(again))
	if err != nil {
		t.Fatal(err)
	}
	back := applied(t, injected, removal)
	var was, is any
	if err := errors.Join(json.Unmarshal(object, &was), json.Unmarshal(back, &is)); err != nil || !reflect.DeepEqual(was, is) {
		t.Errorf("uninjected: %s, %v", back, err)
	}
	forged, _ := nodePod(t, `"pillion.dev/inject":"mesh","required-plugins.noderesource.dev":"[\"pillion\"]"`, "")
	if res := Inject(c, forged, &Namespace{}); res.Outcome != Denied || len(res.Errors) != 1 {
		t.Errorf("a key of the author's: %s %v", res.Outcome, res.Errors)
	}
	other, _ := nodePod(t, `"pillion.dev/inject":"plain"`, "")
	if patch := string(AppendPatch(nil, Inject(c, other, &Namespace{}).Patch)); strings.Contains(patch, v1alpha1.RequiredPlugins) {
		t.Errorf("a Pod that does not need it: %s", patch)
	}
}

func applied(t *testing.T, object, patch []byte) []byte {
	t.Helper()
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Apply(object)
	if err != nil {
		t.Fatalf("%v: %s", err, patch)
	}
	return out
}
