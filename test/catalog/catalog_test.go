package catalog

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
	"github.com/pillion-dev/pillion/webhook"
)

// upToDate is the time after which a change does not come into force any more. It is soon on a machine that does nothing else,
// and the tests print how soon.
const upToDate = 3 * time.Minute

// away is how long the API server is gone: long enough for every watch to be tried again more than once. `make prove` sets
// PILLION_PROVE.
var away = map[bool]time.Duration{true: 10 * time.Minute, false: 2 * time.Second}[proves]

var proves = os.Getenv("PILLION_PROVE") != ""

func TestCatalogOfTheAPIServer(t *testing.T) {
	b := startBed(t)
	early, _, stop := b.watch()
	if note, _ := early.Check().Run(); !strings.Contains(note, "are the CRDs installed?") || early.Current().Entry("", "proxy") == nil {
		t.Errorf("without the CRDs: %s", note)
	}
	stop()
	b.define()
	for _, ns := range []string{"a", "b", "c"} {
		b.send("POST", "/api/v1/namespaces", []byte(`{"metadata":{"name":"`+ns+`"}}`), 201)
	}
	c, metrics, stop := b.watch()
	want := func(namespace, name, wanted string) {
		t.Helper()
		b.within(upToDate, "a Pod of "+namespace+" gets "+wanted+" for "+name, func() bool {
			return strings.Contains(gets(t, c.Current(), namespace, name), wanted)
		})
	}

	b.apply("", "extra", "extra:1")
	want("a", "extra", "extra:1")
	b.apply("", "extra", "extra:2")
	want("a", "extra", "extra:2")

	b.apply("", "proxy", "proxy:cluster")
	want("a", "proxy", "proxy:cluster")
	b.remove("", "proxy")
	want("a", "proxy", "haproxy:")

	b.apply("a", "own", "own:a")
	b.apply("b", "own", "own:b")
	want("a", "own", "own:a")
	want("b", "own", "own:b")
	want("c", "own", "no such sidecar")
	b.apply("a", "extra", "extra:a")
	b.apply("a", "last", "last:a")
	want("a", "last", "last:a") // so the one before it is known, too
	want("a", "extra", "extra:2")

	// What was written with no validating webhook in the way: the last good revision stays, the others do not notice.
	b.apply("", "extra", bad)
	b.within(upToDate, "the mistake is told", func() bool {
		note, _ := c.Check().Run()
		return strings.Contains(note, "extra, revision "+c.Current().Entry("", "extra").Revision+" stays in force: spec.containers[0].imagePullPolcy")
	})
	want("a", "extra", "extra:2")
	want("b", "own", "own:b")
	if text := scrape(metrics); !strings.Contains(text, "pillion_catalog_entry_errors 1") || !strings.Contains(text, `pillion_catalog_entries{layer="namespace"} 4`) {
		t.Errorf("metrics:\n%s", text)
	}
	stop()

	// A webhook that starts now has no good revision of it.
	c, _, _ = b.watch()
	want("a", "extra", "the catalog's entry has a mistake: spec.containers[0].imagePullPolcy")
	want("b", "own", "own:b")
	b.apply("", "extra", "extra:3")
	want("a", "extra", "extra:3")
	b.remove("", "extra")
	want("a", "extra", "extra:a")
	want("c", "extra", "no such sidecar")
}

func scrape(m *webhook.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestCatalogConverges cuts the watches off a hundred times while entries change, and stops the API server.
func TestCatalogConverges(t *testing.T) {
	b := startBed(t)
	b.define()
	c, _, _ := b.watch()
	cuts := 0
	for i := range 100 {
		b.apply("", "one", fmt.Sprintf("one:%d", i))
		switch i % 3 {
		case 0:
			b.apply("default", "two", fmt.Sprintf("two:%d", i))
		case 1:
			b.remove("default", "two")
		}
		for n := 0; n == 0; time.Sleep(5 * time.Millisecond) {
			n = b.cut()
			cuts += n
		}
	}
	b.apply("", "one", "one:last")
	b.apply("default", "three", "three:last")
	settled := func() bool {
		_, two := index(c.Current())["default/two"]
		return gets(t, c.Current(), "default", "one") == "one:last" && gets(t, c.Current(), "default", "three") == "three:last" && two == (99%3 == 0)
	}
	b.within(upToDate, "the catalog is that of the API server", settled)
	t.Logf("%d connections were cut", cuts)

	was := c.Current()
	b.StopAPIServer()
	time.Sleep(away)
	if !settled() || c.Current() != was {
		t.Error("with the API server gone the catalog is another one")
	}
	if _, err := c.Check().Run(); err != nil {
		t.Errorf("with the API server gone it is not ready: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := b.StartAPIServer(ctx); err != nil {
		t.Fatal(err)
	}
	b.apply("", "one", "one:after")
	began := time.Now()
	b.within(upToDate, "a change after the API server is back", func() bool { return gets(t, c.Current(), "default", "one") == "one:after" })
	t.Logf("it was in force after %.2f s", time.Since(began).Seconds())
}

func index(c *sidecars.Catalog) map[string]*sidecars.Entry {
	m := map[string]*sidecars.Entry{}
	for _, e := range c.All() {
		m[e.Key().String()] = e
	}
	return m
}

// TestThousandEntries has a webhook start with a thousand entries, and one of them change.
func TestThousandEntries(t *testing.T) {
	b := startBed(t)
	b.define()
	const n = 1000
	for i := range n {
		b.apply("", fmt.Sprintf("entry-%d", i), "entry:1")
	}
	began := time.Now()
	c, metrics, _ := b.watch()
	b.within(time.Minute, "every entry is there", func() bool { return len(c.Current().All()) >= n })
	t.Logf("%d entries are in force %.2f s after the start", n, time.Since(began).Seconds())
	if text := scrape(metrics); !strings.Contains(text, fmt.Sprintf(`pillion_catalog_entries{layer="cluster"} %d`, n)) {
		t.Error("the metrics count others")
	}
	before := index(c.Current())
	began = time.Now()
	b.apply("", "entry-500", "entry:2")
	b.within(upToDate, "the change is in force", func() bool { return gets(t, c.Current(), "default", "entry-500") == "entry:2" })
	t.Logf("one change among them is in force after %.2f s", time.Since(began).Seconds())
	read := 0
	for key, e := range index(c.Current()) {
		if before[key] != e {
			read++
		}
	}
	if read != 1 {
		t.Errorf("for one change %d entries were read again", read)
	}
}
