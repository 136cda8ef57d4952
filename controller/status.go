package controller

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// verdict is what is said of one spec.
type verdict struct {
	reason, message string
	// untried: the API server could not be asked, and is to be asked again.
	untried bool
}

func (v *verdict) ready() metav1.ConditionStatus {
	if v.reason == v1alpha1.ReasonProved {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// notTried comes before the reason why the API server could not be asked.
const notTried = "; not tried on the API server: "

// verdictOf puts the result of a proof into words.
func verdictOf(p *proof) verdict {
	switch {
	case p.refused:
		return verdict{reason: v1alpha1.ReasonRefused, message: summary(p.errs)}
	case len(p.errs) > 0:
		return verdict{reason: v1alpha1.ReasonInvalid, message: summary(p.errs)}
	}
	v := verdict{reason: v1alpha1.ReasonProved, message: "proved at default and boundary values", untried: p.untried != ""}
	if n := len(p.warnings); n > 0 {
		v.message += fmt.Sprintf("; warnings: %d, the first %s", n, p.warnings[0])
	}
	if v.untried {
		v.message = cut(v.message+notTried+p.untried, maxMessage)
	}
	return v
}

// shadowed is the verdict on a Sidecar that gives way.
func shadowed(name string) verdict {
	return verdict{reason: v1alpha1.ReasonShadowed, message: "the cluster has an entry of the name " + name + ", which wins: Pods get that one"}
}

// newStatus gives the status of an entry. Where pods is nil they are not counted yet, and stay as they were.
func newStatus(s *stored, v *verdict, pods *v1alpha1.PodCounts, now metav1.Time) v1alpha1.SidecarStatus {
	out := v1alpha1.SidecarStatus{ObservedGeneration: s.generation, Pods: s.status.Pods}
	if s.entry != nil {
		out.Revision, out.PodSecurityLevel = s.entry.Revision, string(s.entry.Level)
	}
	if pods != nil {
		out.Pods = *pods
	}
	ready := metav1.Condition{Type: v1alpha1.ConditionReady, Status: v.ready(), Reason: v.reason, Message: v.message,
		ObservedGeneration: s.generation, LastTransitionTime: now}
	if was := readyOf(s); was != nil && was.Status == ready.Status {
		ready.LastTransitionTime = was.LastTransitionTime
	}
	out.Conditions = []metav1.Condition{ready}
	return out
}

// readyOf gives the condition as it is stored, or nil.
func readyOf(s *stored) *metav1.Condition {
	return meta.FindStatusCondition(s.status.Conditions, v1alpha1.ConditionReady)
}

// sameStatus reports whether there is nothing to write. Conditions of others are theirs.
func sameStatus(is, want *v1alpha1.SidecarStatus) bool {
	ready := meta.FindStatusCondition(is.Conditions, v1alpha1.ConditionReady)
	return ready != nil && equality.Semantic.DeepEqual(*ready, want.Conditions[0]) && is.ObservedGeneration == want.ObservedGeneration &&
		is.Revision == want.Revision && is.PodSecurityLevel == want.PodSecurityLevel && is.Pods == want.Pods
}

// provedBefore reports whether the API server took a Pod with this very revision before.
func provedBefore(s *stored) bool {
	ready := readyOf(s)
	return ready != nil && ready.Reason == v1alpha1.ReasonProved && s.status.Revision == s.entry.Revision && !strings.Contains(ready.Message, notTried)
}

// hiddenBy reports whether a Sidecar gives way to an entry of the cluster.
func hiddenBy(c *sidecars.Catalog, s *stored) bool { return s.key.Namespace != "" && hidden(c, s.key) }
