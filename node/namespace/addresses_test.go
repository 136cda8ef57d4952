package namespace

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestAddressesAreThoseOfTheThreadsNamespace gives a new network namespace addresses and reads them there, and nowhere else.
func TestAddressesAreThoseOfTheThreadsNamespace(t *testing.T) {
	own := []string{"192.0.2.7/24", "198.51.100.0/31", "2001:db8::7/64"}
	var there []netip.Addr
	err := OnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		for _, args := range append([]string{"link set lo up"}, "addr add "+own[0]+" dev lo", "addr add "+own[1]+" dev lo", "addr add "+own[2]+" dev lo nodad") {
			if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
				t.Errorf("ip %s: %v: %s", args, err, out)
			}
		}
		var err error
		there, err = addresses()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	here, err := addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(own, "127.0.0.1/8", "::1/128") {
		ip := netip.MustParsePrefix(text).Addr()
		if !slices.Contains(there, ip) {
			t.Errorf("%s is not in %v", ip, there)
		}
		if !ip.IsLoopback() && slices.Contains(here, ip) {
			t.Errorf("%s is in %v, the addresses of this namespace", ip, here)
		}
	}
	slices.SortFunc(there, netip.Addr.Compare)
	if distinct := slices.Compact(there); len(distinct) != 5 {
		t.Errorf("addresses %v, want 5", distinct)
	}
}
