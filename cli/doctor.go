package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/doctor"
)

// diagnosis is the work of doctor.
type diagnosis struct {
	serverFlags
	namespace string
	install   string
	output    string
	strict    bool
	verbose   bool
	timeout   time.Duration
}

// defaultTimeout of one request.
const defaultTimeout = 10 * time.Second

func (a *app) doctorCommand() *cobra.Command {
	var d diagnosis
	cmd := &cobra.Command{
		Use:     "doctor",
		Aliases: []string{"check"},
		Short:   "Examine an installation: what is wrong, why that matters and how to mend it",
		Long: `Examine the installation of Pillion in a cluster: whether it is as the chart makes it,
whether it answers, how long its certificates hold, which webhooks of others could fight
it, whether the cluster would start from cold, and whether Namespaces and Pods ask in a
way that is understood and have what they ask for. Each finding says what is, why that
matters and what mends it.

Nothing is written: objects are read, and a Pod is created in a dry run. What you have no
right to read is told, and the other checks go on.

-o json writes one object with the schema ` + doctor.Schema + `.

Exit codes:
  0  no error, and with --strict no warning
  1  there is an error
  2  wrong usage, or a cluster that cannot be reached`,
		Example: `  pillion doctor
  pillion doctor -n shop
  pillion doctor --context staging -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd.Context(), a) },
	}
	d.clusterFlags(cmd)
	flags := cmd.Flags()
	namespaceFlag(cmd, &d.namespace, "Namespace of the dry run (default: one for each way in which Namespaces ask)")
	flags.StringVar(&d.install, "install-namespace", "", "Namespace that Pillion is installed in (default: wherever it is found)")
	flags.StringVarP(&d.output, "output", "o", "", "json; default: text")
	flags.BoolVar(&d.strict, "strict", false, "exit with 1 for warnings too")
	flags.BoolVarP(&d.verbose, "verbose", "v", false, "say why notes matter too")
	flags.DurationVar(&d.timeout, "timeout", defaultTimeout, "how long the API server may take for one answer")
	return cmd
}

func (d *diagnosis) run(ctx context.Context, a *app) error {
	if d.output != "" && d.output != "json" {
		return usagef("--output %q is not json", d.output)
	}
	if d.timeout <= 0 {
		return usagef("--timeout %s is not positive", d.timeout)
	}
	s, err := d.snapshot(ctx, a)
	if err != nil {
		return err
	}
	report := doctor.Examine(s)
	if d.output == "json" {
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(report); err != nil {
			return err
		}
	} else {
		text := &doctorText{out: a.Out, colour: a.coloured(), verbose: d.verbose}
		if err := text.report(report); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.Err, totals(report))
	if report.Errors > 0 || d.strict && report.Warnings > 0 {
		return exitCode(ExitRefused)
	}
	return nil
}

// snapshot reads the cluster, and has the API server try Pods.
func (d *diagnosis) snapshot(ctx context.Context, a *app) (*doctor.Snapshot, error) {
	server, err := d.connect(a)
	if err != nil {
		return nil, err
	}
	s, err := server.Snapshot(ctx, doctor.Kinds(), d.install, d.timeout)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	base, err := a.catalog()
	if err != nil {
		return nil, err
	}
	f := &inForce{Catalog: base, entries: base.All()}
	if err := f.over(s.Entries); err != nil {
		return nil, err
	}
	s.Now, s.CLI, s.Asked, s.Catalog = time.Now(), a.Version, d.namespace, f.Catalog
	s.Trials = s.Plan()
	for i := range s.Trials {
		t := &s.Trials[i]
		bound, cancel := context.WithTimeout(ctx, d.timeout)
		t.Created, t.Err = server.Admitted(bound, t.Namespace, t.Pod)
		t.Err = cmp.Or(t.Err, bound.Err())
		cancel()
	}
	return s, ctx.Err()
}

func totals(r *doctor.Report) string {
	text := plural(r.Errors, "error", "errors") + ", " + plural(r.Warnings, "warning", "warnings")
	if r.Notes > 0 {
		text += ", " + plural(r.Notes, "note", "notes")
	}
	if r.Errors+r.Warnings+r.Notes == 0 {
		return fmt.Sprintf("all %d checks are ok", len(r.Checks))
	}
	text += " of " + plural(len(r.Checks), "check", "checks")
	if r.Errors > 1 {
		text += "; mend them from the top, as those below may follow from those above"
	}
	return text
}
