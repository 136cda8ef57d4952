package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/pillion-dev/pillion/confd/agent"
	"github.com/pillion-dev/pillion/confd/etcd"
	"github.com/pillion-dev/pillion/confd/files"
	"github.com/pillion-dev/pillion/confd/kubernetes"
	"github.com/pillion-dev/pillion/program"
)

// namespaceFile is where the kubelet says in which Namespace a Pod is.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

func run(ctx context.Context, o *options, log *slog.Logger) error {
	if o.validate {
		return agent.Validate(o.config, log)
	}
	backend, err := newBackend(o.config, log)
	if err != nil {
		return err
	}
	a, err := agent.New(o.config, backend, log)
	if err != nil {
		return err
	}
	if o.once {
		return a.Once(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	if o.config.Listen != "" {
		l, err := net.Listen("tcp", o.config.Listen)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		log.Info("start", "version", program.Version(), "backend", o.config.Backend, "listen", l.Addr().String())
		group.Go(func() error { return a.Serve(ctx, l) })
	}
	group.Go(func() error { return a.Run(ctx) })
	err = group.Wait()
	log.Info("stop")
	return err
}

func newBackend(c *agent.Config, log *slog.Logger) (agent.Backend, error) {
	switch c.Backend {
	case "etcd":
		return &etcd.Backend{Nodes: c.Etcd.Nodes, Root: c.Etcd.Prefix, Credentials: c.Etcd.Credentials, Log: log}, nil
	case "file":
		return &files.Backend{Directory: c.File.Directory}, nil
	case "kubernetes":
		return newKubernetes(c)
	default:
		return files.Environment{}, nil
	}
}

func newKubernetes(c *agent.Config) (agent.Backend, error) {
	config, err := rest.InClusterConfig()
	if errors.Is(err, rest.ErrNotInCluster) {
		return nil, errors.New("backend kubernetes: runs in a Pod only")
	}
	if err != nil {
		return nil, fmt.Errorf("backend kubernetes: %w", err)
	}
	config.UserAgent = "pillion-confd/" + program.Version()
	namespace, err := os.ReadFile(namespaceFile)
	if err != nil {
		return nil, fmt.Errorf("backend kubernetes: %w", err)
	}
	return &kubernetes.Backend{
		Config: config, Namespace: strings.TrimSpace(string(namespace)),
		ConfigMaps: c.Kubernetes.ConfigMaps, Services: c.Kubernetes.Services,
	}, nil
}
