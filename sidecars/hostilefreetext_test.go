package sidecars_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// use is one place in which free text may stand.
type use struct {
	name string
	// spec is what the entry has there, as YAML below spec; ctr as YAML below its container.
	spec, ctr string
	// at is the scalar's JSON pointer in the Pod, or in the file of that format.
	at     string
	format v1alpha1.FileFormat
	expand expansion
	// around is the text in which the value stands, with a hole %s.
	around string
}

func uses() []use {
	list := []use{
		{"an argument", "", `args: ["--a", $(params.text)]`, "/spec/initContainers/0/args/1", "", byKubelet, "%s"},
		{"within an argument", "", `args: ["--a=<$(params.text)>"]`, "/spec/initContainers/0/args/0", "", byKubelet, "--a=<%s>"},
		{"an argument before a bracket", "", `args: ["$(params.text)(TOKEN)"]`, "/spec/initContainers/0/args/0", "", byKubelet, "%s(TOKEN)"},
		{"an argument behind a reference", "", `args: ["$(NONE)$(params.text)"]`, "/spec/initContainers/0/args/0", "", byKubelet, "$(NONE)%s"},
		{"twice in an argument", "", `args: ["$(params.text)|$(params.text)"]`, "/spec/initContainers/0/args/0", "", byKubelet, "%[1]s|%[1]s"},
		{"a command", "", `command: [$(params.text)]`, "/spec/initContainers/0/command/0", "", byKubelet, "%s"},
		{"an environment variable", "", `env: [{name: TOKEN, value: x}, {name: A, value: $(params.text)}]`, "/spec/initContainers/0/env/1/value", "", byKubelet, "%s"},
		{"a probe's command", "", `livenessProbe: {exec: {command: [a, $(params.text)]}}`, "/spec/initContainers/0/livenessProbe/exec/command/1", "", byKubelet, "%s"},
		{"a probe's header", "", `livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: a, value: $(params.text)}]}}`, "/spec/initContainers/0/livenessProbe/httpGet/httpHeaders/0/value", "", asIs, "%s"},
		{"a working directory", "", `workingDir: $(params.text)`, "/spec/initContainers/0/workingDir", "", asIs, "%s"},
		{"a reference to a key of a Secret", "", `env: [{name: A, valueFrom: {secretKeyRef: {name: $(params.text), key: a}}}]`, "/spec/initContainers/0/env/0/valueFrom/secretKeyRef/name", "", asIs, "%s"},
		{"a variable of the app", `appEnv: [{name: A, value: $(params.text)}]`, "", "/spec/containers/0/env/0/value", "", byKubelet, "%s"},
		{"the name of a ConfigMap", `volumes: [{name: host-v, configMap: {name: $(params.text)}}]`, `volumeMounts: [{name: host-v, mountPath: /v, readOnly: true}]`, "/spec/volumes/0/configMap/name", "", asIs, "%s"},
		{"an attribute of a CSI volume", `volumes: [{name: host-v, csi: {driver: a, volumeAttributes: {a: $(params.text)}}}]`, "", "/spec/volumes/0/csi/volumeAttributes/a", "", asIs, "%s"},
		{"a path to mount at", `volumes: [{name: host-v, emptyDir: {sizeLimit: 1Mi}}]`, `volumeMounts: [{name: host-v, mountPath: /m/$(params.text)}]`, "/spec/initContainers/0/volumeMounts/0/mountPath", "", asIs, "/m/%s"},
		{"a subPath", `volumes: [{name: host-v, emptyDir: {sizeLimit: 1Mi}}]`, `volumeMounts: [{name: host-v, mountPath: /m, subPath: s/$(params.text)}]`, "/spec/initContainers/0/volumeMounts/0/subPath", "", asIs, "s/%s"},
		{"a shared path", `volumes: [{name: host-v, emptyDir: {sizeLimit: 1Mi}, share: [{containers: ["*"], mountPath: /m/$(params.text)}]}]`, "", "/spec/containers/0/volumeMounts/0/mountPath", "", asIs, "/m/%s"},
	}
	for _, format := range []v1alpha1.FileFormat{v1alpha1.FormatYAML, v1alpha1.FormatJSON, v1alpha1.FormatTOML} {
		for expands, expand := range map[bool]expansion{false: asIs, true: byCollector} {
			file := func(data string) string {
				return fmt.Sprintf("files: [{name: f, mountPath: /etc/f, format: %s, dollarExpands: %t, data: %s}]", format, expands, data)
			}
			what := fmt.Sprintf(" of a %s file (expands: %t)", format, expands)
			list = append(list,
				use{"a scalar" + what, file(`{a: $(params.text), b: x}`), "", "/a", format, expand, "%s"},
				use{"within a scalar" + what, file(`{a: {b: "<$(params.text)>"}}`), "", "/a/b", format, expand, "<%s>"},
				use{"a scalar in a list" + what, file(`{a: [x, $(params.text), z]}`), "", "/a/1", format, expand, "%s"},
				use{"a scalar with a condition" + what, file(`{a: {$when: {text: ["*"]}, b: $(params.text)}}`), "", "/a/b", format, expand, "%s"},
				use{"a scalar in a list of maps" + what, file(`{a: [{b: x}, {b: $(params.text), c: y}]}`), "", "/a/1/b", format, expand, "%s"})
		}
	}
	return list
}

func (u *use) catalog(t *testing.T) *sidecars.Catalog {
	t.Helper()
	entry := `
apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: host}
spec:
  parameters: {text: {type: string, required: true, maxLength: 4096, example: any}}
  containers:
    - name: host
      image: host:1
      resources: {limits: {cpu: 1m, memory: 1Mi}}
`
	if u.ctr != "" {
		entry += "      " + u.ctr + "\n"
	}
	if u.spec != "" {
		entry += "  " + u.spec + "\n"
	}
	// Not proved: no name of a ConfigMap is as long as the longest text.
	catalog, err := sidecars.Load(fstest.MapFS{"host.yaml": {Data: []byte(entry)}})
	if err != nil {
		t.Fatalf("%v\n%s", err, entry)
	}
	return catalog
}

// TestHostileFreeText puts every value wherever free text may stand: it is refused, or it is that one scalar of the Pod, or
// of the file as its own program reads it, and means nothing more.
func TestHostileFreeText(t *testing.T) {
	const benign = "benign"
	for _, u := range uses() {
		t.Run(u.name, func(t *testing.T) {
			catalog := u.catalog(t)
			ask := func(v string) (*sidecars.Result, []byte) {
				pod := hostilePod(t, map[string]string{v1alpha1.AnnotationInject: "host", "pillion.dev/host.text": v})
				res, after, err := run(catalog, pod, &sidecars.Namespace{})
				if err != nil {
					t.Fatalf("%q: %v", v, err)
				}
				return res, after
			}
			_, after := ask(benign)
			want := scalars(t, catalog, after)
			at := u.at
			if u.format != "" {
				at = "file:f" + u.at
			}
			accepted := 0
			for _, v := range hostileValues {
				v = strings.ToValidUTF8(v, strings.Repeat("\ufffd", len(v))) // what JSON makes of it
				res, after := ask(v)
				if after == nil {
					if err := refusedByField(res, "pillion.dev/host.text"); err != nil {
						t.Errorf("%.60q: %v", v, err)
					}
					continue
				}
				accepted++
				got := scalars(t, catalog, after)
				if v == "" && strings.Contains(u.name, "condition") {
					continue
				}
				places := slices.DeleteFunc(differing(want, got), func(p string) bool { return u.name == "a shared path" && strings.HasSuffix(p, "/status") })
				if diff := cmp.Diff([]string{at}, places); diff != "" {
					t.Errorf("%.100q: differs (-want +got) at %s", v, diff)
					continue
				}
				read := u.expand(strings.TrimPrefix(got[at], "text "))
				if exact := fmt.Sprintf(u.around, v); read != exact {
					t.Errorf("%.100q: is read as %.200q, want %.200q", v, read, exact)
				}
			}
			if accepted < len(hostileValues)/2 {
				t.Errorf("only %d of %d values are accepted: the test says little", accepted, len(hostileValues))
			}
			t.Logf("%d accepted, %d refused", accepted, len(hostileValues)-accepted)
		})
	}
}

// TestHostileItems puts every value into a list, whose grammar cuts it at commas, and into the fields of an item.
func TestHostileItems(t *testing.T) {
	catalog, err := sidecars.Load(fstest.MapFS{"host.yaml": {Data: []byte(`
apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: host}
spec:
  parameters:
    list: {type: list, items: {type: string, maxLength: 4096}}
    pairs: {type: list, items: {fields: {a: {type: string, maxLength: 4096, required: true}, b: {type: string}}}}
  files:
    - {name: "y", mountPath: /y, format: yaml, data: {list: [{$each: params.list, $item: $(item)}], pairs: [{$each: params.pairs, a: $(item.a), b: $(item.b)}]}}
    - {name: t, mountPath: /t, format: toml, dollarExpands: true, data: {list: [{$each: params.list, $item: $(item)}], pairs: [{$each: params.pairs, a: $(item.a), b: $(item.b)}]}}
  containers:
    - name: host
      image: host:1
      args: [{$each: params.list, $item: $(item)}]
      resources: {limits: {cpu: 1m, memory: 1Mi}}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range hostileValues {
		v = strings.ToValidUTF8(v, strings.Repeat("\ufffd", len(v)))
		pod := hostilePod(t, map[string]string{v1alpha1.AnnotationInject: "host", "pillion.dev/host.list": v, "pillion.dev/host.pairs": "a=" + v})
		res, after, err := run(catalog, pod, &sidecars.Namespace{})
		if err != nil {
			t.Fatalf("%q: %v", v, err)
		}
		if after == nil {
			for _, e := range res.Errors {
				if !strings.HasPrefix(e.Field, "metadata.annotations") {
					t.Errorf("%.60q: is refused for %s", v, e.Field)
				}
			}
			continue
		}
		got := scalars(t, catalog, after)
		for i, item := range cutItems(v, ",") {
			for at, expand := range map[string]expansion{"/spec/initContainers/0/args/": byKubelet, "file:y/list/": asIs, "file:t/list/": byCollector} {
				if read := expand(strings.TrimPrefix(got[at+strconv.Itoa(i)], "text ")); read != item {
					t.Errorf("%.60q: %s%d is read as %q, want %q", v, at, i, read, item)
				}
			}
		}
		for i, item := range cutItems("a="+v, ";") {
			a := strings.TrimPrefix(item, "a=")
			for at, expand := range map[string]expansion{"file:y/pairs/": asIs, "file:t/pairs/": byCollector} {
				if read := expand(strings.TrimPrefix(got[at+strconv.Itoa(i)+"/a"], "text ")); read != a {
					t.Errorf("%.60q: %s%d/a is read as %q, want %q", v, at, i, read, a)
				}
			}
		}
		if _, more := got["/spec/initContainers/0/args/"+strconv.Itoa(len(cutItems(v, ",")))]; more {
			t.Errorf("%.60q: there are more arguments than items", v)
		}
	}
}

// expansion is what is done to a scalar by whoever reads it.
type expansion func(string) string

func asIs(s string) string { return s }

// byKubelet expands references as the kubelet does:
// https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/ and
// k8s.io/kubernetes/third_party/forked/golang/expansion. TOKEN is a Secret's.
func byKubelet(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		rest := s[i+1:]
		end := strings.IndexByte(rest, ')')
		switch {
		case s[i] != '$' || rest == "":
			out.WriteByte(s[i])
		case rest[0] == '$':
			out.WriteByte('$')
			i++
		case rest[0] == '(' && end >= 0:
			name := rest[1:end]
			out.WriteString(map[bool]string{true: "secret", false: "$(" + name + ")"}[name == "TOKEN" || name == "X"])
			i += end + 1
		default:
			out.WriteString("$")
		}
	}
	return out.String()
}

// byCollector expands references as the OpenTelemetry Collector does, the old form too:
// https://opentelemetry.io/docs/collector/configuration/#environment-variables
func byCollector(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		rest := s[i+1:]
		end := strings.IndexByte(rest, '}')
		switch {
		case s[i] != '$' || rest == "":
			out.WriteByte(s[i])
		case rest[0] == '$':
			out.WriteByte('$')
			i++
		case rest[0] == '{' && end >= 0:
			out.WriteString("secret")
			i += end + 1
		default:
			out.WriteString("secret")
		}
	}
	return out.String()
}
