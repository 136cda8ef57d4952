package cli

import (
	"context"
	"io"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
	"gomodules.xyz/jsonpatch/v2"

	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
)

const inputHelp = `An argument is a file, a directory (its .yaml, .yml and .json files in order of names)
or - for standard input, which is also read where there is no argument and no terminal.
Documents may be Pods, Deployments, StatefulSets, DaemonSets, ReplicaSets,
ReplicationControllers, Jobs, CronJobs and Lists of them; others pass as they are.

A Namespace document counts for the objects of that Namespace: in files wherever it
stands, on standard input if it comes before them.`

func (a *app) injectCommand() *cobra.Command {
	var j injection
	cmd := &cobra.Command{
		Use:   "inject [FILE|DIR|-]...",
		Short: "Add the sidecars that Pods and pod templates ask for",
		Long: `Add the sidecars that Pods and pod templates ask for. Manifests go to standard output,
comments, order and layout kept and untouched documents byte for byte; the report goes
to standard error. Injecting again changes nothing. A request is met whole or refused.

With --from-cluster it is done by the catalog and the Namespaces of a cluster, which is
only read; without it no cluster is contacted.

` + inputHelp + "\n\n" + exitCodes,
		Example: `  pillion inject deployment.yaml | kubectl apply -f -
  helm template shop ./chart | pillion inject
  pillion inject --with proxy --set proxy.upstream-port=8080 deployment.yaml
  pillion inject --from-cluster --context staging deployment.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := newWriter(a.Out, j.output)
			if err != nil {
				return err
			}
			return j.run(cmd.Context(), a, args, w.write)
		},
	}
	j.flags(cmd)
	outputFlag(cmd, &j.output)
	return cmd
}

// injection is the work of inject and diff.
type injection struct {
	inputs
	optIn
	serverFlags
	output         string
	verbose, quiet bool
}

func (j *injection) flags(cmd *cobra.Command) {
	j.inputs.flags(cmd)
	j.optIn.flags(cmd)
	j.serverFlags.flags(cmd)
	reportFlags(cmd, &j.verbose, &j.quiet)
}

func reportFlags(cmd *cobra.Command, verbose, quiet *bool) {
	cmd.Flags().BoolVarP(verbose, "verbose", "v", false, "report objects that are left alone too")
	cmd.Flags().BoolVarP(quiet, "quiet", "q", false, "report refusals only")
}

// sink takes each document before and after.
type sink func(before *document, after *manifest.Document) error

// prepare finds the inputs, and what injects their documents.
func (j *injection) prepare(ctx context.Context, a *app, args []string) (*injector, []*input, error) {
	catalog, err := j.catalog(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	if err := j.optIn.check(catalog); err != nil {
		return nil, nil, err
	}
	list, err := j.list(a, args)
	if err != nil {
		return nil, nil, err
	}
	known := newNamespaces(j.namespace)
	if j.fromCluster {
		known.ask = func(name string) *sidecars.Namespace { return j.lookUp(ctx, a, name) }
	}
	if err := known.scan(list); err != nil {
		return nil, nil, err
	}
	return &injector{catalog: catalog, known: known, set: &j.optIn}, list, nil
}

// catalog gives the catalog in force. In a cluster, objects that name no Namespace are for the context's, as for kubectl.
func (j *injection) catalog(ctx context.Context, a *app) (*sidecars.Catalog, error) {
	if err := j.serverFlags.check(j.fromCluster, "--from-cluster"); err != nil {
		return nil, err
	}
	if !j.fromCluster {
		return a.catalog()
	}
	if _, err := j.connect(a); err != nil {
		return nil, err
	}
	if !j.set.Changed("namespace") {
		j.namespace = j.own
	}
	f, err := a.inForce(ctx, &j.serverFlags, j.namespace, false)
	if err != nil {
		return nil, err
	}
	f.tellLeftOut(a)
	return f.Catalog, nil
}

// run injects every document of the input and hands it on.
func (j *injection) run(ctx context.Context, a *app, args []string, out sink) error {
	in, list, err := j.prepare(ctx, a, args)
	if err != nil {
		return err
	}
	rep := &report{out: a.Err, verbose: j.verbose, quiet: j.quiet, did: "injected"}
	if err := each(list, a.In, rep, out, in.document); err != nil {
		return err
	}
	return rep.end("nothing injected: no Pod asks for a sidecar; `pillion explain` tells how to ask, --with asks for all")
}

// each takes every document of the input through change and hands it on.
func each(list []*input, stdin io.Reader, rep *report, out sink, change func(*document) (*manifest.Document, []*verdict, error)) error {
	for d, err := range documents(list, stdin) {
		if err != nil {
			return err
		}
		after, verdicts, err := change(d)
		if err != nil {
			return err
		}
		for _, v := range verdicts {
			rep.add(v)
		}
		if err := out(d, after); err != nil {
			return err
		}
	}
	return nil
}

// injector injects documents, one after another.
type injector struct {
	catalog *sidecars.Catalog
	known   *namespaces
	set     *optIn
}

// document injects every object of a document; one that is refused stays as it is.
func (in *injector) document(d *document) (*manifest.Document, []*verdict, error) {
	objects, err := objectsOf(d)
	if err != nil {
		return nil, nil, err
	}
	verdicts := make([]*verdict, len(objects))
	var ops []jsonpatch.Operation
	for i, o := range objects {
		var a *answer
		verdicts[i], a = in.object(o)
		ops = append(ops, a.patch()...)
	}
	after, verdicts := patched(d, ops, verdicts)
	return after, verdicts, nil
}

// patched applies operations to a document. Where they cannot be written, which takes an odd text, what they were for is
// refused.
func patched(d *document, ops []jsonpatch.Operation, verdicts []*verdict) (*manifest.Document, []*verdict) {
	after, err := d.Patch(ops)
	for _, v := range verdicts {
		switch {
		case v.outcome != done:
		case err != nil:
			v.outcome, v.troubles = refused, append(v.troubles, asTrouble(err, v.object))
		case after.Reencoded():
			v.warnings = append(v.warnings, v.object.place("").String()+": the layout of this document could not be kept")
		}
	}
	if err != nil {
		return d.Document, verdicts
	}
	return after, verdicts
}

// answer is the core's answer for the Pod of an object.
type answer struct {
	object *object
	ns     *namespace
	pod    *sidecars.Pod
	// asked are the operations that ask on the user's behalf; json is the Pod with them.
	asked []jsonpatch.Operation
	json  []byte
	res   *sidecars.Result
}

// patch gives the operations on the document.
func (a *answer) patch() []jsonpatch.Operation {
	if a == nil || a.res == nil || a.res.Outcome != sidecars.Injected && a.res.Outcome != sidecars.Unchanged {
		return nil
	}
	return append(sidecars.Below(a.object.podPointer, a.asked), sidecars.Below(a.object.podPointer, a.res.Patch)...)
}

// object asks the core about one object. The answer is nil where it holds no Pod that can be read.
func (in *injector) object(o *object) (*verdict, *answer) {
	v := &verdict{object: o, detail: "left as it is: no Pod in it"}
	switch {
	case o.isNamespace():
		if v.troubles = in.known.meet(o); len(v.troubles) > 0 {
			v.outcome = refused
		}
		return v, nil
	case o.broken != nil:
		v.outcome, v.troubles = refused, []trouble{*o.broken}
		return v, nil
	case o.pod == nil:
		v.warnings = o.misunderstood()
		return v, nil
	}
	a, err := in.ask(o)
	if err != nil {
		v.outcome, v.troubles = refused, []trouble{unreadable(err, o)}
		return v, nil
	}
	in.known.answered(o, a.ns, a.res.Outcome != sidecars.Skipped)
	if a.res.Outcome == sidecars.Injected && a.hasNoSpec() {
		v.outcome, v.troubles = refused, []trouble{{place: o.place(o.template()), object: o, path: o.podPrefix + "spec", text: "Required value"}}
		return v, nil
	}
	v.warnings = append(o.misplaced(a.pod), warningsOf(a.res)...)
	v.outcome, v.detail = outcomeOf(a)
	for _, e := range a.res.Errors {
		v.troubles = append(v.troubles, locate(e, o, a.ns, in.set))
	}
	slices.SortStableFunc(v.troubles, func(a, b trouble) int { return a.place.line - b.place.line })
	return v, a
}

// hasNoSpec reports whether there is nothing to inject into: the API server gives every Pod a spec, a file need not.
func (a *answer) hasNoSpec() bool {
	if len(a.pod.Spec.Containers) > 0 {
		return false
	}
	var has struct {
		Spec jsontext.Value `json:"spec"`
	}
	return json.Unmarshal(a.json, &has, sidecars.DecodeOptions()) != nil || has.Spec.Kind() != '{'
}

func (in *injector) ask(o *object) (*answer, error) {
	a := &answer{object: o, ns: in.known.of(o), json: o.pod}
	var err error
	if a.pod, err = sidecars.ReadPod(o.pod); err != nil {
		return nil, err
	}
	if !in.set.empty() {
		if a.asked, a.json, err = in.set.apply(a.pod, o.pod, a.ns); err != nil {
			return nil, err
		}
		if a.pod, err = sidecars.ReadPod(a.json); err != nil {
			return nil, err
		}
	}
	a.res = sidecars.Inject(in.catalog, a.pod, &a.ns.Namespace)
	return a, nil
}
