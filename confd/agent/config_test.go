package agent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/sidecars"
)

func TestConfigIsReadWhole(t *testing.T) {
	c, err := ParseConfig("confd.toml", `
backend = "etcd"
prefix = "/production"
interval = "1m"
confdir = "/c"
listen = ":9181"
directories = ["/run/confd"]
commands = false
debounce = "5ms"
[etcd]
nodes = ["https://etcd:2379"]
prefix = "/demo"
credentials = "/etc/confd/etcd"
[reload]
interval = "2s"
[reload.signal]
process = "nginx"
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	no := false
	want := &Config{Backend: "etcd", Prefix: "/production", Interval: Duration(time.Minute), ConfDir: "/c", Listen: ":9181",
		Directories: []string{"/run/confd"}, Commands: &no, Debounce: Duration(5 * time.Millisecond),
		Etcd:   Etcd{Nodes: []string{"https://etcd:2379"}, Prefix: "/demo", Credentials: "/etc/confd/etcd"},
		Reload: Reload{Interval: Duration(2 * time.Second)}}
	want.Reload.Signal.Process, want.Reload.Signal.Signal = "nginx", "SIGHUP"
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestBadConfigsSayWhy(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"no TOML", "backend = ", "confd.toml:1: "},
		{"unknown key", "backend = 'env'\nnode = 'x'", "confd.toml: node: unknown key; the keys are backend, commands,"},
		{"unknown key of a table", "backend = 'env'\n[etcd]\nnode = 'x'", "confd.toml: etcd.node: unknown key; the keys are"},
		{"interval", "interval = '25h'", `confd.toml:1: "25h": want a duration of at most 24h, such as 500ms or 10m`},
		{"no backend", "", "backend: Required value: one of env, etcd, file, kubernetes"},
		{"backend", "backend = 'vault'", `backend: "vault": want one of env, etcd, file, kubernetes`},
		{"etcd without nodes", "backend = 'etcd'", "etcd.nodes: Required value with backend etcd: URLs such as https://etcd.infra.svc:2379"},
		{"node", "backend = 'etcd'\n[etcd]\nnodes = ['etcd:2379']", `etcd.nodes[0]: "etcd:2379": want a URL such as`},
		{"file", "backend = 'file'", "file.directory: Required value with backend file"},
		{"kubernetes", "backend = 'kubernetes'", "kubernetes: configmaps or services: Required value with backend kubernetes"},
		{"root outside", "backend = 'etcd'\n[etcd]\nnodes = ['http://e:1']\nprefix = '/demo/../other'", `etcd.prefix: "/demo/../other": a key has no segment ".."`},
		{"prefix outside", "backend = 'env'\nprefix = '..'", `prefix: "..": a key has no segment ".."`},
		{"directory", "backend = 'env'\ndirectories = ['run']", `directories[0]: "run": want an absolute path`},
		{"signal", "backend = 'env'\n[reload.signal]\nprocess = 'x'\nsignal = 'SIGKILL'", `reload: "SIGKILL": want one of SIGHUP,`},
		{"URL", "backend = 'env'\n[reload.http]\nurl = 'http://example.com/'", `reload: "http://example.com/": the app is in the same Pod`},
		{"listen", "backend = 'env'\nlisten = '9181'", "listen: address 9181: missing port in address"},
	} {
		c, err := ParseConfig("confd.toml", tt.text)
		if err == nil {
			err = c.Check()
		}
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: the error is\n%v\nwant\n%s", tt.name, err, tt.want)
		}
	}
}

// TestEntrysConfigsAreRead takes what the catalog's entry makes of parameters.
func TestEntrysConfigsAreRead(t *testing.T) {
	for name, parameters := range map[string]map[string]string{
		"etcd": {"endpoints": "https://etcd-0.infra.svc:2379,http://etcd-1.infra.svc:2379", "prefix": "/shop", "etcd-secret": "etcd",
			"process": "nginx", "container": "app"},
		"services":   {"backend": "kubernetes", "services": "shop,cart", "reload-port": "9000", "process": "app", "container": "app"},
		"configmaps": {"backend": "kubernetes", "configmaps": "a,b", "process": "app", "signal": "SIGUSR2", "container": "app", "interval": "1s"},
		"files":      {"backend": "file", "values": "settings", "directory": "/etc/nginx/conf.d"},
		"env":        {"backend": "env", "values": "settings", "reload-port": "9000", "reload-path": "/-/reload?token=a%20b"},
	} {
		annotations := map[string]string{"pillion.dev/inject": "confd", "pillion.dev/confd.templates": "templates"}
		for key, value := range parameters {
			annotations["pillion.dev/confd."+key] = value
		}
		text := entryConfig(t, annotations)
		c, err := ParseConfig(name, text)
		if err == nil {
			err = c.Check()
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// entryConfig injects the entry into a Pod and gives the configuration file that the Pod then carries.
func entryConfig(t *testing.T, annotations map[string]string) string {
	t.Helper()
	document, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "app", "annotations": annotations},
		"spec": map[string]any{"containers": []any{map[string]any{
			"name": "app", "image": "registry.example/app:1", "securityContext": map[string]any{"runAsUser": 1000},
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pod, err := sidecars.ReadPod(document)
	if err != nil {
		t.Fatal(err)
	}
	res := sidecars.Inject(sidecars.Builtin(), pod, &sidecars.Namespace{Name: "demo"})
	if res.Outcome != sidecars.Injected {
		t.Fatalf("%s: %v", res.Outcome, res.Errors)
	}
	for _, op := range res.Patch {
		if strings.HasSuffix(op.Path, "pillion.dev~1file.confd.config") {
			var text string
			if err := json.Unmarshal(op.Value.(json.RawMessage), &text); err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
	t.Fatal("the Pod carries no configuration file")
	return ""
}
