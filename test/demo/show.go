package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/cli"
	"github.com/pillion-dev/pillion/manifest"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/test/serving"
)

// object is what the demo reads of an example.
type object struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	raw        []byte
	pod        []byte
}

func (o *object) name() string { return o.Metadata["name"].(string) }

func (o *object) namespace() string {
	if ns, ok := o.Metadata["namespace"].(string); ok {
		return ns
	}
	return namespace
}

// showAll creates every example and prints what came back: those in refused/ last.
func (s *stage) showAll(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	bad, err := filepath.Glob(filepath.Join(dir, "refused", "*.yaml"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no examples in %s", dir)
	}
	for _, f := range slices.Concat(files, bad) {
		if err := s.showFile(ctx, f); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	return nil
}

func (s *stage) showFile(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, "── "+path))
	docs := manifest.NewReader(f, path)
	for {
		doc, err := docs.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		raw, err := doc.JSON()
		if err != nil || raw == nil {
			return err
		}
		if err := s.show(ctx, raw); err != nil {
			return err
		}
	}
}

// readObject reads the one object of a file.
func readObject(path string) (*object, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := manifest.NewReader(f, path).Next()
	if err != nil {
		return nil, err
	}
	raw, err := doc.JSON()
	if err != nil {
		return nil, err
	}
	o := &object{raw: raw}
	return o, json.Unmarshal(raw, o)
}

func (s *stage) show(ctx context.Context, raw []byte) error {
	o := object{raw: raw}
	if err := json.Unmarshal(raw, &o); err != nil {
		return err
	}
	at, hasPod := sidecars.PodPointer(o.APIVersion, o.Kind)
	switch {
	case o.APIVersion == v1alpha1.GroupVersion:
		return s.showEntry(ctx, &o)
	case o.Kind == "Namespace":
		return s.createNamespace(o.name(), &o)
	case !hasPod:
		return s.create(ctx, &o)
	}
	o.pod = below(raw, at)
	if o.Kind == "CronJob" {
		return s.showJobOf(ctx, &o)
	}
	return s.showPods(ctx, &o)
}

// showJobOf starts the Job of a CronJob at once, as kubectl create job --from does.
func (s *stage) showJobOf(ctx context.Context, cron *object) error {
	if err := s.create(ctx, cron); err != nil {
		return err
	}
	job := map[string]any{}
	if err := json.Unmarshal(below(cron.raw, "/spec/jobTemplate"), &job); err != nil {
		return err
	}
	meta, _ := job["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	meta["name"], meta["namespace"] = cron.name()+"-now", cron.namespace()
	job["apiVersion"], job["kind"], job["metadata"] = "batch/v1", "Job", meta
	raw, err := json.Marshal(job)
	if err != nil {
		return err
	}
	return s.showPods(ctx, &object{APIVersion: "batch/v1", Kind: "Job", Metadata: meta, raw: raw, pod: cron.pod})
}

// showPods creates an object and prints the first Pod that comes of it, or the refusal.
func (s *stage) showPods(ctx context.Context, o *object) error {
	a, err := s.createUntilReady(ctx, o)
	if err != nil {
		return err
	}
	title := strings.ToLower(o.Kind) + "/" + o.name()
	if a.Status >= 300 {
		s.refused++
		fmt.Fprintf(s.out, "%s %s\n", title, s.paint(red, "refused:"))
		for line := range strings.SplitSeq(a.Message(), "\n") {
			fmt.Fprintln(s.out, "  "+line)
		}
		return nil
	}
	pod := a.Body
	if o.Kind != "Pod" {
		if pod, err = s.awaitPod(ctx, o); err != nil {
			return err
		}
		title += s.paint(faint, ", the Pod that its controller made")
	}
	fmt.Fprintln(s.out, title)
	for _, w := range a.Warnings {
		fmt.Fprintln(s.out, "  warning: "+w)
	}
	if below(pod, "/metadata/annotations/pillion.dev~1status") == nil {
		return fmt.Errorf("%s came back without sidecars", title)
	}
	s.injected++
	return cli.PrintTree(s.out, o.pod, pod, s.colour)
}

// createUntilReady creates an object, and again where its Namespace has no service account yet.
func (s *stage) createUntilReady(ctx context.Context, o *object) (*serving.Answer, error) {
	for {
		a, err := serving.Post(s.client, s.cluster.URL()+collection(o), o.raw)
		if err != nil || !strings.Contains(a.Message(), "serviceaccount") || a.Status < 300 {
			return a, err
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

func (s *stage) create(ctx context.Context, o *object) error {
	a, err := s.createUntilReady(ctx, o)
	if err == nil && a.Status >= 300 {
		err = errors.New(a.Message())
	}
	return err
}

// awaitPod waits for a Pod whose owners lead to the object.
func (s *stage) awaitPod(ctx context.Context, o *object) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		a, err := serving.Do(s.client, "GET", s.cluster.URL()+"/api/v1/namespaces/"+o.namespace()+"/pods", nil)
		if err != nil {
			return nil, err
		}
		var list struct{ Items []json.RawMessage }
		if err := json.Unmarshal(a.Body, &list); err != nil {
			return nil, err
		}
		for _, pod := range list.Items {
			var owned struct {
				Metadata struct {
					OwnerReferences []struct{ Kind, Name string }
				}
			}
			if json.Unmarshal(pod, &owned) != nil || len(owned.Metadata.OwnerReferences) == 0 {
				continue
			}
			if strings.HasPrefix(owned.Metadata.OwnerReferences[0].Name, o.name()) {
				return pod, nil
			}
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("no Pod of %s/%s came: %w", o.Kind, o.name(), err)
		}
	}
}

// createNamespace creates a Namespace whose Pods the webhook sees; an example adds its labels and annotations.
func (s *stage) createNamespace(name string, o *object) error {
	meta := map[string]any{"name": name}
	if o != nil {
		meta = maps.Clone(o.Metadata)
	}
	labels, _ := meta["labels"].(map[string]any)
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]any{}
	}
	labels[serving.Label] = "on"
	meta["labels"] = labels
	raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
	if err != nil {
		return err
	}
	if o != nil {
		fmt.Fprintln(s.out, "namespace/"+name)
	}
	return s.post("/api/v1/namespaces", raw)
}

// awaitWebhook asks for a Pod, without keeping it, until it comes back injected: the API server takes a moment to notice a
// new webhook.
func (s *stage) awaitWebhook(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	probe := &object{APIVersion: "v1", Kind: "Pod", Metadata: map[string]any{"name": "probe"}, raw: []byte(
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","annotations":{"pillion.dev/inject":"none-such"}},"spec":{"containers":[{"name":"a","image":"a"}]}}`)}
	for {
		a, err := serving.Post(s.client, s.cluster.URL()+collection(probe)+"?dryRun=All", probe.raw)
		if err != nil {
			return err
		}
		if strings.Contains(a.Message(), "no such sidecar") {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("the API server does not call the webhook: %s", a.Message())
		}
	}
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// collection gives the path of an object's collection.
func collection(o *object) string {
	root := "/apis/" + o.APIVersion
	if o.Kind == v1alpha1.KindClusterSidecar {
		return root + "/clustersidecars"
	}
	if !strings.Contains(o.APIVersion, "/") {
		root = "/api/" + o.APIVersion
	}
	return root + "/namespaces/" + o.namespace() + "/" + strings.ToLower(o.Kind) + "s"
}

// below gives the JSON at a pointer into maps, or nil.
func below(raw []byte, pointer string) []byte {
	for key := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if key == "" {
			continue
		}
		var m map[string]json.RawMessage
		if json.Unmarshal(raw, &m) != nil {
			return nil
		}
		raw = m[strings.ReplaceAll(key, "~1", "/")]
	}
	return raw
}
