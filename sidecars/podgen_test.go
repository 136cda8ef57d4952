package sidecars_test

import (
	"encoding/json"
	"fmt"
	"strconv"

	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/sidecars"
)

// podGen draws Pods as trees of JSON, so that they can hold what no Go type knows. Everything that Kubernetes defines is
// valid; every object also gets members that are unknown.
type podGen struct {
	t       *rapid.T
	catalog *sidecars.Catalog
	// volumes of the Pod, by name; containers by name, init containers first.
	volumes, containers []string
	// qos is the shape of all resources, security that of all security contexts; see resources and security.
	qos, security string
}

type tree = map[string]any

// unknown starts the names of members that Kubernetes does not know.
const unknown = "unknown~"

// one draws one of the values; the first is where shrinking ends.
func one[T any](t *rapid.T, values ...T) T {
	return values[rapid.IntRange(0, len(values)-1).Draw(t, "one of")]
}

// percentile draws from 0 to 127 evenly; rapid's own numbers are mostly small ones.
var percentile = rapid.Custom(func(t *rapid.T) int {
	n := 0
	for range 7 {
		n *= 2
		if rapid.Bool().Draw(t, "bit") {
			n++
		}
	}
	return n
})

// chance is true in about so many of a hundred draws.
func (g *podGen) chance(percent int) bool {
	return percentile.Draw(g.t, "chance") > 127-percent*128/100
}

func (g *podGen) number(from, to int) int { return rapid.IntRange(from, to).Draw(g.t, "number") }

// maybe sets a member in so many of a hundred draws.
func (g *podGen) maybe(percent int, in tree, key string, value func() any) {
	if g.chance(percent) {
		in[key] = value()
	}
}

// odd adds unknown members to an object.
func (g *podGen) odd(m tree) tree {
	if g.chance(25) {
		for range g.number(1, 2) {
			name := one(g.t, "field", "a/b", "c.d", "e~1f", `quo"te`, "é世界", "name", "volumeMounts", "containers")
			m[unknown+name] = g.anything(2)
		}
	}
	return m
}

// anything draws any JSON, null and empty collections too.
func (g *podGen) anything(depth int) any {
	kinds := []string{"null", "true", "number", "text", "empty list", "empty object", "list", "object"}
	if depth == 0 {
		kinds = kinds[:6]
	}
	switch one(g.t, kinds...) {
	case "true":
		return true
	case "number":
		return one(g.t, json.Number("0"), "1", "-1.50", "1e3", "9007199254740993", "18446744073709551616", "0.1")
	case "text":
		return one(g.t, "", "x", "\"\\/\b\n\u2028", "<&>", "$(X)", "/metadata/annotations", "\U0001f6f5")
	case "empty list":
		return []any{}
	case "empty object":
		return tree{}
	case "list":
		return []any{g.anything(depth - 1), g.anything(depth - 1)}
	case "object":
		return tree{"name": g.anything(depth - 1), "mountPath": g.anything(depth - 1)}
	}
	return nil
}

// pod draws a Pod without a request.
func (g *podGen) pod() tree {
	g.qos = one(g.t, "mixed", "guaranteed", "bestEffort", "burstable", "podLevel")
	g.security = one(g.t, "restricted", "mixed", "baseline", "root", "privileged")
	meta, spec := tree{}, tree{}
	g.metadata(meta)
	g.spec(spec)
	pod := tree{"apiVersion": "v1", "kind": "Pod", "metadata": g.odd(meta), "spec": g.odd(spec)}
	if g.chance(10) {
		pod["status"] = g.odd(tree{"phase": "Pending"})
	}
	return g.odd(pod)
}

func (g *podGen) metadata(meta tree) {
	if g.chance(70) {
		meta["name"] = "app-5d8f9c7b6d-x2x4z"
	} else {
		meta["generateName"] = "app-"
	}
	g.maybe(40, meta, "namespace", func() any { return "shop" })
	meta["labels"] = g.texts("app", "team", "app.kubernetes.io/name", "a~b", "pod-template-hash")
	g.maybe(30, meta, "ownerReferences", func() any {
		return []any{g.odd(tree{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "app", "uid": "1"})}
	})
	g.maybe(20, meta, "managedFields", func() any {
		return []any{g.odd(tree{"manager": "kubectl", "operation": "Update", "fieldsV1": tree{"f:spec": tree{}}})}
	})
}

// texts draws a map of strings, which may be empty, or null.
func (g *podGen) texts(keys ...string) any {
	switch one(g.t, "some", "many", "empty", "null") {
	case "null":
		return nil
	case "empty":
		return tree{}
	case "many":
		m := tree{}
		for i := range g.number(5, 30) {
			m[keys[i%len(keys)]+strconv.Itoa(i)] = one(g.t, "", "x", "é", `"quoted" and \ and {"a":1}`)
		}
		return m
	}
	return tree{keys[0]: "shop"}
}

// podCase is a Pod with a request.
type podCase struct {
	pod  tree
	json []byte
	ns   sidecars.Namespace
}

func drawCase(t *rapid.T, catalog *sidecars.Catalog) podCase {
	g := &podGen{t: t, catalog: catalog}
	c := podCase{pod: g.pod()}
	c.ns = g.request(c.pod)
	raw, err := json.Marshal(c.pod)
	if err != nil {
		t.Fatal(err)
	}
	c.json = raw
	return c
}

// run injects the case, counts its outcome, and gives what came of it as run does.
func (c podCase) run(t *rapid.T, catalog *sidecars.Catalog, outcomes map[string]int) (*sidecars.Result, []byte) {
	res, after, err := run(catalog, c.json, &c.ns)
	if err != nil {
		t.Fatalf("%v\n%s", err, c)
	}
	outcomes[string(res.Outcome)]++
	return res, after
}

func (c podCase) String() string { return fmt.Sprintf("%s\nNamespace %+v", c.json, c.ns) }
