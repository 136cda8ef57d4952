package node

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// bed is NRI's runtime side, real, with real network namespaces, cgroups and processes behind the Pods that it tells of.
type bed struct {
	t        *testing.T
	dir      string
	runtime  *adaptation.Adaptation
	profiles string
	cgroup2  string
	host     uint64
	agent    *Agent
	stop     func()
	log      *safeBuffer

	mu   sync.Mutex
	pods []*api.PodSandbox
	ctrs []*api.Container
	n    atomic.Int64
	// synced is how long the last synchronization took.
	synced time.Duration
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// The profiles of the tests, by entry and revision.
var testProfiles = map[string]string{
	"mesh.one":   `{"redirect":{"inbound":15006,"outbound":15001,"groupID":1337}}`,
	"mesh.two":   `{"redirect":{"outbound":15002,"directAfterProxy":true}}`,
	"joiner.one": `{"joinPIDNamespaceOf":"$(params.target)"}`,
	"plain.one":  `{"cgroup":{"cpuWeight":10}}`,
	"bad.one":    `{"redirect":{"inbound":70000}}`,
}

func newBed(t *testing.T, version string) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), log: &safeBuffer{}}
	b.profiles = filepath.Join(b.dir, "profiles")
	if err := os.Mkdir(b.profiles, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range testProfiles {
		b.profile(name, text)
	}
	var err error
	if b.host, err = namespace.InodeOf("/proc/self/ns/net"); err != nil {
		t.Fatal(err)
	}
	b.cgroup2, err = Cgroup2()
	if err != nil || b.cgroup2 == "" {
		t.Fatalf("no cgroup2: %v", err)
	}
	b.runtime, err = adaptation.New("containerd", version, b.synchronize,
		func(context.Context, []*adaptation.ContainerUpdate) ([]*adaptation.ContainerUpdate, error) {
			return nil, nil
		},
		adaptation.WithSocketPath(b.socket()), adaptation.WithPluginPath(b.dir+"/none"), adaptation.WithPluginConfigPath(b.dir+"/none"))
	if err == nil {
		err = b.runtime.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.runtime.Stop)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(b.log.String())
		}
	})
	b.serve()
	return b
}

func (b *bed) socket() string { return filepath.Join(b.dir, "nri.sock") }

func (b *bed) profile(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.profiles, name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) synchronize(ctx context.Context, cb adaptation.SyncCB) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	began := time.Now()
	_, err := cb(ctx, b.pods, b.ctrs)
	b.synced = time.Since(began)
	return err
}

// serve starts the helper and waits until the runtime calls it.
func (b *bed) serve() {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(b.log, nil))
	profiles, err := OpenProfiles(b.profiles, log)
	if err != nil {
		b.t.Fatal(err)
	}
	b.agent = NewAgent(Options{Profiles: profiles, HostNetwork: b.host, Cgroup2: b.cgroup2, Hierarchies: cgroup.Hierarchies{"": b.cgroup2}, RuntimeHandlers: []string{"", "runc"},
		LeftAlone: []string{"pillion-system"}, Log: log, Metrics: NewMetrics()})
	ctx, cancel := context.WithCancel(b.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = b.agent.Serve(ctx, b.socket()) })
	running.Go(func() { b.agent.Reconcile(ctx) })
	running.Go(func() { profiles.Watch(ctx) })
	b.stop = func() { cancel(); running.Wait() }
	b.t.Cleanup(b.stop)
	b.await("the runtime calls the helper", func() error {
		if b.agent.features.Load().Runtime == "" {
			return fmt.Errorf("not yet")
		}
		return nil
	})
}

func (b *bed) await(what string, try func() error) {
	b.t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			b.t.Fatalf("%s: %v", what, err)
		}
	}
}

// sandbox is a Pod with a network namespace of its own, not yet told of.
type sandbox struct {
	*api.PodSandbox
	net *namespace.Net
}

func (b *bed) sandbox(name, status string) *sandbox {
	b.t.Helper()
	net := newNetwork(b.t)
	s := &api.PodSandbox{Id: fmt.Sprintf("sandbox%d", b.next()), Name: name, Uid: "uid-" + name, Namespace: "shop",
		Annotations: map[string]string{"kubernetes.io/config.source": "api", "pillion.dev/status": status}}
	s.Linux = &api.LinuxPodSandbox{Namespaces: []*api.LinuxNamespace{{Type: "network", Path: fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), net.Fd())}}}
	return &sandbox{s, net}
}

// newNetwork makes a network namespace with nothing but a loopback.
func newNetwork(t *testing.T) *namespace.Net {
	t.Helper()
	var n *namespace.Net
	err := namespace.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: these tests need root", err)
		}
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var err error
		n, err = namespace.OpenNet("/proc/thread-self/ns/net", 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// statusOf writes a status annotation of sidecars NAME.REVISION with what they ask.
func statusOf(sidecars ...string) string {
	var list []string
	for _, s := range sidecars {
		name, rest, _ := strings.Cut(s, ".")
		revision, node, _ := strings.Cut(rest, " ")
		list = append(list, fmt.Sprintf(`{"name":%q,"rev":%q,"containers":[%q],"node":{%s}}`, name, revision, name, node))
	}
	return `{"v":1,"sidecars":[` + strings.Join(list, ",") + `]}`
}

const meshOne = `mesh.one "redirect":true`

func (b *bed) run(s *sandbox) error {
	return b.runtime.RunPodSandbox(b.t.Context(), &adaptation.RunPodSandboxRequest{Pod: s.PodSandbox})
}

// program is a container's process, in a cgroup that is named by the container's id.
type program struct {
	ctr    *api.Container
	cgroup string
	cmd    *exec.Cmd
}

// next gives a number that nothing else of this test has.
func (b *bed) next() int64 { return b.n.Add(1) }

// create asks for a container.
func (b *bed) create(s *sandbox, name string) (*api.Container, *adaptation.CreateContainerResponse, error) {
	c := &api.Container{Id: fmt.Sprintf("ctr%d%d", os.Getpid(), b.next()), PodSandboxId: s.Id, Name: name, State: api.ContainerState_CONTAINER_CREATED, Linux: &api.LinuxContainer{}}
	res, err := b.runtime.CreateContainer(b.t.Context(), &adaptation.CreateContainerRequest{Pod: s.PodSandbox, Container: c})
	return c, res, err
}

// start makes a container's process and tells of it.
func (b *bed) start(s *sandbox, c *api.Container, attr syscall.SysProcAttr) (*program, error) {
	b.t.Helper()
	p := &program{ctr: c, cgroup: filepath.Join(b.cgroup2, "pillion-test-"+c.Id)}
	if err := os.Mkdir(p.cgroup, 0o755); err != nil {
		b.t.Fatal(err)
	}
	dir, err := os.Open(p.cgroup)
	if err != nil {
		b.t.Fatal(err)
	}
	defer dir.Close()
	attr.UseCgroupFD, attr.CgroupFD = true, int(dir.Fd())
	p.cmd = exec.Command("/bin/sleep", "60")
	p.cmd.SysProcAttr = &attr
	if err := p.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { p.kill(b.t) })
	c.Pid = uint32(p.cmd.Process.Pid)
	err = b.runtime.StartContainer(b.t.Context(), &adaptation.StartContainerRequest{Pod: s.PodSandbox, Container: c})
	c.State = api.ContainerState_CONTAINER_RUNNING
	return p, err
}

func (p *program) kill(t *testing.T) {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	for range 200 {
		if err := os.Remove(p.cgroup); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s stays", p.cgroup)
}

// table reads the rules of a Pod; the zero value where it has none.
func (b *bed) table(s *sandbox) redirect.Found {
	b.t.Helper()
	found, err := redirect.Read(s.net)
	if err != nil {
		b.t.Fatal(err)
	}
	if found == nil {
		return redirect.Found{}
	}
	return *found
}

// wants is the hash of a profile's table.
func (b *bed) wants(profile string, proxy redirect.Proxy, phase redirect.Phase) string {
	b.t.Helper()
	p, err := ParseProfile([]byte(testProfiles[profile]))
	if err != nil {
		b.t.Fatal(err)
	}
	return redirect.NewTable(p.Redirect, &proxy, phase).Hash
}

// proxyOf is how a program is told from others.
func (p *program) proxy(t *testing.T) redirect.Proxy {
	t.Helper()
	id, err := namespace.InodeOf(p.cgroup)
	if err != nil {
		t.Fatal(err)
	}
	return redirect.Proxy{Cgroups: []uint64{id}, Level: 1}
}
