package sidecars_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	yaml "go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// hostile is text that every config language gives a meaning to.
const hostile = `"'\ $(X) ${env:HOME} $$ {{x}} %s # <&> \d+`

// triedValues are what the tables of pairs give a parameter beside what its declaration tells: nothing, its enum and its
// bounds. Ports differ from one another, since one that is taken is refused.
var triedValues = map[string]map[string][]string{
	"proxy": {
		"port":             {"8080", "1024", "65535"},
		"upstream-port":    {"2368", "1", "65532"},
		"upstream-socket":  {"app.sock", "A"},
		"socket-directory": {"/run/app", "/a/b.c@d+e,f=g-h_i"},
		"containers":       {"*", "app", "a*,app"},
		"container":        {"app"},
		"health-path":      {"/healthz", "/", "/a/b.c~d_e-f"},
		"outbound-1-port":  {"5432", "1026", "65533"}, "outbound-1-servers": servers("5432"),
		"outbound-2-port": {"6379"}, "outbound-2-servers": servers("6379"),
		"outbound-3-port": {"5672"}, "outbound-3-servers": servers("5672"),
		"outbound-4-port": {"9092"}, "outbound-4-servers": servers("65535"),
		"metrics-port": {"8404", "1025", "65534"},
		"route-1-path": {"/api", "/a/b.c~d_e-f"}, "route-1-port": {"8081", "65531"},
		"route-2-path": {"/b"}, "route-2-port": {"8082"}, "route-3-path": {"/c"}, "route-3-port": {"8083"},
		"route-4-path": {"/d"}, "route-4-port": {"8084"},
		"allow-paths": {"/api", "/api,/b"}, "deny-paths": {"/admin", "/admin,/internal/x"},
		"allow-networks": {"10.0.0.0/8", "192.0.2.1,fd00::/8,::1", "2001:db8::1:2/128,::/0,1:2:3:4:5:6:7:8"},
		"deny-networks":  {"192.0.2.1", "192.0.2.0/24,fe80::/10"},
		"inbound-ports":  {"9090", "1,65535"}, "outbound-allow-networks": {"10.0.0.0/8,fd00::/8"}, "outbound-deny-networks": {"192.0.2.1", "::/0,0.0.0.0/0"},
		"tls-secret": {"tls"}, "mtls-secret": {"mtls"},
		"outbound-1-tls-name": {"db.example.com", "a"}, "outbound-2-tls-name": {"b"}, "outbound-3-tls-name": {"c"}, "outbound-4-tls-name": {"d"},
		"outbound-ca-secret": {"ca"}, "outbound-tls-secret": {"client"},
	},
	"log-shipper": {
		"endpoint":        {"https://otlp.example.com:4318", "http://127.0.0.1/a?b=$c&d=${e}#f", "http://[::1]:4318"},
		"directory":       {"/var/log/app", "/a/b.c@d+e,f=g-h_i"},
		"containers":      {"*", "app"},
		"container":       {"app"},
		"include":         {"*.log", "**/*.log,a/?.txt"},
		"exclude":         {"*.gz", "b/*.zst,**/*.xz"},
		"multiline-start": {`^\d{4}-\d{2}`, hostile},
		"service-name":    {"shop", "0", "true"},
		"header-secret":   {"otlp"}, "ca-configmap": {"ca"}, "tls-secret": {"tls"},
		"health-port": {"13133", "1024", "65535"}, "metrics-port": {"8888", "1025", "65534"},
	},
	"confd": {
		"templates": {"t", "a.b-c"}, "values": {"v"}, "etcd-secret": {"etcd"},
		"directory":  {"/etc/nginx/conf.d", "/a/b.c@d+e,f=g-h_i"},
		"containers": {"*", "app"}, "container": {"app"},
		"prefix":     {"/shop", "/a/b.c"},
		"endpoints":  {"https://etcd.example:2379", "http://127.0.0.1:2379,http://[::1]:2379/a#b"},
		"configmaps": {"one", "one,two.three"}, "services": {"shop", "shop,till"},
		"process": {"nginx", "A.b_c-d"}, "reload-port": {"8080", "65533"},
		"reload-path": {"/-/reload", "/a?b=c&d=%20@e:+"},
		"port":        {"9181", "1024", "65535"},
	},
	"confd-join": {
		"templates": {"t", "a.b-c"}, "values": {"v"}, "etcd-secret": {"etcd"},
		"directory":  {"/etc/nginx/conf.d", "/a/b.c@d+e,f=g-h_i"},
		"containers": {"*", "app"}, "container": {"app"},
		"prefix":     {"/shop", "/a/b.c"},
		"endpoints":  {"https://etcd.example:2379", "http://127.0.0.1:2379,http://[::1]:2379/a#b"},
		"configmaps": {"one", "one,two.three"}, "services": {"shop", "shop,till"},
		"process": {"nginx", "A.b_c-d"}, "reload-port": {"8080", "65533"},
		"reload-path": {"/-/reload", "/a?b=c&d=%20@e:+"},
		"port":        {"9181", "1024", "65535"},
	},
	"adapter": {
		"port":        {"9180", "1024", "65535"},
		"metrics":     {"name=app,port=8080", "name=app,port=8080,path=/m;name=proxy,port=8404"},
		"rules":       {"name=q,check=value('q') < 100.0", "name=a,check=" + hostile + ",for=10s;name=b,check=a == b"},
		"status-port": {"8081"}, "status-path": {"/status", "/a?b=c&d=%20@e:+"},
		"status-metrics": {"name=q,at=/q/depth", "name=a:b_C,at=" + hostile + ",type=counter;name=c,at=Active connections:"},
		"config":         {"more"},
	},
}

func servers(port string) []string {
	return []string{"192.0.2.1:" + port, "192.0.2.1:" + port + ",192.0.2.2:" + port + ",localhost:" + port}
}

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

// TestLogShipperConfigHoldsItsValues reads the collector's configuration as the collector does, for every pair of values.
func TestLogShipperConfigHoldsItsValues(t *testing.T) {
	eachPair(t, "log-shipper", func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		type fileLog struct {
			Include, Exclude []string
			Multiline        struct {
				Start string `yaml:"line_start_pattern"`
			}
			Operators []map[string]string
		}
		var got struct {
			Extensions struct {
				Health struct{ Endpoint string } `yaml:"health_check"`
			}
			Receivers struct {
				FileLog fileLog `yaml:"file_log"`
			}
			Exporters struct {
				OTLP struct {
					Endpoint, Compression string
					Headers               map[string]string
				} `yaml:"otlp_http"`
			}
		}
		if err := yaml.Unmarshal([]byte(fileOf(t, pod, "log-shipper", "config")), &got); err != nil {
			t.Fatal(err)
		}
		want := got
		want.Extensions.Health.Endpoint = ":" + set["health-port"]
		below := func(globs string) []string {
			var paths []string
			for _, glob := range split(globs, ",") {
				paths = append(paths, set["directory"]+"/"+glob)
			}
			return paths
		}
		dollars := strings.NewReplacer("$", "$$")
		want.Receivers.FileLog = fileLog{Include: below(set["include"]), Exclude: below(set["exclude"]), Operators: []map[string]string{}}
		want.Receivers.FileLog.Multiline.Start = dollars.Replace(set["multiline-start"])
		if set["format"] == "json" {
			want.Receivers.FileLog.Operators = []map[string]string{{"type": "json_parser", "on_error": "send_quiet"}}
		}
		want.Exporters.OTLP.Endpoint = dollars.Replace(set["endpoint"])
		want.Exporters.OTLP.Compression = set["compression"]
		want.Exporters.OTLP.Headers = nil
		if set["header-secret"] != "" {
			want.Exporters.OTLP.Headers = map[string]string{"authorization": "${env:AUTHORIZATION}"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
		wantGoMemory(t, pod, "log-shipper")
	})
}

// wantGoMemory checks that Go's own memory limit is four fifths of the container's.
func wantGoMemory(t *testing.T, pod *corev1.Pod, name string) {
	t.Helper()
	c := containerOf(t, pod, name)
	for _, e := range c.Env {
		if e.Name != "GOMEMLIMIT" {
			continue
		}
		soft, hard := resource.MustParse(strings.TrimSuffix(e.Value, "B")), c.Resources.Limits.Memory()
		if share := float64(soft.Value()) / float64(hard.Value()); share < 0.78 || share > 0.81 {
			t.Errorf("%s: GOMEMLIMIT %s is %.2f of the memory limit %s, want 0.8", name, e.Value, share, hard)
		}
		return
	}
	t.Errorf("%s has no GOMEMLIMIT", name)
}

// TestAdapterConfigHoldsItsValues reads the adapter's configuration, for every pair of values.
func TestAdapterConfigHoldsItsValues(t *testing.T) {
	eachPair(t, "adapter", func(t *testing.T, set map[string]string, pod *corev1.Pod) {
		var got map[string]any
		if err := yaml.Unmarshal([]byte(fileOf(t, pod, "adapter", "config")), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"listen": ":" + set["port"], "include": "/etc/adapter/conf.d/*.yaml", "interval": set["interval"], "timeout": set["timeout"],
			"maxAnswerBytes": 2 << 20, "maxSeries": 20000, "label": "source",
			"metrics": items(set["metrics"], map[string]any{"path": "/metrics"}),
			"health":  map[string]any{"window": set["window"], "grace": set["grace"], "rules": items(set["rules"], map[string]any{"for": "0s"})},
			"pages":   []any{},
		}
		if set["status-port"] != "" {
			want["pages"] = []any{map[string]any{
				"name": "status", "port": 8081, "path": set["status-path"], "format": set["status-format"],
				"metrics": items(set["status-metrics"], map[string]any{"type": "gauge"}),
			}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("configuration (-want +got):\n%s", diff)
		}
		wantGoMemory(t, pod, "adapter")
	})
}

// items reads "a=b,c=d;a=e" as the items of a configuration, with defaults.
func items(text string, defaults map[string]any) []any {
	out := []any{}
	for _, one := range split(text, ";") {
		it := maps.Clone(defaults)
		for pair := range strings.SplitSeq(one, ",") {
			name, v, _ := strings.Cut(pair, "=")
			it[name] = v
			if port := 0; name == "port" {
				_, _ = fmt.Sscan(v, &port)
				it[name] = port
			}
		}
		out = append(out, it)
	}
	return out
}

// eachPair injects an entry into a Pod so often that every pair of values of two parameters occurs, checks what holds of
// every entry, and hands on the values in force. An empty value is not set.
func eachPair(t *testing.T, entry string, check func(t *testing.T, set map[string]string, pod *corev1.Pod)) {
	t.Helper()
	t.Parallel()
	catalog := sidecars.Builtin()
	names, values := valuesOf(t, entry, catalog.Entry("", entry).Spec.Parameters)
	rows := pairs(values)
	t.Logf("%d parameters, %d sets of values", len(names), len(rows))
	for _, row := range rows {
		t.Run(strings.ReplaceAll(fmt.Sprint(row), " ", ""), func(t *testing.T) {
			t.Parallel()
			set := map[string]string{}
			for i, name := range names {
				if set[name] = values[i][row[i]]; set[name] == "" {
					delete(set, name)
				}
			}
			pod := injectedPod(t, catalog, entry, set)
			if t.Failed() {
				return
			}
			for name, p := range catalog.Entry("", entry).Spec.Parameters {
				if p.Default != nil && set[name] == "" {
					set[name] = p.Default.Text + strings.Join(p.Default.List, ",")
				}
			}
			check(t, set, pod)
			if t.Failed() {
				t.Logf("values: %v", set)
			}
		})
	}
}

// valuesOf gives the parameters of an entry, sorted, and for each the values to try.
func valuesOf(t *testing.T, entry string, params map[string]v1alpha1.Parameter) (names []string, values [][]string) {
	t.Helper()
	names = slices.Sorted(maps.Keys(params))
	for name := range triedValues[entry] {
		if !slices.Contains(names, name) {
			t.Errorf("the table tries %s.%s, which is no parameter", entry, name)
		}
	}
	for _, name := range names {
		p := params[name]
		list := slices.Clone(triedValues[entry][name])
		if !p.Required {
			list = append(list, "")
		}
		list = append(list, p.Enum...)
		switch {
		case p.Type == v1alpha1.TypeBoolean:
			list = append(list, "true", "false")
		case p.Minimum != "" && p.Type != v1alpha1.TypePort:
			list = append(list, p.Minimum, p.Maximum)
		}
		if len(list) < 2 && !p.Required {
			t.Errorf("%s.%s: the table must try at least two values, has %q", entry, name, list)
		}
		values = append(values, list)
	}
	return names, values
}

// pairs gives rows of indices into values such that every two values of two lists are together in some row: as long as a
// pair is left, it starts a row, which is filled up with the values that bring most pairs.
func pairs(values [][]string) [][]int {
	type pair struct{ a, x, b, y int }
	var all []pair
	left := map[pair]bool{}
	for a := range values {
		for b := a + 1; b < len(values); b++ {
			for x := range values[a] {
				for y := range values[b] {
					all = append(all, pair{a, x, b, y})
					left[pair{a, x, b, y}] = true
				}
			}
		}
	}
	var rows [][]int
	for _, first := range all {
		if !left[first] {
			continue
		}
		row := slices.Repeat([]int{-1}, len(values))
		row[first.a], row[first.b] = first.x, first.y
		news := func(i, x int) (n int) {
			for j, y := range row {
				if y >= 0 && (j < i && left[pair{j, y, i, x}] || j > i && left[pair{i, x, j, y}]) {
					n++
				}
			}
			return n
		}
		for i := range values {
			if row[i] >= 0 {
				continue
			}
			best, most := 0, -1
			for x := range values[i] {
				if n := news(i, x); n > most {
					best, most = x, n
				}
			}
			row[i] = best
		}
		for a, x := range row {
			for b := a + 1; b < len(row); b++ {
				delete(left, pair{a, x, b, row[b]})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// injected asks for an entry with parameters on a Pod of one container, app, and gives the Pod as it is admitted.
func injectedPod(t *testing.T, catalog *sidecars.Catalog, entry string, set map[string]string) *corev1.Pod {
	t.Helper()
	annotations := map[string]string{v1alpha1.AnnotationInject: entry}
	for name, v := range set {
		annotations[v1alpha1.Prefix+entry+"."+name] = v
	}
	var before corev1.Pod
	before.Name, before.Annotations = "p", annotations
	user, yes, no := int64(1000), true, false
	before.Spec.Containers = []corev1.Container{{Name: "app", Image: "app:1", SecurityContext: &corev1.SecurityContext{
		RunAsUser: &user, RunAsNonRoot: &yes, AllowPrivilegeEscalation: &no,
		Capabilities:   &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}}}
	object, err := json.Marshal(before)
	if err != nil {
		t.Fatal(err)
	}
	view, err := sidecars.ReadPod(object)
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(catalog, view, &sidecars.Namespace{})
	if res.Outcome != sidecars.Injected || len(res.Errors) > 0 {
		t.Fatalf("%s with %v is %s: %v", entry, set, res.Outcome, res.Errors)
	}
	patch, err := jsonpatch.DecodePatch(sidecars.AppendPatch(nil, res.Patch))
	if err != nil {
		t.Fatal(err)
	}
	after, err := patch.Apply(object)
	if err != nil {
		t.Fatal(err)
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(after, pod); err != nil {
		t.Fatal(err)
	}
	if bad := strictErrors(t, after); len(bad) > 0 {
		t.Errorf("strict decoding: %q", bad)
	}
	if l := level(t, after); l != api.LevelRestricted {
		t.Errorf("Pod Security level is %s, want restricted", l)
	}
	return pod
}

func fileOf(t *testing.T, pod *corev1.Pod, entry, file string) string {
	t.Helper()
	text, ok := pod.Annotations[v1alpha1.AnnotationFilePrefix+entry+"."+file]
	if !ok {
		t.Fatalf("the Pod has no file %s of %s", file, entry)
	}
	return text
}

func containerOf(t *testing.T, pod *corev1.Pod, name string) *corev1.Container {
	t.Helper()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	t.Fatalf("the Pod has no container %s", name)
	return nil
}

// split splits a list; an empty text has no items.
func split(text, sep string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, sep)
}

func nonNil(text string) []string { return append([]string{}, split(text, ",")...) }
