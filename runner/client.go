//go:build linux

package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Check reads a configuration and gives every mistake in it.
func Check(config string) error {
	files, err := readFiles(config)
	if err != nil {
		return err
	}
	_, err = parse(files)
	return err
}

// Ask has the runner at a socket run a job, waits for its end, writes its output, and what went wrong to stderr, and gives its
// exit code.
func Ask(ctx context.Context, socket, name string, stdout, stderr io.Writer) (exitCode int, err error) {
	if checkName(name) != nil {
		return 0, fmt.Errorf("%q is not the name of a job", name)
	}
	body, err := call(ctx, socket, http.MethodPost, "/run/"+url.PathEscape(name))
	if err != nil {
		return 0, err
	}
	var run Run
	if err := json.Unmarshal(body, &run); err != nil {
		return 0, err
	}
	for _, line := range run.Output {
		fmt.Fprintln(stdout, line)
	}
	if run.Error != "" {
		fmt.Fprintf(stderr, "%s: %s: %s\n", name, run.Result, run.Error)
	}
	return run.ExitCode, nil
}

// Status writes what the runner at a socket says of its jobs.
func Status(ctx context.Context, socket string, stdout io.Writer) error {
	body, err := call(ctx, socket, http.MethodGet, "/")
	if err != nil {
		return err
	}
	_, err = stdout.Write(body)
	return err
}

func call(ctx context.Context, socket, method, path string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	r, err := http.NewRequestWithContext(ctx, method, "http://runner"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(r)
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) {
			return nil, fmt.Errorf("no runner at %s: %w", socket, dial)
		}
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(body)))
	}
	return body, nil
}
