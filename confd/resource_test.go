package confd

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestResourceIsReadWhole(t *testing.T) {
	got, err := ParseResource("conf.d/nginx.toml", `
[template]
src = "nginx.conf.tmpl"
dest = "/etc/nginx/nginx.conf"
prefix = "/production"
uid = 0
gid = 101
mode = "0640"
keys = [ "/nginx", "app/upstream/" ]
check_cmd = "/usr/sbin/nginx -t -c {{.src}}"
reload_cmd = "/usr/sbin/service nginx reload"
check_cmd_timeout = "5s"
reload_cmd_timeout = "1m"
output_format = "json"
min_reload_interval = "30s"
debounce = "500ms"
`, "/demo")
	if err != nil {
		t.Fatal(err)
	}
	zero, group, mode := 0, 101, fs.FileMode(0o640)
	want := &Resource{
		File: "conf.d/nginx.toml", Src: "nginx.conf.tmpl", Dest: "/etc/nginx/nginx.conf", Prefix: "/demo/production",
		Keys: []string{"/demo/production/nginx", "/demo/production/app/upstream"}, Mode: &mode, UID: &zero, GID: &group,
		Format: "json", CheckCmd: "/usr/sbin/nginx -t -c {{.src}}", CheckTimeout: 5 * time.Second, Debounce: 500 * time.Millisecond,
		Reload:            Reload{Command: "/usr/sbin/service nginx reload", Timeout: time.Minute},
		MinReloadInterval: 30 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownKeysAreWarnedOf(t *testing.T) {
	got, err := ParseResource("a.toml", "[template]\nsrc = 'a'\ndest = '/a'\nreload_cdm = 'x'\n", "")
	if err != nil {
		t.Fatal(err)
	}
	want := "a.toml:4: unknown key template.reload_cdm is left out of account; the keys of [template] are check_cmd,"
	if len(got.Warnings) != 1 || !strings.HasPrefix(got.Warnings[0], want) {
		t.Errorf("warnings %q, want one that begins with %q", got.Warnings, want)
	}
}

func TestBadResourcesSayWhere(t *testing.T) {
	const rest = "src = 'a'\ndest = '/a'\n"
	for _, tt := range []struct{ name, text, want string }{
		{"no TOML", "[template]\nsrc = \n", "a.toml:2: "},
		{"no table", "src = 'a'", "a.toml: has no table [template]"},
		{"no src", "[template]\ndest = '/a'", "a.toml: src: Required value: the template, relative to the folder of templates"},
		{"src outside", "[template]\nsrc = '../a'\ndest = '/a'", `a.toml:2: src: "../a" leads out of the folder of templates`},
		{"no dest", "[template]\nsrc = 'a'", "a.toml: dest: Required value: the file to write"},
		{"dest relative", "[template]\nsrc = 'a'\ndest = 'a.conf'", `a.toml:3: dest: "a.conf": want the absolute path of a file`},
		{"dest a folder", "[template]\nsrc = 'a'\ndest = '/a/'", `a.toml:3: dest: "/a/": want the absolute path of a file`},
		{"mode without 0", "[template]\n" + rest + "mode = '644'", `a.toml:4: mode: "644": want permissions in octal with a leading 0, such as "0644"`},
		{"mode setuid", "[template]\n" + rest + "mode = '04755'", `a.toml:4: mode: "04755": want permissions`},
		{"uid negative", "[template]\n" + rest + "uid = -1", "a.toml:4: uid: -1: want 0 or more"},
		{"uid no number", "[template]\n" + rest + "uid = 'web'", "a.toml:4: "},
		{"owner", "[template]\n" + rest + "owner = 'web'", "a.toml:4: owner: names of users are not looked up: write uid"},
		{"group", "[template]\n" + rest + "group = 'web'", "a.toml:4: group: names of groups are not looked up: write gid"},
		{"backend", "[template]\n" + rest + "[backend]\nbackend = 'vault'", "a.toml:4: backend: a resource has no backend of its own here: all read the program's"},
		{"keys outside", "[template]\n" + rest + "keys = ['/ok', '/../other']", `a.toml:4: keys: "/../other": a key has no segment ".."`},
		{"prefix outside", "[template]\n" + rest + "prefix = '../..'", `a.toml:4: prefix: "../..": a key has no segment ".."`},
		{"format", "[template]\n" + rest + "output_format = 'ini'", `a.toml:4: output_format: "ini": want one of json, toml, xml, yaml, yml`},
		{"duration", "[template]\n" + rest + "debounce = '2'", `a.toml:4: debounce: "2": want a duration of at most 24h, such as 500ms or 30s`},
		{"signal alone", "[template]\n" + rest + "reload_signal = 'SIGHUP'", "a.toml:4: reload_signal: goes with reload_process, which names who gets it"},
		{"signal", "[template]\n" + rest + "reload_process = 'x'\nreload_signal = 'SIGKILL'", `a.toml:5: reload_signal: "SIGKILL": want one of SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGTERM`},
		{"two reloads", "[template]\n" + rest + "reload_process = 'x'\nreload_url = 'http://127.0.0.1:1/'", "a.toml:5: reload_url: a resource has one of reload_process and reload_url"},
		{"URL elsewhere", "[template]\n" + rest + "reload_url = 'http://169.254.169.254/'", `a.toml:4: reload_url: "http://169.254.169.254/": the app is in the same Pod: the host is 127.0.0.1, [::1] or localhost`},
		{"no URL", "[template]\n" + rest + "reload_url = 'ftp://localhost/'", `a.toml:4: reload_url: "ftp://localhost/": want http://127.0.0.1:PORT/PATH`},
	} {
		_, err := ParseResource("a.toml", tt.text, "/demo")
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: the error is\n%v\nwant\n%s", tt.name, err, tt.want)
		}
	}
}

func TestAllThatIsWrongIsSaid(t *testing.T) {
	_, err := ParseResource("a.toml", "[template]\nmode = '9'\nowner = 'x'\n", "")
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want four errors, got %v", err)
	}
}

func TestFormats(t *testing.T) {
	for format, texts := range map[string][2]string{
		"json": {`{"a": 1}`, `{"a": }`}, "toml": {"a = 1", "a = "}, "yaml": {"a: 1\n---\nb: 2", "a: [1"},
		"yml": {"a: 1", "\tb"}, "xml": {"<a><b/></a>", "<a><b></a>"}, "": {"anything", ""},
	} {
		if err := CheckFormat(format, texts[0]); err != nil {
			t.Errorf("%s: good text: %v", format, err)
		}
		if err := CheckFormat(format, texts[1]); (err == nil) != (format == "") {
			t.Errorf("%s: bad text: %v", format, err)
		}
	}
	if CheckFormat("xml", "only text") == nil {
		t.Error("a text without an element passes for XML")
	}
}
