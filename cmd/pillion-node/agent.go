package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/node"
	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/namespace"
	"github.com/pillion-dev/pillion/program"
)

// agentConfig is what the flags of the agent say.
type agentConfig struct {
	nriSocket      string
	profiles       string
	stateDir       string
	metricsAddress string
	procDir        string
	handlers       []string
	leftAlone      []string
	logLevel       string
}

func (c *agentConfig) flags() *pflag.FlagSet {
	f := pflag.NewFlagSet("pillion-node agent", pflag.ContinueOnError)
	f.StringVar(&c.nriSocket, "nri-socket", "/var/run/nri/nri.sock", "socket of the container runtime's NRI")
	f.StringVar(&c.profiles, "profiles", "/etc/pillion/profiles", "directory of profiles, as the controller's ConfigMap is mounted")
	f.StringVar(&c.stateDir, "state-dir", "/run/pillion", "directory of the lock of the node's one helper, and of the socket at which it answers root")
	f.StringVar(&c.metricsAddress, "metrics-address", ":9105", "address of /healthz, /readyz and /metrics (plain HTTP)")
	f.StringVar(&c.procDir, "host-process", "/proc/1", "a process in the node's own namespaces, below /proc")
	f.StringSliceVar(&c.handlers, "runtime-handlers", []string{"runc", "crun"}, "runtime handlers, beside the default one, whose Pods are ordinary processes of the node; others are not redirected")
	f.StringSliceVar(&c.leftAlone, "left-alone", []string{os.Getenv("POD_NAMESPACE")}, "Namespaces whose Pods are left alone, beside kube-system (default: environment variable POD_NAMESPACE)")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
	return f
}

func agent(ctx context.Context, args []string, _, errs io.Writer) error {
	c := new(agentConfig)
	if err := program.Parse(c.flags(), args, 0, errs); err != nil {
		return err
	}
	log, err := program.Log(c.logLevel, errs)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	options, err := c.options(log)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.stateDir, 0o700); err != nil {
		return err
	}
	unlock, err := node.Lock(ctx, filepath.Join(c.stateDir, "agent.lock"))
	if errors.Is(err, context.Canceled) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	can := node.ProbeSelf(c.procDir)
	options.Metrics.Capable(can)
	for _, one := range can {
		if !one.OK {
			log.Warn("the helper cannot do everything here", "capability", one.Name, "error", one.Detail)
		}
	}
	return c.serve(ctx, node.NewAgent(*options), options)
}

// options finds out about the node.
func (c *agentConfig) options(log *slog.Logger) (*node.Options, error) {
	host, err := namespace.InodeOf(filepath.Join(c.procDir, "ns/net"))
	if err != nil {
		return nil, fmt.Errorf("the node's network namespace: %w: the helper needs hostPID, and the capability SYS_PTRACE", err)
	}
	cgroup2, err := node.Cgroup2()
	if err != nil {
		return nil, err
	}
	hierarchies, root, supported, err := c.cgroups()
	if err != nil {
		return nil, err
	}
	profiles, err := node.OpenProfiles(c.profiles, log)
	if err != nil {
		return nil, err
	}
	return &node.Options{Profiles: profiles, HostNetwork: host, CgroupNamespace: filepath.Join(c.procDir, "ns/cgroup"), Cgroup2: cgroup2,
		Hierarchies: hierarchies, CgroupRoot: root, Supported: supported,
		RuntimeHandlers: append([]string{""}, c.handlers...), LeftAlone: c.leftAlone, Log: log, Metrics: node.NewMetrics()}, nil
}

// cgroups finds where cgroups are, where this process's namespace of them begins, and which files there are: the helper is in a
// container's cgroup itself.
func (c *agentConfig) cgroups() (cgroup.Hierarchies, cgroup.Root, cgroup.Supported, error) {
	h, err := cgroup.Find()
	if err != nil {
		return nil, nil, cgroup.Supported{}, err
	}
	own := func() (cgroup.Paths, error) {
		text, err := os.ReadFile("/proc/self/cgroup")
		return cgroup.ParsePaths(string(text)), err
	}
	here, err := own()
	if err != nil {
		return nil, nil, cgroup.Supported{}, err
	}
	var there cgroup.Paths
	err = namespace.OnHost(filepath.Join(c.procDir, "ns/cgroup"), func() (err error) { there, err = own(); return err })
	if err != nil {
		return nil, nil, cgroup.Supported{}, fmt.Errorf("the node's cgroup namespace: %w: the helper needs the capabilities SYS_ADMIN, to enter it, and SYS_PTRACE", err)
	}
	root, err := cgroup.NewRoot(there, here)
	return h, root, h.Supports(there), err
}

// serve runs until the context ends. The rules of Pods stay: they end with the Pods.
func (c *agentConfig) serve(ctx context.Context, a *node.Agent, o *node.Options) error {
	ready := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := a.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	ops, err := program.OpenOps(c.metricsAddress, ready, o.Metrics.Handler(), o.Log)
	if err != nil {
		return err
	}
	o.Log.Info("serving", "metricsAddress", ops.Addr().String(), "nriSocket", c.nriSocket, "cgroup2", o.Cgroup2, "cgroups", o.Supported, "version", program.Version())
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { o.Profiles.Watch(ctx); return nil })
	group.Go(func() error { a.Reconcile(ctx); return nil })
	group.Go(func() error { a.Ledger(ctx); return nil })
	group.Go(func() error { return a.Answer(ctx, c.stateDir) })
	group.Go(func() error { return a.Serve(ctx, c.nriSocket) })
	group.Go(func() error { return ops.Start(ctx) })
	return group.Wait()
}
