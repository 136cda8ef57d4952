package e2e

import (
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
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

// webhookHere is one of the webhook's Pods that runs on this node.
func (s *scene) webhookHere() *corev1.Pod {
	s.Helper()
	var pods corev1.PodList
	s.must(s.client.WithNamespace(system).List(s.ctx, &pods, resources.WithLabelSelector("app.kubernetes.io/component=webhook")))
	for i := range pods.Items {
		if _, here := s.tasks(&pods.Items[i])["webhook"]; here {
			return &pods.Items[i]
		}
	}
	s.Fatalf("none of %d Pods of the webhook is on this node", len(pods.Items))
	return nil
}
