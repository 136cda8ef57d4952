//go:build linux

package node

import "testing"

func lookAtMachine(t *testing.T) Machine {
	t.Helper()
	m, err := LookAtMachine()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lookAtInstance fails where an instance that is up leaves none of some kind of traces.
func lookAtInstance(t *testing.T, n *Node) Traces {
	t.Helper()
	seen, err := n.Traces()
	if err != nil {
		t.Error(err)
	}
	return seen
}

// wantNoTraces fails where anything is left of an instance that is down.
func wantNoTraces(t *testing.T, n *Node, before Machine, seen ...Traces) {
	t.Helper()
	if err := n.Left(before, seen...); err != nil {
		t.Error(err)
	}
}
