package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// run serves until the context ends and the drain is over. The CA of a self-signed certificate goes to out.
func run(ctx context.Context, c *Config, log *slog.Logger, out io.Writer) error {
	metrics := webhook.NewMetrics()
	catalog, err := openCatalog(c, log, metrics)
	if err != nil {
		return err
	}
	namespaces, err := openNamespaces(c, log)
	if err != nil {
		return err
	}
	tlsDir, cleanUp, err := c.OpenCertificate(out)
	if err != nil {
		return err
	}
	defer cleanUp()

	drain := webhook.NewDrain(c.DrainQuiet, c.DrainMax, metrics)
	server, err := webhook.NewServer(webhook.ServerOptions{Address: c.ListenAddress, CertDir: tlsDir, Drain: drain, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	options := webhook.Options{Catalog: withHelper(catalog.Current, sidecars.Helper{Absent: !c.NodeHelper, RequiredPlugin: c.NodePlugin}), OwnNamespace: c.OwnNamespace, Log: log, Metrics: metrics}
	if namespaces != nil {
		options.Namespace = namespaces.Lookup
	}
	handler := webhook.NewHandler(options)
	server.Register(webhook.PathMutate, handler)
	server.Register(webhook.PathRequired, handler)

	checks := []webhook.Check{drain.Check(), server.Check(), catalog.Check(), handler.Check()}
	if namespaces != nil {
		checks = append(checks, namespaces.Check())
	}
	ops, err := program.OpenOps(c.MetricsAddress, webhook.NewReadiness(checks...), metrics.Handler(), log)
	if err != nil {
		return err
	}
	log.Info("serving", "webhookAddress", server.Addr().String(), "metricsAddress", ops.Addr().String(),
		"catalog", catalog.Current().Revision(), "sidecars", catalog.Current().Names(""), "version", program.Version())
	return serve(ctx, server, ops, catalog, namespaces)
}

// serve runs everything until the context ends. Whatever the admission port needs goes on until it is closed: readiness
// tells of the drain, catalog and Namespaces stay up to date.
func serve(ctx context.Context, server *webhook.Server, ops *program.Ops, catalog catalogSource, namespaces *webhook.Namespaces) error {
	beneath, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	group.Go(func() error { catalog.Watch(beneath); return nil })
	if namespaces != nil {
		group.Go(func() error { namespaces.Run(beneath); return nil })
	}
	front, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() error { defer cancel(); return ops.Start(beneath) })
	group.Go(func() error { defer stop(); return server.Start(front) })
	return group.Wait()
}

// catalogSource is where the catalog comes from: the program, a directory or the API server.
type catalogSource interface {
	Current() *sidecars.Catalog
	Watch(ctx context.Context)
	Check() webhook.Check
}

func openCatalog(c *Config, log *slog.Logger, m *webhook.Metrics) (catalogSource, error) {
	switch {
	case c.FromCluster:
		config, err := c.APIServer()
		if err != nil {
			return nil, fmt.Errorf("--catalog-from-cluster: API server: %w", err)
		}
		return webhook.WatchCatalog(config, log, m)
	case c.Catalog == "":
		return webhook.EmbeddedCatalog(m), nil
	}
	return webhook.CatalogDir(c.Catalog, log, m)
}

// withHelper gives the catalog as it is for a cluster with, or without, the node helper. It makes one for each revision.
func withHelper(current func() *sidecars.Catalog, h sidecars.Helper) func() *sidecars.Catalog {
	type pair struct{ of, with *sidecars.Catalog }
	var last atomic.Pointer[pair]
	return func() *sidecars.Catalog {
		is := current()
		if p := last.Load(); p != nil && p.of == is {
			return p.with
		}
		with := is.WithHelper(h)
		last.Store(&pair{is, with})
		return with
	}
}

// openNamespaces gives nil where no API server is known.
func openNamespaces(c *Config, log *slog.Logger) (*webhook.Namespaces, error) {
	config, err := c.APIServer()
	// In a cluster a Pod may have no token, on purpose.
	if c.Kubeconfig == "" && (errors.Is(err, rest.ErrNotInCluster) || errors.Is(err, fs.ErrNotExist)) {
		log.Warn("no API server: defaults and labels of Namespaces are unknown, only Pods' own annotations count", "why", err.Error())
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("API server: %w", err)
	}
	return webhook.WatchNamespaces(config, log)
}
