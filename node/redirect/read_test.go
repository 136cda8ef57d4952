package redirect

import (
	"slices"
	"testing"
)

func TestReadCountsWhatPassed(t *testing.T) {
	p := newPod(t)
	p.serve(p.pod, "tcp4", "127.0.0.1:15001", "proxy")
	if found, err := Read(p.pod); err != nil || found != nil {
		t.Fatalf("without a table: %v, %v", found, err)
	}
	p.ensure(everything, Proxy{GID: 1}, Active)
	for range 3 {
		asks(p.pod, "tcp", "198.51.100.7:80")
	}
	found, err := Read(p.pod)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(found.Rules, func(r FoundRule) bool { return r.Name == "to the proxy" && r.Chain == "outbound" })
	if i < 0 || found.Rules[i].Packets != 3 || found.Rules[i].To != 15001 {
		t.Errorf("%+v", found.Rules)
	}
}
