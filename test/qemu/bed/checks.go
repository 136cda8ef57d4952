package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/test/cluster/node"
	"github.com/pillion-dev/pillion/test/qemu/guest"
)

// checks follow each other: each needs what the one before it made.
var checks = []guest.Check{
	{Name: "the bed comes up on version 2 alone", Run: timed(up)},
	{Name: "the bed is one cgroup of the machine's", Run: timed(oneChild)},
	{Name: "a Pod with an injected sidecar is ready", Run: timed(byHand)},
	{Name: "its cgroups are the bed's, as the kubelet set them", Run: timed(asTheKubeletSet)},
	{Name: "nothing is left of the bed", Run: down},
}

// The instance.
const (
	name = "v2"
	dir  = "/bed/instance"
)

// bed is what the checks know of it.
var bed struct {
	*node.Node
	before     node.Machine
	topCgroups []string
	failed     bool
}

// timed adds how long a check took to what it saw. After one that failed the rest say so.
func timed(check func() (string, error)) func() (string, error) {
	return func() (string, error) {
		if bed.failed {
			return "", errors.New("not tried, as one before failed")
		}
		began := time.Now()
		seen, err := check()
		bed.failed = err != nil
		return fmt.Sprintf("%s(%.0f s)", seen, time.Since(began).Seconds()), err
	}
}

// command runs a program of the machine; its error holds all that it says.
func command(args ...string) error {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// inside runs a program in the instance and gives what it prints.
func inside(args ...string) (string, error) { return bed.Output(context.Background(), args...) }

func up() (string, error) {
	var err error
	if bed.before, err = node.LookAtMachine(); err != nil {
		return "", err
	}
	if bed.topCgroups, err = children(guest.Cgroups); err != nil {
		return "", err
	}
	has, err := os.ReadFile(filepath.Join(guest.Cgroups, "cgroup.controllers"))
	if err != nil {
		return "", err
	}
	said, err := begin()
	if err != nil {
		return "", errors.Join(err, logs())
	}
	if bed.Node, err = node.Open(name, dir); err != nil {
		return said, err
	}
	ready, err := inside("kubectl", "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{end}`)
	if err == nil && ready != "node-1 True" {
		err = fmt.Errorf("nodes: %q", ready)
	}
	return fmt.Sprintf("the machine's controllers: %s%s", has, said), err
}

// begin brings the instance up. Its progress goes to the console too: on a busy machine that takes minutes.
func begin() (said string, err error) {
	var all strings.Builder
	cmd := exec.Command("cluster", "up", "--name", name, "--dir", dir, "--ready-timeout", "15m")
	cmd.Stdout, cmd.Stderr = &all, io.MultiWriter(os.Stdout, &all)
	err = cmd.Run()
	if err != nil {
		err = fmt.Errorf("cluster up: %w\n%s", err, all.String())
	}
	return all.String(), err
}

// logs are the last words of every component, as an error.
func logs() error {
	files, err := filepath.Glob(dir + "/logs/*")
	for _, file := range files {
		text, bad := os.ReadFile(file)
		err = errors.Join(err, bad, fmt.Errorf("%s:\n%s", file, text[max(0, len(text)-3000):]))
	}
	return err
}

func children(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// oneChild looks at the hierarchy from its top: the kubelet's cgroups are below the instance's, with all controllers that it
// needs, and so is everything else that is new.
func oneChild() (string, error) {
	top, err := children(guest.Cgroups)
	if err != nil {
		return "", err
	}
	added := slices.DeleteFunc(top, func(name string) bool { return slices.Contains(bed.topCgroups, name) })
	if want := []string{"pillion-" + name}; !slices.Equal(added, want) {
		err = fmt.Errorf("new cgroups of the machine: %q, want %q", added, want)
	}
	pods := filepath.Join(guest.Cgroups, "pillion-"+name, "node-1", "kubepods")
	has, bad := os.ReadFile(filepath.Join(pods, "cgroup.controllers"))
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
		if !slices.Contains(strings.Fields(string(has)), controller) {
			bad = errors.Join(bad, fmt.Errorf("%s lacks controller %s", pods, controller))
		}
	}
	below, worse := children(pods)
	return fmt.Sprintf("%s has %s, with controllers %s", pods, below, has), errors.Join(err, bad, worse)
}

func down() (string, error) {
	if bed.Node == nil {
		return "", errors.New("it did not come up")
	}
	seen, err := bed.Traces()
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := command("cluster", "down", "--name", name, "--dir", dir); err != nil {
		return "", err
	}
	took := time.Since(began)
	err = bed.Left(bed.before, seen)
	top, bad := children(guest.Cgroups)
	if bad == nil && !slices.Equal(top, bed.topCgroups) {
		bad = fmt.Errorf("the machine's cgroups were %q and are %q", bed.topCgroups, top)
	}
	return fmt.Sprintf("down in %.1f s; gone: %d processes, %d namespaces, cgroups %s ", took.Seconds(), len(seen.Processes), len(seen.Namespaces),
		seen.Cgroups), errors.Join(err, bad)
}
