package sidecars_test

import (
	"encoding/json"
	"testing"

	"gomodules.xyz/jsonpatch/v2"
	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

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
		res, after := c.run(t, catalog, outcomes)
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
