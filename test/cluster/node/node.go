//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"
)

// Node is an instance: one that Up started or that Open found.
type Node struct {
	plan
	status Status
	leash  *os.File // closed when this handle's caller ends, nil after Open
}

// Open finds an instance that some program started, by its name and, if it was given one, its directory.
func Open(name, dir string) (*Node, error) {
	p, err := newPlan(Config{Name: name, Dir: dir, Log: io.Discard})
	if err != nil {
		return nil, err
	}
	n := &Node{plan: p}
	found, err := loadPlan(filepath.Join(p.Dir, planFile))
	if errors.Is(err, fs.ErrNotExist) {
		return n, fmt.Errorf("instance %q: %w (in %s)", p.Name, errNoInstance, p.Dir)
	}
	if err != nil {
		return n, err
	}
	n.plan = found
	if found.Name != p.Name && name != "" {
		return n, fmt.Errorf("instance %q: %w (in %s is %q)", p.Name, errNoInstance, p.Dir, found.Name)
	}
	return n, n.loadStatus()
}

// Kubeconfig is the path of the administrator's kubeconfig, complete in itself. Its API server is reached from inside.
func (n *Node) Kubeconfig() string { return n.kubeconfig() }

// Command is a program to be run in the namespaces of a node.
type Command struct {
	Node           int      // 1 (also for 0) or 2
	Args           []string // the program and its arguments
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Signals are passed on to the program.
	Signals <-chan os.Signal
}

// Exec runs a program in the namespaces of a node, with the caller's directory and environment besides KUBECONFIG,
// CONTAINERD_ADDRESS, CONTAINERD_NAMESPACE and a PATH that begins with the built programs: kubectl, helm, ctr. It is
// killed when ctx ends, and when the caller does. A program that fails is an *exec.ExitError; one that is not found says
// so itself, with code 126.
func (n *Node) Exec(ctx context.Context, c Command) error {
	if len(c.Args) == 0 {
		return errors.New("exec: no program named")
	}
	first, err := n.First(max(c.Node, 1))
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{initMark, roleExec}, c.Args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.Kubeconfig(), "PATH="+n.Bin+":"+os.Getenv("PATH"),
		"CONTAINERD_ADDRESS="+containerdSocket, "CONTAINERD_NAMESPACE=k8s.io")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	// The program is killed when the thread that started it ends (see become), so that one waits for it too.
	return inNamespaces(first, func() error {
		if err := cmd.Start(); err != nil {
			return err
		}
		ended := make(chan struct{})
		defer close(ended)
		go func() {
			for {
				select {
				case s := <-c.Signals:
					_ = cmd.Process.Signal(s) // it may have ended
				case <-ended:
					return
				}
			}
		}()
		return cmd.Wait()
	})
}

// Output runs a program on the first node and returns what it writes to its standard output; what it writes to the
// other one is part of the error.
func (n *Node) Output(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	err := n.Exec(ctx, Command{Args: args, Stdout: &stdout, Stderr: &stderr})
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), err
}

// Load imports image archives, OCI's or docker's, into every node. Pods use them with an imagePullPolicy other than Always.
func (n *Node) Load(ctx context.Context, archives ...string) error {
	for _, archive := range archives {
		path, err := filepath.Abs(archive)
		if err != nil {
			return err
		}
		nodes, ctx := errgroup.WithContext(ctx)
		for i := range n.Nodes {
			nodes.Go(func() error {
				var output strings.Builder
				args := append([]string{"ctr"}, importArgs(path)...)
				err := n.Exec(ctx, Command{Node: i + 1, Args: args, Stdout: &output, Stderr: &output})
				if err != nil {
					return fmt.Errorf("load %s: %w\n%s", archive, err, output.String())
				}
				return nil
			})
		}
		if err := nodes.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// Down ends the instance and returns when its processes, cgroups and directory are gone. It may be called again.
func (n *Node) Down() error {
	if err := n.end(); err != nil {
		return err
	}
	if n.leash != nil {
		n.leash.Close()
	}
	lock, err := claim(n.Name)
	if err != nil {
		return err
	}
	defer lock.Close()
	return clear(n.Dir, n.Name)
}

// end kills the first process and returns when all others are gone too.
func (n *Node) end() error {
	if n.status.PID == 0 {
		return nil
	}
	return kill(n.status.PID, n.status.Began)
}
