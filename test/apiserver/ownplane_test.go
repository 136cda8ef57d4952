package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/cluster"
)

// ownPlane is a control plane of these tests: they stop it, and count the entries it has. Nothing validates what is written.
type ownPlane struct {
	*cluster.Cluster
	config *rest.Config
	client dynamic.Interface
}

var startOwn = sync.OnceValues(func() (*ownPlane, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	control, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	plane.stop = append(plane.stop, control.Stop)
	p := &ownPlane{Cluster: control}
	if p.config, err = clientcmd.BuildConfigFromFlags("", control.Kubeconfig()); err != nil {
		return nil, err
	}
	fast := rest.CopyConfig(p.config)
	fast.QPS = -1
	p.client, err = dynamic.NewForConfig(fast)
	return p, err
})

var (
	definitionsResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	namespacesResource  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	clusterResource     = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "clustersidecars"}
	sidecarsResource    = schema.GroupVersionResource{Group: v1alpha1.Group, Version: v1alpha1.Version, Resource: "sidecars"}
)

// useOwn gives the control plane, with the definitions, the Namespaces shop and blog, and no entry.
func useOwn(t *testing.T) *ownPlane {
	t.Helper()
	p, err := startOwn()
	if err != nil {
		t.Fatal(err)
	}
	p.define(t)
	p.namespaces(t, "shop", "blog")
	p.clear(t)
	return p
}

func (p *ownPlane) namespaces(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		p.apply(t, namespacesResource, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}})
	}
}

func (p *ownPlane) define(t *testing.T) {
	t.Helper()
	for _, text := range crds.All() {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &u.Object); err != nil {
			t.Fatal(err)
		}
		p.apply(t, definitionsResource, u)
	}
	await(t, "both kinds are served", func() error {
		_, err := p.client.Resource(clusterResource).List(t.Context(), metav1.ListOptions{})
		_, err2 := p.client.Resource(sidecarsResource).List(t.Context(), metav1.ListOptions{})
		return errors.Join(err, err2)
	})
}

// undefine removes the definitions, and every entry with them.
func (p *ownPlane) undefine(t *testing.T) {
	t.Helper()
	for _, r := range []schema.GroupVersionResource{clusterResource, sidecarsResource} {
		if err := p.client.Resource(definitionsResource).Delete(t.Context(), r.GroupResource().String(), metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "no kind is served", func() error {
		for _, r := range []schema.GroupVersionResource{clusterResource, sidecarsResource} {
			if _, err := p.client.Resource(r).List(t.Context(), metav1.ListOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%s: %w", r.Resource, err)
			}
		}
		return nil
	})
}

func (p *ownPlane) clear(t *testing.T) {
	t.Helper()
	err := p.client.Resource(clusterResource).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{})
	for _, ns := range []string{"shop", "blog"} {
		err = errors.Join(err, p.client.Resource(sidecarsResource).Namespace(ns).DeleteCollection(t.Context(), metav1.DeleteOptions{}, metav1.ListOptions{}))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// resourceOf gives the resource of the entries with such a key.
func (p *ownPlane) resourceOf(key sidecars.Key) dynamic.ResourceInterface {
	if key.Namespace == "" {
		return p.client.Resource(clusterResource)
	}
	return p.client.Resource(sidecarsResource).Namespace(key.Namespace)
}

func (p *ownPlane) apply(t *testing.T, resource schema.GroupVersionResource, u *unstructured.Unstructured) {
	t.Helper()
	if _, err := p.client.Resource(resource).Apply(t.Context(), u.GetName(), u, metav1.ApplyOptions{FieldManager: "test", Force: true}); err != nil {
		t.Fatal(err)
	}
}

// put writes an entry, new or not.
func (p *ownPlane) put(ctx context.Context, text []byte) error {
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(text); err != nil {
		return err
	}
	key := sidecars.Key{Namespace: u.GetNamespace(), Name: u.GetName()}
	_, err := p.resourceOf(key).Apply(ctx, key.Name, u, metav1.ApplyOptions{FieldManager: "test", Force: true})
	return err
}

func (p *ownPlane) delete(t *testing.T, key sidecars.Key) {
	t.Helper()
	if err := p.resourceOf(key).Delete(t.Context(), key.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

func annotate(t *testing.T, p *ownPlane, namespace, value string) {
	t.Helper()
	p.apply(t, namespacesResource, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": namespace, "annotations": map[string]any{"pillion.dev/test": value}}}})
}

// versions are entries by their key, each with the tag of its image: what tests vary.
type versions map[sidecars.Key]string

// badVersion is that of an entry whose mistake the API server does not see.
const badVersion = "bad"

func entryAt(t *testing.T, key sidecars.Key, version string) []byte {
	t.Helper()
	kind, more := v1alpha1.KindClusterSidecar, ""
	if key.Namespace != "" {
		kind = v1alpha1.KindSidecar
	}
	if version == badVersion {
		more = "      args: [$(params.nobody)]\n"
	}
	object := entryJSON(t, kind, key.Name, key.Namespace, more)
	return bytes.Replace(object, []byte("sidecar:1"), []byte("sidecar:"+version), 1)
}

// write writes entries, and deletes those without a version.
func (p *ownPlane) write(t *testing.T, entries versions) {
	t.Helper()
	for key, version := range entries {
		if version == "" {
			p.delete(t, key)
		} else if err := p.put(t.Context(), entryAt(t, key, version)); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *ownPlane) writeMany(t *testing.T, keys []sidecars.Key, version string) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, key := range keys {
		text := entryAt(t, key, version)
		group.Go(func() error { return p.put(t.Context(), text) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}
