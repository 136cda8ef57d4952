package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/confd/agent"
	"github.com/pillion-dev/pillion/confd/etcd"
	"github.com/pillion-dev/pillion/confd/files"
	"github.com/pillion-dev/pillion/confd/kubernetes"
	"github.com/pillion-dev/pillion/program"
	"github.com/pillion-dev/pillion/settle"
)

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
	defer settle.After(settle.Pause, nil)()
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
	b, err := kubernetes.InPod(kubernetes.Account, "pillion-confd/"+program.Version(), os.Getenv)
	if err != nil {
		return nil, fmt.Errorf("backend kubernetes: %w", err)
	}
	b.ConfigMaps, b.Services = c.Kubernetes.ConfigMaps, c.Kubernetes.Services
	return b, nil
}
