package node

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/containerd/nri/pkg/api"

	"github.com/pillion-dev/pillion/node/namespace"
)

// heldNamespace is a PID namespace that is held open under a path by which the runtime can enter it. No process that gets the
// number of one that ended can take its place.
type heldNamespace struct {
	file  *os.File
	inode uint64
}

func (h *heldNamespace) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), h.file.Fd()) }

// release lets go of the namespace that the container was to be created in.
func (c *container) release() {
	if c != nil && c.joining != nil {
		_ = c.joining.file.Close()
		c.joining = nil
	}
}

// join has a joiner created in the PID namespace of its target, which has to run. The lock is held.
func (a *Agent) join(p *pod, name string, ctr *container, adjust *api.ContainerAdjustment) error {
	join, ok := p.asks.Joins[name]
	if !ok {
		return nil
	}
	profile, err := a.Profiles.Get(join.Sidecar.Name, join.Sidecar.Revision)
	if err != nil {
		return err
	}
	if !profile.Joins {
		return fmt.Errorf("profile %s joins nothing, and the Pod says it does", ProfileKey(join.Sidecar))
	}
	if f := a.features.Load(); !f.Joins {
		return fmt.Errorf("container %s cannot be put into the PID namespace of %s: %s %s cannot do that; it takes containerd 2.2 or CRI-O 1.34", name, join.Target, f.Runtime, f.Version)
	}
	target := p.containers[join.Target]
	if target == nil || target.pid == 0 {
		return fmt.Errorf("container %s waits for %s, whose PID namespace it is to be in and which does not run", name, join.Target)
	}
	held, err := a.hold(target)
	if err != nil {
		return fmt.Errorf("container %s waits for %s, whose PID namespace it is to be in: %w", name, join.Target, err)
	}
	ctr.joining = held
	adjust.AddOrReplaceNamespace(&api.LinuxNamespace{Type: "pid", Path: held.path()})
	return nil
}

// hold opens a container's PID namespace.
func (a *Agent) hold(c *container) (*heldNamespace, error) {
	file, err := os.Open("/proc/" + strconv.Itoa(c.pid) + "/ns/pid")
	if err != nil {
		return nil, fmt.Errorf("it has ended: %w", err)
	}
	// Only now: as long as the namespace is open, its first process, which this is, cannot be another's.
	if err := belongs(c); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	inode, err := namespace.InodeOf(file.Name())
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &heldNamespace{file, inode}, nil
}

// belongs checks that a container's process is still its own, by the cgroups that it is in.
func belongs(c *container) error {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(c.pid) + "/cgroup")
	if err != nil {
		return fmt.Errorf("it has ended: %w", err)
	}
	if !strings.Contains(string(text), c.id) {
		return fmt.Errorf("process %d is not of container %s any more", c.pid, c.id)
	}
	return nil
}

// joined checks that a joiner, whose process is there and has not begun, is where it should be. The lock is held.
func (a *Agent) joined(p *pod, name string, ctr *container) error {
	join, ok := p.asks.Joins[name]
	if !ok {
		return nil
	}
	target := p.containers[join.Target]
	if target == nil || target.pid == 0 {
		return fmt.Errorf("container %s was to be in the PID namespace of %s, which has ended", name, join.Target)
	}
	want, err := namespace.InodeOf("/proc/" + strconv.Itoa(target.pid) + "/ns/pid")
	if err != nil {
		return err
	}
	got, err := namespace.InodeOf("/proc/" + strconv.Itoa(ctr.pid) + "/ns/pid")
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("container %s is in PID namespace %d and not in that of %s, %d: does the runtime refuse namespaces of plugins?", name, got, join.Target, want)
	}
	return nil
}
