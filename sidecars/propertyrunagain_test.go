package sidecars_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// TestPropertyRunAgain has other webhooks change an injected Pod: the second run gives new containers of the app what
// they lack and nothing else, the third nothing, and it is what they would have got had they been there at first.
func TestPropertyRunAgain(t *testing.T) {
	catalog := propertyCatalog(t)
	check(t, func(t *rapid.T, outcomes map[string]int) {
		c := drawCase(t, catalog)
		_, after := c.run(t, catalog, outcomes)
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
