package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS19LateAttach takes a Pod's rules away, has connections made that pass no proxy, and has the helper put the rules back:
// the connections go on as they are, and new ones pass the proxy.
func TestS19LateAttach(t *testing.T) {
	inNamespace(t, "s19-late", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, func(s *scene) {
		s.everywhere("S19-transparent-catalog.yaml")
		s.helpers("through")
		node, err := os.Hostname()
		s.must(err)
		text, err := os.ReadFile(example("S19-transparent.yaml"))
		s.must(err)
		said, err := s.applyText(strings.ReplaceAll(string(text), "\nspec:\n", "\nspec:\n  nodeSelector: {kubernetes.io/hostname: "+node+"}\n"))
		if err != nil {
			s.Fatal(err, said)
		}
		far := newFarEnd(s)
		shop := &s.ready("app=shop", 1, "through")[0]
		s.unruled(shop)
		into := s.holdsInto(shop)
		out := s.holdsOut(far, shop)
		if seen := far.seen("hold"); len(seen) != 1 || seen[0].through() {
			s.Fatalf("without rules the far end sees %v, want it direct", seen)
		}
		s.kubectl("-n", system, "delete", "pods", "-l", "app.kubernetes.io/component=node", "--grace-period=0", "--force")
		s.helpers()
		s.eventually("the rules are back", func() (bool, error) { return s.ruled(shop), nil })
		into()
		close(far.release)
		if got := <-out; got != "held\nreleased\n<nil>" {
			s.Errorf("the connection out of the Pod: %q", got)
		}
		s.exec(shop, "app", "/app", "get", far.url("new"))
		if seen := far.seen("new"); len(seen) != 1 || !seen[0].through() {
			s.Errorf("with the rules back the far end sees %v", seen)
		}
	})
}

// nft runs the program for rules in a Pod's network namespace.
func (s *scene) nft(pod *corev1.Pod, args ...string) (string, error) {
	s.Helper()
	in := "--net=/proc/" + strconv.Itoa(s.tasks(pod)["app"].pid) + "/ns/net"
	return command(s.ctx, "nsenter", append([]string{in, "nft"}, args...)...)
}

// unruled takes a Pod's rules away, as somebody with rights on the node may.
func (s *scene) unruled(pod *corev1.Pod) {
	s.Helper()
	_, err := s.nft(pod, "delete", "table", "inet", "pillion")
	s.must(err)
}

func (s *scene) ruled(pod *corev1.Pod) bool {
	s.Helper()
	_, err := s.nft(pod, "list", "table", "inet", "pillion")
	return err == nil
}

// holdsInto opens a connection into a Pod, and gives what uses it again.
func (s *scene) holdsInto(pod *corev1.Pod) (again func()) {
	s.Helper()
	conn, err := net.Dial("tcp", net.JoinHostPort(pod.Status.PodIP, "8080"))
	s.must(err)
	s.Cleanup(func() { _ = conn.Close() })
	answers := bufio.NewReader(conn)
	again = func() {
		s.Helper()
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
		s.must(err)
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			s.Fatalf("the connection into the Pod: %v", err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		s.must(err)
	}
	again()
	return again
}

// holdsOut has the app open a connection out, which the far end holds, and gives what comes of it.
func (s *scene) holdsOut(far *farEnd, pod *corev1.Pod) <-chan string {
	s.Helper()
	out := make(chan string, 1)
	go func() {
		text, err := command(s.ctx, "kubectl", "-n", s.namespace, "exec", pod.Name, "-c", "app", "--", "/app", "get", "--timeout=5m", far.url("hold"))
		out <- fmt.Sprint(text, err)
	}()
	s.eventually("the far end holds a connection", func() (bool, error) { return len(far.seen("hold")) == 1, nil })
	return out
}
