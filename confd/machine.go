package confd

import "time"

// Machine answers what a template asks about the machine that it is rendered on.
type Machine struct {
	Now      func() time.Time
	Getenv   func(name string) string
	Hostname func() (string, error)
	// FileExists is asked by fileExists.
	FileExists func(path string) bool
	// LookupIP and LookupSRV ask the DNS; what cannot be found is empty.
	LookupIP  func(host string) []string
	LookupSRV func(service, proto, name string) []SRV
	// InterfaceIP gives the first address of a network interface, of IPv6 or else IPv4; empty where it has none.
	InterfaceIP func(name string, v6 bool) string
}

// SRV is a service's record in the DNS.
type SRV struct {
	Target                 string
	Port, Priority, Weight uint16
}
