package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// farEnd is what Pods dial: an HTTP server on the node's own network, which keeps in mind from where each page was asked for.
type farEnd struct {
	address string
	// release ends the answers of /hold.
	release chan struct{}

	mu    sync.Mutex
	peers map[string][]peer
}

// peer is who asked.
type peer struct {
	address string
	port    int
}

// through reports whether a connection was made by the proxy of S19's entry, which alone uses these ports.
func (p peer) through() bool { return p.port >= 20000 && p.port <= 27999 }

func peerOf(hostport string) peer {
	host, port, _ := net.SplitHostPort(hostport)
	n, _ := strconv.Atoi(port)
	return peer{host, n}
}

// newFarEnd serves at this node's address until the end of the row.
func newFarEnd(s *scene) *farEnd {
	s.Helper()
	conn, err := net.Dial("udp", "10.96.0.1:443") // sends nothing; it tells by which address this node reaches the cluster
	s.must(err)
	own, _, err := net.SplitHostPort(conn.LocalAddr().String())
	s.must(err)
	s.must(conn.Close())
	l, err := net.Listen("tcp", net.JoinHostPort(own, "0"))
	s.must(err)
	f := &farEnd{address: l.Addr().String(), release: make(chan struct{}), peers: map[string][]peer{}}
	srv := &http.Server{Handler: f, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(l) }()
	s.Cleanup(func() { _ = srv.Close() })
	return f
}

func (f *farEnd) url(name string) string { return fmt.Sprintf("http://%s/%s", f.address, name) }

// ServeHTTP answers at once, but for /hold.
func (f *farEnd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	f.mu.Lock()
	f.peers[name] = append(f.peers[name], peerOf(r.RemoteAddr))
	f.mu.Unlock()
	if name != "hold" {
		return
	}
	_, _ = io.WriteString(w, "held\n")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-f.release:
	case <-r.Context().Done():
	}
	_, _ = io.WriteString(w, "released\n")
}

// seen gives who asked for a page.
func (f *farEnd) seen(name string) []peer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.peers[name])
}
