package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"sigs.k8s.io/e2e-framework/pkg/env"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
)

var bed env.Environment

// TestMain installs Pillion once; every row has a Namespace of its own.
func TestMain(m *testing.M) {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		fmt.Fprintln(os.Stderr, "e2e: no KUBECONFIG: these tests run inside the test bed, by `make e2e`")
		os.Exit(1)
	}
	bed = env.NewWithConfig(envconf.NewWithKubeConfig(kubeconfig))
	bed.Setup(func(ctx context.Context, cfg *envconf.Config) (context.Context, error) {
		return ctx, install(ctx, cfg.Client().Resources())
	})
	os.Exit(bed.Run(m))
}
