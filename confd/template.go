package confd

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"text/template"
)

// MaxSize is the most bytes that a template may render, and maxInclude how deep templates may include others.
const (
	MaxSize    = 8 << 20
	maxInclude = 10
)

// Template is a parsed one, good for any number of renderings, one at a time.
type Template struct {
	src     string
	folder  fs.FS
	machine *Machine
	parsed  *template.Template
}

// ParseTemplate reads src from the folder of templates. Errors begin with src:line:.
func ParseTemplate(folder fs.FS, src string, machine *Machine) (*Template, error) {
	t := &Template{src: src, folder: folder, machine: machine}
	var err error
	t.parsed, err = t.parse(src, funcMap(Functions(nil, machine, nil)))
	return t, err
}

func (t *Template) parse(src string, functions template.FuncMap) (*template.Template, error) {
	text, err := fs.ReadFile(t.folder, src)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such template", src)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src, err)
	}
	parsed, err := template.New(path.Base(src)).Funcs(functions).Parse(string(text))
	if err != nil {
		return nil, explain(src, err)
	}
	return parsed, nil
}

// Render gives the text that a template makes of a store's keys and values. Errors begin with src:line:column:.
func (t *Template) Render(store *Store) (string, error) {
	r := rendering{template: t}
	r.functions = funcMap(Functions(store, t.machine, r.include))
	out := &limited{left: MaxSize}
	if err := t.parsed.Funcs(r.functions).Execute(out, nil); err != nil {
		return "", explain(t.src, err)
	}
	return out.String(), nil
}

// rendering is one run of a template, with those that it includes.
type rendering struct {
	template  *Template
	functions template.FuncMap
	open      []string // templates that are being included
}

func (r *rendering) include(name string, data ...any) (string, error) {
	src := path.Clean(name)
	if !fs.ValidPath(src) {
		return "", fmt.Errorf("%q leads out of the folder of templates", name)
	}
	if len(r.open) == maxInclude || slices.Contains(r.open, src) {
		return "", fmt.Errorf("%s includes itself, or more than %d levels: %s", src, maxInclude, strings.Join(r.open, ", "))
	}
	r.open = append(r.open, src)
	defer func() { r.open = r.open[:len(r.open)-1] }()
	parsed, err := r.template.parse(src, r.functions)
	if err != nil {
		return "", err
	}
	var dot any
	if len(data) > 0 {
		dot = data[0]
	}
	out := &limited{left: MaxSize}
	if err := parsed.Execute(out, dot); err != nil {
		return "", explain(src, err)
	}
	return out.String(), nil
}

// limited keeps what is written to it, to a limit.
type limited struct {
	strings.Builder
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, fmt.Errorf("the result has more than %d bytes", MaxSize)
	}
	return l.Builder.Write(p)
}

// unknown is how text/template says that a template calls a function which there is not.
var unknown = regexp.MustCompile(`^(.*:\d+): function "([^"]+)" not defined$`)

// explain gives an error of text/template the file's name in place of the template's, and says what to do about a function
// that is not there.
func explain(src string, err error) error {
	message := strings.TrimPrefix(err.Error(), "template: "+path.Base(src))
	if message == err.Error() {
		return fmt.Errorf("%s: %w", src, err)
	}
	message = src + message
	m := unknown.FindStringSubmatch(message)
	switch {
	case m == nil:
		return errors.New(message)
	case slices.Contains(crypt, m[2]):
		return fmt.Errorf("%s: function %q reads values that crypt encrypted, which is not supported: have the app read a Secret", m[1], m[2])
	default:
		return fmt.Errorf("%s: function %q is unknown; the functions are %s", m[1], m[2], strings.Join(names(), ", "))
	}
}

// names of all functions, sorted.
func names() []string {
	var out []string
	for _, f := range Functions(nil, &Machine{}, nil) {
		out = append(out, f.Name)
	}
	slices.Sort(out)
	return out
}
