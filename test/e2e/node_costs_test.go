package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"github.com/pillion-dev/pillion/node/cgroup"
)

// TestS15Costs compares what it costs to read the kernel's counters, as the helper does, with what it costs to ask the runtime
// for the same containers; resizes a governed sidecar; and looks for every metric of the dashboard of costs.
func TestS15Costs(t *testing.T) {
	inNamespace(t, "s15-costs", map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}, func(s *scene) {
		s.everywhere("S15-busy-catalog.yaml")
		s.helpers("busy")
		helper := s.helpers()[s.here("S15-busy.yaml")]
		governed := s.pod("governed")
		s.pod("ungoverned")
		s.pod("starved")
		s.cheap()
		s.idles(helper)
		s.resizes(governed)
		s.hasMetricsOfCosts(helper)
		s.knowsItsNode(helper)
	})
}

// runtimeSocket is where the nodes' runtime listens.
const runtimeSocket = "unix:///run/containerd/containerd.sock"

// cheap reads all containers of this node many times in both ways, in turn, and compares the CPU time: ours is all that this
// process uses; the runtime's is that of itself and of its shims, without this process's own part.
func (s *scene) cheap() {
	s.Helper()
	conn, err := grpc.NewClient(runtimeSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	s.must(err)
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	dirs := s.openAll(client)
	const rounds, asked, times = 6, 10, 100
	var ours, theirs, idle time.Duration
	for range rounds {
		ours += s.ownCPU(func() {
			for range times {
				for id, d := range dirs {
					if _, ok := d.Sample(); !ok {
						s.Fatalf("container %s cannot be read", id)
					}
				}
			}
		})
		began := time.Now()
		theirs += s.runtimeCPU(func() {
			for range asked {
				s.askRuntime(client, len(dirs))
			}
		})
		// Others ask the runtime too: what it uses in as long a time with us away is not of our asking.
		took := time.Since(began)
		idle += s.runtimeCPU(func() { time.Sleep(took) })
	}
	sample := ours / (rounds * times) / time.Duration(len(dirs))
	asking := max(0, theirs-idle) / (rounds * asked) / time.Duration(len(dirs))
	s.Logf("of each of %d containers: our reading takes %s of CPU, the runtime's %s (%s in all, less %s that it uses meanwhile anyway): %.0f times as much",
		len(dirs), sample, asking, theirs, idle, float64(asking)/float64(sample))
	if asking < 20*sample {
		s.Errorf("the runtime takes %s for a container, our reading %s: less than 20 times as much", asking, sample)
	}
}

// openAll opens the cgroups of all containers that run on this node.
func (s *scene) openAll(client cri.RuntimeServiceClient) map[string]*cgroup.Dir {
	s.Helper()
	h, err := cgroup.Find()
	s.must(err)
	out := map[string]*cgroup.Dir{}
	for _, c := range s.lasting(client) {
		status, err := client.ContainerStatus(s.ctx, &cri.ContainerStatusRequest{ContainerId: c.GetId(), Verbose: true})
		s.must(err)
		var info struct{ Pid int }
		s.must(json.Unmarshal([]byte(status.GetInfo()["info"]), &info))
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", info.Pid))
		s.must(err)
		d, err := h.Open(cgroup.ParsePaths(string(text)), c.GetId())
		s.must(err)
		s.Cleanup(d.Close)
		out[c.GetId()] = d
	}
	if len(out) < 6 {
		s.Fatalf("%d containers run here", len(out))
	}
	return out
}

// lasting are the containers of this node, once those of the rows before are gone.
func (s *scene) lasting(client cri.RuntimeServiceClient) []*cri.Container {
	s.Helper()
	running := &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}
	stay := []string{s.namespace, system, "kube-system", "cert-manager"}
	var found []*cri.Container
	s.eventually("the Pods of other rows are gone", func() (bool, error) {
		answer, err := client.ListContainers(s.ctx, &cri.ListContainersRequest{Filter: running})
		found = answer.GetContainers()
		return !slices.ContainsFunc(found, func(c *cri.Container) bool {
			return !slices.Contains(stay, c.GetLabels()["io.kubernetes.pod.namespace"])
		}), err
	})
	return found
}

// askRuntime asks for what a kubelet asks for where it takes the runtime's word.
func (s *scene) askRuntime(client cri.RuntimeServiceClient, least int) {
	s.Helper()
	containers, err := client.ListContainerStats(s.ctx, &cri.ListContainerStatsRequest{})
	s.must(err)
	if n := len(containers.GetStats()); n < least {
		s.Fatalf("the runtime tells of %d containers, want %d", n, least)
	}
	_, err = client.ListPodSandboxStats(s.ctx, &cri.ListPodSandboxStatsRequest{})
	s.must(err)
}

// ownCPU gives the CPU time that this thread uses for something.
func (s *scene) ownCPU(do func()) time.Duration {
	s.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() time.Duration {
		var u unix.Rusage
		s.must(unix.Getrusage(unix.RUSAGE_THREAD, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	do()
	return used() - before
}

// runtimeCPU gives the CPU time that the runtime and its shims use meanwhile.
func (s *scene) runtimeCPU(do func()) time.Duration {
	s.Helper()
	before := runtimeUsed()
	do()
	var sum time.Duration
	for pid, after := range runtimeUsed() {
		sum += after - before[pid]
	}
	return sum
}

// runtimeUsed gives the CPU time of containerd's and its shims' threads, by their numbers.
func runtimeUsed() map[string]time.Duration {
	out := map[string]time.Duration{}
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(text), "containerd") {
			continue
		}
		threads, _ := filepath.Glob(filepath.Join(filepath.Dir(name), "task", "*", "schedstat"))
		for _, thread := range threads {
			text, _ := os.ReadFile(thread) // it may have ended
			ran, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(ran, 10, 64)
			out[thread] = time.Duration(n)
		}
	}
	return out
}

// idles prints what the helper uses while nothing happens but its own readings.
func (s *scene) idles(helper *corev1.Pod) {
	s.Helper()
	before := s.metric(s.metrics(helper), "process_cpu_seconds_total", "")
	const window = 20 * time.Second
	time.Sleep(window)
	text := s.metrics(helper)
	used := s.metric(text, "process_cpu_seconds_total", "") - before
	s.Logf("in %s with %.0f Pods that ask for something the helper uses %.2f milli-cores; %.1f MiB with its program",
		window, s.metric(text, "pillion_node_pods", ""), 1000*used/window.Seconds(), s.metric(text, "process_resident_memory_bytes", "")/(1<<20))
}

// resizes gives a governed sidecar less CPU, and more, in place: it has its new limit and keeps to its profile's share, which is
// less than the kubelet's for both sizes, and neither it nor the app is started again.
func (s *scene) resizes(pod *corev1.Pod) {
	s.Helper()
	read := func(file string) int64 {
		text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup/cpu", s.cgroupOf(s.tasks(pod)["busy"].pid, "cpu"), file))
		s.must(err)
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		s.must(err)
		return n
	}
	if shares := read("cpu.shares"); shares != 2 {
		s.Errorf("a profile of weight 1 is %d shares, want 2", shares)
	}
	list := "containers"
	for i := range pod.Spec.InitContainers {
		if pod.Spec.InitContainers[i].Name == "busy" {
			list = "initContainers"
		}
	}
	for _, size := range []struct {
		request, limit string
		shares, quota  int64
	}{{"100m", "500m", 102, 50000}, {"400m", "1500m", 409, 150000}} {
		s.kubectl("-n", s.namespace, "patch", "pod", pod.Name, "--subresource=resize", "--patch",
			fmt.Sprintf(`{"spec":{%q:[{"name":"busy","resources":{"requests":{"cpu":%q},"limits":{"cpu":%q}}}]}}`, list, size.request, size.limit))
		s.eventually("the sidecar has its new limit "+size.limit, func() (bool, error) { return read("cpu.cfs_quota_us") == size.quota, nil })
		if shares := read("cpu.shares"); shares != 2 {
			s.Errorf("with a request of %s, of %d shares, the sidecar has %d, its profile gives 2", size.request, size.shares, shares)
		}
		s.eventually("the resize is over", func() (bool, error) {
			return !slices.ContainsFunc(s.refresh(pod).Status.Conditions, func(c corev1.PodCondition) bool {
				return c.Type == corev1.PodResizeInProgress || c.Type == corev1.PodResizePending
			}), nil
		})
	}
	s.refresh(pod)
	for _, name := range []string{"busy", "app"} {
		if n := container(pod, name).RestartCount; n != 0 {
			s.Errorf("%s was started again %d times", name, n)
		}
	}
}

// hasMetricsOfCosts looks for each metric of the dashboard, and of the alerts on nodes, in the helper's own.
func (s *scene) hasMetricsOfCosts(helper *corev1.Pod) {
	s.Helper()
	text := s.metrics(helper)
	seen := 0
	for _, file := range []string{"dashboards/costs.json", "alerts.yaml"} {
		queries, err := os.ReadFile(filepath.Join("..", "..", "charts", "pillion", "files", file))
		s.must(err)
		for _, name := range regexp.MustCompile(`\b(pillion_(node|sidecar|pod)_[a-z_]+|process_[a-z_]+)`).FindAllString(string(queries), -1) {
			seen++
			if name = strings.TrimSuffix(name, "_bucket"); !strings.Contains(text, "\n# TYPE "+name+" ") {
				s.Errorf("%s looks at %s, which the helper does not have", file, name)
			}
		}
	}
	if seen < 20 {
		s.Errorf("%d metrics were looked for", seen)
	}
}

// knowsItsNode looks at the helper's mode and at what it says of its profiles.
func (s *scene) knowsItsNode(helper *corev1.Pod) {
	s.Helper()
	says, err := s.inHelper(helper, "capabilities")
	s.must(err)
	s.Log(says)
	for _, want := range []string{"yes  mode             full: containerd ", "yes  profiles ", "busy.", "; written by the kubelet at "} {
		if !strings.Contains(says, want) {
			s.Errorf("no %q in what the helper says of its node:\n%s", want, says)
		}
	}
	text := s.metrics(helper)
	if s.metric(text, "pillion_node_mode", `mode="full"`) != 1 || s.metric(text, "pillion_node_profiles", `state="broken"`) != 0 {
		s.Error("the metrics do not tell of the mode full and of no broken profiles")
	}
	if at := s.metric(text, "pillion_node_profiles_written_timestamp_seconds", ""); at <= 0 || at > float64(time.Now().Unix()+1) {
		s.Errorf("the profiles were written at %f", at)
	}
}
