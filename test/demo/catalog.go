package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/api/crds"
	"github.com/pillion-dev/pillion/test/serving"
)

// define installs the CRDs, so that the webhook finds them when it starts.
func (s *stage) define() error {
	for _, text := range crds.All() {
		object, err := yaml.YAMLToJSON(text)
		if err != nil {
			return err
		}
		if err := s.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", object); err != nil {
			return err
		}
	}
	return nil
}

// startController starts the program that validates entries and writes their status, and registers it.
func (s *stage) startController(ctx context.Context) (err error) {
	s.controller, err = serving.StartController(ctx, serving.ControllerConfig{Kubeconfig: s.cluster.Kubeconfig(), Namespace: "default"})
	if err != nil {
		return err
	}
	return s.post("/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", s.controller.Registration("pillion"))
}

// showCatalog writes a platform team's entries to the API server, one of them with mistakes; creates a Pod that asks for a
// good one; and prints what the API server then says of the entries.
func (s *stage) showCatalog(ctx context.Context, dir string) error {
	if err := s.createNamespace("shop", nil); err != nil {
		return err
	}
	bad := filepath.Join(dir, "catalog", "refused", "cache.yaml")
	if err := s.awaitRefusal(ctx, bad); err != nil {
		return err
	}
	entries, err := filepath.Glob(filepath.Join(dir, "catalog", "entries", "*.yaml"))
	if err != nil {
		return err
	}
	pod := filepath.Join(dir, "catalog", "tests", "statsd-defaults", "pod.yaml")
	for _, file := range append(entries, pod, bad) {
		if err := s.showFile(ctx, file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return s.showTable(ctx)
}

// awaitRefusal asks for an entry with mistakes, without keeping it, until the controller is called.
func (s *stage) awaitRefusal(ctx context.Context, file string) error {
	o, err := readObject(file)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		a, err := serving.Post(s.client, s.cluster.URL()+collection(o)+"?dryRun=All", o.raw)
		if err != nil {
			return err
		}
		if a.Status >= 300 && strings.Contains(a.Message(), "entries.pillion.dev") {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("the API server does not call the controller: %s", a.Message())
		}
	}
}

// showEntry writes an entry and prints the answer; a Pod can ask for it as soon as the webhook has seen it.
func (s *stage) showEntry(ctx context.Context, o *object) error {
	a, err := serving.Post(s.client, s.cluster.URL()+collection(o), o.raw)
	if err != nil {
		return err
	}
	title := strings.ToLower(o.Kind) + "/" + o.name()
	if a.Status >= 300 {
		s.refused++
		fmt.Fprintf(s.out, "%s %s\n", title, s.paint(red, "refused:"))
		for _, why := range causes(a) {
			fmt.Fprintln(s.out, "  "+why)
		}
		return nil
	}
	fmt.Fprintln(s.out, title+" "+s.paint(faint, "accepted"))
	for _, w := range a.Warnings {
		fmt.Fprintln(s.out, "  warning: "+w)
	}
	return s.awaitEntry(ctx, o)
}

// causes are the mistakes that a refusal lists, or its message.
func causes(a *serving.Answer) []string {
	var status struct {
		Details struct {
			Causes []struct{ Field, Message string }
		}
	}
	if json.Unmarshal(a.Body, &status) != nil || len(status.Details.Causes) == 0 {
		return strings.Split(a.Message(), "\n")
	}
	var out []string
	for _, c := range status.Details.Causes {
		out = append(out, c.Field+": "+c.Message)
	}
	return out
}

// awaitEntry waits until the controller has proved an entry.
func (s *stage) awaitEntry(ctx context.Context, o *object) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		a, err := serving.Do(s.client, http.MethodGet, s.cluster.URL()+collection(o)+"/"+o.name(), nil)
		if err != nil {
			return err
		}
		if bytes.Contains(a.Body, []byte(`"reason":"Proved"`)) {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("%s/%s is not proved: %w", o.Kind, o.name(), err)
		}
	}
}

// showTable prints what kubectl get would, once the Pod is counted.
func (s *stage) showTable(ctx context.Context) error {
	fmt.Fprintf(s.out, "\n%s\n", s.paint(bold, "── kubectl get clustersidecars"))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		table, err := s.table("/apis/pillion.dev/v1alpha1/clustersidecars")
		if err != nil {
			return err
		}
		if table.counts() {
			return table.print(s)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("no Pod is counted: %w", err)
		}
	}
}

// table is the part of a meta.k8s.io/v1 Table that is printed.
type table struct {
	ColumnDefinitions []struct {
		Name     string
		Priority int
	}
	Rows []struct{ Cells []any }
}

func (s *stage) table(path string) (*table, error) {
	req, err := http.NewRequest(http.MethodGet, s.cluster.URL()+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	t := new(table)
	return t, json.NewDecoder(res.Body).Decode(t)
}

// counts reports whether an entry counts a Pod.
func (t *table) counts() bool {
	for i, c := range t.ColumnDefinitions {
		for _, r := range t.Rows {
			if c.Name == "Current" && fmt.Sprint(r.Cells[i]) == "1" {
				return true
			}
		}
	}
	return false
}

func (t *table) print(s *stage) error {
	w := tabwriter.NewWriter(s.out, 0, 8, 3, ' ', 0)
	line := func(cell func(i int) any) {
		var cells []string
		for i, c := range t.ColumnDefinitions {
			if c.Priority == 0 {
				cells = append(cells, fmt.Sprint(cell(i)))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	line(func(i int) any { return strings.ToUpper(t.ColumnDefinitions[i].Name) })
	for _, r := range t.Rows {
		line(func(i int) any { return r.Cells[i] })
	}
	return w.Flush()
}
