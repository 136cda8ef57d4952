// Package kubernetes keeps keys up to date from the API server: the data of named ConfigMaps and the endpoints of named
// Services of one Namespace, by list and watch. It needs a token with these rights: get, list and watch of the ConfigMaps
// by their names, list and watch of EndpointSlices.
//
// It asks in JSON over net/http. The client of Kubernetes, with the types of all its objects, would be a third of confd's
// program, and 5 MB of what a Pod pays for confd with any backend.
package kubernetes

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/confd"
)

// Backend follows ConfigMaps and Services. A key NAME of a ConfigMap is /configmaps/CONFIGMAP/NAME; an endpoint that is
// ready is /endpoints/SERVICE/PORT/ADDRESS, PORT being the port's name, or its number where it has none, with ADDRESS:NUMBER
// as the value.
type Backend struct {
	Server     string       // the API server's URL
	Client     *http.Client // shows who asks; in a Pod, Pod.Client
	Namespace  string
	ConfigMaps []string
	Services   []string
}

// Selects knows directories: /configmaps/a does not select /configmaps/ab.
func (b *Backend) Selects(path, key string) bool { return confd.Below(path, key) }

// Follow keeps keys up to date until the context ends, or the API server refuses or cannot be reached; what was read before
// stays.
func (b *Backend) Follow(ctx context.Context, _ []string, keys *confd.Keys) error {
	all := &stores{keys: keys}
	var sources []*source
	for _, name := range b.ConfigMaps {
		sources = append(sources, &source{
			url: b.Server + "/api/v1/namespaces/" + b.Namespace + "/configmaps", resource: "configmaps",
			fields: "metadata.name=" + name, store: all.add((*object).configMap),
		})
	}
	if len(b.Services) > 0 {
		sources = append(sources, &source{
			url: b.Server + "/apis/discovery.k8s.io/v1/namespaces/" + b.Namespace + "/endpointslices", resource: "endpointslices",
			labels: serviceLabel + " in (" + strings.Join(b.Services, ",") + ")", store: all.add((*object).endpointSlice),
		})
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range sources {
		s.client = b.Client
		group.Go(func() error { return s.follow(ctx) })
	}
	return group.Wait()
}
