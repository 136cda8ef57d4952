package namespace

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"
)

// addresses gives the addresses of the network namespace that the thread is in. It reads files: who asks for them by netlink
// waits for the lock of all network devices of the node, which is held for a second where many Pods' interfaces are made at once.
// An address may be there more than once.
func addresses() ([]netip.Addr, error) {
	trie, err := os.ReadFile("/proc/thread-self/net/fib_trie")
	if err != nil {
		return nil, err
	}
	list, err := os.ReadFile("/proc/thread-self/net/if_inet6")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6 has none
		return nil, err
	}
	return append(local4(string(trie)), local6(string(list))...), nil
}

// local4 finds the addresses in the kernel's routes: the leaf of each is followed by a line that says it is local.
//
//	|-- 10.88.0.5
//	   /32 host LOCAL
func local4(trie string) (found []netip.Addr) {
	var leaf netip.Addr
	for line := range strings.Lines(trie) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "|-- "); ok {
			leaf, _ = netip.ParseAddr(text) // where it is none, it is nobody's address
		} else if line == "/32 host LOCAL" && leaf.IsValid() {
			found = append(found, leaf)
		}
	}
	return found
}

// local6 finds the addresses in the kernel's list: the first word of each line, as 32 hexadecimal digits.
func local6(list string) (found []netip.Addr) {
	for line := range strings.Lines(list) {
		digits, _, _ := strings.Cut(line, " ")
		if b, err := hex.DecodeString(digits); err == nil && len(b) == 16 {
			found = append(found, netip.AddrFrom16([16]byte(b)))
		}
	}
	return found
}
