package sidecars_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// hostileValues are values that mean something to one of the languages that a value passes on its way, or to none.
var hostileValues = []string{
	// JSON
	`"`, `\`, `\"`, `"}`, `"}]}}`, `", "privileged": true, "x": "`, `{"a": 1}`, `["a"]`, `\u0022`, `\u0000`, `\n`, `"\n"`, `\\`, `\/`, `null`, `true`, `1e309`,
	`"},{"op":"remove","path":"/spec"}`, `/metadata/annotations/x`, `~0~1`, `a/b~c`, `]`, `}`,
	// YAML
	`- a`, `a: b`, `: `, `a: {b: c}`, `{a: b}`, `[a, b]`, `# comment`, `a # comment`, `&a`, `*a`, `&a *a`, `<<: *a`, `!!binary aGk=`, `!ruby/object:Gem`, `|`, `>-`, `%YAML 1.1`, `---`, `...`,
	`'`, `''`, `'"'`, `~`, `yes`, `no`, `on`, `.inf`, `0x1F`, `0o17`, `1_000`, `12:30:45`, `2001-12-14`, `? a`, `@a`, "`a`", `- - -`, `a:`, `"a": "b"`, `key: "value" # x`, `=`, `<<`,
	// TOML
	`"""`, `'''`, `""" + """`, `[table]`, `[[table]]`, `a = 1`, `"a" = "b"`, `\U0001F600`, `\x41`, `inf`, `nan`,
	// shells and programs
	`$(TOKEN)`, `$$(TOKEN)`, `$$$(TOKEN)`, `$$$$(TOKEN)`, `$`, `$$`, `$$$`, `$(`, `$)`, `(TOKEN)`, `$TOKEN`, `${TOKEN}`, `${env:TOKEN}`, `$${env:TOKEN}`, `${file:/etc/passwd}`, `${env:X:-${env:Y}}`,
	`x$(TOKEN)y$(TOKEN)z`, `$(TOKEN`, `$()`, `$( TOKEN )`, `$(TOKEN)$`, `$(NOSUCH)`, `$(params.text)`, `$(params.other)`, `$$(params.text)`, `$(item)`, `$(item.a)`, `$(params.`, `$when`, `$each`, `$item`,
	"`id`", `; rm -rf /`, `&& id`, `|| id`, `| id`, `> /etc/passwd`, `a b`, ` a`, `a `, `*`, `?`, `[a-z]`, `!!`, `-rf`, `--config=/etc/passwd`, `%s%n`, `%n%n%n`, `%[2]*.[1]*`,
	// HAProxy, Go templates and others
	`} use_backend x if { always_true }`, `server evil 10.0.0.1:80`, `%[env(TOKEN)]`, `{{ . }}`, `{{ printf "%s" .TOKEN }}`, `{{/* */}}`, `}}`, `<% id %>`, `#{id}`, `${{ secrets.X }}`, `<script>&amp;</script>`, `<!--`,
	`' OR 1=1 --`, `../../etc/passwd`, `/../..`, `/a/../../b`, `C:\windows`, `http://u:p@evil.example/`, `http://evil.example#@good.example`, `http://[::1`, `file:///etc/passwd`, `javascript:alert(1)`, `//evil.example`,
	`=cmd|' /C calc'!A0`, `a,b`, `a;b`, `a=b,c=d`, `,`, `;`, `,,,`, `k=v;k=v`,
	// characters
	"a\nb", "\n", "\r\n", "a\r", "a\tb", "\x00", "a\x00b", "\x1b[31m", "\x07", "\b", "\x7f", "\u0085", "\u00a0", "\u2028", "\u2029", "\ufeff", "a\ufeffb", "\u200b", "\u200d", "\u202e", "\u2066", "\ufffd", "\uffff", "\ufff9",
	"\xff", "\xc0\x80", "\xed\xa0\x80", "é", "世界", "🛵", "e\u0301", "ſ", "K", "\u00ad", "\U000e0001", "\ue000",
	// lengths
	"", " ", strings.Repeat("a", 253), strings.Repeat("a", 254), strings.Repeat("$", 300), strings.Repeat(`"`, 1000), strings.Repeat("a", 4096), strings.Repeat("é", 2048), strings.Repeat("a", 4097), strings.Repeat("a", 64<<10), strings.Repeat("[", 64<<10),
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

func hostilePod(t *testing.T, annotations map[string]string) []byte {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "app", "annotations": annotations},
		"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": "app:1", "securityContext": map[string]any{"runAsUser": 1, "runAsGroup": 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return object
}

// scalars gives every scalar of a Pod by its JSON pointer, without the request; where an annotation is a file, every
// scalar of it as its own program reads it.
func scalars(t *testing.T, catalog *sidecars.Catalog, pod []byte) map[string]string {
	t.Helper()
	v, err := decoded(pod)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	flatten(out, "", v)
	for k, text := range maps.Clone(out) {
		rest, isFile := strings.CutPrefix(k, "/metadata/annotations/"+v1alpha1.AnnotationFilePrefix)
		name, file, _ := strings.Cut(rest, ".")
		switch {
		case isFile:
			delete(out, k)
			for _, f := range catalog.Entry("", name).Spec.Files {
				if f.Name == file {
					flatten(out, "file:"+file, fileTree(t, f.Format, strings.TrimPrefix(text, "text ")))
				}
			}
		case strings.HasPrefix(k, "/metadata/annotations/pillion.dev/") && !strings.HasSuffix(k, "/status"):
			delete(out, k)
		}
	}
	return out
}

// fileTree parses a file as its program does; a file of lines is a list of lines, each a list of words.
func fileTree(t *testing.T, format v1alpha1.FileFormat, text string) any {
	t.Helper()
	var v map[string]any
	var err error
	switch format {
	case v1alpha1.FormatYAML:
		var other map[string]any
		err = yaml.Unmarshal([]byte(text), &v)
		if err == nil {
			err = sigsyaml.UnmarshalStrict([]byte(text), &other)
		}
		a, b := map[string]string{}, map[string]string{}
		flatten(a, "", v)
		flatten(b, "", other)
		if diff := cmp.Diff(a, b); diff != "" && err == nil {
			t.Fatalf("two readers of YAML read\n%s\nin two ways: %s", text, diff)
		}
	case v1alpha1.FormatTOML:
		err = toml.Unmarshal([]byte(text), &v)
	case v1alpha1.FormatJSON:
		err = json.Unmarshal([]byte(text), &v)
	default:
		var lines []any
		for line := range strings.Lines(text) {
			var words []any
			for _, w := range strings.Fields(line) {
				words = append(words, w)
			}
			lines = append(lines, words)
		}
		return lines
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return v
}

func flatten(out map[string]string, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		out[at] = "object"
		for k, below := range v {
			flatten(out, at+"/"+k, below)
		}
	case []any:
		out[at] = "list"
		for i, below := range v {
			flatten(out, at+"/"+strconv.Itoa(i), below)
		}
	case []map[string]any:
		out[at] = "list"
		for i, below := range v {
			flatten(out, at+"/"+strconv.Itoa(i), below)
		}
	case string:
		out[at] = "text " + v
	default:
		out[at] = fmt.Sprint(v)
		if n, err := strconv.ParseFloat(out[at], 64); err == nil {
			out[at] = strconv.FormatFloat(n, 'g', -1, 64)
		}
	}
}

// differing lists the pointers at which two Pods differ.
func differing(a, b map[string]string) []string {
	var out []string
	for _, at := range slices.Sorted(maps.Keys(a)) {
		if v, ok := b[at]; !ok || v != a[at] {
			out = append(out, at)
		}
	}
	for _, at := range slices.Sorted(maps.Keys(b)) {
		if _, ok := a[at]; !ok {
			out = append(out, at)
		}
	}
	return out
}

// refusedByField checks that every reason of a refusal is about the annotation.
func refusedByField(res *sidecars.Result, key string) error {
	if res.Outcome != sidecars.Denied || len(res.Errors) == 0 {
		return fmt.Errorf("is %s", res.Outcome)
	}
	for _, e := range res.Errors {
		if e.Field != "metadata.annotations["+key+"]" && e.Field != "metadata.annotations" {
			return fmt.Errorf("is refused for another field: %w", e)
		}
		if len(e.Error()) > 1000 {
			return fmt.Errorf("is refused with %d bytes of text", len(e.Error()))
		}
	}
	return nil
}

func TestHostileValuesAreDistinct(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range hostileValues {
		if seen[v] {
			t.Errorf("%q is there twice", v)
		}
		seen[v] = true
	}
	if len(seen) < 120 {
		t.Errorf("there are %d, want at least 120", len(seen))
	}
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

// cutItems cuts a list as an annotation gives it.
func cutItems(v, sep string) []string {
	var out []string
	for _, it := range strings.Split(v, sep) {
		if it = strings.TrimSpace(it); it != "" {
			out = append(out, it)
		}
	}
	return out
}

// TestHostileBuiltin sets every parameter of every embedded entry to every value, and in the modes that the entry has: it
// is refused, or the Pod differs from the one with a benign value in the scalars that hold that value, and in nothing else.
func TestHostileBuiltin(t *testing.T) {
	catalog := propertyCatalog(t)
	for _, name := range sidecars.Builtin().Names("") {
		e := catalog.Entry("", name)
		t.Run(name, func(t *testing.T) {
			accepted, refused, scalarsSeen := 0, 0, 0
			for _, param := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
				p := e.Spec.Parameters[param]
				if p.Enum != nil || p.Type == v1alpha1.TypeBoolean {
					continue
				}
				var taken []string
				for i, mode := range modes(e) {
					b := &builtinCase{t: t, catalog: catalog, name: name, param: param, decl: &p, mode: mode}
					// All in the first mode; what it takes there, a quarter in every other.
					for j, v := range hostileValues {
						if i > 0 && (!slices.Contains(taken, v) || j%4 != i%4) {
							continue
						}
						n := b.try(v)
						if n < 0 {
							refused++
							continue
						}
						if i == 0 {
							taken = append(taken, v)
						}
						accepted++
						scalarsSeen += n
					}
				}
			}
			t.Logf("%d accepted, in %d scalars; %d refused", accepted, scalarsSeen, refused)
			if refused == 0 || accepted > 0 && scalarsSeen == 0 {
				t.Error("the test says nothing")
			}
		})
	}
}

// modes are settings of an entry: what it needs, with one choice after the other.
func modes(e *sidecars.Entry) []map[string]string {
	base := map[string]string{}
	for name, p := range e.Spec.Parameters {
		if p.Required || name == "upstream-port" {
			base[name] = benignValue(&p, 1)
		}
	}
	out := []map[string]string{base}
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
		p := e.Spec.Parameters[name]
		choices := p.Enum
		if p.Type == v1alpha1.TypeBoolean {
			choices = []string{"true", "false"}
		}
		if len(choices) > 4 {
			continue
		}
		for _, c := range choices {
			with := maps.Clone(base)
			with[name] = c
			out = append(out, with)
		}
	}
	return out
}

// benignValue is a value that a parameter takes, n times where it is a list.
func benignValue(p *v1alpha1.Parameter, n int) string {
	if p.Default != nil && slices.Equal(p.Default.List, []string{"*"}) {
		return "app" + strings.Repeat(",app", n-1) // names of containers
	}
	if p.Type == v1alpha1.TypeList {
		var out []string
		for range n {
			if p.Items.Fields == nil {
				out = append(out, benignValue(&v1alpha1.Parameter{Bounds: p.Items.Bounds}, 1))
				continue
			}
			var pairs []string
			for _, f := range slices.Sorted(maps.Keys(p.Items.Fields)) {
				d := v1alpha1.Parameter{Bounds: p.Items.Fields[f]}
				pairs = append(pairs, f+"="+benignValue(&d, 1))
			}
			out = append(out, strings.Join(pairs, ","))
		}
		return strings.Join(out, map[bool]string{true: ",", false: ";"}[p.Items.Fields == nil])
	}
	switch {
	case p.Example != nil:
		return p.Example.Text
	case p.Enum != nil:
		return p.Enum[0]
	case p.Default != nil && p.Default.Text != "":
		return p.Default.Text
	case p.Minimum != "":
		return p.Minimum
	}
	return map[v1alpha1.ParameterType]string{
		v1alpha1.TypeString: "benign", v1alpha1.TypeInteger: "7", v1alpha1.TypeQuantity: "77Mi", v1alpha1.TypeDuration: "77s", v1alpha1.TypePort: "7777",
		v1alpha1.TypePath: "/benign", v1alpha1.TypeURL: "http://benign.example", v1alpha1.TypeSecretName: "benign", v1alpha1.TypeConfigMapName: "benign",
	}[p.Type]
}

type builtinCase struct {
	t           *testing.T
	catalog     *sidecars.Catalog
	name, param string
	decl        *v1alpha1.Parameter
	mode        map[string]string
	// benign Pods by the number of items.
	benign map[int]map[string]string
}

func (b *builtinCase) ask(v string) (*sidecars.Result, []byte) {
	b.t.Helper()
	annotations := map[string]string{v1alpha1.AnnotationInject: b.name}
	for k, v := range b.mode {
		annotations["pillion.dev/"+b.name+"."+k] = v
	}
	annotations["pillion.dev/"+b.name+"."+b.param] = v
	res, after, err := run(b.catalog, hostilePod(b.t, annotations), &sidecars.Namespace{})
	if err != nil {
		b.t.Fatalf("%s=%q: %v", b.param, v, err)
	}
	return res, after
}

// try gives the number of scalars that hold the value, or -1 where it is refused.
func (b *builtinCase) try(v string) int {
	t := b.t
	v = strings.ToValidUTF8(v, strings.Repeat("\ufffd", len(v)))
	res, after := b.ask(v)
	if after == nil {
		if err := refusedByField(res, "pillion.dev/"+b.name+"."+b.param); err != nil {
			t.Errorf("%s=%.60q %v: %v", b.param, v, b.mode, err)
		}
		return -1
	}
	parts := []string{v}
	if b.decl.Type == v1alpha1.TypeList {
		parts = cutItems(v, map[bool]string{true: ",", false: ";"}[b.decl.Items.Fields == nil])
	}
	if len(parts) == 0 || v == "" {
		return 0 // as if it were not given
	}
	want := b.benignPod(len(parts))
	if want == nil {
		return 0
	}
	got := scalars(t, b.catalog, after)
	count := 0
	for _, at := range differing(want, got) {
		if strings.HasSuffix(at, "/status") {
			continue
		}
		count++
		if !b.holdsOnly(want[at], got[at], parts) {
			t.Errorf("%s=%.60q %v: %s is %.200q, was %.200q", b.param, v, b.mode, at, got[at], want[at])
		}
	}
	return count
}

func (b *builtinCase) benignPod(n int) map[string]string {
	if b.benign == nil {
		b.benign = map[int]map[string]string{}
	}
	if _, ok := b.benign[n]; !ok {
		res, after := b.ask(benignValue(b.decl, n))
		if after == nil && n == 1 && len(b.benign) == 0 {
			b.t.Errorf("%s=%q %v: is %s: %v", b.param, benignValue(b.decl, n), b.mode, res.Outcome, res.Errors)
		}
		if after != nil {
			b.benign[n] = scalars(b.t, b.catalog, after)
		}
	}
	return b.benign[n]
}

// holdsOnly reports whether a scalar differs from the benign one in that it has one of the values, once, where the other
// has the benign value.
func (b *builtinCase) holdsOnly(was, is string, values []string) bool {
	benign := benignValue(b.decl, 1)
	for i := range len(was) - len(benign) + 1 {
		if was[i:i+len(benign)] != benign {
			continue
		}
		for _, v := range values {
			for _, written := range []string{v, strings.ReplaceAll(v, "$", "$$")} {
				if is == was[:i]+written+was[i+len(benign):] {
					return true
				}
			}
		}
	}
	return false
}

// TestNothingElseCanBeOverridden sets every field of a container, and more, as if it were a parameter.
func TestNothingElseCanBeOverridden(t *testing.T) {
	catalog := propertyCatalog(t)
	fields := []string{"image", "command", "args", "workingDir", "ports", "env-from", "env", "resources", "resize-policy", "restart-policy", "volume-mounts",
		"volume-devices", "liveness-probe", "readiness-probe", "startup-probe", "lifecycle", "termination-message-path", "image-pull-policy",
		"security-context", "securityContext", "stdin", "tty", "name", "volumes", "files", "app-env", "run-as-user-of", "share-process-namespace",
		"service-account-token", "flush-seconds", "order", "namespace-selector", "placement", "when", "privileged", "hostNetwork", "spec", "template", "patch"}
	for _, name := range catalog.Names("") {
		e := catalog.Entry("", name)
		for _, f := range fields {
			if _, declared := e.Spec.Parameters[f]; declared {
				continue
			}
			key := "pillion.dev/" + name + "." + f
			res, _, err := run(catalog, hostilePod(t, map[string]string{v1alpha1.AnnotationInject: name, key: "x"}), &sidecars.Namespace{Labels: map[string]string{"team": "keepers"}})
			if err != nil {
				t.Fatal(err)
			}
			found := strings.Contains(fmt.Sprint(res.Errors), key)
			if res.Outcome != sidecars.Denied || !found {
				t.Errorf("%s: %s: %v", key, res.Outcome, res.Errors)
			}
		}
	}
}
