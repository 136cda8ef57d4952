package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/test/cluster"
)

// TestCommandsOfAnInstance uses the built command, as a person does.
func TestCommandsOfAnInstance(t *testing.T) {
	program := filepath.Join(t.TempDir(), "cluster")
	command(t, "go", "build", "-o", program, ".")
	where := []string{"--name", "command-test", "--dir", filepath.Join(t.TempDir(), "instance")}
	instance := func(words ...string) string {
		t.Helper()
		return command(t, program, append(append([]string{words[0]}, where...), words[1:]...)...)
	}
	t.Cleanup(func() { instance("down") })

	want(t, "up", instance("up", "--node-memory", "1Gi", "--node-grace", "20s"), "COMPONENT", "kube-apiserver", "READY AFTER")
	want(t, "status", instance("status"), "instance command-test: process ", "kubelet", "10.88.254.1:53 (Service 10.96.0.10)")
	want(t, "exec", instance("exec", "--", "kubectl", "get", "nodes", "-o", "jsonpath={.items[*].status.allocatable.memory}"), "1Gi")
	want(t, "exec", instance("exec", "--", "helm", "list", "--all-namespaces"), "NAMESPACE")

	bin, err := cluster.Build(t.Context(), t.Output(), cluster.NodePrograms)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "image.tar")
	command(t, filepath.Join(bin, "archive"), filepath.Join(bin, "pause"), "localhost/pillion/loaded:v1", archive)
	instance("load", archive)
	want(t, "images", instance("exec", "--", "ctr", "images", "list", "-q"), "localhost/pillion/loaded:v1")

	inside := strings.Join(append([]string{program, "exec"}, where...), " ") + " --"
	want(t, "go test", command(t, "go", "test", "-count=1", "-v", "-exec", inside, "./testdata/inside"), "--- PASS: TestInside")

	instance("down")
	instance("down")
	out, err := exec.Command(program, append([]string{"status"}, where...)...).CombinedOutput()
	if err == nil {
		t.Errorf("status after down ends well: %s", out)
	}
	want(t, "status after down", string(out), "no such instance")
}

func want(t *testing.T, what, got string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(got, word) {
			t.Errorf("%s: %q is not in it:\n%s", what, word, got)
		}
	}
}

// command runs a program to its end and returns its output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}
