package images

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// inside runs an image's program without a container runtime: namespaces of its own, the image as a root that cannot be
// written to but for the folders named, the image's or the Pod's user, and no way to more rights. It waits until the
// program answers, prints that answer, ends the program as a kubelet would, and prints its exit code.
const inside = `
set -eu
root=$1 user=$2 signal=$3 url=$4; shift 4
mount --bind "$root" "$root"
for dir in $WRITABLE; do mount -t tmpfs -o mode=1777 tmpfs "$root$dir"; done
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev"
for device in null urandom random; do touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
for fd in stdin:0 stdout:1 stderr:2; do ln -s "/proc/self/fd/${fd#*:}" "$root/dev/${fd%:*}"; done
mount -o remount,bind,ro "$root"
ip link set lo up
# The output is the user's, as runtimes make it.
{ chown "$user" /proc/self/fd/1; exec setpriv --no-new-privs env -i $ENVIRONMENT $(command -v chroot) --userspec="$user" "$root" "$@" 2>&1; } | cat >&2 &
pipe=$!
answered=no
for i in $(seq 300); do
  pid=$(pgrep -o -x "$COMM" || true)
  if [ -n "$pid" ] && "$APP" get "$url"; then answered=yes; break; fi
  kill -0 $pipe 2>/dev/null || break
  sleep 0.1
done 2>/dev/null
[ $answered = yes ] || { echo "no answer from $url" >&2; exit 1; }
if [ -n "$LOOK" ]; then echo; ls -l "$root$LOOK"; fi
grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/$pid/status | tr '\t' ' '
kill -s "$signal" "$pid"
wait $pipe
`

type running struct {
	name     string
	user     string   // uid:gid of the Pod
	command  []string // default: the image's own
	writable []string // volumes that the Pod has
	mounts   map[string]string
	comm     string
	url      string
	signal   string // default: the image's
	look     string // files to list, after the answer
	want     []string
}

// haproxyConf is a short one; that the catalog's own is valid is tested beside the catalog.
const haproxyConf = `global
  log stdout format raw daemon notice
  nbthread 1
resolvers pod
  parse-resolv-conf
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend metrics
  bind 0.0.0.0:8404
  http-request use-service prometheus-exporter if { path /metrics }
`

// The images start as Pods will start them. The proxy does so as its catalog entry demands: user 65532, nothing writable, no
// capability.
func TestImagesRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("running an image needs root: namespaces and mounts of its own")
	}
	const noRights = "CapEff: 0000000000000000"
	tests := []running{
		{name: "haproxy", user: "65532:65532", comm: "haproxy", url: "http://127.0.0.1:8404/metrics", signal: "TERM",
			command:  []string{"haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/conf.d"},
			mounts:   map[string]string{"/etc/haproxy/haproxy.cfg": haproxyConf, "/etc/resolv.conf": "nameserver 127.0.0.1\n"},
			writable: []string{"/etc/haproxy/conf.d"},
			want:     []string{"haproxy_process_uptime_seconds", "Uid: 65532", noRights}},
		{name: "nginx", user: "101:101", comm: "nginx", url: "http://127.0.0.1:8080/", writable: []string{"/tmp"},
			want: []string{"Welcome to nginx!", "Uid: 101", noRights}},
		{name: "tomcat", user: "0:0", comm: "java", url: "http://127.0.0.1:8080/", writable: []string{"/usr/local/tomcat/logs", "/usr/local/tomcat/work", "/usr/local/tomcat/temp", "/usr/local/tomcat/conf/Catalina"},
			mounts: map[string]string{"/usr/local/tomcat/webapps/ROOT/index.html": "the shop"},
			look:   "/usr/local/tomcat/logs", want: []string{"the shop", "-rw-r----- 1 root root", "localhost_access_log."}},
		{name: "prometheus", user: "65534:65534", comm: "prometheus", url: "http://127.0.0.1:9090/-/ready", writable: []string{"/prometheus"},
			want: []string{"Prometheus Server is Ready.", "Uid: 65534", noRights}},
		{name: "etcd", user: "65532:65532", comm: "etcd", url: "http://127.0.0.1:2379/health", writable: []string{"/data"},
			want: []string{`"health":"true"`, "Uid: 65532", noRights}, command: []string{"etcd", "--data-dir=/data/etcd"}},
		{name: "app", user: "65532:65532", comm: "app", url: "http://127.0.0.1:8080/inspect",
			want: []string{`"uid": 65532`, "Uid: 65532", noRights}},
	}
	var names []string
	for _, test := range tests {
		names = append(names, test.name)
	}
	archives, err := Build(t.Context(), &lines{t}, names...)
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) { runImage(t, archives[i], test) })
	}
}

func runImage(t *testing.T, a Archive, r running) {
	t.Helper()
	image := readArchive(t, a.Path)
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil { // the image's user walks through it
		t.Fatal(err)
	}
	unpack(t, a.Path, root)
	for _, dir := range append([]string{"/proc", "/dev"}, r.writable...) {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, root, r.mounts)
	put(t, root, map[string]string{"/etc/hosts": "127.0.0.1 localhost\n"}) // as the kubelet does

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := []string{"--mount", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--propagation", "private", "--mount-proc", "sh", "-c", inside, "inside"}
	args = append(args, root, r.user, r.stop(image.config.Config), r.url)
	cmd := exec.CommandContext(ctx, "unshare", append(args, r.commandLine(image.config.Config)...)...)
	cmd.Dir = root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "ENVIRONMENT="+strings.Join(image.config.Config.Env, " "), "COMM="+r.comm,
		"WRITABLE="+strings.Join(r.writable, " "), "LOOK="+r.look, "APP="+appProgram(t))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout.String(), stderr.String())
	}
	for _, want := range r.want {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("no %q in:\n%s\n%s", want, stdout.String(), stderr.String())
		}
	}
	t.Logf("%s: up, answered and down in %.1f s", r.name, time.Since(began).Seconds())
}

func (r *running) commandLine(c v1.Config) []string {
	if len(r.command) > 0 {
		return r.command
	}
	return append(append([]string{}, c.Entrypoint...), c.Cmd...)
}

func (r *running) stop(c v1.Config) string {
	switch {
	case r.signal != "":
		return r.signal
	case c.StopSignal != "":
		return strings.TrimPrefix(c.StopSignal, "SIG")
	}
	return "TERM"
}

// appProgram is the tests' app, as this test's own tool.
func appProgram(t *testing.T) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("go", "build", "-o", at, "./app").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return at
}

// unpack puts the layers' files below root, owned as they say.
func unpack(t *testing.T, archive, root string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for outer := tar.NewReader(f); ; {
		h, err := outer.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		start := make([]byte, 512)
		if n, _ := io.ReadFull(outer, start); n < 512 || string(start[257:262]) != "ustar" {
			continue // a manifest or a configuration
		}
		cmd := exec.Command("tar", "--extract", "--numeric-owner", "--same-owner", "--same-permissions", "--directory", root)
		cmd.Stdin = io.MultiReader(bytes.NewReader(start), outer)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", h.Name, err, out)
		}
	}
}

// The first process of a Pod waits for children that lost their parent, and ends on SIGTERM.
func TestPauseReapsAndEnds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("a PID namespace needs root")
	}
	archives, err := Build(t.Context(), &lines{t}, "pause")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	unpack(t, archives[0].Path, root)
	pause := exec.Command(filepath.Join(root, "pause"))
	pause.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	defer pause.Process.Kill()
	pid := strconv.Itoa(pause.Process.Pid)
	children := func() string {
		b, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("waited in vain for %s; children: %q", what, children())
			}
		}
	}
	// The orphans do not keep the test's pipe open.
	parent := exec.Command("nsenter", "--target", pid, "--pid", "sh", "-c", "sleep 600 >/dev/null 2>&1 & sleep 600 >/dev/null 2>&1 & exit")
	if out, err := parent.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	await("two orphans", func() bool { return len(strings.Fields(children())) == 2 })
	for orphan := range strings.FieldsSeq(children()) {
		number, err := strconv.Atoi(orphan)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(number, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	await("their end", func() bool { return children() == "" })
	if err := pause.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := pause.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}
