package redirect

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
)

// TestTheLevelIsTheHosts loads from a process in a cgroup namespace of its own, as the helper's container is, for a proxy in a
// cgroup elsewhere.
func TestTheLevelIsTheHosts(t *testing.T) {
	loader, _ := newCgroup(t, 1)
	proxy, id := newCgroup(t, 3)
	host := fmt.Sprintf("/proc/%d/ns/cgroup", os.Getpid())
	for _, c := range []struct{ cgroupns, want string }{{host, "world"}, {"none", "error"}} {
		p := newPod(t)
		p.serve(p.ext, "tcp", ":80", "world")
		netns := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), p.pod.Fd())
		as := process{cgroup: loader, flags: syscall.CLONE_NEWCGROUP}
		if out := run(t, p.ext, as, fmt.Sprintf("load %s %s 3 %d", netns, c.cgroupns, id)); out != "" && c.cgroupns == host {
			t.Fatal(out)
		}
		if got := run(t, p.pod, process{cgroup: proxy}, "dial tcp "+ext4+":80"); !strings.HasPrefix(got, c.want) {
			t.Errorf("with %s the proxy gets %q, want %q", c.cgroupns, got, c.want)
		}
	}
}

// TestUserNamespaces redirects a Pod whose network namespace belongs to a user namespace of its own.
func TestUserNamespaces(t *testing.T) {
	p := &pod{t: t, ext: newNamespace(t)}
	p.pod = namespaceOfUser(t)
	p.connect()
	p.serve(p.ext, "tcp", ":80", "world")
	p.serve(p.pod, "tcp4", "127.0.0.1:15001", "proxy")
	p.ensure(everything, Proxy{GID: 1337}, Active)
	if got := asks(p.pod, "tcp", "198.51.100.7:80"); got != "proxy for 198.51.100.7:80" {
		t.Errorf("%q answers", got)
	}
}

// namespaceOfUser makes a network namespace that a new user namespace owns.
func namespaceOfUser(t *testing.T) *namespace.Net {
	t.Helper()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}
	attr := &os.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, UidMappings: ids, GidMappings: ids}}
	sleep, err := os.StartProcess("/bin/sleep", []string{"sleep", "60"}, attr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sleep.Kill(); _, _ = sleep.Wait() })
	n, err := namespace.OpenNet(fmt.Sprintf("/proc/%d/ns/net", sleep.Pid), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func TestOpenRefusesWhatIsNoPodsNetwork(t *testing.T) {
	host, err := namespace.InodeOf("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Symlink("/proc/self/ns/net", link), unix.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/proc/self/ns/net": namespace.ErrHost.Error(), link: namespace.ErrHost.Error(), file: "is no namespace", pipe: "is no namespace", dir: "is no namespace",
		"/proc/self/ns/pid": "is no network namespace", "/nowhere": "no such file"} {
		if n, err := namespace.OpenNet(path, host); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v %v, want %q", path, n, err, want)
		}
	}
}

// holds asks on a thread that is in the namespace.
func holds(n *namespace.Net, texts ...string) error {
	ips := make([]netip.Addr, len(texts))
	for i, text := range texts {
		ips[i] = netip.MustParseAddr(text)
	}
	return n.Within(func() error { return namespace.Holds(ips) })
}

func TestHoldsTellsAForeignNamespace(t *testing.T) {
	p := newPod(t)
	if err := holds(p.pod, "192.0.2.1", pod6); err != nil {
		t.Error(err)
	}
	if err := holds(p.ext, pod4); err == nil || !strings.Contains(err.Error(), "none of the Pod's addresses") {
		t.Errorf("%v", err)
	}
}

// TestNoThreadStaysBehind enters many namespaces: a thread that came back would have other goroutines work in a Pod.
func TestNoThreadStaysBehind(t *testing.T) {
	p := newPod(t)
	host, err := namespace.InodeOf("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	before := threads(t)
	for i := range 200 {
		p.ensure(everything, Proxy{GID: uint32(i + 1)}, Active)
		if err := holds(p.pod, pod4); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if ns, err := namespace.InodeOf("/proc/thread-self/ns/net"); err != nil || ns != host {
			t.Fatalf("this thread is in %d, %v", ns, err)
		}
	}
	if after := threads(t); after > before+20 {
		t.Errorf("%d threads, before there were %d", after, before)
	}
}
