package certs

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/certs"
)

const (
	mutating   = "mutatingwebhookconfigurations"
	validating = "validatingwebhookconfigurations"
)

// An installation without cert-manager comes up by itself: the chart's Secrets are empty, the configurations have no caBundle,
// and nobody helps. What others spoil afterwards is put right within a moment.
func TestSelfManagedComesUpFromNothingAndHeals(t *testing.T) {
	s := newStage(t, "self", "certs.mode=selfManaged")
	s.startWebhook()
	if text := awaitReady(t, s.webhook, false); !strings.Contains(text, "[-]certificate failed: waiting for a certificate: certificate directory: open ") {
		t.Errorf("the webhook without a certificate says %s", text)
	}
	s.startController("--certs-settle=3s")
	s.register()
	s.mount(s.name+"-serving", s.webhookDir, 0)
	took := await(t, "reviews are answered", func() error { return errors.Join(s.review(), s.prove()()) })
	t.Logf("from nothing to the first review: %.1f s", took.Seconds())
	awaitReady(t, s.webhook, true)
	awaitReady(t, s.controller.Webhook, true)
	for _, resource := range []string{mutating, validating} {
		if err := s.handshake(resource)(); err != nil {
			t.Errorf("%s: %v", resource, err)
		}
	}
	s.tellsOfItself(t)

	other, err := certs.SelfSigned([]string{"localhost"}, nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func()
	}{
		{"another CA in caBundle", func() { s.patchBundles(mutating, other.CA); s.patchBundles(validating, other.CA) }},
		{"a serving Secret that is emptied", func() { s.patchSecret(s.name+"-serving", nil, nil) }},
		{"a serving Secret with half a key", func() { s.patchSecret(s.name+"-controller-serving", other.Cert, other.Key[:40]) }},
		{"a serving Secret of another CA", func() { s.patchSecret(s.name+"-serving", other.Cert, other.Key) }},
		{"a CA without its key", func() { s.patchSecret(s.name+"-authority", nil, nil) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.versions()
			c.spoil()
			took := await(t, "healed", func() error {
				if s.versions() == before {
					return errors.New("nothing happened yet")
				}
				return errors.Join(s.inOrder(), s.handshake(mutating)(), s.handshake(validating)(), s.review(), s.prove()())
			})
			t.Logf("healed in %.1f s", took.Seconds())
		})
	}
}

// patchSecret writes a Secret's certificate and key; nil removes them.
func (s *stage) patchSecret(name string, cert, key []byte) {
	s.t.Helper()
	do(s.t, http.MethodPatch, "/api/v1/namespaces/"+s.name+"/secrets/"+name, map[string]any{"data": map[string]any{certs.CertFile: orNull(cert), certs.KeyFile: orNull(key)}}, nil)
}

func orNull(b []byte) any {
	if b == nil {
		return nil
	}
	return b
}

// versions tell whether anything was written.
func (s *stage) versions() string {
	var all []string
	for _, path := range []string{
		"/apis/admissionregistration.k8s.io/v1/" + mutating + "/" + s.name, "/apis/admissionregistration.k8s.io/v1/" + validating + "/" + s.name,
		"/api/v1/namespaces/" + s.name + "/secrets/" + s.name + "-authority", "/api/v1/namespaces/" + s.name + "/secrets/" + s.name + "-serving",
		"/api/v1/namespaces/" + s.name + "/secrets/" + s.name + "-controller-serving",
	} {
		var o struct {
			Metadata struct{ ResourceVersion string }
		}
		do(s.t, http.MethodGet, path, nil, &o)
		all = append(all, o.Metadata.ResourceVersion)
	}
	return strings.Join(all, " ")
}

// inOrder reports what is wrong with the Secrets.
func (s *stage) inOrder() error {
	ca, err := s.secret(s.name + "-authority")
	if err != nil {
		return err
	}
	a, err := certs.AuthorityFrom(map[string][]byte{certs.CertFile: ca.Cert, certs.KeyFile: ca.Key, certs.CAFile: ca.CA})
	if err != nil {
		return err
	}
	for _, name := range []string{s.name + "-serving", s.name + "-controller-serving"} {
		f, err := s.secret(name)
		if err != nil {
			return err
		}
		if why := a.LeafDue(f, []string{"localhost"}, time.Now()); why != "" || !bytes.Equal(f.CA, a.Bundle()) {
			return fmt.Errorf("%s: %s", name, why)
		}
	}
	return nil
}

// tellsOfItself looks at metrics.
func (s *stage) tellsOfItself(t *testing.T) {
	t.Helper()
	f, err := s.secret(s.name + "-serving")
	if err != nil {
		t.Fatal(err)
	}
	status, err := f.Status()
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Until(status.NotAfter).Round(24 * time.Hour); got != 90*24*time.Hour {
		t.Errorf("a leaf of %s", got)
	}
	const name = "pillion_certificate_not_after_seconds"
	if got, err := strconv.ParseFloat(samples(t, s.webhook.MetricsURL, name)[name], 64); err != nil || int64(got) != status.NotAfter.Unix() {
		t.Errorf("webhook: %s is %.0f, want %d: %v", name, got, status.NotAfter.Unix(), err)
	}
	await(t, "the controller tells", func() error {
		got := samples(t, s.controller.MetricsURL, "pillion_certificate_")
		for _, want := range []string{`pillion_certificate_ready{certificate="` + s.name + `-serving"}`, `pillion_certificate_ready{certificate="` + s.name + `-controller-serving"}`} {
			if got[want] != "1" {
				return fmt.Errorf("%s is %q", want, got[want])
			}
		}
		if got[name] == "" || got["pillion_certificate_ca_not_after_seconds"] == "" || got[`pillion_certificate_renewals_total{what="leaf"}`] != "2" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

// Leaves and the CA are renewed many times over while Pods and entries are reviewed, with a kubelet that is late, and two
// controllers that both believe to lead. Not one review is lost, nor one handshake by what the configurations say.
func TestSelfManagedRotationLosesNoReview(t *testing.T) {
	s := newStage(t, "rotation", "certs.mode=selfManaged", "certs.selfManaged.duration=36s", "certs.selfManaged.caDuration=108s")
	fast := []string{"--certs-interval=1s", "--certs-settle=4s", "--leader-elect=false"}
	s.startWebhook()
	s.startController(fast...)
	s.controllerDir = t.TempDir()
	second := s.startController(fast...)
	s.register() // the second one is registered: both serve
	s.mount(s.name+"-serving", s.webhookDir, 1500*time.Millisecond)
	await(t, "reviews are answered", func() error { return errors.Join(s.review(), s.prove()()) })
	work := start(t, map[string]int{"pods": 20, "entries": 4, "handshakes, webhook": 10, "handshakes, controller": 10}, map[string]func() error{
		"pods": s.review, "entries": s.prove(), "handshakes, webhook": s.handshake(mutating), "handshakes, controller": s.handshake(validating),
	})
	wantCAs, limit := 2, 12*time.Minute
	if os.Getenv("PILLION_PROVE") != "" {
		wantCAs, limit = 10, 30*time.Minute
	}
	seen := map[string]map[string]bool{"CA": {}, "leaf": {}}
	var dropped bool
	begin := time.Now()
	for n := 0; len(seen["CA"]) < wantCAs || !dropped; n++ {
		if time.Since(begin) > limit {
			t.Fatalf("after %s: %d CAs, %d leaves", time.Since(begin), len(seen["CA"]), len(seen["leaf"]))
		}
		ca, err := s.secret(s.name + "-authority")
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := s.secret(s.name + "-serving")
		if err != nil {
			t.Fatal(err)
		}
		seen["CA"][string(ca.Cert)], seen["leaf"][string(leaf.Cert)] = true, true
		dropped = dropped || len(seen["CA"]) > 1 && bytes.Equal(ca.CA, ca.Cert)
		time.Sleep(200 * time.Millisecond)
	}
	work.end(t, 100)
	t.Logf("in %s: %d CAs, %d leaves of the webhook", time.Since(begin).Round(time.Second), len(seen["CA"]), len(seen["leaf"]))
	if len(seen["leaf"]) <= wantCAs {
		t.Errorf("only %d leaves", len(seen["leaf"]))
	}
	alive(t, s.webhook)
	alive(t, second.Webhook)
}

// The controller may do what it needs, and no more: it makes no Secret and reads no other.
func TestSelfManagedRightsAreNamed(t *testing.T) {
	newStage(t, "rights", "certs.mode=selfManaged")
	for _, c := range []struct {
		verb, group, resource, name string
		want                        bool
	}{
		{"update", "", "secrets", "rights-authority", true},
		{"watch", "", "secrets", "rights-controller-serving", true},
		{"create", "", "secrets", "", false},
		{"delete", "", "secrets", "rights-authority", false},
		{"get", "", "secrets", "another", false},
		{"list", "", "secrets", "", false},
		{"patch", "admissionregistration.k8s.io", mutating, "rights", true},
		{"patch", "admissionregistration.k8s.io", mutating, "another", false},
		{"delete", "admissionregistration.k8s.io", mutating, "rights", false},
		{"list", "admissionregistration.k8s.io", validating, "", false},
	} {
		review := map[string]any{"spec": map[string]any{"user": "system:serviceaccount:rights:rights-controller", "resourceAttributes": map[string]string{
			"namespace": map[bool]string{true: "rights"}[c.group == ""], "verb": c.verb, "group": c.group, "resource": c.resource, "name": c.name}}}
		var answer struct{ Status struct{ Allowed bool } }
		do(t, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", review, &answer)
		if answer.Status.Allowed != c.want {
			t.Errorf("%s %s %q: allowed is %v", c.verb, c.resource, c.name, answer.Status.Allowed)
		}
	}
}
