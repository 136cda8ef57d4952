package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pillion-dev/pillion/certs"
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
// ca.crt, which may be ahead of the served chain for a moment, does not vouch for the chain, the note says so.
func (s *Server) Check() Check {
	return Check{"certificate", func() (string, error) {
		status, err := s.served()
		if status == nil {
			return "", err
		}
		note := fmt.Sprintf("%s, valid until %s", strings.Join(status.Names, " "), status.NotAfter.UTC().Format(time.RFC3339))
		ca, readErr := os.ReadFile(filepath.Join(s.dir, certs.CAFile))
		if readErr == nil && len(status.Names) > 0 {
			if distrust := status.Trusted(ca, status.Names[0], time.Now()); distrust != nil {
				note += "\nnot trusted by " + certs.CAFile + ": " + distrust.Error()
			}
		}
		return note, err
	}}
}

// firstErrors bounds the mistakes of a catalog that readiness shows.
const firstErrors = 5

// Check is readiness of the catalog: there is always one in force. The note tells its revision and why a newer one is not.
func (s *CatalogSource) Check() Check {
	return Check{"catalog", func() (string, error) {
		c := s.Current()
		note := fmt.Sprintf("revision %s, %d entries", c.Revision(), len(c.All()))
		err := s.Failure()
		if err == nil {
			return note, nil
		}
		lines := strings.Split(err.Error(), "\n")
		more := len(lines) - firstErrors
		lines = lines[:min(len(lines), firstErrors)]
		if more > 0 {
			lines = append(lines, fmt.Sprintf("and %d more", more))
		}
		return note + "; the last reload failed:\n" + strings.Join(lines, "\n"), nil
	}}
}

// Check is readiness of the Namespaces: each has been seen once. It holds on where the API server goes away later.
func (n *Namespaces) Check() Check {
	return Check{"namespaces", func() (string, error) {
		if !n.Synced() {
			return "", errors.New("not read from the API server yet")
		}
		return fmt.Sprintf("%d known", len(n.informer.GetStore().ListKeys())), nil
	}}
}
