package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestS19Transparent has all TCP of a Pod pass its proxy.
func TestS19Transparent(t *testing.T) {
	before := func(s *scene) {
		s.everywhere("S19-transparent-catalog.yaml")
		s.helpers("through")
	}
	rowAfter(t, "S19-transparent.yaml", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, before, func(s *scene) {
		far := newFarEnd(s)
		shop, direct := &s.ready("app=shop", 1, "through")[0], s.pod("direct")
		s.passesOut(far, shop, direct)
		s.passesIn(shop, direct)
		s.untouched(shop)
		s.survivesRollout(far, shop)
		s.followsItsProxy(far, shop)
		s.waitsForTheHelper(far, shop)
		s.startsAtOnce(far)
		s.startsAreTight(far)
	})
}

// passesOut: what the app dials sees the proxy, and where it was going to.
func (s *scene) passesOut(far *farEnd, shop, direct *corev1.Pod) {
	s.Helper()
	for _, one := range []struct {
		pod     *corev1.Pod
		through bool
	}{{shop, true}, {direct, false}} {
		name := one.pod.Name + "-out"
		s.exec(one.pod, "app", "/app", "get", far.url(name))
		seen := far.seen(name)
		if len(seen) != 1 || seen[0].through() != one.through || seen[0].address != one.pod.Status.PodIP {
			s.Errorf("the far end sees %s as %v, want one peer of %s, through a proxy: %v", name, seen, one.pod.Status.PodIP, one.through)
		}
	}
}

// passesIn: the app sees the proxy, which is in its own Pod, where the one that is direct sees this process.
func (s *scene) passesIn(shop, direct *corev1.Pod) {
	s.Helper()
	remote := func(pod *corev1.Pod) peer {
		var echo struct {
			Remote string `json:"remote"`
		}
		s.must(json.Unmarshal([]byte(s.get(pod, 8080)), &echo))
		return peerOf(echo.Remote)
	}
	if p := remote(shop); !p.through() || p.address != shop.Status.PodIP {
		s.Errorf("the app behind the proxy sees %v", p)
	}
	if p := remote(direct); p.through() || p.address == direct.Status.PodIP {
		s.Errorf("the app without a proxy sees %v", p)
	}
	if conn, err := net.Dial("tcp", net.JoinHostPort(shop.Status.PodIP, "15006")); err == nil {
		defer conn.Close()
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil {
			s.Error("the proxy's own port answers to who dials it")
		}
	}
}

// untouched: a Pod that says of itself that it is to be redirected is not, in kube-system, on the node's network or on its own;
// the node's network has no rules.
func (s *scene) untouched(shop *corev1.Pod) {
	s.Helper()
	for _, hostNetwork := range []bool{false, true} {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s19-forged-%v", hostNetwork), Namespace: "kube-system",
				Annotations: map[string]string{"pillion.dev/status": shop.Annotations["pillion.dev/status"]}},
			Spec: corev1.PodSpec{NodeName: shop.Spec.NodeName, HostNetwork: hostNetwork, Containers: []corev1.Container{{
				Name: "app", Image: "localhost/app:v1", Args: []string{"serve", "--listen=:18080"}}}},
		}
		if pod.Annotations["pillion.dev/status"] == "" {
			s.Fatalf("Pod %s has no status to forge with: %v", shop.Name, shop.Annotations)
		}
		s.must(s.client.Create(s.ctx, pod))
		s.Cleanup(func() { _ = s.client.Delete(context.Background(), pod) })
		s.eventually("the Pod in kube-system runs", func() (bool, error) { return isReady(s.refresh(pod)), nil })
		var echo struct{ Remote string }
		s.must(json.Unmarshal([]byte(s.get(pod, 18080)), &echo))
		if p := peerOf(echo.Remote); p.through() || p.address == pod.Status.PodIP && !hostNetwork {
			s.Errorf("Pod %s is redirected: it sees %v", pod.Name, p)
		}
	}
	refused := asking("through")
	refused.Namespace, refused.Spec.HostNetwork = s.namespace, true
	if err := s.client.Create(s.ctx, refused, dryRun); err == nil || !strings.Contains(err.Error(), "would have the node's traffic redirected") {
		s.Errorf("a Pod on the node's network: %v", err)
	}
	tables, err := exec.CommandContext(s.ctx, "nft", "list", "tables").CombinedOutput()
	s.must(err)
	if strings.Contains(string(tables), "inet pillion\n") {
		s.Errorf("the node's own network has rules:\n%s", tables)
	}
}

// survivesRollout replaces the helper on both nodes while connections are open, out of the Pod and into it: they go on.
func (s *scene) survivesRollout(far *farEnd, shop *corev1.Pod) {
	s.Helper()
	ask, out := s.holdsInto(shop), s.holdsOut(far, shop)
	s.kubectl("-n", system, "rollout", "restart", "daemonset/pillion-node")
	s.kubectl("-n", system, "rollout", "status", "daemonset/pillion-node", "--timeout=2m")
	s.helpers()
	ask()
	close(far.release)
	if got := <-out; got != "held\nreleased\n<nil>" {
		s.Errorf("the connection out of the Pod: %q", got)
	}
	s.exec(shop, "app", "/app", "get", far.url("new"))
	if seen := far.seen("new"); len(seen) != 1 || !seen[0].through() {
		s.Errorf("after the helper's replacement the far end sees %v", seen)
	}
}

// followsItsProxy ends the proxy: the new one's traffic is told from the app's as the old one's was.
func (s *scene) followsItsProxy(far *farEnd, shop *corev1.Pod) {
	s.Helper()
	was := container(s.refresh(shop), "through")
	s.execLast(shop, "through", "sh", "-c", "kill -TERM 1")
	s.eventually("the proxy is started again", func() (bool, error) {
		is := container(s.refresh(shop), "through")
		return is.RestartCount > was.RestartCount && is.Started != nil && *is.Started, nil
	})
	s.exec(shop, "app", "/app", "get", far.url("again"))
	if seen := far.seen("again"); len(seen) != 1 || !seen[0].through() {
		s.Errorf("after the proxy's restart the far end sees %v", seen)
	}
}
