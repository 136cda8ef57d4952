package sidecars_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// TestLogShipperConfigHoldsItsValues reads the collector's configuration as the collector does, for every pair of values.
func TestLogShipperConfigHoldsItsValues(t *testing.T) {
	eachPair(t, "log-shipper", func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		type fileLog struct {
			Include, Exclude []string
			Multiline        struct {
				Start string `yaml:"line_start_pattern"`
			}
			Operators []map[string]string
		}
		var got struct {
			Extensions struct {
				Health struct{ Endpoint string } `yaml:"health_check"`
			}
			Receivers struct {
				FileLog fileLog `yaml:"file_log"`
			}
			Exporters struct {
				OTLP struct {
					Endpoint, Compression string
					Headers               map[string]string
				} `yaml:"otlp_http"`
			}
		}
		if err := yaml.Unmarshal([]byte(fileOf(t, pod, "log-shipper", "config")), &got); err != nil {
			t.Fatal(err)
		}
		want := got
		want.Extensions.Health.Endpoint = ":" + set["health-port"]
		below := func(globs string) []string {
			var paths []string
			for _, glob := range split(globs, ",") {
				paths = append(paths, set["directory"]+"/"+glob)
			}
			return paths
		}
		dollars := strings.NewReplacer("$", "$$")
		want.Receivers.FileLog = fileLog{Include: below(set["include"]), Exclude: below(set["exclude"]), Operators: []map[string]string{}}
		want.Receivers.FileLog.Multiline.Start = dollars.Replace(set["multiline-start"])
		if set["format"] == "json" {
			want.Receivers.FileLog.Operators = []map[string]string{{"type": "json_parser", "on_error": "send_quiet"}}
		}
		want.Exporters.OTLP.Endpoint = dollars.Replace(set["endpoint"])
		want.Exporters.OTLP.Compression = set["compression"]
		want.Exporters.OTLP.Headers = nil
		if set["header-secret"] != "" {
			want.Exporters.OTLP.Headers = map[string]string{"authorization": "${env:AUTHORIZATION}"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
		wantGoMemory(t, pod, "log-shipper")
	})
}
