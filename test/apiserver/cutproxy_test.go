package apiserver

import (
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// cutProxy hands connections on to an API server, until they are cut.
type cutProxy struct {
	net.Listener
	to string

	mu sync.Mutex
	// conns are the clients' connections; true where one is frozen.
	conns  map[*net.TCPConn]bool
	cuts   int
	paused bool
}

func newCutProxy(t *testing.T, url string) *cutProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutProxy{Listener: l, to: strings.TrimPrefix(url, "https://"), conns: map[*net.TCPConn]bool{}}
	var all sync.WaitGroup
	all.Go(func() { p.serve(&all) })
	t.Cleanup(func() {
		l.Close()
		p.pause(true)
		p.cut()
		all.Wait()
	})
	return p
}

// config is the way to a control plane through the proxy.
func (p *cutProxy) config(own *ownPlane) *rest.Config {
	config := rest.CopyConfig(own.config)
	config.Host = "https://" + p.Addr().String()
	return config
}

func (p *cutProxy) serve(all *sync.WaitGroup) {
	for {
		conn, err := p.Accept()
		if err != nil {
			return
		}
		peer, err := net.Dial("tcp", p.to)
		if err != nil {
			conn.Close()
			continue
		}
		p.hand(all, conn.(*net.TCPConn), peer.(*net.TCPConn))
	}
}

func (p *cutProxy) hand(all *sync.WaitGroup, client, server *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused {
		client.Close()
		server.Close()
		return
	}
	p.conns[client] = false
	all.Go(func() {
		_, _ = io.Copy(server, client)
		server.Close()
	})
	all.Go(func() {
		p.copy(client, server)
		p.mu.Lock()
		delete(p.conns, client)
		p.mu.Unlock()
		client.Close()
	})
}

// copy hands on what the server says, and swallows it once the connection is frozen.
func (p *cutProxy) copy(client, server *net.TCPConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := server.Read(buf)
		p.mu.Lock()
		frozen := p.conns[client]
		p.mu.Unlock()
		if frozen {
			n = 0
		}
		if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
			return
		}
	}
}

// cut ends every connection, every other time by a reset.
func (p *cutProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		delete(p.conns, conn)
		if p.cuts%2 == 0 {
			_ = conn.SetLinger(0)
		}
		conn.Close()
		p.cuts++
	}
}

// freeze has nothing more come through the connections there are, which stay open, and gives their number.
func (p *cutProxy) freeze() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		p.conns[conn] = true
	}
	return len(p.conns)
}

// pause has new connections end at once, until it is told otherwise.
func (p *cutProxy) pause(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = on
}

func (p *cutProxy) cutCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// cpuTime is that of this process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
