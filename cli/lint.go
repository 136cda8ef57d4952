package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
)

// LintSchema is the version of what `pillion lint -o json` writes: a LintReport. Members are only ever added to it.
const LintSchema = "pillion.dev/lint/v1"

// LintReport is what `pillion lint -o json` writes.
type LintReport struct {
	Schema   string         `json:"schema"`
	Findings []*LintFinding `json:"findings"`
}

// LintFinding is something wrong with an entry, or worth a second look.
type LintFinding struct {
	// Severity is error or warning.
	Severity string `json:"severity"`
	// Code of a warning, such as L103: docs/reference/warnings.md.
	Code string `json:"code,omitempty"`
	// Place is absent where it is no one's file.
	Place *ExplainedPlace `json:"place,omitempty"`
	// Path of the field in the entry; absent where a file cannot be read.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// The severities of a finding.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
)

// linting is the work of lint.
type linting struct {
	serverFlags
	files     inputs
	namespace string
	output    string
	strict    bool
	server    bool
}

func (a *app) lintCommand() *cobra.Command {
	var l linting
	cmd := &cobra.Command{
		Use:   "lint [FILE|DIR|-]...",
		Short: "Prove catalog entries before they are applied",
		Long: `Prove catalog entries, ClusterSidecars and Sidecars, by the same checks as the validating
webhook: strict reading, the patch at default and boundary values, Pod Security, resources,
images, and what entries can meet over. They are checked with one another, and with the
catalog that they will join: --catalog, the built-in entries, or with --from-cluster what
is in force in a cluster. One that is there already by the same name does not count.

Findings go to standard output, one a line: file:line: field: reason. What makes an entry
unfit is an error; what may be meant is a warning with a code, which --strict takes for an
error. --server has the API server take a Pod with each entry too, in a dry run with your
own rights; nothing is stored.

An argument is a file, a directory (its .yaml and .yml files in order of names) or - for
standard input, which is also read where there is no argument and no terminal.

-o json writes one object with the schema ` + LintSchema + `.

Exit codes:
  0  no error, and with --strict no warning
  1  an entry has a mistake
  2  wrong usage, or an input, catalog or cluster that cannot be read`,
		Example: `  pillion lint ./catalog
  pillion lint --from-cluster --server new-entry.yaml
  kustomize build ./catalog | pillion lint --strict`,
		RunE: func(cmd *cobra.Command, args []string) error { return l.run(cmd.Context(), a, args) },
	}
	l.flags(cmd)
	flags := cmd.Flags()
	flags.StringSliceVarP(&l.files.files, "filename", "f", nil, "a file, directory or - (standard input), as an argument is")
	flags.BoolVarP(&l.files.recursive, "recursive", "R", false, "read the directories below a directory too")
	flags.StringVarP(&l.output, "output", "o", "", "json; default: text")
	flags.BoolVar(&l.strict, "strict", false, "exit with 1 for warnings too")
	flags.BoolVar(&l.server, "server", false, "have the API server take a Pod with each entry, in a dry run")
	namespaceFlag(cmd, &l.namespace, "Namespace in which --server tries ClusterSidecars (default: the context's)")
	return cmd
}

func (l *linting) run(ctx context.Context, a *app, args []string) error {
	if l.output != "" && l.output != "json" {
		return usagef("--output %q is not json", l.output)
	}
	if err := l.check(l.fromCluster || l.server, "--from-cluster and --server"); err != nil {
		return err
	}
	if l.set.Changed("namespace") && !l.server {
		return usagef("--namespace is for --server")
	}
	base, err := a.inForce(ctx, &l.serverFlags, "", false)
	if err != nil {
		return err
	}
	base.tellLeftOut(a)
	files, err := l.read(a, args)
	if err != nil {
		return err
	}
	errs, warnings := sidecars.LintFiles(files.MapFS, base.Catalog)
	r := &lintResult{files: files}
	r.add(SeverityError, errs)
	if l.server {
		if err := l.try(ctx, a, r); err != nil {
			return err
		}
	}
	r.add(SeverityWarning, warnings)
	return l.tell(a, r)
}

// lintResult gathers findings.
type lintResult struct {
	files    *entryFiles
	findings []*LintFinding
	errors   int
	warnings int
}

func (r *lintResult) add(severity string, errs []error) {
	for _, err := range errs {
		r.found(r.finding(severity, err))
	}
}

func (r *lintResult) found(f *LintFinding) {
	r.findings = append(r.findings, f)
	if f.Severity == SeverityError {
		r.errors++
		return
	}
	r.warnings++
}

// finding takes a mistake of the core apart.
func (r *lintResult) finding(severity string, err error) *LintFinding {
	f := &LintFinding{Severity: severity, Message: r.files.shown(err.Error())}
	var at *sidecars.LoadError
	if !errors.As(err, &at) {
		return f
	}
	f.Place = &ExplainedPlace{r.files.shown(at.File), at.Line}
	f.Message = r.files.shown(at.Err.Error())
	var of *field.Error
	switch {
	case errors.As(at.Err, &of):
		f.Path, f.Message = of.Field, r.files.shown(of.ErrorBody())
	case severity == SeverityWarning: // L103: spec.containers[0].image: reason
		code, rest, _ := strings.Cut(f.Message, ": ")
		path, text, _ := strings.Cut(rest, ": ")
		f.Code, f.Path, f.Message = code, path, text
	}
	return f
}

// tell writes the findings, and on standard error how many there are.
func (l *linting) tell(a *app, r *lintResult) error {
	if l.output == "json" {
		if r.findings == nil {
			r.findings = []*LintFinding{}
		}
		text, err := json.Marshal(&LintReport{LintSchema, r.findings})
		if err == nil {
			text, err = manifest.Marshal(text, manifest.JSON)
		}
		if err == nil {
			_, err = a.Out.Write(text)
		}
		if err != nil {
			return err
		}
	} else {
		for _, f := range r.findings {
			fmt.Fprintln(a.Out, f.text(a.coloured()))
		}
	}
	fmt.Fprintf(a.Err, "%s in %s\n", counted(r.errors, r.warnings), plural(r.files.entries(), "entry", "entries"))
	if r.errors > 0 || l.strict && r.warnings > 0 {
		return exitCode(ExitRefused)
	}
	return nil
}

// text gives a finding as a compiler would.
func (f *LintFinding) text(colour bool) string {
	var b strings.Builder
	if f.Place != nil {
		b.WriteString(paint(colour, bold, printable(f.Place.String())) + ": ")
	}
	if f.Severity == SeverityWarning {
		b.WriteString(paint(colour, yellow, strings.TrimSpace("warning "+printable(f.Code))) + ": ")
	}
	if f.Path != "" {
		code := ""
		if f.Severity == SeverityError {
			code = red
		}
		b.WriteString(paint(colour, code, printable(f.Path)) + ": ")
	}
	return b.String() + oneLine(f.Message)
}

// counted words how much was found.
func counted(errs, warnings int) string {
	var words []string
	if errs > 0 {
		words = append(words, plural(errs, "error", "errors"))
	}
	if warnings > 0 {
		words = append(words, plural(warnings, "warning", "warnings"))
	}
	if len(words) == 0 {
		return "no mistake"
	}
	return strings.Join(words, " and ")
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
