package redirect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"

	"github.com/pillion-dev/pillion/node/namespace"
)

// TableName is the name of the table in every Pod's network namespace.
const TableName = "pillion"

// Loader puts tables into network namespaces.
type Loader struct {
	// CgroupNamespace is the path of the host's cgroup namespace, such as /proc/1/ns/cgroup; empty: the process is in it.
	CgroupNamespace string
}

// Ensure has a network namespace hold exactly this table. Where addresses are known to be the Pod's, it must have one of them. It
// reports whether it had to change anything. The table is replaced whole, in one transaction: until it succeeds, and where it
// fails, the old one holds.
func (l *Loader) Ensure(n *namespace.Net, ips []netip.Addr, t *Table) (changed bool, err error) {
	err = l.within(n, ips, func(conn *nftables.Conn) error {
		is, err := read(conn)
		if err != nil || is.holds(t) {
			return err
		}
		changed = true
		return t.load(conn, is != nil)
	})
	return changed && err == nil, err
}

// holds reports whether the kernel has this table, and nothing else in it.
func (f *Found) holds(t *Table) bool {
	return f != nil && f.Hash == t.Hash && len(f.Rules) == len(t.rules) &&
		!slices.ContainsFunc(f.Foreign, func(c string) bool { return strings.HasPrefix(c, TableName+"/") })
}

// Replace is Ensure where another of these tables is known to be there: its rules alone are replaced. The hooks of its chains stay,
// for which the kernel takes locks of the whole node.
func (l *Loader) Replace(n *namespace.Net, ips []netip.Addr, t *Table) (changed bool, err error) {
	if err = l.within(n, ips, func(conn *nftables.Conn) error { return t.load(conn, false) }); err != nil {
		return l.Ensure(n, ips, t) // somebody has changed the chains
	}
	return true, nil
}

// Remove takes the table out of a network namespace, if it is there.
func (l *Loader) Remove(n *namespace.Net) error {
	return l.within(n, nil, func(conn *nftables.Conn) error {
		table := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName}
		conn.AddTable(table) // so that there is one to delete
		conn.DelTable(table)
		if err := conn.Flush(); err != nil {
			return fmt.Errorf("nftables: delete table %s: %w", TableName, err)
		}
		return nil
	})
}

// within runs f with one connection to the tables of a network namespace, on a thread that is there: the library would take a
// thread for every question. Where addresses are given, the namespace must have one of them.
func (l *Loader) within(n *namespace.Net, ips []netip.Addr, f func(*nftables.Conn) error) error {
	return namespace.OnHost(l.CgroupNamespace, func() error {
		if len(ips) > 0 {
			if err := namespace.Holds(ips); err != nil {
				return err
			}
		}
		conn, err := nftables.New(nftables.AsLasting())
		if err != nil {
			return fmt.Errorf("nftables: %w", err)
		}
		defer func() { _ = conn.CloseLasting() }() // what was asked is answered
		return f(conn)
	}, n.Entry())
}

// load has this table be there in one transaction, with a new one for whatever is there or with that of our own.
func (t *Table) load(conn *nftables.Conn, anew bool) error {
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName}
	conn.AddTable(table)
	if anew {
		conn.DelTable(table)
		conn.AddTable(table)
	}
	chains := map[chain]*nftables.Chain{}
	for name, hook := range map[chain]*nftables.ChainHook{inbound: nftables.ChainHookPrerouting, outbound: nftables.ChainHookOutput} {
		chains[name] = conn.AddChain(&nftables.Chain{Table: table, Name: string(name), Type: nftables.ChainTypeNAT, Hooknum: hook,
			Priority: nftables.ChainPriorityNATDest})
	}
	conn.FlushTable(table)
	for i, r := range t.rules {
		exprs := append(append([]expr.Any{}, r.match...), &expr.Counter{})
		if r.to != 0 {
			exprs = append(exprs, redirect(r.to)...)
		} else {
			exprs = append(exprs, leave()...)
		}
		comment := r.name
		if i == 0 {
			comment += hashMark + t.Hash
		}
		conn.AddRule(&nftables.Rule{Table: table, Chain: chains[r.chain], Exprs: exprs,
			UserData: userdata.AppendString(nil, userdata.TypeComment, comment)})
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("nftables: replace table %s: %w", TableName, err)
	}
	return nil
}

// hashMark stands before the hash in the comment of the first rule.
const hashMark = " #"
