package certs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/pillion-dev/pillion/certs"
)

// certManager starts cert-manager's controllers and injector for all tests that use it.
var certManager = sync.OnceValue(func() error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/cert-manager/cert-manager").Output()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "deploy", "crds", "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs of cert-manager in %s: %w", dir, err)
	}
	for _, file := range files {
		if err := applyCRD(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	log, err := os.Create(filepath.Join(plane.dir, "certmanager.log"))
	if err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(plane.bin, "certmanager"))
	cmd.Env = append(os.Environ(), "KUBECONFIG="+plane.control.Kubeconfig())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	plane.stop = append(plane.stop, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return nil
})

// applyCRD applies a CustomResourceDefinition and waits until it is served.
func applyCRD(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	object, err := sigsyaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	var crd struct{ Metadata struct{ Name string } }
	if err := json.Unmarshal(object, &crd); err != nil {
		return err
	}
	path := "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + crd.Metadata.Name
	status, answer, err := request(http.MethodPatch, path+"?fieldManager=test&force=true", "application/apply-patch+yaml", object)
	if err != nil || status/100 != 2 {
		return fmt.Errorf("%d %s %w", status, answer, err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var o struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
		if err := try(http.MethodGet, path, nil, &o); err != nil {
			return err
		}
		for _, c := range o.Status.Conditions {
			if c.Type == "Established" && c.Status == "True" {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return errors.New("not established")
		}
	}
}

// issuedStage installs the chart with cert-manager, and everything up to the first review.
func issuedStage(t *testing.T, name string) *stage {
	t.Helper()
	useControlPlane(t)
	if err := certManager(); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, name, "certs.mode=certManager")
	s.startWebhook()
	s.startController()
	s.register()
	// The kubelet is late: the injector has the new CA in the configuration before a Pod has the new certificate.
	s.mount(name+"-tls", s.webhookDir, 2*time.Second)
	s.mount(name+"-controller-tls", s.controllerDir, 2*time.Second)
	took := await(t, "reviews are answered", func() error { return errors.Join(s.review(), s.prove()()) })
	t.Logf("from nothing to the first review: %.1f s", took.Seconds())
	return s
}

// certificate reads a Certificate.
func (s *stage) certificate(name string) (*certmanagerv1.Certificate, error) {
	c := new(certmanagerv1.Certificate)
	return c, try(http.MethodGet, s.certificatePath(name), nil, c)
}

func (s *stage) certificatePath(name string) string {
	return "/apis/cert-manager.io/v1/namespaces/" + s.name + "/certificates/" + name
}

// renew has cert-manager issue a Certificate anew, as its own `cmctl renew` does, and waits until it has.
func (s *stage) renew(name, secret string) {
	s.t.Helper()
	before, err := s.secret(secret)
	if err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "asked to renew", func() error {
		c, err := s.certificate(name)
		if err != nil {
			return err
		}
		now := metav1.Now()
		c.Status.Conditions = append(c.Status.Conditions, certmanagerv1.CertificateCondition{
			Type: certmanagerv1.CertificateConditionIssuing, Status: cmmeta.ConditionTrue, LastTransitionTime: &now,
			ObservedGeneration: c.Generation, Reason: "ManuallyTriggered", Message: "renewed by a test",
		})
		return try(http.MethodPut, s.certificatePath(name)+"/status", c, nil)
	})
	await(s.t, name+" is renewed", func() error {
		after, err := s.secret(secret)
		if err == nil && bytes.Equal(after.Cert, before.Cert) {
			err = errors.New("the certificate is the old one")
		}
		return err
	})
}

// served waits until the webhook and the controller serve what is in their Secrets.
func (s *stage) served() {
	s.t.Helper()
	for dir, secret := range map[string]string{s.webhookDir: s.name + "-tls", s.controllerDir: s.name + "-controller-tls"} {
		await(s.t, "files are written", func() error {
			want, err := s.secret(secret)
			if err != nil {
				return err
			}
			if got, err := certs.FromDir(dir); err != nil || !equal(got, want) {
				return errors.Join(errors.New("other files"), err)
			}
			return nil
		})
	}
	for _, resource := range []string{mutating, validating} {
		await(s.t, "served", s.handshake(resource))
	}
}

func (s *stage) steady(t *testing.T) *load {
	return start(t, map[string]int{"pods": 20, "entries": 4, "handshakes, webhook": 10, "handshakes, controller": 10}, map[string]func() error{
		"pods": s.review, "entries": s.prove(), "handshakes, webhook": s.handshake(mutating), "handshakes, controller": s.handshake(validating),
	})
}

// cert-manager issues, its injector fills caBundle, and certificates and CA are renewed without a review lost: the chart's CA
// keeps its key. The controller tells how the Certificates stand.
func TestCertManagerIssuesAndRenewsWithoutALostReview(t *testing.T) {
	s := issuedStage(t, "issued")
	awaitReady(t, s.webhook, true)
	awaitReady(t, s.controller.Webhook, true)
	await(t, "the controller tells", func() error {
		got := samples(t, s.controller.MetricsURL, "pillion_certificate_")
		if got[`pillion_certificate_ready{certificate="issued"}`] != "1" || got[`pillion_certificate_ready{certificate="issued-controller"}`] != "1" || got["pillion_certificate_not_after_seconds"] == "" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	c, err := s.certificate("issued")
	if err != nil {
		t.Fatal(err)
	}
	report := certs.CertificateReport(certs.Issuance{Namespace: "issued", Name: "issued", Certificate: c}, time.Now())
	if !report.Ready || report.Hint != "" || !strings.HasPrefix(report.Reason, "Certificate issued/issued is ready, valid until ") {
		t.Errorf("report: %+v", report)
	}

	work := s.steady(t)
	work.more(t, 10)
	s.renew("issued", "issued-tls")
	s.renew("issued-controller", "issued-controller-tls")
	s.served()
	work.more(t, 10)
	first := s.bundle()
	s.renew("issued-ca", "issued-ca")
	work.more(t, 10)
	s.renew("issued", "issued-tls")
	s.renew("issued-controller", "issued-controller-tls")
	await(t, "the injector has the new CA", func() error {
		if bytes.Equal(first, s.bundle()) {
			return errors.New("the old one")
		}
		return nil
	})
	s.served()
	work.more(t, 20)
	work.end(t, 50)
}

// A CA with a new key loses no review either, as the injector, from cert-manager 1.19 on, keeps the old CA beside it.
func TestCertManagerCAWithANewKeyLosesNoReview(t *testing.T) {
	s := issuedStage(t, "rekeyed")
	work := s.steady(t)
	work.more(t, 10)
	do(t, http.MethodPatch, s.certificatePath("rekeyed-ca"), map[string]any{"spec": map[string]any{"privateKey": map[string]any{"rotationPolicy": "Always"}}}, nil)
	old := s.bundle()
	s.renew("rekeyed-ca", "rekeyed-ca")
	s.renew("rekeyed", "rekeyed-tls")
	s.renew("rekeyed-controller", "rekeyed-controller-tls")
	s.served()
	work.more(t, 20)
	work.end(t, 20)
	leaf, err := s.secret("rekeyed-tls")
	if err != nil {
		t.Fatal(err)
	}
	if err := leaf.Serves(old, "localhost", time.Now()); err == nil {
		t.Error("the CA has the key from before: nothing was tested")
	}
	if now := s.bundle(); !bytes.Contains(now, bytes.TrimSpace(old)) || !bytes.Contains(now, bytes.TrimSpace(leaf.CA)) {
		t.Errorf("not both CAs are trusted: %s", now)
	}
}

// What keeps a Certificate from being issued is told, from what cert-manager itself says.
func TestCertManagerReportSaysWhyACertificateIsNotIssued(t *testing.T) {
	s := issuedStage(t, "reasons")
	issuerless := func(name, issuer string) {
		do(t, http.MethodPost, strings.TrimSuffix(s.certificatePath(""), "/"), map[string]any{"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
			"metadata": map[string]any{"name": name}, "spec": map[string]any{"secretName": name + "-tls", "dnsNames": []string{"localhost"}, "issuerRef": map[string]any{"name": issuer}}}, nil)
	}
	do(t, http.MethodPost, "/apis/cert-manager.io/v1/namespaces/reasons/issuers", map[string]any{"apiVersion": "cert-manager.io/v1", "kind": "Issuer",
		"metadata": map[string]any{"name": "empty"}, "spec": map[string]any{"ca": map[string]any{"secretName": "nowhere"}}}, nil)
	issuerless("of-nobody", "nobody")
	issuerless("of-empty", "empty")
	for _, c := range []struct{ name, reason, hint string }{
		{"of-nobody", "Issuer nobody is not there", "make the issuer, or name another"},
		{"of-empty", "Issuer empty is not ready: Error getting keypair for CA issuer: secrets \"nowhere\" not found", "put the issuer in order: kubectl -n reasons describe Issuer empty"},
	} {
		begins := "Certificate reasons/" + c.name + " is not ready: Issuing certificate as Secret does not exist"
		await(t, c.name, func() error {
			report := s.report(c.name)
			if report.Ready || !strings.HasPrefix(report.Reason, begins) || !strings.Contains(report.Reason, c.reason) || !strings.Contains(report.Hint, c.hint) {
				return fmt.Errorf("%+v", report)
			}
			return nil
		})
	}
	s.doctorSaysWhy("of-empty", "Issuer empty is not ready: ", "kubectl -n reasons describe Issuer empty")
	// What is gone is told by the controller too.
	do(t, http.MethodDelete, s.certificatePath("reasons"), nil, nil)
	await(t, "the controller tells", func() error {
		if got := samples(t, s.controller.MetricsURL, "pillion_certificate_ready"); got[`pillion_certificate_ready{certificate="reasons"}`] != "0" {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
}

// report gathers what is known of a Certificate.
func (s *stage) report(name string) certs.Report {
	i := certs.Issuance{Namespace: s.name, Name: name}
	c, err := s.certificate(name)
	if err != nil {
		return certs.Report{}
	}
	i.Certificate = c
	issuer := new(certmanagerv1.Issuer)
	if err := try(http.MethodGet, "/apis/cert-manager.io/v1/namespaces/"+s.name+"/issuers/"+c.Spec.IssuerRef.Name, nil, issuer); err != nil {
		i.NoIssuer = true
	} else {
		i.Issuer = issuer
	}
	var requests certmanagerv1.CertificateRequestList
	if try(http.MethodGet, "/apis/cert-manager.io/v1/namespaces/"+s.name+"/certificaterequests", nil, &requests) == nil {
		i.Requests = requests.Items
	}
	return certs.CertificateReport(i, time.Now())
}
