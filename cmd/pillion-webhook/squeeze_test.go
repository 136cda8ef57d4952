package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/pillion-dev/pillion/webhook"
)

// TestLargeReviewsByTheHundredFitIntoTheMemoryOfTheChart sends reviews of nearly the greatest size, 200 of them at a time: each
// is answered, by the core or that there is no room for it, and the process never has more resident than the chart lets it have.
func TestLargeReviewsByTheHundredFitIntoTheMemoryOfTheChart(t *testing.T) {
	p := launch(t)
	large := strings.Replace(review, `"spec":{`, `"status":{"message":"`+strings.Repeat("x", webhook.MaxBody-len(review)-100)+`"},"spec":{`, 1)
	client := p.client(t, true) // as the API server does
	const asked = 200
	answers := make(chan string, asked)
	var running sync.WaitGroup
	for range asked {
		running.Go(func() {
			status, body, err := read(client.Post(p.webhook+"/mutate?timeout=30s", "application/json", strings.NewReader(large)))
			answers <- fmt.Sprint(err, " ", status, " ", body)
		})
	}
	running.Wait()
	close(answers)
	const busy = "P902: Pillion has too many reviews in hand; no sidecar was injected"
	decided, undecided, unread := 0, 0, 0
	for a := range answers {
		switch {
		case a == "<nil> 200 "+allowed:
			decided++
		case strings.HasPrefix(a, "<nil> 200 ") && strings.Contains(a, `"warnings":["`+busy+`"]`):
			undecided++
		case a == "<nil> 503 pillion: "+busy+"\n": // so little was there that not even its uid is known
			unread++
		default:
			t.Errorf("answer: %s", a)
		}
	}
	peak, limit := peakMemory(t, p.cmd.Process.Pid), memoryLimit(t)
	t.Logf("%d decided, %d undecided, %d not read, at most %.1f MB resident of %.1f", decided, undecided, unread, float64(peak)/1e6, float64(limit)/1e6)
	if decided == 0 || peak > limit {
		t.Errorf("%d were decided, and %d bytes were resident, of %d that the chart gives", decided, peak, limit)
	}
	if status, body, err := read(client.Post(p.webhook+"/mutate?timeout=30s", "application/json", strings.NewReader(review))); err != nil || status != 200 || body != allowed {
		t.Errorf("after that: %v %d %s", err, status, body)
	}
}

// peakMemory is the most that a process ever had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	peak := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if peak == nil {
		t.Fatalf("no peak in\n%s", bytes.TrimSpace(status))
	}
	kib, err := strconv.ParseInt(string(peak[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// memoryLimit is what the chart lets the webhook have, in bytes.
func memoryLimit(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("../../charts/pillion/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct {
		Webhook struct {
			Resources struct {
				Limits struct{ Memory resource.Quantity }
			}
		}
	}
	if err := yaml.Unmarshal(b, &values); err != nil {
		t.Fatal(err)
	}
	return values.Webhook.Resources.Limits.Memory.Value()
}
