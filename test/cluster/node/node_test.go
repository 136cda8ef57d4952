//go:build linux

package node

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cyclesVariable is how often TestNodeUpDown goes up and down, 2 without it.
const cyclesVariable = "PILLION_NODE_CYCLES"

func TestNodeUpDown(t *testing.T) {
	cycles := 2
	if s := os.Getenv(cyclesVariable); s != "" {
		var err error
		if cycles, err = strconv.Atoi(s); err != nil {
			t.Fatalf("%s: %v", cyclesVariable, err)
		}
	}
	before := lookAtMachine(t)
	for i := range cycles {
		began := time.Now()
		n := bringUp(t, Config{Name: testName, Dir: filepath.Join(t.TempDir(), "instance")})
		upAfter := time.Since(began)
		seen := lookAtInstance(t, n)

		began = time.Now()
		if err := n.Down(); err != nil {
			t.Fatal(err)
		}
		t.Logf("cycle %d: up in %.1f s, down in %.1f s", i+1, upAfter.Seconds(), time.Since(began).Seconds())
		wantNoTraces(t, n, before, seen)
	}
}

// phases are what a start is made of, in the order in which they begin on most machines.
var phases = []string{
	"network and cgroups", "etcd", "kube-apiserver", "containerd", "Nodes and cluster DNS as objects",
	"kube-controller-manager", "kube-scheduler", "coredns", "kubelet", "kube-proxy",
}

func begins(phase string) func(event) bool {
	return func(e event) bool {
		return e.Kind == step && e.Text == phase || e.Kind == starting && e.Component.Name == phase
	}
}

// TestNodeKilledInEveryPhase kills in turn the instance's first process, whose caller then cleans up and says what it was
// doing, and the caller, after which only the next Up can clean up.
func TestNodeKilledInEveryPhase(t *testing.T) {
	before := lookAtMachine(t)
	dir := filepath.Join(t.TempDir(), "instance")
	for i, phase := range phases {
		if i%2 == 1 {
			killedCaller(t, dir, begins(phase))
			continue
		}
		_, err := Up(t.Context(), Config{Name: testName, Dir: dir, observe: func(e event) {
			if !begins(phase)(e) {
				return
			}
			n, err := Open(testName, dir)
			if err == nil {
				err = kill(n.status.PID, n.status.Began)
			}
			if err != nil {
				t.Error(err)
			}
		}})
		if err == nil || !strings.Contains(err.Error(), testName+" ended while it started ") {
			t.Fatalf("Up, killed when %s began: %v", phase, err)
		}
	}
	n := bringUp(t, Config{Name: testName, Dir: dir})
	seen := lookAtInstance(t, n)
	if err := n.Down(); err != nil {
		t.Fatal(err)
	}
	wantNoTraces(t, n, before, seen)
}

func TestDetachedInstanceOutlivesItsCaller(t *testing.T) {
	before := lookAtMachine(t)
	dir := filepath.Join(t.TempDir(), "instance")
	caller := exec.Command(os.Args[0])
	caller.Env = append(os.Environ(), callerVariable+"="+dir)
	if out, err := caller.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n, err := Open(testName, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Down()
	if name := output(t, n, "kubectl", "get", "nodes", "-o", "name"); name != "node/node-1" {
		t.Errorf("nodes = %q, want node/node-1", name)
	}
	for _, again := range []string{dir, dir + "-other"} {
		if _, err := Up(t.Context(), Config{Name: testName, Dir: again}); !errors.Is(err, errRunning) {
			t.Errorf("Up of a name that is up, in %s = %v, want %v", again, err, errRunning)
		}
	}
	_, err = Up(t.Context(), Config{Name: testName + "-other", Dir: dir})
	if want := `holds instance "node-test": choose another directory`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Up in a directory that is in use = %v, want %s", err, want)
	}
	seen := lookAtInstance(t, n)
	if err := n.Left(before, seen); err == nil {
		t.Error("nothing is left of an instance that is up")
	}
	if err := n.Down(); err != nil {
		t.Fatal(err)
	}
	wantNoTraces(t, n, before, seen)
	if err := n.Down(); err != nil {
		t.Errorf("Down again = %v", err)
	}
}

func TestOneNode(t *testing.T) {
	n := bringUp(t, Config{Name: testName, Dir: filepath.Join(t.TempDir(), "instance")})
	t.Run("a Pod of every kind of container is ready and reached", func(t *testing.T) { podOfEveryKind(t, n) })
	t.Run("exec passes the exit code on", func(t *testing.T) { execCode(t, n) })
	t.Run("exec passes signals on", func(t *testing.T) { execSignals(t, n) })
	t.Run("NRI's socket is where plugins look for it", func(t *testing.T) {
		output(t, n, "test", "-S", "/var/run/nri/nri.sock")
	})
	printStatus(t, n)
}

func podOfEveryKind(t *testing.T, n *Node) {
	app := buildApp(t, n)
	apply(t, n, "testdata/pod.yaml", "web")

	const want = "app hello from the init container"
	ip := output(t, n, "kubectl", "get", "pod", "web", "-o", "jsonpath={.status.podIP}")
	if got := output(t, n, app, "get", "http://"+ip+":8080"); got != want {
		t.Errorf("from the node = %q, want %q", got, want)
	}
	side := []string{"kubectl", "exec", "web", "-c", "side", "--", "/app", "get"}
	if got := output(t, n, append(side, "http://127.0.0.1:8080")...); got != want {
		t.Errorf("from the sidecar = %q, want %q", got, want)
	}
	for _, name := range []string{"front", "front.default", "front.default.svc.cluster.local"} {
		eventually(t, n, want, append(side, "http://"+name)...)
	}
	if got := output(t, n, "kubectl", "get", "pod", "web", "-o", "jsonpath={.status.initContainerStatuses[1].started}"); got != "true" {
		t.Errorf("native sidecar started = %q, want true", got)
	}
}

func execCode(t *testing.T, n *Node) {
	var exit *exec.ExitError
	err := n.Exec(t.Context(), Command{Args: []string{"sh", "-c", "exit 7"}})
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("Exec of a program that ends with 7 = %v", err)
	}
}

func execSignals(t *testing.T, n *Node) {
	signals := make(chan os.Signal, 1)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ended := make(chan error, 1)
	go func() {
		ended <- n.Exec(t.Context(), Command{
			Args:   []string{"sh", "-c", "trap 'exit 8' TERM; echo trapped; while :; do sleep 0.1; done"},
			Stdout: writer, Signals: signals,
		})
		writer.Close()
	}()
	if line, err := bufio.NewReader(reader).ReadString('\n'); err != nil || line != "trapped\n" {
		t.Fatalf("the program says %q, %v, want trapped", line, err)
	}
	signals <- syscall.SIGTERM
	var exit *exec.ExitError
	if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 8 {
		t.Errorf("Exec of a program that ends with 8 at SIGTERM = %v", err)
	}
}

func TestTwoNodes(t *testing.T) {
	before := lookAtMachine(t)
	n := bringUp(t, Config{
		Name: testName, Dir: filepath.Join(t.TempDir(), "instance"), Nodes: 2, NodeMemory: []int64{1280 << 20, 2 << 30},
	})
	nodes := output(t, n, "kubectl", "get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.status.allocatable.memory}{"\n"}{end}`)
	if want := "node-1 True 1280Mi\nnode-2 True 2Gi"; nodes != want {
		t.Errorf("nodes:\n%s\nwant:\n%s", nodes, want)
	}
	buildApp(t, n)
	apply(t, n, "testdata/pair.yaml", "on-node-1", "on-node-2", "large")
	for from, to := range map[string]string{"node-1": "node-2", "node-2": "node-1"} {
		ip := output(t, n, "kubectl", "get", "pod", "on-"+to, "-o", "jsonpath={.status.podIP}")
		get := []string{"kubectl", "exec", "on-" + from, "--", "/app", "get"}
		eventually(t, n, "on-"+to, append(get, "http://"+ip+":8080")...)
		eventually(t, n, "on-"+to, append(get, "http://to-"+to)...)
		eventually(t, n, "on-"+from, append(get, "http://to-"+from)...)
	}
	if got := output(t, n, "kubectl", "get", "pod", "large", "-o", "jsonpath={.spec.nodeName}"); got != "node-2" {
		t.Errorf("the Pod that asks for 1.5 GiB is on %s, want node-2", got)
	}
	var hostname strings.Builder
	if err := n.Exec(t.Context(), Command{Node: 2, Args: []string{"hostname"}, Stdout: &hostname}); err != nil || hostname.String() != "node-2\n" {
		t.Errorf("hostname on node 2 = %q, %v", hostname.String(), err)
	}
	printStatus(t, n)
	seen := lookAtInstance(t, n)
	loseSecondNode(t, n)
	if err := n.Down(); err != nil {
		t.Fatal(err)
	}
	wantNoTraces(t, n, before, seen)
}

// loseSecondNode ends it as a power failure would; the first one goes on.
func loseSecondNode(t *testing.T, n *Node) {
	t.Helper()
	first, err := n.First(2)
	if err != nil {
		t.Fatal(err)
	}
	p, err := readProcess(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := kill(first, p.began); err != nil {
		t.Fatal(err)
	}
	status, err := n.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Components {
		if runs := c.PID != 0; runs != (c.Node == "node-1") {
			t.Errorf("after the end of node-2, %s of %s runs: %t", c.Name, c.Node, runs)
		}
	}
	if _, err := n.First(2); err == nil {
		t.Error("node 2 has a first process after its end")
	}
	output(t, n, "kubectl", "get", "node", "node-2")
}

func TestInstancesRunSideBySide(t *testing.T) {
	before := lookAtMachine(t)
	first := bringUp(t, Config{Name: testName + "-a", Dir: filepath.Join(t.TempDir(), "instance")})
	second := bringUp(t, Config{Name: testName + "-b", Dir: filepath.Join(t.TempDir(), "instance")})
	output(t, first, "kubectl", "create", "namespace", "only-here")
	if out, err := second.Output(t.Context(), "kubectl", "get", "namespace", "only-here"); err == nil {
		t.Errorf("the second instance knows the first one's Namespace: %s", out)
	}
	seen := lookAtInstance(t, first)
	if err := first.Down(); err != nil {
		t.Fatal(err)
	}
	if name := output(t, second, "kubectl", "get", "nodes", "-o", "name"); name != "node/node-1" {
		t.Errorf("nodes of the second after the end of the first = %q, want node/node-1", name)
	}
	seenToo := lookAtInstance(t, second)
	if err := second.Down(); err != nil {
		t.Fatal(err)
	}
	wantNoTraces(t, first, before, seen)
	wantNoTraces(t, second, before, seenToo)
}

// printStatus shows the cost of every component, and fails where one has ended or never became ready.
func printStatus(t *testing.T, n *Node) {
	t.Helper()
	status, err := n.Status()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range status.Components {
		if c.PID == 0 || c.RSS == 0 || c.Ready == 0 {
			t.Errorf("component %+v: want a process with memory that was ready", c)
		}
	}
	if err := status.Print(t.Output()); err != nil {
		t.Error(err)
	}
}
