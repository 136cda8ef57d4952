package sidecars_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// TestAdapterConfigHoldsItsValues reads the adapter's configuration, for every pair of values.
func TestAdapterConfigHoldsItsValues(t *testing.T) {
	eachPair(t, "adapter", func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		var got map[string]any
		if err := yaml.Unmarshal([]byte(fileOf(t, pod, "adapter", "config")), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"listen": ":" + set["port"], "include": "/etc/adapter/conf.d/*.yaml", "interval": set["interval"], "timeout": set["timeout"],
			"maxAnswerBytes": 2 << 20, "maxSeries": 20000, "label": "source",
			"metrics": items(set["metrics"], map[string]any{"path": "/metrics"}),
			"health":  map[string]any{"window": set["window"], "grace": set["grace"], "rules": items(set["rules"], map[string]any{"for": "0s"})},
			"pages":   []any{},
		}
		if set["status-port"] != "" {
			want["pages"] = []any{map[string]any{
				"name": "status", "port": 8081, "path": set["status-path"], "format": set["status-format"],
				"metrics": items(set["status-metrics"], map[string]any{"type": "gauge"}),
			}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
		wantGoMemory(t, pod, "adapter")
	})
}

// items reads "a=b,c=d;a=e" as the items of a configuration, with defaults.
func items(text string, defaults map[string]any) []any {
	out := []any{}
	for _, one := range split(text, ";") {
		it := maps.Clone(defaults)
		for pair := range strings.SplitSeq(one, ",") {
			name, v, _ := strings.Cut(pair, "=")
			it[name] = v
			if port := 0; name == "port" {
				_, _ = fmt.Sscan(v, &port)
				it[name] = port
			}
		}
		out = append(out, it)
	}
	return out
}
