package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A socket file that a killed container left on the volume does not keep the next from starting.
func TestSocketLeftBehindIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listenAll("127.0.0.1:0, unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if len(again) != 2 {
		t.Errorf("%d listeners", len(again))
	}
	for _, l := range again {
		l.Close()
	}
}

func TestTools(t *testing.T) {
	s := start(t)
	file := filepath.Join(t.TempDir(), "f")
	tool := func(args ...string) (string, error) {
		var out bytes.Buffer
		err := run(args, noEnv, &out, io.Discard)
		return out.String(), err
	}
	if _, err := tool("write", file, "hello"); err != nil {
		t.Fatal(err)
	}
	if got, err := tool("read", file); got != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if got, err := tool("get", "--socket", s.url, "http://app/status.txt"); !strings.Contains(got, "requests: 1") || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := tool("get", "--socket", s.url, "http://app/leak?mb=none"); err == nil {
		t.Error("a status of 400 is no error")
	}

	sleeper := filepath.Join(t.TempDir(), "app-sleeper")
	program, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, sleeper); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sleeper, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "its name", func() bool { return text(fmt.Sprintf("/proc/%d/comm", cmd.Process.Pid)) == "app-sleeper\n" })
	if got, err := tool("kill", "app-sleeper", "TERM"); err != nil || !strings.Contains(got, fmt.Sprintf("(pid %d)", cmd.Process.Pid)) {
		t.Errorf("kill said %q, %v", got, err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("it ended with %v", err)
	}
}
