package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/sidecars"
)

// liveKind is a kind of object that can be asked about by name, as kubectl takes it.
type liveKind struct {
	apiVersion, plural, kind string
	// names are the singular and short ones.
	names []string
}

func liveKinds() []liveKind {
	return []liveKind{
		{"v1", "pods", "Pod", []string{"pod", "po"}},
		{"apps/v1", "deployments", "Deployment", []string{"deployment", "deploy"}},
		{"apps/v1", "statefulsets", "StatefulSet", []string{"statefulset", "sts"}},
		{"apps/v1", "daemonsets", "DaemonSet", []string{"daemonset", "ds"}},
		{"apps/v1", "replicasets", "ReplicaSet", []string{"replicaset", "rs"}},
		{"v1", "replicationcontrollers", "ReplicationController", []string{"replicationcontroller", "rc"}},
		{"batch/v1", "jobs", "Job", []string{"job"}},
		{"batch/v1", "cronjobs", "CronJob", []string{"cronjob", "cj"}},
	}
}

// liveObject is an object of a cluster.
type liveObject struct {
	liveKind
	namespace, name string
	text            []byte
	// meta is the object's own metadata.
	meta metav1.PartialObjectMetadata
}

// liveName reads kind/name; false where it is none. A file of that name comes first.
func liveName(arg string) (*liveObject, bool) {
	kind, name, ok := strings.Cut(arg, "/")
	if !ok || name == "" || strings.ContainsAny(name, "/") {
		return nil, false
	}
	i := slices.IndexFunc(liveKinds(), func(k liveKind) bool { return k.plural == kind || slices.Contains(k.names, kind) })
	if i < 0 {
		return nil, false
	}
	if _, err := os.Stat(arg); err == nil {
		return nil, false
	}
	return &liveObject{liveKind: liveKinds()[i], name: name}, true
}

// takeLive takes the names of objects out of the arguments. Where there are any, the catalog and the Namespaces are the
// cluster's too.
func (j *injection) takeLive(ctx context.Context, a *app, args []string) (rest []string) {
	var asked []*liveObject
	for _, arg := range args {
		if o, ok := liveName(arg); ok {
			asked = append(asked, o)
			continue
		}
		rest = append(rest, arg)
	}
	if len(asked) == 0 {
		return rest
	}
	j.fromCluster = true
	j.fetch = func() ([]*input, error) {
		var found []*input
		for _, o := range asked {
			o.namespace = j.namespace
			if err := o.get(ctx, &j.serverFlags, a); err != nil {
				return nil, err
			}
			found = append(found, &input{name: o.String(), live: o})
		}
		return found, nil
	}
	return rest
}

// String gives kind/name -n namespace.
func (o *liveObject) String() string { return o.names[0] + "/" + o.name + " -n " + o.namespace }

// get reads the object.
func (o *liveObject) get(ctx context.Context, s *serverFlags, a *app) error {
	server, err := s.connect(a)
	if err != nil {
		return err
	}
	text, err := server.Object(ctx, o.apiVersion, o.plural, o.namespace, o.name)
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no %s", o)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", o, err)
	}
	var object map[string]any
	if err := errors.Join(json.Unmarshal(text, &object), json.Unmarshal(text, &o.meta)); err != nil {
		return fmt.Errorf("%s: %w", o, err)
	}
	if meta, ok := object["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
	}
	object["apiVersion"], object["kind"] = o.apiVersion, o.kind
	o.text, err = json.Marshal(object)
	return err
}

// liveCluster is what is asked beside the objects themselves.
type liveCluster struct {
	server   Server
	snapshot *doctor.Snapshot
}

// liveOf reads how the webhook is registered.
func (j *injection) liveOf(ctx context.Context, a *app) (*liveCluster, error) {
	server, err := j.connect(a)
	if err != nil {
		return nil, err
	}
	kinds := []doctor.Kind{doctor.MutatingWebhooks, doctor.Policies, doctor.Bindings}
	s, err := server.Snapshot(ctx, kinds, "", defaultTimeout)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return &liveCluster{server, s}, nil
}

// tellLive adds what only a cluster knows: the Pod's way to the webhook, what it has, and what its workload's Pods have.
func (e *explainer) tellLive(ctx context.Context, out *ExplainedObject, a *answer) {
	live := a.object.doc.from.live
	out.Live = true
	out.Way = e.live.snapshot.Way(a.ns.Name, a.ns.Labels, annotationsOf(a.json))
	stop := len(out.Way) > 0 && out.Way[len(out.Way)-1].Stop
	if live.kind == "Pod" {
		e.livePod(ctx, out, a)
	} else {
		e.livePods(ctx, out, a)
	}
	if stop {
		e.stopped(out, a)
	}
	// A Namespace that asks and is not heard comes before what the Pod could say.
	unheard := a.res.Reason == sidecars.NotRequested && a.ns.Annotations[v1alpha1.AnnotationInject] != ""
	for i := range out.Way {
		if f := out.Way[i].Fix; f != nil && (out.Fix == nil || unheard) {
			out.Fix = commandFix(f)
		}
	}
}

// stopped turns the core's answer into that of a Pod that the webhook is never asked about.
func (e *explainer) stopped(out *ExplainedObject, a *answer) {
	last := &out.Way[len(out.Way)-1]
	if a.res.Outcome == sidecars.Skipped {
		return
	}
	has := out.Outcome == string(sidecars.Unchanged)
	out.Added, out.Errors = nil, nil
	switch {
	case has:
	case last.Name == doctor.StepRegistered && e.live.snapshot.Refuses() && annotationsOf(a.json)[v1alpha1.AnnotationFailurePolicy] != v1alpha1.FailurePolicyIgnore && out.Outcome != OutcomeBare:
		out.Outcome, out.Reason = string(sidecars.Denied), last.Name
	case out.Outcome != OutcomeBare:
		out.Outcome, out.Reason = string(sidecars.Skipped), last.Name
	default:
		out.Reason = last.Name
	}
	if last.Fix != nil {
		out.Fix = commandFix(last.Fix)
	}
}

// livePod compares a Pod with what it asks for. What it lacks it will not get any more.
func (e *explainer) livePod(ctx context.Context, out *ExplainedObject, a *answer) {
	live := a.object.doc.from.live
	restart := commandFix(ptr(doctor.Restart(&live.meta)))
	switch a.res.Outcome {
	case sidecars.Injected, sidecars.Denied, sidecars.Ignored:
		var has []string
		for _, s := range statusOf(a.pod).Sidecars {
			has = append(has, s.Name)
		}
		out.Lacks = without(a.res.Sidecars, has)
		if len(out.Lacks) == 0 {
			break
		}
		out.Outcome, out.Added = OutcomeBare, nil
		out.Fix = restart
		if a.res.Outcome == sidecars.Injected {
			out.Reason = e.whyBare(live, a)
		}
	case sidecars.Unchanged:
		if out.Fix != nil { // it is outdated or changed
			out.Fix = restart
		}
	case sidecars.Skipped:
		if a.res.Reason == sidecars.NotRequested {
			e.askOwner(ctx, out, a)
		}
	}
}

// whyBare says why a Pod lacks what it would get today.
func (e *explainer) whyBare(live *liveObject, a *answer) string {
	for _, c := range e.live.snapshot.MutatingWebhooks {
		if in := e.live.snapshot.Install; in != nil && c.Name == in.Name && live.meta.CreationTimestamp.Before(&c.CreationTimestamp) {
			return "it was made before the webhook was registered"
		}
	}
	if annotationsOf(a.json)[v1alpha1.AnnotationFailurePolicy] == v1alpha1.FailurePolicyIgnore {
		return "it was made while the webhook did not answer, or refused it, and " + v1alpha1.AnnotationFailurePolicy + ": Ignore let it"
	}
	return "it was made while the webhook did not answer, or before its Namespace or the catalog was as it is now"
}

// askOwner finds what the workload of a Pod asks for that the Pod does not.
func (e *explainer) askOwner(ctx context.Context, out *ExplainedObject, a *answer) {
	owner := a.object.doc.from.live.owner()
	if owner == nil {
		return
	}
	text, err := e.live.server.Object(ctx, owner.apiVersion, owner.plural, owner.namespace, owner.name)
	if err != nil {
		return
	}
	pointer, _ := sidecars.PodPointer(owner.apiVersion, owner.kind)
	own, template := annotationsOf(text)[v1alpha1.AnnotationInject], annotationsOf(below(text, pointer))[v1alpha1.AnnotationInject]
	switch {
	case template != "":
		out.Warnings = append(out.Warnings, ExplainedWarning{Text: fmt.Sprintf("the template of %s asks for %s by now: this Pod is older", owner, template)})
		out.Fix = commandFix(ptr(doctor.Restart(&a.object.doc.from.live.meta)))
	case own != "":
		out.Warnings = append(out.Warnings, ExplainedWarning{Text: fmt.Sprintf("%s on %s counts only below %s: move it there", v1alpha1.AnnotationInject, owner, fieldOf(pointer)+".metadata.annotations")})
		out.Fix = owner.annotate(v1alpha1.AnnotationInject, own, "to have sidecars, ask on the pod template")
	}
}

// annotationsOf reads an object's annotations.
func annotationsOf(text []byte) map[string]string {
	var o struct {
		Metadata struct{ Annotations map[string]string }
	}
	if json.Unmarshal(text, &o) != nil {
		return nil
	}
	return o.Metadata.Annotations
}

// below gives what a JSON pointer of plain words leads to.
func below(text []byte, pointer string) []byte {
	for word := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return nil
		}
		text = members[word]
	}
	return text
}

func fieldOf(pointer string) string {
	return strings.ReplaceAll(strings.TrimPrefix(pointer, "/"), "/", ".")
}

// owner is the workload that makes a Pod; nil where it is none that is known.
func (o *liveObject) owner() *liveObject {
	object, _, _ := strings.Cut(doctor.Owner(&o.meta), " ")
	kind, name, _ := strings.Cut(object, "/")
	i := slices.IndexFunc(liveKinds(), func(k liveKind) bool { return k.names[0] == kind })
	if i < 0 || kind == "pod" {
		return nil
	}
	return &liveObject{liveKind: liveKinds()[i], namespace: o.namespace, name: name}
}

// annotate says how an annotation gets onto the Pods of an object, or of the workload that makes a Pod.
func (o *liveObject) annotate(key, value, why string) *ExplainedFix {
	target := o
	if o.kind == "Pod" {
		if target = o.owner(); target == nil {
			return &ExplainedFix{Text: why + ": a Pod keeps what it was made with, so write " + key + ": " + value + " into its manifest and make it anew", Field: "metadata.annotations[" + key + "]"}
		}
	}
	pointer, _ := sidecars.PodPointer(target.apiVersion, target.kind)
	field := fieldOf(pointer) + ".metadata.annotations[" + key + "]"
	if target.kind == "Job" {
		return &ExplainedFix{Text: why + ": a Job keeps its template, so write " + key + ": " + value + " into its manifest and make it anew", Field: field}
	}
	var patch any = map[string]any{"metadata": map[string]any{"annotations": map[string]string{key: value}}}
	words := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for _, word := range slices.Backward(words) {
		patch = map[string]any{word: patch}
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return &ExplainedFix{Text: why, Field: field}
	}
	return &ExplainedFix{Text: why, Field: field, Commands: []string{fmt.Sprintf("kubectl -n %s patch %s %s --type merge -p '%s'",
		target.namespace, target.names[0], target.name, strings.ReplaceAll(string(text), "'", `'\''`))}}
}

func commandFix(f *doctor.Fix) *ExplainedFix {
	return &ExplainedFix{Text: f.Text, Commands: f.Commands}
}

func ptr[T any](v T) *T { return &v }

// livePlace words where an object is; the file where it is in one.
func (e *ExplainedObject) livePlace() string {
	if e.Live {
		return "in Namespace " + cmp.Or(e.Namespace, "default")
	}
	return e.Place.String()
}
