package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
)

// examplePlane is a control plane to which examples are applied: the webhook serves the embedded entries and those that are
// written, and Pods of labelled Namespaces go through it.
type examplePlane struct {
	url    string
	http   *http.Client
	client dynamic.Interface
	kinds  *restmapper.DeferredDiscoveryRESTMapper
}

var startExamples = sync.OnceValues(func() (*examplePlane, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of the control plane
	defer cancel()
	control, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	plane.stop = append(plane.stop, control.Stop)
	p := &examplePlane{url: control.URL(), http: control.HTTPClient()}
	config, err := clientcmd.BuildConfigFromFlags("", control.Kubeconfig())
	if err != nil {
		return nil, err
	}
	fast := rest.CopyConfig(config)
	fast.QPS = -1
	if p.client, err = dynamic.NewForConfig(fast); err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfig(fast)
	if err != nil {
		return nil, err
	}
	p.kinds = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
	if err := p.define(ctx); err != nil {
		return nil, err
	}
	return p, p.serve(ctx, control.Kubeconfig())
})

func useExamples(t *testing.T) *examplePlane {
	t.Helper()
	p, err := startExamples()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// define writes the definitions of our kinds and of cert-manager's, which an example asks for certificates.
func (p *examplePlane) define(ctx context.Context) error {
	texts := crds.All()
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		return fmt.Errorf("cert-manager's module: %w", err)
	}
	for _, kind := range []string{"certificates", "issuers"} {
		text, err := os.ReadFile(filepath.Join(string(module[:len(module)-1]), "deploy", "crds", "cert-manager.io_"+kind+".yaml"))
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &u.Object); err != nil {
			return err
		}
		if _, err := p.client.Resource(definitionsResource).Create(ctx, u, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// serve runs the webhook and registers it.
func (p *examplePlane) serve(ctx context.Context, kubeconfig string) error {
	server, err := serving.Start(ctx, serving.Config{Kubeconfig: kubeconfig, FromCluster: true})
	if err != nil {
		return err
	}
	plane.stop = append(plane.stop, server.Stop)
	a, err := serving.Post(p.http, p.url+"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", server.Registration())
	if err == nil && a.Status != http.StatusCreated {
		err = errors.New(a.Message())
	}
	if err != nil {
		return err
	}
	const probe = "is-called"
	if err := p.namespace(ctx, probe, nil, nil); err != nil {
		return err
	}
	pod := []byte(`{"metadata":{"name":"probe","annotations":{"pillion.dev/inject":"nobody"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}}`)
	return eventually("the webhook is called", func() error {
		a, err := serving.Post(p.http, p.url+"/api/v1/namespaces/"+probe+"/pods?dryRun=All", pod)
		if err == nil && a.Status != http.StatusForbidden {
			err = fmt.Errorf("%d %s", a.Status, a.Message())
		}
		return err
	})
}

// namespace makes a Namespace whose Pods go through the webhook, with its service account.
func (p *examplePlane) namespace(ctx context.Context, name string, labels, annotations map[string]string) error {
	all := map[string]any{serving.Label: "on"}
	for key, v := range labels {
		all[key] = v
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": name, "labels": all, "annotations": annotations}})
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		return err
	}
	if _, err := p.client.Resource(namespacesResource).Create(ctx, u, metav1.CreateOptions{}); err != nil {
		return err
	}
	// The controller-manager makes it too; Pods need it now.
	a, err := serving.Post(p.http, p.url+"/api/v1/namespaces/"+name+"/serviceaccounts", []byte(`{"metadata":{"name":"default"}}`))
	if err == nil && a.Status != http.StatusCreated && a.Status != http.StatusConflict {
		err = errors.New(a.Message())
	}
	return err
}

// apply creates an object in a Namespace, where it names none, as `kubectl apply` would: a field that the API does not know is
// an error.
func (p *examplePlane) apply(ctx context.Context, namespace string, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	gvk := u.GroupVersionKind()
	mapping, err := p.kinds.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		p.kinds.Reset()
		return nil, err
	}
	var into dynamic.ResourceInterface = p.client.Resource(mapping.Resource)
	if mapping.Scope.Name() == "namespace" {
		if u.GetNamespace() != "" {
			namespace = u.GetNamespace()
		}
		into = p.client.Resource(mapping.Resource).Namespace(namespace)
	}
	return into.Create(ctx, u, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
}
