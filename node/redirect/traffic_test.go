package redirect

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/node/namespace"
)

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
			if _, err := (&Loader{}).Ensure(p.pod, nil, table); err != nil {
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
