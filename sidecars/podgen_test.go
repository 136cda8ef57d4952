package sidecars_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/api/v1alpha1"
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

func (g *podGen) spec(spec tree) {
	g.names()
	g.specFlags(spec)
	if vols := g.volumeList(); vols != nil {
		spec["volumes"] = vols
	}
	token := g.chance(40)
	init, regular := []any{}, []any{}
	for _, name := range g.containers {
		ctr := g.container(name, token)
		if strings.HasPrefix(name, "init-") {
			if g.chance(40) {
				ctr["restartPolicy"] = "Always"
			}
			init = append(init, ctr)
			continue
		}
		regular = append(regular, ctr)
	}
	spec["containers"] = regular
	if len(init) > 0 {
		spec["initContainers"] = init
	} else if g.chance(30) {
		spec["initContainers"] = one[any](g.t, []any{}, nil)
	}
	if token {
		vols, _ := spec["volumes"].([]any)
		spec["volumes"] = append(vols, tokenVolume())
	}
	if g.qos == "podLevel" {
		g.podResources(spec)
	}
}

// names draws the names of containers and volumes, seldom one of Pillion's own.
func (g *podGen) names() {
	for i := range g.number(0, 4) {
		g.containers = append(g.containers, one(g.t, "init-migrate-", "init-mesh-", "init-")+strconv.Itoa(i))
	}
	g.containers = append(g.containers, "app")
	for i := range g.number(0, 3) {
		g.containers = append(g.containers, one(g.t, "writer", "reader", "web-", "app-")+strconv.Itoa(i))
	}
	for i := range g.number(0, 4) {
		g.volumes = append(g.volumes, one(g.t, "data-", "cache-", "config-")+strconv.Itoa(i))
	}
	if g.chance(3) {
		g.containers[0] = one(g.t, "shipper", "proxy", "front")
	}
	if g.chance(3) {
		g.volumes = append(g.volumes, one(g.t, "shipper-logs", "pillion-token-mask", "texts-files"))
	}
}

func (g *podGen) specFlags(spec tree) {
	g.maybe(50, spec, "securityContext", func() any { return g.odd(g.podSecurity()) })
	g.maybe(20, spec, "shareProcessNamespace", func() any { return one(g.t, true, false) })
	g.maybe(4, spec, "hostNetwork", func() any { return true })
	g.maybe(3, spec, "hostPID", func() any { return true })
	g.maybe(20, spec, "os", func() any { return g.odd(tree{"name": one(g.t, "linux", "linux", "linux", "windows")}) })
	g.maybe(40, spec, "terminationGracePeriodSeconds", func() any { return one[any](g.t, 30, 60, 0, 1, 3600, 1<<53, json.Number("9223372036854775807"), -1) })
	g.maybe(20, spec, "automountServiceAccountToken", func() any { return one(g.t, true, false) })
	g.maybe(30, spec, "serviceAccountName", func() any { return "app" })
	g.maybe(30, spec, "nodeSelector", func() any { return tree{"disk": "ssd"} })
	g.maybe(20, spec, "tolerations", func() any { return []any{g.odd(tree{"operator": "Exists"})} })
	g.maybe(10, spec, "hostUsers", func() any { return false })
	g.maybe(20, spec, "topologySpreadConstraints", func() any {
		return []any{g.odd(tree{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"})}
	})
	if g.chance(20) {
		spec["restartPolicy"], spec["dnsPolicy"], spec["schedulerName"] = "Always", "ClusterFirst", "default-scheduler"
		spec["enableServiceLinks"], spec["preemptionPolicy"], spec["priority"] = true, "PreemptLowerPriority", 0
	}
}

func (g *podGen) volumeList() []any {
	var out []any
	for _, name := range g.volumes {
		out = append(out, g.volume(name))
	}
	if out == nil && g.chance(20) {
		return []any{}
	}
	return out
}

func (g *podGen) volume(name string) tree {
	kinds := []string{"emptyDir", "emptyDir", "configMap", "secret", "persistentVolumeClaim", "projected", "downwardAPI", "csi", "image", "ephemeral"}
	if g.security == "mixed" || g.security == "privileged" {
		kinds = append(kinds, "hostPath", "nfs", "iscsi")
	}
	bodies := map[string]tree{
		"emptyDir": one(g.t, tree{}, tree{"medium": "Memory"}, tree{"sizeLimit": "1Gi"}), "configMap": {"name": "config", "optional": true},
		"secret": {"secretName": "s", "items": []any{g.odd(tree{"key": "a", "path": "b"})}}, "persistentVolumeClaim": {"claimName": "data"},
		"projected":   {"sources": []any{g.odd(tree{"configMap": g.odd(tree{"name": "a"})})}},
		"downwardAPI": {"items": []any{g.odd(tree{"path": "labels", "fieldRef": tree{"fieldPath": "metadata.labels"}})}},
		"csi":         {"driver": "csi.example", "readOnly": true}, "image": {"reference": "registry.example/data:1"},
		"ephemeral": {"volumeClaimTemplate": tree{"spec": tree{"accessModes": []any{"ReadWriteOnce"}}}},
		"hostPath":  {"path": "/srv"}, "nfs": {"server": "nfs.example", "path": "/"}, "iscsi": {"targetPortal": "a", "iqn": "b", "lun": 1},
	}
	kind := one(g.t, kinds...)
	return g.odd(tree{"name": name, kind: g.odd(bodies[kind])})
}

// tokenVolume is what the API server's ServiceAccount plugin adds.
func tokenVolume() tree {
	return tree{"name": "kube-api-access-8zx4k", "projected": tree{"defaultMode": 420, "sources": []any{
		tree{"serviceAccountToken": tree{"expirationSeconds": 3607, "path": "token"}},
		tree{"configMap": tree{"name": "kube-root-ca.crt", "items": []any{tree{"key": "ca.crt", "path": "ca.crt"}}}},
		tree{"downwardAPI": tree{"items": []any{tree{"path": "namespace", "fieldRef": tree{"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}}},
	}}}
}

func tokenMount() tree {
	return tree{"name": "kube-api-access-8zx4k", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}
}

func (g *podGen) container(name string, token bool) tree {
	c := tree{"name": name, "image": one(g.t, "registry.example/app:1", "app", "a.example:5000/b/c@sha256:00")}
	g.maybe(60, c, "securityContext", func() any { return g.odd(g.containerSecurity()) })
	if r := g.resources(); r != nil {
		c["resources"] = r
	}
	g.maybe(30, c, "ports", func() any {
		return []any{g.odd(tree{"containerPort": one(g.t, 80, 9000, 3000, 8080, 53), "protocol": one(g.t, "TCP", "UDP")})}
	})
	g.maybe(50, c, "env", func() any { return g.env() })
	if mounts := g.mounts(); mounts != nil {
		c["volumeMounts"] = mounts
	}
	if token && g.chance(90) {
		mounts, _ := c["volumeMounts"].([]any)
		c["volumeMounts"] = append(mounts, tokenMount())
	}
	g.maybe(30, c, "command", func() any { return []any{"/app", "--token=$(TOKEN)"} })
	g.maybe(20, c, "lifecycle", func() any { return g.odd(tree{"preStop": g.odd(tree{"sleep": tree{"seconds": 5}})}) })
	if !strings.HasPrefix(name, "init-") {
		g.maybe(20, c, "readinessProbe", func() any {
			return g.odd(tree{"httpGet": g.odd(tree{"path": "/", "port": one[any](g.t, 80, "http")}), "periodSeconds": 5})
		})
	}
	if g.chance(20) {
		c["terminationMessagePath"], c["terminationMessagePolicy"], c["imagePullPolicy"] = "/dev/termination-log", "File", "IfNotPresent"
	}
	return g.odd(c)
}

func (g *podGen) env() any {
	list := []any{}
	for i := range g.number(0, 4) {
		list = append(list, g.odd(tree{"name": "VAR_" + strconv.Itoa(i), "value": one(g.t, "", "x", "$(VAR_0)", "ü")}))
	}
	if g.chance(20) {
		list = append(list, g.odd(tree{"name": "POD_IP", "valueFrom": g.odd(tree{"fieldRef": tree{"fieldPath": "status.podIP"}})}))
	}
	if g.chance(10) {
		list = append(list, tree{"name": "ENVY_ENDPOINT", "value": "mine"})
	}
	if len(list) == 0 {
		return one[any](g.t, []any{}, nil)
	}
	return list
}

// mounts draws mounts at paths that are mostly no entry's.
func (g *podGen) mounts() []any {
	var list []any
	var seen []string
	for _, volume := range g.volumes {
		if !g.chance(60) {
			continue
		}
		paths := []string{"/data", "/tmp", "/etc/ssl/certs", "/cache/", "/srv", "/srv/files/a", "/var/logs"}
		if g.chance(20) {
			paths = []string{"/var/log/app", "/var/log", "/var/log/app/", "/", "/etc/app", "/srv/files", "/run/app", "/in"}
		}
		at := one(g.t, paths...)
		if slices.Contains(seen, at) {
			continue
		}
		seen = append(seen, at)
		m := tree{"name": volume, "mountPath": at}
		g.maybe(20, m, "subPath", func() any { return one(g.t, "a", "a/b") })
		g.maybe(20, m, "readOnly", func() any { return true })
		if m["subPath"] == nil {
			g.maybe(5, m, "subPathExpr", func() any { return "$(VAR_0)" })
		}
		list = append(list, g.odd(m))
	}
	if list == nil && g.chance(10) {
		return []any{}
	}
	return list
}

// resources draws a container's resources in the Pod's shape.
func (g *podGen) resources() any {
	both := func(cpu, memory any) tree { return tree{"cpu": cpu, "memory": memory} }
	shape := g.qos
	if shape == "mixed" || shape == "podLevel" {
		shape = one(g.t, "burstable", "bestEffort", "guaranteed")
	}
	if g.qos == "podLevel" && shape == "guaranteed" {
		shape = "bestEffort"
	}
	switch shape {
	case "guaranteed":
		return g.odd(one(g.t,
			tree{"limits": both("1", "1Gi")}, tree{"limits": both("500m", "64Mi"), "requests": both("0.5", "65536Ki")},
			tree{"limits": both(json.Number("1"), json.Number("1073741824")), "requests": tree{"cpu": "1000m"}}))
	case "burstable":
		return g.odd(one(g.t,
			tree{"requests": tree{"cpu": "100m"}}, tree{"requests": both("100m", "64Mi"), "limits": tree{"memory": "128Mi"}},
			tree{"limits": both("500m", "64Mi"), "requests": both("0", "0")}, tree{"limits": tree{"cpu": "300m", "ephemeral-storage": "1Gi"}}))
	}
	return one[any](g.t, nil, g.odd(tree{}), g.odd(tree{"requests": tree{"ephemeral-storage": "1Gi"}}), g.odd(tree{"limits": tree{}, "requests": tree{"cpu": "0"}}))
}

// podResources draws resources of the Pod itself, which hold those of its containers.
func (g *podGen) podResources(spec tree) {
	big := func() tree { return tree{"cpu": "8", "memory": "16Gi"} }
	spec["resources"] = g.odd(one(g.t,
		tree{"requests": big(), "limits": big()}, tree{"requests": tree{"cpu": "8", "memory": "8Gi"}, "limits": big()},
		tree{"limits": big()}, tree{"limits": tree{"memory": "16Gi"}}, tree{"requests": big()}, tree{}))
}

func (g *podGen) podSecurity() tree {
	switch g.security {
	case "restricted":
		return tree{"runAsNonRoot": true, "seccompProfile": tree{"type": "RuntimeDefault"}, "runAsUser": 1000, "fsGroup": 2000}
	case "root":
		return tree{"runAsUser": 0}
	}
	return one(g.t, tree{}, tree{"fsGroup": 1, "supplementalGroups": []any{1, 2}}, tree{"runAsUser": 1001, "runAsGroup": 1001})
}

func (g *podGen) containerSecurity() tree {
	restricted := tree{"allowPrivilegeEscalation": false, "runAsNonRoot": true, "runAsUser": 1000, "capabilities": tree{"drop": []any{"ALL"}},
		"seccompProfile": tree{"type": "RuntimeDefault"}}
	switch g.security {
	case "restricted":
		return restricted
	case "privileged":
		return tree{"privileged": true}
	case "root":
		return one(g.t, tree{"runAsUser": 0}, tree{"runAsUser": 0, "runAsGroup": 0}, tree{})
	case "baseline":
		return one(g.t, tree{"runAsUser": 10, "runAsGroup": 11}, tree{"capabilities": tree{"add": []any{"NET_BIND_SERVICE"}}})
	}
	return one(g.t, tree{}, restricted, tree{"runAsUser": 7}, tree{"capabilities": tree{"add": []any{"NET_ADMIN"}}})
}

// request sets annotations that ask for sidecars, on the Pod or its Namespace.
func (g *podGen) request(pod tree) sidecars.Namespace {
	ns := sidecars.Namespace{Name: "shop"}
	asks := tree{}
	names := g.someEntries()
	asks[v1alpha1.AnnotationInject] = strings.Join(names, one(g.t, ",", ", ", " ,"))
	for _, name := range names {
		if e := g.catalog.Entry("", name); e != nil {
			g.settings(e, asks)
		}
	}
	if g.chance(5) {
		asks[v1alpha1.AnnotationFailurePolicy] = one(g.t, "Ignore", "Fail", "ignore")
	}
	meta, _ := pod["metadata"].(tree)
	annotations, _ := g.texts("note", "kubernetes.io/psp", "a/b~c").(tree)
	if g.chance(20) {
		ns = g.namespace(asks, names)
		asks = tree{}
	}
	if annotations == nil && len(asks) == 0 && g.chance(50) {
		meta["annotations"] = nil
		return ns
	}
	if annotations == nil {
		annotations = tree{}
	}
	for k, v := range asks {
		annotations[k] = v
	}
	if g.chance(20) {
		annotations[v1alpha1.AnnotationSafeToEvict] = one(g.t, "data-0", "data-0,cache-0", "a, b")
	}
	meta["annotations"] = annotations
	if g.chance(30) {
		ns.Labels = map[string]string{"team": "keepers", "pod-security.kubernetes.io/enforce": one(g.t, "baseline", "restricted", "privileged", "x")}
	}
	return ns
}

// namespace asks by the Namespace's annotations.
func (g *podGen) namespace(asks tree, _ []string) sidecars.Namespace {
	ns := sidecars.Namespace{Name: "shop", Annotations: map[string]string{}}
	for k, v := range asks {
		ns.Annotations[k], _ = v.(string)
	}
	ns.Labels = map[string]string{v1alpha1.LabelInjection: one(g.t, "enabled", "enabled", "required", "x"), "team": "keepers"}
	return ns
}

// someEntries draws entries that can mostly be on one Pod.
func (g *podGen) someEntries() []string {
	all := g.catalog.Names("")
	var names []string
	for range g.number(1, 3) {
		name := all[rapid.IntRange(0, len(all)-1).Draw(g.t, "entry")]
		if !slices.Contains(names, name) || g.chance(3) {
			names = append(names, name)
		}
	}
	if g.chance(2) {
		names = append(names, one(g.t, "shiper", "no such", "false", "Proxy"))
	}
	return names
}

// settings draws the parameters of an entry.
func (g *podGen) settings(e *sidecars.Entry, asks tree) {
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
		p := e.Spec.Parameters[name]
		percent := 20
		if p.Required {
			percent = 98
		}
		if name == "upstream-port" {
			percent = 90
		}
		if g.chance(percent) {
			asks[v1alpha1.Prefix+e.Name+"."+name] = g.setting(name, &p)
		}
	}
	if g.chance(2) {
		asks[v1alpha1.Prefix+e.Name+"."+one(g.t, "no-such", "image", "endpont")] = "x"
	}
}

func (g *podGen) setting(name string, p *v1alpha1.Parameter) string {
	if g.chance(2) {
		return one(g.t, "", "not it", "-1", "\n", "é", "/a b", "0", "$(X)", strings.Repeat("a", 300))
	}
	if slices.Contains([]string{"container", "containers", "target"}, name) {
		return g.containers[g.number(0, len(g.containers)-1)]
	}
	return g.valid(p)
}

// valid draws a value that meets the declaration.
func (g *podGen) valid(p *v1alpha1.Parameter) string {
	if p.Type == v1alpha1.TypeList {
		return g.validList(p)
	}
	if p.Enum != nil {
		return one(g.t, p.Enum...)
	}
	if p.Pattern != "" {
		longest := p.MaxLength
		if longest == 0 {
			longest = 253
		}
		return rapid.StringMatching(`\A(?:`+p.Pattern+`)\z`).Filter(func(s string) bool {
			return len(s) <= longest && inBounds(p, s)
		}).Draw(g.t, "matching")
	}
	switch p.Type {
	case v1alpha1.TypeInteger, v1alpha1.TypePort:
		from, to := bound(p.Minimum, 0), bound(p.Maximum, 1<<62)
		if p.Type == v1alpha1.TypePort {
			from, to = max(from, 1), min(to, 65535)
		}
		return strconv.FormatInt(rapid.Int64Range(from, to).Draw(g.t, "integer"), 10)
	case v1alpha1.TypeBoolean:
		return one(g.t, "true", "false")
	case v1alpha1.TypeQuantity:
		return within(g, p, "1", "100m", "250m", "64Mi", "100Mi", "1Gi", "2G")
	case v1alpha1.TypeDuration:
		return within(g, p, "1s", "500ms", "1m30s", "10s", "1h", "2m")
	case v1alpha1.TypePath:
		return one(g.t, "/var/log/app", "/srv/files", "/data/x", "/a", "/etc/app", "/var/log/app/sub")
	case v1alpha1.TypeURL:
		scheme := one(g.t, append(slices.Clone(p.Schemes), map[bool]string{true: "http", false: "https"}[p.Schemes == nil])...)
		if p.Schemes != nil {
			scheme = one(g.t, p.Schemes...)
		}
		return scheme + "://" + one(g.t, "a.example", "a.example:8080/b?c=$(X)", "[::1]:4318", "10.0.0.1/é")
	case v1alpha1.TypeSecretName, v1alpha1.TypeConfigMapName:
		return one(g.t, "a", "app-config.v1")
	}
	return one(g.t, "a", "$(TOKEN) $$ ${x}", `"; drop "\`, "- yaml: {a: [1]}", "é世", "'", "#", "%s {{ . }}")
}

func (g *podGen) validList(p *v1alpha1.Parameter) string {
	var items []string
	most := p.Items.MaxItems
	if most == 0 {
		most = 16
	}
	for range g.number(1, min(most, 3)) {
		if p.Items.Fields == nil {
			if v := g.valid(&v1alpha1.Parameter{Bounds: p.Items.Bounds}); !strings.ContainsAny(v, ",") && strings.TrimSpace(v) == v {
				items = append(items, v)
			}
			continue
		}
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(p.Items.Fields)) {
			f := v1alpha1.Parameter{Bounds: p.Items.Fields[name]}
			if v := g.valid(&f); (f.Required || g.chance(50)) && !strings.ContainsAny(v, ",;") {
				pairs = append(pairs, name+"="+v)
			}
		}
		items = append(items, strings.Join(pairs, ","))
	}
	return strings.Join(items, map[bool]string{true: ",", false: ";"}[p.Items.Fields == nil])
}

func bound(text string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return otherwise
}

// within draws one of the values that keep a parameter's bounds.
func within(g *podGen, p *v1alpha1.Parameter, values ...string) string {
	values = append(values, p.Minimum, p.Maximum)
	return one(g.t, slices.DeleteFunc(values, func(v string) bool { return v == "" || !inBounds(p, v) })...)
}

func inBounds(p *v1alpha1.Parameter, text string) bool {
	number := func(s string) float64 {
		if d, err := time.ParseDuration(s); err == nil && p.Type == v1alpha1.TypeDuration {
			return float64(d)
		}
		q, err := resource.ParseQuantity(s)
		if err != nil {
			return 0
		}
		return q.AsApproximateFloat64()
	}
	return (p.Minimum == "" || number(text) >= number(p.Minimum)) && (p.Maximum == "" || number(text) <= number(p.Maximum))
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

func (c podCase) String() string { return fmt.Sprintf("%s\nNamespace %+v", c.json, c.ns) }
