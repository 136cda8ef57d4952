package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestControlPlaneRunsUntilItIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	reader, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := runUntil(ctx, []string{"control-plane"}, stdout, t.Output())
		stdout.CloseWithError(err)
		ended <- err
	}()

	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	path, found := strings.CutPrefix(strings.TrimSuffix(line, "'\n"), "export KUBECONFIG='")
	if !found {
		t.Fatalf("first line = %q, want an export of KUBECONFIG", line)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("while it is up: %v", err)
	}
	interrupt()
	if err := <-ended; err != nil {
		t.Errorf("control-plane = %v after an interrupt, want no error", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after the end: %v, want no kubeconfig", err)
	}
}

func TestCommandLineMistakesAreNamed(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want string
	}{
		{"no command", nil, usage},
		{"unknown command", []string{"sideways"}, "cluster: unknown command \"sideways\"\n" + usage},
		{"argument too many", []string{"up", "here"}, "cluster: unexpected argument \"here\"\n" + usage},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stderr strings.Builder
			if err := run(tc.args, io.Discard, &stderr); !errors.Is(err, errUsage) {
				t.Errorf("run = %v, want %v", err, errUsage)
			}
			if stderr.String() != tc.want {
				t.Errorf("stderr = %q, want %q", stderr.String(), tc.want)
			}
		})
	}
}
