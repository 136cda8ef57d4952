package metrics

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/test/sidecars/inject"
	"github.com/pillion-dev/pillion/test/sidecars/programs"
)

// built is the folder of the programs.
var built string

func TestMain(m *testing.M) {
	os.Exit(programs.Main(m, &built, "log-shipper", "confd", "adapter", "runner"))
}

// sidecar is one whose Pod is a folder, in which all that its container has lies as it does there.
type sidecar struct {
	*inject.Sidecar
	t       *testing.T
	dir     string
	metrics string
}

// portsOf are the parameters of the ports that each entry listens at; that of the metrics is the first.
var portsOf = map[string][]string{
	"proxy": {"metrics-port", "port"}, "log-shipper": {"metrics-port", "health-port"}, "confd": {"port"}, "adapter": {"port"}, "runner": {"port"},
}

func newSidecar(t *testing.T, entry string, parameters map[string]string) *sidecar {
	t.Helper()
	s := &sidecar{t: t, dir: t.TempDir()}
	set := maps.Clone(parameters)
	for i, name := range portsOf[entry] {
		port := freePort(t)
		if set[name] = strconv.Itoa(port); i == 0 {
			s.metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", port)
		}
	}
	var err error
	if s.Sidecar, err = inject.New(entry, set); err != nil {
		t.Fatal(err)
	}
	return s
}

// inside are the paths that a sidecar's container has of its own.
var inside = regexp.MustCompile(`/(etc/(haproxy|confd|adapter|runner|log-shipper)|run/(confd|runner)|var/(lib/log-shipper|log/app))\b`)

// here replaces the paths of the container by those of the folder, and all addresses by this machine's own.
func (s *sidecar) here(text string) string {
	text = strings.ReplaceAll(inside.ReplaceAllString(text, s.dir+"$0"), s.dir+s.dir, s.dir) // some were there already
	return strings.NewReplacer("0.0.0.0", "127.0.0.1", `: ":`, `: "127.0.0.1:`, `= ":`, `= "127.0.0.1:`).Replace(text)
}

// run starts the program as its container would, and gives the URL of its metrics when it answers there.
func (s *sidecar) run(program string) string {
	s.t.Helper()
	path := filepath.Join(built, program)
	if program == "haproxy" { // Debian's, whose folder is not in everyone's path
		path = "/usr/sbin/haproxy"
	}
	var args []string
	for _, arg := range s.Container.Args {
		args = append(args, s.here(strings.ReplaceAll(arg, "$(POD_NAMESPACE)", "shop")))
	}
	cmd := exec.Command(path, args...)
	cmd.Env = s.Environment(map[string]string{"POD_NAMESPACE": "shop", "POD_NAME": "shop-0", "POD_UID": "0a1b", "NODE_NAME": "node-1"})
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	eventually(s.t, program+" serves its metrics", func() bool {
		select {
		case <-ended:
			s.t.Fatalf("%s ended:\n%s", program, output.String())
		default:
		}
		return get(s.metrics) != ""
	})
	return s.metrics
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
