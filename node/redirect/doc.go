// Package redirect has all TCP of a Pod, and its DNS where asked for, pass through a proxy in the Pod: nftables rules in the
// Pod's network namespace, put there from outside, so that nothing in the Pod needs a privilege.
//
//	what is redirected        spec.go
//	rules, as data            rules.go match.go
//	rules into the kernel     apply.go, out of it: read.go
//
// The first two are pure. All rules of a Pod are one table, which is replaced whole in one transaction of the kernel: there is
// no moment with half of it, and doing it again changes nothing.
package redirect
