package sidecars

import (
	"slices"
	"strings"
)

// proofContainer is what an entry is proved on: a container that has everything an entry may ask of it.
const proofContainer = `"image":"app:1","resources":{"requests":{"cpu":"100m","memory":"64Mi"}},` +
	`"securityContext":{"runAsUser":1000,"runAsGroup":1000,"runAsNonRoot":true,"allowPrivilegeEscalation":false,` +
	`"capabilities":{"drop":["ALL"]},"seccompProfile":{"type":"RuntimeDefault"}}`

// proofPod has the containers that the values name.
func (e *Entry) proofPod(values []value) []byte {
	names := e.targetNames(values)
	for _, name := range append(e.literalTargets(), "app") {
		if !e.has(name) && !strings.ContainsAny(name, "*?[") {
			names = union(names, []string{name})
		}
	}
	dst := []byte(`{"metadata":{"name":"proof","namespace":"proof"},"spec":{"containers":[`)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(jsonString(append(dst, `{"name":`...), name), ','), proofContainer+"}"...)
	}
	return append(dst, `]}}`...)
}

// has reports whether a container of the entry has the name.
func (e *Entry) has(name string) bool {
	return slices.ContainsFunc(e.containers, func(c container) bool { return c.name == name })
}

// literalTargets lists the names and globs of containers of the app that stand in the entry.
func (e *Entry) literalTargets() []string {
	var list []string
	for i := range e.volumes {
		for _, s := range e.volumes[i].shares {
			list = append(list, s.containers.globs...)
		}
	}
	for i := range e.env {
		list = append(list, e.env[i].containers.globs...)
	}
	return list
}

// targetNames lists the containers of the app that the values name.
func (e *Entry) targetNames(values []value) []string {
	var names []string
	if user := e.runAsOf.text(values); user != "" {
		names = []string{user}
	}
	if target := e.asks.join.text(values); target != "" {
		names = union(names, []string{target})
	}
	for i := range e.params {
		for _, it := range values[i].items {
			if e.namesContainers(i) && !strings.ContainsAny(it.text, "*?[") {
				names = union(names, []string{it.text})
			}
		}
	}
	return names
}

// namesContainers reports whether a parameter lists containers of the app.
func (e *Entry) namesContainers(i int) bool {
	return slices.ContainsFunc(e.env, func(v appEnv) bool { return v.containers.param == i }) ||
		slices.ContainsFunc(e.volumes, func(v volume) bool {
			return slices.ContainsFunc(v.shares, func(s share) bool { return s.containers.param == i })
		})
}
