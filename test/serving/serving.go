// Package serving puts Pillion's real webhook server in front of a test control plane: it builds cmd/pillion-webhook, runs
// it on loopback with a certificate of its own and registers it by URL. Tests and the demo share it.
package serving

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says how the webhook runs. The zero value serves the embedded catalog and knows no Namespaces.
type Config struct {
	// Catalog is a directory of entries; empty means the embedded ones.
	Catalog string
	// Kubeconfig lets the webhook watch Namespaces.
	Kubeconfig string
	// FromCluster serves the API server's entries.
	FromCluster bool
	// Program is what BuildWebhook built; empty builds it.
	Program string
	// TLSDir holds the certificate to serve, now or later; empty has the program make one.
	TLSDir string
	// Flags are added to those that follow from the above.
	Flags []string
	// Log receives the server's log lines; nil discards them.
	Log io.Writer
}

// Webhook is a running server.
type Webhook struct {
	// URL of the admission path, and MetricsURL of the other port, without a path.
	URL, MetricsURL string
	// CA is the certificate, in PEM, that signed the server's.
	CA []byte

	cmd  *exec.Cmd
	dir  string
	done chan struct{}
}

// Times for a program to be built, from nothing and on a busy machine, and to start.
const (
	buildTimeout = 15 * time.Minute
	startTimeout = 3 * time.Minute
)

// Start builds the program and starts it; it returns when the server says that it serves. ctx bounds the start alone.
func Start(ctx context.Context, cfg Config) (*Webhook, error) {
	dir, err := os.MkdirTemp("", "pillion-webhook-")
	if err != nil {
		return nil, err
	}
	w := &Webhook{dir: dir, done: make(chan struct{})}
	if err := w.start(ctx, cfg); err != nil {
		w.Stop()
		return nil, err
	}
	return w, nil
}

// BuildWebhook builds the program into a directory and gives its path.
func BuildWebhook(ctx context.Context, dir string) (string, error) {
	return build(ctx, dir, "pillion-webhook")
}

func (w *Webhook) start(ctx context.Context, cfg Config) (err error) {
	if cfg.Program == "" {
		if cfg.Program, err = BuildWebhook(ctx, w.dir); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	args, err := w.arguments(cfg)
	if err != nil {
		return err
	}
	w.cmd = exec.Command(cfg.Program, args...)
	w.cmd.Env = append(os.Environ(), "TMPDIR="+w.dir)
	w.cmd.SysProcAttr = dieWithParent()
	stdout, out := io.Pipe()
	stderr, logs := io.Pipe()
	w.cmd.Stdout, w.cmd.Stderr = out, logs
	if err := w.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(w.done)
		_ = w.cmd.Wait()
		_ = errors.Join(out.Close(), logs.Close())
	}()
	ca, serving := make(chan []byte, 1), make(chan servingLine, 1)
	go readCA(stdout, ca)
	tail := &lastLines{}
	go readLog(stderr, cfg.Log, tail, serving)
	return w.await(ctx, ca, serving, tail)
}

// arguments gives the program's. Of a certificate directory the CA is read here, as the program prints only its own.
func (w *Webhook) arguments(cfg Config) (args []string, err error) {
	args = []string{"--listen-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0", "--node-helper"}
	if cfg.TLSDir == "" {
		args = append(args, "--self-signed")
	} else {
		args = append(args, "--tls-dir="+cfg.TLSDir)
		if w.CA, err = readCAFile(cfg.TLSDir); err != nil {
			return nil, err
		}
	}
	if cfg.Catalog != "" {
		args = append(args, "--catalog="+cfg.Catalog)
	}
	if cfg.FromCluster {
		args = append(args, "--catalog-from-cluster")
	}
	if cfg.Kubeconfig != "" {
		args = append(args, "--kubeconfig="+cfg.Kubeconfig)
	}
	return append(args, cfg.Flags...), nil
}

// readCAFile gives the CA of a certificate directory; empty where there is none yet.
func readCAFile(dir string) ([]byte, error) {
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if errors.Is(err, fs.ErrNotExist) {
		return []byte{}, nil
	}
	return ca, err
}

// build builds a program of cmd/ into a directory.
func build(ctx context.Context, dir, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	program := filepath.Join(dir, name)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/pillion-dev/pillion/cmd/"+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return program, nil
}

// servingLine is the log line by which the server says where it listens.
type servingLine struct {
	Msg            string `json:"msg"`
	WebhookAddress string `json:"webhookAddress"`
	MetricsAddress string `json:"metricsAddress"`
}

func (w *Webhook) await(ctx context.Context, ca <-chan []byte, serving <-chan servingLine, tail *lastLines) error {
	for w.CA == nil || w.URL == "" {
		select {
		case w.CA = <-ca:
		case s := <-serving:
			w.URL = "https://" + s.WebhookAddress + "/mutate"
			w.MetricsURL = "http://" + s.MetricsAddress
		case <-w.done:
			return fmt.Errorf("pillion-webhook ended:\n%s", tail)
		case <-ctx.Done():
			return fmt.Errorf("pillion-webhook does not serve: %w\n%s", ctx.Err(), tail)
		}
	}
	return nil
}

// readCA reads the certificate that the server prints, and then whatever else comes.
func readCA(r io.Reader, to chan<- []byte) {
	var text bytes.Buffer
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text.WriteString(lines.Text() + "\n")
		if block, _ := pem.Decode(text.Bytes()); block != nil {
			to <- pem.EncodeToMemory(block)
			text.Reset()
		}
	}
}

func readLog(r io.Reader, log io.Writer, tail *lastLines, to chan<- servingLine) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		tail.add(lines.Text())
		if log != nil {
			fmt.Fprintln(log, lines.Text())
		}
		var s servingLine
		if json.Unmarshal(lines.Bytes(), &s) == nil && s.Msg == "serving" && s.WebhookAddress != "" {
			to <- s
		}
	}
}

// lastLines keeps the end of a log for an error.
type lastLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *lastLines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	if len(l.lines) > 20 {
		l.lines = l.lines[1:]
	}
}

func (l *lastLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

// Port gives the admission port.
func (w *Webhook) Port() string {
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(w.URL, "https://"), "/mutate"))
	return port
}

// Signal sends the server a signal.
func (w *Webhook) Signal(s os.Signal) error { return w.cmd.Process.Signal(s) }

// Done is closed when the server has ended.
func (w *Webhook) Done() <-chan struct{} { return w.done }

// Stop ends the server at once and removes its files. It may be called more than once.
func (w *Webhook) Stop() {
	if w.cmd != nil && w.cmd.Process != nil {
		_ = w.cmd.Process.Signal(syscall.SIGKILL)
		<-w.done
	}
	_ = os.RemoveAll(w.dir)
}
