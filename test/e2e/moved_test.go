package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestS21MovedPodIsInjectedAgain(t *testing.T) {
	row(t, "S21-moved.yaml", nil, func(s *scene) {
		was := s.ready("app=moved", 1, "proxy")[0]
		s.Cleanup(func() { s.kubectl("uncordon", was.Spec.NodeName) })
		s.kubectl("drain", was.Spec.NodeName, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=2m",
			"--pod-selector=app=moved")
		is := s.ready("app=moved", 1, "proxy")[0]
		s.get(&is, 8000)
		if is.UID == was.UID || is.Spec.NodeName == was.Spec.NodeName {
			s.Errorf("Pod %s on %s is not a new one elsewhere", is.Name, is.Spec.NodeName)
		}
		if a, b := sidecarOf(&was, "proxy"), sidecarOf(&is, "proxy"); a != b {
			s.Errorf("the new Pod's sidecar differs:\n%s\n%s", a, b)
		}
	})
}

// TestS21LostNode ends the second node as a power failure would: the bed has one node from then on.
func TestS21LostNode(t *testing.T) {
	last(t)
	const lost = "node-2"
	rowAfter(t, "S21-node-lost.yaml", nil, func(s *scene) { s.kubectl("cordon", "node-1") }, func(s *scene) {
		web, store := s.ready("app=web", 1, "proxy")[0], s.ready("app=store", 1, "proxy")[0]
		s.kubectl("uncordon", "node-1")
		s.must(syscall.Kill(firstOf(s, 2), syscall.SIGKILL))

		s.replaced("app=web", &web)
		// Nobody knows whether the lost node still writes to a StatefulSet's volumes. A person who does says so, and Kubernetes
		// then lets go of its Pods.
		s.kubectl("taint", "nodes", lost, "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
		s.replaced("app=store", &store)
	})
}

// replaced waits for a ready Pod on the first node in place of one of the second, with the same sidecar, and for its answer.
func (s *scene) replaced(selector string, was *corev1.Pod) {
	s.Helper()
	if was.Spec.NodeName != "node-2" {
		s.Fatalf("Pod %s is on %s, want node-2", was.Name, was.Spec.NodeName)
	}
	var is corev1.Pod
	s.eventually("a Pod with "+selector+" is ready on node-1", func() (bool, error) {
		for _, p := range s.pods(selector) {
			if p.UID != was.UID && p.Spec.NodeName == "node-1" && isReady(&p) {
				is = p
				return true, nil
			}
		}
		return false, nil
	})
	s.injected(&is, "proxy")
	if a, b := sidecarOf(was, "proxy"), sidecarOf(&is, "proxy"); a != b {
		s.Errorf("the new Pod's sidecar differs:\n%s\n%s", a, b)
	}
	s.get(&is, 8000)
}

// firstOf finds the first process of a further node, a child of the bed's supervisor, as this process sees it.
func firstOf(s *scene, node int) int {
	s.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	s.must(err)
	for _, file := range files {
		b, _ := os.ReadFile(file) // it may have ended
		args := bytes.Split(b, []byte{0})
		if len(args) > 3 && string(args[1]) == "pillion-node" && string(args[2]) == "init" && string(args[3]) == strconv.Itoa(node-1) {
			pid, err := strconv.Atoi(strings.Split(file, "/")[2])
			s.must(err)
			return pid
		}
	}
	s.Fatalf("node %d has no first process", node)
	return 0
}
