// Package programtest has a test binary, which holds the whole command, be the program that it tests.
package programtest

import (
	"context"
	"os"
	"os/exec"
	"testing"
)

// variable is set for a test binary that is to be the program.
const variable = "PILLION_TEST_PROGRAM"

// Main is the TestMain of a command: it runs the tests, or main where Command started the binary.
func Main(m *testing.M, main func()) {
	if os.Getenv(variable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Command is the program with these arguments, to be started, with the environment of the test. It is killed when ctx ends.
func Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), variable+"=1")
	return cmd
}
