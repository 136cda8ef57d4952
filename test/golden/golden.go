// Package golden holds the cases that say what Pillion does to a Pod: one rule or trap each, in cases/*.txtar, asked of
// the entries in catalog/*.yaml and of the embedded ones. The hosts (core, webhook, CLI, API server) run every case and must
// give the same answer. The package imports nothing of Pillion, so that every host's tests can import it.
//
// A case is a txtar archive. Its comment states the rule. Its files are pod.yaml; namespace.yaml where the Namespace
// counts, named like the case; entries.yaml for catalog entries that only this case needs; want.txt, an [Answer]; and
// want.yaml, the whole Pod, where it is injected. `make golden` writes the want files anew.
package golden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/txtar"
)

// The files of a case.
const (
	filePod       = "pod.yaml"
	fileNamespace = "namespace.yaml"
	fileEntries   = "entries.yaml"
	fileAnswer    = "want.txt"
	fileWant      = "want.yaml"
)

// Case is one golden case.
type Case struct {
	// Name is the file's, without its extension. Rule is what the case shows, in a sentence or two.
	Name, Rule string
	// Pod is pod.yaml as JSON, with its members in the order of the file; PodYAML is its text.
	Pod, PodYAML []byte
	// Namespace is what namespace.yaml says, the zero value where there is none; NamespaceYAML is its text.
	Namespace     Namespace
	NamespaceYAML []byte
	// Answer is want.txt.
	Answer Answer
	// Want is want.yaml as JSON, nil where the Pod is not injected.
	Want []byte

	path string
	text *txtar.Archive
}

// Namespace is what a Pod's Namespace says; a sidecars.Namespace can be converted from it.
type Namespace struct {
	Name                string
	Labels, Annotations map[string]string
}

// Answer is what a host said of a Pod, in words.
type Answer struct {
	// Outcome and Reason are the words of sidecars.Outcome and sidecars.Reason.
	Outcome, Reason string
	// Sidecars asked for, in the order of injection; Warnings and Errors as their String and Error methods give them.
	Sidecars, Warnings, Errors []string
}

// String gives the answer as want.txt has it: a line for each word.
func (a Answer) String() string {
	var b strings.Builder
	line := func(name string, values ...string) {
		for _, v := range values {
			if v != "" {
				fmt.Fprintf(&b, "%s: %s\n", name, v)
			}
		}
	}
	line("outcome", a.Outcome)
	line("reason", a.Reason)
	line("sidecar", a.Sidecars...)
	line("warning", a.Warnings...)
	line("error", a.Errors...)
	return b.String()
}

// Message gives the errors as the webhook tells them, in one line.
func (a Answer) Message() string {
	if len(a.Errors) == 1 {
		return a.Errors[0]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d mistakes: ", len(a.Errors))
	for i, e := range a.Errors {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "(%d) %s", i+1, e)
	}
	return b.String()
}

func parseAnswer(text []byte) (Answer, error) {
	var a Answer
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "outcome":
			a.Outcome = value
		case "reason":
			a.Reason = value
		case "sidecar":
			a.Sidecars = append(a.Sidecars, value)
		case "warning":
			a.Warnings = append(a.Warnings, value)
		case "error":
			a.Errors = append(a.Errors, value)
		default:
			return a, fmt.Errorf("%s: unknown line %q", fileAnswer, line)
		}
	}
	return a, nil
}

// Injected reports whether the Pod is patched.
func (c *Case) Injected() bool { return c.Answer.Outcome == "injected" }

// Refused reports whether the Pod is not let in.
func (c *Case) Refused() bool { return c.Answer.Outcome == "denied" }

// Dir is the directory of this package's source.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Cases reads every case, sorted by name. The error lists every mistake in them.
func Cases() ([]*Case, error) {
	files, err := os.ReadDir(filepath.Join(Dir(), "cases"))
	if err != nil {
		return nil, err
	}
	var cases []*Case
	var errs []error
	for _, f := range files {
		c, err := read(filepath.Join(Dir(), "cases", f.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f.Name(), err))
			continue
		}
		cases = append(cases, c)
	}
	return cases, errors.Join(errs...)
}

func read(path string) (*Case, error) {
	text, err := txtar.ParseFile(path)
	if err != nil {
		return nil, err
	}
	name, isTxtar := strings.CutSuffix(filepath.Base(path), ".txtar")
	if !isTxtar {
		return nil, errors.New("is no .txtar file")
	}
	c := &Case{Name: name, Rule: strings.TrimSpace(string(text.Comment)), path: path, text: text}
	for _, f := range text.Files {
		if !slices.Contains([]string{filePod, fileNamespace, fileEntries, fileAnswer, fileWant}, f.Name) {
			return nil, fmt.Errorf("%s is no file of a case", f.Name)
		}
	}
	c.PodYAML, c.NamespaceYAML = c.file(filePod), c.file(fileNamespace)
	if c.Pod, err = toJSON(c.PodYAML); err != nil {
		return nil, fmt.Errorf("%s: %w", filePod, err)
	}
	if want := c.file(fileWant); want != nil {
		if c.Want, err = toJSON(want); err != nil {
			return nil, fmt.Errorf("%s: %w", fileWant, err)
		}
	}
	if c.Answer, err = parseAnswer(c.file(fileAnswer)); err != nil {
		return nil, err
	}
	return c, c.readNamespace()
}

// readNamespace reads namespace.yaml. Its name is the case's, so that one API server can hold all cases.
func (c *Case) readNamespace() error {
	if c.Rule == "" {
		return errors.New("the comment states no rule")
	}
	var pod, ns struct {
		Metadata struct{ Namespace, Name string }
	}
	if err := json.Unmarshal(c.Pod, &pod); err != nil {
		return fmt.Errorf("%s: %w", filePod, err)
	}
	if c.NamespaceYAML == nil {
		if pod.Metadata.Namespace != "" {
			return fmt.Errorf("%s: metadata.namespace is set and there is no %s", filePod, fileNamespace)
		}
		return nil
	}
	text, err := toJSON(c.NamespaceYAML)
	if err != nil {
		return fmt.Errorf("%s: %w", fileNamespace, err)
	}
	if err := json.Unmarshal(text, &ns); err != nil {
		return fmt.Errorf("%s: %w", fileNamespace, err)
	}
	if ns.Metadata.Name != c.Name || pod.Metadata.Namespace != c.Name {
		return fmt.Errorf("the Namespace is %q and the Pod's %q: both must be %q", ns.Metadata.Name, pod.Metadata.Namespace, c.Name)
	}
	var doc struct{ Metadata Namespace }
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", fileNamespace, err)
	}
	c.Namespace = doc.Metadata
	return nil
}

func (c *Case) file(name string) []byte {
	for _, f := range c.text.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// Update writes what a host said into the case's file: the answer and, where the Pod is injected, the Pod as JSON.
func (c *Case) Update(got Answer, pod []byte) error {
	files := slices.DeleteFunc(slices.Clone(c.text.Files), func(f txtar.File) bool { return f.Name == fileAnswer || f.Name == fileWant })
	files = append(files, txtar.File{Name: fileAnswer, Data: []byte(got.String())})
	if pod != nil {
		text, err := toYAML(pod)
		if err != nil {
			return err
		}
		files = append(files, txtar.File{Name: fileWant, Data: text})
	}
	text := txtar.Format(&txtar.Archive{Comment: c.text.Comment, Files: files})
	if old, err := os.ReadFile(c.path); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return os.WriteFile(c.path, text, 0o644)
}

// Deployment gives pod.yaml as the template of a Deployment: the same text, indented.
func (c *Case) Deployment() []byte {
	ns := ""
	if c.NamespaceYAML != nil {
		ns = "\n  namespace: " + c.Name
	}
	out := bytes.NewBufferString("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: " + c.Name + ns +
		"\nspec:\n  selector: {matchLabels: {app: golden}}\n  template:\n")
	for line := range bytes.Lines(c.PodYAML) {
		switch {
		case bytes.HasPrefix(line, []byte("apiVersion:")) || bytes.HasPrefix(line, []byte("kind:")):
		case len(bytes.TrimSpace(line)) == 0:
			out.WriteString("\n")
		default:
			out.WriteString("    ")
			out.Write(line)
		}
	}
	return out.Bytes()
}
