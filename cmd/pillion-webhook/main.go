// Command pillion-webhook serves Pillion's admission webhook: it answers the AdmissionReviews of Pods that ask for
// sidecars. It needs no right but, for the defaults of Namespaces, to list and watch them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// version is set by the linker for releases.
var version = ""

func main() {
	config, err := parseFlags(os.Args[1:], os.Getenv("POD_NAMESPACE"), os.Stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if config.Version {
		fmt.Println("pillion-webhook", versionText())
		return
	}
	if err := pingOften(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	log := newLog(config)
	// The first signal starts the drain; another one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, config, log, os.Stdout); err != nil {
		log.Error("exit", "error", err)
		os.Exit(1)
	}
}

// pingOften has client-go find within seconds, and not within 45, that nobody is at the other end of a watch any more: without
// an error of the network, silence looks like a catalog that does not change. What the environment says wins.
func pingOften() error {
	for _, name := range []string{"HTTP2_READ_IDLE_TIMEOUT_SECONDS", "HTTP2_PING_TIMEOUT_SECONDS"} {
		if _, said := os.LookupEnv(name); said {
			continue
		}
		if err := os.Setenv(name, "2"); err != nil {
			return err
		}
	}
	return nil
}

// newLog makes the log, and has the libraries write to it.
func newLog(c *Config) *slog.Logger {
	level, err := c.level()
	if err != nil {
		level = slog.LevelInfo
	}
	handler := slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})
	log := slog.New(handler)
	ctrllog.SetLogger(logr.FromSlogHandler(handler))
	klog.SetSlogLogger(log)
	return log
}

// versionText is the release, or else what the Go toolchain knows of the source.
func versionText() string {
	if version != "" {
		return version
	}
	text := "devel"
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				text += "-" + s.Value
			}
		}
	}
	return text
}
