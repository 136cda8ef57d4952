package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	sigsyaml "sigs.k8s.io/yaml"
)

// load is a steady stream of work whose every failure is counted.
type load struct {
	mu       sync.Mutex
	done     map[string]int
	failures map[string]int
	first    map[string]error
	stop     func()
}

// start calls each kind of work the given times a second until stop.
func start(t *testing.T, perSecond map[string]int, work map[string]func() error) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	l := &load{done: map[string]int{}, failures: map[string]int{}, first: map[string]error{}}
	l.stop = sync.OnceFunc(func() { cancel(); wait.Wait() })
	t.Cleanup(l.stop)
	for kind, do := range work {
		l.done[kind] = 0
		wait.Go(func() {
			tick := time.NewTicker(time.Second / time.Duration(perSecond[kind]))
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				l.count(kind, do())
			}
		})
	}
	return l
}

func (l *load) count(kind string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[kind]++
	if err != nil {
		l.failures[kind]++
		if l.first[kind] == nil {
			l.first[kind] = fmt.Errorf("number %d, at %s: %w", l.done[kind], time.Now().Format(time.TimeOnly), err)
		}
	}
}

// more waits until each kind of work was done so many times more.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	l.mu.Lock()
	want := maps.Clone(l.done)
	l.mu.Unlock()
	for kind := range want {
		want[kind] += n
	}
	l.await(t, want)
}

func (l *load) await(t *testing.T, want map[string]int) {
	t.Helper()
	await(t, "more work", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for kind, n := range want {
			if l.done[kind] < n {
				return fmt.Errorf("%s: %d of %d", kind, l.done[kind], n)
			}
		}
		return nil
	})
}

// end waits until each kind of work was done so many times, stops it, and fails the test for each kind that failed.
func (l *load) end(t *testing.T, atLeast int) {
	t.Helper()
	want := map[string]int{}
	for kind := range l.done {
		want[kind] = atLeast
	}
	l.await(t, want)
	l.stop()
	for kind, n := range l.done {
		t.Logf("%s: %d, failures: %d", kind, n, l.failures[kind])
		if l.failures[kind] > 0 {
			t.Errorf("%s: %d of %d failed, the first: %v", kind, l.failures[kind], n, l.first[kind])
		}
	}
}

// pod asks for an injection, which the Namespace requires.
const pod = `{"metadata":{"name":"web","annotations":{"pillion.dev/inject":"proxy","pillion.dev/proxy.upstream-port":"8081"}},` +
	`"spec":{"containers":[{"name":"app","image":"app:1"}]}}`

// review has the API server ask the webhook, by a Pod that it does not keep.
func (s *stage) review() error {
	status, answer, err := request(http.MethodPost, "/api/v1/namespaces/"+s.required()+"/pods?dryRun=All", "application/json", []byte(pod))
	if err == nil && (status != http.StatusCreated || !strings.Contains(string(answer), `"pillion.dev/status"`)) {
		err = fmt.Errorf("%d %s", status, answer)
	}
	return err
}

// prove has the API server ask the controller, by an entry that it does not keep.
func (s *stage) prove() func() error {
	text, err := os.ReadFile("../../sidecars/catalog/proxy.yaml")
	var entry []byte
	if err == nil {
		entry, err = sigsyaml.YAMLToJSON(text)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return func() error {
		status, answer, err := request(http.MethodPost, "/apis/pillion.dev/v1alpha1/clustersidecars?dryRun=All", "application/json", entry)
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("%d %s", status, answer)
		}
		return err
	}
}

// handshake does what an API server does that has no connection yet: it reads the configuration, and verifies by every caBundle
// in it what is served at that moment.
func (s *stage) handshake(resource string) func() error {
	return func() error {
		var o struct {
			Webhooks []struct {
				ClientConfig struct {
					URL      string
					CABundle []byte
				}
			}
		}
		if err := try(http.MethodGet, "/apis/admissionregistration.k8s.io/v1/"+resource+"/"+s.name, nil, &o); err != nil {
			return err
		}
		if len(o.Webhooks) == 0 {
			return errors.New("no webhooks")
		}
		for _, w := range o.Webhooks {
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(w.ClientConfig.CABundle)
			host := strings.Split(strings.TrimPrefix(w.ClientConfig.URL, "https://"), "/")[0]
			dialer := &net.Dialer{Timeout: time.Minute}
			conn, err := tls.DialWithDialer(dialer, "tcp", host, &tls.Config{MinVersion: tls.VersionTLS13, ServerName: "localhost", RootCAs: roots})
			if err != nil {
				return err
			}
			conn.Close()
		}
		return nil
	}
}

// samples gives a program's metrics whose names begin with a prefix, by name and labels.
func samples(t *testing.T, url, prefix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	res, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), " "); found && strings.HasPrefix(name, prefix) {
			out[name] = value
		}
	}
	return out
}

// patchBundles writes caBundle into every webhook of a configuration.
func (s *stage) patchBundles(resource string, bundle []byte) {
	s.t.Helper()
	path := "/apis/admissionregistration.k8s.io/v1/" + resource + "/" + s.name
	var o struct{ Webhooks []any }
	do(s.t, http.MethodGet, path, nil, &o)
	var ops []map[string]any
	for i := range o.Webhooks {
		ops = append(ops, map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), "value": bundle})
	}
	text, err := json.Marshal(ops)
	if err != nil {
		s.t.Fatal(err)
	}
	do(s.t, http.MethodPatch, path, text, nil)
}
