package doctor

import (
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"

	"github.com/pillion-dev/pillion/sidecars"
)

// Snapshot is what is known of a cluster. A kind that is in Unread has no objects here.
type Snapshot struct {
	// Now is the time by which certificates are judged.
	Now time.Time
	// CLI is the version of the program that asks; empty or (devel) where it is no release.
	CLI string
	// Server is what the API server says of itself.
	Server version.Info

	MutatingWebhooks   []admissionregistrationv1.MutatingWebhookConfiguration
	ValidatingWebhooks []admissionregistrationv1.ValidatingWebhookConfiguration
	Policies           []admissionregistrationv1.ValidatingAdmissionPolicy
	Bindings           []admissionregistrationv1.ValidatingAdmissionPolicyBinding
	// Definitions are Pillion's, of those that are there; each as JSON.
	Definitions [][]byte
	// Namespaces and Pods have metadata alone; Pods only those that ask or are injected, or whose Namespace asks.
	Namespaces []metav1.PartialObjectMetadata
	Pods       []metav1.PartialObjectMetadata
	// Facts of Pods that may lack what they ask for, by Key.
	Facts map[string]PodFacts
	Nodes []Node
	// Entries are ClusterSidecars and Sidecars, each as JSON. Catalog is the one in force by them.
	Entries [][]byte
	Catalog *sidecars.Catalog
	// DaemonSets and Deployments: the first of all Namespaces, the second of Pillion's own.
	DaemonSets  []appsv1.DaemonSet
	Deployments []appsv1.Deployment
	Services    []corev1.Service
	Slices      []discoveryv1.EndpointSlice
	Secrets     []Secret
	// Certificates are cert-manager's in Pillion's own Namespace.
	Certificates []certmanagerv1.Certificate
	// Requests and Issuers are what lies behind Certificates that are not ready, as far as it can be read: the CertificateRequests of
	// that Namespace, and the issuers by IssuerKey. One that is not there is nil.
	Requests []certmanagerv1.CertificateRequest
	Issuers  map[string]certmanagerv1.GenericIssuer

	// Install is where Pillion is; nil where it is not found.
	Install *Install
	// Asked is the Namespace that the user names for the trial; empty where any will do. Trials are the Pods that the API
	// server was asked about.
	Asked  string
	Trials []Trial

	// Unread says which kinds could not be read, and why.
	Unread map[Kind]*Unread
}

// Node is what is read of a node.
type Node struct{ Name, Kubelet, OS string }

// Secret is what is read of a TLS Secret: never its key.
type Secret struct {
	Name string
	// Certificate is the name of the cert-manager Certificate that it is of; empty where it is of none.
	Certificate string
	// Cert is the serving chain, CA what vouches for it, both as PEM.
	Cert, CA []byte
}

// namespace gives the metadata of a Namespace; nil where it is not there.
func (s *Snapshot) namespace(name string) *metav1.PartialObjectMetadata {
	for i := range s.Namespaces {
		if s.Namespaces[i].Name == name {
			return &s.Namespaces[i]
		}
	}
	return nil
}

// deployment gives one of Pillion's Deployments by name; nil where it is not there.
func (s *Snapshot) deployment(name string) *appsv1.Deployment {
	for i := range s.Deployments {
		if s.Deployments[i].Name == name && s.Deployments[i].Namespace == s.Install.Namespace {
			return &s.Deployments[i]
		}
	}
	return nil
}

// service gives one of Pillion's Services by name; nil where it is not there.
func (s *Snapshot) service(name string) *corev1.Service {
	for i := range s.Services {
		if s.Services[i].Name == name {
			return &s.Services[i]
		}
	}
	return nil
}

// secret gives a Secret by name; nil where it is not there.
func (s *Snapshot) secret(name string) *Secret {
	for i := range s.Secrets {
		if s.Secrets[i].Name == name {
			return &s.Secrets[i]
		}
	}
	return nil
}
