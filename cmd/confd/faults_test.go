package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/confd/etcdtest"
)

// app is one that confd tells to read its file again. It keeps what it reads, then and at all times between.
type app struct {
	t    *testing.T
	file string
	url  string

	mu     sync.Mutex
	loaded []string // what it read at each reload
	broken string   // what it saw once and was no whole file
}

// lines make the file so long that it takes several writes.
const lines = 2000

var filler = strings.Repeat("x", 79) + "\n"

// wholeTemplate says its value at both ends.
var wholeTemplate = `begin {{getv "/up"}}` + "\n" + fmt.Sprintf("{{range seq 1 %d}}%s{{end}}", lines, filler) + `end {{getv "/up"}}` + "\n"

func startApp(t *testing.T) *app {
	t.Helper()
	a := &app{t: t, file: filepath.Join(t.TempDir(), "app.conf")}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		value := a.read()
		a.mu.Lock()
		defer a.mu.Unlock()
		a.loaded = append(a.loaded, value)
	}))
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(2 * time.Millisecond); ; a.read() {
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { server.Close(); close(done); <-ended })
	a.url = server.URL + "/-/reload"
	return a
}

// read gives the value in the file, and remembers a file that is not whole.
func (a *app) read() string {
	text, err := os.ReadFile(a.file)
	if os.IsNotExist(err) {
		return ""
	}
	first, rest, _ := strings.Cut(string(text), "\n")
	value := strings.TrimPrefix(first, "begin ")
	if err == nil && rest == strings.Repeat(filler, lines)+"end "+value+"\n" {
		return value
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = fmt.Sprintf("%v, %d bytes: %.60q", err, len(text), text)
	return ""
}

// confd runs the program for the app, with the settings of [etcd].
func (a *app) confd(settings string) *running {
	a.t.Helper()
	resource := fmt.Sprintf("[template]\nsrc = 'one.tmpl'\ndest = '%s'\nkeys = ['/up']\nreload_url = '%s'\n", a.file, a.url)
	return start(a.t, fmt.Sprintf("backend = 'etcd'\nconfdir = '%s'\n[etcd]\n%s\n", folders(a.t, resource, wholeTemplate), settings))
}

// has waits for a value in the app, and wants it told of every value once, in order, and of nothing else.
func (a *app) has(values ...string) {
	a.t.Helper()
	get := func() []string {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.broken != "" {
			a.t.Fatal("the file was broken: ", a.broken)
		}
		return append([]string(nil), a.loaded...)
	}
	eventually(a.t, "the app has "+values[len(values)-1], func() bool { return len(get()) >= len(values) })
	if diff := cmp.Diff(values, get()); diff != "" {
		a.t.Fatalf("the app was told of (-want +got):\n%s", diff)
	}
	if in := a.read(); in != values[len(values)-1] {
		a.t.Fatalf("the file has %q, want %q", in, values[len(values)-1])
	}
}

// failing waits until the program says why the store does not answer.
func (r *running) failing(why string) {
	r.t.Helper()
	eventually(r.t, "the log tells of "+why, func() bool { return strings.Contains(r.said(), why) })
	eventually(r.t, "the metric tells", func() bool { return r.metric("confd_backend_up") == 0 })
}

func TestALostLeaderAndALostMajorityLeaveFileAndAppAlone(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 3, false)
	client := etcd.Client()
	client.Set("/up", "one")
	a := startApp(t)
	r := a.confd("nodes = ['" + strings.Join(etcd.URLs(), "', '") + "']")
	r.ready()
	a.has("one")
	first := etcd.Leader()
	etcd.Kill(first)
	a.has("one")
	client.Set("/up", "two") // waits for the new leader
	a.has("one", "two")

	second := etcd.Leader()
	etcd.Kill(second)
	r.failing("etcd")
	a.has("one", "two")
	etcd.Run(first)
	client.Set("/up", "three")
	a.has("one", "two", "three")
	eventually(t, "the metric tells", func() bool { return r.metric("confd_backend_up") == 1 })
}

func TestACompactionThatWasMissedLeadsToTheNewestAlone(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1, false)
	client := etcd.Client()
	client.Set("/up", "one")
	way := etcd.Way(0)
	a := startApp(t)
	r := a.confd("nodes = ['" + way.URL() + "']")
	r.ready()
	a.has("one")
	way.Cut()
	client.Set("/up", "never-seen", "/up", "two")
	client.CompactAll()
	a.has("one")
	way.Mend()
	a.has("one", "two")
	client.Set("/up", "three")
	a.has("one", "two", "three")
}

func TestARefusedPasswordLeavesFileAndAppAlone(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t, 1, false)
	client := etcd.Client()
	client.Set("/demo/up", "one")
	client.Restrict("/demo/", "right")
	root := etcd.Client("root", "root")
	folder := etcd.Credentials(map[string]string{"username": "reader", "password": "wrong"})
	a := startApp(t)
	r := a.confd(fmt.Sprintf("nodes = ['%s']\nprefix = '/demo'\ncredentials = '%s'", etcd.URLs()[0], folder))
	refused := "etcd refuses the username or password"
	eventually(t, "the probe says why", func() bool { _, text := r.get("/-/ready"); return strings.Contains(text, refused) })
	if in := a.read(); in != "" {
		t.Fatalf("with a wrong password the file has %q", in)
	}
	must(t, os.WriteFile(filepath.Join(folder, "password"), []byte("right"), 0o600))
	r.ready()
	a.has("one")

	root.Password("another")
	etcd.Kill(0)
	etcd.Run(0) // and so ends the connection that was made with the old one
	before := r.metric("confd_backend_failures_total")
	eventually(t, "the store refuses", func() bool { return r.metric("confd_backend_failures_total") > before+1 })
	etcd.Client("root", "root").Set("/demo/up", "two")
	a.has("one")
	must(t, os.WriteFile(filepath.Join(folder, "password"), []byte("another"), 0o600))
	a.has("one", "two")
}
