package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pillion-dev/pillion/sidecars"
)

// Exit codes of every command.
const (
	// ExitOK: all is well; diff found nothing.
	ExitOK = 0
	// ExitRefused: an object was refused, diff found differences, an entry has a mistake, or a case of test failed.
	ExitRefused = 1
	// ExitUnreadable: wrong usage, or an input, catalog or cluster that cannot be read.
	ExitUnreadable = 2
)

const exitCodes = `Exit codes:
  0  all is well
  1  an object was refused (it is written as it was), or diff found differences
  2  wrong usage, or an input, catalog or cluster that cannot be read`

// Process is what a run of pillion has of its process.
type Process struct {
	// Args are the arguments with the program's name first; a name that starts with kubectl- is shown as kubectl's plugin.
	Args []string
	// In, Out and Err are the standard streams.
	In       io.Reader
	Out, Err io.Writer
	// Getenv reads the environment: NO_COLOR and TERM.
	Getenv func(string) string
	// Catalog is in force where --catalog names none; nil stands for the built-in entries.
	Catalog *sidecars.Catalog
	// Connect finds the cluster that --from-cluster and --server ask; nil stands for none.
	Connect Connect
	// Version is what `pillion version` says.
	Version string
}

// Run runs pillion and returns its exit code.
func Run(p *Process) int {
	a := &app{Process: p}
	root := a.command()
	root.SetArgs(p.Args[1:])
	root.SetIn(p.In)
	root.SetOut(p.Out)
	root.SetErr(p.Err)
	cmd, err := root.ExecuteC()
	var code exitCode
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintf(p.Err, "error: %s\n", printable(err.Error()))
	var usage *usageError
	if errors.As(err, &usage) || cmd == root {
		fmt.Fprintf(p.Err, "see %s --help\n", cmd.CommandPath())
	}
	return ExitUnreadable
}

// exitCode ends a run whose output says all there is to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// usageError is a mistake in the arguments, which the help of the command may clear up.
type usageError struct{ error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// app holds what all commands share.
type app struct {
	*Process
	catalogDir string
	color      string
}

func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "pillion",
		Short: "Sidecars for Pods, on files",
		Long: `Pillion adds sidecars from a catalog to the Pods that ask for them by the annotation
pillion.dev/inject. This program does to files what the admission webhook does in a
cluster; it contacts one only where --from-cluster or --server says so.

` + exitCodes,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.checkColor() },
	}
	if name := filepath.Base(a.Args[0]); strings.HasPrefix(name, "kubectl-") {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl pillion"}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.catalogDir, "catalog", "", "directory of catalog entries, in place of the built-in ones")
	flags.StringVar(&a.color, "color", "auto", "colour: auto (on a terminal, unless NO_COLOR is set), always or never")
	root.AddCommand(a.injectCommand(), a.diffCommand(), a.uninjectCommand(), a.explainCommand(), a.catalogCommand(), a.lintCommand(), a.testCommand(), a.doctorCommand(), a.nodeCommand(), a.versionCommand())
	return root
}

func (a *app) checkColor() error {
	switch a.color {
	case "auto", "always", "never":
		return nil
	}
	return usagef("--color %q is not one of auto, always, never", a.color)
}

// coloured reports whether standard output takes colour: https://no-color.org.
func (a *app) coloured() bool {
	if a.color != "auto" {
		return a.color == "always"
	}
	return a.Getenv("NO_COLOR") == "" && a.Getenv("TERM") != "dumb" && isTerminal(a.Out)
}

// isTerminal reports whether a stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and the revision of the catalog in force",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			catalog, err := a.catalog()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "pillion %s\ncatalog %s\n", a.Version, catalog.Revision())
			return err
		},
	}
}

// noArgs is cobra.NoArgs as a mistake of usage.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return &usageError{err}
	}
	return nil
}
