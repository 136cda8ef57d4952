// Command pillion-controller keeps the catalog's entries on the API server in order: it serves the validating webhook that
// refuses bad ones and, as the leader of its replicas, writes their status. controller/rbac.yaml lists the rights it needs.
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
	if len(os.Args) > 1 && os.Args[1] == "uninstall" {
		os.Exit(uninstallMain(os.Args[2:]))
	}
	config, err := parseFlags(os.Args[1:], os.Getenv("POD_NAMESPACE"), os.Stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if config.Version {
		fmt.Println("pillion-controller", versionText())
		return
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
