package serving

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesAreSplitIntoDNSNamesAndAddresses(t *testing.T) {
	c := Defaults("pillion.pillion-system.svc")
	c.DNSNames = append(c.DNSNames, "::1")
	dns, ips := c.names()
	if diff := cmp.Diff([]string{"localhost", "pillion.pillion-system.svc"}, dns); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]net.IP{net.ParseIP("127.0.0.1"), net.ParseIP("::1")}, ips); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
