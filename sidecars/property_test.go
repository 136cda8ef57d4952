package sidecars_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	patchv5 "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	patchv4 "gopkg.in/evanphx/json-patch.v4"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"pgregory.net/rapid"
	kjson "sigs.k8s.io/json"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/golden"
)

// TestMain has every property see 1,000 cases where -rapid.checks or RAPID_CHECKS does not say; `make prove` says ten times
// as many.
func TestMain(m *testing.M) {
	flag.Parse()
	_, set := os.LookupEnv("RAPID_CHECKS")
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "rapid.checks" })
	if !set {
		if err := flag.Set("rapid.checks", "1000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// check runs a property and shows, and judges, how its cases were spread over the outcomes: at least 30 of 100 are to be
// injected, or the property says little.
func check(t *testing.T, property func(t *rapid.T, outcomes map[string]int)) {
	t.Helper()
	outcomes := map[string]int{}
	rapid.Check(t, func(t *rapid.T) { property(t, outcomes) })
	total := 0
	for what, n := range outcomes {
		if !strings.Contains(what, ":") {
			total += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%5.1f %% %s", 100*float64(outcomes[what])/float64(total), what)
	}
	if got := outcomes["injected"]; 100*got < 30*total {
		t.Errorf("%d of %d cases were injected, want at least 30 of 100", got, total)
	}
}

// wholeCatalog holds the golden entries and the embedded ones.
var wholeCatalog = sync.OnceValues(func() (*sidecars.Catalog, error) {
	files, err := catalogFiles()
	if err != nil {
		return nil, err
	}
	return sidecars.Load(files)
})

func catalogFiles() (fstest.MapFS, error) {
	out := fstest.MapFS{}
	all, err := golden.Catalog()
	if err != nil {
		return nil, err
	}
	embedded, err := filepath.Glob("catalog/*.yaml")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(all, "*")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(all, name)
		if err != nil {
			return nil, err
		}
		out[name] = &fstest.MapFile{Data: text}
	}
	for _, name := range embedded {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out[filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	return out, nil
}

func propertyCatalog(t *testing.T) *sidecars.Catalog {
	t.Helper()
	catalog, err := wholeCatalog()
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

// run injects and applies the patch, by the two libraries that Kubernetes and we use. The Pod is nil where none is
// injected.
func run(catalog *sidecars.Catalog, object []byte, ns *sidecars.Namespace) (*sidecars.Result, []byte, error) {
	pod, err := sidecars.ReadPod(object)
	if err != nil {
		return nil, nil, err
	}
	res := sidecars.Inject(catalog, pod, ns)
	if res.Outcome != sidecars.Injected {
		if len(res.Patch) > 0 {
			return res, nil, fmt.Errorf("outcome %s has a patch", res.Outcome)
		}
		return res, nil, nil
	}
	for _, op := range res.Patch {
		if op.Operation != "add" {
			return res, nil, fmt.Errorf("operation %q at %s, want only add", op.Operation, op.Path)
		}
	}
	after, err := apply(object, sidecars.AppendPatch(nil, res.Patch))
	return res, after, err
}

// apply applies a patch by both libraries, which must agree.
func apply(object, patch []byte) ([]byte, error) {
	five, err := patchv5.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decode: %w\n%s", err, patch)
	}
	after, err := five.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("apply by v5: %w\n%s", err, patch)
	}
	four, err := patchv4.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("decode by v4: %w", err)
	}
	byFour, err := four.Apply(object)
	if err != nil {
		return nil, fmt.Errorf("apply by v4: %w\n%s", err, patch)
	}
	a, err := decoded(after)
	if err != nil {
		return nil, err
	}
	b, err := decoded(byFour)
	if err != nil {
		return nil, err
	}
	if diff := cmp.Diff(a, b); diff != "" {
		return nil, fmt.Errorf("v5 and v4 differ: %s", diff)
	}
	return after, nil
}

func TestPropertyInjection(t *testing.T) {
	catalog := propertyCatalog(t)
	check(t, func(t *rapid.T, outcomes map[string]int) {
		c := drawCase(t, catalog)
		res, after, err := run(catalog, c.json, &c.ns)
		if err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
		outcomes[string(res.Outcome)]++
		for range 2 {
			again, _, err := run(catalog, c.json, &c.ns)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := sidecars.AppendPatch(nil, res.Patch), sidecars.AppendPatch(nil, again.Patch); string(a) != string(b) {
				t.Fatalf("the same input gave another patch:\n%s\n%s\n%s", a, b, c)
			}
			if diff := cmp.Diff(says(res), says(again)); diff != "" {
				t.Fatalf("the same input gave another answer: %s", diff)
			}
		}
		if after == nil {
			return
		}
		for _, law := range []struct {
			name string
			hold func() error
		}{
			{"the result holds the Pod", func() error { return additions(c.json, after) }},
			{"the result decodes strictly", func() error { return decodesStrictly(after) }},
			{"the Pod Security level is kept", func() error { return levelKept(catalog, res, c.json, after) }},
			{"the QoS class is kept", func() error { return qosKept(c.json, after) }},
			{"uninject takes out what was added", func() error { return removable(c.json, after) }},
			{"the patch is small", func() error { return small(res.Patch) }},
			{"a second run adds nothing", func() error { return settled(catalog, after, &c.ns) }},
		} {
			if err := law.hold(); err != nil {
				t.Fatalf("%s: %v\n%s\npatch %s", law.name, err, c, sidecars.AppendPatch(nil, res.Patch))
			}
		}
	})
}

// says is what is told of a result.
func says(res *sidecars.Result) string {
	return fmt.Sprint(res.Outcome, res.Reason, res.Sidecars, res.Errors, res.Warnings, res.Settings())
}

func settled(catalog *sidecars.Catalog, after []byte, ns *sidecars.Namespace) error {
	res, _, err := run(catalog, after, ns)
	if err == nil && res.Outcome != sidecars.Unchanged {
		err = fmt.Errorf("it is %s: %v %s", res.Outcome, res.Errors, sidecars.AppendPatch(nil, res.Patch))
	}
	return err
}

// known gives a Pod without the members that Kubernetes does not know.
func known(object []byte) ([]byte, error) {
	v, err := decoded(object)
	if err != nil {
		return nil, err
	}
	return json.Marshal(withoutUnknown(v))
}

func withoutUnknown(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range v {
			if !strings.HasPrefix(k, unknown) {
				out[k] = withoutUnknown(below)
			}
		}
		return out
	case []any:
		for i := range v {
			v[i] = withoutUnknown(v[i])
		}
	}
	return v
}

func typed(object []byte) (*corev1.Pod, error) {
	text, err := known(object)
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	return pod, json.Unmarshal(text, pod)
}

func decodesStrictly(object []byte) error {
	text, err := known(object)
	if err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(text, new(corev1.Pod))
	if err == nil && len(strict) > 0 {
		err = fmt.Errorf("%v", strict)
	}
	return err
}

// levelKept compares with the level that the Pod met, or that of the entries where the platform team grants less.
func levelKept(catalog *sidecars.Catalog, res *sidecars.Result, before, after []byte) error {
	want, err := levelOf(before)
	if err != nil {
		return err
	}
	for _, name := range res.Sidecars {
		if l := catalog.Entry("", name).Level; api.CompareLevels(l, want) < 0 {
			want = l
		}
	}
	got, err := levelOf(after)
	if err == nil && api.CompareLevels(got, want) < 0 {
		err = fmt.Errorf("is %s, want %s", got, want)
	}
	return err
}

func levelOf(object []byte) (api.Level, error) {
	pod, err := typed(object)
	if err != nil {
		return "", err
	}
	return sidecars.LevelOf(&pod.ObjectMeta, &pod.Spec)
}

// removable takes out what was added; what is left may differ in collections that are empty and in a grace period that
// is the default.
func removable(before, after []byte) error {
	pod, err := sidecars.ReadPod(after)
	if err != nil {
		return err
	}
	ops, err := json.Marshal(sidecars.Uninject(pod))
	if err != nil {
		return err
	}
	left, err := apply(after, ops)
	if err != nil {
		return err
	}
	want, err := decoded(before)
	if err != nil {
		return err
	}
	got, err := decoded(left)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(touched("", stated(want)), touched("", stated(got))); diff != "" {
		return fmt.Errorf("uninject (-Pod +left): %s", diff)
	}
	return nil
}

// stated leaves out requests of the Pod itself that are its limits: the API server sets those.
func stated(pod any) any {
	resources, _ := pod.(map[string]any)["spec"].(map[string]any)["resources"].(map[string]any)
	requests, _ := resources["requests"].(map[string]any)
	limits, _ := resources["limits"].(map[string]any)
	for k, v := range requests {
		if v == limits[k] {
			delete(requests, k)
		}
	}
	return pod
}

// touched gives a Pod without what the API server does not tell from nothing, at the places that an injection touches.
func touched(at string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, below := range v {
			here := at + "/" + k
			below = touched(here, below)
			empty := below == nil || cmp.Equal(below, any([]any{})) || cmp.Equal(below, any(map[string]any{}))
			if mayBeAdded.MatchString(here) && (empty || k == "terminationGracePeriodSeconds" && below == json.Number("30")) {
				continue
			}
			out[k] = below
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = touched(at+"/N", v[i])
		}
		return out
	}
	return v
}

// frame is the most that an operation may take beside what it adds, in bytes. The path into a list of a container is longer
// than that allows, which has its own limit.
const (
	frame  = 60
	deeper = 70
)

// small measures what the operations of a patch take beside what they add: their value and, where the path names a new
// member of a map, its key.
func small(patch []jsonpatch.Operation) error {
	rest, most := 0, 0
	for _, op := range patch {
		text := sidecars.AppendPatch(nil, []jsonpatch.Operation{op})
		value, _ := op.Value.(json.RawMessage)
		rest += len(text) - len("[]") - len(value)
		member := op.Path[strings.LastIndex(op.Path, "/")+1:]
		if _, err := strconv.Atoi(member); err != nil && member != "-" {
			rest -= len(member)
		}
		most += map[bool]int{true: deeper, false: frame}[strings.Contains(op.Path, "/volumeMounts/") || strings.Contains(op.Path, "/env/")]
	}
	if rest > most {
		return fmt.Errorf("%d operations take %d bytes, want at most %d", len(patch), rest, most)
	}
	return nil
}

// foreign is a container that another webhook adds.
func foreign(g *podGen, name string) tree {
	ctr := tree{"name": name, "image": "registry.example/mesh:1"}
	g.maybe(40, ctr, "volumeMounts", func() any {
		return []any{tree{"name": "mesh", "mountPath": one(g.t, "/mesh", "/mesh", "/var/log/app", "/var/log", "/etc/app"), "readOnly": one(g.t, false, true)}}
	})
	g.maybe(40, ctr, "env", func() any { return []any{tree{"name": "MESH", "value": "$(X)"}} })
	g.maybe(40, ctr, "resources", func() any { return tree{"limits": tree{"cpu": "1", "memory": "1Gi"}} })
	return ctr
}

// others changes an injected Pod as other webhooks and the API server do between two runs.
func others(g *podGen, pod map[string]any, required bool) {
	spec, _ := pod["spec"].(map[string]any)
	for _, list := range []string{"initContainers", "containers"} {
		ctrs, _ := spec[list].([]any)
		for _, c := range ctrs {
			rewrite(g, c.(map[string]any), required)
		}
	}
	addForeign(g, spec)
	if g.chance(50) {
		vols, _ := spec["volumes"].([]any)
		spec["volumes"] = slices.Insert(vols, 0, any(map[string]any{"name": "mesh", "emptyDir": map[string]any{}}))
	}
	meta, _ := pod["metadata"].(map[string]any)
	if labels, ok := meta["labels"].(map[string]any); ok && g.chance(50) {
		labels["mesh"] = "on"
	}
}

func addForeign(g *podGen, spec map[string]any) {
	for i := range g.number(0, 3) {
		list := one(g.t, "containers", "containers", "initContainers")
		ctrs, _ := spec[list].([]any)
		ctr := foreign(g, "foreign-"+strconv.Itoa(i))
		if list == "initContainers" && g.chance(50) {
			ctr["restartPolicy"] = "Always"
		}
		spec[list] = slices.Insert(ctrs, g.number(0, len(ctrs)), any(ctr))
	}
}

// rewrite does to a container what image rewriters, defaulting and LimitRanger do.
func rewrite(g *podGen, ctr map[string]any, required bool) {
	if image, _ := ctr["image"].(string); !required {
		ctr["image"] = one(g.t, "mirror.example/"+image, image, image+"@sha256:0123")
	}
	if g.chance(50) {
		ctr["imagePullPolicy"], ctr["terminationMessagePath"], ctr["terminationMessagePolicy"] = "Always", "/dev/termination-log", "File"
	}
	if g.chance(50) {
		ctr["resources"] = map[string]any{"limits": map[string]any{"cpu": "4", "memory": "8Gi"}, "requests": map[string]any{"cpu": "2"}}
	}
	if g.chance(30) {
		env, _ := ctr["env"].([]any)
		ctr["env"] = slices.Insert(env, 0, any(map[string]any{"name": "MESH_NODE", "value": "a"}))
	}
	if g.chance(20) {
		mounts, _ := ctr["volumeMounts"].([]any)
		ctr["volumeMounts"] = slices.Insert(mounts, 0, any(map[string]any{"name": "mesh", "mountPath": "/mesh"}))
	}
}

// TestPropertyRunAgain has other webhooks change an injected Pod: the second run gives new containers of the app what
// they lack and nothing else, the third nothing, and it is what they would have got had they been there at first.
func TestPropertyRunAgain(t *testing.T) {
	catalog := propertyCatalog(t)
	check(t, func(t *rapid.T, outcomes map[string]int) {
		c := drawCase(t, catalog)
		res, after, err := run(catalog, c.json, &c.ns)
		if err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
		outcomes[string(res.Outcome)]++
		if after == nil {
			return
		}
		v, err := decoded(after)
		if err != nil {
			t.Fatal(err)
		}
		pod := v.(map[string]any)
		others(&podGen{t: t}, pod, c.ns.Labels[v1alpha1.LabelInjection] == v1alpha1.InjectionRequired)
		changed, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		second, afterSecond, err := run(catalog, changed, &c.ns)
		if err != nil {
			t.Fatalf("%v\n%s", err, changed)
		}
		outcomes["second run: "+string(second.Outcome)]++
		if second.Outcome == sidecars.Unchanged {
			return
		}
		if second.Outcome != sidecars.Injected {
			t.Fatalf("second run: %s: %v\n%s", second.Outcome, second.Errors, changed)
		}
		if err := onlyForeign(pod, second.Patch); err != nil {
			t.Fatalf("second run: %v\n%s\n%s", err, changed, sidecars.AppendPatch(nil, second.Patch))
		}
		if err := additions(changed, afterSecond); err != nil {
			t.Fatalf("second run: %v", err)
		}
		if err := settled(catalog, afterSecond, &c.ns); err != nil {
			t.Fatalf("third run: %v", err)
		}
		if err := sameAtOnce(catalog, c, pod, afterSecond); err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
	})
}

// onlyForeign looks at what every operation of a second run adds to.
func onlyForeign(pod map[string]any, patch []jsonpatch.Operation) error {
	for _, op := range patch {
		if op.Path == "/metadata/annotations/pillion.dev~1status" {
			continue
		}
		words := strings.Split(op.Path, "/")
		if len(words) < 5 || words[1] != "spec" || words[4] != "volumeMounts" && words[4] != "env" {
			return fmt.Errorf("it adds at %s", op.Path)
		}
		list, _ := pod["spec"].(map[string]any)[words[2]].([]any)
		i, err := strconv.Atoi(words[3])
		if err != nil {
			return err
		}
		if name, _ := list[i].(map[string]any)["name"].(string); !strings.HasPrefix(name, "foreign-") {
			return fmt.Errorf("it adds to container %s at %s", name, op.Path)
		}
	}
	return nil
}

// foreignShares matches a foreign container's mount at a path that entries share.
var foreignShares = regexp.MustCompile(`"mountPath":"/(var/log|var/log/app|etc/app)","name":"mesh"`)

// sameAtOnce injects the Pod with the new containers in it from the start.
func sameAtOnce(catalog *sidecars.Catalog, c podCase, changed map[string]any, want []byte) error {
	v, err := decoded(c.json)
	if err != nil {
		return err
	}
	pod := v.(map[string]any)
	spec, _ := pod["spec"].(map[string]any)
	for _, list := range []string{"initContainers", "containers"} {
		all, _ := changed["spec"].(map[string]any)[list].([]any)
		for _, ctr := range all {
			if name, _ := ctr.(map[string]any)["name"].(string); strings.HasPrefix(name, "foreign-") {
				had, _ := spec[list].([]any)
				spec[list] = append(had, ctr)
			}
		}
	}
	object, err := json.Marshal(pod)
	if err != nil {
		return err
	}
	res, after, err := run(catalog, object, &c.ns)
	if err != nil {
		return err
	}
	// A container that came later denies nothing and, unlike one that was there, no sidecar joins its volumes.
	if after == nil && res.Reason == sidecars.Conflict || foreignShares.Match(object) {
		return nil
	}
	if after == nil {
		return fmt.Errorf("with the new containers from the start it is %s: %v", res.Outcome, res.Errors)
	}
	a, err := foreignParts(after)
	if err != nil {
		return err
	}
	b, err := foreignParts(want)
	if diff := cmp.Diff(a, b); err == nil && diff != "" {
		return fmt.Errorf("new containers (-from the start +in a second run): %s", diff)
	}
	return err
}

func foreignParts(object []byte) (map[string]any, error) {
	v, err := decoded(object)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	spec, _ := v.(map[string]any)["spec"].(map[string]any)
	for _, list := range []string{"initContainers", "containers"} {
		ctrs, _ := spec[list].([]any)
		for _, c := range ctrs {
			ctr := c.(map[string]any)
			if name, _ := ctr["name"].(string); strings.HasPrefix(name, "foreign-") {
				out[name] = ctr
			}
		}
	}
	return out, nil
}

// TestPropertyForgedStatus gives Pods a status that nobody wrote: the answer is a refusal, or adds and takes nothing away,
// and what is added can be taken out.
func TestPropertyForgedStatus(t *testing.T) {
	catalog := propertyCatalog(t)
	check(t, func(t *rapid.T, outcomes map[string]int) {
		c := drawCase(t, catalog)
		forge(&podGen{t: t, catalog: catalog}, c.pod)
		var err error
		if c.json, err = json.Marshal(c.pod); err != nil {
			t.Fatal(err)
		}
		res, after, err := run(catalog, c.json, &c.ns)
		if err != nil {
			t.Fatalf("%v\n%s", err, c)
		}
		outcomes[string(res.Outcome)]++
		if pod, err := sidecars.ReadPod(c.json); err != nil {
			t.Fatal(err)
		} else if err := applies(c.json, sidecars.Uninject(pod)); err != nil {
			t.Fatalf("uninject: %v\n%s", err, c)
		}
		if after == nil {
			return
		}
		for _, law := range []error{additions(c.json, after), decodesStrictly(after), levelKept(catalog, res, c.json, after), qosKept(c.json, after)} {
			if law != nil {
				t.Fatalf("%v\n%s", law, c)
			}
		}
		pod, err := sidecars.ReadPod(after)
		if err != nil {
			t.Fatal(err)
		}
		if err := applies(after, sidecars.Uninject(pod)); err != nil {
			t.Fatalf("uninject: %v\n%s", err, c)
		}
	})
}

func applies(object []byte, ops []jsonpatch.Operation) error {
	text, err := json.Marshal(ops)
	if err != nil || ops == nil {
		return err
	}
	_, err = apply(object, text)
	return err
}

// forge writes a status of what could be there.
func forge(g *podGen, pod tree) {
	names := append(append([]string{"", "shipper", "front", "nobody"}, g.catalog.Names("")...), "app", "init-0")
	some := func(list ...string) []string {
		var out []string
		for range g.number(0, 3) {
			out = append(out, one(g.t, list...))
		}
		return out
	}
	st := v1alpha1.Status{Version: one(g.t, 1, 1, 1, 2), Volumes: some("pillion-token-mask", "data-0", ""), SafeToEvict: some("data-0", "x"),
		ShareProcessNamespace: g.chance(30)}
	for range g.number(0, 3) {
		name := one(g.t, names...)
		st.Sidecars = append(st.Sidecars, v1alpha1.InjectedSidecar{Name: name, Revision: "0", Containers: some(append(names, name, name)...),
			Volumes: some(name+"-logs", name+"-files", "data-0", "cache-1"), Files: some("config", "x")})
	}
	for range g.number(0, 3) {
		st.App = append(st.App, v1alpha1.InjectedInto{Container: one(g.t, "app", "writer0", "init-0"), Mounts: some("/var/log/app", "/data", ""), Env: some("VAR_0", "ENVY_ENDPOINT")})
	}
	if g.chance(30) {
		was := int64(g.number(0, 60))
		st.GracePeriodWas = &was
	}
	text, err := json.Marshal(st)
	if err != nil {
		g.t.Fatal(err)
	}
	if g.chance(10) {
		text = text[:g.number(0, len(text))]
	}
	meta, _ := pod["metadata"].(tree)
	annotations, _ := meta["annotations"].(tree)
	if annotations == nil {
		annotations = tree{}
	}
	annotations[v1alpha1.AnnotationStatus] = string(text)
	if g.chance(20) {
		annotations["pillion.dev/file.shipper.config"] = "mine"
	}
	meta["annotations"] = annotations
}
