package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// serve runs the server until SIGTERM and its grace, SIGINT, /exit or --exit-after.
func serve(args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	c, err := parseConfig(args, getenv, stderr)
	if err != nil {
		return err
	}
	a := newApp(c, slog.New(slog.NewTextHandler(stderr, nil)))
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	return a.run(context.Background(), signals, stdout)
}

// run serves until something ends it; signals are the process's.
func (a *app) run(ctx context.Context, signals <-chan os.Signal, stdout io.Writer) error {
	listeners, err := listenAll(a.config.listen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.reload()
	if err := a.openLog(stdout); err != nil {
		return err
	}
	logged := a.writeLog(ctx)
	defer func() { cancel(); <-logged; a.lines.Close() }()

	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 10 * time.Second}
	defer func() { _ = server.Close() }() // it has been shut down
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		a.log.Info("listening", "address", l.Addr().String())
		go func() { failed <- server.Serve(l) }()
	}
	err = a.wait(ctx, signals, failed)
	// The answer that told the app to exit is given whole.
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer stop()
	_ = server.Shutdown(last) // what lasts longer is cut by Close
	return err
}

// wait returns when the server has to end, after the grace of a SIGTERM.
func (a *app) wait(ctx context.Context, signals <-chan os.Signal, failed <-chan error) error {
	var end, after <-chan time.Time
	if a.config.exitAfter > 0 {
		after = time.After(a.config.exitAfter)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				a.reload()
			case s == syscall.SIGTERM && end == nil:
				a.log.Info("terminating", "grace", a.config.grace.String())
				end = time.After(a.config.grace)
			case s != syscall.SIGTERM:
				return exitError(130)
			}
		case <-end:
			a.log.Info("end")
			return nil
		case <-after:
			a.log.Info("done", "code", a.config.exitCode)
			return exitOf(a.config.exitCode)
		case code := <-a.exit:
			a.log.Info("told to exit", "code", code)
			return exitOf(code)
		case err := <-failed:
			return err
		}
	}
}

func exitOf(code int) error {
	if code == 0 {
		return nil
	}
	return exitError(code)
}

// listenAll opens every address or none. A socket file that an earlier run left behind is replaced, as a restarted
// container finds its volume as it was.
func listenAll(addresses string) ([]net.Listener, error) {
	var opened []net.Listener
	for address := range strings.SplitSeq(addresses, ",") {
		l, err := listen(strings.TrimSpace(address))
		if err != nil {
			for _, l := range opened {
				l.Close()
			}
			return nil, err
		}
		opened = append(opened, l)
	}
	return opened, nil
}

func listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, "unix:")
	if !unix {
		return net.Listen("tcp", address)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket == 0 {
		return nil, fmt.Errorf("listen unix:%s: a file is there that is no socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return net.Listen("unix", path)
}
