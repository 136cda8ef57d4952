package sidecars_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestHAProxyAcceptsEveryPair checks the proxy's configuration with HAProxy itself, for every pair of values of its
// parameters, beside a section that confd wrote.
func TestHAProxyAcceptsEveryPair(t *testing.T) {
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		haproxy = "/usr/sbin/haproxy"
	}
	if version, err := exec.Command(haproxy, "-v").CombinedOutput(); err != nil {
		t.Fatalf("this test needs haproxy, which checks the proxy's configuration: run `make setup`, or apt-get install haproxy (%v) %s", err, version)
	}
	eachPair(t, "proxy", func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		dir := t.TempDir()
		cfg, written := filepath.Join(dir, "haproxy.cfg"), filepath.Join(dir, "conf.d")
		text := strings.NewReplacer("/etc/haproxy/tls/", dir+"/", "/etc/haproxy/mtls/", dir+"/", "/etc/haproxy/ca/", dir+"/", "/etc/haproxy/client/", dir+"/").Replace(fileOf(t, pod, "proxy", "haproxy"))
		certificateIn(t, dir)
		section := "listen written-by-confd\n  bind 127.0.0.1:7000\n  server a 192.0.2.9:7000 check\n"
		if err := os.Mkdir(written, 0o700); err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string]string{cfg: text, filepath.Join(written, "a.cfg"): section} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// -dW: a warning is an error.
		cmd := exec.Command(haproxy, "-c", "-dW", "-f", cfg, "-f", written)
		cmd.Env = append(os.Environ(), "POD_IP=192.0.2.7")
		if set["address"] == "::" {
			cmd.Env = append(os.Environ(), "POD_IP=2001:db8::7")
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("haproxy -c: %v\n%s\n%s", err, out, text)
		}
		for _, line := range proxyLines(set) {
			if strings.Count(text, "  "+line+"\n") != 1 {
				t.Errorf("want the line %q once in\n%s", line, text)
			}
		}
	})
}

// proxyLines lists lines that must be in the proxy's configuration.
func proxyLines(set map[string]string) []string {
	lines := []string{
		"maxconn " + set["max-connections"], "nbthread " + set["threads"], "retries " + set["retries"] + "\n  option redispatch 1",
		"hard-stop-after " + set["drain-timeout"], "timeout connect " + set["connect-timeout"],
		"timeout client " + set["client-timeout"], "timeout server " + set["server-timeout"],
		"timeout tunnel " + set["tunnel-timeout"], "balance " + set["outbound-balance"],
		"bind " + set["address"] + ":" + set["metrics-port"],
	}
	if set["mode"] != "outbound" {
		for _, route := range []string{"1", "2", "3", "4"} {
			if path, port := set["route-"+route+"-path"], set["route-"+route+"-port"]; path != "" && port != "" && set["protocol"] == "http" {
				lines = append(lines, "server app 127.0.0.1:"+port+" check",
					"use_backend route-"+route+" if { path,url_dec -m str "+path+" } or { path,url_dec -m beg "+path+"/ }")
			}
		}
		switch {
		case set["mode"] == "transparent":
			lines = append(lines, transparentLines(set)...)
		case set["upstream-socket"] != "":
			lines = append(lines, "server app unix@"+set["socket-directory"]+"/"+set["upstream-socket"]+" check")
		case set["upstream-port"] != "":
			lines = append(lines, "server app 127.0.0.1:"+set["upstream-port"]+" check")
		}
		if set["health-path"] != "" {
			lines = append(lines, "http-check send meth GET uri "+set["health-path"]+" ver HTTP/1.1 hdr Host localhost")
		}
	}
	for _, route := range []string{"outbound-1", "outbound-2", "outbound-3", "outbound-4"} {
		if set["mode"] == "reverse" || set["mode"] == "transparent" || set[route+"-port"] == "" {
			continue
		}
		lines = append(lines, "bind 127.0.0.1:"+set[route+"-port"])
		if name := set[route+"-tls-name"]; name != "" {
			lines = append(lines, "default-server ssl verify required sni str("+name+") check-sni "+name)
		}
		for _, server := range split(set[route+"-servers"], ",") {
			lines = append(lines, "server "+server+" "+server+" check")
		}
	}
	return lines
}

// transparentLines lists those that are there in transparent mode alone.
func transparentLines(set map[string]string) []string {
	lines := []string{"bind " + set["address"] + ":15006", "bind 127.0.0.1:15001", "server original 0.0.0.0:0"}
	if port := set["upstream-port"]; port != "" {
		lines = append(lines, "acl app-port dst_port "+port, `server app "${POD_IP}:`+port+`" check`)
	}
	for _, port := range split(set["inbound-ports"], ",") {
		lines = append(lines, "acl open-port dst_port "+port)
	}
	for _, network := range split(set["outbound-allow-networks"], ",") {
		lines = append(lines, "acl allowed-far-end dst "+network)
	}
	for _, network := range split(set["outbound-deny-networks"], ",") {
		lines = append(lines, "acl denied-far-end dst "+network)
	}
	return lines
}
