package agent

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/confd"
	"github.com/pillion-dev/pillion/confd/files"
)

// stageOf is a folder of template resources, one of values, and one that is written to.
type stageOf struct {
	*testing.T
	confdir, values, out string
	config               *Config
	agent                *Agent
	stop                 func()
}

// tmplOne and its resource read one key; {{OUT}} stands for the folder that is written to.
const (
	resourceOne = "[template]\nsrc = 'one.tmpl'\ndest = '{{OUT}}/one.conf'\nkeys = ['/one']\n"
	tmplOne     = "value {{getv \"/one\"}}\n"
)

// newStage makes the folders, with files named relative to confdir.
func newStage(t *testing.T, written map[string]string) *stageOf {
	t.Helper()
	s := &stageOf{T: t, confdir: t.TempDir(), values: t.TempDir(), out: t.TempDir()}
	s.config = &Config{Backend: "file", ConfDir: s.confdir, File: File{s.values}, Directories: []string{s.out},
		Reload: Reload{Interval: Duration(time.Millisecond)}}
	if err := s.config.Check(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"conf.d", "templates"} {
		if err := os.Mkdir(filepath.Join(s.confdir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range written {
		s.conf(name, text)
	}
	return s
}

// conf writes a template resource or template.
func (s *stageOf) conf(name, text string) {
	s.Helper()
	swapIn(s.T, filepath.Join(s.confdir, name), strings.ReplaceAll(text, "{{OUT}}", s.out))
}

// set makes the document of values.
func (s *stageOf) set(document string) {
	s.Helper()
	swapIn(s.T, filepath.Join(s.values, "values.yaml"), document)
}

func swapIn(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+"~", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+"~", name); err != nil {
		t.Fatal(err)
	}
}

// run starts the agent; it ends with the test, or by stop.
func (s *stageOf) run() *stageOf {
	s.Helper()
	var err error
	s.agent, err = New(s.config, &files.Backend{Directory: s.values}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.agent.Run(ctx) }()
	ended := false
	s.stop = func() {
		if ended {
			return
		}
		ended = true
		cancel()
		if err := <-done; err != nil {
			s.Error(err)
		}
	}
	s.Cleanup(s.stop)
	return s
}

// becomes waits for the text of a file that is written.
func (s *stageOf) becomes(name, want string) {
	s.Helper()
	eventually(s.T, name+" is "+want, func() bool {
		b, err := os.ReadFile(filepath.Join(s.out, name))
		return err == nil && string(b) == want
	})
}

func (s *stageOf) renders(result string) float64 {
	return value(s.T, s.agent.metrics.renders.WithLabelValues(result))
}

func (s *stageOf) state(state string) float64 {
	return value(s.T, s.agent.metrics.resources.WithLabelValues(state))
}

// probe asks the server, and gives the status and text.
func (s *stageOf) probe(path string) (int, string) {
	s.Helper()
	w := httptest.NewRecorder()
	s.agent.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		s.Fatal(err)
	}
	return w.Code, string(b)
}

func one() map[string]string {
	return map[string]string{"conf.d/one.toml": resourceOne, "templates/one.tmpl": tmplOne}
}

func TestReadyIsWhenEveryFileWasRenderedOnce(t *testing.T) {
	s := newStage(t, one())
	s.conf("conf.d/two.toml", strings.ReplaceAll(resourceOne, "one", "two"))
	s.conf("templates/two.tmpl", "{{getv \"/two\"}}")
	s.set("{one: 1}")
	s.run()
	s.becomes("one.conf", "value 1\n")
	eventually(t, "the second is known to fail", func() bool { return s.state("failing") == 1 })
	code, text := s.probe("/-/ready")
	if want := `conf.d/two.toml: templates/two.tmpl:1:2: executing "two.tmpl" at <getv "/two">: error calling getv: key does not exist: /two`; code != 503 || strings.TrimSpace(text) != want {
		t.Errorf("ready answers %d %s, want 503 %s", code, text, want)
	}
	if code, _ := s.probe("/-/healthy"); code != 200 {
		t.Error("not healthy while a key lacks")
	}
	s.set("{one: 1, two: 2}")
	s.becomes("two.conf", "2")
	eventually(t, "ready", func() bool { code, _ := s.probe("/-/ready"); return code == 200 })
	s.set("{one: 1}") // what was rendered once stays ready
	eventually(t, "the second is known to fail again", func() bool { return s.state("failing") == 1 })
	if code, text := s.probe("/-/ready"); code != 200 {
		t.Errorf("a file that was good once makes it unready: %s", text)
	}
	s.becomes("two.conf", "2")
	if _, text := s.probe("/metrics"); !strings.Contains(text, `confd_resources{state="failing"} 1`) || !strings.Contains(text, "confd_backend_up 1") {
		t.Error("the metrics do not tell")
	}
}

// TestWhatFailsLeavesTheLastGoodFile makes each step fail in turn; the app is never reloaded for it.
func TestWhatFailsLeavesTheLastGoodFile(t *testing.T) {
	for _, tt := range []struct{ name, resource, template, good, bad, result string }{
		{"a template", "", `{{add (atoi (getv "/one")) 0}}`, "1", "x", "template_failed"},
		{"a format", "output_format = 'json'\n", `{"one": {{getv "/one"}}}`, "1", "}", "invalid"},
		{"a check", "check_cmd = 'grep -q good {{.src}} && test {{.dest}} != {{.src}}'\n", `{{getv "/one"}}`, "good", "evil", "check_failed"},
		{"a check that hangs", "check_cmd = 'grep -q good {{.src}} || sleep 100'\ncheck_cmd_timeout = '100ms'\n", `{{getv "/one"}}`, "good", "evil", "check_failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t, map[string]string{
				"conf.d/one.toml":    resourceOne + tt.resource + "reload_cmd = 'echo x >> {{OUT}}.reloads'\n",
				"templates/one.tmpl": tt.template,
			})
			good := strings.Replace(tt.template, `{{getv "/one"}}`, tt.good, 1)
			if tt.result == "template_failed" {
				good = tt.good
			}
			s.set("one: '" + tt.good + "'")
			s.run()
			s.becomes("one.conf", good)
			eventually(t, "the app is reloaded", func() bool { return s.agent.reloads.count(t, "command", "done") == 1 })
			s.set("one: '" + tt.bad + "'")
			eventually(t, "it fails", func() bool { return s.renders(tt.result) > 0 })
			s.becomes("one.conf", good)
			only(t, s.out, "one.conf")
			eventually(t, "it is tried again", func() bool { return s.renders(tt.result) > 1 })
			s.stop()
			if got := read(t, s.out+".reloads"); got != "x\n" {
				t.Errorf("reloads: %q, want the first alone", got)
			}
		})
	}
}

func TestFileThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	s := newStage(t, one())
	s.set("one: 1")
	if err := os.Mkdir(filepath.Join(s.out, "one.conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.run()
	eventually(t, "it fails", func() bool { return s.renders("write_failed") > 0 })
	if err := os.Remove(filepath.Join(s.out, "one.conf")); err != nil {
		t.Fatal(err)
	}
	s.becomes("one.conf", "value 1\n")
}

func TestOnlyChangesOfAResourcesKeysRenderIt(t *testing.T) {
	s := newStage(t, one())
	s.set("{one: 1, other: 1}")
	s.run()
	s.becomes("one.conf", "value 1\n")
	s.set("{one: 1, other: 2}")
	eventually(t, "the change is read", func() bool {
		view, _ := s.agent.keys.View([]string{"/other"}, confd.Below)
		return len(view) == 1 && view[0].Value == "2"
	})
	s.set("{one: 2, other: 2}")
	s.becomes("one.conf", "value 2\n")
	eventually(t, "counted", func() bool { return s.renders("written") == 2 })
	if s.renders("unchanged") != 0 {
		t.Error("a change of another key rendered the file")
	}
}

func TestChangedTemplatesAreTakenUpAndBadOnesNot(t *testing.T) {
	s := newStage(t, one())
	s.set("{one: 1, two: 2}")
	s.run()
	s.becomes("one.conf", "value 1\n")
	s.conf("templates/one.tmpl", "broken {{if}}")
	eventually(t, "the bad template is seen", func() bool {
		return value(t, s.agent.metrics.folder.WithLabelValues("failure")) > 0
	})
	s.set("{one: 3, two: 2}")
	s.becomes("one.conf", "value 3\n") // by the old one
	s.conf("templates/one.tmpl", "new {{getv \"/one\"}}")
	s.becomes("one.conf", "new 3")
	s.conf("conf.d/two.toml", strings.ReplaceAll(resourceOne, "one", "two"))
	s.conf("templates/two.tmpl", "two {{getv \"/two\"}}")
	s.becomes("two.conf", "two 2")
}

func TestBadFoldersEndTheStart(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no resource": {nil, "conf.d: has no template resource, which is a file *.toml"},
		"no template": {map[string]string{"conf.d/one.toml": resourceOne}, "conf.d/one.toml: src: templates/one.tmpl: there is no such template"},
		"a function": {map[string]string{"conf.d/one.toml": resourceOne, "templates/one.tmpl": "\n{{cgetv \"/one\"}}"},
			`conf.d/one.toml: src: templates/one.tmpl:2: function "cgetv" reads values that crypt encrypted`},
		"a directory": {map[string]string{"conf.d/one.toml": strings.ReplaceAll(resourceOne, "{{OUT}}", "/etc"), "templates/one.tmpl": tmplOne},
			"conf.d/one.toml: dest: /etc/one.conf lies in none of the directories that confd may write to: "},
		"one file twice": {map[string]string{"conf.d/one.toml": resourceOne, "conf.d/two.toml": resourceOne, "templates/one.tmpl": tmplOne},
			"conf.d/two.toml: dest: "},
	} {
		s := newStage(t, tt.files)
		_, err := New(s.config, &files.Backend{Directory: s.values}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: the error is %v, want %s", name, err, tt.want)
		}
		if other := Validate(s.config, slog.New(slog.DiscardHandler)); other == nil || other.Error() != err.Error() {
			t.Errorf("%s: validation says %v", name, other)
		}
	}
}

// TestAnotherStartReloadsOnce: the program cannot know whether the one before it came as far as the reload.
func TestAnotherStartReloadsOnce(t *testing.T) {
	s := newStage(t, map[string]string{
		"conf.d/one.toml": resourceOne + "reload_cmd = 'echo x >> {{OUT}}.reloads'\n", "templates/one.tmpl": tmplOne,
	})
	s.set("one: 1")
	s.run().becomes("one.conf", "value 1\n")
	eventually(t, "the app is reloaded", func() bool { return s.agent.reloads.count(t, "command", "done") == 1 })
	s.stop()
	s.run()
	eventually(t, "the app is reloaded", func() bool { return s.agent.reloads.count(t, "command", "done") == 1 })
	if got := read(t, s.out+".reloads"); got != "x\nx\n" {
		t.Errorf("reloads: %q, want one of each start", got)
	}
	if s.renders("written") != 0 {
		t.Error("the same file is written again")
	}
}

func TestSidecarLeavesCommandsOut(t *testing.T) {
	s := newStage(t, map[string]string{
		"conf.d/one.toml": resourceOne + "check_cmd = '/usr/sbin/nginx -t'\nreload_cmd = 'echo x > {{OUT}}/reloaded'\n", "templates/one.tmpl": tmplOne,
	})
	no := false
	s.config.Commands = &no
	s.config.Reload.Signal.Process, s.config.Reload.Signal.Signal = "nobody-is-called-so", "SIGHUP"
	s.set("one: 1")
	s.run().becomes("one.conf", "value 1\n")
	eventually(t, "the app is looked for", func() bool { return s.agent.reloads.count(t, "signal", "waiting") > 0 })
	only(t, s.out, "one.conf")
	if warnings := s.agent.items[0].Warnings; len(warnings) != 2 {
		t.Errorf("the warnings are %q, want one for each command", warnings)
	}
}

func TestOnceRendersAndReloadsAndSaysWhatFailed(t *testing.T) {
	s := newStage(t, map[string]string{
		"conf.d/one.toml": resourceOne + "reload_cmd = 'echo x >> {{OUT}}.reloads'\n", "templates/one.tmpl": tmplOne,
	})
	s.set("one: 1")
	once := func() error {
		a, err := New(s.config, &files.Backend{Directory: s.values}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return a.Once(t.Context())
	}
	if err := once(); err != nil {
		t.Fatal(err)
	}
	if read(t, filepath.Join(s.out, "one.conf")) != "value 1\n" || read(t, s.out+".reloads") != "x\n" {
		t.Error("not rendered and reloaded")
	}
	s.set("two: 1")
	if err := once(); err == nil || !strings.Contains(err.Error(), "conf.d/one.toml: templates/one.tmpl:1:8: ") {
		t.Errorf("the error is %v", err)
	}
	s.set("one: 2")
	s.conf("conf.d/one.toml", resourceOne+"reload_cmd = 'exit 1'\n")
	if err := once(); err == nil || !strings.Contains(err.Error(), `reload: "exit 1": exit status 1`) {
		t.Errorf("the error is %v", err)
	}
	for i, absent := range []string{`reload_process = "not-started-yet"`, `reload_url = "http://127.0.0.1:1/"`} {
		s.set(fmt.Sprintf("one: %d", 3+i))
		s.conf("conf.d/one.toml", resourceOne+absent+"\n")
		if err := once(); err != nil || read(t, filepath.Join(s.out, "one.conf")) != fmt.Sprintf("value %d\n", 3+i) {
			t.Errorf("%s: an app that reads the file when it starts: %v", absent, err)
		}
	}
}
