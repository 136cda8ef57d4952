package program

import "runtime/debug"

// version is set by the linker for releases: -X github.com/pillion-dev/pillion/program.version=1.2.3.
var version = ""

// Version is the release, or else what the Go toolchain knows of the source.
func Version() string {
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
