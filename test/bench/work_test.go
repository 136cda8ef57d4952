package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// What is asked for, and of which Pod.
const (
	oneSmall    = "one small sidecar"
	fourBuiltin = "four built-in"
	simplePod   = "simple"
	realPod     = "realistic"
)

// asks are the annotations of a Pod by what it asks for.
var asks = map[string]map[string]string{
	oneSmall: {
		"pillion.dev/inject":      "small",
		"pillion.dev/small.level": "debug",
	},
	fourBuiltin: {
		"pillion.dev/inject":               "log-shipper,proxy,adapter,confd",
		"pillion.dev/log-shipper.endpoint": "https://otlp.example:4318",
		"pillion.dev/proxy.upstream-port":  "8080",
		"pillion.dev/proxy.port":           "15001",
		"pillion.dev/adapter.metrics":      "name=app,port=8080",
		"pillion.dev/confd.templates":      "proxy-routes",
		"pillion.dev/confd.endpoints":      "https://etcd-0.example:2379,https://etcd-1.example:2379",
	},
}

// work is a Pod that asks for something.
type work struct {
	asks, pod string
	// review is the body of the API server's request; object is the Pod in it.
	review, object []byte
}

// works are all Pods with all they may ask for.
func works(t testing.TB) []*work {
	var list []*work
	for _, pod := range []string{simplePod, realPod} {
		for _, what := range []string{oneSmall, fourBuiltin} {
			list = append(list, workOf(t, pod, what))
		}
	}
	return list
}

func workOf(t testing.TB, pod, what string) *work {
	t.Helper()
	return newWork(t, pod, what, readReview(t, pod))
}

func readReview(t testing.TB, pod string) []byte {
	t.Helper()
	review, err := os.ReadFile(map[string]string{simplePod: "testdata/base.simple.review.json", realPod: "testdata/base.real.review.json"}[pod])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(review)
}

func newWork(t testing.TB, pod, what string, review []byte) *work {
	t.Helper()
	w := &work{asks: what, pod: pod, review: annotated(t, review, asks[what])}
	var read struct {
		Request struct{ Object json.RawMessage }
	}
	if err := json.Unmarshal(w.review, &read); err != nil {
		t.Fatal(err)
	}
	w.object = read.Request.Object
	return w
}

// annotated puts annotations into the text of a review; the rest stays as the API server wrote it.
func annotated(t testing.TB, review []byte, annotations map[string]string) []byte {
	t.Helper()
	var members []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		members = append(members, fmt.Sprintf("%q:%q", key, annotations[key]))
	}
	text, had := string(review), `"annotations":{`
	ours := had + strings.Join(members, ",")
	if strings.Contains(text, had) {
		return []byte(strings.Replace(text, had, ours+",", 1))
	}
	before := `"ownerReferences":`
	if !strings.Contains(text, before) {
		t.Fatal("the review has no place for annotations")
	}
	return []byte(strings.Replace(text, before, ours+"},"+before, 1))
}

// catalog holds the embedded entries and the small one.
func catalog(t testing.TB) *sidecars.Catalog {
	t.Helper()
	c, err := sidecars.Load(os.DirFS("testdata/catalog"))
	if err != nil {
		t.Fatal(err)
	}
	builtin, entries := sidecars.Builtin(), []*sidecars.Entry{c.Entry("", "small")}
	for _, name := range builtin.Names("") {
		entries = append(entries, builtin.Entry("", name))
	}
	return sidecars.NewCatalog(entries...)
}

// pillion is the webhook's handler, which logs nothing.
func pillion(c *sidecars.Catalog) *webhook.Handler {
	return webhook.NewHandler(webhook.Options{
		Catalog:   func() *sidecars.Catalog { return c },
		Namespace: func(name string) (sidecars.Namespace, bool) { return sidecars.Namespace{Name: name}, true },
	})
}
