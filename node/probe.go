package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/node/redirect"
)

// Capability is one thing that the helper may or may not be able to do on a node.
type Capability struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail says what was found, or why it cannot be done and what to do about it.
	Detail string `json:"detail"`
}

// Capabilities of a node.
type Capabilities []Capability

// Text gives a line for each.
func (c Capabilities) Text() string {
	var b strings.Builder
	for _, one := range c {
		word := "no "
		if one.OK {
			word = "yes"
		}
		fmt.Fprintf(&b, "%s  %-16s %s\n", word, one.Name, one.Detail)
	}
	return b.String()
}

// Probe tries what the helper needs, without changing anything on the node. hostProcess is a process in the node's own
// namespaces, such as /proc/1.
func Probe(ctx context.Context, socket, hostProcess string) Capabilities {
	return append(Capabilities{probeRuntime(ctx, socket)}, ProbeSelf(hostProcess)...)
}

// ProbeSelf is Probe without the runtime, which may come later.
func ProbeSelf(hostProcess string) Capabilities {
	return Capabilities{probeNode(hostProcess), probeRedirect(), probeCgroups()}
}

func probeRuntime(ctx context.Context, socket string) Capability {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return Capability{"nri", false, fmt.Sprintf("%v: is NRI on? containerd has it on from 2.0, CRI-O from 1.30. Without it Pods that ask for a redirect wait at their gate; sidecars that need no helper are as ever", err)}
	}
	_ = c.Close()
	return Capability{"nri", true, socket}
}

func probeNode(process string) Capability {
	host, err := namespace.InodeOf(filepath.Join(process, "ns/net"))
	if err != nil {
		return Capability{"namespaces", false, err.Error() + ": the helper needs hostPID and the capability SYS_PTRACE"}
	}
	return Capability{"namespaces", true, fmt.Sprintf("the node's network namespace is %d", host)}
}

// probeRedirect makes a network namespace of its own, and a table in it.
func probeRedirect() Capability {
	err := namespace.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: the helper needs the capability SYS_ADMIN", err)
		}
		ns, err := namespace.OpenNet("/proc/thread-self/ns/net", 0)
		if err != nil {
			return err
		}
		defer ns.Close()
		_, err = new(redirect.Loader).Ensure(ns, nil, redirect.NewTable(&redirect.Spec{Inbound: 1, Outbound: 2, DNS: 3}, &redirect.Proxy{GID: 1}, redirect.Active))
		if errors.Is(err, unix.EPERM) {
			return fmt.Errorf("%w: the helper needs the capability NET_ADMIN", err)
		}
		return err
	})
	if err != nil {
		return Capability{"redirect", false, err.Error()}
	}
	return Capability{"redirect", true, "nftables, with redirects of IPv4 and IPv6"}
}

func probeCgroups() Capability {
	root, err := Cgroup2()
	if err != nil || root == "" {
		return Capability{"cgroups", false, "no cgroups of version 2: a proxy is told by its group, where its entry names one"}
	}
	controllers, err := os.ReadFile(filepath.Join(root, "cgroup.controllers"))
	if err != nil {
		return Capability{"cgroups", false, err.Error()}
	}
	if list := strings.TrimSpace(string(controllers)); list != "" {
		return Capability{"cgroups", true, "version 2 at " + root + " with " + list}
	}
	return Capability{"cgroups", true, "version 2 at " + root + " without controllers, which are those of version 1: a proxy is told by its cgroup"}
}

// Ready says why the helper is not ready: the runtime does not call it.
func (a *Agent) Ready() error {
	if !a.connected.Load() {
		return errors.New("not connected to the container runtime")
	}
	return nil
}
