package chart

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
)

// noMetrics are the ports of the entries where something else is served.
var noMetrics = regexp.MustCompile(`^(proxy|proxy-out-[0-9]|ship-health)$`)

// TestSidecarsAreScrapedAtTheirPorts compares the ports of the PodMonitor with those that the embedded entries give their containers.
func TestSidecarsAreScrapedAtTheirPorts(t *testing.T) {
	var monitor struct {
		Spec struct {
			PodMetricsEndpoints []struct{ Port string }
		}
	}
	all := objects(t, render(t, "--set", "metrics.sidecars.enabled=true"))
	if err := json.Unmarshal(ofKind(t, all, "PodMonitor")[0].JSON, &monitor); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, e := range sidecars.Builtin().All() {
		for i := range e.Spec.Containers {
			var container struct {
				Ports []struct{ Name string }
			}
			text, err := json.Marshal(e.Spec.Containers[i])
			if err == nil {
				err = json.Unmarshal(text, &container)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range container.Ports {
				if !noMetrics.MatchString(port.Name) {
					want = append(want, port.Name)
				}
			}
		}
	}
	var got []string
	for _, e := range monitor.Spec.PodMetricsEndpoints {
		got = append(got, e.Port)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the PodMonitor scrapes %v, the entries have metrics at %v", got, want)
	}
}
