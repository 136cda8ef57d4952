package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
)

// Exec runs a program in a container and gives what it printed. Where it fails, what it said on standard error is the error.
// It takes the right to create pods/exec.
func (s *Server) Exec(ctx context.Context, namespace, pod, container string, command ...string) ([]byte, error) {
	path, err := pathOf("v1", "pods", namespace)
	if err != nil {
		return nil, err
	}
	req := s.client.Get().AbsPath(path, pod, "exec").Param("container", container).Param("stdout", "true").Param("stderr", "true")
	for _, word := range command {
		req = req.Param("command", word)
	}
	config := rest.CopyConfig(s.config)
	config.Timeout = 0 // the context's
	run, err := executor(config, req)
	if err != nil {
		return nil, err
	}
	var out, said bytes.Buffer
	if err := run.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &said}); err != nil {
		if text := strings.TrimSpace(said.String()); text != "" {
			return nil, errors.New(text)
		}
		return nil, fmt.Errorf("exec in Pod %s/%s: %w", namespace, pod, err)
	}
	return out.Bytes(), nil
}

// executor speaks WebSocket, and SPDY to an API server before 1.31, or through a proxy, that does not.
func executor(config *rest.Config, req *rest.Request) (remotecommand.Executor, error) {
	web, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, req.URL().String())
	if err != nil {
		return nil, err
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, http.MethodPost, req.URL())
	if err != nil {
		return nil, err
	}
	return remotecommand.NewFallbackExecutor(web, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
}
