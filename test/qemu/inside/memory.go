package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/node/cgroup"
)

const mebi = 1 << 20

func read(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(b))
}

// high reads a disk four times as large as a container's memory: its page cache stays at the profile's percent. With no profile
// it fills the whole limit, which shows that the disk is large enough.
func high() (string, error) {
	without, err := readDisk("without", &v1alpha1.NodeCgroup{})
	if err != nil {
		return "", err
	}
	with, err := readDisk("with", &v1alpha1.NodeCgroup{MemoryHighPercent: 50})
	seen := fmt.Sprintf("limit %d; without a profile %+v; with one of 50%% %+v", diskLimit, without, with)
	switch {
	case err != nil:
		return seen, err
	case without.atHigh != 0 || without.atLimit < 1:
		return seen, errors.New("without a profile the limit is not reached")
	case with.bound < diskLimit/2-pageSize || with.bound > diskLimit/2:
		return seen, errors.New("memory.high is not half the limit")
	case with.atHigh < 1 || with.atLimit != 0 || with.kills != 0:
		return seen, errors.New("want it reclaimed, and neither at its limit nor killed")
	case with.peak > with.bound+with.bound/8:
		return seen, errors.New("usage does not stay near memory.high")
	}
	return seen, nil
}

// diskLimit is the memory of a container that reads the disk, in bytes.
const diskLimit = 64 * mebi

// pageSize is that of the kernel, in bytes; percentages are of whole hundreds of bytes, so one page may be lacking.
const pageSize = 4096

// reading is what reading the disk did to a container's memory, in bytes and in events.
type reading struct{ bound, peak, atHigh, atLimit, kills int64 }

func readDisk(id string, profile *v1alpha1.NodeCgroup) (r reading, err error) {
	o := order{parent: "/high", id: id, given: cgroup.Given{MemoryLimit: diskLimit}, script: "dd if=/dev/vda of=/dev/null bs=1M; exec sleep 1000"}
	o.values = cgroup.Govern(profile, o.given, everything)
	c, err := o.start()
	if err != nil {
		return r, err
	}
	defer c.end()
	err = until("the disk is read", func() bool {
		return read("/proc/"+c.file("cgroup.procs")+"/comm") == "sleep"
	})
	u, _ := c.dir.Sample()
	return reading{c.number("memory.high"), c.number("memory.peak"), c.count("memory.events", "high"), c.count("memory.events", "max"), int64(u.OOMKills)}, err
}

// stall has a container take memory that cannot be dropped, more than memory.high and less than its limit: it is held up, which
// its pressure tells, and it lives.
func stall() (string, error) {
	o := order{parent: "/high", id: "stall", given: cgroup.Given{MemoryLimit: 64 * mebi},
		script: "dd if=/dev/zero of=/dev/null bs=48M count=1; sleep 1000"}
	o.values = cgroup.Govern(&v1alpha1.NodeCgroup{MemoryHighPercent: 50}, o.given, everything)
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	var u cgroup.Usage
	err = until("the container is held up", func() bool {
		u, _ = c.dir.Sample()
		return u.MemorySome > 0 && u.MemoryFull > 0 && u.Anonymous > 30*mebi
	})
	seen := fmt.Sprintf("%d bytes anonymous with memory.high %s; pressure some %s, full %s; oom_kill %d", u.Anonymous, c.file("memory.high"), u.MemorySome, u.MemoryFull, u.OOMKills)
	if u.OOMKills != 0 {
		err = errors.Join(err, errors.New("it was killed"))
	}
	return seen, err
}

// oomKill has a container take more than its limit, beside one that is content: the kill is counted once, in its own cgroup and
// in the Pod's.
func oomKill() (string, error) {
	calm := order{parent: "/oom-pod", id: "calm", given: cgroup.Given{MemoryLimit: 64 * mebi}, script: idle}
	s, err := calm.start()
	if err != nil {
		return "", err
	}
	defer s.end()
	o := order{parent: "/oom-pod", id: "hog", given: cgroup.Given{MemoryLimit: 32 * mebi}, script: "dd if=/dev/zero of=/dev/null bs=64M count=1; sleep 1000"}
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	var hog cgroup.Usage
	err = until("the hog's process is killed", func() bool {
		hog, _ = c.dir.Sample()
		return hog.OOMKills > 0
	})
	beside, _ := s.dir.Sample()
	pod := container{parent: "", id: "oom-pod"}
	above := pod.count("memory.events", "oom_kill")
	seen := fmt.Sprintf("oom_kill: hog %d, the one beside it %d, their Pod %d", hog.OOMKills, beside.OOMKills, above)
	if err == nil && (hog.OOMKills != 1 || beside.OOMKills != 0 || above != 1) {
		err = errors.New("want 1, 0 and 1")
	}
	return seen, err
}

// ioWeight is accepted where the controller is; where it is not, the helper sends none, and there is no file that it could be in.
func ioWeight() (string, error) {
	profile := &v1alpha1.NodeCgroup{IOWeight: 40}
	h, err := cgroup.Find()
	if err != nil {
		return "", err
	}
	o := order{parent: "/io", id: "with", script: idle}
	o.values = cgroup.Govern(profile, o.given, h.Supports(cgroup.Paths{"": "/first"}))
	c, err := o.start()
	if err != nil {
		return "", err
	}
	defer c.end()
	with := c.file("io.weight")
	bare := filepath.Join(root, "bare")
	err = errors.Join(os.MkdirAll(bare, 0o755), os.WriteFile(filepath.Join(bare, "cgroup.subtree_control"), []byte("+cpu +memory"), 0),
		os.MkdirAll(filepath.Join(bare, "without"), 0o755))
	if err != nil {
		return "", err
	}
	has := h.Supports(cgroup.Paths{"": "/bare/without"})
	sent := cgroup.Govern(profile, cgroup.Given{}, has)
	_, refused := os.OpenFile(filepath.Join(bare, "without", "io.weight"), os.O_WRONLY, 0)
	seen := fmt.Sprintf("with the controller %q; without: io.weight %v, sent %v, opening it: %v", with, has.IOWeight, sent.Unified, refused)
	if with != "default 40" || has.IOWeight || len(sent.Unified) != 0 || refused == nil || !has.High || !has.Weight {
		return seen, errors.New("want it set where it is there, and sent nowhere else")
	}
	return seen, nil
}
