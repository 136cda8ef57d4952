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

func (p *pod) deleteARule() {
	p.t.Helper()
	conn, err := nftables.New(nftables.WithNetNSFd(p.pod.Fd()))
	if err != nil {
		p.t.Fatal(err)
	}
	table := &nftables.Table{Family: nftables.TableFamilyINet, Name: TableName}
	rules, err := conn.GetRules(table, &nftables.Chain{Table: table, Name: "outbound"})
	if err == nil {
		err = conn.DelRule(rules[len(rules)-1])
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
