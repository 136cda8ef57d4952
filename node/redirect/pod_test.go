package redirect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
)

// The test binary is also a program in the Pod: it does what the variable says, prints what it learns, and ends.
const asProgram = "PILLION_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if what := os.Getenv(asProgram); what != "" {
		if err := program(strings.Fields(what)); err != nil {
			fmt.Print("error: ", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func program(words []string) error {
	switch words[0] {
	case "dial": // dial NETWORK ADDRESS: what the other end says
		answer, err := dial(words[1], words[2])
		fmt.Print(answer)
		return err
	case "load": // load NETNS CGROUPNS LEVEL ID: a table for a proxy with that cgroup
		level, err := strconv.ParseUint(words[3], 10, 32)
		if err != nil {
			return err
		}
		id, err := strconv.ParseUint(words[4], 10, 64)
		if err != nil {
			return err
		}
		ns, err := namespace.OpenNet(words[1], 0)
		if err != nil {
			return err
		}
		defer ns.Close()
		l := Loader{CgroupNamespace: strings.TrimPrefix(words[2], "none")}
		_, err = l.Ensure(ns, nil, NewTable(&Spec{Outbound: 15001}, &Proxy{Cgroups: []uint64{id}, Level: uint32(level)}, Active))
		return err
	}
	return fmt.Errorf("no program %q", words[0])
}

func dial(network, address string) (string, error) {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return "", err
	}
	b := make([]byte, 200)
	n, err := c.Read(b)
	return string(b[:n]), err
}

// pod is a Pod's network namespace, joined by a veth to another one, in which the rest of the world is.
type pod struct {
	t        *testing.T
	pod, ext *namespace.Net
}

// Addresses: the Pod's and the world's.
const (
	pod4, pod6 = "10.99.0.2", "fd99::2"
	ext4, ext6 = "10.99.0.1", "fd99::1"
)

func newPod(t *testing.T) *pod {
	t.Helper()
	p := &pod{t: t, pod: newNamespace(t), ext: newNamespace(t)}
	p.connect()
	return p
}

// connect joins the two by a veth and gives both their addresses.
func (p *pod) connect() {
	p.t.Helper()
	self := fmt.Sprintf("/proc/%d/fd/", os.Getpid())
	p.ip(p.ext, "link add pod type veth peer name eth0 netns "+self+strconv.Itoa(p.pod.Fd()))
	for _, side := range []struct {
		ns      *namespace.Net
		link    string
		v4, v6  string
		gateway bool
	}{{p.ext, "pod", ext4, ext6, false}, {p.pod, "eth0", pod4, pod6, true}} {
		p.ip(side.ns, "link set lo up")
		p.ip(side.ns, "link set "+side.link+" up")
		p.ip(side.ns, "addr add "+side.v4+"/24 dev "+side.link)
		p.ip(side.ns, "addr add "+side.v6+"/64 dev "+side.link+" nodad")
	}
	p.ip(p.pod, "route add default via "+ext4)
	p.ip(p.pod, "-6 route add default via "+ext6)
	// Addresses of the world beyond the Pod's network.
	p.ip(p.ext, "addr add 198.51.100.7/32 dev lo")
	p.ip(p.ext, "addr add 203.0.113.9/32 dev lo")
	p.ip(p.ext, "addr add 2001:db8::7/128 dev lo")
}

// newNamespace makes a network namespace, which ends with the test.
func newNamespace(t *testing.T) *namespace.Net {
	t.Helper()
	var n *namespace.Net
	err := namespace.OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("%w: these tests need root", err)
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

func (p *pod) ip(n *namespace.Net, args string) {
	p.t.Helper()
	err := n.Within(func() error {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("ip %s: %w: %s", args, err, out)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// serve answers every connection in a network namespace with its name and where the connection was meant to go.
func (p *pod) serve(n *namespace.Net, network, address, name string) {
	p.t.Helper()
	if network == "udp" {
		p.serveUDP(n, address, name)
		return
	}
	var l net.Listener
	err := n.Within(func() (err error) { l, err = net.Listen(network, address); return err })
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answer(c, name)
		}
	}()
}

func answer(c net.Conn, name string) {
	defer c.Close()
	text := name
	if to := originalDestination(c); to.IsValid() && to.String() != c.LocalAddr().String() {
		text += " for " + to.String()
	}
	b := make([]byte, 200)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

func (p *pod) serveUDP(n *namespace.Net, address, name string) {
	p.t.Helper()
	var c net.PacketConn
	err := n.Within(func() (err error) { c, err = net.ListenPacket("udp", address); return err })
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = c.Close() })
	go func() {
		b := make([]byte, 200)
		for {
			_, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo([]byte(name), from)
		}
	}()
}

// originalDestination asks the kernel where a redirected connection was meant to go.
func originalDestination(c net.Conn) (to netip.AddrPort) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return to
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return to
	}
	_ = raw.Control(func(fd uintptr) {
		if a, err := unix.GetsockoptIPv6Mreq(int(fd), unix.IPPROTO_IP, unix.SO_ORIGINAL_DST); err == nil {
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.Multiaddr[4:8])), binary.BigEndian.Uint16(a.Multiaddr[2:]))
			return
		}
		const ip6tOriginalDst = 80
		if a, err := unix.GetsockoptIPv6MTUInfo(int(fd), unix.IPPROTO_IPV6, ip6tOriginalDst); err == nil {
			port := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, a.Addr.Port))
			to = netip.AddrPortFrom(netip.AddrFrom16(a.Addr.Addr), port)
		}
	})
	return to
}

// asks dials from a network namespace and gives what the other end says, or the error.
func asks(n *namespace.Net, network, address string) string {
	var text string
	err := n.Within(func() (err error) { text, err = dial(network, address); return err })
	if err != nil {
		return "error: " + err.Error()
	}
	return text
}

// process is who a program in the Pod runs as.
type process struct {
	gid    uint32
	cgroup *os.File
	flags  uintptr
}

// run runs a program in the network namespace and gives what it prints.
func run(t *testing.T, n *namespace.Net, as process, words string) string {
	t.Helper()
	var out bytes.Buffer
	err := n.Within(func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), asProgram+"="+words)
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Gid: as.gid}, Cloneflags: as.flags}
		if as.cgroup != nil {
			cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(as.cgroup.Fd())
		}
		return cmd.Run()
	})
	if err != nil && out.Len() == 0 {
		t.Fatal(err)
	}
	return out.String()
}

// newCgroup makes a cgroup of version 2, at the given level below the root, and gives its id.
func newCgroup(t *testing.T, level int) (dir *os.File, id uint64) {
	t.Helper()
	root := cgroup2(t)
	path := root
	for i := range level {
		path = filepath.Join(path, fmt.Sprintf("pillion-test-%d-%s-%d", os.Getpid(), strings.ToLower(t.Name()[:8]), i))
		if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
		made := path
		t.Cleanup(func() {
			for range 100 { // a process that has just ended may still be there
				if err := os.Remove(made); err == nil || os.IsNotExist(err) {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("%s stays", made)
		})
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	if id, err = namespace.InodeOf(path); err != nil {
		t.Fatal(err)
	}
	return dir, id
}

// cgroup2 finds the hierarchy of version 2.
func cgroup2(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	t.Fatal("no cgroup2 is mounted")
	return ""
}

// threads counts the threads of this process, of which none may stay behind in a Pod.
func threads(t *testing.T) int {
	t.Helper()
	runtime.Gosched()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

var everything = Spec{Inbound: 15006, Outbound: 15001, InboundExcept: []Ports{{9000, 9010}}, OutboundExcept: []Ports{{5432, 5432}},
	CIDRExcept: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}}

// ensure loads a table, as the helper does.
func (p *pod) ensure(s Spec, proxy Proxy, phase Phase) bool {
	p.t.Helper()
	if errs := s.Validate(nil); len(errs) > 0 {
		p.t.Fatal(errs.ToAggregate())
	}
	changed, err := (&Loader{}).Ensure(p.pod, nil, NewTable(&s, &proxy, phase))
	if err != nil {
		p.t.Fatal(err)
	}
	return changed
}
