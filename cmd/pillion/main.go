// Command pillion injects sidecars into the Pods of manifests, shows what would change, takes sidecars out again, and
// explains what a Pod gets and why. It never contacts a cluster. Installed as kubectl-pillion it is a plugin of kubectl.
package main

import (
	"os"
	"runtime/debug"

	"github.com/pillion-dev/pillion/cli"
)

// version is set by the linker for releases.
var version = ""

// gcPercent lets the heap grow to five times what is in use: a run is short, and its documents come and go one by one.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	os.Exit(cli.Run(&cli.Process{
		Args: os.Args,
		In:   os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Getenv:  os.Getenv,
		Version: versionText(),
	}))
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
