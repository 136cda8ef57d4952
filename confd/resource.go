package confd

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Resource is a template resource: what to render from which keys to which file, and what follows a change.
type Resource struct {
	File string // its own, relative to conf.d
	Src  string // the template, relative to the folder of templates
	Dest string // absolute
	// Prefix is cut off the keys before the template sees them; Keys are absolute and have it.
	Prefix string
	Keys   []string
	// Mode, UID and GID are nil where the file keeps what it has, or gets 0644 and the program's own.
	Mode     *fs.FileMode
	UID, GID *int
	Format   string // what the result has to be: json, yaml, toml, xml or nothing in particular

	CheckCmd     string
	CheckTimeout time.Duration // 0: the program's default; so the others
	Debounce     time.Duration
	// Reload is for this resource alone; where it is zero, the program's applies.
	Reload            Reload
	MinReloadInterval time.Duration

	// Warnings say what was left out of account.
	Warnings []string
}

// Reload is how an app is told to read its files again: by one of the three.
type Reload struct {
	Process, Signal string
	URL             string
	Command         string
	Timeout         time.Duration // of Command; 0: the program's default
}

// IsZero reports whether there is nothing to do.
func (r Reload) IsZero() bool { return r.Process == "" && r.URL == "" && r.Command == "" }

// written is the table [template] as it stands in a file.
type written struct {
	Src, Dest, Prefix, Mode, Owner, Group string
	Keys                                  []string
	UID, GID                              *int
	CheckCmd                              string `toml:"check_cmd"`
	CheckCmdTimeout                       string `toml:"check_cmd_timeout"`
	ReloadCmd                             string `toml:"reload_cmd"`
	ReloadCmdTimeout                      string `toml:"reload_cmd_timeout"`
	ReloadProcess                         string `toml:"reload_process"`
	ReloadSignal                          string `toml:"reload_signal"`
	ReloadURL                             string `toml:"reload_url"`
	OutputFormat                          string `toml:"output_format"`
	MinReloadInterval                     string `toml:"min_reload_interval"`
	Debounce                              string
}

// keysOf a table [template], for those who mistype one.
const keysOf = "check_cmd, check_cmd_timeout, debounce, dest, gid, keys, min_reload_interval, mode, output_format, prefix, " +
	"reload_cmd, reload_cmd_timeout, reload_process, reload_signal, reload_url, src, uid"

// ParseResource reads a template resource; file is its name, prefix comes before its own. Errors begin with file:line: and
// are all that there are.
func ParseResource(file, text, prefix string) (*Resource, error) {
	var doc struct {
		Template written
		Backend  map[string]any
	}
	meta, err := toml.Decode(text, &doc)
	if err != nil {
		return nil, fmt.Errorf("%s%w", at(file, tomlLine(err)), tomlCause(err))
	}
	p := parser{file: file, text: text, resource: &Resource{File: file}}
	if !meta.IsDefined("template") {
		return nil, fmt.Errorf("%s: has no table [template]", file)
	}
	if doc.Backend != nil {
		p.fail("backend", "a resource has no backend of its own here: all read the program's")
	}
	for _, key := range meta.Undecoded() {
		if key[0] != "backend" {
			p.warn(key[len(key)-1], fmt.Sprintf("unknown key %s is left out of account; the keys of [template] are %s", key, keysOf))
		}
	}
	p.files(&doc.Template)
	p.keys(&doc.Template, prefix)
	p.reload(&doc.Template)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.resource, nil
}

// parser gathers a resource and what is wrong with it.
type parser struct {
	file, text string
	resource   *Resource
	errs       []error
}

func (p *parser) fail(key, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s%s: %s", at(p.file, lineOf(p.text, key)), key, fmt.Sprintf(format, args...)))
}

func (p *parser) warn(key, message string) {
	p.resource.Warnings = append(p.resource.Warnings, at(p.file, lineOf(p.text, key))+message)
}

// files takes what concerns the template and the file made of it.
func (p *parser) files(w *written) {
	r := p.resource
	r.Src = path.Clean(strings.TrimPrefix(w.Src, "/"))
	switch {
	case w.Src == "":
		p.fail("src", "Required value: the template, relative to the folder of templates")
	case !fs.ValidPath(r.Src) || r.Src == ".":
		p.fail("src", "%q leads out of the folder of templates", w.Src)
	}
	r.Dest = path.Clean(w.Dest)
	switch {
	case w.Dest == "":
		p.fail("dest", "Required value: the file to write")
	case !path.IsAbs(w.Dest) || strings.HasSuffix(w.Dest, "/"):
		p.fail("dest", "%q: want the absolute path of a file", w.Dest)
	}
	p.owner(w)
	if r.Format = w.OutputFormat; !slices.Contains(Formats, r.Format) && r.Format != "" {
		p.fail("output_format", "%q: want one of %s", r.Format, strings.Join(Formats, ", "))
	}
}

// owner takes who owns the file and who may read it.
func (p *parser) owner(w *written) {
	r := p.resource
	if w.Mode != "" {
		mode, err := strconv.ParseUint(w.Mode, 8, 32)
		if err != nil || mode > 0o777 || !strings.HasPrefix(w.Mode, "0") {
			p.fail("mode", `%q: want permissions in octal with a leading 0, such as "0644"`, w.Mode)
		}
		m := fs.FileMode(mode)
		r.Mode = &m
	}
	for key, id := range map[string]*int{"uid": w.UID, "gid": w.GID} {
		if id != nil && *id < 0 {
			p.fail(key, "%d: want 0 or more", *id)
		}
	}
	r.UID, r.GID = w.UID, w.GID
	if w.Owner != "" {
		p.fail("owner", "names of users are not looked up: write uid")
	}
	if w.Group != "" {
		p.fail("group", "names of groups are not looked up: write gid")
	}
}

func (p *parser) keys(w *written, prefix string) {
	var err error
	if p.resource.Prefix, err = JoinKey(prefix, w.Prefix); err != nil {
		p.fail("prefix", "%v", err)
		return
	}
	for _, key := range w.Keys {
		joined, err := JoinKey(p.resource.Prefix, key)
		if err != nil {
			p.fail("keys", "%v", err)
			return
		}
		p.resource.Keys = append(p.resource.Keys, joined)
	}
}

// Signals are the names that reload_signal may have.
var Signals = []string{"SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGTERM"}

func (p *parser) reload(w *written) {
	r := p.resource
	r.CheckCmd, r.Reload.Command = w.CheckCmd, w.ReloadCmd
	r.CheckTimeout = p.duration("check_cmd_timeout", w.CheckCmdTimeout)
	r.Reload.Timeout = p.duration("reload_cmd_timeout", w.ReloadCmdTimeout)
	r.MinReloadInterval = p.duration("min_reload_interval", w.MinReloadInterval)
	r.Debounce = p.duration("debounce", w.Debounce)
	r.Reload.Process, r.Reload.Signal, r.Reload.URL = w.ReloadProcess, w.ReloadSignal, w.ReloadURL
	if w.ReloadSignal != "" && w.ReloadProcess == "" {
		p.fail("reload_signal", "goes with reload_process, which names who gets it")
	}
	if w.ReloadProcess != "" && w.ReloadURL != "" {
		p.fail("reload_url", "a resource has one of reload_process and reload_url")
	}
	if err := r.Reload.Check(); err != nil {
		key := "reload_url"
		if r.Reload.Process != "" {
			key = "reload_signal"
		}
		p.fail(key, "%v", err)
	}
	if r.Reload.Process != "" && r.Reload.Signal == "" {
		r.Reload.Signal = Signals[0]
	}
}

func (p *parser) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > 24*time.Hour {
		p.fail(key, "%q: want a duration of at most 24h, such as 500ms or 30s", text)
	}
	return d
}

// Check says what is wrong with a signal's name or a URL. The app is in the same Pod: no other host is called.
func (r Reload) Check() error {
	if r.Signal != "" && !slices.Contains(Signals, r.Signal) {
		return fmt.Errorf("%q: want one of %s", r.Signal, strings.Join(Signals, ", "))
	}
	if r.URL == "" {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return fmt.Errorf("%q: want http://127.0.0.1:PORT/PATH", r.URL)
	}
	if h := u.Hostname(); h != "127.0.0.1" && h != "::1" && h != "localhost" {
		return fmt.Errorf("%q: the app is in the same Pod: the host is 127.0.0.1, [::1] or localhost", r.URL)
	}
	return nil
}

// lineOf finds where a key is set, or 0.
func lineOf(text, key string) int {
	loc := regexp.MustCompile(`(?mi)^[ \t]*\[*[ \t]*"?` + regexp.QuoteMeta(key) + `"?[ \t]*[=\].]`).FindStringIndex(text)
	if loc == nil {
		return 0
	}
	return 1 + strings.Count(text[:loc[0]], "\n")
}

func at(file string, line int) string {
	if line == 0 {
		return file + ": "
	}
	return file + ":" + strconv.Itoa(line) + ": "
}

// linePattern finds the line in those errors of the library that have it in their text alone.
var linePattern = regexp.MustCompile(`^toml: line (\d+) \(last key "[^"]*"\): `)

func tomlLine(err error) int {
	var parse toml.ParseError
	if errors.As(err, &parse) {
		return parse.Position.Line
	}
	if m := linePattern.FindStringSubmatch(err.Error()); m != nil {
		line, _ := strconv.Atoi(m[1])
		return line
	}
	return 0
}

// tomlCause is an error of the library without the place, which ours begins with.
func tomlCause(err error) error {
	var parse toml.ParseError
	if errors.As(err, &parse) && parse.Message != "" {
		return errors.New(parse.Message)
	}
	return errors.New(linePattern.ReplaceAllString(err.Error(), ""))
}
