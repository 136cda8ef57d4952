package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// get prints the body of a page; a status of 400 or more is an exit code of 1.
func get(args []string, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("app get", flag.ContinueOnError)
	f.SetOutput(stderr)
	socket := f.String("socket", "", "Unix `socket` to dial instead of the URL's host")
	timeout := f.Duration("timeout", 10*time.Second, "how long to wait for the whole answer")
	if f.Parse(args) != nil || f.NArg() != 1 {
		fmt.Fprint(stderr, usage)
		return errUsage
	}
	client := &http.Client{Timeout: *timeout}
	if *socket != "" {
		client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", *socket)
		}}
	}
	response, err := client.Get(f.Arg(0))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(stdout, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= 400 {
		return fmt.Errorf("get %s: %s", f.Arg(0), response.Status)
	}
	return nil
}

func read(path string, stdout io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(stdout, file)
	return err
}

// kill signals the processes of a name, as the kernel keeps it (its first 15 bytes); none is an error.
func kill(name, signal string, stdout io.Writer) error {
	number := unix.SignalNum("SIG" + strings.TrimPrefix(signal, "SIG"))
	if number == 0 {
		return fmt.Errorf("kill: signal %q: unknown, such as TERM or HUP", signal)
	}
	found := false
	for _, p := range processes() {
		if p.Name != name || p.PID == os.Getpid() {
			continue
		}
		if err := syscall.Kill(p.PID, number); err != nil {
			return fmt.Errorf("kill %s (pid %d): %w", name, p.PID, err)
		}
		fmt.Fprintf(stdout, "%s to %s (pid %d)\n", unix.SignalName(number), name, p.PID)
		found = true
	}
	if !found {
		return fmt.Errorf("kill: no process named %q", name)
	}
	return nil
}
