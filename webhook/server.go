package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/healthz"
	crwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/pillion-dev/pillion/certs"
)

// Limits of the admission port.
const (
	readHeaderTimeout = 2 * time.Second // bounds the TLS handshake too
	readTimeout       = 5 * time.Second
	writeTimeout      = 10 * time.Second
	// idleTimeout is longer than the 90 seconds after which the API server closes an idle connection, so that the server
	// does not close one that a request is just being written to.
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 16 << 10
	// stopTimeout bounds the end of the last requests, once the drain is over.
	stopTimeout = 5 * time.Second
)

// ServerOptions set a Server up. All fields are needed.
type ServerOptions struct {
	// Address to listen on, host:port; port 0 takes any free one.
	Address string
	// CertDir holds tls.crt and tls.key, now or later, and is watched for new ones.
	CertDir string
	// Drain decides how the server stops.
	Drain   *Drain
	Log     *slog.Logger
	Metrics *Metrics
}

// Server is controller-runtime's webhook server with Start and StartedChecker of its own: handlers are registered on the
// embedded server, by Register, and served from its mux, with controller-runtime's certificate watcher; a manager takes a
// Server as any other. Start differs because controller-runtime's (v0.24) fixes the limits of its http.Server (32 seconds
// for a header, 90 seconds idle, 1 MiB of header, none for a body), cannot listen on port 0 or tell its address, and
// closes idle connections the moment it is told to stop.
type Server struct {
	crwebhook.Server
	mux         *http.ServeMux
	listener    net.Listener
	certificate *servedCertificate
	drain       *Drain
	log         *slog.Logger
	started     atomic.Bool
}

// NewServer needs the certificate directory, if not yet its files, and opens the port: from here on connections are accepted by
// the system, and answered once Start is called and there is a certificate.
func NewServer(o ServerOptions) (*Server, error) {
	certificate, err := newServedCertificate(o.CertDir, o.Log, o.Metrics)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("admission port: %w", err)
	}
	mux := http.NewServeMux()
	return &Server{
		Server: crwebhook.NewServer(crwebhook.Options{WebhookMux: mux, CertDir: o.CertDir}),
		mux:    mux, listener: listener, certificate: certificate, drain: o.Drain, log: o.Log,
	}, nil
}

// Addr is the address the server listens on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start serves until the context ends, then drains and stops.
func (s *Server) Start(ctx context.Context) error {
	srv := &http.Server{
		Handler:           s.drain.Wrap(s.mux),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(serverLog{s.log}, "", 0),
		TLSConfig: &tls.Config{
			MinVersion:     tls.VersionTLS13,
			NextProtos:     []string{"h2", "http/1.1"},
			GetCertificate: s.certificate.get,
		},
	}
	// The certificate is watched, and requests live, until the drain is over: neither ends with ctx.
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	go func() {
		if err := s.certificate.watch(watching); err != nil {
			s.log.Error("certificate directory is not watched", "error", err)
		}
	}()
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		s.drain.Begin()
		s.log.Info("draining")
		quiet := s.drain.Wait(watching)
		s.log.Info("stopping", "quiet", quiet)
		stopped <- stop(srv)
	}()
	s.started.Store(true)
	if err := srv.ServeTLS(s.listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("admission port: %w", err)
	}
	return <-stopped
}

// stop lets the requests in hand end, for as long as they may take.
func stop(srv *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return errors.Join(err, srv.Close())
	}
	return nil
}

// StartedChecker fails until the server answers a TLS handshake on its own port with a certificate that is fit to serve.
func (s *Server) StartedChecker() healthz.Checker {
	return func(*http.Request) error {
		_, err := s.served()
		return err
	}
}

// served makes a TLS handshake with the server itself and gives the chain that a client gets.
func (s *Server) served() (*certs.Status, error) {
	if !s.started.Load() {
		return nil, errors.New("the admission port is not served yet")
	}
	if err := s.certificate.lacking(); err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: readHeaderTimeout}
	// Who it is does not matter here: the chain itself is what is judged.
	conn, err := tls.DialWithDialer(dialer, "tcp", s.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true})
	if err != nil {
		return nil, fmt.Errorf("admission port: %w", err)
	}
	defer func() { _ = conn.Close() }()
	var chain tls.Certificate
	for _, c := range conn.ConnectionState().PeerCertificates {
		chain.Certificate = append(chain.Certificate, c.Raw)
	}
	status, err := certs.StatusOf(&chain)
	if err != nil {
		return nil, err
	}
	return status, status.Usable(time.Now())
}

// serverLog takes what http.Server has to say. A client that opens a connection and leaves is a probe, and no news; one
// that refuses the certificate tells of a wrong caBundle.
type serverLog struct{ log *slog.Logger }

func (l serverLog) Write(line []byte) (int, error) {
	level := slog.LevelWarn
	if bytes.HasSuffix(bytes.TrimSpace(line), []byte(": EOF")) {
		level = slog.LevelDebug
	}
	l.log.Log(context.Background(), level, "admission port", "error", string(bytes.TrimSpace(line)))
	return len(line), nil
}
