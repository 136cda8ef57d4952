// Command demo shows Pillion's main job on a real API server: it starts a control plane and the webhook, creates what is in
// examples/, and prints what came back. It cleans up after itself.
//
//	go run ./test/demo           show and clean up
//	go run ./test/demo --keep    leave it running, with a kubeconfig, until it is interrupted
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
	"github.com/pillion-dev/pillion/test/serving"
)

func main() {
	keep := flag.Bool("keep", false, "leave the control plane and the webhook running until interrupted")
	dir := flag.String("examples", "examples", "directory of the examples")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string, keep bool) error {
	began := time.Now()
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.showAll(ctx, dir); err != nil {
		return err
	}
	if err := s.showCatalog(ctx, dir); err != nil {
		return err
	}
	fmt.Printf("\n%s in %.0f s: %d Pods injected, %d requests refused, by a real API server.\n", s.paint(bold, "demo"), time.Since(began).Seconds(), s.injected, s.refused)
	if !keep {
		return nil
	}
	fmt.Printf("\nThe cluster is up. In another shell:\n\n  export KUBECONFIG=%s\n  kubectl -n %s get pods\n\nInterrupt (Ctrl-C) to end it.\n", s.cluster.Kubeconfig(), namespace)
	<-ctx.Done()
	return nil
}

// namespace of the examples that name none.
const namespace = "demo"

// stage is a control plane with the webhook in front of it.
type stage struct {
	cluster *cluster.Cluster
	webhook *serving.Webhook
	// controller validates entries and writes their status.
	controller *serving.Controller
	client     *http.Client
	out        io.Writer
	colour     bool

	injected, refused int
}

func newStage(ctx context.Context) (*stage, error) {
	s := &stage{out: os.Stdout, colour: wantsColour(os.Stdout)}
	c, err := cluster.Start(ctx, cluster.Config{Log: os.Stderr})
	if err != nil {
		return nil, err
	}
	s.cluster, s.client = c, c.HTTPClient()
	if err := s.define(); err != nil {
		s.close()
		return nil, err
	}
	s.webhook, err = serving.Start(ctx, serving.Config{Kubeconfig: c.Kubeconfig(), FromCluster: true})
	if err != nil {
		s.close()
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "webhook:", s.webhook.URL, "serves with its own certificate")
	if err := s.post("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", s.webhook.Registration()); err != nil {
		s.close()
		return nil, err
	}
	if err := s.createNamespace(namespace, nil); err != nil {
		s.close()
		return nil, err
	}
	if err := s.startController(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, s.awaitWebhook(ctx)
}

func (s *stage) close() {
	if s.webhook != nil {
		s.webhook.Stop()
	}
	if s.controller != nil {
		s.controller.Stop()
	}
	s.cluster.Stop()
}

func (s *stage) post(path string, object []byte) error {
	a, err := serving.Post(s.client, s.cluster.URL()+path, object)
	if err != nil {
		return err
	}
	if a.Status >= 300 {
		return fmt.Errorf("%s: %s", path, a.Message())
	}
	return nil
}

// Colours of the terminal.
const (
	bold  = "1"
	red   = "31"
	faint = "2"
)

func (s *stage) paint(code, text string) string {
	if !s.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// wantsColour follows https://no-color.org.
func wantsColour(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
