package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Profiles writes the ConfigMap from which nodes know what a revision of an entry asks of the node helper: a key
// <entry>.<revision> for each entry that is for all Namespaces, with its spec.node, or {} where it asks nothing. Revisions that Pods still carry stay.
type Profiles struct {
	client    corev1client.ConfigMapsGetter
	namespace string
	name      string
	entries   *Entries
	pods      *Pods
	log       *slog.Logger

	// unused is since when nothing has needed a key.
	unused map[string]time.Time
}

// Times of the profiles.
const (
	// profilesEvery is how often they are looked at. A node has them a minute or so later, which is the kubelet's time.
	profilesEvery = 2 * time.Second
	// profilesKept is how long a profile stays that nothing needs, for Pods that are just being made with it.
	profilesKept = time.Hour
	// maxProfiles bounds the ConfigMap's size, in bytes; the API server takes a mebibyte.
	maxProfiles = 900 << 10
)

// Start keeps the ConfigMap as it should be until the context ends.
func (p *Profiles) Start(ctx context.Context) error {
	if p.entries.Wait(ctx) != nil || p.pods.wait(ctx) != nil {
		return nil
	}
	p.unused = map[string]time.Time{}
	var failure string
	for {
		text := ""
		if err := p.write(ctx); err != nil {
			text = err.Error()
		}
		if text != failure && ctx.Err() == nil {
			failure = text
			p.log.Info("profiles", "configMap", p.namespace+"/"+p.name, "error", text)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(profilesEvery):
		}
	}
}

// write writes the ConfigMap, where it is another.
func (p *Profiles) write(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	client := p.client.ConfigMaps(p.namespace)
	is, err := client.Get(ctx, p.name, metav1.GetOptions{})
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return err
	}
	if missing {
		is = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: p.name, Namespace: p.namespace}}
	}
	want, err := p.wanted(is.Data, time.Now())
	if err != nil {
		return err
	}
	if !missing && maps.Equal(want, is.Data) {
		return nil
	}
	is.Data = want
	if missing {
		_, err = client.Create(ctx, is, metav1.CreateOptions{FieldManager: fieldManager})
	} else {
		_, err = client.Update(ctx, is, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	return err
}

// wanted gives the profiles of all entries, and of the older ones in the map those that are still needed.
func (p *Profiles) wanted(is map[string]string, now time.Time) (map[string]string, error) {
	want, size := map[string]string{}, 0
	for _, e := range p.entries.Catalog().All() {
		if e.Namespace != "" {
			continue
		}
		text, err := json.Marshal(cmp.Or(e.Spec.Node, &v1alpha1.Node{}))
		if err != nil {
			return nil, err
		}
		want[e.Name+"."+e.Revision] = string(text)
		size += len(text)
	}
	carried := p.pods.revisions()
	for _, key := range slices.Sorted(maps.Keys(is)) {
		if _, current := want[key]; current || carried[key] {
			delete(p.unused, key)
		} else if _, known := p.unused[key]; !known {
			p.unused[key] = now
		}
		if since, unused := p.unused[key]; unused && now.Sub(since) > profilesKept {
			delete(p.unused, key)
			continue
		}
		if _, current := want[key]; !current {
			want[key] = is[key]
			size += len(is[key])
		}
	}
	if size > maxProfiles {
		return nil, fmt.Errorf("%d bytes of profiles, the most is %d: no node learns of new ones", size, maxProfiles)
	}
	return want, nil
}

// revisions gives <sidecar>.<revision> of all that Pods carry.
func (p *Pods) revisions() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]bool{}
	for _, spaces := range p.byName {
		for _, carryings := range spaces {
			for _, c := range carryings {
				if r := c.revision(); r != "" {
					out[c.sidecar+"."+r] = true
				}
			}
		}
	}
	return out
}

// revision is the one that was injected.
func (c *carrying) revision() string {
	pod, err := sidecars.ReadPod([]byte(c.pod))
	if err != nil {
		return ""
	}
	for _, s := range sidecars.NewCatalog().States(pod, &sidecars.Namespace{}) {
		if s.Name == c.sidecar {
			return s.Revision
		}
	}
	return ""
}
