// Command confd renders an app's config files from etcd, Kubernetes, files or the environment, and has the app read them
// again. It reads the template resources and templates of upstream confd; docs/sidecars/confd.md describes it.
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

	"github.com/spf13/pflag"
)

// version is set by the linker for releases.
var version = ""

func main() {
	o, err := parseFlags(os.Args[1:], os.Getenv, os.Stderr)
	if errors.Is(err, pflag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if o.version {
		fmt.Println("confd", versionText())
		return
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: o.level}))
	// The first signal ends the work in hand; another one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	if err := run(ctx, o, log); err != nil {
		log.Error("exit", "error", err.Error())
		os.Exit(1)
	}
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
