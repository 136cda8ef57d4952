package failsafe

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// service is a stable address in front of replicas, as a Service of Kubernetes is: each new connection goes to one of the
// endpoints at random, and stays there for its life, whatever becomes of the endpoint. Only who is an endpoint changes,
// and that is decided where a kubelet and the endpoint controllers would (see follow). A connection that comes while there
// is no endpoint is reset; kube-proxy would refuse it.
//
// It is a program of its own, and not kube-proxy, because that needs root and a network of its own; what decides about
// lost requests is when endpoints leave, and that a connection outlives its endpoint's leaving, and both are here.
type service struct {
	listener net.Listener
	accepted atomic.Int64

	mu        sync.Mutex
	endpoints []string
	// flow is closed while bytes flow; what is silent waits for it.
	flow chan struct{}
}

func listen() (*service, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &service{listener: l, flow: make(chan struct{})}
	close(s.flow)
	go s.accept()
	return s, nil
}

func (s *service) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

func (s *service) close() { s.listener.Close() }

func (s *service) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.accepted.Add(1)
		go s.connect(conn.(*net.TCPConn))
	}
}

// connect joins a connection with an endpoint until both have ended.
func (s *service) connect(client *net.TCPConn) {
	defer client.Close()
	address := s.choose()
	var server *net.TCPConn
	if address != "" {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			server = conn.(*net.TCPConn)
			defer server.Close()
		}
	}
	if server == nil {
		_ = client.SetLinger(0) // a reset
		return
	}
	var both sync.WaitGroup
	both.Go(func() { s.pass(server, client) })
	both.Go(func() { s.pass(client, server) })
	both.Wait()
}

// pass passes bytes on, and then how the connection ended: by its end, or broken.
func (s *service) pass(to, from *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		s.mu.Lock()
		flow := s.flow
		s.mu.Unlock()
		<-flow
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_ = from.CloseRead()
				return
			}
		}
		if errors.Is(err, io.EOF) {
			_ = to.CloseWrite()
			return
		}
		if err != nil {
			_ = to.SetLinger(0)
			to.Close()
			return
		}
	}
}

func (s *service) choose() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.endpoints) == 0 {
		return ""
	}
	return s.endpoints[rand.IntN(len(s.endpoints))]
}

func (s *service) add(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = append(s.endpoints, address)
}

func (s *service) remove(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = slices.DeleteFunc(s.endpoints, func(a string) bool { return a == address })
}

func (s *service) has(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.endpoints, address)
}

// silence keeps every byte back, of connections there are and of new ones, until the function that it gives is called.
func (s *service) silence() (end func()) {
	flow := make(chan struct{})
	s.mu.Lock()
	s.flow = flow
	s.mu.Unlock()
	return sync.OnceFunc(func() { close(flow) })
}
