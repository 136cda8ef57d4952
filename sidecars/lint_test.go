package sidecars_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

// parseAndLint says what a catalog says to a document, as the validating webhook would.
func parseAndLint(t *testing.T, catalog *sidecars.Catalog, text string) (field.ErrorList, []sidecars.Warning) {
	t.Helper()
	e, errs := sidecars.Parse(asJSON(t, text))
	if len(errs) > 0 {
		return errs, nil
	}
	return catalog.Lint(e)
}

// TestBadEntriesAreRefused lints the entries in testdata/bad, each of which has one mistake, against the embedded catalog.
// The first line names the field; `go test -run TestBadEntriesAreRefused -update` writes the comments anew.
func TestBadEntriesAreRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 60 {
		t.Fatalf("there are %d, want at least 60: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			errs, _ := parseAndLint(t, sidecars.Builtin(), string(text))
			if len(errs) == 0 {
				t.Fatal("nothing is wrong with it")
			}
			comment := "# field: " + errs[0].Field + "\n"
			for _, e := range errs {
				if e.Field != errs[0].Field {
					t.Errorf("a second mistake: %v", e)
				}
				comment += "# " + e.ErrorBody() + "\n"
			}
			body := text
			for bytes.HasPrefix(body, []byte("#")) {
				_, body, _ = bytes.Cut(body, []byte("\n"))
			}
			if *update {
				if err := os.WriteFile(file, append([]byte(comment), body...), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text[:len(text)-len(body)]), comment); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// lintBase is a catalog with something to meet.
const lintBase = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: metrics}
spec:
  volumes: [{name: metrics-run, emptyDir: {sizeLimit: 1Mi}, share: [{containers: [app, "web-*"], mountPath: /run/metrics}]}]
  containers:
    - {name: metrics, image: "a:1", ports: [{containerPort: 9090}, {containerPort: 9125, protocol: UDP}], resources: {limits: {cpu: 10m, memory: 1Mi}}}
    - {name: metrics-a-b, image: "a:1", resources: {limits: {cpu: 10m, memory: 1Mi}}}
  appEnv: [{name: METRICS, value: "on", containers: [app]}, {name: METRICS_AT, value: "here"}]
  order: {after: [late]}
---
apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: rival}
spec:
  containers: [{name: rival, image: "a:1", ports: [{containerPort: 9090}], resources: {limits: {cpu: 10m, memory: 1Mi}}}]
  order: {conflictsWith: [tried]}
---
apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: paper-clip}
spec:
  files: [{name: f, mountPath: /f, format: lines, lines: [x]}]
  containers: [{name: paper-clip, image: "a:1", resources: {limits: {cpu: 10m, memory: 1Mi}}}]
---
apiVersion: pillion.dev/v1alpha1
kind: Sidecar
metadata: {name: own, namespace: a}
spec:
  containers:
    - {name: own, image: "a:1", ports: [{containerPort: 7070}], resources: {limits: {cpu: 10m, memory: 1Mi}}}
    - {name: own-b, image: "a:1", resources: {limits: {cpu: 10m, memory: 1Mi}}}
  order: {after: [tried]}
---
apiVersion: pillion.dev/v1alpha1
kind: Sidecar
metadata: {name: own, namespace: b}
spec:
  containers: [{name: own, image: "a:1", ports: [{containerPort: 7070}], resources: {limits: {cpu: 10m, memory: 1Mi}}}]
---
apiVersion: pillion.dev/v1alpha1
kind: Sidecar
metadata: {name: metrics, namespace: b}
spec:
  containers: [{name: metrics, image: "a:1", ports: [{containerPort: 6060}], resources: {limits: {cpu: 10m, memory: 1Mi}}}]
`

// lintCatalog holds the entries of lintBase, and one that cannot be used.
func lintCatalog(t *testing.T) *sidecars.Catalog {
	t.Helper()
	var entries []*sidecars.Entry
	for text := range strings.SplitSeq(lintBase, "---\n") {
		entries = append(entries, mustParse(t, asJSON(t, text)))
	}
	return sidecars.Assemble(entries, map[sidecars.Key]string{{Name: "broken"}: "spec: is wrong"})
}

// goodLint is an entry that Lint says nothing to; the cases change it.
const goodLint = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: tried
spec:
  description: An entry without a fault.
  parameters:
    tag: {type: string, pattern: "v[0-9]+", default: v1, description: the version}
    cpu: {type: quantity, maximum: "2", default: 100m, description: the limit}
  volumes: [{name: tried-v, emptyDir: {sizeLimit: 1Mi}}]
  containers:
    - name: tried
      image: registry.example/tried:$(params.tag)
      ports: [{containerPort: 8888}]
      resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: $(params.cpu), memory: 32Mi}}
      securityContext: {runAsNonRoot: true, runAsUser: 65532}
  order: {after: []}
`

const sidecarOfA = "kind: Sidecar\nmetadata:\n  namespace: a"

// TestLint changes one thing of an entry that Lint says nothing to.
func TestLint(t *testing.T) {
	clusterMeta, port, volume := "kind: ClusterSidecar\nmetadata:", "containerPort: 8888", "volumes: [{name: tried-v, emptyDir: {sizeLimit: 1Mi}"
	requests := "requests: {cpu: 10m, memory: 16Mi}"
	for _, c := range []struct {
		name   string
		change []string
		errs   []string
		warns  []string
	}{
		{name: "nothing"},
		{name: "nothing, of a Namespace", change: []string{clusterMeta, sidecarOfA}},
		// Words.
		{name: "no description", change: []string{"  description: An entry without a fault.\n", ""}, warns: []string{"L101: spec.description: the entry has none"}},
		{name: "a parameter without a description", change: []string{", description: the version", ""}, warns: []string{"L102: spec.parameters[tag].description: the parameter has none"}},
		// Images.
		{name: "no tag", change: []string{"tried:$(params.tag)", "tried", "      ports", "      args: [$(params.tag)]\n      ports"},
			warns: []string{"L103: spec.containers[0].image: registry.example/tried is not fixed: name a digest, or a tag other than latest"}},
		{name: "a port of the registry is no tag", change: []string{"registry.example/tried:$(params.tag)", "registry.example:5000/$(params.tag)/tried"},
			warns: []string{"L103: spec.containers[0].image: registry.example:5000/v1/tried is not fixed: name a digest, or a tag other than latest"}},
		{name: "the tag latest", change: []string{"      image: registry", "      args: [$(params.tag)]\n      image: registry", "tried:$(params.tag)", "tried:latest"},
			warns: []string{"L103: spec.containers[0].image: registry.example/tried:latest is not fixed: name a digest, or a tag other than latest"}},
		{name: "a digest", change: []string{"tried:$(params.tag)", "$(params.tag)/tried@sha256:0123456789abcdef"}},
		{name: "a tag that can be latest", change: []string{`"v[0-9]+"`, `"[a-z0-9.]+"`},
			warns: []string{"L103: spec.containers[0].image: registry.example/tried:latest is not fixed (where tag=latest): name a digest, or a tag other than latest"}},
		{name: "a tag that is left out", change: []string{"default: v1,", "example: v1,"},
			warns: []string{"L103: spec.containers[0].image: registry.example/tried: is not fixed: name a digest, or a tag other than latest"}},
		{name: "an enum with latest", change: []string{`pattern: "v[0-9]+"`, `enum: [v1, latest]`},
			warns: []string{"L103: spec.containers[0].image: registry.example/tried:latest is not fixed (where tag=latest): name a digest, or a tag other than latest"}},
		// Placement, selector.
		{name: "an ordinary container", change: []string{"      image: registry", "      placement: regular\n      image: registry"},
			warns: []string{"L104: spec.containers[0].placement: an ordinary container keeps the Pod of a Job from ending"}},
		{name: "a selector of an absent label that has a value", change: []string{"  order:", "  namespaceSelector: {matchLabels: {team: a}, matchExpressions: [{key: team, operator: DoesNotExist}]}\n  order:"},
			warns: []string{"L105: spec.namespaceSelector: matches no Namespace: it asks of label team what cannot be"}},
		{name: "a selector of two values", change: []string{"  order:", "  namespaceSelector: {matchLabels: {team: a}, matchExpressions: [{key: team, operator: In, values: [b, c]}]}\n  order:"},
			warns: []string{"L105: spec.namespaceSelector: matches no Namespace: it asks of label team what cannot be"}},
		{name: "a selector that excludes what it asks for", change: []string{"  order:", "  namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [b, c]}, {key: team, operator: NotIn, values: [b, c, d]}]}\n  order:"},
			warns: []string{"L105: spec.namespaceSelector: matches no Namespace: it asks of label team what cannot be"}},
		{name: "a selector that narrows", change: []string{"  order:", "  namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [b, c]}, {key: team, operator: NotIn, values: [b]}, {key: team, operator: Exists}, {key: x, operator: DoesNotExist}]}\n  order:"}},
		// Pod Security.
		{name: "privileged", change: []string{"runAsUser: 65532", "privileged: true"},
			warns: []string{`L106: spec: Pod Security grades it privileged: privileged (container "tried" must not set securityContext.privileged=true)`}},
		{name: "privileged, of a Namespace", change: []string{clusterMeta, sidecarOfA, "runAsUser: 65532", "privileged: true, capabilities: {add: [SYS_ADMIN]}"},
			errs: []string{
				`spec.containers[0].securityContext.capabilities.add: Forbidden: a Sidecar meets Pod Security level baseline at least: non-default capabilities (container "tried" must not include "SYS_ADMIN" in securityContext.capabilities.add)`,
				`spec.containers[0].securityContext.privileged: Forbidden: a Sidecar meets Pod Security level baseline at least: privileged (container "tried" must not set securityContext.privileged=true)`,
			}},
		{name: "a path of the node, of a Namespace, under a condition", change: []string{clusterMeta, sidecarOfA, volume, "volumes: [{name: tried-v, when: {tag: [v2]}, hostPath: {path: /}"},
			errs: []string{`spec.volumes[0].hostPath: Forbidden: a Sidecar meets Pod Security level baseline at least: hostPath volumes (volume "tried-v")`}},
		// Resources.
		{name: "no requests", change: []string{requests + ", ", ""}, warns: []string{"L201: spec.containers[0].resources.requests: states none for cpu and memory, so that the limit is requested"}},
		{name: "no request for memory", change: []string{", memory: 16Mi", ""}, warns: []string{"L201: spec.containers[0].resources.requests: states none for memory, so that the limit is requested"}},
		{name: "a limit without a bound", change: []string{`maximum: "2", `, ""}, warns: []string{"L202: spec.parameters[cpu]: decides over resources and has no maximum"}},
		{name: "requests with too high a maximum", change: []string{`maximum: "2"`, `maximum: "12"`, "cpu: 10m", "cpu: $(params.cpu)"},
			warns: []string{"L203: spec.containers: the sidecars' containers request 12 CPU in all, the most is 8 (where cpu=12)"}},
		{name: "a choice of requests, one of which is too high", change: []string{`maximum: "2"`, `enum: ["1", "9", 100m]`, "cpu: 10m", "cpu: $(params.cpu)"},
			warns: []string{"L203: spec.containers: the sidecars' containers request 9 CPU in all, the most is 8 (where cpu=9)"}},
		{name: "limits that are too high for a Guaranteed Pod", change: []string{"memory: 32Mi", "memory: 17Gi"},
			warns: []string{"L204: spec.containers: in a Guaranteed Pod, where limits are requested, the sidecars' containers request 17Gi memory in all, the most is 16Gi"}},
		{name: "requests that are too high", change: []string{"memory: 16Mi", "memory: 17Gi", "memory: 32Mi", "memory: 17Gi"},
			errs: []string{"spec.containers: Forbidden: cannot be injected: the sidecars' containers request 17Gi memory in all, the most is 16Gi"}},
		// Order and names.
		{name: "after nobody", change: []string{"after: []", "after: [metrisc, broken, own]"}, warns: []string{`L301: spec.order.after[0]: there is no sidecar metrisc; did you mean "metrics"? The catalog has metrics, paper-clip, rival`}},
		{name: "against nobody", change: []string{"after: []", "conflictsWith: [nobody]"}, warns: []string{"L301: spec.order.conflictsWith[0]: there is no sidecar nobody; the catalog has metrics, paper-clip, rival"}},
		{name: "shared with nobody", change: []string{"sizeLimit: 1Mi}}", "sizeLimit: 1Mi}, share: [{sidecars: [rival, nobody], mountPath: /v}]}"},
			warns: []string{"L301: spec.volumes[0].share[0].sidecars[1]: there is no sidecar nobody; the catalog has metrics, paper-clip, rival"}},
		{name: "after one of another Namespace", change: []string{clusterMeta, "kind: Sidecar\nmetadata:\n  namespace: c", "after: []", "after: [own, metrics]"},
			warns: []string{"L301: spec.order.after[0]: there is no sidecar own; the catalog has metrics, paper-clip, rival"}},
		{name: "in a circle", change: []string{"tried", "late", "after: []", "after: [rival, metrics]"},
			errs: []string{`spec.order.after: Invalid value: "late": entries wait for one another: late after metrics after late`}},
		{name: "in a circle that only a Namespace's entry makes", change: []string{"after: []", "after: [own]"}},
		{name: "in a circle, of a Namespace", change: []string{clusterMeta, sidecarOfA, "after: []", "after: [own]"},
			errs: []string{`spec.order.after: Invalid value: "tried": entries wait for one another: tried after own after tried`}},
		{name: "the name of the cluster's", change: []string{clusterMeta, sidecarOfA, "tried", "rival", "[{containerPort: 8888}]", "[]"},
			errs: []string{"metadata.name: Forbidden: the cluster has an entry of the name rival, which wins: no Pod would get this one"}},
		{name: "the name of one of the cluster's that cannot be used", change: []string{clusterMeta, sidecarOfA, "tried", "broken"},
			errs: []string{"metadata.name: Forbidden: the cluster has an entry of the name broken, which wins: no Pod would get this one"}},
		{name: "the name of two Sidecars", change: []string{"tried", "own"}, warns: []string{"L302: metadata.name: 2 Sidecars of this name give way to it, in Namespaces a, b"}},
		{name: "the name of one that it replaces", change: []string{"tried", "metrics", port, "containerPort: 9090"},
			warns: []string{"L302: metadata.name: 1 Sidecar of this name gives way to it, in Namespace b", "L304: spec.containers[0].ports[0].containerPort: port 9090/TCP is also that of ClusterSidecar rival (spec.containers[0].ports[0].containerPort)"}},
		// What entries meet over.
		{name: "a port", change: []string{port, "containerPort: 9125, protocol: UDP"}, warns: []string{"L304: spec.containers[0].ports[0].containerPort: port 9125/UDP is also that of ClusterSidecar metrics (spec.containers[0].ports[1].containerPort)"}},
		{name: "a port of another protocol", change: []string{port, "containerPort: 9125"}},
		{name: "a port of an entry that it excludes, and of one that excludes it", change: []string{port, "containerPort: 9090", "after: []", "conflictsWith: [metrics]"}},
		{name: "a port of a Sidecar", change: []string{port, "containerPort: 7070"},
			warns: []string{"L304: spec.containers[0].ports[0].containerPort: port 7070/TCP is also that of Sidecar own of Namespace a (spec.containers[0].ports[0].containerPort), Sidecar own of Namespace b (spec.containers[0].ports[0].containerPort)"}},
		{name: "a port of a Sidecar of the Namespace", change: []string{clusterMeta, sidecarOfA, port, "containerPort: 7070"},
			warns: []string{"L304: spec.containers[0].ports[0].containerPort: port 7070/TCP is also that of Sidecar own of Namespace a (spec.containers[0].ports[0].containerPort)"}},
		{name: "a port of a Sidecar that gave way", change: []string{port, "containerPort: 6060"}},
		{name: "a variable with another value", change: []string{"  order:", "  appEnv: [{name: METRICS, value: \"off\", containers: [\"a*\"]}]\n  order:"},
			warns: []string{"L305: spec.appEnv[0]: variable METRICS has another value in ClusterSidecar metrics (spec.appEnv[0])"}},
		{name: "a variable with the same value, or for other containers, or by a parameter", change: []string{"  order:", "  appEnv: [{name: METRICS_AT, value: here}, {name: METRICS, value: \"off\", containers: [web]}, {name: METRICS, value: $(params.tag), containers: [app]}]\n  order:"}},
		{name: "a path", change: []string{volume, volume + ", share: [{containers: [web-1], mountPath: /run/metrics}]"},
			warns: []string{"L306: spec.volumes[0].share[0].mountPath: /run/metrics is also a path of ClusterSidecar metrics (spec.volumes[0].share[0].mountPath)"}},
		{name: "a path in other containers", change: []string{volume, volume + ", share: [{containers: [web], mountPath: /run/metrics}]"}},
		{name: "a container's name", change: []string{"tried", "metrics-a", "  order:", "    - {name: metrics-a-b, image: 'a:1', resources: {" + requests + ", limits: {cpu: 10m, memory: 16Mi}}}\n  order:"},
			errs: []string{`spec.containers[1].name: Duplicate value: "metrics-a-b": is the name of a container of ClusterSidecar metrics, spec.containers[1].name`}},
		{name: "a container's name of a Sidecar's", change: []string{"tried", "own-b"}, warns: []string{"L303: spec.containers[0].name: container own-b is also one of Sidecar own of Namespace a (spec.containers[1].name)"}},
		{name: "the name of the volume of another's files", change: []string{"tried-v", "paper-clip-files", "tried", "paper"},
			errs: []string{`spec.volumes[0].name: Duplicate value: "paper-clip-files": is the name of a volume of ClusterSidecar paper-clip, spec.files`}},
		{name: "no fixture Pod", change: []string{"  order:", "  runAsUserOf: nobody\n  order:"},
			warns: []string{`L401: spec: at its defaults it suits no fixture Pod; simple: metadata.annotations[pillion.dev/inject]: Invalid value: "nobody": sidecar tried is to run as this container's user, but there is no such container; the Pod has app`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := goodLint
			for i := 0; i+1 < len(c.change); i += 2 {
				text = strings.ReplaceAll(text, c.change[i], c.change[i+1])
			}
			if len(c.change) > 0 && text == goodLint {
				t.Fatal("nothing is changed")
			}
			errs, warnings := parseAndLint(t, lintCatalog(t), text)
			var gotErrs, gotWarns []string
			for _, e := range errs {
				gotErrs = append(gotErrs, e.Error())
			}
			for _, w := range warnings {
				gotWarns = append(gotWarns, w.Code+": "+w.Text)
			}
			if diff := cmp.Diff(c.errs, gotErrs); diff != "" {
				t.Errorf("errors (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(c.warns, gotWarns); diff != "" {
				t.Errorf("warnings (-want +got)\n%s", diff)
			}
		})
	}
}

// TestLintOfBuiltins: the project's own entries give no cause for a warning, but for debug's Pod Security level and for
// confd-join's ordinary container, which is the only kind that can join another.
func TestLintOfBuiltins(t *testing.T) {
	for _, e := range sidecars.Builtin().All() {
		errs, warnings := sidecars.Builtin().Lint(e)
		expected := map[string]string{"debug": sidecars.CodePrivileged, "confd-join": sidecars.CodeRegularPlacement}
		if len(warnings) == 1 && warnings[0].Code == expected[e.Name] {
			warnings = nil
		}
		if len(errs)+len(warnings) > 0 {
			t.Errorf("%s: %v %v", e.Name, errs, warnings)
		}
	}
}

// TestLintFiles lints documents against one another and a base, and looks for the lines.
func TestLintFiles(t *testing.T) {
	entry := func(kind, meta, name, more string) string {
		return "apiVersion: pillion.dev/v1alpha1\nkind: " + kind + "\nmetadata: {name: " + name + meta + "}\nspec:\n  description: x\n  containers:\n    - name: " + name +
			"\n      image: a:1\n      resources: {requests: {cpu: 1m, memory: 1Mi}, limits: {cpu: 1m, memory: 1Mi}}\n" + more
	}
	files := map[string]string{
		"a.yaml": "# the first\n" + entry("ClusterSidecar", "", "one", "  order:\n    after: [two, nobody]\n") + "---\n" + entry("ClusterSidecar", "", "two", "  order: {after: [one]}\n"),
		"b.yaml": entry("Sidecar", "", "here", "      ports:\n        - containerPort: 7000\n") + "---\n" + entry("Sidecar", ", namespace: default", "there", "      ports: [{containerPort: 7000}]\n") +
			"---\n" + entry("Sidecar", ", namespace: other", "here", "      ports: [{containerPort: 7000}]\n"),
		"c.yaml": entry("Sidecar", "", "rival", "") + "---\n" + entry("ClusterSidecar", "", "wrong", "  flushSecs: 5\n") + "---\n" + entry("ClusterSidecar", "", "three", "  order: {after: [wrong]}\n"),
	}
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	errs, warnings := sidecars.LintFiles(fsys, lintCatalog(t))
	wantErrs := []string{
		`a.yaml:12: spec.order.after: Invalid value: "one": entries wait for one another: one after two after one`,
		`a.yaml:23: spec.order.after: Invalid value: "two": entries wait for one another: two after one after two`,
		"c.yaml:3: metadata.name: Forbidden: the cluster has an entry of the name rival, which wins: no Pod would get this one",
		`c.yaml:20: spec.flushSecs: Invalid value: "flushSecs": unknown field; did you mean "flushSeconds"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
	}
	wantWarnings := []string{
		"a.yaml:12: L301: spec.order.after[1]: there is no sidecar nobody; the catalog has metrics, one, paper-clip, rival, three, two",
		"b.yaml:11: L304: spec.containers[0].ports[0].containerPort: port 7000/TCP is also that of Sidecar there of Namespace default (spec.containers[0].ports[0].containerPort)",
		"b.yaml:22: L304: spec.containers[0].ports[0].containerPort: port 7000/TCP is also that of Sidecar here of Namespace default (spec.containers[0].ports[0].containerPort)",
	}
	if diff := cmp.Diff(wantErrs, texts(errs)); diff != "" {
		t.Errorf("errors (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(wantWarnings, texts(warnings)); diff != "" {
		t.Errorf("warnings (-want +got)\n%s", diff)
	}
	if errs, warnings := sidecars.LintFiles(fstest.MapFS{"a.yaml": {Data: []byte("a: [")}}, sidecars.Builtin()); len(errs) != 1 || len(warnings) > 0 {
		t.Errorf("a file that is no YAML: %v %v", errs, warnings)
	}
	if errs, warnings := sidecars.LintFiles(os.DirFS("catalog"), sidecars.Builtin()); len(errs) > 0 || len(warnings) != 2 || !strings.Contains(warnings[0].Error(), "confd-join.yaml:") || !strings.HasPrefix(warnings[1].Error(), "debug.yaml:10: L106: ") {
		t.Errorf("the embedded entries over themselves: %v %v", errs, warnings)
	}
}

func texts(errs []error) []string {
	var out []string
	for _, e := range errs {
		out = append(out, e.Error())
	}
	return out
}

// TestLintOfManyEntries lints an entry among a thousand that claim the same.
func TestLintOfManyEntries(t *testing.T) {
	var entries []*sidecars.Entry
	for n := range 1000 {
		entries = append(entries, mustParse(t, asJSON(t, strings.Replace(ordinary(n), "/data/"+fmt.Sprint(n), "/data/same", 1))))
	}
	catalog := sidecars.NewCatalog(entries...)
	errs, warnings := catalog.Lint(entries[500])
	want := []string{"L306: spec.volumes[0].share[0].mountPath: /data/same is also a path of ClusterSidecar e0000 (spec.volumes[0].share[0].mountPath), ClusterSidecar e0001 (spec.volumes[0].share[0].mountPath), " +
		"ClusterSidecar e0002 (spec.volumes[0].share[0].mountPath) and 996 more"}
	var got []string
	for _, w := range warnings {
		got = append(got, w.Code+": "+w.Text)
	}
	if diff := cmp.Diff(want, got); len(errs) > 0 || diff != "" {
		t.Errorf("%v (-want +got)\n%s", errs, diff)
	}
}

// TestLintCodes: every code is described, and brought about by a case above.
func TestLintCodes(t *testing.T) {
	source, err := os.ReadFile("lint_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for code, text := range sidecars.LintCodes() {
		if !strings.HasPrefix(code, "L") || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %s", code, text)
		}
		if !bytes.Contains(source, []byte(code+": spec")) && !bytes.Contains(source, []byte(code+": metadata")) {
			t.Errorf("no case brings about %s", code)
		}
		if sidecars.Codes()[code] != "" {
			t.Errorf("%s is a warning of injection too", code)
		}
	}
}
