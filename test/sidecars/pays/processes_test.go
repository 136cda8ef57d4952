// Package pays measures what a Pod pays for its sidecars: memory and CPU of each, idle and at work, beside a reference in the same
// run. `make bench` prints the table.
package pays

import (
	"bytes"
	"net"
	"net/http"
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
)

// built is the folder of the programs, built once, as the images' are.
var built string

func TestMain(m *testing.M) { os.Exit(programs.Main(m, &built, "log-shipper", "adapter", "confd")) }

// process is a program that ends with the test; its children are part of it.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer
}

func run(t *testing.T, env []string, program string, args ...string) *process {
	t.Helper()
	if at := filepath.Join(built, program); !strings.Contains(program, "/") {
		if _, err := os.Stat(at); err == nil {
			program = at
		} else if program, err = exec.LookPath(program); err != nil {
			program = "/usr/sbin/" + filepath.Base(at)
		}
	}
	p := &process{cmd: exec.Command(program, args...)}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", program, p.output.String())
		}
	})
	return p
}

// beside is a sidecar's container as a process: its files below a folder, its addresses this machine's own.
func beside(t *testing.T, entry string, parameters map[string]string, config, at string, replace ...string) (*process, string) {
	t.Helper()
	sidecar, err := inject.New(entry, parameters)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	here := strings.NewReplacer(append(replace, filepath.Dir(at), dir, `endpoint: ":`, `endpoint: "127.0.0.1:`, `listen: ":`, `listen: "127.0.0.1:`,
		`listen = ":`, `listen = "127.0.0.1:`, "0.0.0.0", "127.0.0.1", "$(POD_NAMESPACE)", "shop")...)
	write(t, filepath.Join(dir, filepath.Base(at)), here.Replace(sidecar.Files[config]))
	for _, folder := range []string{"conf.d", "templates", "values"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var args []string
	for _, arg := range sidecar.Container.Args {
		args = append(args, here.Replace(arg))
	}
	program := entry
	if entry == "proxy" {
		program = "haproxy"
	}
	return run(t, append(sidecar.Environment(map[string]string{"POD_NAMESPACE": "shop", "POD_NAME": "shop-0"}), "HOME="+dir), program, args...), dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// answers waits until a page is answered 200.
func answers(t *testing.T, url string) {
	t.Helper()
	eventually(t, url+" answers", func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
