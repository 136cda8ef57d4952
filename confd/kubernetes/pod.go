package kubernetes

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Account is where Kubernetes mounts a ServiceAccount's token into a Pod.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

// InPod is a backend that asks the API server of the Pod's cluster, about the Pod's Namespace, in the name of its
// ServiceAccount: account is the folder of token, ca.crt and namespace, agent what confd calls itself. The Pod's variables tell
// where the API server is.
func InPod(account, agent string, getenv func(string) string) (*Backend, error) {
	host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("runs in a Pod only")
	}
	namespace, err := os.ReadFile(filepath.Join(account, "namespace"))
	if err != nil {
		return nil, err
	}
	return &Backend{
		Server: "https://" + net.JoinHostPort(host, port), Namespace: strings.TrimSpace(string(namespace)),
		Client: &http.Client{Transport: &pod{account: account, agent: agent}},
	}, nil
}

// pod asks in the name of a Pod. The kubelet renews the token, and the authorities with it: both are read for every request.
type pod struct {
	account, agent string

	mu        sync.Mutex
	ca        []byte
	transport *http.Transport
}

// RoundTrip sends a request.
func (p *pod) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := os.ReadFile(filepath.Join(p.account, "token"))
	if err != nil {
		return nil, err
	}
	transport, err := p.trusting()
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	r.Header.Set("User-Agent", p.agent)
	return transport.RoundTrip(r)
}

// trusting trusts the authorities as they are now.
func (p *pod) trusting() (*http.Transport, error) {
	file := filepath.Join(p.account, "ca.crt")
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.transport != nil && bytes.Equal(ca, p.ca) {
		return p.transport, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s: no certificate in PEM", file)
	}
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
	p.ca, p.transport = ca, &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		// A watch is silent for minutes: whether the API server is still there is asked beside it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	return p.transport, nil
}
