package e2e

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func (s *scene) warTomcat() {
	shop := &s.ready("app=shop", 1)[0]
	s.tells(shop, 8080, "/version.txt", http.StatusOK, "1\n")
	if log := s.in("logs", "deploy/shop", "-c", "artifact-copy"); !strings.Contains(log, `"msg":"copied","files":1,"bytes":`) {
		s.Errorf("the log of the copy is %s", log)
	}
	annotate := func(name, value string) {
		s.in("patch", "deployment", "shop", "--type", "merge", "-p",
			`{"spec":{"template":{"metadata":{"annotations":{"pillion.dev/artifact.`+name+`":"`+value+`"}}}}}`)
	}
	annotate("image", "localhost/war:2.0.0")
	s.in("rollout", "status", "deployment/shop", "--timeout=3m")
	second := &s.ready("app=shop", 1)[0]
	s.tells(second, 8080, "/version.txt", http.StatusOK, "2\n")
	if a, b := container(shop, "tomcat").ImageID, container(second, "tomcat").ImageID; a != b {
		s.Errorf("Tomcat's image was %s and is %s", a, b)
	}
	annotate("files", "from=/nope.war,to=ROOT.war")
	s.eventually("the log says what is not there", func() (bool, error) {
		for _, p := range s.pods("app=shop") {
			if p.Name == second.Name || container(&p, "artifact-copy").RestartCount == 0 {
				continue
			}
			log, err := command(s.ctx, "kubectl", "-n", s.namespace, "logs", p.Name, "-c", "artifact-copy", "--previous")
			return strings.Contains(log, "/nope.war") && strings.Contains(log, "no such file or directory: is it where the image has it?"), err
		}
		return false, nil
	})
	s.tells(second, 8080, "/version.txt", http.StatusOK, "2\n")
	annotate("image", "localhost/war:latest")
	s.eventually("an event says what a fixed version looks like", func() (bool, error) {
		return strings.Contains(s.in("get", "events", "-o", "jsonpath={.items[*].message}"), `Invalid value: "localhost/war:latest"`), nil
	})
}

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

// asks has the runner run a job, and gives what it prints and how it ends.
func (s *scene) asks(p *corev1.Pod, job string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := s.client.ExecInPod(s.ctx, s.namespace, p.Name, "runner", []string{"/pillion/bin/runner", "run", job}, &stdout, &stderr)
	return stdout.String(), err
}

func (s *scene) runnerScripts() {
	web := &s.ready("app=web", 1, "runner")[0]
	if out, err := s.asks(web, "usage"); err != nil || !strings.HasSuffix(out, "\t/usr/share/nginx/html\n") {
		s.Errorf("usage prints %q: %v", out, err)
	}
	if out, err := s.asks(web, "clean"); err == nil || !strings.Contains(err.Error(), "exit code 3") {
		s.Errorf("the first clean prints %q and ends with %v", out, err)
	}
	s.exec(web, "nginx", "touch", "/usr/share/nginx/html/index.old")
	if out, err := s.asks(web, "clean"); err != nil || out != "/usr/share/nginx/html/index.old\n" {
		s.Errorf("the second clean prints %q and ends with %v", out, err)
	}
	if status := s.exec(web, "runner", "/pillion/bin/runner", "status"); !strings.Contains(status, `"clean"`) {
		s.Errorf("the status is %s", status)
	}
	if log := s.in("logs", "deploy/web", "-c", "runner"); !strings.Contains(log, "/usr/share/nginx/html/index.old") || !strings.Contains(log, `"job":"clean"`) {
		s.Errorf("the log is %s", log)
	}
	for _, line := range []string{`runner_last_exit_code{job="clean"} 0`, `runner_runs_total{job="clean",result="failed"} 1`, `runner_next_run_timestamp_seconds{job="usage"}`} {
		s.tells(web, 9182, "/metrics", http.StatusOK, line)
	}
	s.exec(web, "nginx", "ls", "/run/runner/runner.sock")
}

// fewEndpoints is a Service with the Pods behind it.
const fewEndpoints = `
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
        - name: shop
          image: localhost/app:v1
          args: [serve, "--listen=:8080"]
          readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
          resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 64Mi}}
`

// TestConfdFollowsAServiceAndAConfigMap runs examples/confd-services.yaml: confd is one that watches the API server, with the rights
// of the app's ServiceAccount, and HAProxy has the endpoints that are ready.
func TestConfdFollowsAServiceAndAConfigMap(t *testing.T) {
	together(t)
	inNamespace(t, "confd-services", nil, func(s *scene) {
		s.kubectlIn(fewEndpoints, "-n", s.namespace, "apply", "-f", "-")
		s.in("apply", "-f", "../../examples/confd-services.yaml")
		balancers := s.ready("app=balancer", 2, "confd")
		file := func(p *corev1.Pod) string { return s.exec(p, "haproxy", "cat", "/usr/local/etc/haproxy/shop.cfg") }
		behind := func(n int) {
			s.Helper()
			pods := s.plainOnes("app=shop", n)
			for i := range balancers {
				s.eventually("HAProxy has the endpoints that are ready, and no other", func() (bool, error) {
					text := file(&balancers[i])
					for _, p := range pods {
						if !strings.Contains(text, " "+p.Status.PodIP+":8080 check") {
							return false, nil
						}
					}
					return strings.Count(text, " check\n") == n, nil
				})
				s.tells(&balancers[i], 8080, "/", http.StatusOK, "")
			}
		}
		behind(1)
		for _, n := range []string{"3", "2"} {
			s.in("scale", "deployment", "shop", "--replicas="+n)
			s.in("rollout", "status", "deployment/shop", "--timeout=3m")
			s.eventually("there are "+n+" Pods", func() (bool, error) { return len(s.pods("app=shop")) == int(n[0]-'0'), nil })
			behind(int(n[0] - '0'))
		}
		s.in("patch", "configmap", "balancer-settings", "--type=merge", "--patch", `{"data":{"retries":"7"}}`)
		for i := range balancers {
			s.eventually("the ConfigMap's value is in the file", func() (bool, error) { return strings.Contains(file(&balancers[i]), "    retries 7\n"), nil })
			if is := container(s.refresh(&balancers[i]), "haproxy"); is.RestartCount != 0 {
				s.Errorf("HAProxy was restarted, not reloaded: %+v", is)
			}
			if log := s.in("logs", balancers[i].Name, "-c", "confd"); strings.Contains(log, "forbidden") {
				s.Errorf("the example's Role is too small:\n%s", log)
			}
		}
	})
}
