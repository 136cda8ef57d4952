package sidecars_test

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/sidecars"
)

// ordinaryEntry is of the size that most entries have: a container and a helper, two volumes, a file, five parameters.
const ordinaryEntry = `apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata:
  name: NAME
spec:
  description: An ordinary entry, number INDEX.
  parameters:
    mode: {type: string, enum: [push, pull], default: push, description: how it works}
    target: {type: url, required: true, description: where it sends}
    port: {type: port, default: "9000", description: a port}
    level: {type: string, pattern: "[a-z]+", default: info, description: how much it says}
    memory: {type: quantity, default: 64Mi, minimum: 32Mi, maximum: 1Gi, description: its limit}
  files:
    - name: config
      mountPath: /etc/NAME/config.yaml
      format: yaml
      data: {mode: $(params.mode), level: $(params.level), listen: "0.0.0.0:$(params.port)", target: {$when: {mode: [push]}, url: $(params.target)}}
  volumes:
    - name: NAME-data
      emptyDir: {sizeLimit: 64Mi}
      share:
        - {containers: ["*"], mountPath: /data/INDEX}
    - name: NAME-state
      emptyDir: {sizeLimit: 16Mi}
  containers:
    - name: NAME
      image: registry.example/NAME:1
      args: ["--config=/etc/NAME/config.yaml", "--port=$(params.port)"]
      ports: [{name: http, containerPort: $(params.port)}]
      readinessProbe: {httpGet: {path: /ready, port: $(params.port)}}
      volumeMounts: [{name: NAME-data, mountPath: /data}, {name: NAME-state, mountPath: /state}]
      resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 200m, memory: $(params.memory)}}
      securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
    - name: NAME-helper
      when: {mode: [pull]}
      image: registry.example/helper:2
      args: ["--target=$(params.target)"]
      resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
      securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
  flushSeconds: 5
`

// ordinary gives the n-th of many entries, as YAML.
func ordinary(n int) string {
	return strings.NewReplacer("NAME", fmt.Sprintf("e%04d", n), "INDEX", fmt.Sprint(n)).Replace(ordinaryEntry)
}

// asJSON gives a document as the API server would.
func asJSON(tb testing.TB, text string) []byte {
	tb.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return raw
}

// catalogs gives entries as JSON: one of each kind that is built in, and a thousand ordinary ones.
func catalogs(tb testing.TB) map[string][][]byte {
	tb.Helper()
	out := map[string][][]byte{}
	files, err := fs.Glob(os.DirFS("catalog"), "*.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile("catalog/" + f)
		if err != nil {
			tb.Fatal(err)
		}
		out[strings.TrimSuffix(f, ".yaml")] = [][]byte{asJSON(tb, string(text))}
	}
	for n := range 1000 {
		out["1000"] = append(out["1000"], asJSON(tb, ordinary(n)))
	}
	return out
}

func mustParse(tb testing.TB, raw []byte) *sidecars.Entry {
	tb.Helper()
	e, errs := sidecars.Parse(raw)
	if len(errs) > 0 {
		tb.Fatal(errs)
	}
	return e
}

// cpu is the time that the process has used: other work on the machine does not lengthen it.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perEntry runs do for every entry of each catalog, and reports CPU time for one.
func perEntry(b *testing.B, do func(b *testing.B, raw []byte, e *sidecars.Entry)) {
	for name, list := range catalogs(b) {
		b.Run(name, func(b *testing.B) {
			entries := make([]*sidecars.Entry, len(list))
			for i, raw := range list {
				entries[i] = mustParse(b, raw)
			}
			b.ReportAllocs()
			b.ResetTimer()
			began := cpu()
			for range b.N {
				for i := range list {
					do(b, list[i], entries[i])
				}
			}
			b.ReportMetric(float64(cpu()-began)/1e6/float64(b.N*len(list)), "cpu-ms/entry")
		})
	}
}

// BenchmarkParse measures what it takes to read and compile an entry.
func BenchmarkParse(b *testing.B) {
	perEntry(b, func(b *testing.B, raw []byte, _ *sidecars.Entry) { mustParse(b, raw) })
}

// BenchmarkProve measures what it takes to prove one.
func BenchmarkProve(b *testing.B) {
	perEntry(b, func(b *testing.B, _ []byte, e *sidecars.Entry) {
		if errs := e.Prove(); len(errs) > 0 {
			b.Fatal(errs)
		}
	})
}

// BenchmarkCatalog1000 measures wall time for a thousand entries, from JSON to a catalog that is proved, on all CPUs.
func BenchmarkCatalog1000(b *testing.B) {
	list := catalogs(b)["1000"]
	for b.Loop() {
		entries := make([]*sidecars.Entry, len(list))
		var wait sync.WaitGroup
		for w := range runtime.GOMAXPROCS(0) {
			wait.Go(func() {
				for i := w; i < len(list); i += runtime.GOMAXPROCS(0) {
					e, errs := sidecars.Parse(list[i])
					if len(errs) > 0 || len(e.Prove()) > 0 {
						b.Error(errs)
						continue
					}
					entries[i] = e
				}
			})
		}
		wait.Wait()
		if n := len(sidecars.NewCatalog(entries...).Names("")); n != len(list) {
			b.Fatalf("there are %d", n)
		}
	}
}

// BenchmarkLint1000 measures what it takes to lint one entry among a thousand; the catalog's index is there already.
func BenchmarkLint1000(b *testing.B) {
	var entries []*sidecars.Entry
	for _, raw := range catalogs(b)["1000"] {
		entries = append(entries, mustParse(b, raw))
	}
	catalog := sidecars.NewCatalog(entries...)
	catalog.Lint(entries[0])
	b.ReportAllocs()
	for b.Loop() {
		if errs, _ := catalog.Lint(entries[500]); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

// BenchmarkBuiltinLoad measures reading and proving the built-in entries from files.
func BenchmarkBuiltinLoad(b *testing.B) {
	for b.Loop() {
		if _, err := sidecars.Load(os.DirFS("catalog")); err != nil {
			b.Fatal(err)
		}
	}
}
