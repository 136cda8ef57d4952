// Package logs runs the collector that the entry log-shipper injects, with the configuration, arguments and environment of its
// container, and kills, stops and starves it.
package logs

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/inject"
	"github.com/pillion-dev/pillion/test/sidecars/programs"
	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

// built is the folder of the collector.
var built string

func TestMain(m *testing.M) { os.Exit(programs.Main(m, &built, "log-shipper")) }

// lines is the full count, of which a run that need not prove it writes a tenth.
func lines(full int) int {
	if os.Getenv("PILLION_PROVE") == "" {
		return full / 10
	}
	return full
}

// shipper is a log-shipper whose Pod is a folder.
type shipper struct {
	t       *testing.T
	dir     string // logs/ is the app's, state/ the shipper's
	sidecar *inject.Sidecar
	metrics string
	health  string
	process *exec.Cmd
	ended   chan struct{}
	output  bytes.Buffer
}

// newShipper injects log-shipper for an app that writes to dir/logs. Nothing runs yet.
func newShipper(t *testing.T, endpoint string, parameters map[string]string) *shipper {
	t.Helper()
	s := &shipper{t: t, dir: t.TempDir()}
	health, metrics := freePort(t), freePort(t)
	set := map[string]string{
		"endpoint": endpoint, "directory": s.logs(), "service-name": "shop",
		"health-port": strconv.Itoa(health), "metrics-port": strconv.Itoa(metrics),
	}
	for name, v := range parameters {
		set[name] = v
	}
	s.health, s.metrics = fmt.Sprintf("http://127.0.0.1:%d/", health), fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics)
	var err error
	if s.sidecar, err = inject.New("log-shipper", set); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{s.logs(), s.state(), s.secrets()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write("config.yaml", s.here(s.sidecar.Files["config"]))
	t.Cleanup(func() { s.kill() })
	return s
}

func (s *shipper) logs() string    { return filepath.Join(s.dir, "logs") }
func (s *shipper) state() string   { return filepath.Join(s.dir, "state") }
func (s *shipper) secrets() string { return filepath.Join(s.dir, "etc") }

// here replaces the paths of the container by those of the folder, and all addresses by this machine's own.
func (s *shipper) here(text string) string {
	return strings.NewReplacer(
		"/var/lib/log-shipper", s.state(), "/etc/log-shipper", s.secrets(),
		`endpoint: ":`, `endpoint: "127.0.0.1:`, "0.0.0.0", "127.0.0.1",
	).Replace(text)
}

func (s *shipper) write(name, text string) {
	s.t.Helper()
	at := filepath.Join(s.secrets(), name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// command is what the container runs, before args.
func (s *shipper) command(before ...string) *exec.Cmd {
	args := before
	for _, arg := range s.sidecar.Container.Args {
		args = append(args, s.here(arg))
	}
	cmd := exec.Command(filepath.Join(built, "log-shipper"), args...)
	cmd.Env = s.sidecar.Environment(map[string]string{
		"POD_NAMESPACE": "shop", "POD_NAME": "shop-0", "POD_UID": "0a1b", "NODE_NAME": "node-1", "AUTHORIZATION": "Bearer t0p $ecret",
	})
	for i := range cmd.Env {
		cmd.Env[i] = s.here(cmd.Env[i])
	}
	return cmd
}

// start runs the shipper and waits for what its startup probe asks.
func (s *shipper) start() {
	s.t.Helper()
	s.process, s.ended = s.command(), make(chan struct{})
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func(p *exec.Cmd, ended chan struct{}) { _ = p.Wait(); close(ended) }(s.process, s.ended)
	eventually(s.t, "the shipper is healthy", func() bool {
		select {
		case <-s.ended:
			s.t.Fatalf("the shipper ended:\n%s", s.output.String())
		default:
		}
		res, err := http.Get(s.health)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// stop ends the shipper as the kubelet does, and waits for its end.
func (s *shipper) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(2 * time.Minute):
		s.t.Fatalf("the shipper does not end:\n%s", s.output.String())
	}
	if code := s.process.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("the shipper ended with %d:\n%s", code, s.output.String())
	}
}

// kill ends the shipper as the kernel does.
func (s *shipper) kill() {
	if s.process != nil {
		s.signal(syscall.SIGKILL)
		<-s.ended
	}
}

func (s *shipper) signal(which syscall.Signal) { _ = s.process.Process.Signal(which) }

// metric reads one of the shipper's own metrics; 0 where there is none yet.
func (s *shipper) metric(name string) (value float64) {
	s.t.Helper()
	res, err := http.Get(s.metrics)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if words := strings.Fields(line); strings.HasPrefix(line, name+"{") {
			_, _ = fmt.Sscan(words[len(words)-1], &value)
		}
	}
	return value
}

// serve starts a receiver; its address stays when it is closed.
func serve(t *testing.T) (*receiver.Receiver, string) {
	t.Helper()
	r := receiver.New()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, server.URL
}

// arrived waits until as many different lines have arrived.
func arrived(t *testing.T, r *receiver.Receiver, want int) receiver.Report {
	t.Helper()
	eventually(t, fmt.Sprintf("%d lines have arrived", want), func() bool { return r.Reports()["shop-0"].Lines >= want })
	return r.Reports()["shop-0"]
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
