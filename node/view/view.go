// Package view says what there is of a Pod on its node, for people: which of its containers share which namespaces, where
// their cgroups are and what these allow, which rules its traffic meets; as text, as JSON and as a picture. It is pure.
package view

import (
	"cmp"
	"slices"

	"github.com/pillion-dev/pillion/node/cgroup"
	"github.com/pillion-dev/pillion/node/redirect"
)

// Pod is what there is of a Pod.
type Pod struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	UID       string   `json:"uid"`
	Sandbox   string   `json:"sandbox"`
	IPs       []string `json:"ips,omitempty"`
	// Containers that run. The first is the one that holds the Pod's namespaces, where the runtime has such a process.
	Containers []Container `json:"containers"`
	// Network is the inode number of the Pod's network namespace.
	Network uint64 `json:"network"`
	// Redirect is what the kernel has of the Pod's rules; nil where it has none. Wanted is the hash that they should have,
	// empty where there should be none.
	Redirect *redirect.Found `json:"redirect,omitempty"`
	Wanted   string          `json:"wanted,omitempty"`
	Phase    string          `json:"phase,omitempty"`
	// Findings say what is not as the catalog asks for.
	Findings []string `json:"findings,omitempty"`
}

// Container is what there is of one.
type Container struct {
	Name string `json:"name"`
	ID   string `json:"id"`
	PID  int    `json:"pid"`
	// Sidecar and Revision name the entry that it comes from; they are empty for the app's.
	Sidecar  string `json:"sidecar,omitempty"`
	Revision string `json:"revision,omitempty"`
	// Joins is the container whose PID namespace it is to be in.
	Joins string `json:"joins,omitempty"`
	// Namespaces are the inode numbers of its process's namespaces, by kind: cgroup, ipc, mnt, net, pid, user, uts.
	Namespaces map[string]uint64 `json:"namespaces"`
	// Cgroups are the paths of its cgroups, by controller; the empty name is version 2.
	Cgroups map[string]string `json:"cgroups,omitempty"`
	Limits  map[string]string `json:"limits,omitempty"`
	Usage   cgroup.Usage      `json:"usage"`
}

// Pause is the name of the process that holds a Pod's namespaces.
const Pause = "pause"

// Kinds of namespaces, in the order in which they are shown.
var Kinds = []string{"net", "ipc", "uts", "pid", "mnt", "cgroup", "user"}

// Group is a namespace and the containers in it, by name, in the order of the Pod.
type Group struct {
	Kind    string   `json:"kind"`
	Inode   uint64   `json:"inode"`
	Members []string `json:"members"`
}

// Groups gives every namespace of a kind that a container of the Pod is in, the largest first.
func (p *Pod) Groups(kind string) []Group {
	var out []Group
	for i := range p.Containers {
		c := &p.Containers[i]
		inode, ok := c.Namespaces[kind]
		if !ok {
			continue
		}
		at := slices.IndexFunc(out, func(g Group) bool { return g.Inode == inode })
		if at < 0 {
			out = append(out, Group{Kind: kind, Inode: inode})
			at = len(out) - 1
		}
		out[at].Members = append(out[at].Members, c.Name)
	}
	slices.SortStableFunc(out, func(a, b Group) int { return cmp.Compare(len(b.Members), len(a.Members)) })
	return out
}

// Check finds what is not as it should be, from what is known of the Pod; the list is sorted.
func (p *Pod) Check() []string {
	var out []string
	switch {
	case p.Wanted != "" && p.Redirect == nil:
		out = append(out, "its traffic should be redirected, and there are no rules")
	case p.Wanted != "" && p.Redirect.Hash != p.Wanted:
		out = append(out, "its rules are not those that its proxy asks for: "+p.Redirect.Hash+" and not "+p.Wanted)
	case p.Wanted == "" && p.Redirect != nil:
		out = append(out, "it has rules, and no proxy asks for them")
	}
	if p.Redirect != nil {
		for _, f := range p.Redirect.Foreign {
			out = append(out, "a chain of somebody else's may change its traffic too: "+f)
		}
	}
	for i := range p.Containers {
		c := &p.Containers[i]
		if net := c.Namespaces["net"]; net != 0 && p.Network != 0 && net != p.Network {
			out = append(out, "container "+c.Name+" is in another network namespace than its Pod")
		}
		if c.Joins == "" {
			continue
		}
		target := slices.IndexFunc(p.Containers, func(t Container) bool { return t.Name == c.Joins })
		if target < 0 {
			out = append(out, "container "+c.Name+" should be in the PID namespace of "+c.Joins+", which does not run")
		} else if p.Containers[target].Namespaces["pid"] != c.Namespaces["pid"] {
			out = append(out, "container "+c.Name+" is not in the PID namespace of "+c.Joins)
		}
	}
	slices.Sort(out)
	return out
}
