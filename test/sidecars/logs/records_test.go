package logs

import (
	"crypto/tls"
	"crypto/x509"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/test/sidecars/certificate"
	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

// TestWhatARecordSays compares a whole record, as it arrives over TLS from a client that shows its certificate.
func TestWhatARecordSays(t *testing.T) {
	t.Parallel()
	ca := certificate.NewAuthority(t)
	r := receiver.New()
	server := httptest.NewUnstartedServer(r)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	server.StartTLS()
	t.Cleanup(server.Close)

	for _, compression := range []string{"gzip", "zstd", "none"} {
		s := newShipper(t, server.URL, map[string]string{
			"format": "json", "header-secret": "otlp", "ca-configmap": "ca", "tls-secret": "client", "compression": compression,
		})
		client := ca.Issue(t, "shop")
		s.write("ca/ca.crt", string(ca.PEM))
		s.write("tls/tls.crt", string(client.Certificate))
		s.write("tls/tls.key", string(client.Key))
		const body = `{"level":"info","text":"line=1 in","order":{"id":17,"paid":true}}`
		at := filepath.Join(s.logs(), "app.log")
		if err := os.WriteFile(at, []byte(body+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		s.start()
		arrived(t, r, 1)
		s.stop()
		want := receiver.Record{
			Body: body, Authorization: "Bearer t0p $ecret", Client: "shop",
			Resource: map[string]any{
				"k8s.namespace.name": "shop", "k8s.pod.name": "shop-0", "k8s.pod.uid": "0a1b", "k8s.node.name": "node-1", "service.name": "shop",
			},
			Attributes: map[string]any{
				"log.file.name": "app.log", "log.file.path": at, "log.file.record_offset": int64(0),
				"level": "info", "text": "line=1 in", "order": map[string]any{"id": float64(17), "paid": true},
			},
		}
		if diff := cmp.Diff(want, r.Reports()["shop-0"].Last); diff != "" {
			t.Errorf("%s: the record (-want +got):\n%s", compression, diff)
		}
	}
}

// TestBadCertificates sends nothing to an endpoint that is not whom it should be, or does not know the shipper; and keeps it.
func TestBadCertificates(t *testing.T) {
	t.Parallel()
	ca, other := certificate.NewAuthority(t), certificate.NewAuthority(t)
	r := receiver.New()
	server := httptest.NewUnstartedServer(r)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1").TLS}}
	server.StartTLS()
	t.Cleanup(server.Close)
	s := newShipper(t, server.URL, map[string]string{"ca-configmap": "ca"})
	s.write("ca/ca.crt", string(other.PEM))
	s.start()
	newApp(s).write(10)
	eventually(t, "the lines are queued", func() bool { return s.metric("otelcol_receiver_accepted_log_records_total") == 10 })
	s.kill()
	if n := r.Requests(); n != 0 {
		t.Errorf("the endpoint got %d requests of a client that does not trust it", n)
	}
	s.write("ca/ca.crt", string(ca.PEM))
	s.start()
	arrived(t, r, 10)
}

// TestRecordsOfSeveralLines keeps a stack trace together, the last one too.
func TestRecordsOfSeveralLines(t *testing.T) {
	t.Parallel()
	r, endpoint := serve(t)
	s := newShipper(t, endpoint, map[string]string{"multiline-start": `^\d{4}-\d{2}-\d{2} `})
	last := "2026-01-02 ERROR line=2\n\tat a.b.C(C.java:1)\n\tat d.e.F(F.java:2)"
	text := "2026-01-02 ERROR line=1\n\tat a.b.C(C.java:1)\n" + last + "\n"
	if err := os.WriteFile(filepath.Join(s.logs(), "app.log"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.stop()
	got := r.Reports()["shop-0"]
	exactlyOnce(t, got, 2, 1)
	if got.Last.Body != last {
		t.Errorf("the last record is %q, want %q", got.Last.Body, last)
	}
	if keys := maps.Collect(maps.All(got.Last.Attributes)); len(keys) != 3 {
		t.Errorf("attributes are %v", keys)
	}
}

// TestWhatIsNotRead leaves other files and compressed ones alone.
func TestWhatIsNotRead(t *testing.T) {
	t.Parallel()
	r, endpoint := serve(t)
	s := newShipper(t, endpoint, map[string]string{"include": "**/*.log,*.log.*", "exclude": "**/*.gz,secret/*"})
	for name, text := range map[string]string{
		"app.log": "line=1\n", "deep/er/app.log": "line=2\n", "app.log.1": "line=3\n",
		"app.log.2.gz": "line=4\n", "secret/app.log": "line=5\n", "other.txt": "line=6\n",
	} {
		at := filepath.Join(s.logs(), name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.start()
	s.stop()
	if got := r.Reports()["shop-0"]; got.Lines != 3 || got.Highest != 3 {
		t.Errorf("arrived %+v, want the lines 1, 2 and 3", got)
	}
}
