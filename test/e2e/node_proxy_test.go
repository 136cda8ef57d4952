package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestS05TransparentPolicy is row S05 with the node helper's redirect: clients dial the app's own port, and the app what it
// likes, and the policy holds.
func TestS05TransparentPolicy(t *testing.T) {
	before := func(s *scene) {
		s.apply("S05-certificates.yaml")
		s.embedded("proxy")
	}
	rowAfter(t, "S05-transparent.yaml", restricted, before, func(s *scene) {
		shop, vault := &s.ready("app=shop", 1, "proxy")[0], &s.ready("app=vault", 1, "proxy")[0]
		client, direct := &s.ready("app=client", 1, "proxy")[0], s.pod("direct")
		s.policy(shop)
		s.closed(shop, 8081)
		s.closed(vault, 8081)
		if out, err := s.dials(direct, "http://"+net.JoinHostPort(shop.Status.PodIP, "8080")+"/admin"); err == nil || !strings.Contains(err.Error(), "403") {
			s.Errorf("another Pod asks for /admin: %q, %v", out, err)
		}
		s.mutual(vault)
		s.rated(&s.ready("app=till", 1, "proxy")[0])
		s.outward(client, direct)
		s.afterItsProxy(shop)
	})
}

// closed dials a port that is none of those that may be dialed.
func (s *scene) closed(pod *corev1.Pod, port int) {
	s.Helper()
	client := &http.Client{Timeout: 20 * time.Second}
	res, err := client.Get("http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(port)) + "/")
	if err == nil {
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		s.Errorf("Pod %s answers at port %d: %s %q", pod.Name, port, res.Status, text)
	}
}

// rated makes more connections than a client may, of a protocol that the proxy does not read.
func (s *scene) rated(till *corev1.Pod) {
	s.Helper()
	answered := 0
	for range 8 {
		if ask("http://" + net.JoinHostPort(till.Status.PodIP, "8080")) {
			answered++
		}
	}
	if answered != 5 {
		s.Errorf("of 8 connections %d were answered, want 5", answered)
	}
}

// dials has the app of a Pod ask for a page; the error is what it says when it fails.
func (s *scene) dials(pod *corev1.Pod, url string) (string, error) {
	s.Helper()
	var stdout, stderr bytes.Buffer
	if err := s.client.ExecInPod(s.ctx, s.namespace, pod.Name, "app", []string{"/app", "get", url}, &stdout, &stderr); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, stderr.String())
	}
	return stdout.String(), nil
}

// outward: what the app dials passes its proxy, and gets no further than the proxy's networks.
func (s *scene) outward(client, direct *corev1.Pod) {
	s.Helper()
	far := newFarEnd(s)
	passed := func() float64 {
		_, text := s.page(client, http.MethodGet, 8404, "/metrics")
		return s.metric(text, "haproxy_frontend_connections_total", `proxy="outgoing"`)
	}
	before := passed()
	s.exec(client, "app", "/app", "get", far.url("client"))
	if n := passed() - before; n != 1 || len(far.seen("client")) != 1 {
		s.Errorf("%v connections passed the proxy, and the far end saw %v, want one", n, far.seen("client"))
	}
	s.Logf("median of 500 requests, each on a connection of its own: %s direct, %s through the proxy", median(s, "http://"+net.JoinHostPort(direct.Status.PodIP, "8080")),
		median(s, "http://"+net.JoinHostPort(client.Status.PodIP, "8080")))
	const apiServer = "http://10.96.0.1:443/" // which answers that it speaks TLS
	if out, err := s.dials(direct, apiServer); err == nil || !strings.Contains(out, "HTTPS") {
		s.Errorf("a Pod without a proxy reaches the API server: %q, %v", out, err)
	}
	if out, err := s.dials(client, apiServer); err == nil || out != "" {
		s.Errorf("the Pod whose proxy denies it reaches the API server: %q, %v", out, err)
	}
}

// afterItsProxy ends the proxy: while it is away, and when it is back, no request passes by it.
func (s *scene) afterItsProxy(shop *corev1.Pod) {
	s.Helper()
	was := container(s.refresh(shop), "proxy")
	s.execLast(shop, "proxy", "sh", "-c", "kill -TERM 1")
	answered := map[string]int{}
	s.eventually("the proxy is started again", func() (bool, error) {
		for _, port := range []string{"8080", "8081"} {
			res, err := http.Get("http://" + net.JoinHostPort(shop.Status.PodIP, port) + "/admin")
			if err == nil {
				res.Body.Close()
				answered[port+" "+res.Status]++
			}
		}
		is := container(s.refresh(shop), "proxy")
		return is.RestartCount > was.RestartCount && is.Started != nil && *is.Started && isReady(shop), nil
	})
	delete(answered, "8080 403 Forbidden")
	delete(answered, "8080 429 Too Many Requests")
	if len(answered) > 0 {
		s.Errorf("while the proxy was away there were answers: %v", answered)
	}
	if status, _ := s.page(shop, http.MethodGet, 8080, "/admin"); status != http.StatusForbidden {
		s.Errorf("after the proxy's restart /admin is answered %d", status)
	}
}

// TestS05TransparentBesideOthers has the proxy in the way of a sidecar that needs the network before it is started.
func TestS05TransparentBesideOthers(t *testing.T) {
	before := func(s *scene) { s.embedded("proxy") }
	rowAfter(t, "S05-transparent-together.yaml", restricted, before, func(s *scene) {
		etcd := s.etcd("/front")
		etcd.put("/version", "1")
		front := &s.ready("app=front", 1, "proxy", "confd")[0]
		var names []string
		for _, c := range front.Spec.InitContainers {
			names = append(names, c.Name)
		}
		if want := []string{"proxy-gate", "proxy", "confd"}; !slices.Equal(names, want) {
			s.Errorf("the init containers are %v, want %v", names, want)
		}
		for _, version := range []string{"1", "2", "3"} {
			etcd.put("/version", version)
			s.eventually("nginx has configuration "+version, func() (bool, error) { return s.version(front) == version, nil })
		}
		if status, _ := s.page(front, http.MethodGet, 8080, "/admin"); status != http.StatusForbidden {
			s.Errorf("/admin is answered %d", status)
		}
		_, text := s.page(front, http.MethodGet, 8404, "/metrics")
		if n := s.metric(text, "haproxy_frontend_connections_total", `proxy="outgoing"`); n < 1 {
			s.Error("confd's connections did not pass the proxy")
		}
	})
}
