package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// compositions are the folders of examples/ that have a README with what to type and what to see, and who sees it.
var compositions = map[string]func(s *scene){
	"nginx-confd-etcd": (*scene).nginxConfdEtcd, "app-proxy-logs": (*scene).appProxyLogs, "all-four": (*scene).allFour,
	"war-tomcat": (*scene).warTomcat, "adapter-health": (*scene).adapterHealth, "runner-scripts": (*scene).runnerScripts,
}

// standIns are what the bed has in place of images that others publish, and their arguments: an etcd, and an endpoint that keeps
// account of what it gets and does not print it.
var standIns = strings.NewReplacer(
	"image: quay.io/coreos/etcd:v3.6.14", "image: localhost/etcd:3.7",
	"image: docker.io/otel/opentelemetry-collector:0.149.0\n      args: [--config=/etc/otelcol/config.yaml]", "image: localhost/receiver:v1",
)

// TestCompositions types what each README says, and looks for what it says is to be seen. A folder that is new has to be here.
func TestCompositions(t *testing.T) {
	readmes, err := filepath.Glob("../../examples/*/README.md")
	if err != nil || len(readmes) != len(compositions) {
		t.Fatalf("%d folders have a README, %d are tried: %v", len(readmes), len(compositions), err)
	}
	for _, readme := range readmes {
		name := filepath.Base(filepath.Dir(readme))
		t.Run(name, func(t *testing.T) {
			see := compositions[name]
			if see == nil {
				t.Fatalf("nobody tries examples/%s", name)
			}
			together(t)
			inNamespace(t, "try-"+name, nil, func(s *scene) {
				files, err := filepath.Glob(filepath.Join(filepath.Dir(readme), "*.yaml"))
				s.must(err)
				for _, file := range files {
					s.try(file)
				}
				see(s)
			})
		})
	}
}

// try applies an example with the images that the bed has.
func (s *scene) try(file string) {
	s.Helper()
	text, err := os.ReadFile(file)
	s.must(err)
	s.kubectlIn(standIns.Replace(string(text)), "-n", s.namespace, "apply", "-f", "-")
}

// in runs kubectl in the scene's Namespace, with its arguments in one text.
func (s *scene) in(args ...string) string {
	s.Helper()
	return s.kubectl(append([]string{"-n", s.namespace}, args...)...)
}

// tells waits until a page of a Pod has a text.
func (s *scene) tells(p *corev1.Pod, port int, path string, status int, text string) {
	s.Helper()
	s.eventually(fmt.Sprintf("%s:%d%s is %d and has %q", p.Name, port, path, status, text), func() (bool, error) {
		got, body := s.page(p, http.MethodGet, port, path)
		return got == status && strings.Contains(body, text), nil
	})
}

func (s *scene) nginxConfdEtcd() {
	store := s.etcd("/shop")
	fronts := s.ready("app=front", 2, "confd")
	config := func(p *corev1.Pod) string { return s.exec(p, "nginx", "cat", "/etc/nginx/conf.d/shop.conf") }
	for i := range fronts {
		s.tells(&fronts[i], 8080, "/", http.StatusBadGateway, "")
	}
	shop := s.in("get", "service", "shop", "-o", "jsonpath={.spec.clusterIP}") + ":8080"
	s.plainOnes("app=shop", 2)
	store.put("/upstreams/1", shop)
	for i := range fronts {
		s.tells(&fronts[i], 8080, "/", http.StatusOK, "")
		if got := config(&fronts[i]); !strings.Contains(got, "server "+shop+";") {
			s.Errorf("the file lacks the server %s:\n%s", shop, got)
		}
	}
	front := &fronts[0]
	store.put("/upstreams/2", "192.0.2.1:8080")
	s.eventually("the file has both", func() (bool, error) { return strings.Contains(config(front), "server 192.0.2.1:8080;"), nil })
	store.delete("/upstreams/2")
	s.eventually("the file has one", func() (bool, error) { return !strings.Contains(config(front), "192.0.2.1"), nil })
	log := s.in("logs", front.Name, "-c", "confd")
	if written, reloads := strings.Count(log, `"msg":"written"`), strings.Count(log, `"msg":"reload","kind":"signal","result":"done"`); written < 3 || reloads < 1 {
		s.Errorf("confd's log has %d files written and %d reloads:\n%s", written, reloads, log)
	}
	s.in("patch", "configmap", "front-templates", "--type=merge", "--patch", `{"data":{"shop.conf.tmpl":"{{ getv }"}}`)
	s.tells(front, 9181, "/metrics", http.StatusOK, `confd_template_loads_total{result="failure"} 1`)
	s.tells(front, 8080, "/", http.StatusOK, "")
	if log := s.in("logs", front.Name, "-c", "confd"); !strings.Contains(log, "shop.conf.tmpl:1") {
		s.Errorf("the log does not say which file and line:\n%s", log)
	}
}

// plainOnes waits for Pods that have no sidecar.
func (s *scene) plainOnes(selector string, n int) []corev1.Pod {
	s.Helper()
	var pods []corev1.Pod
	s.eventually(fmt.Sprintf("%d ready Pods with %s", n, selector), func() (bool, error) {
		pods = s.pods(selector)
		return len(pods) == n && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !isReady(&p) }), nil
	})
	return pods
}

func (s *scene) appProxyLogs() {
	collector := s.plain("app=collector")
	shop := &s.ready("app.kubernetes.io/name=shop", 1, "proxy", "log-shipper")[0]
	s.tells(shop, 8080, "/?line=1", http.StatusOK, "the shop\n")
	s.tells(shop, 8080, "/admin", http.StatusForbidden, "")
	s.eventually("429 comes of too many in a second", func() (bool, error) {
		var many bool
		for range 100 {
			status, _ := s.page(shop, http.MethodGet, 8080, "/")
			many = many || status == http.StatusTooManyRequests
		}
		return many, nil
	})
	s.tells(collector, 4318, "/report", http.StatusOK, `"`+shop.Name+`"`)
	_, report := s.page(collector, http.MethodGet, 4318, "/report")
	if strings.Contains(report, "/admin") {
		s.Errorf("what the proxy refused was sent: %s", report)
	}
	_, metrics := s.page(shop, http.MethodGet, 8404, "/metrics")
	if !strings.Contains(metrics, `haproxy_frontend_requests_denied_total{proxy="reverse"} 1`) {
		s.Errorf("the refusal is not counted")
	}
	s.in("delete", "pod", "collector")
	s.tells(shop, 8080, "/?line=2", http.StatusOK, "the shop\n")
	s.try("../../examples/app-proxy-logs/collector.yaml")
	s.tells(s.plain("app=collector"), 4318, "/report", http.StatusOK, `"Highest":2`)
}

func (s *scene) allFour() {
	store := s.etcd("/shop")
	store.put("/site/name", "the shop")
	store.put("/databases/1", "192.0.2.1:5432")
	collector := s.plain("app=collector")
	shops := s.ready("app.kubernetes.io/name=shop", 2, "confd", "proxy", "log-shipper", "adapter")
	shop := &shops[0]
	s.eventually("the answer has the header of etcd's value", func() (bool, error) {
		res, err := http.Get("http://" + shop.Status.PodIP + ":8080/")
		if err != nil {
			return false, err
		}
		res.Body.Close()
		return res.Header.Get("X-Site") == "the shop", nil
	})
	names := s.in("get", "pod", "-l", "app.kubernetes.io/name=shop", "-o", "jsonpath={.items[0].spec.initContainers[*].name}")
	if names != "confd proxy log-shipper adapter" {
		s.Errorf("they start in the order %s", names)
	}
	store.put("/databases/2", "192.0.2.2:5432")
	for _, text := range []string{`haproxy_server_status{proxy="database",server="2",source="proxy",state="`, `nginx_connections_active{source="status"}`,
		`confd_keys{source="confd"}`, `otelcol_process_memory_rss_bytes{`} {
		s.tells(shop, 9180, "/metrics", http.StatusOK, text)
	}
	s.tells(collector, 4318, "/report", http.StatusOK, "GET / HTTP/1.1")
}
