package live

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/doctor"
)

// metadataOnly has the API server leave out all but metadata:
// https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"

// mostSuspects is how many Pods are read in full, of those that may lack what they ask for.
const mostSuspects = 100

// Snapshot reads what package doctor judges, of the given kinds. Pillion is looked for in the given Namespace, or where it
// is. Each request may take so long. What cannot be read is noted, and the time is for the caller to say; the error says that the API server does not answer.
func (s *Server) Snapshot(ctx context.Context, kinds []doctor.Kind, namespace string, each time.Duration) (*doctor.Snapshot, error) {
	g := &gathering{Server: s, kinds: kinds, timeout: each, s: &doctor.Snapshot{Unread: map[doctor.Kind]*doctor.Unread{}}}
	bound, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	text, err := raw(bound, s.client.Get().AbsPath("/version"))
	if err == nil {
		err = json.Unmarshal(text, &g.s.Server)
	}
	if err != nil {
		return nil, fmt.Errorf("the API server does not answer: %w", err)
	}
	g.everywhere(ctx)
	g.locate(ctx, namespace)
	g.own(ctx)
	return g.s, ctx.Err()
}

// gathering reads kinds side by side.
type gathering struct {
	*Server
	kinds   []doctor.Kind
	timeout time.Duration
	work    sync.WaitGroup

	mu sync.Mutex
	s  *doctor.Snapshot
}

// read reads a kind beside others: take gets the context, bounded, and stores what it reads by put.
func (g *gathering) read(ctx context.Context, kind doctor.Kind, verb, namespace string, take func(context.Context) error) {
	if !slices.Contains(g.kinds, kind) {
		return
	}
	g.work.Go(func() {
		bound, cancel := context.WithTimeout(ctx, g.timeout)
		defer cancel()
		err := take(bound)
		if err == nil || apierrors.IsNotFound(err) {
			return // what the API server does not know is not there
		}
		g.put(func() {
			g.s.Unread[kind] = &doctor.Unread{Verb: verb, Namespace: namespace, Err: cmp.Or(bound.Err(), err)}
		})
	})
}

func (g *gathering) put(store func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	store()
}

// listed reads a list of objects, all or those of a Namespace, into a slice.
func listed[T any](ctx context.Context, g *gathering, kind doctor.Kind, path, namespace string, into *[]T) {
	g.read(ctx, kind, "list", namespace, func(ctx context.Context) error {
		items, err := all[T](ctx, g, func() *rest.Request { return g.client.Get().AbsPath(path) }, path)
		g.put(func() { *into = items })
		return err
	})
}

// all decodes the items of a list.
func all[T any](ctx context.Context, g *gathering, request func() *rest.Request, path string) ([]T, error) {
	var items []T
	err := g.each(ctx, request, path, func(text json.RawMessage) error {
		var item T
		if err := json.Unmarshal(text, &item); err != nil {
			return err
		}
		items = append(items, item)
		return nil
	})
	return items, err
}

// The groups that are read.
const (
	admission   = "/apis/admissionregistration.k8s.io/v1/"
	definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
	group       = "/apis/" + v1alpha1.GroupVersion
)

// everywhere reads what is of the cluster or of all Namespaces.
func (g *gathering) everywhere(ctx context.Context) {
	listed(ctx, g, doctor.MutatingWebhooks, admission+"mutatingwebhookconfigurations", "", &g.s.MutatingWebhooks)
	listed(ctx, g, doctor.ValidatingWebhooks, admission+"validatingwebhookconfigurations", "", &g.s.ValidatingWebhooks)
	listed(ctx, g, doctor.Policies, admission+"validatingadmissionpolicies", "", &g.s.Policies)
	listed(ctx, g, doctor.Bindings, admission+"validatingadmissionpolicybindings", "", &g.s.Bindings)
	listed(ctx, g, doctor.DaemonSets, "/apis/apps/v1/daemonsets", "", &g.s.DaemonSets)
	g.read(ctx, doctor.Namespaces, "list", "", func(ctx context.Context) error {
		items, err := all[metav1.PartialObjectMetadata](ctx, g, func() *rest.Request {
			return g.client.Get().AbsPath("/api/v1/namespaces").SetHeader("Accept", metadataOnly)
		}, "namespaces")
		g.put(func() { g.s.Namespaces = items })
		return err
	})
	for kind, plural := range map[doctor.Kind]string{doctor.ClusterSidecars: "clustersidecars", doctor.Sidecars: "sidecars"} {
		g.read(ctx, kind, "list", "", func(ctx context.Context) error {
			items, err := all[json.RawMessage](ctx, g, func() *rest.Request { return g.client.Get().AbsPath(group + "/" + plural) }, plural)
			g.put(func() {
				for _, item := range items {
					g.s.Entries = append(g.s.Entries, item)
				}
			})
			return err
		})
	}
	g.read(ctx, doctor.Definitions, "get", "", func(ctx context.Context) error {
		for _, plural := range []string{"clustersidecars", "sidecars"} {
			text, err := raw(ctx, g.client.Get().AbsPath(definitions+plural+"."+v1alpha1.Group))
			if err == nil {
				g.put(func() { g.s.Definitions = append(g.s.Definitions, text) })
			} else if !apierrors.IsNotFound(err) {
				return err
			}
		}
		return nil
	})
	g.read(ctx, doctor.Nodes, "list", "", g.nodes)
	g.work.Wait()
}

func (g *gathering) nodes(ctx context.Context) error {
	type node struct {
		Metadata struct{ Name string }
		Status   struct {
			NodeInfo struct{ KubeletVersion, OperatingSystem string }
		}
	}
	items, err := all[node](ctx, g, func() *rest.Request { return g.client.Get().AbsPath("/api/v1/nodes") }, "nodes")
	g.put(func() {
		for _, n := range items {
			g.s.Nodes = append(g.s.Nodes, doctor.Node{Name: n.Metadata.Name, Kubelet: n.Status.NodeInfo.KubeletVersion, OS: n.Status.NodeInfo.OperatingSystem})
		}
	})
	return err
}

// locate finds the installation; where the webhook configuration does not tell, by looking at Deployments everywhere.
func (g *gathering) locate(ctx context.Context, namespace string) {
	g.s.Install = g.s.Locate(namespace)
	if g.s.Install != nil && g.s.Install.Namespace != "" {
		return
	}
	path := "/apis/apps/v1/deployments"
	if namespace != "" {
		path = "/apis/apps/v1/namespaces/" + namespace + "/deployments"
	}
	g.read(ctx, doctor.Deployments, "list", namespace, func(ctx context.Context) error {
		request := func() *rest.Request {
			return g.client.Get().AbsPath(path).Param("labelSelector", doctor.ComponentSelector)
		}
		items, err := all[appsv1.Deployment](ctx, g, request, path)
		g.put(func() { g.s.Deployments = items })
		return err
	})
	g.work.Wait()
	g.s.Install = g.s.Locate(namespace)
}

// own reads what is in Pillion's own Namespace, and the Pods that are concerned.
func (g *gathering) own(ctx context.Context) {
	g.read(ctx, doctor.Pods, "list", "", g.pods)
	if in := g.s.Install; in != nil && in.Namespace != "" {
		ns := in.Namespace
		listed(ctx, g, doctor.Deployments, "/apis/apps/v1/namespaces/"+ns+"/deployments", ns, &g.s.Deployments)
		listed(ctx, g, doctor.Services, "/api/v1/namespaces/"+ns+"/services", ns, &g.s.Services)
		listed(ctx, g, doctor.EndpointSlices, "/apis/discovery.k8s.io/v1/namespaces/"+ns+"/endpointslices", ns, &g.s.Slices)
		listed(ctx, g, doctor.Certificates, "/apis/cert-manager.io/v1/namespaces/"+ns+"/certificates", ns, &g.s.Certificates)
		g.work.Wait()
		g.read(ctx, doctor.Secrets, "get", ns, g.secrets)
		g.issuance(ctx)
	}
	g.work.Wait()
}

// issuance reads what lies behind Certificates that are not ready. It makes a finding clearer and no check needs it: what cannot be
// read is left out.
func (g *gathering) issuance(ctx context.Context) {
	unissued := g.s.Unissued()
	if len(unissued) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	const certManager = "/apis/cert-manager.io/v1/"
	in := certManager + "namespaces/" + g.s.Install.Namespace + "/"
	if requests, err := all[certmanagerv1.CertificateRequest](ctx, g, func() *rest.Request {
		return g.client.Get().AbsPath(in + "certificaterequests")
	}, "certificaterequests"); err == nil {
		g.put(func() { g.s.Requests = requests })
	}
	issuers := map[string]certmanagerv1.GenericIssuer{}
	for _, c := range unissued {
		key := doctor.IssuerKey(c)
		path := in + "issuers/"
		if strings.HasPrefix(key, certmanagerv1.ClusterIssuerKind+"/") {
			path = certManager + "clusterissuers/"
		}
		if _, known := issuers[key]; known || key == "" {
			continue
		}
		issuer := new(certmanagerv1.Issuer) // a ClusterIssuer has the same fields
		switch text, err := raw(ctx, g.client.Get().AbsPath(path+c.Spec.IssuerRef.Name)); {
		case apierrors.IsNotFound(err):
			issuers[key] = nil
		case err == nil && json.Unmarshal(text, issuer) == nil:
			issuers[key] = issuer
		}
	}
	g.put(func() { g.s.Issuers = issuers })
}

// secrets reads the certificates that are served; the keys beside them are dropped unread.
func (g *gathering) secrets(ctx context.Context) error {
	for _, name := range g.s.TLSSecrets() {
		text, err := g.Object(ctx, "v1", "secrets", g.s.Install.Namespace, name)
		if apierrors.IsNotFound(err) {
			continue
		}
		var secret struct {
			Metadata struct{ Annotations map[string]string }
			Data     struct {
				Cert []byte `json:"tls.crt"`
				CA   []byte `json:"ca.crt"`
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &secret)
		}
		if err != nil {
			return err
		}
		g.put(func() {
			g.s.Secrets = append(g.s.Secrets, doctor.Secret{Name: name, Certificate: secret.Metadata.Annotations["cert-manager.io/certificate-name"],
				Cert: secret.Data.Cert, CA: secret.Data.CA})
		})
	}
	return nil
}

// pods keeps the metadata of Pods that are concerned, and asks about those that may lack something.
func (g *gathering) pods(ctx context.Context) error {
	var kept []metav1.PartialObjectMetadata
	request := func() *rest.Request { return g.client.Get().AbsPath("/api/v1/pods").SetHeader("Accept", metadataOnly) }
	err := g.each(ctx, request, "pods", func(text json.RawMessage) error {
		var pod metav1.PartialObjectMetadata
		if err := json.Unmarshal(text, &pod); err != nil {
			return err
		}
		if g.s.Concerns(&pod) {
			pod.ManagedFields = nil
			kept = append(kept, pod)
		}
		return nil
	})
	if err != nil {
		return err
	}
	g.put(func() { g.s.Pods = kept })
	facts := map[string]doctor.PodFacts{}
	for _, pod := range g.s.Suspects(mostSuspects) {
		text, err := g.Object(ctx, "v1", "pods", pod.Namespace, pod.Name)
		if apierrors.IsNotFound(err) {
			continue // it is gone by now
		}
		var is struct {
			Spec struct {
				HostNetwork bool
				OS          struct{ Name string }
			}
			Status struct{ Phase string }
		}
		if err == nil {
			err = json.Unmarshal(text, &is)
		}
		if err != nil {
			return err
		}
		facts[doctor.Key(pod)] = doctor.PodFacts{Ended: is.Status.Phase == "Succeeded" || is.Status.Phase == "Failed",
			Exempt: is.Spec.HostNetwork || is.Spec.OS.Name == "windows"}
	}
	g.put(func() { g.s.Facts = facts })
	return nil
}
