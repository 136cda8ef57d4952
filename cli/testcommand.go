package cli

import (
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/sidecars"
)

// trial is the work of test.
type trial struct {
	update bool
	run    string
	junit  string
	quiet  bool

	catalog *sidecars.Catalog
	only    *regexp.Regexp
}

func (a *app) testCommand() *cobra.Command {
	var t trial
	cmd := &cobra.Command{
		Use:   "test [DIR]...",
		Short: "Test a catalog: Pods in, what they get out",
		Long: `Test a catalog by cases. A case is a directory with manifests as inject takes them, such
as pod.yaml, a Namespace among them where it counts, and files that say what is expected:

  expected.yaml       what inject writes
  expected-error.txt  for what is refused, a line for each mistake: file:line: field: reason,
                      or from the field on, or the field alone; lines that begin with # do
                      not count
  warnings.txt        the warnings, in the same way, or their codes alone; where there is
                      no such file, warnings do not count

Cases are looked for in DIR, by default the current directory, and below. What is expected
is compared as Kubernetes reads it: layout, comments and the revisions in pillion.dev/status
do not count. --update writes the expected files of cases that fail; review the difference.

The catalog is --catalog, or the built-in entries. No cluster is contacted.

Exit codes:
  0  every case passes, or was written by --update
  1  a case fails, or has no expected files
  2  wrong usage, no case, or a file or catalog that cannot be read`,
		Example: `  pillion test --catalog ./catalog ./tests
  pillion test --catalog ./catalog ./tests --run redis --update
  pillion test --catalog ./catalog ./tests --junit report.xml`,
		RunE: func(_ *cobra.Command, args []string) error { return t.all(a, args) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&t.update, "update", false, "write the expected files of cases that fail")
	flags.StringVar(&t.run, "run", "", "only cases whose name this regular expression matches")
	flags.StringVar(&t.junit, "junit", "", "write a report in JUnit's XML to this file too")
	flags.BoolVarP(&t.quiet, "quiet", "q", false, "report failures only")
	return cmd
}

// all runs every case of the directories.
func (t *trial) all(a *app, args []string) error {
	var err error
	if t.only, err = regexp.Compile(t.run); err != nil {
		return usagef("--run: %w", err)
	}
	if t.catalog, err = a.catalog(); err != nil {
		return err
	}
	if len(args) == 0 {
		args = []string{"."}
	}
	var done []*result
	for _, dir := range args {
		cases, err := t.cases(dir, a.catalogDir)
		if err != nil {
			return err
		}
		for _, c := range cases {
			r, err := t.one(c)
			if err != nil {
				return err
			}
			t.tell(a, r)
			done = append(done, r)
		}
	}
	if len(done) == 0 {
		return fmt.Errorf("no case%s: a case is a directory with manifests and %s", t.matching(), fileExpected)
	}
	if t.junit != "" {
		if err := writeFile(t.junit, junit(done)); err != nil {
			return err
		}
	}
	return t.end(a, done)
}

func (t *trial) matching() string {
	if t.run == "" {
		return ""
	}
	return " matches " + t.run
}

// tell reports one case.
func (t *trial) tell(a *app, r *result) {
	colour := a.coloured()
	switch {
	case r.failed():
		fmt.Fprintf(a.Out, "%s  %s\n", paint(colour, red, "FAIL"), printable(r.name))
		r.write(a.Out, colour)
	case t.quiet:
	case r.updated:
		fmt.Fprintf(a.Out, "%s  %s\n", paint(colour, yellow, "WROTE"), printable(r.name))
	default:
		fmt.Fprintf(a.Out, "%s  %s\n", paint(colour, green, "PASS"), printable(r.name))
	}
}

// end tells on standard error how it went.
func (t *trial) end(a *app, done []*result) error {
	failed, updated := 0, 0
	for _, r := range done {
		switch {
		case r.failed():
			failed++
		case r.updated:
			updated++
		}
	}
	text := fmt.Sprintf("%d passed", len(done)-failed-updated)
	if updated > 0 {
		text += fmt.Sprintf(", %d written", updated)
	}
	fmt.Fprintf(a.Err, "%s, %d failed\n", text, failed)
	if failed > 0 {
		return exitCode(ExitRefused)
	}
	return nil
}

// nameOf gives the name of a case: the path from its tree, or that of the tree itself.
func nameOf(tree, dir string) string {
	if rel, err := filepath.Rel(tree, dir); err == nil && rel != "." {
		return filepath.ToSlash(rel)
	}
	if abs, err := filepath.Abs(dir); err == nil {
		return filepath.Base(abs)
	}
	return filepath.ToSlash(dir)
}
