// Package namespace enters the kernel's namespaces of Pods, and tells them apart.
//
//	a thread of one's own   thread.go
//	a network namespace     net.go, addresses.go
package namespace
