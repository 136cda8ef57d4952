package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Kind is a kind of object that a Snapshot holds, as resource.group.
type Kind string

// The kinds.
const (
	MutatingWebhooks   Kind = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
	ValidatingWebhooks Kind = "validatingwebhookconfigurations.admissionregistration.k8s.io"
	Policies           Kind = "validatingadmissionpolicies.admissionregistration.k8s.io"
	Bindings           Kind = "validatingadmissionpolicybindings.admissionregistration.k8s.io"
	Definitions        Kind = "customresourcedefinitions.apiextensions.k8s.io"
	Namespaces         Kind = "namespaces"
	Nodes              Kind = "nodes"
	ClusterSidecars    Kind = "clustersidecars.pillion.dev"
	Sidecars           Kind = "sidecars.pillion.dev"
	DaemonSets         Kind = "daemonsets.apps"
	Pods               Kind = "pods"
	// These are read in Pillion's own Namespace alone.
	Deployments    Kind = "deployments.apps"
	Services       Kind = "services"
	EndpointSlices Kind = "endpointslices.discovery.k8s.io"
	Secrets        Kind = "secrets"
	Certificates   Kind = "certificates.cert-manager.io"
)

// Unread says why a kind could not be read.
type Unread struct {
	// Verb and Namespace of the request; an empty Namespace stands for all.
	Verb, Namespace string
	Err             error
}

// Missing reports whether the API server does not know the kind.
func (u *Unread) Missing() bool { return apierrors.IsNotFound(u.Err) }

// Forbidden reports whether the user lacks a right.
func (u *Unread) Forbidden() bool { return apierrors.IsForbidden(u.Err) }

// why words it for people.
func (u *Unread) why(kind Kind) string {
	where := "of the cluster"
	if u.Namespace != "" {
		where = "in Namespace " + u.Namespace
	}
	switch {
	case u.Forbidden():
		return fmt.Sprintf("%s cannot be read: the right to %s %s %s is missing", kind, u.Verb, kind, where)
	case errors.Is(u.Err, context.DeadlineExceeded):
		return fmt.Sprintf("%s cannot be read: no answer in time", kind)
	}
	return fmt.Sprintf("%s cannot be read: %s", kind, oneLine(u.Err.Error()))
}

// canI is the command that asks for the right.
func (u *Unread) canI(kind Kind) string {
	command := "kubectl auth can-i " + u.Verb + " " + string(kind)
	if u.Namespace != "" {
		return command + " -n " + u.Namespace
	}
	if kind == Pods || kind == Sidecars || kind == DaemonSets || kind == Deployments {
		return command + " -A"
	}
	return command
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
