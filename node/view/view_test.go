package view

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/redirect"
)

// web is a Pod in which confd is in nginx's PID namespace, and whose traffic goes through a proxy.
func web() *Pod {
	ns := func(pid, mnt uint64) map[string]uint64 {
		return map[string]uint64{"net": 100, "ipc": 101, "uts": 102, "user": 103, "cgroup": 200 + mnt, "pid": pid, "mnt": mnt}
	}
	return &Pod{Namespace: "shop", Name: "web", UID: "u-1", Sandbox: "0123456789abcdef", IPs: []string{"10.0.0.7"}, Network: 100, Phase: "active", Wanted: "abcd",
		Containers: []Container{
			{Name: Pause, PID: 10, Namespaces: ns(300, 1)},
			{Name: "nginx", PID: 11, Namespaces: ns(301, 2), Usage: cgroup.Usage{CPU: 1500 * time.Millisecond, Memory: 3 << 20, Anonymous: 1 << 20}, Limits: map[string]string{"cpu.weight": "10", "memory.max": "67108864"}, Cgroups: map[string]string{"": "/kubepods/x", "cpu": "/kubepods/x"}},
			{Name: "proxy", PID: 12, Sidecar: "proxy", Revision: "aaa", Namespaces: ns(302, 3)},
			{Name: "confd", PID: 13, Sidecar: "confd", Revision: "bbb", Joins: "nginx", Namespaces: ns(301, 4)},
		},
		Redirect: &redirect.Found{Hash: "abcd", Rules: []redirect.FoundRule{{Chain: "outbound", Name: "to the proxy", To: 15001, Packets: 3, Bytes: 180}}}}
}

const want = `Pod shop/web  10.0.0.7
uid u-1, sandbox 0123456789ab

Namespaces
  net    └─ 100  pause, nginx, proxy, confd
  ipc    └─ 101  pause, nginx, proxy, confd
  uts    └─ 102  pause, nginx, proxy, confd
  pid    ├─ 301  nginx, confd
         ├─ 300  pause
         └─ 302  proxy
  mnt    ├─ 1  pause
         ├─ 2  nginx
         ├─ 3  proxy
         └─ 4  confd
  cgroup ├─ 201  pause
         ├─ 202  nginx
         ├─ 203  proxy
         └─ 204  confd
  user   └─ 103  pause, nginx, proxy, confd

Containers
  pause  process 10, holds the Pod's namespaces
    used    CPU 0s (throttled 0s), memory 0 KiB (0 KiB anonymous), 0 killed for want of memory
  nginx  process 11, the app's
    cgroup  /kubepods/x
    limits  cpu.weight 10, memory.max 67108864
    used    CPU 1.5s (throttled 0s), memory 3.0 MiB (1.0 MiB anonymous), 0 killed for want of memory
  proxy  process 12, sidecar proxy aaa
    used    CPU 0s (throttled 0s), memory 0 KiB (0 KiB anonymous), 0 killed for want of memory
  confd  process 13, sidecar confd bbb
    used    CPU 0s (throttled 0s), memory 0 KiB (0 KiB anonymous), 0 killed for want of memory

Traffic  (rules abcd, active)
  outbound  to the proxy  to port 15001  3 connections

All is as the catalog asks for.
`

func TestText(t *testing.T) {
	p := web()
	p.Findings = p.Check()
	if diff := cmp.Diff(want, p.Text()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(p *Pod)
		want   []string
	}{
		{"as it should be", func(*Pod) {}, nil},
		{"no rules", func(p *Pod) { p.Redirect = nil }, []string{"its traffic should be redirected, and there are no rules"}},
		{"other rules", func(p *Pod) { p.Redirect.Hash = "ffff" }, []string{"its rules are not those that its proxy asks for: ffff and not abcd"}},
		{"rules of nobody", func(p *Pod) { p.Wanted = "" }, []string{"it has rules, and no proxy asks for them"}},
		{"foreign rules", func(p *Pod) { p.Redirect.Foreign = []string{"mesh/out"} }, []string{"a chain of somebody else's may change its traffic too: mesh/out"}},
		{"not joined", func(p *Pod) { p.Containers[3].Namespaces["pid"] = 9 }, []string{"container confd is not in the PID namespace of nginx"}},
		{"nobody to join", func(p *Pod) { p.Containers[1].Name = "apache" }, []string{"container confd should be in the PID namespace of nginx, which does not run"}},
		{"elsewhere", func(p *Pod) { p.Containers[2].Namespaces["net"] = 9 }, []string{"container proxy is in another network namespace than its Pod"}},
	} {
		p := web()
		c.change(p)
		if diff := cmp.Diff(c.want, p.Check()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		p.Findings = p.Check()
		if text := p.Text(); len(c.want) > 0 && !strings.Contains(text, "  - "+c.want[0]) {
			t.Errorf("%s: the text does not say so:\n%s", c.name, text)
		}
	}
}

// front is a Pod as a node has it.
func front() *Pod {
	const net, ipc, uts, user = 4026532640, 4026532575, 4026532574, 4026531837
	ns := func(pid, mnt uint64) map[string]uint64 {
		return map[string]uint64{"net": net, "ipc": ipc, "uts": uts, "user": user, "cgroup": mnt + 1, "pid": pid, "mnt": mnt}
	}
	limit := func(bytes string) map[string]string { return map[string]string{"memory.max": bytes} }
	return &Pod{Namespace: "shop", Name: "front-6c9d8b7f5-x2k4q", IPs: []string{"10.244.1.27"}, Network: net, Phase: "active", Wanted: "2a1f0c9e5b7d4433",
		Containers: []Container{
			{Name: Pause, PID: 20411, Namespaces: ns(4026532576, 4026532573)},
			{Name: "proxy", PID: 20502, Sidecar: "proxy", Revision: "db812326be0e", Namespaces: ns(4026532716, 4026532714), Limits: limit("67108864"),
				Usage: cgroup.Usage{CPU: 8130 * time.Millisecond, Memory: 22 << 20, Anonymous: 17 << 20}},
			{Name: "nginx", PID: 20588, Namespaces: ns(4026532719, 4026532717), Limits: limit("268435456"),
				Usage: cgroup.Usage{CPU: 41220 * time.Millisecond, Throttled: 310 * time.Millisecond, Memory: 143 << 20, Anonymous: 61 << 20}},
			{Name: "confd", PID: 20671, Sidecar: "confd", Revision: "af4e1ed66915", Joins: "nginx", Namespaces: ns(4026532719, 4026532721), Limits: limit("33554432"),
				Usage: cgroup.Usage{CPU: 620 * time.Millisecond, Memory: 12 << 20, Anonymous: 9 << 20}},
		},
		Redirect: &redirect.Found{Hash: "2a1f0c9e5b7d4433", Rules: []redirect.FoundRule{
			{Chain: "inbound", Name: "to the proxy", To: 15006, Packets: 1904},
			{Chain: "outbound", Name: "by the proxy", Packets: 733},
			{Chain: "outbound", Name: "to the Pod itself", Packets: 88},
			{Chain: "outbound", Name: "to the proxy", To: 15001, Packets: 645}}}}
}

var update = flag.Bool("update", false, "write the picture in the docs anew")

// TestThePictureInTheDocs draws it again.
func TestThePictureInTheDocs(t *testing.T) {
	const file = "../../docs/node-inspect.svg"
	p := front()
	p.Findings = p.Check()
	got := p.SVG()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), got); diff != "" {
		t.Errorf("go test ./node/view -update draws it anew (-docs +drawn):\n%s", diff)
	}
}

// TestThePictureIsSVG draws Pods, hostile names among them, and reads the picture as XML.
func TestThePictureIsSVG(t *testing.T) {
	hostile := web()
	hostile.Name = `"><script>alert(1)</script>&`
	hostile.Containers[2].Sidecar = "<b>"
	for _, p := range []*Pod{web(), hostile, {}} {
		picture := p.SVG()
		dec := xml.NewDecoder(strings.NewReader(picture))
		elements := map[string]int{}
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, picture)
			}
			if start, ok := token.(xml.StartElement); ok {
				elements[start.Name.Local]++
			}
		}
		if elements["script"]+elements["b"] > 0 || elements["svg"] != 1 {
			t.Errorf("%v", elements)
		}
	}
	for _, word := range []string{"nginx", "namespaces shared by all: net 100 · ipc 101 · uts 102", "process 10 holds the namespaces", "3.0 MiB of 64.0 MiB of memory", "All is as the catalog asks for.", "one PID namespace, 301", "in the processes of nginx", "to port 15001"} {
		if !strings.Contains(web().SVG(), word) {
			t.Errorf("no %q in the picture", word)
		}
	}
}
