package cli

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"gomodules.xyz/jsonpatch/v2"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
)

func (a *app) uninjectCommand() *cobra.Command {
	var in inputs
	var output string
	var verbose, quiet bool
	cmd := &cobra.Command{
		Use:   "uninject [FILE|DIR|-]...",
		Short: "Take out again what inject added",
		Long: `Take out again what inject, or the webhook, added: all that the annotation
pillion.dev/status lists. What an injected file was made from comes back byte for byte,
but for what the API server takes for the same: lists and maps that were empty, a grace
period of 30 seconds, and requests of the Pod itself that its limits imply. Annotations
that ask, also those that --with wrote, are the user's and stay.

` + inputHelp + "\n\n" + exitCodes,
		RunE: func(_ *cobra.Command, args []string) error {
			w, err := newWriter(a.Out, output)
			if err != nil {
				return err
			}
			list, err := in.list(a, args)
			if err != nil {
				return err
			}
			rep := &report{out: a.Err, verbose: verbose, quiet: quiet, did: "took out"}
			if err := each(list, a.In, rep, w.write, uninjected); err != nil {
				return err
			}
			return rep.end("nothing to take out: no Pod carries " + v1alpha1.AnnotationStatus)
		},
	}
	in.flags(cmd)
	outputFlag(cmd, &output)
	reportFlags(cmd, &verbose, &quiet)
	return cmd
}

// uninjected takes out of every object of a document what was injected.
func uninjected(d *document) (*manifest.Document, []*verdict, error) {
	objects, err := objectsOf(d)
	if err != nil {
		return nil, nil, err
	}
	verdicts := make([]*verdict, len(objects))
	var all []jsonpatch.Operation
	for i, o := range objects {
		v := &verdict{object: o, detail: "left as it is: no Pod in it"}
		verdicts[i] = v
		if o.pod == nil {
			continue
		}
		ops, names, err := removal(o)
		switch {
		case err != nil:
			v.outcome, v.troubles = refused, []trouble{unreadable(err, o)}
		case len(ops) == 0:
			v.detail = "left as it is: not injected"
		default:
			v.outcome, v.detail = done, strings.Join(names, ", ")
			all = append(all, sidecars.Below(o.podPointer, ops)...)
		}
	}
	after, verdicts := patched(d, all, verdicts)
	return after, verdicts, nil
}

// removal gives the operations that take out of a Pod what was injected, and the sidecars' names.
func removal(o *object) ([]jsonpatch.Operation, []string, error) {
	pod, err := sidecars.ReadPod(o.pod)
	if err != nil {
		return nil, nil, err
	}
	ops := withoutMetadata(sidecars.Uninject(pod), o)
	var names []string
	for _, s := range statusOf(pod).Sidecars {
		names = append(names, s.Name)
	}
	return ops, names, nil
}

// statusOf reads the status annotation; one that is absent or cannot be read is the zero value.
func statusOf(pod *sidecars.Pod) v1alpha1.Status {
	var st v1alpha1.Status
	text, ok := pod.Metadata.Annotations.Ours[v1alpha1.AnnotationStatus]
	if !ok || json.Unmarshal([]byte(text), &st) != nil || st.Version != v1alpha1.StatusVersion {
		return v1alpha1.Status{}
	}
	return st
}

// withoutMetadata removes a template's metadata whole where nothing would be left in it: the template had none. A Pod has
// always a name.
func withoutMetadata(ops []jsonpatch.Operation, o *object) []jsonpatch.Operation {
	var has struct {
		Metadata map[string]jsontext.Value `json:"metadata"`
	}
	if json.Unmarshal(o.pod, &has, sidecars.DecodeOptions()) != nil {
		return ops
	}
	var rest []jsonpatch.Operation
	for _, op := range ops {
		name, ok := strings.CutPrefix(op.Path, "/metadata/")
		if !ok {
			rest = append(rest, op)
			continue
		}
		delete(has.Metadata, name)
	}
	if len(rest) == len(ops) || len(has.Metadata) > 0 {
		return ops
	}
	return append(rest, jsonpatch.NewOperation("remove", "/metadata", nil))
}
