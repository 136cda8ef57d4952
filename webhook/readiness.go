package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/sidecars"
)

// Check is one condition of readiness. Run gives a note for people and, where the condition does not hold, why not.
type Check struct {
	Name string
	Run  func() (note string, err error)
}

// Readiness says whether the API server may send reviews here. It serves /readyz: 200, or 503 with every reason;
// ?verbose tells of every check.
type Readiness struct {
	checks []Check
}

// NewReadiness makes a Readiness that needs every one of the checks.
func NewReadiness(checks ...Check) *Readiness { return &Readiness{checks} }

// ServeHTTP runs the checks.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var all, bad strings.Builder
	for _, c := range r.checks {
		note, err := c.Run()
		line := "[+]" + c.Name + " ok"
		if err != nil {
			line = "[-]" + c.Name + " failed: " + err.Error()
			bad.WriteString(line + "\n")
		}
		all.WriteString(line + indent(note) + "\n")
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	text := "ok\n"
	if bad.Len() > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = bad.String() + "not ready\n"
	}
	if req.URL.Query().Has("verbose") {
		text = all.String()
	}
	// A prober that went away needs no answer.
	_, _ = w.Write([]byte(text))
}

// indent sets a note after its line, further lines below it.
func indent(note string) string {
	if note == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(note, "\n", "\n    ")
}

// Check is readiness with regard to the drain: it fails from Begin on.
func (d *Drain) Check() Check {
	return Check{"running", func() (string, error) {
		if d.Draining() {
			return "", errors.New("draining")
		}
		return "", nil
	}}
}

// Check is readiness of the admission port: it answers a TLS handshake with a certificate that is fit to serve. Where
// ca.crt, which may be ahead of the served chain for a moment, does not vouch for the chain, or the files of a newer one are no
// good, the note says so.
func (s *Server) Check() Check {
	return Check{"certificate", func() (string, error) {
		status, err := s.served()
		if status == nil {
			return "", err
		}
		note := fmt.Sprintf("%s, valid until %s", strings.Join(status.Names, " "), status.NotAfter.UTC().Format(time.RFC3339))
		return note + s.certificate.note(status), err
	}}
}

// firstErrors bounds the mistakes of a catalog that readiness shows.
const firstErrors = 5

// first gives the first of some lines, and how many more there are.
func first(lines []string) []string {
	more := len(lines) - firstErrors
	if more <= 0 {
		return lines
	}
	return append(lines[:firstErrors:firstErrors], fmt.Sprintf("and %d more", more))
}

// inForce tells of the catalog in force.
func inForce(c *sidecars.Catalog) string {
	return fmt.Sprintf("revision %s, %d entries", c.Revision(), len(c.All()))
}

// Check is readiness of the catalog: there is always one in force. The note tells its revision and why a newer one is not.
func (s *CatalogSource) Check() Check {
	return Check{"catalog", func() (string, error) {
		note, err := inForce(s.Current()), s.Failure()
		if err == nil {
			return note, nil
		}
		return note + "; the last reload failed:\n" + strings.Join(first(strings.Split(err.Error(), "\n")), "\n"), nil
	}}
}

// Check is readiness of the catalog: the API server has said of each kind what there is, or that it knows no such kind, which
// must not keep Pods from the embedded sidecars. It holds on where the API server goes away later. The note tells which
// entries are not in force as they were last written, and why.
func (c *ClusterCatalog) Check() Check {
	return Check{"catalog", func() (string, error) {
		var lines []string
		for _, k := range c.kinds {
			if why := k.why(); why != "" {
				lines = append(lines, k.resource+": "+why)
			}
		}
		if !c.assembled.Load() {
			return strings.Join(lines, "\n"), errors.New("not read from the API server yet")
		}
		lines = append([]string{inForce(c.Current())}, lines...)
		return strings.Join(append(lines, first(c.failures())...), "\n"), nil
	}}
}

// failures lists the entries whose newest spec is not in force, and why, sorted.
func (c *ClusterCatalog) failures() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for key, o := range c.objects {
		switch {
		case o.failure == "":
		case o.entry != nil:
			out = append(out, key.String()+", revision "+o.revision()+" stays in force: "+o.failure)
		default:
			out = append(out, key.String()+" is left out: "+o.failure)
		}
	}
	slices.Sort(out)
	return out
}

// Check is readiness of the Namespaces: each has been seen once. It holds on where the API server goes away later.
func (n *Namespaces) Check() Check {
	return Check{"namespaces", func() (string, error) {
		why := n.why()
		if !n.Synced() {
			return why, errors.New("not read from the API server yet")
		}
		note := fmt.Sprintf("%d known", n.count())
		if why != "" {
			note += "\n" + why
		}
		return note, nil
	}}
}
