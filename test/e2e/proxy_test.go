package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestS05Policy asks for what is allowed, too often, and for what is not; and a second Pod without a certificate.
func TestS05Policy(t *testing.T) {
	together(t)
	before := func(s *scene) { s.apply("S05-certificates.yaml") }
	rowAfter(t, "S05-policy.yaml", restricted, before, func(s *scene) {
		shop := &s.ready("app=shop", 1, "proxy")[0]
		s.policy(shop)
		s.mutual(&s.ready("app=vault", 1, "proxy")[0])
	})
}

// policy asks for what is allowed, too often, and for what is not.
func (s *scene) policy(shop *corev1.Pod) {
	s.Helper()
	for _, c := range []struct {
		path, body string
		status     int
	}{{"/", "the shop\n", 200}, {"/api/orders", "the api\n", 200}, {"/admin", "", 403}, {"/%61dmin/users", "", 403}} {
		if status, body := s.page(shop, http.MethodGet, 8080, c.path); status != c.status || c.body != "" && body != c.body {
			s.Errorf("%s is answered %d %q, want %d %q", c.path, status, body, c.status, c.body)
		}
	}
	got := map[int]int{}
	for range 106 {
		status, _ := s.page(shop, http.MethodGet, 8080, "/api")
		got[status]++
	}
	if got[200] != 96 || got[429] != 10 {
		s.Errorf("of 106 requests after 4 came %v, want 96 times 200 and 10 times 429", got)
	}
	_, metrics := s.page(shop, http.MethodGet, 8404, "/metrics")
	for _, line := range []string{
		`haproxy_backend_http_responses_total{proxy="app",code="2xx"} 1`, `haproxy_backend_http_responses_total{proxy="route-1",code="2xx"} 97`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			s.Errorf("the metrics have no line %s", line)
		}
	}
}

// mutual asks with the client's certificate and without.
func (s *scene) mutual(vault *corev1.Pod) {
	s.Helper()
	var secret corev1.Secret
	s.must(s.client.Get(s.ctx, "client", s.namespace, &secret))
	pair, err := tls.X509KeyPair(secret.Data["tls.crt"], secret.Data["tls.key"])
	s.must(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(secret.Data["ca.crt"])
	for known, certificates := range map[bool][]tls.Certificate{true: {pair}, false: nil} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "vault", Certificates: certificates}}}
		res, err := client.Get("https://" + net.JoinHostPort(vault.Status.PodIP, "8080"))
		if err == nil {
			res.Body.Close()
		}
		if answered := err == nil && res.StatusCode == http.StatusOK; answered != known {
			s.Errorf("with a certificate %t: answered %t, %v", known, answered, err)
		}
	}
}

// TestS10Failover kills one of two endpoints under load: after the health check no request fails.
func TestS10Failover(t *testing.T) {
	together(t)
	row(t, "S10-failover.yaml", nil, func(s *scene) {
		shop := &s.ready("app=shop", 1, "proxy")[0]
		database := s.plain("app=database-1")
		status := func(name string, up int) func() (bool, error) {
			return func() (bool, error) {
				_, metrics := s.page(shop, http.MethodGet, 8404, "/metrics")
				line := fmt.Sprintf(`haproxy_server_status{proxy="outbound-1",server="%s:5432",state="UP"} %d`, name, up)
				return strings.Contains(metrics, line+"\n"), nil
			}
		}
		s.eventually("both endpoints are up", status("database-1", 1))
		s.eventually("both endpoints are up", status("database-2", 1))
		through := "http://" + net.JoinHostPort(shop.Status.PodIP, "8080")
		s.Logf("median of 500 requests: %s direct, %s through the proxy twice",
			median(s, "http://"+net.JoinHostPort(database.Status.PodIP, "5432")), median(s, through))

		var good, failed atomic.Int64
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
				}
				if ask(through) {
					good.Add(1)
				} else {
					failed.Add(1)
				}
			}
		}()
		s.kubectl("-n", s.namespace, "delete", "pod", "database-1", "--force", "--grace-period=0")
		s.eventually("the health check finds it", status("database-1", 0))
		before, from := failed.Load(), good.Load()
		s.eventually("500 requests more are answered", func() (bool, error) { return good.Load() >= from+500, nil })
		close(stop)
		<-stopped
		s.Logf("%d requests answered; %d failed until the health check found the dead endpoint", good.Load(), before)
		if now := failed.Load(); now != before {
			s.Errorf("%d requests failed after the health check", now-before)
		}
	})
}

// plain waits for one Pod that has no sidecar.
func (s *scene) plain(selector string) *corev1.Pod {
	s.Helper()
	var pod *corev1.Pod
	s.eventually("a ready Pod with "+selector, func() (bool, error) {
		pods := s.pods(selector)
		if len(pods) == 1 {
			pod = &pods[0]
		}
		return len(pods) == 1 && isReady(pod), nil
	})
	return pod
}

// ask opens a new connection for one request.
func ask(url string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}

// median times requests, each over a new connection.
func median(s *scene, url string) time.Duration {
	s.Helper()
	var took []time.Duration
	for range 500 {
		began := time.Now()
		if !ask(url) {
			s.Fatalf("%s does not answer", url)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}
