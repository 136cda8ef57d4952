package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/program/programtest"
)

// TestTheHelperIsSmall measures the real program, with the chart's capabilities, called by NRI's own runtime side: with nothing
// to do, and with 250 Pods. These are simulated, but have real network namespaces, cgroups and processes: two containers each,
// and rules.
func TestTheHelperIsSmall(t *testing.T) {
	for _, c := range []struct{ pods, most int }{{0, 15 << 20}, {250, 30 << 20}} {
		t.Run(fmt.Sprint(c.pods, " Pods"), func(t *testing.T) {
			r := newRuntime(t)
			for i := range c.pods {
				r.pod(i)
			}
			h := startHelper(t, r.socket)
			h.await(fmt.Sprintf("pillion_node_pods %d", c.pods))
			h.await("pillion_node_mode{mode=\"full\"} 1")
			if c.pods > 0 {
				h.await(fmt.Sprintf("pillion_node_redirects_total %d", c.pods))
				h.await(fmt.Sprintf("pillion_sidecar_containers{revision=\"one\",sidecar=\"mesh\"} %d", c.pods))
				h.await(fmt.Sprintf("pillion_sidecar_containers{revision=\"\",sidecar=\"\"} %d", c.pods))
			}
			for range 5 { // as Prometheus does
				h.metrics()
			}
			window := 16 * time.Second // one reading of the ledger
			if os.Getenv("PILLION_PROVE") == "1" {
				window = 2 * time.Minute
			}
			before := h.used()
			time.Sleep(window)
			used, own := h.used()-before, h.anonymous()
			t.Logf("with %d Pods it has %.1f MiB of its own and uses %.2f milli-cores", c.pods, float64(own)/(1<<20), 1000*used.Seconds()/window.Seconds())
			if own > c.most {
				t.Errorf("with %d Pods it has %d bytes of its own, the most is %d", c.pods, own, c.most)
			}
		})
	}
}

// runtime is NRI's runtime side, with Pods.
type runtime struct {
	t      *testing.T
	socket string
	pods   []*api.PodSandbox
	ctrs   []*api.Container
}

func newRuntime(t *testing.T) *runtime {
	t.Helper()
	dir := t.TempDir()
	r := &runtime{t: t, socket: filepath.Join(dir, "nri.sock")}
	side, err := adaptation.New("containerd", "v2.4.2",
		func(ctx context.Context, cb adaptation.SyncCB) error { _, err := cb(ctx, r.pods, r.ctrs); return err },
		func(context.Context, []*adaptation.ContainerUpdate) ([]*adaptation.ContainerUpdate, error) {
			return nil, nil
		},
		adaptation.WithSocketPath(r.socket), adaptation.WithPluginPath(dir+"/none"), adaptation.WithPluginConfigPath(dir+"/none"))
	if err == nil {
		err = side.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(side.Stop)
	return r
}

// pod makes a Pod with a proxy and an app.
func (r *runtime) pod(i int) {
	r.t.Helper()
	var net *namespace.Net
	err := namespace.OnThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: this test needs root", err)
		}
		net, err = namespace.OpenNet("/proc/thread-self/ns/net", 0)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = net.Close() })
	s := &api.PodSandbox{Id: fmt.Sprintf("box-%d-%04d", os.Getpid(), i), Name: fmt.Sprint("web-", i), Namespace: "shop", Uid: fmt.Sprint("uid-", i), Annotations: map[string]string{
		"pillion.dev/status": `{"v":1,"sidecars":[{"name":"mesh","rev":"one","containers":["mesh"],"node":{"redirect":true,"cgroup":true}}]}`}}
	s.Linux = &api.LinuxPodSandbox{Namespaces: []*api.LinuxNamespace{{Type: "network", Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), net.Fd())}}}
	r.pods = append(r.pods, s)
	r.mkdir("/pillion-" + s.Id)
	for _, name := range []string{"mesh", "app"} {
		id := s.Id + "-" + name
		r.mkdir("/pillion-" + s.Id + "/" + id)
		r.ctrs = append(r.ctrs, &api.Container{Id: id, PodSandboxId: s.Id, Name: name, State: api.ContainerState_CONTAINER_RUNNING, Pid: r.process("/pillion-" + s.Id + "/" + id)})
	}
}

// mounts are those of the hierarchies, each once.
func (r *runtime) mounts() map[string]bool {
	r.t.Helper()
	h, err := cgroup.Find()
	if err != nil {
		r.t.Fatal(err)
	}
	out := map[string]bool{}
	for _, mount := range h {
		out[mount] = true
	}
	return out
}

// mkdir makes a cgroup in every hierarchy, until the end of the test.
func (r *runtime) mkdir(dir string) {
	r.t.Helper()
	for mount := range r.mounts() {
		at := filepath.Join(mount, dir)
		if err := os.Mkdir(at, 0o755); err != nil {
			r.t.Fatalf("%v: this test needs root", err)
		}
		r.t.Cleanup(func() {
			err := os.Remove(at)
			for tries := 0; err != nil && tries < 200; tries++ { // a process that has just ended may still be there
				time.Sleep(10 * time.Millisecond)
				err = os.Remove(at)
			}
			if err != nil {
				r.t.Error(err)
			}
		})
	}
}

// process starts one in a cgroup, until the end of the test.
func (r *runtime) process(dir string) uint32 {
	r.t.Helper()
	cmd := exec.Command("/bin/sleep", "600")
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for mount := range r.mounts() {
		if err := os.WriteFile(filepath.Join(mount, dir, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			r.t.Fatal(err)
		}
	}
	return uint32(cmd.Process.Pid)
}

// helper is the real program, at work.
type helper struct {
	t       *testing.T
	pid     int
	address string
}

// startHelper runs it with the chart's capabilities.
func startHelper(t *testing.T, socket string) *helper {
	t.Helper()
	profiles := t.TempDir()
	if err := os.WriteFile(filepath.Join(profiles, "mesh.one"), []byte(`{"redirect":{"inbound":15006,"outbound":15001,"groupID":1337},"cgroup":{"cpuWeight":10}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := programtest.Command(context.Background(), "agent", hostProcess(), "--state-dir="+dir, "--profiles="+profiles, "--metrics-address=127.0.0.1:0", "--nri-socket="+socket)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = withOnly(given(t), cmd.Start)
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &helper{t: t, pid: cmd.Process.Pid}
	lines := bufio.NewScanner(stderr)
	for h.address == "" && lines.Scan() {
		var said struct{ Msg, MetricsAddress string }
		if json.Unmarshal(lines.Bytes(), &said) == nil {
			h.address = said.MetricsAddress
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if h.address == "" {
		t.Fatal("the helper does not serve")
	}
	return h
}

func (h *helper) metrics() string {
	h.t.Helper()
	res, err := http.Get("http://" + h.address + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// await waits for a line among the metrics.
func (h *helper) await(line string) {
	h.t.Helper()
	for until := time.Now().Add(30 * time.Second); !strings.Contains(h.metrics(), "\n"+line+"\n"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(until) {
			h.t.Fatalf("no %s in\n%s", line, h.metrics())
		}
	}
}

// anonymous gives the bytes of the program's own memory.
func (h *helper) anonymous() int {
	h.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.pid))
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return kib << 10
}

// used gives the CPU time of the program's threads.
func (h *helper) used() time.Duration {
	h.t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", h.pid))
	if err != nil || len(threads) == 0 {
		h.t.Fatal(threads, err)
	}
	var sum time.Duration
	for _, thread := range threads {
		text, _ := os.ReadFile(thread) // it may have ended
		ran, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(ran, 10, 64)
		sum += time.Duration(n)
	}
	return sum
}
