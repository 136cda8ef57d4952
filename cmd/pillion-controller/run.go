package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/controller"
	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// selfSignedFor is the validity of a self-signed certificate. It is not renewed.
const selfSignedFor = 365 * 24 * time.Hour

// run works until the context ends and the drain is over. The CA of a self-signed certificate goes to out.
func run(ctx context.Context, c *Config, log *slog.Logger, out io.Writer) error {
	config, err := apiServer(c)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	tlsDir, cleanUp, err := openCertificate(c, out)
	if err != nil {
		return err
	}
	defer cleanUp()

	metrics := webhook.NewMetrics()
	drain := webhook.NewDrain(c.DrainQuiet, c.DrainMax, metrics)
	server, err := webhook.NewServer(webhook.ServerOptions{Address: c.ListenAddress, CertDir: tlsDir, Drain: drain, Log: log, Metrics: metrics})
	if err != nil {
		return err
	}
	ctrl, err := controller.New(controller.Options{
		Config: config, LeaderElect: c.LeaderElect, LeaderElectionNamespace: c.LeaderElectionNamespace,
		DryRunNamespace: c.DryRunNamespace, OwnNamespace: c.OwnNamespace, AuditInterval: c.AuditInterval, Helper: sidecars.Helper{Absent: !c.NodeHelper}, NodeProfiles: c.NodeProfiles,
		Certificates: c.Certificates.modes(c.OwnNamespace, tlsDir), Server: server, Log: log,
	})
	if err != nil {
		return err
	}
	ops, err := controller.NewOpsServer(c.MetricsAddress, webhook.NewReadiness(drain.Check(), server.Check(), ctrl.Check()), ctrl.Metrics(), log)
	if err != nil {
		return err
	}
	log.Info("serving", "webhookAddress", server.Addr().String(), "metricsAddress", ops.Addr().String(), "version", versionText())
	return serve(ctx, ctrl, ops)
}

// serve runs both until the context ends: readiness tells of the drain, so the operations port is the last to close.
func serve(ctx context.Context, ctrl *controller.Controller, ops *controller.OpsServer) error {
	beneath, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	front, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { defer cancel(); return ops.Start(beneath) })
	group.Go(func() error { defer stop(); return ctrl.Start(front) })
	return group.Wait()
}

func apiServer(c *Config) (*rest.Config, error) {
	if c.Kubeconfig != "" {
		return clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	}
	return rest.InClusterConfig()
}

// openCertificate gives the directory to serve from, and what to call at the end.
func openCertificate(c *Config, out io.Writer) (dir string, cleanUp func(), err error) {
	if !c.SelfSigned {
		return c.TLSDir, func() {}, nil
	}
	dns, ips := c.names()
	files, err := certs.SelfSigned(dns, ips, selfSignedFor)
	if err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp("", "pillion-controller-"); err != nil {
		return "", nil, fmt.Errorf("self-signed certificate: %w", err)
	}
	cleanUp = func() { os.RemoveAll(dir) }
	if err = files.WriteTo(dir); err == nil {
		_, err = out.Write(files.CA)
	}
	if err != nil {
		cleanUp()
		return "", nil, err
	}
	return dir, cleanUp, nil
}
