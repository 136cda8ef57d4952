package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// restricted is the strictest Pod Security level, enforced.
var restricted = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}

// page gives the status and body of a Pod's page; 0 where nobody answers.
func (s *scene) page(p *corev1.Pod, method string, port int, path string) (int, string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.ctx, method, "http://"+net.JoinHostPort(p.Status.PodIP, fmt.Sprint(port))+path, nil)
	s.must(err)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	s.must(err)
	return res.StatusCode, string(b)
}

// TestS09PrometheusFindsBothFamilies scrapes one target with a real Prometheus, and asks it for the app's and the proxy's
// metrics.
func TestS09PrometheusFindsBothFamilies(t *testing.T) {
	row(t, "S09-one-target.yaml", restricted, func(s *scene) {
		shop := &s.ready("app=shop", 1, "proxy", "adapter")[0]
		s.get(shop, 8080)
		var prometheus *corev1.Pod
		s.eventually("Prometheus is ready", func() (bool, error) {
			pods := s.pods("app=prometheus")
			if len(pods) == 1 {
				prometheus = &pods[0]
			}
			return len(pods) == 1 && isReady(prometheus), nil
		})
		for _, query := range []string{`app_requests_total{source="app"} > 0`, `haproxy_process_uptime_seconds{source="proxy"}`, `adapter_source_up{source="app"} == 1`} {
			s.eventually("Prometheus has "+query, func() (bool, error) {
				found, err := s.query(prometheus, query)
				return len(found) == 1 && found[0].Metric["instance"] == "shop-metrics:9180", err
			})
		}
		targets, err := s.query(prometheus, `up`)
		s.must(err)
		if len(targets) != 1 {
			s.Errorf("Prometheus scrapes %d targets, want 1: %v", len(targets), targets)
		}
		_, body := s.page(shop, http.MethodGet, 9180, "/-/status")
		if strings.Contains(body, "conflicts") {
			s.Errorf("the sources contradict each other:\n%s", body)
		}
		memory, err := s.query(prometheus, `process_resident_memory_bytes{source="adapter"}`)
		s.must(err)
		s.Logf("the adapter's resident memory: %v", memory)
	})
}

type sample struct {
	Metric map[string]string `json:"metric"`
	Value  []any             `json:"value"`
}

func (s *scene) query(prometheus *corev1.Pod, query string) ([]sample, error) {
	status, body := s.page(prometheus, http.MethodGet, 9090, "/api/v1/query?query="+url.QueryEscape(query))
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: %d: %s", query, status, body)
	}
	var answer struct {
		Data struct {
			Result []sample `json:"result"`
		} `json:"data"`
	}
	err := json.Unmarshal([]byte(body), &answer)
	return answer.Data.Result, err
}

// TestS11HealthOfMetricsAndMetricsOfAPage breaks the rule on an app's metrics and mends it, and reads a page as metrics.
func TestS11HealthOfMetricsAndMetricsOfAPage(t *testing.T) {
	row(t, "S11-health-of-metrics.yaml", restricted, func(s *scene) {
		app := &s.ready("app=metrics-to-health", 1, "adapter")[0]
		if status, body := s.page(app, http.MethodGet, 9180, "/healthz"); status != http.StatusOK || !strings.HasPrefix(body, "memory: holds\n") {
			s.Errorf("/healthz is %d: %s", status, body)
		}
		if status, _ := s.page(app, http.MethodPost, 8080, "/leak?mb=2"); status != http.StatusOK {
			s.Fatalf("the app does not leak: %d", status)
		}
		s.eventually("/healthz turns 503", func() (bool, error) {
			status, body := s.page(app, http.MethodGet, 9180, "/healthz")
			return status == http.StatusServiceUnavailable && strings.HasPrefix(body, "memory: broken"), nil
		})
		s.eventually("the Pod is not ready", func() (bool, error) { return !isReady(s.refresh(app)), nil })
		s.page(app, http.MethodPost, 8080, "/exit?code=1")
		s.eventually("/healthz turns 200 when the app was restarted", func() (bool, error) {
			status, body := s.page(app, http.MethodGet, 9180, "/healthz")
			return status == http.StatusOK && strings.HasPrefix(body, "memory: holds\n"), nil
		})
		s.ready("app=metrics-to-health", 1, "adapter")

		other := &s.ready("app=page-to-metrics", 1, "adapter")[0]
		s.page(other, http.MethodPut, 8080, "/healthz?status=503")
		for _, line := range []string{`shop_requests_total{source="status"} `, "# TYPE shop_requests_total counter", `shop_requests_active{source="status"} 1`, `shop_up{source="health"} 0`, `shop_health_status{source="health"} 503`} {
			s.eventually("the metrics have "+line, func() (bool, error) {
				_, body := s.page(other, http.MethodGet, 9180, "/metrics")
				return strings.Contains(body, line), nil
			})
		}
	})
}

// adapterHealth looks at examples/adapter-health for TestCompositions.
func (s *scene) adapterHealth() {
	web := &s.ready("app=web", 1, "adapter")[0]
	for _, line := range []string{"# HELP nginx_connections Connections by state.\n# TYPE nginx_connections gauge\n", `nginx_connections{source="nginx",state="Reading"} 0`,
		`nginx_connections{source="nginx",state="Writing"} 1`} {
		s.tells(web, 9180, "/metrics", http.StatusOK, line)
	}
	s.tells(web, 9180, "/healthz", http.StatusOK, "load: holds\nidle-connections: holds\n")
	s.eventually("under load it is 503", func() (bool, error) {
		for range 100 {
			s.page(web, http.MethodGet, 8080, "/")
		}
		status, body := s.page(web, http.MethodGet, 9180, "/healthz")
		return status == http.StatusServiceUnavailable && strings.HasPrefix(body, "load: broken for ") && strings.Contains(body, "rate('nginx_requests_total') < 5"), nil
	})
	s.tells(web, 9180, "/healthz", http.StatusOK, "load: holds\n")
	s.tells(web, 9180, "/-/status", http.StatusOK, "idle-connections")
	s.in("patch", "configmap", "web-adapter", "--type=merge", "--patch", `{"data":{"more.yaml":"pages:\n  - name: nginx\n    prt: 8081\n"}}`)
	s.tells(web, 9180, "/metrics", http.StatusOK, "\nadapter_config_good{source=\"adapter\"} 0")
	s.tells(web, 9180, "/-/status", http.StatusOK, "prt")
	s.tells(web, 9180, "/metrics", http.StatusOK, `nginx_connections{source="nginx",state="Reading"} 0`)
}
