package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/e2e-framework/klient"
	"sigs.k8s.io/e2e-framework/klient/conf"
	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
)

var bed env.Environment

// TestMain installs cert-manager and Pillion once, as a user does; every row has a Namespace of its own.
func TestMain(m *testing.M) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		fmt.Fprintln(os.Stderr, "e2e: no KUBECONFIG: these tests run inside the test bed, by `make e2e`")
		os.Exit(1)
	}
	client, err := connect(kubeconfig)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	bed = env.NewWithConfig(envconf.New().WithClient(client))
	packages, err := os.MkdirTemp("", "pillion-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	bed.Finish(func(ctx context.Context, _ *envconf.Config) (context.Context, error) {
		return ctx, os.RemoveAll(packages)
	})
	bed.Setup(func(ctx context.Context, cfg *envconf.Config) (context.Context, error) {
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"cert-manager", func() error { return installCertManager(ctx) }},
			{"the chart's package", func() error { return packagePillion(ctx, packages) }},
			{"Pillion", func() error { return installPillion(ctx) }},
			{"the first answer", func() error { return answers(ctx, cfg.Client().Resources()) }},
		} {
			began := time.Now()
			if err := step.do(); err != nil {
				bundleOfSystem("setup")
				return ctx, fmt.Errorf("%s: %w", step.name, err)
			}
			fmt.Printf("e2e: %s after %.1f s\n", step.name, time.Since(began).Seconds())
		}
		return ctx, nil
	})
	os.Exit(bed.Run(m))
}

// connect makes a client that is not held back: the usual 5 requests a second are fewer than a test may want to know. What
// the API server warns of is not printed: there are Pods by the hundred.
func connect(kubeconfig string) (klient.Client, error) {
	config, err := conf.New(kubeconfig)
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	config.WarningHandler = rest.NoWarnings{}
	return klient.New(config)
}
