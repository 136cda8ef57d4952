package main

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
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the adapter as it is released, built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "adapter")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "adapter")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// process is a running adapter.
type process struct {
	*exec.Cmd
	url    string
	stderr *bytes.Buffer
}

func start(t *testing.T, config string) *process {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	path := filepath.Join(t.TempDir(), "adapter.yaml")
	if err := os.WriteFile(path, []byte("listen: \""+address+"\"\n"+config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &process{exec.Command(file, "--config="+path), "http://" + address, &bytes.Buffer{}}
	p.Env = []string{"GOMEMLIMIT=51MiB"} // as the catalog entry has it
	p.Stderr = p.stderr
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() }) // ended already, where the test ended it
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if res, err := http.Get(p.url + "/-/healthy"); err == nil {
			res.Body.Close()
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("the adapter does not answer: %s", p.stderr)
		}
	}
}

func (p *process) get(t *testing.T, path string) string {
	t.Helper()
	res, err := http.Get(p.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kilobytes reads a line of the process's status.
func (p *process) kilobytes(t *testing.T, line string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	m := regexp.MustCompile(line + `:\s+(\d+) kB`).FindStringSubmatch(string(b))
	if m == nil {
		t.Fatalf("no %s in %s", line, b)
	}
	fmt.Sscan(m[1], &n)
	return n
}

func app(t *testing.T, page string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, page) }))
	t.Cleanup(s.Close)
	return s.URL
}

func TestMistakesEndTheProgram(t *testing.T) {
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("metrics:\n  - {name: a}\nrules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--config=" + bad}, 1, bad + ":2: metrics[0]: must have one of port, url, socket, file\n" + bad + ":3: rules: is not known; known: fresh, health, include, interval, label, listen, maxAnswerBytes, maxSeries, metrics, pages, timeout\n"},
		{[]string{"--config=" + bad, "--check"}, 1, bad + ":2: "},
		{[]string{"--config=/does/not/exist"}, 1, "open /does/not/exist: no such file or directory\n"},
		{[]string{"--nope"}, 2, "unknown flag: --nope\n"},
		{[]string{"serve"}, 2, `unexpected argument "serve"`},
		{[]string{"--version"}, 0, "adapter devel"},
		{[]string{"--help"}, 0, "Usage of adapter:"},
	}
	for _, test := range tests {
		cmd := exec.Command(file, test.args...)
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.want) {
			t.Errorf("%v: exit code %d\n%s", test.args, code, out)
		}
	}
}

// TestTermEndsTheProgram has a scrape under way when the signal comes, which gets its answer.
func TestTermEndsTheProgram(t *testing.T) {
	asked, release := make(chan bool, 8), make(chan bool)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked <- true; <-release; io.WriteString(w, "a 1\n") }))
	t.Cleanup(slow.Close)
	p := start(t, "metrics: [{name: slow, url: "+slow.URL+"}]\n")
	body := make(chan string, 1)
	go func() {
		res, err := http.Get(p.url + "/metrics")
		if err != nil {
			body <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		body <- string(b)
	}()
	<-asked
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	close(release)
	if got := <-body; !strings.Contains(got, `a{source="slow"} 1`) {
		t.Errorf("the scrape under way got %q", got)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ends with %v", err)
	}
}

// TestMemory prints what the adapter takes when it has little to do and when it has as much as it takes, and holds it to its
// bounds: 15 MiB of its own idle, and never more than the container's limit.
func TestMemory(t *testing.T) {
	var page strings.Builder
	for i := range 19_000 {
		fmt.Fprintf(&page, "http_requests_total{handler=\"/api/v1/orders\",code=\"200\",instance=\"%d\"} %d\n", i, i)
	}
	rules := `health: {rules: [{name: a, check: "rate('http_requests_total{instance=\"1\"}') < 1000.0 && sum('http_requests_total') > 0.0"}]}
interval: 200ms
`
	idle := start(t, rules+"metrics: [{name: app, url: "+app(t, "http_requests_total{instance=\"1\"} 1\n")+"}]\n")
	full := start(t, rules+"metrics: [{name: app, url: "+app(t, page.String())+"}]\n")
	for range 20 {
		idle.get(t, "/metrics")
		if body := full.get(t, "/metrics"); !strings.Contains(body, `instance="18999",source="app"} 18999`) {
			t.Fatal("the page is not whole")
		}
		time.Sleep(50 * time.Millisecond) // the rules' own rounds in between
	}
	for _, m := range []struct {
		name    string
		process *process
		most    int
	}{{"idle", idle, 15 << 10}, {"19,000 series", full, 64 << 10}} {
		anon, rss, peak := m.process.kilobytes(t, "RssAnon"), m.process.kilobytes(t, "VmRSS"), m.process.kilobytes(t, "VmHWM")
		t.Logf("%s: %d kB anonymous, %d kB resident, %d kB at its peak; the page has %d bytes", m.name, anon, rss, peak, len(m.process.get(t, "/metrics")))
		if anon > m.most {
			t.Errorf("%s: %d kB anonymous, at most %d", m.name, anon, m.most)
		}
	}
}
