package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Ops serves /healthz, /readyz and /metrics by plain HTTP on a port of its own.
type Ops struct {
	srv      *http.Server
	listener net.Listener
}

// OpenOps opens the port; port 0 takes any free one.
func OpenOps(address string, ready, metrics http.Handler, log *slog.Logger) (*Ops, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics port: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.Handle("GET /readyz", ready)
	mux.Handle("GET /metrics", metrics)
	return &Ops{listener: listener, srv: &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 2 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      15 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}, nil
}

// Addr is the address the server listens on.
func (o *Ops) Addr() net.Addr { return o.listener.Addr() }

// Start serves until the context ends.
func (o *Ops) Start(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- o.srv.Shutdown(bound)
	}()
	if err := o.srv.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics port: %w", err)
	}
	return <-stopped
}
