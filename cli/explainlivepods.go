package cli

import (
	"context"
	"encoding/json"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/sidecars"
)

// livePods compares the Pods of a workload with the catalog.
func (e *explainer) livePods(ctx context.Context, out *ExplainedObject, a *answer) {
	live := a.object.doc.from.live
	selector := selectorOf(live.text)
	if selector == "" {
		return
	}
	items, err := e.live.server.Objects(ctx, "v1", "pods", live.namespace, selector)
	if err != nil {
		out.Warnings = append(out.Warnings, ExplainedWarning{Text: "its Pods cannot be read: " + err.Error()})
		return
	}
	pods := &ExplainedPods{Refusal: refusalOf(live.text)}
	var first *metav1.PartialObjectMetadata
	for _, item := range items {
		if meta := e.countPod(pods, item, a); meta != nil && first == nil {
			first = meta
		}
	}
	out.Pods = pods
	stop := len(out.Way) > 0 && out.Way[len(out.Way)-1].Stop
	if first != nil && out.Fix == nil && !stop && a.res.Outcome != sidecars.Denied {
		out.Fix = commandFix(ptr(doctor.Restart(first)))
	}
}

// countPod counts one Pod of a workload; it gives the Pod's metadata where it should be made anew.
func (e *explainer) countPod(n *ExplainedPods, text []byte, a *answer) *metav1.PartialObjectMetadata {
	var meta metav1.PartialObjectMetadata
	pod, err := sidecars.ReadPod(text)
	if err != nil || json.Unmarshal(text, &meta) != nil || meta.DeletionTimestamp != nil {
		return nil
	}
	n.Total++
	states := e.catalog.States(pod, &a.ns.Namespace)
	word := string(sidecars.StateCurrent)
	for _, s := range states {
		if s.State != sidecars.StateCurrent && word != string(sidecars.StateOutdated) {
			word = string(s.State)
		}
	}
	// What the template asks for today counts, as that is what a new Pod gets.
	for _, name := range today(a) {
		if !slices.ContainsFunc(states, func(s sidecars.SidecarState) bool { return s.Name == name }) {
			word = OutcomeBare
		}
	}
	switch word {
	case string(sidecars.StateCurrent):
		n.Current++
		return nil
	case OutcomeBare:
		n.Bare++
	case string(sidecars.StateOutdated):
		n.Outdated++
	default:
		n.Changed++
	}
	n.Names = append(n.Names, meta.Name)
	return &meta
}

// today lists the sidecars that a template gets today.
func today(a *answer) []string {
	if a.res.Outcome == sidecars.Skipped {
		return nil
	}
	return a.res.Sidecars
}

// selectorOf gives the selector of a workload's Pods; empty where it has none.
func selectorOf(text []byte) string {
	var o struct {
		Spec struct{ Selector json.RawMessage }
	}
	if json.Unmarshal(text, &o) != nil || len(o.Spec.Selector) == 0 {
		return ""
	}
	var plain map[string]string // a ReplicationController's
	if json.Unmarshal(o.Spec.Selector, &plain) == nil {
		return metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: plain})
	}
	var selector metav1.LabelSelector
	if json.Unmarshal(o.Spec.Selector, &selector) != nil || len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		return ""
	}
	return metav1.FormatLabelSelector(&selector)
}

// refusalOf gives the API server's words where it refuses the Pods of a workload.
func refusalOf(text []byte) string {
	var o struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if json.Unmarshal(text, &o) != nil {
		return ""
	}
	for _, c := range o.Status.Conditions {
		if c.Type == "ReplicaFailure" && c.Status == "True" {
			return oneLine(c.Message)
		}
	}
	return ""
}
