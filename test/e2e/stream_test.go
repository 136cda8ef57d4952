package e2e

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// stream is what became of the Pods that were created, one after the other and without a pause, while something was done.
type stream struct {
	injected, bare int
	// refused are the answers to creations that failed.
	refused []string
	took    time.Duration
}

// created is how many Pods were asked for.
func (c *stream) created() int { return c.injected + c.bare + len(c.refused) }

func (c *stream) String() string {
	return fmt.Sprintf("%d Pods in %.0f s: %d injected, %d bare, %d refused", c.created(), c.took.Seconds(), c.injected, c.bare, len(c.refused))
}

// creating creates Pods that ask for a sidecar, in dry runs, while something is done, and counts what becomes of them. It goes on
// until no Pod of Pillion is on its way out any more, and until fifty were created after that.
func (s *scene) creating(do func()) *stream {
	s.Helper()
	c, end := new(stream), make(chan struct{})
	var running sync.WaitGroup
	began := time.Now()
	running.Go(func() {
		for more, ended := 50, false; more > 0; time.Sleep(10 * time.Millisecond) {
			pod := asking("proxy", "pillion.dev/proxy.upstream-port", "8080", "pillion.dev/proxy.port", "8081")
			switch err := s.client.Create(context.WithoutCancel(s.ctx), pod, dryRun); {
			case err != nil:
				c.refused = append(c.refused, fmt.Sprintf("Pod %d: %v", c.created(), err))
			case len(pod.Spec.InitContainers) == 0:
				c.bare++
			default:
				c.injected++
			}
			select {
			case <-end:
				ended = true
			default:
			}
			if ended {
				more--
			}
		}
	})
	func() {
		defer running.Wait()
		defer close(end)
		do()
		s.eventually("no Pod of Pillion is on its way out", func() (bool, error) {
			var pods corev1.PodList
			err := s.client.WithNamespace(system).List(s.ctx, &pods)
			for i := range pods.Items {
				if pods.Items[i].DeletionTimestamp != nil {
					return false, err
				}
			}
			return true, err
		})
	}()
	c.took = time.Since(began)
	return c
}

// allInjected fails the test where a Pod of the stream was not injected.
func (s *scene) allInjected(during string, c *stream) {
	s.Helper()
	s.Logf("%s: %s", during, c)
	if c.injected != c.created() {
		s.Errorf("%s some Pods were not injected: %s; refused: %v", during, c, c.refused[:min(3, len(c.refused))])
	}
}
