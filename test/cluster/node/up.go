//go:build linux

package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pillion-dev/pillion/test/cluster"
)

// Errors of Up and of the methods of Node.
var (
	ErrNotRoot    = errors.New("a node needs root, as it makes namespaces, mounts and cgroups; the control plane alone (package cluster) does not")
	errNoInit     = errors.New("node: call node.Init first in main or TestMain")
	errNoInstance = errors.New("no such instance")
)

// Up builds what is missing (see cluster.Build), brings an instance up and returns when its Nodes are Ready, cluster DNS
// answers and Pods are accepted. What an instance of the same name left when it was killed is removed before. ctx bounds
// the start alone; the instance ends with Down or, unless it is detached, with the calling program.
func Up(ctx context.Context, cfg Config) (*Node, error) {
	if inside() {
		return nil, errNoInit
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	p, err := newPlan(cfg)
	if err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	if err := checkTools(); err != nil {
		return nil, err
	}
	if p.Bin, err = cluster.Build(ctx, cfg.Log, cluster.NodePrograms); err != nil {
		return nil, err
	}
	if err := notHidden(p.Bin); err != nil {
		return nil, err
	}
	lock, err := claim(p.Name)
	if err != nil {
		return nil, err
	}
	defer lock.Close() // the first process has it too
	if err := onlyOurs(p.Dir, p.Name); err != nil {
		return nil, err
	}
	began := time.Now()
	n := &Node{plan: p}
	if err := n.begin(ctx, cfg, lock); err != nil {
		lock.Close() // Down wants it
		return nil, errors.Join(err, n.Down())
	}
	fmt.Fprintf(cfg.Log, "node: %s is up after %.1f s\n", p.Name, time.Since(began).Seconds())
	return n, nil
}

// checkTools names all that the machine lacks at once.
func checkTools() error {
	var lacking []error
	for program, debian := range map[string]string{"runc": "runc", "nft": "nftables", "ip": "iproute2"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking = append(lacking, fmt.Errorf("%w (Debian's package %s)", err, debian))
		}
	}
	return errors.Join(lacking...)
}

func (n *Node) begin(ctx context.Context, cfg Config, lock *os.File) error {
	if err := n.clearEarlier(); err != nil {
		return err
	}
	if err := n.write(); err != nil {
		return err
	}
	archive := filepath.Join(n.Dir, pauseArchive)
	if err := run(ctx, n.plan, 0, "", filepath.Join(n.Bin, "archive"), filepath.Join(n.Bin, "pause"), pauseImage, archive); err != nil {
		return err
	}
	events, err := n.startFirst(lock)
	if err != nil {
		return err
	}
	defer events.Close()
	stop := context.AfterFunc(ctx, func() { _ = kill(n.status.PID, n.status.Began) })
	defer stop()
	if err := n.follow(events, cfg); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	if cfg.Detach {
		_, err = n.leash.Write([]byte{1})
	}
	return err
}

// clearEarlier removes what an instance left that was killed. Its processes may be ending still.
func (n *Node) clearEarlier() error {
	earlier := Node{plan: n.plan}
	if err := earlier.loadStatus(); err != nil {
		return err
	}
	if err := earlier.end(); err != nil {
		return err
	}
	return clear(n.Dir, n.Name)
}

// startFirst runs this program again as the first process of the instance, and returns what it tells.
func (n *Node) startFirst(lock *os.File) (events *os.File, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(n.Dir, "logs", "node.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	leash, hold, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer leash.Close()
	n.leash = hold
	events, report, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer report.Close()

	cmd := exec.Command(self, initMark, roleInit, "0", filepath.Join(n.Dir, planFile))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{leash, report, lock}
	// A session of its own: what a terminal sends to the caller is not for the instance.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: ownNamespaces, Setsid: true}
	if err := cmd.Start(); err != nil {
		events.Close()
		return nil, fmt.Errorf("make the namespaces of %s: %w", n.Nodes[0].Name, err)
	}
	go func() { _ = cmd.Wait() }() // so that it is no zombie when it is killed
	first, err := readProcess(cmd.Process.Pid)
	if err != nil {
		events.Close()
		return nil, fmt.Errorf("the first process ended at once: %w\n%s", err, lastWords(log.Name()))
	}
	n.status.PID, n.status.Began = first.pid, first.began
	return events, n.saveStatus()
}

// follow keeps the record of an instance while it comes up, and returns when it is.
func (n *Node) follow(events io.Reader, cfg Config) error {
	doing := "its namespaces"
	for lines := bufio.NewScanner(events); lines.Scan(); {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("parse %q: %w", lines.Text(), err)
		}
		if cfg.observe != nil {
			cfg.observe(e)
		}
		switch e.Kind {
		case up:
			return n.saveStatus()
		case failed:
			return errors.New(e.Text)
		case step:
			doing = e.Text
			n.status.Supervisor = max(n.status.Supervisor, e.Supervisor)
		case starting:
			doing = e.Component.Name
			n.status.Components = append(n.status.Components, *e.Component)
		case ready:
			n.status.update(*e.Component)
			fmt.Fprintf(cfg.Log, "node: %s on %s is ready after %.1f s\n", e.Component.Name, e.Component.Node, e.Component.Ready.Seconds())
		}
		if err := n.saveStatus(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s ended while it started %s\n%s", n.Name, doing, lastWords(filepath.Join(n.Dir, "logs", "node.log")))
}
