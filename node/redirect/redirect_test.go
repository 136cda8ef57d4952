package redirect

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables"
	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/node/namespace"
)

var everything = Spec{Inbound: 15006, Outbound: 15001, InboundExcept: []Ports{{9000, 9010}}, OutboundExcept: []Ports{{5432, 5432}},
	CIDRExcept: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:1::/48")}}

// ensure loads a table, as the helper does.
func (p *pod) ensure(s Spec, proxy Proxy, phase Phase) bool {
	p.t.Helper()
	if errs := s.Validate(nil); len(errs) > 0 {
		p.t.Fatal(errs.ToAggregate())
	}
	changed, err := (&Loader{}).Ensure(p.pod, NewTable(&s, &proxy, phase))
	if err != nil {
		p.t.Fatal(err)
	}
	return changed
}

// TestTrafficGoesThroughTheProxy connects from and to a Pod in every way and looks who answers.
func TestTrafficGoesThroughTheProxy(t *testing.T) {
	p := newPod(t)
	for _, ns := range []*namespace.Net{p.pod, p.ext} {
		who := map[*namespace.Net]string{p.pod: "app", p.ext: "world"}[ns]
		for _, port := range []string{"80", "5432", "9005"} {
			p.serve(ns, "tcp", ":"+port, who)
		}
	}
	p.serve(p.pod, "tcp", ":15006", "proxy-in")
	p.serve(p.pod, "tcp4", "127.0.0.1:15001", "proxy-out")
	p.serve(p.pod, "tcp6", "[::1]:15001", "proxy-out")
	cgroup, id := newCgroup(t, 2)
	p.ensure(everything, Proxy{Cgroups: []uint64{id}, Level: 2, GID: 1337}, Active)
	for _, c := range []struct {
		name     string
		from     *namespace.Net
		as       process
		to, want string
	}{
		{"out", p.pod, process{}, "198.51.100.7:80", "proxy-out for 198.51.100.7:80"},
		{"out to the next host", p.pod, process{}, ext4 + ":80", "proxy-out for " + ext4 + ":80"},
		{"out by IPv6", p.pod, process{}, "[2001:db8::7]:80", "proxy-out for [2001:db8::7]:80"},
		{"out to a port that is left alone", p.pod, process{}, "198.51.100.7:5432", "world"},
		{"out to a network that is left alone", p.pod, process{}, "203.0.113.9:80", "world"},
		{"out to the Pod's own address", p.pod, process{}, pod4 + ":80", "app"},
		{"out to the Pod's own address by IPv6", p.pod, process{}, "[" + pod6 + "]:80", "app"},
		{"out to the loopback", p.pod, process{}, "127.0.0.1:80", "app"},
		{"out to the loopback by IPv6", p.pod, process{}, "[::1]:80", "app"},
		{"out from the proxy's cgroup", p.pod, process{cgroup: cgroup}, "198.51.100.7:80", "world"},
		{"out from the proxy's cgroup by IPv6", p.pod, process{cgroup: cgroup}, "[2001:db8::7]:80", "world"},
		{"out from the proxy's group", p.pod, process{gid: 1337}, "198.51.100.7:80", "world"},
		{"out from another group", p.pod, process{gid: 1338}, "198.51.100.7:80", "proxy-out for 198.51.100.7:80"},
		{"in", p.ext, process{}, pod4 + ":80", "proxy-in for " + pod4 + ":80"},
		{"in by IPv6", p.ext, process{}, "[" + pod6 + "]:80", "proxy-in for [" + pod6 + "]:80"},
		{"in to a port where nobody listens", p.ext, process{}, pod4 + ":81", "proxy-in for " + pod4 + ":81"},
		{"in to a port that is left alone", p.ext, process{}, pod4 + ":9005", "app"},
		{"from the proxy to the app", p.pod, process{cgroup: cgroup}, pod4 + ":80", "app"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := run(t, c.from, c.as, "dial tcp "+c.to); got != c.want {
				t.Errorf("%s answers %q, want %q", c.to, got, c.want)
			}
		})
	}
}

// TestUnknownProxy has a table that cannot tell the proxy's connections: they would come back to it, so that nothing goes out
// until it can.
func TestUnknownProxy(t *testing.T) {
	p := newPod(t)
	p.serve(p.ext, "tcp", ext4+":80", "world")
	p.serve(p.pod, "tcp", "127.0.0.1:15001", "proxy")
	p.serve(p.pod, "tcp", ":15006", "proxy-in")
	p.ensure(everything, Proxy{}, Active)
	if got := asks(p.pod, "tcp", ext4+":80"); !strings.Contains(got, "connection refused") {
		t.Errorf("out of the Pod %q answers", got)
	}
	if got := asks(p.ext, "tcp", pod4+":80"); got != "proxy-in for "+pod4+":80" {
		t.Errorf("in the Pod %q answers", got)
	}
	p.ensure(everything, Proxy{GID: 1337}, Active)
	if got := asks(p.pod, "tcp", ext4+":80"); got != "proxy for "+ext4+":80" {
		t.Errorf("once the proxy is known %q answers", got)
	}
}

func TestDNSGoesThroughTheProxy(t *testing.T) {
	p := newPod(t)
	p.serve(p.ext, "udp", ext4+":53", "world")
	p.serve(p.ext, "tcp", ext4+":53", "world")
	p.serve(p.pod, "udp", "127.0.0.1:15053", "proxy")
	p.serve(p.pod, "tcp", "127.0.0.1:15053", "proxy")
	if got := asks(p.pod, "udp", ext4+":53"); got != "world" {
		t.Fatalf("without a table %q answers", got)
	}
	p.ensure(Spec{DNS: 15053}, Proxy{GID: 1337}, Active)
	for _, network := range []string{"udp", "tcp"} {
		if got, _, _ := strings.Cut(asks(p.pod, network, ext4+":53"), " "); got != "proxy" {
			t.Errorf("%s: %q answers", network, got)
		}
	}
}

// TestTheCanaryTellsOfTheTable is what the gate relies on.
func TestTheCanaryTellsOfTheTable(t *testing.T) {
	n := newNamespace(t) // with nothing but a loopback
	p := &pod{t: t, pod: n}
	p.ip(n, "link set lo up")
	for network, address := range map[string]string{"tcp4": "127.0.0.1:15099", "tcp6": "[::1]:15099"} {
		p.serve(n, network, address, "gate")
	}
	for _, canary := range []string{"127.0.0.1:15098", "[::1]:15098"} {
		if got := asks(n, "tcp", canary); !strings.Contains(got, "refused") {
			t.Errorf("without a table %s gives %q", canary, got)
		}
		for _, phase := range []Phase{Active, Drain} {
			p.ensure(everything, Proxy{}, phase)
			if got := asks(n, "tcp", canary); !strings.HasPrefix(got, "gate for") {
				t.Errorf("%s: %s gives %q", phase, canary, got)
			}
		}
		if err := (&Loader{}).Remove(n); err != nil {
			t.Fatal(err)
		}
	}
}

// TestConnectionsOutliveTheTable loads it while a connection is open each way. Rules without the guard on the first packet
// would break both, which is shown too.
func TestConnectionsOutliveTheTable(t *testing.T) {
	for name, guarded := range map[string]bool{"first packets only": true, "every packet": false} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			p.serve(p.ext, "tcp", ":80", "world")
			p.serve(p.pod, "tcp", ":80", "app")
			var open []net.Conn
			for from, to := range map[*namespace.Net]string{p.pod: ext4 + ":80", p.ext: pod4 + ":80"} {
				var c net.Conn
				err := from.Within(func() (err error) { c, err = net.DialTimeout("tcp", to, 2*time.Second); return err })
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := talk(c); err != nil {
					t.Fatal(err)
				}
				open = append(open, c)
			}
			table := NewTable(&everything, &Proxy{}, Active)
			if !guarded {
				unguard(table)
			}
			if _, err := (&Loader{}).Ensure(p.pod, table); err != nil {
				t.Fatal(err)
			}
			broken := 0
			for _, c := range open {
				if talk(c) != nil {
					broken++
				}
			}
			if guarded && broken > 0 || !guarded && broken == 0 {
				t.Errorf("%d of %d connections broke", broken, len(open))
			}
		})
	}
}

// unguard has redirects match every packet and not the first alone.
func unguard(t *Table) {
	for i, r := range t.rules {
		if r.name == "to the proxy" {
			t.rules[i].match = tcp()
		}
	}
}

// talk says something and waits for an answer.
func talk(c net.Conn) error {
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, "hello"); err != nil {
		return err
	}
	_, err := c.Read(make([]byte, 200))
	return err
}

func TestDrainLetsTrafficGoDirect(t *testing.T) {
	p := newPod(t)
	p.serve(p.ext, "tcp", ":80", "world")
	p.ensure(everything, Proxy{}, Active)
	if got := asks(p.pod, "tcp", ext4+":80"); !strings.HasPrefix(got, "error") {
		t.Errorf("with no proxy there %q answers", got)
	}
	p.ensure(everything, Proxy{}, Drain)
	if got := asks(p.pod, "tcp", ext4+":80"); got != "world" {
		t.Errorf("in the drain %q answers", got)
	}
}

func TestEnsureChangesOnlyWhatDiffers(t *testing.T) {
	p := newPod(t)
	steps := []struct {
		name  string
		do    func()
		spec  Spec
		proxy Proxy
		want  bool
	}{
		{"new", nil, everything, Proxy{GID: 1}, true},
		{"the same", nil, everything, Proxy{GID: 1}, false},
		{"another proxy", nil, everything, Proxy{GID: 2}, true},
		{"another spec", nil, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"a rule is gone", func() { p.deleteARule() }, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"the table is gone", func() { _ = (&Loader{}).Remove(p.pod) }, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"and again", nil, Spec{Outbound: 15001}, Proxy{GID: 2}, false},
	}
	for _, s := range steps {
		if s.do != nil {
			s.do()
		}
		if got := p.ensure(s.spec, s.proxy, Active); got != s.want {
			t.Errorf("%s: changed %v, want %v", s.name, got, s.want)
		}
		found, err := Read(p.pod)
		if err != nil {
			t.Fatal(err)
		}
		want := NewTable(&s.spec, &s.proxy, Active)
		if found.Hash != want.Hash || len(found.Rules) != len(want.rules) {
			t.Errorf("%s: found %+v", s.name, found)
		}
	}
}

func (p *pod) deleteARule() {
	p.t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(p.pod.Fd()))
	if err != nil {
		p.t.Fatal(err)
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName}
	rules, err := conn.GetRules(table, &nftables.Chain{Table: table, Name: "outbound"})
	if err == nil {
		err = conn.DelRule(rules[len(rules)-1])
	}
	if err = errors.Join(err, conn.Flush()); err != nil {
		p.t.Fatal(err)
	}
}

func TestReadCountsWhatPassed(t *testing.T) {
	p := newPod(t)
	p.serve(p.pod, "tcp4", "127.0.0.1:15001", "proxy")
	if found, err := Read(p.pod); err != nil || found != nil {
		t.Fatalf("without a table: %v, %v", found, err)
	}
	p.ensure(everything, Proxy{GID: 1}, Active)
	for range 3 {
		asks(p.pod, "tcp", "198.51.100.7:80")
	}
	found, err := Read(p.pod)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found.Rules, func(r FoundRule) bool { return r.Name == "to the proxy" && r.Chain == "outbound" })
	if i < 0 || found.Rules[i].Packets != 3 || found.Rules[i].To != 15001 {
		t.Errorf("%+v", found.Rules)
	}
}

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

func TestHoldsTellsAForeignNamespace(t *testing.T) {
	p := newPod(t)
	if err := p.pod.Holds([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr(pod6)}); err != nil {
		t.Error(err)
	}
	if err := p.ext.Holds([]netip.Addr{netip.MustParseAddr(pod4)}); err == nil || !strings.Contains(err.Error(), "none of the Pod's addresses") {
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
		if err := p.pod.Holds([]netip.Addr{netip.MustParseAddr(pod4)}); err != nil {
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

func TestSpecsAreChecked(t *testing.T) {
	for _, c := range []struct {
		name string
		spec Spec
		want []string
	}{
		{"good", everything, nil},
		{"empty", Spec{}, []string{"redirect: Required value: want inbound, outbound or dns: a port of the proxy"}},
		{"one port twice", Spec{Inbound: 15001, Outbound: 15001}, []string{"redirect.outbound: Invalid value: 15001: is the port of inbound"}},
		{"the gate's port", Spec{Inbound: GatePort}, []string{"redirect.inbound: Invalid value: 15099: is the port of the gate"}},
		{"bits behind the prefix", Spec{Outbound: 1, CIDRExcept: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")}},
			[]string{`redirect.cidrExcept[0]: Invalid value: "10.0.0.1/8": want a network such as 10.0.0.0/8 with no bit set behind the prefix`}},
		{"too many", Spec{Outbound: 1, OutboundExcept: make([]Ports, 65)}, []string{"redirect.outboundExcept: Too many: 65: must have at most 64 items"}},
	} {
		var got []string
		for _, e := range c.spec.Validate(field.NewPath("redirect")) {
			got = append(got, e.Error())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for text, want := range map[string]string{"80": "80", "80-90": "80-90", "80-80": "80", "0": "error", "90-80": "error", "65536": "error", "a": "error", "": "error", "-": "error", "1-2-3": "error"} {
		var p Ports
		got := "error"
		if p.UnmarshalText([]byte(text)) == nil {
			got = p.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// BenchmarkEnsure prints what one table costs where it is new and where it is there.
func BenchmarkEnsure(b *testing.B) {
	n := new(namespace.Net)
	if err := namespace.OnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n, err = namespace.OpenNet("/proc/thread-self/ns/net", 0)
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	for name, differs := range map[string]bool{"new": true, "there": false} {
		b.Run(name, func(b *testing.B) {
			i := uint32(0)
			for b.Loop() {
				if differs {
					i++
				}
				if _, err := (&Loader{}).Ensure(n, NewTable(&everything, &Proxy{GID: i + 1}, Active)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
