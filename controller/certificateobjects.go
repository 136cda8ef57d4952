package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/pillion-dev/pillion/sidecars"
)

// certificateManager is whom managedFields name for what Certificates writes.
const certificateManager = "pillion-certificates"

// authorityMade is an annotation of a CA's Secret that has had a CA in it: whoever empties it wants another, and one who is trusted
// by nobody else.
const authorityMade = "pillion.dev/authority-made"

var secretsResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

func admissionResource(resource string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: resource}
}

// configuration is what is needed of a webhook configuration.
type configuration struct {
	client        dynamic.ResourceInterface
	kind, version string
	name          string
	// bundles are those of its webhooks, in order.
	bundles [][]byte
}

// readConfiguration reads a MutatingWebhookConfiguration or a ValidatingWebhookConfiguration.
func readConfiguration(ctx context.Context, client dynamic.ResourceInterface, name string) (*configuration, error) {
	u, err := client.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var o struct {
		Webhooks []struct {
			ClientConfig struct {
				CABundle []byte `json:"caBundle"`
			} `json:"clientConfig"`
		} `json:"webhooks"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &o); err != nil {
		return nil, err
	}
	c := &configuration{client: client, kind: u.GetKind(), name: name, version: u.GetResourceVersion()}
	for _, w := range o.Webhooks {
		c.bundles = append(c.bundles, w.ClientConfig.CABundle)
	}
	return c, nil
}

// place puts a bundle into every webhook that has another and says why, or nothing where none has. It touches nothing else, and
// changes the configuration as it was read and no other.
func (c *configuration) place(ctx context.Context, bundle []byte) (why string, err error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	ops := []operation{{"test", "/metadata/resourceVersion", c.version}}
	for i, b := range c.bundles {
		if bytes.Equal(b, bundle) {
			continue
		}
		why = "its caBundle was empty"
		if len(b) > 0 {
			why = "its caBundle was another"
		}
		ops = append(ops, operation{"add", fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), bundle})
	}
	if why == "" {
		return "", nil
	}
	patch, err := json.Marshal(ops)
	if err == nil {
		_, err = c.client.Patch(ctx, c.name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: certificateManager})
	}
	return why, err
}

// follow watches one object, by its name, which is all that the rights allow, and calls changed where it may be another. What
// is in it is not read.
func follow(ctx context.Context, client metadata.Interface, of schema.GroupVersionResource, namespace, name string, changed func(), log *slog.Logger) {
	var resource metadata.ResourceInterface = client.Resource(of)
	if namespace != "" {
		resource = client.Resource(of).Namespace(namespace)
	}
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return resource.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return resource.Watch(ctx, o)
		},
	}
	same := func(object any) (any, error) { return object, nil }
	f := newFollower(same, func(sidecars.Key, any) { changed() }, func(sidecars.Key) { changed() })
	f.run(ctx, lw, &metav1.PartialObjectMetadata{}, of.Resource+" "+name, log)
}
