package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/manifest"
)

func (a *app) diffCommand() *cobra.Command {
	var j injection
	cmd := &cobra.Command{
		Use:   "diff [FILE|DIR|-]...",
		Short: "Show what inject would change",
		Long: `Show what inject would change, as a unified diff on standard output; the report goes to
standard error. The exit code is 1 where something would change, as it is for an object
that is refused. The diff can be applied with patch -p0.

` + inputHelp + "\n\n" + exitCodes,
		RunE: func(cmd *cobra.Command, args []string) error {
			d := &differ{hunks: hunks{out: a.Out, colour: a.coloured()}}
			err := j.run(cmd.Context(), a, args, d.document)
			if closed := d.close(); closed != nil && err == nil {
				err = closed
			}
			if err == nil && d.found {
				err = exitCode(ExitRefused)
			}
			return err
		},
	}
	j.flags(cmd)
	return cmd
}

// differ shows the changes of every input.
type differ struct {
	hunks
	from *input
}

// document takes a document before and after.
func (d *differ) document(before *document, after *manifest.Document) error {
	if before.from != d.from {
		if err := d.close(); err != nil {
			return err
		}
		d.from = before.from
		d.hunks = hunks{out: d.out, colour: d.colour, name: printable(before.from.name), found: d.found}
	}
	title := ""
	if !bytes.Equal(before.Bytes(), after.Bytes()) {
		title = titleOf(before)
	}
	return d.add(title, edits(before.Bytes(), after.Bytes()))
}

// titleOf names what is in a document, for the heads of hunks.
func titleOf(d *document) string {
	objects, err := objectsOf(d)
	if err != nil || len(objects) == 0 {
		return ""
	}
	if len(objects) > 1 {
		return "list"
	}
	return objects[0].String()
}
