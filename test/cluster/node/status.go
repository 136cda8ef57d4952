//go:build linux

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

// Status is the record of an instance.
type Status struct {
	Name string
	Dir  string // logs/<node>-<component>.log, and all that the components keep

	// PID is the one process whose end ends the instance, 0 when it has ended; Began tells it from a later one of that
	// number, in clock ticks since the machine's start.
	PID   int
	Began uint64

	// Supervisor is the process that started the components, as seen inside.
	Supervisor int

	Kubeconfig string
	NRISocket  string // on each node
	Components []Component
}

func (s *Status) update(c Component) {
	i := slices.IndexFunc(s.Components, func(o Component) bool { return o.Inside == c.Inside })
	if i >= 0 {
		s.Components[i] = c
	}
}

func (n *Node) saveStatus() error { return writeJSON(filepath.Join(n.Dir, statusFile), n.status) }

func (n *Node) loadStatus() error {
	path := filepath.Join(n.Dir, statusFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // killed before its first process was there
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &n.status); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	return nil
}

// Status tells what runs, with the memory of just now.
func (n *Node) Status() (Status, error) {
	out := n.status
	out.Name, out.Dir, out.Kubeconfig, out.NRISocket = n.Name, n.Dir, n.Kubeconfig(), nriSocket
	out.Components = slices.SortedFunc(slices.Values(n.status.Components), func(a, b Component) int {
		return strings.Compare(a.Node+" "+a.Name, b.Node+" "+b.Name)
	})
	all, err := allProcesses()
	if err != nil {
		return out, err
	}
	if !slices.ContainsFunc(all, func(p process) bool { return p.pid == out.PID && p.began == out.Began }) {
		out.PID = 0
		return out, nil
	}
	supervisor, found := childInside(all, out.PID, out.Supervisor)
	if !found {
		return out, nil // it is just ending, or just starting
	}
	for i, c := range out.Components {
		p, _ := childInside(all, supervisor.pid, c.Inside) // the zero process has ended
		out.Components[i].PID, out.Components[i].RSS = p.pid, p.rss
	}
	return out, nil
}

// First is the first process of a node, 1 or 2: its number on this machine. A second node whose first process is killed is
// lost to the cluster, as if its power had failed; with that of the first node the instance ends.
func (n *Node) First(node int) (int, error) {
	if node < 1 || node > len(n.Nodes) {
		return 0, fmt.Errorf("node %d: want 1 to %d", node, len(n.Nodes))
	}
	all, err := allProcesses()
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(all, func(p process) bool { return p.pid == n.status.PID && p.began == n.status.Began }) {
		return 0, fmt.Errorf("instance %q is not up", n.Name)
	}
	if node == 1 {
		return n.status.PID, nil
	}
	// The first process of a further node is a child of the supervisor, and number 1 in the namespace below.
	supervisor, found := childInside(all, n.status.PID, n.status.Supervisor)
	i := slices.IndexFunc(all, func(p process) bool {
		return p.parent == supervisor.pid && len(p.inside) == len(supervisor.inside)+1 && p.inside[len(p.inside)-1] == 1
	})
	if !found || i < 0 {
		return 0, fmt.Errorf("instance %q: node %d is not up", n.Name, node)
	}
	return all[i].pid, nil
}

// Print writes a table for people.
func (s Status) Print(w io.Writer) error {
	state := fmt.Sprintf("process %d", s.PID)
	if s.PID == 0 {
		state = "not up"
	}
	fmt.Fprintf(w, "instance %s: %s, directory %s\n", s.Name, state, s.Dir)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tNODE\tPID\tMEMORY\tSTARTED\tREADY AFTER\tADDRESS")
	var sum int64
	for _, c := range s.Components {
		pid, readyAfter := fmt.Sprint(c.PID), "not yet"
		if c.PID == 0 {
			pid = "ended"
		}
		if c.Ready > 0 {
			readyAfter = fmt.Sprintf("%.1f s", c.Ready.Seconds())
		}
		sum += c.RSS
		fmt.Fprintf(table, "%s\t%s\t%s\t%d MiB\t%s\t%s\t%s\n",
			c.Name, c.Node, pid, c.RSS>>20, c.Started.Format("15:04:05.0"), readyAfter, c.Address)
	}
	fmt.Fprintf(table, "all\t\t\t%d MiB\t\t\t\n", sum>>20)
	return table.Flush()
}
