package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/confd/etcdtest"
)

// maxIdle is the most memory of its own, in KiB, that the program may have when it has nothing to do.
const maxIdle = 15 << 10

func resourceTo(dest string) string {
	return fmt.Sprintf("[template]\nsrc = 'one.tmpl'\ndest = '%s'\nkeys = ['/up']\n", dest)
}

func TestMemoryIdleAndWithManyKeys(t *testing.T) {
	const keys, storm = 10000, 1000
	etcd := etcdtest.Start(t, 1, false)
	client := etcd.Client()
	client.Set("/demo/up/00000", "http://10.0.0.1:8080")
	dest := filepath.Join(t.TempDir(), "one.conf")
	r := start(t, fmt.Sprintf("backend = 'etcd'\nconfdir = '%s'\n[etcd]\nnodes = ['%s']\n",
		folders(t, resourceTo(dest), "{{range gets \"/up/*\"}}{{base .Key}} {{.Value}}\n{{end}}"), etcd.URLs()[0]), "--etcd-prefix", "/demo")
	r.ready()
	time.Sleep(time.Second) // what the start leaves is idle then
	idle := r.anonymous()

	client.Fill("/demo/up", keys, "http://10.0.0.1:8080")
	lines := func(n int, last string) func() bool {
		return func() bool {
			b, err := os.ReadFile(dest)
			text := strings.Split(strings.TrimSpace(string(b)), "\n")
			return err == nil && len(text) == n && strings.HasSuffix(text[len(text)-1], last)
		}
	}
	eventually(t, "all keys are in the file", lines(keys, ":8080"))
	loaded := r.anonymous()
	for i := range storm {
		client.Set("/demo/up/09999", fmt.Sprint("storm-", i))
	}
	eventually(t, "the last change is in the file", lines(keys, fmt.Sprint("storm-", storm-1)))
	stormed := r.anonymous()
	t.Logf("RssAnon: idle %.1f MiB, with %d keys %.1f MiB, after %d changes of them %.1f MiB; renderings: %.0f",
		mib(idle), keys, mib(loaded), storm, mib(stormed), r.metric(`confd_renders_total{result="written"}`))
	if idle > maxIdle {
		t.Errorf("idle, the program has %d KiB of memory of its own, want at most %d", idle, maxIdle)
	}
	if renders := r.metric(`confd_renders_total{result="written"}`); renders > storm {
		t.Errorf("%.0f renderings for %d changes: none were put together", renders, storm)
	}
}

func mib(kib int) float64 { return float64(kib) / 1024 }

func TestStoreThatIsAwayIsWaitedFor(t *testing.T) {
	etcd := etcdtest.Start(t, 1, true)
	etcd.Client().Set("/up/1", "a")
	etcd.Kill(0)
	dest := filepath.Join(t.TempDir(), "one.conf")
	r := start(t, fmt.Sprintf("backend = 'etcd'\nconfdir = '%s'\n[etcd]\nnodes = ['%s']\ncredentials = '%s'\n",
		folders(t, resourceTo(dest), `{{getv "/up/1"}}`), etcd.URLs()[0], etcd.Credentials(nil)))
	eventually(t, "the probe says why", func() bool {
		code, text := r.get("/-/ready")
		return code == http.StatusServiceUnavailable && strings.Contains(text, "backend: etcd cannot be reached: "+etcd.URLs()[0]+": dial tcp")
	})
	if code, _ := r.get("/-/healthy"); code != http.StatusOK || r.metric("confd_backend_up") != 0 || r.metric("confd_backend_failures_total") == 0 {
		t.Error("the probe of life and the metrics do not tell apart what is wrong")
	}
	etcd.Run(0)
	r.ready()
	if b, err := os.ReadFile(dest); string(b) != "a" {
		t.Errorf("the file is %q, %v", b, err)
	}
	eventually(t, "the metrics tell", func() bool { return r.metric("confd_backend_up") == 1 })
}

func TestSIGTERMEndsWhatIsAtWork(t *testing.T) {
	dir := t.TempDir()
	marker := filepath.Join(t.TempDir(), "checking")
	resource := resourceTo(filepath.Join(dir, "one.conf")) + "check_cmd = 'touch " + marker + "; sleep 100'\n"
	r := start(t, fmt.Sprintf("backend = 'env'\nconfdir = '%s'\n", folders(t, resource, "x")))
	eventually(t, "the check runs", func() bool { _, err := os.Stat(marker); return err == nil })
	r.stop()
	if left := names(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
	if !strings.Contains(r.said(), `"msg":"stop"`) {
		t.Error("the log does not tell of the end: ", r.said())
	}
}

// TestKilledProgramLeavesAWholeFile kills it again and again while it writes.
func TestKilledProgramLeavesAWholeFile(t *testing.T) {
	etcd := etcdtest.Start(t, 1, false)
	client := etcd.Client()
	dir := t.TempDir()
	dest := filepath.Join(dir, "one.conf")
	config := fmt.Sprintf("backend = 'etcd'\nconfdir = '%s'\ndebounce = '1ms'\n[etcd]\nnodes = ['%s']\n",
		folders(t, resourceTo(dest), `{{$v := getv "/up/1"}}{{range seq 1 50000}}{{$v}}{{end}}`), etcd.URLs()[0])
	for round := range 5 {
		client.Set("/up/1", "0")
		r := start(t, config)
		if round == 0 {
			r.ready() // from here on there is a file
		}
		for i := range 10 {
			client.Set("/up/1", fmt.Sprint((round+i)%10))
			time.Sleep(time.Duration(i) * time.Millisecond)
		}
		must(t, r.cmd.Process.Kill())
		<-r.done
		_ = r.cmd.Wait()
		b, err := os.ReadFile(dest)
		must(t, err)
		if len(b) != 50000 || strings.Trim(string(b), string(b[:1])) != "" {
			t.Fatalf("round %d: the file has %d bytes of several", round, len(b))
		}
	}
	r := start(t, config)
	r.ready()
	if left := names(t, dir); !slices.Equal(left, []string{"one.conf"}) {
		t.Errorf("the directory has %q", left)
	}
}

func TestBadFlagsAndConfigsEndWithOneError(t *testing.T) {
	good := folders(t, resourceTo("/nowhere/x"), "x")
	bad := folders(t, resourceTo("/nowhere/x"), "\n\n{{cgetv \"/up\"}}")
	file := filepath.Join(t.TempDir(), "confd.toml")
	must(t, os.WriteFile(file, []byte("backend = 'env'\nwatch = true\n"), 0o600))
	for _, tt := range []struct {
		name string
		env  string
		args []string
		code int
		want string
	}{
		{"a good folder is checked", "", []string{"--backend", "env", "--confdir", good, "--check"}, 0, ""},
		{"the same by variables", "CONFD_CONFDIR=" + good, []string{"--backend", "env", "--check"}, 0, ""},
		{"a bad folder", "", []string{"--backend", "env", "--confdir", bad, "--check"}, 1, `conf.d/one.toml: src: templates/one.tmpl:3: function \"cgetv\" reads values that crypt encrypted`},
		{"a bad folder at the start", "", []string{"--backend", "env", "--confdir", bad}, 1, `conf.d/one.toml: src: templates/one.tmpl:3: `},
		{"no backend", "", nil, 2, "backend: Required value: one of env, etcd, file, kubernetes\n"},
		{"an unknown flag", "", []string{"--watch"}, 2, "unknown flag: --watch\n"},
		{"an argument", "", []string{"etcd"}, 2, `confd: "etcd": takes flags only; see --help`},
		{"a bad variable", "CONFD_ONETIME=maybe", []string{"--backend", "env"}, 2, "CONFD_ONETIME: "},
		{"a bad level", "", []string{"--backend", "env", "--log-level", "loud"}, 2, `--log-level: "loud": want debug, info, warn or error`},
		{"a file that is not there", "", []string{"--config", "/nothing.toml"}, 2, "open /nothing.toml: no such file or directory"},
		{"a key of upstream's", "", []string{"--config", file}, 2, file + ": watch: unknown key; the keys are"},
		{"outside a Pod", "", []string{"--config", inAPod(t), "--confdir", good}, 1, "backend kubernetes: runs in a Pod only"},
		{"an address in use twice", "", []string{"--backend", "env", "--confdir", good, "--listen", "192.0.2.1:1"}, 1, "listen: listen tcp 192.0.2.1:1: "},
	} {
		cmd := exec.Command(binary, tt.args...)
		cmd.Env = append(os.Environ(), tt.env)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != tt.code || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), "goroutine") {
			t.Errorf("%s: exit %d:\n%s\nwant %d: %s", tt.name, code, out, tt.code, tt.want)
		}
	}
}

func inAPod(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "confd.toml")
	must(t, os.WriteFile(file, []byte("backend = 'kubernetes'\n[kubernetes]\nservices = ['shop']\n"), 0o600))
	return file
}

func TestOnetimeRendersFromTheEnvironment(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "one.conf")
	cmd := exec.Command(binary, "--backend", "env", "--onetime", "--confdir", folders(t, resourceTo(dest), `{{getv "/up/stream/url"}}`))
	cmd.Env = append(os.Environ(), "UP_STREAM_URL=http://127.0.0.1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(dest); string(b) != "http://127.0.0.1" {
		t.Errorf("the file is %q, %v", b, err)
	}
}
