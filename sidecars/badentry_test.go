package sidecars_test

import (
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

// goodEntry has something of everything; every bad entry is this one with one change.
const goodEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: good
spec:
  description: An entry without a mistake.
  parameters:
    mode: {type: string, enum: [a, b], default: a, description: one of two}
    text: {type: string, description: any text}
    word: {type: string, pattern: "[a-z]+", example: abc, description: a word}
    port: {type: port, default: 8080, description: a port}
    list: {type: list, items: {type: path}, default: [/a], description: paths}
    containers: {type: list, items: {type: string}, default: ["*"], description: names}
  files:
    - name: config
      mountPath: /etc/good/config.yaml
      format: yaml
      data:
        mode: $(params.mode)
        text: $(params.text)
        list: [{$each: params.list, $item: $(item)}]
    - name: lines
      mountPath: /etc/good/lines
      format: lines
      lines:
        - port $(params.port)
        - {line: word $(params.word), when: {word: ["*"]}}
  volumes:
    - name: good-data
      emptyDir: {sizeLimit: 1Mi}
      share:
        - {containers: $(params.containers), mountPath: /data}
  containers:
    - name: good
      image: registry.example/good:1
      args: ["--port=$(params.port)"]
      ports: [{name: http, containerPort: $(params.port)}]
      volumeMounts: [{name: good-data, mountPath: /data}]
      resources:
        limits: {cpu: 100m, memory: 32Mi}
      securityContext:
        runAsNonRoot: true
  appEnv:
    - {name: GOOD_PORT, value: $(params.port)}
  flushSeconds: 5
`

// badEntry is a change of goodEntry and what Load says to it, without the name of the file.
type badEntry struct {
	name, old, new string
	want           []string
}

func badEntries() []badEntry {
	all := slices.Concat(badDocuments(), badSpecs(), badParameters(), badFiles(), badConditions(), badVolumes(), badContainers(), badMounts(), badVariables())
	return append(all, badEntry{"mistakes everywhere at once", "  flushSeconds: 5", "  flushSeconds: 601\n  flushSecond: 1\n  hostNetwork: maybe\n  order: {after: [good], befor: []}\n  runAsUserOf: $(params.nobody)", []string{
		`:46: spec.flushSecond: Invalid value: "flushSecond": unknown field; did you mean "flushSeconds"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
		`:47: spec.hostNetwork: Unsupported value: "maybe": supported values: "refused", "allowed"`,
		`:48: spec.order.after[0]: Invalid value: "good": an entry cannot be ordered against itself`,
		`:48: spec.order.befor: Invalid value: "befor": unknown field; the fields are after, conflictsWith`,
		`:49: spec.runAsUserOf: Unsupported value: "params.nobody": supported values: "containers", "list", "mode", "port", "text", "word"`,
	}})
}

func TestBadEntries(t *testing.T) {
	if _, err := sidecars.Load(fstest.MapFS{"good.yaml": {Data: []byte(goodEntry)}}); err != nil {
		t.Fatalf("the good entry: %v", err)
	}
	for _, c := range badEntries() {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(goodEntry, c.old) {
				t.Fatalf("the good entry has no %q", c.old)
			}
			text := strings.Replace(goodEntry, c.old, c.new, 1)
			got := said(t, fstest.MapFS{"good.yaml": {Data: []byte(text)}})
			for i := range got {
				got[i] = strings.TrimPrefix(got[i], "good.yaml")
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// place is what every mistake in an entry starts with: file, line and, but for text that is no YAML, the field.
var place = regexp.MustCompile(`^:\d+: (([a-z][A-Za-z]*)(\.[A-Za-z$]+|\[[^]]*\])*: |control characters|did not find|found |mapping values|the document holds|unknown anchor)`)

// notForPeople are words of Go's and of libraries.
var notForPeople = regexp.MustCompile(`v1alpha1\.|corev1|json:|yaml:|Go (struct|value)|unmarshal|interface|\[\]string|%!|<nil>`)

func TestBadEntriesAreToldWell(t *testing.T) {
	for _, c := range badEntries() {
		for _, w := range c.want {
			if !place.MatchString(w) {
				t.Errorf("%s: %q does not start with line and field", c.name, w)
			}
			if notForPeople.MatchString(w) {
				t.Errorf("%s: %q is not for people", c.name, w)
			}
		}
		if len(c.want) == 0 {
			t.Errorf("%s: nothing is wrong with it", c.name)
		}
	}
	if n := len(badEntries()); n < 60 {
		t.Errorf("there are %d, want at least 60", n)
	}
}

// said lists what Load says to a catalog, a mistake a line, and checks that it is nothing but LoadErrors.
func said(t *testing.T, files fs.FS) []string {
	t.Helper()
	var catalog *sidecars.Catalog
	var err error
	spends(t, atOnce, func() { catalog, err = sidecars.Load(files) })
	if err == nil {
		return nil
	}
	if catalog != nil {
		t.Error("there is a catalog beside the error")
	}
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		t.Fatalf("is no list of mistakes: %v", err)
	}
	var out []string
	for _, e := range many.Unwrap() {
		out = append(out, e.Error())
	}
	return out
}
