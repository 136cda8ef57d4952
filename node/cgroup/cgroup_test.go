package cgroup

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

var everyFile = Supported{Weight: true, High: true, Burst: true, IOWeight: true}

func TestNoValueIsMoreThanTheKubeletGives(t *testing.T) {
	half := Given{Shares: 512, Quota: 50000, Period: 100000, MemoryLimit: 64 << 20, OOMScoreAdjust: 900}
	for _, c := range []struct {
		name    string
		profile v1alpha1.NodeCgroup
		given   Given
		has     Supported
		want    Values
	}{
		{"everything", v1alpha1.NodeCgroup{CPUWeight: 10, MemoryHighPercent: 90, CPUBurstPercent: 50, IOWeight: 20, OOMScoreAdjust: 950}, half, everyFile,
			Values{Unified: map[string]string{"cpu.weight": "10", "memory.high": "60395520", "cpu.max.burst": "25000", "io.weight": "20"}, OOMScoreAdjust: 950, RaiseOOM: true}},
		{"more than given", v1alpha1.NodeCgroup{CPUWeight: 5000, IOWeight: 1000, OOMScoreAdjust: 100}, half, everyFile, Values{}},
		{"version 1 has shares", v1alpha1.NodeCgroup{CPUWeight: 10, MemoryHighPercent: 90, CPUBurstPercent: 50, IOWeight: 20}, half, Supported{Version1: true}, Values{Shares: 237}},
		{"version 1, more than given", v1alpha1.NodeCgroup{CPUWeight: 100}, half, Supported{Version1: true}, Values{}},
		{"no such files", v1alpha1.NodeCgroup{CPUWeight: 10, MemoryHighPercent: 90, CPUBurstPercent: 50, IOWeight: 20}, half, Supported{}, Values{}},
		{"no limits", v1alpha1.NodeCgroup{MemoryHighPercent: 90, CPUBurstPercent: 50}, Given{Shares: 2, Quota: -1}, everyFile, Values{}},
		{"nothing given", v1alpha1.NodeCgroup{CPUWeight: 10, MemoryHighPercent: 90, CPUBurstPercent: 100}, Given{}, everyFile, Values{}},
		{"the largest limit", v1alpha1.NodeCgroup{MemoryHighPercent: 99}, Given{MemoryLimit: 1<<63 - 1}, everyFile, Values{Unified: map[string]string{"memory.high": "9131138316486225920"}}},
		{"the kubelet reclaims earlier", v1alpha1.NodeCgroup{MemoryHighPercent: 90}, Given{MemoryLimit: 64 << 20, MemoryHigh: 50 << 20}, everyFile, Values{}},
		{"the kubelet reclaims later", v1alpha1.NodeCgroup{MemoryHighPercent: 50}, Given{MemoryLimit: 64 << 20, MemoryHigh: 50 << 20}, everyFile, Values{Unified: map[string]string{"memory.high": "33550336"}}},
		{"a limit of a page", v1alpha1.NodeCgroup{MemoryHighPercent: 50}, Given{MemoryLimit: 4096}, everyFile, Values{}},
	} {
		if c.want.Unified == nil {
			c.want.Unified = map[string]string{}
		}
		if diff := cmp.Diff(c.want, Govern(&c.profile, c.given, c.has)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for shares := uint64(2); shares < 262144; shares += 77 {
		if w := leastWeight(shares); w > 1 && SharesOf(w-1) > shares {
			t.Fatalf("%d shares are less than weight %d", shares, w)
		}
	}
}

func TestParse(t *testing.T) {
	some, full := pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=500\n")
	if some != 1500*time.Microsecond || full != 500*time.Microsecond {
		t.Errorf("%s %s", some, full)
	}
	if got := flat("usage_usec 12\nx\nnr_throttled -1\nthrottled_usec 7\n"); got["usage_usec"] != 12 || got["throttled_usec"] != 7 || len(got) != 2 {
		t.Errorf("%v", got)
	}
	if number("max\n") != 0 || number(" 42\n") != 42 {
		t.Error("number")
	}
	paths := ParsePaths("12:cpu,cpuacct:/kubepods/pod1/c1\n1:name=systemd:/x\n0::/kubepods/pod1/c1:with:colons\nbroken\n")
	if diff := cmp.Diff(Paths{"cpu": "/kubepods/pod1/c1", "cpuacct": "/kubepods/pod1/c1", "name=systemd": "/x", "": "/kubepods/pod1/c1:with:colons"}, paths); diff != "" {
		t.Error(diff)
	}
	mounts := ParseMounts("30 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n" +
		"31 24 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 24 0:28 / /elsewhere rw - cgroup2 cgroup2 rw\n33 24 0:29 / /mnt rw - ext4 /dev/x rw,memory\nbroken\n")
	if diff := cmp.Diff(Hierarchies{"cpu": "/sys/fs/cgroup/cpu,cpuacct", "cpuacct": "/sys/fs/cgroup/cpu,cpuacct", "": "/sys/fs/cgroup/unified"}, mounts); diff != "" {
		t.Error(diff)
	}
}

// family is a cgroup of a Pod with a container, in every hierarchy of this machine.
type family struct {
	t    *testing.T
	h    Hierarchies
	name string
}

func newFamily(t *testing.T) *family {
	t.Helper()
	h, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	f := &family{t, h, fmt.Sprintf("/pillion-test-%d-%s", os.Getpid(), strings.ToLower(t.Name()))}
	f.mkdir(f.name)
	return f
}

func (f *family) mkdir(dir string) {
	f.t.Helper()
	for _, mount := range f.mounts() {
		at := filepath.Join(mount, dir)
		if err := os.Mkdir(at, 0o755); err != nil {
			f.t.Fatalf("%v: these tests need root", err)
		}
		f.t.Cleanup(func() { f.remove(at) })
	}
}

// mounts gives each mount once: some controllers share one.
func (f *family) mounts() map[string]string {
	out := map[string]string{}
	for _, mount := range f.h {
		out[mount] = mount
	}
	return out
}

func (f *family) remove(at string) {
	for range 200 {
		if err := os.Remove(at); err == nil || os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	f.t.Errorf("%s stays", at)
}

// burn runs a shell in a cgroup that burns CPU and holds memory, until it ends by itself.
func (f *family) burn(dir, script string) {
	f.t.Helper()
	var join []string
	for _, mount := range f.mounts() {
		join = append(join, "echo $$ > "+filepath.Join(mount, dir, "cgroup.procs"))
	}
	if out, err := exec.Command("sh", "-c", strings.Join(join, " && ")+" && "+script).CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, out)
	}
}

func (f *family) paths(dir string) Paths {
	p := Paths{}
	for controller := range f.h {
		p[controller] = dir
	}
	return p
}

func (f *family) open(dir, id string) *Dir {
	f.t.Helper()
	d, err := f.h.Open(f.paths(dir), id)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(d.Close)
	return d
}

// TestAPodKeepsWhatItsContainersUsed burns CPU in containers that end: their Pod's counter is the sum, to the microsecond.
func TestAPodKeepsWhatItsContainersUsed(t *testing.T) {
	f := newFamily(t)
	pod := f.open(f.name, "pillion-test")
	var sum time.Duration
	for i := range 3 {
		dir := f.name + "/c" + strconv.Itoa(i)
		f.mkdir(dir)
		ctr := f.open(dir, "c"+strconv.Itoa(i))
		f.burn(dir, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done")
		u, ok := ctr.Sample()
		if !ok || u.CPU <= 0 {
			t.Fatalf("%+v %v", u, ok)
		}
		sum += u.CPU
		for _, mount := range f.mounts() {
			f.remove(filepath.Join(mount, dir))
		}
		if _, ok := ctr.Sample(); ok {
			t.Error("a cgroup that is gone has usage")
		}
	}
	u, _ := pod.Sample()
	if off := u.CPU - sum; off < -time.Millisecond || off > time.Millisecond {
		t.Errorf("the Pod used %s, its containers %s", u.CPU, sum)
	}
	t.Logf("the Pod used %s, its containers %s", u.CPU, sum)
}

func TestOpenLeavesNoCgroup(t *testing.T) {
	f := newFamily(t)
	for _, at := range []string{f.name + "/../x", "/elsewhere", "relative", f.name + "/"} {
		if d, err := f.h.Open(f.paths(at), "pillion-test"); err == nil {
			d.Close()
			t.Errorf("%s was opened", at)
		}
	}
	if _, err := f.h.Open(f.paths(f.name+"/none-pillion-test"), "pillion-test"); err == nil {
		t.Error("what is not there was opened")
	}
}

// BenchmarkSample prints what one sample of a container costs.
func BenchmarkSample(b *testing.B) {
	h, err := Find()
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		b.Fatal(err)
	}
	d := &Dir{roots: map[string]*os.Root{}}
	for name, at := range ParsePaths(string(text)) {
		if mount, ok := h[name]; ok {
			if d.roots[name], err = os.OpenRoot(filepath.Join(mount, at)); err != nil {
				b.Fatal(err)
			}
		}
	}
	defer d.Close()
	for b.Loop() {
		if _, ok := d.Sample(); !ok {
			b.Fatal("no sample")
		}
	}
}
