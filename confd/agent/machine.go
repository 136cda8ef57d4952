package agent

import (
	"context"
	"net"
	"os"
	"slices"
	"time"

	"github.com/pillion-dev/pillion/confd"
)

// lookupTimeout is how long one question to the DNS may take.
const lookupTimeout = 5 * time.Second

// Machine is the one that the program runs on.
func Machine() *confd.Machine {
	return &confd.Machine{
		Now: time.Now, Getenv: os.Getenv, Hostname: os.Hostname,
		FileExists: func(path string) bool {
			_, err := os.Stat(path)
			return !os.IsNotExist(err)
		},
		LookupIP: lookupIP, LookupSRV: lookupSRV, InterfaceIP: interfaceIP,
	}
}

func lookupIP(host string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil
	}
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

func lookupSRV(service, proto, name string) []confd.SRV {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	_, found, err := net.DefaultResolver.LookupSRV(ctx, service, proto, name)
	if err != nil {
		return nil
	}
	var records []confd.SRV
	for _, s := range found {
		records = append(records, confd.SRV{Target: s.Target, Port: s.Port, Priority: s.Priority, Weight: s.Weight})
	}
	return records
}

func interfaceIP(name string, v6 bool) string {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	addresses, err := i.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && (n.IP.To4() == nil) == v6 {
			return n.IP.String()
		}
	}
	return ""
}
