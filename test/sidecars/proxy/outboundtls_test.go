package proxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/pillion-dev/pillion/test/sidecars/certificate"
)

// endpoint is a server that speaks TLS, tells who asked for which name, and may want a certificate.
func endpoint(t *testing.T, pair certificate.Pair, clients *x509.CertPool) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := "asked for " + r.TLS.ServerName
		if len(r.TLS.PeerCertificates) > 0 {
			text += " by " + r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = w.Write([]byte(text))
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair.TLS}}
	if clients != nil {
		server.TLS.ClientAuth, server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, clients
	}
	server.Config.ErrorLog = log.New(new(bytes.Buffer), "", 0) // refused handshakes are the test's purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// TestOutboundTLS has the app speak plain HTTP to localhost, and the proxy TLS to the endpoint: with the name asked for and
// checked, and the proxy's own certificate where the endpoint wants one. Whoever is not the endpoint gets nothing.
func TestOutboundTLS(t *testing.T) {
	t.Parallel()
	ca, other := certificate.NewAuthority(t), certificate.NewAuthority(t)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.PEM)
	own := ca.Issue(t, "shop")
	right, wrongName := ca.Issue(t, "db.example.com"), ca.Issue(t, "other.example.com")
	stranger := other.Issue(t, "db.example.com")
	for name, c := range map[string]struct {
		server  certificate.Pair
		clients *x509.CertPool // whose certificates the endpoint wants
		shows   bool
		want    string // nothing: the endpoint is down
	}{
		"the endpoint":                            {server: right, want: "asked for db.example.com"},
		"with a certificate of our own":           {server: right, clients: clients, shows: true, want: "asked for db.example.com by shop"},
		"without the certificate that is wanted":  {server: right, clients: clients},
		"a certificate of another name":           {server: wrongName},
		"a certificate of an authority not known": {server: stranger},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := endpoint(t, c.server, c.clients)
			listen, port := local(t)
			set := map[string]string{
				"mode": "outbound", "outbound-1-port": port, "outbound-1-servers": at,
				"outbound-1-tls-name": "db.example.com", "outbound-ca-secret": "ca",
			}
			if c.shows {
				set["outbound-tls-secret"] = "client"
			}
			p := newProxy(t, set)
			p.write("ca/ca.crt", string(ca.PEM))
			p.write("client/tls.pem", string(own.Certificate))
			p.write("client/tls.pem.key", string(own.Key))
			p.start()
			status, body := get(fresh(), "http://"+listen)
			if c.want == "" {
				if status != 0 {
					t.Errorf("an answer came: %d %q", status, body)
				}
				if c.clients == nil { // with TLS 1.3 a client learns only later that its certificate is refused
					eventually(t, "the health check finds it", func() bool {
						return p.metric("haproxy_server_status", `proxy="outbound-1"`, `state="UP"`) == 0
					})
				}
				return
			}
			if status != http.StatusOK || body != c.want {
				t.Errorf("the answer is %d %q, want %q", status, body, c.want)
			}
			if p.metric("haproxy_server_status", `proxy="outbound-1"`, `state="UP"`) != 1 {
				t.Error("the health check does not find the endpoint")
			}
		})
	}
}

// TestOutboundTLSOfPublicAuthorities runs without a CA of one's own: what the image trusts counts, and the test's authority is
// not among that.
func TestOutboundTLSOfPublicAuthorities(t *testing.T) {
	t.Parallel()
	at := endpoint(t, certificate.NewAuthority(t).Issue(t, "db.example.com"), nil)
	listen, port := local(t)
	p := newProxy(t, map[string]string{
		"mode": "outbound", "outbound-1-port": port, "outbound-1-servers": at, "outbound-1-tls-name": "db.example.com",
	})
	p.start()
	if status, body := get(fresh(), "http://"+listen); status != 0 {
		t.Errorf("an answer came of one who is not known: %d %q", status, body)
	}
}
