// Package certs makes, reads and judges serving certificates. A certificate comes from cert-manager, from an Authority that
// the controller keeps (self-managed), from the user's own files or, for demos and tests, from SelfSigned; in every case it is
// a directory that holds tls.crt, tls.key and, where known, ca.crt: the names of a Kubernetes TLS Secret, which
// controller-runtime's certificate watcher reads as well. Nothing here reads a clock for a decision or calls an API server:
// package controller does, by these rules.
package certs

// The files of a certificate directory.
const (
	// CertFile holds the serving certificate and its intermediates, leaf first, as PEM.
	CertFile = "tls.crt"
	// KeyFile holds the private key of the leaf as PEM.
	KeyFile = "tls.key"
	// CAFile holds the certificates that clients trust, as PEM; it may be absent.
	CAFile = "ca.crt"
)
