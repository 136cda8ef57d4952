package adapter

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestEveryMistakeOfEveryFileIsToldAtOnce(t *testing.T) {
	_, err := Parse(Files{
		{"adapter.yaml", []byte(`listen: 9180
intervall: 5s
label: le
metrics:
  - {name: App, port: 99999}
  - {name: x, url: "http://example.com/metrics"}
  - {name: y}
  - {name: y, port: 1, file: /x}
  - {name: adapter, socket: x}
  - {name: z, port: 1, tls: {insecure: true}, path: metrics}
  - {name: s, url: "https://localhost/", tls: {ca: /does/not/exist}}
`)},
		{"more.yaml", []byte(`listen: ":1"
pages:
  - {name: p, file: /x, format: health, metrics: [{name: a, at: ok}]}
  - {name: q, port: 1}
health:
  window: 2h
  rules:
    - {name: r1, check: "value('x') <"}
    - {name: r1, check: "value('x{') < 1.0"}
    - {name: r2, check: "value('x')"}
    - {name: r3, check: "rate('x', '9h') > 1.0"}
    - {name: r4, check: "nothing('x') > 1.0"}
    - {name: r5, check: "value('a' + 'b') > 1.0"}
    - {name: r6, check: "value('a') == 1"}
    - {name: r7}
`)},
	})
	if err == nil {
		t.Fatal("no mistake was found")
	}
	want := []string{
		"adapter.yaml:1: listen: must be an address such as :9180 or 127.0.0.1:9180",
		"adapter.yaml:2: intervall: is not known; known: fresh, health, include, interval, label, listen, maxAnswerBytes, maxSeries, metrics, pages, timeout",
		"adapter.yaml:3: label: must be a label's name: letters, digits and _, not beginning with a digit or __, and neither le nor quantile",
		"adapter.yaml:5: metrics[0].name: must be at most 63 lower-case letters, digits and -, with a letter or digit at both ends",
		"adapter.yaml:5: metrics[0].port: must be a whole number from 1 to 65535",
		"adapter.yaml:6: metrics[1].url: must be on localhost: the adapter asks the containers of its own Pod only",
		"adapter.yaml:7: metrics[2]: must have one of port, url, socket, file",
		`adapter.yaml:8: metrics[3].name: "y" is the name of another source`,
		"adapter.yaml:8: metrics[3]: must have one of port, url, socket, file",
		"adapter.yaml:9: metrics[4].name: adapter is the name of the adapter's own metrics",
		"adapter.yaml:9: metrics[4].socket: must be a clean absolute path",
		"adapter.yaml:10: metrics[5].path: must begin with / and hold no white space and no #",
		"adapter.yaml:10: metrics[5].tls: is for a source with a url",
		"adapter.yaml:11: metrics[6].tls.ca: open /does/not/exist: no such file or directory",
		"more.yaml:1: listen: is not known; known: health, metrics, pages",
		"more.yaml:3: pages[0].format: a file has no status",
		"more.yaml:4: pages[1].metrics: is required: the metrics to make of the page",
		"more.yaml:6: health.window: must be from 1s to 1h0m0s",
		"more.yaml:8: health.rules[0].check: column 13: Syntax error: mismatched input '<EOF>'",
		`more.yaml:9: health.rules[1].name: "r1" is the name of another rule`,
		`more.yaml:9: health.rules[1].check: value: "x{" selects no series: write name or name{label="value"}`,
		"more.yaml:10: health.rules[2].check: gives a double; a rule gives true or false",
		`more.yaml:11: health.rules[3].check: rate: "9h" must be a duration from 1s to 1h0m0s`,
		"more.yaml:12: health.rules[4].check: column 8: undeclared reference to 'nothing' (in container '')",
		"more.yaml:13: health.rules[5].check: value takes texts that are written out, such as value('name')",
		"more.yaml:14: health.rules[6].check: column 12: found no matching overload for '_==_' applied to '(double, int)': write the number with a point, such as 1.0",
		"more.yaml:15: health.rules[7].check: is required",
	}
	if diff := cmp.Diff(want, strings.Split(err.Error(), "\n")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFilesOfAFolderAreIncludedInOrder(t *testing.T) {
	dir := write(t, map[string]string{
		"b.yaml": "metrics: [{name: b, port: 2}]\n", "a.yaml": "metrics: [{name: a, port: 1}]\n", "c.txt": "no: [",
	})
	main := filepath.Join(t.TempDir(), "adapter.yaml")
	if err := os.WriteFile(main, []byte("include: "+dir+"/*.yaml\nmetrics: [{name: first, port: 3}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := ReadFiles(main)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(files)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.Sources {
		got = append(got, s.Name)
	}
	if diff := cmp.Diff([]string{"first", "a", "b"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := ReadFiles(dir + "/nope.yaml"); err == nil {
		t.Error("a file that is not there is no mistake")
	}
}

// TestTheCatalogEntryWritesWhatTheAdapterReads injects the entry with every parameter set, and reads the file that the Pod
// carries.
func TestTheCatalogEntryWritesWhatTheAdapterReads(t *testing.T) {
	pod := `{"metadata": {"name": "p", "annotations": {
		"pillion.dev/inject": "adapter",
		"pillion.dev/adapter.metrics": "name=app,port=8080;name=proxy,port=8404,path=/m",
		"pillion.dev/adapter.rules": "name=queue,check=value('queue_depth{queue=\"mail\"}') < 100,for=10s;name=errors,check=rate('errors_total') < 0.5",
		"pillion.dev/adapter.status-port": "8081",
		"pillion.dev/adapter.status-metrics": "name=q,at=/q/depth;name=jobs_total,at=/jobs/0,type=counter",
		"pillion.dev/adapter.interval": "1s", "pillion.dev/adapter.window": "30s", "pillion.dev/adapter.timeout": "100ms", "pillion.dev/adapter.grace": "0s",
		"pillion.dev/adapter.config": "more", "pillion.dev/adapter.readiness": "app", "pillion.dev/adapter.port": "9999"}},
		"spec": {"containers": [{"name": "app", "image": "a:1"}]}}`
	read, err := sidecars.ReadPod([]byte(pod))
	if err != nil {
		t.Fatal(err)
	}
	result := sidecars.Inject(sidecars.Builtin(), read, &sidecars.Namespace{Name: "demo"})
	if result.Outcome != sidecars.Injected {
		t.Fatalf("%s: %v", result.Outcome, result.Errors)
	}
	var text string
	for _, op := range result.Patch {
		if op.Path == "/metadata/annotations/pillion.dev~1file.adapter.config" {
			if err := json.Unmarshal(op.Value.(json.RawMessage), &text); err != nil {
				t.Fatal(err)
			}
		}
	}
	c, err := Parse(Files{{"adapter.yaml", []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Listen, len(c.Sources), c.Sources[2].Format, len(c.Sources[2].mappings), len(c.Health.Rules), c.Health.Grace.String(), c.Include}
	if diff := cmp.Diff([]any{":9999", 3, "json", 2, 2, "0s", "/etc/adapter/conf.d/*.yaml"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestWhatTheDocsShowIsRead reads the configuration of the docs page and those of the examples.
func TestWhatTheDocsShowIsRead(t *testing.T) {
	docs, err := os.ReadFile("../docs/sidecars/adapter.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(docs), "```yaml\n# every key")
	block, _, _ = strings.Cut(block, "```")
	texts := []string{"# every key" + strings.ReplaceAll(block, "tls: {ca: /etc/adapter/conf.d/ca.crt}", "tls: {insecure: true}")}
	for _, name := range []string{"../examples/adapter-health/nginx.yaml", "../examples/scenarios/S11-health-of-metrics.yaml"} {
		example, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, text, found := strings.Cut(string(example), ".yaml: |\n")
		if !found {
			t.Fatalf("%s has no configuration", name)
		}
		text, _, _ = strings.Cut(text, "\n---")
		texts = append(texts, text)
	}
	for _, text := range texts {
		c, err := Parse(Files{{"adapter.yaml", nil}, {"more.yaml", []byte(text)}})
		if err != nil {
			t.Errorf("%v\n%s", err, text)
			continue
		}
		if len(c.Sources) == 0 {
			t.Errorf("nothing is in it:\n%s", text)
		}
	}
}
