//go:build linux

package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// callerVariable makes this test binary a program that calls Up and tells the events on its standard output: a caller
// that can be killed. Its value is the instance's directory.
const callerVariable = "PILLION_TEST_CALLER"

func TestMain(m *testing.M) {
	Init()
	if dir := os.Getenv(callerVariable); dir != "" {
		callUp(dir)
	}
	os.Exit(m.Run())
}

const testName = "node-test"

func callUp(dir string) {
	cfg := Config{Name: testName, Dir: dir, Detach: true, observe: func(e event) { _ = tell(os.Stdout, e) }}
	if _, err := Up(context.Background(), cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// bringUp is Up for the length of a test. Without root it fails, and says why.
func bringUp(t *testing.T, cfg Config) *Node {
	t.Helper()
	cfg.Log = t.Output()
	n, err := Up(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			explain(t, n)
		}
		if err := n.Down(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// explain shows what a failed test left, as far as it still answers.
func explain(t *testing.T, n *Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, args := range [][]string{
		{"kubectl", "get", "nodes,pods", "-A", "-o", "wide"},
		{"kubectl", "get", "events", "-A", "--sort-by=.lastTimestamp"},
	} {
		out, err := n.Output(ctx, args...)
		t.Logf("%s\n%s%v", strings.Join(args, " "), out, err)
	}
}

// output is what a program prints inside, without the line's end.
func output(t *testing.T, n *Node, args ...string) string {
	t.Helper()
	out, err := n.Output(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// buildApp builds the program of the tests' containers, loads its image and returns the program's path.
func buildApp(t *testing.T, n *Node) string {
	t.Helper()
	app := filepath.Join(t.TempDir(), "app")
	build := exec.Command("go", "build", "-o", app, "./testdata/app")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive := app + ".tar"
	if err := run(t.Context(), n.plan, 0, "", filepath.Join(n.Bin, "archive"), app, "localhost/pillion/test-app:v1", archive); err != nil {
		t.Fatal(err)
	}
	if err := n.Load(t.Context(), archive); err != nil {
		t.Fatal(err)
	}
	return app
}

// apply creates the objects of a file and waits until its Pods are Ready.
func apply(t *testing.T, n *Node, file string, pods ...string) {
	t.Helper()
	output(t, n, "kubectl", "apply", "-f", file)
	for _, pod := range pods {
		output(t, n, "kubectl", "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=2m")
	}
}

// eventually tries until a program inside prints want: kube-proxy has no moment at which it is known to be done.
func eventually(t *testing.T, n *Node, want string, args ...string) {
	t.Helper()
	var out string
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if out, err = n.Output(t.Context(), args...); err == nil && strings.TrimSpace(out) == want {
			return
		}
	}
	t.Errorf("%s\n = %q, %v\nwant %q", strings.Join(args, " "), out, err, want)
}

// killedCaller runs Up in a program of its own and kills that as soon as it has told what reached waits for.
func killedCaller(t *testing.T, dir string, reached func(event) bool) {
	t.Helper()
	caller := exec.Command(os.Args[0])
	caller.Env = append(os.Environ(), callerVariable+"="+dir)
	var stderr strings.Builder
	caller.Stderr = &stderr
	stdout, err := caller.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	err = follow(stdout, reached)
	if killErr := caller.Process.Kill(); killErr != nil && !errors.Is(killErr, os.ErrProcessDone) {
		t.Error(killErr)
	}
	_ = caller.Wait() // "signal: killed"
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
}

func follow(events io.Reader, reached func(event) bool) error {
	for lines := json.NewDecoder(events); ; {
		var e event
		if err := lines.Decode(&e); err != nil {
			return fmt.Errorf("not reached: %w", err)
		}
		if reached(e) {
			return nil
		}
	}
}
