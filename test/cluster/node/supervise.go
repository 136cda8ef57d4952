//go:build linux

package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/pillion-dev/pillion/test/cluster/pki"
)

// supervisor starts the components of an instance. It restarts none: what ends stays ended, for tests to see.
type supervisor struct {
	plan
	firsts []int        // first process of each node, 0 for the one that this process is on
	api    *http.Client // the administrator
	others *http.Client // for all but the API server

	mu     sync.Mutex
	events *os.File
}

// supervise brings the instance up and then waits for its end.
func supervise(p plan, events *os.File) error {
	s := &supervisor{plan: p, events: events, others: unverified()}
	if err := s.bringUp(context.Background()); err != nil {
		return err
	}
	s.tell(event{Kind: up})
	select {}
}

func (s *supervisor) tell(e event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = tell(s.events, e) // a caller that has gone ends the instance by its leash, if at all
}

func (s *supervisor) bringUp(ctx context.Context) error {
	s.tell(event{Kind: step, Text: "network and cgroups", Supervisor: os.Getpid()})
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := makeCgroups(s.plan); err != nil {
		return err
	}
	ca, user, err := s.admin()
	if err != nil {
		return err
	}
	if s.api, err = pki.HTTPClient(ca, user); err != nil {
		return err
	}

	first, firstCtx := errgroup.WithContext(ctx)
	first.Go(func() error { return s.launch(firstCtx, 0, s.etcd(), s.answers("http://127.0.0.1:2379/readyz")) })
	first.Go(func() error { return s.launch(firstCtx, 0, s.apiserver(), s.answers(apiServer+"/readyz")) })
	for i := range s.Nodes {
		first.Go(func() error { return s.launch(firstCtx, i, s.containerd(i), s.pauseImported(i)) })
	}
	if err := first.Wait(); err != nil {
		return err
	}
	s.tell(event{Kind: step, Text: "Nodes and cluster DNS as objects"})
	if err := s.applyObjects(ctx); err != nil {
		return err
	}

	second, ctx := errgroup.WithContext(ctx)
	second.Go(func() error { return s.launch(ctx, 0, s.manager(), s.answers(apiServer+defaultAccount)) })
	second.Go(func() error { return s.launch(ctx, 0, s.scheduler(), s.answers("https://127.0.0.1:10259/healthz")) })
	second.Go(func() error { return s.launch(ctx, 0, s.dns(), s.answers("http://"+controlIP+":8181/ready")) })
	for i, m := range s.Nodes {
		second.Go(func() error {
			if err := s.launch(ctx, i, s.kubelet(i), s.nodeReady(m)); err != nil {
				return err
			}
			// Last, as it waits half a minute where it does not find the address that the kubelet reports.
			return s.launch(ctx, i, s.proxy(i), s.answers("http://"+m.IP+":10256/healthz"))
		})
	}
	return second.Wait()
}

// launch starts a component and waits until it does its work.
func (s *supervisor) launch(ctx context.Context, node int, c command, reached func(context.Context) error) error {
	r, err := start(s.plan, s.Nodes[node], s.firsts[node], c)
	if err != nil {
		return err
	}
	begun := r.Component
	s.tell(event{Kind: starting, Component: &begun})
	if err := r.await(ctx, s.ReadyTimeout, reached); err != nil {
		return err
	}
	s.tell(event{Kind: ready, Component: &r.Component})
	return nil
}

// connect makes the network. The nodes' addresses are on a bridge of the first: Linux has no other interface that can
// hold one and is in every kernel.
func (s *supervisor) connect(ctx context.Context) error {
	s.firsts = []int{0}
	var lines strings.Builder
	fmt.Fprintf(&lines, `link set lo up
link add node0 type bridge
addr add %s/24 dev node0
link set node0 up
route add default via %s dev node0
`, controlIP, controlIP)
	for i, m := range s.Nodes[1:] {
		first, err := s.addNode(i + 1)
		if err != nil {
			return err
		}
		s.firsts = append(s.firsts, first)
		fmt.Fprintf(&lines, `link add to-%s type veth peer name eth0 netns %d
link set to-%s master node0 up
route add %s via %s
`, m.Name, first, m.Name, m.PodCIDR, m.IP)
	}
	if err := run(ctx, s.plan, 0, lines.String(), "ip", "-batch", "-"); err != nil {
		return err
	}
	for i, m := range s.Nodes[1:] {
		err := run(ctx, s.plan, s.firsts[i+1], fmt.Sprintf(`link set lo up
addr add %s/24 dev eth0
link set eth0 up
route add %s via %s
route add default via %s
`, m.IP, s.Nodes[0].PodCIDR, controlIP, controlIP), "ip", "-batch", "-")
		if err != nil {
			return err
		}
	}
	return nil
}

// addNode makes the namespaces of a further node, below this one's, and returns its first process.
func (s *supervisor) addNode(index int) (int, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close()
	cmd := exec.Command("/proc/self/exe", initMark, roleInit, fmt.Sprint(index), filepath.Join(s.Dir, planFile))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{nil, writer}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: ownNamespaces}
	err = cmd.Start()
	writer.Close()
	if err != nil {
		return 0, fmt.Errorf("make the namespaces of %s: %w", s.Nodes[index].Name, err)
	}
	go func() { _ = cmd.Wait() }() // it ends with the instance
	var answer event
	if err := hear(reader, &answer); err != nil {
		return 0, fmt.Errorf("make the namespaces of %s: %w", s.Nodes[index].Name, err)
	}
	if answer.Kind != furnished {
		return 0, fmt.Errorf("%s: %s", s.Nodes[index].Name, answer.Text)
	}
	return cmd.Process.Pid, nil
}
