package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/e2e-framework/klient/k8s/resources"
)

// TestAFrozenWebhook stops one of the webhook's processes as it is, so that its connections stay and nothing answers: no Pod is
// created bare, the Service leaves it out, and the kubelet starts it again.
func TestAFrozenWebhook(t *testing.T) {
	inNamespace(t, "frozen", nil, func(s *scene) {
		pod := s.webhookHere()
		before := container(pod, "webhook").RestartCount
		process := s.tasks(pod)["webhook"].pid
		var out, again time.Duration
		c := s.creating(func() {
			s.must(syscall.Kill(process, syscall.SIGSTOP))
			began := time.Now()
			s.eventually("the frozen webhook is not ready", func() (bool, error) {
				return !container(s.refresh(pod), "webhook").Ready, nil
			})
			out = time.Since(began)
			s.eventually("it is started again", func() (bool, error) {
				is := container(s.refresh(pod), "webhook")
				return is.RestartCount > before && is.Ready, nil
			})
			again = time.Since(began)
		})
		s.Logf("out of service after %.0f s, started again after %.0f s; meanwhile %s", out.Seconds(), again.Seconds(), c)
		if c.bare > 0 || c.injected == 0 {
			s.Errorf("with one webhook frozen: %s", c)
		}
		s.allInjected("after that", s.creating(func() {}))
	})
}

// TestADrainedWebhook drains each node of Pillion's Pods, as an administrator does before maintenance, with one, two and three
// replicas: the drain ends, no Pod is created bare, and with more than one replica none is refused.
func TestADrainedWebhook(t *testing.T) {
	inNamespace(t, "drained", nil, func(s *scene) {
		s.Cleanup(func() { s.must(installPillion(s.ctx)) })
		for _, replicas := range []int{1, 2, 3} {
			s.must(installPillion(s.ctx, slices.Concat(patient, []string{"--set", fmt.Sprint("webhook.replicas=", replicas)})...))
			for _, node := range []string{"node-1", "node-2"} {
				var took time.Duration
				c := s.creating(func() {
					began := time.Now()
					s.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=2m",
						"--pod-selector=app.kubernetes.io/instance=pillion")
					took = time.Since(began)
					s.kubectl("uncordon", node)
					s.kubectl("-n", system, "rollout", "status", "deployment/pillion", "--timeout=2m")
				})
				s.Logf("%d replicas: %s drained in %.0f s; meanwhile %s", replicas, node, took.Seconds(), c)
				if c.bare > 0 || c.injected == 0 {
					s.Errorf("with %d replicas, while %s was drained: %s", replicas, node, c)
				}
				if replicas > 1 {
					s.allInjected("while a node was drained", c)
				}
			}
		}
	})
}

// TestASqueezedWebhook gives one of the webhook's Pods a tenth of a CPU, by a resize in place, and asks it 200 times a second:
// each review is answered, Pods that ask are injected or refused, and the kubelet does not take the slow for the dead.
func TestASqueezedWebhook(t *testing.T) {
	inNamespace(t, "squeezed", nil, func(s *scene) {
		pod := s.webhookHere()
		before := container(pod, "webhook").RestartCount
		s.Cleanup(func() {
			s.kubectl("-n", system, "delete", "pod", pod.Name)
			s.kubectl("-n", system, "rollout", "status", "deployment/pillion", "--timeout=2m")
		})
		s.kubectl("-n", system, "patch", "pod", pod.Name, "--subresource=resize",
			"-p", `{"spec":{"containers":[{"name":"webhook","resources":{"limits":{"cpu":"100m"}}}]}}`)
		s.eventually("the webhook has a tenth of a CPU", func() (bool, error) {
			is := container(s.refresh(pod), "webhook").Resources
			return is != nil && is.Limits.Cpu().MilliValue() == 100, nil
		})
		var asked *reviews
		c := s.creating(func() { asked = s.reviews(pod, 200, 15*time.Second) })
		slices.Sort(asked.took)
		s.Logf("%d reviews, 200 a second: median %s, p99 %s, longest %s; meanwhile %s", len(asked.took), asked.at(0.5), asked.at(0.99), asked.at(1), c)
		if len(asked.failed) > 0 || len(asked.took) == 0 {
			s.Errorf("%d of %d reviews were not answered: %v", len(asked.failed), len(asked.took)+len(asked.failed), asked.failed[:min(3, len(asked.failed))])
		}
		if c.bare > 0 || c.injected == 0 {
			s.Errorf("with a webhook that is short of CPU: %s", c)
		}
		if is := container(s.refresh(pod), "webhook"); is.RestartCount != before {
			s.Errorf("the webhook was started again %d times", is.RestartCount-before)
		}
	})
}

// reviews is what became of reviews that a webhook was sent.
type reviews struct {
	mu     sync.Mutex
	took   []time.Duration
	failed []error
}

// at is the time, of the sorted ones, that a share of the answers did not take longer than.
func (r *reviews) at(share float64) time.Duration {
	if len(r.took) == 0 {
		return 0
	}
	return r.took[int(share*float64(len(r.took)-1))].Round(time.Millisecond / 10)
}

// reviews sends a Pod of the webhook so many reviews a second, whether those before are answered or not.
func (s *scene) reviews(webhook *corev1.Pod, rate int, during time.Duration) *reviews {
	s.Helper()
	var pair corev1.Secret
	s.must(s.client.Get(s.ctx, "pillion-tls", system, &pair))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pair.Data["ca.crt"])
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "pillion." + system + ".svc", MinVersion: tls.VersionTLS13},
		ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	object, err := json.Marshal(asking("proxy", "pillion.dev/proxy.upstream-port", "8080", "pillion.dev/proxy.port", "8081"))
	s.must(err)
	review, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "squeezed", Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Namespace: "default",
			Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: object},
		},
	})
	s.must(err)
	url := fmt.Sprintf("https://%s/mutate?timeout=2s", net.JoinHostPort(webhook.Status.PodIP, fmt.Sprint(webhook.Spec.Containers[0].Ports[0].ContainerPort)))
	all := new(reviews)
	var running sync.WaitGroup
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	for end := time.After(during); ; {
		select {
		case <-end:
			running.Wait()
			return all
		case <-tick.C:
		}
		running.Go(func() {
			began := time.Now()
			err := answered(client.Post(url, "application/json", bytes.NewReader(review)))
			all.mu.Lock()
			defer all.mu.Unlock()
			if err != nil {
				all.failed = append(all.failed, err)
				return
			}
			all.took = append(all.took, time.Since(began))
		})
	}
}

// answered reads an answer to a review, and fails where it is not one.
func answered(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil || review.Response == nil || !review.Response.Allowed {
		return fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return nil
}

// webhookHere is one of the webhook's Pods that runs on this node, and is to stay.
func (s *scene) webhookHere() *corev1.Pod {
	s.Helper()
	var pods corev1.PodList
	s.must(s.client.WithNamespace(system).List(s.ctx, &pods, resources.WithLabelSelector("app.kubernetes.io/component=webhook")))
	for i := range pods.Items {
		if _, here := s.tasks(&pods.Items[i])["webhook"]; here && pods.Items[i].DeletionTimestamp == nil {
			return &pods.Items[i]
		}
	}
	s.Fatalf("none of %d Pods of the webhook is on this node", len(pods.Items))
	return nil
}
