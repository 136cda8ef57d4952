package sidecars_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

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
