package redirect

import (
	"errors"
	"testing"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"

	"github.com/pillion-dev/pillion/node/namespace"
)

func TestEnsureChangesOnlyWhatDiffers(t *testing.T) {
	p := newPod(t)
	steps := []struct {
		name  string
		do    func()
		spec  Spec
		proxy Proxy
		want  bool
	}{
		{"new", nil, everything, Proxy{GID: 1}, true},
		{"the same", nil, everything, Proxy{GID: 1}, false},
		{"another proxy", nil, everything, Proxy{GID: 2}, true},
		{"another spec", nil, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"a rule is gone", func() { p.deleteARule() }, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"a chain is there", func() { p.addChain("wall", nftables.ChainHookInput) }, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"the table is gone", func() { _ = (&Loader{}).Remove(p.pod) }, Spec{Outbound: 15001}, Proxy{GID: 2}, true},
		{"and again", nil, Spec{Outbound: 15001}, Proxy{GID: 2}, false},
	}
	for _, s := range steps {
		if s.do != nil {
			s.do()
		}
		if got := p.ensure(s.spec, s.proxy, Active); got != s.want {
			t.Errorf("%s: changed %v, want %v", s.name, got, s.want)
		}
		found, err := Read(p.pod)
		if err != nil {
			t.Fatal(err)
		}
		want := NewTable(&s.spec, &s.proxy, Active)
		if found.Hash != want.Hash || len(found.Rules) != len(want.rules) {
			t.Errorf("%s: found %+v", s.name, found)
		}
	}
}

// TestReplaceWhateverIsThere does so over what a Pod's own root may have made of the table.
func TestReplaceWhateverIsThere(t *testing.T) {
	p := newPod(t)
	p.ensure(everything, Proxy{GID: 1}, Active)
	for i, c := range []struct {
		name string
		do   func()
	}{
		{"another table of ours", func() {}},
		{"a rule less", p.deleteARule},
		{"none", func() { _ = (&Loader{}).Remove(p.pod) }},
		{"a chain of that name at another place", func() {
			_ = (&Loader{}).Remove(p.pod)
			p.addChain("outbound", nftables.ChainHookPostrouting)
		}},
	} {
		c.do()
		want := NewTable(&everything, &Proxy{GID: uint32(i + 2)}, Active)
		if changed, err := (&Loader{}).Replace(p.pod, nil, want); err != nil || !changed {
			t.Errorf("%s: %v %v", c.name, changed, err)
		}
		found, err := Read(p.pod)
		if err != nil {
			t.Fatal(err)
		}
		if found.Hash != want.Hash || len(found.Rules) != len(want.rules) {
			t.Errorf("%s: found %+v", c.name, found)
		}
		if changed, err := (&Loader{}).Ensure(p.pod, nil, want); err != nil || changed {
			t.Errorf("%s: it was not the whole table: %v %v", c.name, changed, err)
		}
	}
}

func (p *pod) deleteARule() {
	p.change(func(conn *nftables.Conn, table *nftables.Table) error {
		rules, err := conn.GetRules(table, &nftables.Chain{Table: table, Name: "outbound"})
		if err != nil {
			return err
		}
		return conn.DelRule(rules[len(rules)-1])
	})
}

func (p *pod) addChain(name string, hook *nftables.ChainHook) {
	p.change(func(conn *nftables.Conn, table *nftables.Table) error {
		conn.AddTable(table)
		conn.AddChain(&nftables.Chain{Table: table, Name: name, Type: nftables.ChainTypeFilter, Hooknum: hook, Priority: nftables.ChainPriorityFilter})
		return nil
	})
}

// change does something to the table as somebody else.
func (p *pod) change(do func(*nftables.Conn, *nftables.Table) error) {
	p.t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(p.pod.Fd()))
	if err == nil {
		err = do(conn, &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName})
	}
	if err = errors.Join(err, conn.Flush()); err != nil {
		p.t.Fatal(err)
	}
}

// BenchmarkEnsure prints what one table costs where it is new and where it is there.
func BenchmarkEnsure(b *testing.B) {
	n := new(namespace.Net)
	if err := namespace.OnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n, err = namespace.OpenNet("/proc/thread-self/ns/net", 0)
		}
		return err
	}); err != nil {
		b.Fatal(err)
	}
	defer n.Close()
	for name, differs := range map[string]bool{"new": true, "there": false} {
		b.Run(name, func(b *testing.B) {
			i := uint32(0)
			for b.Loop() {
				if differs {
					i++
				}
				if _, err := (&Loader{}).Ensure(n, nil, NewTable(&everything, &Proxy{GID: i + 1}, Active)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
