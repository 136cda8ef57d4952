package etcdtest

import (
	"io"
	"net"
	"sync"
)

// Way passes connections on to a member without TLS, until it is cut.
type Way struct {
	l  net.Listener
	to string

	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

// Way makes one to a member; it ends with the test.
func (c *Cluster) Way(member int) *Way {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(c.t, err)
	w := &Way{l: l, to: c.members[member].client}
	c.t.Cleanup(func() { l.Close(); w.Cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			w.pass(in)
		}
	}()
	return w
}

// URL is where it begins.
func (w *Way) URL() string { return "http://" + w.l.Addr().String() }

func (w *Way) pass(in net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.off {
		in.Close()
		return
	}
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		in.Close()
		return
	}
	w.conns = append(w.conns, in, out)
	for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(pair[1], pair[0])
			pair[1].Close()
		}()
	}
}

// Cut ends all connections and takes no more.
func (w *Way) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// Mend takes connections again.
func (w *Way) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = false
}
