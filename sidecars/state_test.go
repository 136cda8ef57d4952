package sidecars

import (
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

const stateEntry = `{"apiVersion":"pillion.dev/v1alpha1","kind":"ClusterSidecar","metadata":{"name":"tail"},"spec":{
  "description":"Tails.","parameters":{"file":{"type":"path","default":"/var/log/app.log"},"tag":{"type":"string","pattern":"^v[0-9]{1,3}$","default":"v1"},
  "second":{"type":"boolean","default":false}},
  "containers":[{"name":"tail","image":"registry.example/tail:$(params.tag)","command":["tail"],"args":["-f","$(params.file)"],
    "resources":{"requests":{"cpu":"1m","memory":"1Mi"},"limits":{"cpu":"10m","memory":"8Mi"}}},
   {"name":"tail-two","when":{"second":["true"]},"image":"registry.example/tail:1","resources":{"requests":{"cpu":"1m","memory":"1Mi"},"limits":{"cpu":"10m","memory":"8Mi"}}}]}}`

func mustParse(t *testing.T, text string) *Entry {
	t.Helper()
	e, errs := Parse([]byte(text))
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return e
}

// injectedPod gives a Pod with the sidecar tail, as the API server would store it.
func injectedPod(t *testing.T, c *Catalog, ns *Namespace, annotations map[string]string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	pod.Annotations = map[string]string{v1alpha1.AnnotationInject: "tail"}
	for k, v := range annotations {
		pod.Annotations[k] = v
	}
	pod.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1"}}
	object, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	view, err := ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	res := Inject(c, view, ns)
	if res.Outcome != Injected {
		t.Fatal(res.Outcome, res.Errors)
	}
	patch, err := jsonpatch.DecodePatch(AppendPatch(nil, res.Patch))
	if err != nil {
		t.Fatal(err)
	}
	if object, err = patch.Apply(object); err != nil {
		t.Fatal(err)
	}
	out := new(corev1.Pod)
	if err := json.Unmarshal(object, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStates(t *testing.T) {
	entry := mustParse(t, stateEntry)
	other := mustParse(t, strings.Replace(stateEntry, "Tails.", "Tails a file.", 1))
	catalog := NewCatalog(entry)
	both := map[string]string{"pillion.dev/tail.second": "true", "pillion.dev/tail.tag": "v7"}
	tail := func(state State, detail string) []ContainerState { return []ContainerState{{"tail", state, detail}} }
	for _, c := range []struct {
		name    string
		set     map[string]string
		ns      Namespace
		tweak   func(*corev1.Pod)
		catalog *Catalog
		state   State
		want    []ContainerState
	}{
		{name: "as it was injected", state: StateCurrent, want: tail(StateCurrent, "")},
		{name: "with parameters and two containers", set: both, state: StateCurrent,
			want: []ContainerState{{"tail", StateCurrent, ""}, {"tail-two", StateCurrent, ""}}},
		{name: "another image", tweak: func(p *corev1.Pod) { p.Spec.InitContainers[0].Image = "mirror.example/tail:v1" }, state: StateChanged,
			want: tail(StateChanged, "image is mirror.example/tail:v1, the catalog has registry.example/tail:v1")},
		{name: "another command and other args", tweak: func(p *corev1.Pod) {
			p.Spec.InitContainers[0].Command, p.Spec.InitContainers[0].Args = []string{"sh"}, nil
		}, state: StateChanged, want: tail(StateChanged, `command is ["sh"], the catalog has ["tail"]; args are [], the catalog has ["-f" "/var/log/app.log"]`)},
		{name: "one of two containers is gone", set: both, tweak: func(p *corev1.Pod) { p.Spec.InitContainers = p.Spec.InitContainers[:1] }, state: StateChanged,
			want: []ContainerState{{"tail", StateCurrent, ""}, {"tail-two", StateAbsent, "inject adds it again"}}},
		{name: "the Namespace's default is another by now", ns: Namespace{Annotations: map[string]string{"pillion.dev/tail.file": "/x"}},
			tweak: func(*corev1.Pod) {}, state: StateChanged, want: tail(StateChanged, `args are ["-f" "/var/log/app.log"], the catalog has ["-f" "/x"]`)},
		{name: "another revision", catalog: NewCatalog(other), state: StateOutdated,
			want: tail(StateOutdated, "revision "+entry.Revision+" was injected, the catalog has "+other.Revision)},
		{name: "no such entry", catalog: NewCatalog(), state: StateOutdated, want: tail(StateOutdated, "the catalog has no sidecar tail any more")},
		{name: "an entry with a mistake", catalog: Assemble(nil, map[Key]string{{Name: "tail"}: "bad"}), state: StateOutdated,
			want: tail(StateOutdated, "the catalog's sidecar tail has a mistake")},
		{name: "another revision, and the container is gone", catalog: NewCatalog(other), tweak: func(p *corev1.Pod) { p.Spec.InitContainers = nil },
			state: StateOutdated, want: tail(StateAbsent, "inject adds it again")},
		{name: "a value that is bad today", tweak: func(p *corev1.Pod) { p.Annotations["pillion.dev/tail.second"] = "perhaps" }, state: StateCurrent,
			want: tail(StateCurrent, `today it would not be injected: metadata.annotations[pillion.dev/tail.second]: Invalid value: "perhaps": must be true or false`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod := injectedPod(t, catalog, &Namespace{Name: "shop"}, c.set)
			if c.tweak != nil {
				c.tweak(pod)
			}
			if c.catalog == nil {
				c.catalog = catalog
			}
			object, err := json.Marshal(pod)
			if err != nil {
				t.Fatal(err)
			}
			view, err := ReadPod(object)
			if err != nil {
				t.Fatal(err)
			}
			c.ns.Name = "shop"
			want := []SidecarState{{Name: "tail", Revision: entry.Revision, State: c.state, Containers: c.want}}
			if diff := cmp.Diff(want, c.catalog.States(view, &c.ns)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatesOfAPodWithoutStatus(t *testing.T) {
	for _, status := range []string{"", `,"annotations":{"pillion.dev/status":"{"}`, `,"annotations":{"pillion.dev/status":"{\"v\":9}"}`} {
		pod, err := ReadPod([]byte(`{"metadata":{"name":"web"` + status + `},"spec":{"containers":[{"name":"app"}]}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := Builtin().States(pod, &Namespace{}); got != nil {
			t.Errorf("%s: %v", status, got)
		}
	}
}

func TestProofPodHasTheEntrysContainers(t *testing.T) {
	entries := append(Builtin().All(), mustParse(t, stateEntry))
	for _, e := range entries {
		object, err := e.ProofPod()
		if err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		var pod corev1.Pod
		if err := strictDecode(object, &pod); err != nil {
			t.Fatalf("%s: %v", e.Name, err)
		}
		found := false
		for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
			found = found || c.Name == e.Name
		}
		if !found || pod.Labels[v1alpha1.LabelInjected] != "true" {
			t.Errorf("%s: %s", e.Name, object)
		}
	}
}
