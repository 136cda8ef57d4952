package e2e

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

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
