package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

func (a *app) explainCommand() *cobra.Command {
	var j injection
	cmd := &cobra.Command{
		Use:   "explain [FILE|DIR|-|KIND/NAME]...",
		Short: "Tell what Pods get and why, or why not and the line to change",
		Long: `Tell for every Pod and pod template what would be injected and why: who asks, the
parameters in force and where each comes from, and all that is added. Where nothing would
be, tell the line to change. Where a Pod is injected already, tell for each container
whether it is current, outdated, changed or absent. The exit code is 1 where an object
would be refused.

KIND/NAME, such as pod/web-0 or deploy/web, is an object of the cluster, in the Namespace
of -n or of the context: pod, deployment, statefulset, daemonset, replicaset,
replicationcontroller, job and cronjob, also by their plural and short names. Then the way
to the webhook is told too, what a Pod has, and what a workload's Pods have. A file of that
name comes first.

With --from-cluster it is told by the catalog and the Namespaces of a cluster, where it
contacts none otherwise.

-o json writes one object with the schema ` + ExplainSchema + `.

` + inputHelp + "\n\n" + exitCodes,
		Example: `  pillion explain deployment.yaml
  pillion explain deploy/web -n shop
  kubectl get pod web-0 -o yaml | pillion explain --from-cluster
  pillion explain sidecar proxy`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if j.output != "" && j.output != "json" {
				return usagef("--output %q is not json", j.output)
			}
			return j.explain(cmd.Context(), a, args)
		},
	}
	j.inputs.flags(cmd)
	j.optIn.flags(cmd)
	j.serverFlags.flags(cmd)
	cmd.Flags().StringVarP(&j.output, "output", "o", "", "json; default: text")
	cmd.AddCommand(a.explainSidecarCommand())
	return cmd
}

// explain explains every object of the input.
func (j *injection) explain(ctx context.Context, a *app, args []string) error {
	in, list, err := j.prepare(ctx, a, j.takeLive(ctx, a, args))
	if err != nil {
		return err
	}
	e := &explainer{injector: *in}
	if j.fetch != nil {
		if e.live, err = j.liveOf(ctx, a); err != nil {
			return err
		}
	}
	tell, end := e.asText(a)
	if j.output == "json" {
		tell, end = e.asJSON(a)
	}
	bad := false
	for d, err := range documents(list, a.In) {
		if err != nil {
			return err
		}
		objects, err := objectsOf(d)
		if err != nil {
			return err
		}
		for _, o := range objects {
			told := e.object(ctx, o)
			if told == nil {
				continue
			}
			bad = bad || told.Outcome == string(sidecars.Denied)
			if err := tell(told); err != nil {
				return err
			}
		}
	}
	if err := end(); err != nil {
		return err
	}
	if bad {
		return exitCode(ExitRefused)
	}
	return nil
}

// asText tells of each object as its turn comes.
func (e *explainer) asText(a *app) (tell func(*ExplainedObject) error, end func() error) {
	text := &explainText{out: a.Out, colour: a.coloured()}
	return text.object, func() error {
		if text.count == 0 {
			fmt.Fprintln(a.Err, "nothing to explain: no Pod and no workload in the input")
		}
		return nil
	}
}

// asJSON tells of all objects at the end.
func (e *explainer) asJSON(a *app) (tell func(*ExplainedObject) error, end func() error) {
	all := Explanation{Schema: ExplainSchema, Objects: []*ExplainedObject{}}
	all.Catalog = ExplainedCatalog{Revision: e.catalog.Revision(), Sidecars: e.catalog.Names("")}
	for _, s := range e.catalog.All() {
		if s.Namespace != "" && e.catalog.Entry(s.Namespace, s.Name) == s {
			all.Catalog.Namespaced = append(all.Catalog.Namespaced, s.Key().String())
		}
	}
	tell = func(o *ExplainedObject) error {
		all.Objects = append(all.Objects, o)
		return nil
	}
	return tell, func() error {
		enc := json.NewEncoder(a.Out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(&all)
	}
}

// explainer explains objects.
type explainer struct {
	injector
	// live answers where objects of a cluster are explained; nil where none is.
	live *liveCluster
}

// object explains one object; nil where there is nothing to tell.
func (e *explainer) object(ctx context.Context, o *object) *ExplainedObject {
	v, a := e.injector.object(o)
	if o.pod == nil && len(v.troubles) == 0 && len(v.warnings) == 0 {
		return nil
	}
	out := &ExplainedObject{
		APIVersion: o.apiVersion, Kind: o.kind, Name: o.name, Place: placeOf(o.place("")),
		PodPath: strings.TrimSuffix(o.podPrefix, "."), Outcome: string(sidecars.Skipped), object: o, answer: a,
	}
	if v.outcome == refused {
		out.Outcome = string(sidecars.Denied)
	}
	for i := range v.troubles {
		out.Errors = append(out.Errors, e.problem(&v.troubles[i], a))
	}
	for _, w := range o.ownWarnings(a) {
		out.Warnings = append(out.Warnings, ExplainedWarning{Text: w})
	}
	if a == nil {
		return out
	}
	out.Namespace, out.Outcome, out.Reason = a.ns.Name, string(a.res.Outcome), string(a.res.Reason)
	for _, w := range a.res.Warnings {
		out.Warnings = append(out.Warnings, ExplainedWarning{Code: w.Code, Text: w.Text})
	}
	if _, err := o.doc.Patch(a.patch()); err != nil {
		t := asTrouble(err, o)
		out.Outcome, out.Errors = string(sidecars.Denied), append(out.Errors, e.problem(&t, a))
	}
	out.Asks = e.asks(a)
	out.Sidecars = e.sidecars(a)
	out.Added = added(a)
	if out.Fix = e.fixOf(a); out.Fix == nil {
		out.Fix = update(out.Sidecars)
	}
	if o.doc.from.live != nil {
		e.tellLive(ctx, out, a)
	}
	return out
}

// ownWarnings are those that the core does not know of.
func (o *object) ownWarnings(a *answer) []string {
	switch {
	case a != nil:
		return o.misplaced(a.pod)
	case o.pod == nil && o.broken == nil:
		return o.misunderstood()
	}
	return nil
}

// asks says which annotation asks; nil where none does.
func (e *explainer) asks(a *answer) *ExplainedAsk {
	key := v1alpha1.AnnotationInject
	if a.res.Reason == sidecars.NotRequested {
		return nil
	}
	own, ok := a.pod.Metadata.Annotations.Ours[key]
	def, hasDefault := a.ns.Annotations[key]
	if ok && !(hasDefault && a.ns.Labels[v1alpha1.LabelInjection] == v1alpha1.InjectionRequired) {
		return &ExplainedAsk{Annotation: key, Value: own, Source: e.source(sidecars.FromPod, a, key), Place: e.placeOf(a, sidecars.FromPod, key)}
	}
	return &ExplainedAsk{Annotation: key, Value: def, Source: string(sidecars.FromNamespace), Place: e.placeOf(a, sidecars.FromNamespace, key)}
}

// flagSource is the source of what --with and --set write.
const flagSource = "flag"

// source words where an annotation comes from.
func (e *explainer) source(from sidecars.Source, a *answer, key string) string {
	if from == sidecars.FromPod && a.written(key) {
		return flagSource
	}
	return string(from)
}

// written reports whether a flag wrote the annotation.
func (a *answer) written(key string) bool {
	pointer := sidecars.FieldPointer("[" + key + "]")
	for _, op := range a.asked {
		if strings.HasSuffix(op.Path, pointer) {
			return true
		}
		if raw, ok := op.Value.(json.RawMessage); ok && strings.Contains(string(raw), `"`+key+`"`) {
			return true
		}
	}
	return false
}

// placeOf gives file and line of an annotation; nil where it is in no file.
func (e *explainer) placeOf(a *answer, from sidecars.Source, key string) *ExplainedPlace {
	o, pointer := a.object, a.object.template()
	if from == sidecars.FromNamespace {
		o, pointer = a.ns.object, ""
	}
	if o == nil || from == sidecars.FromDefault || from == sidecars.FromPod && a.written(key) {
		return nil
	}
	return placeOf(o.place(pointer + "/metadata/annotations" + sidecars.FieldPointer("["+key+"]")))
}

// sidecars tells of every entry asked for; none where the request could not be read.
func (e *explainer) sidecars(a *answer) []*ExplainedSidecar {
	if a.res.Outcome == sidecars.Skipped && len(statusOf(a.pod).Sidecars) == 0 {
		return nil
	}
	states := e.states(a)
	var out []*ExplainedSidecar
	for _, name := range a.res.Sidecars {
		entry := e.catalog.Entry(a.ns.Name, name)
		if entry == nil {
			continue
		}
		s := &ExplainedSidecar{Name: name, Containers: states[name]}
		delete(states, name)
		s.Revision, s.Description, s.Placement = entry.Revision, entry.Spec.Description, placement(entry)
		s.InjectedRevision = injectedRevision(a, name)
		for _, set := range a.res.Settings() {
			if set.Sidecar != name {
				continue
			}
			key := v1alpha1.Prefix + name + "." + set.Parameter
			s.Parameters = append(s.Parameters, ExplainedParameter{Name: set.Parameter, Value: set.Value,
				Source: e.source(set.Source, a, key), Place: e.placeOf(a, set.Source, key)})
		}
		out = append(out, s)
	}
	for _, was := range statusOf(a.pod).Sidecars {
		if containers, ok := states[was.Name]; ok {
			out = append(out, &ExplainedSidecar{Name: was.Name, InjectedRevision: was.Revision, Containers: containers})
		}
	}
	return out
}

func injectedRevision(a *answer, name string) string {
	for _, was := range statusOf(a.pod).Sidecars {
		if was.Name == name {
			return was.Revision
		}
	}
	return ""
}

// placement words where the first container of an entry goes.
func placement(e *sidecars.Entry) string {
	if len(e.Spec.Containers) == 0 {
		return ""
	}
	if p := e.Spec.Containers[0].Placement; p != "" {
		return string(p)
	}
	return string(v1alpha1.PlacementBeforeInit)
}
