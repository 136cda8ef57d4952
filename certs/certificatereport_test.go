package certs

import (
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func request(name, of string, age time.Duration, conditions ...certmanagerv1.CertificateRequestCondition) certmanagerv1.CertificateRequest {
	r := certmanagerv1.CertificateRequest{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(certTime.Add(-age)),
		Annotations: map[string]string{certmanagerv1.CertificateNameKey: of}}}
	r.Status.Conditions = conditions
	return r
}

func TestCertificateReportFindsTheCause(t *testing.T) {
	waiting := readyCertificate(notReadyBecause("DoesNotExist", "Issuing certificate as Secret does not exist"), func(c *certmanagerv1.Certificate) {
		c.Spec.SecretName, c.Spec.IssuerRef.Name = "pillion-tls", "pillion"
	})
	const not = "Certificate pillion-system/pillion is not ready: Issuing certificate as Secret does not exist"
	issuerNotReady := &certmanagerv1.Issuer{}
	issuerNotReady.Status.Conditions = []certmanagerv1.IssuerCondition{{Type: certmanagerv1.IssuerConditionReady, Status: cmmeta.ConditionFalse, Message: "secret \"ca\" not found."}}
	denied := certmanagerv1.CertificateRequestCondition{Type: certmanagerv1.CertificateRequestConditionDenied, Status: cmmeta.ConditionTrue, Message: "no policy allows it"}
	pending := certmanagerv1.CertificateRequestCondition{Type: certmanagerv1.CertificateRequestConditionReady, Status: cmmeta.ConditionFalse, Reason: "Pending"}
	for _, c := range []struct {
		name string
		in   Issuance
		want Report
	}{
		{"ready", Issuance{Certificate: readyCertificate()},
			Report{Ready: true, Reason: "Certificate pillion-system/pillion is ready, valid until 2026-07-31T12:00:00Z, renewed at 2026-07-01T12:00:00Z"}},
		{"ready, renewal overdue", Issuance{Certificate: readyCertificate(func(c *certmanagerv1.Certificate) { c.Status.RenewalTime = in(-2 * time.Hour) })},
			Report{Ready: true, Reason: "Certificate pillion-system/pillion is ready, valid until 2026-07-31T12:00:00Z, renewal due since 2026-06-01T10:00:00Z",
				Hint: "find out why it is not renewed: kubectl -n pillion-system describe certificate pillion"}},
		{"no Certificate", Issuance{}, Report{Reason: "Certificate pillion-system/pillion is not there",
			Hint: "install the chart again with cert-manager's CRDs in the cluster, or choose another certs.mode"}},
		{"not seen", Issuance{Certificate: readyCertificate(func(c *certmanagerv1.Certificate) { c.Status = certmanagerv1.CertificateStatus{} })},
			Report{Reason: "Certificate pillion-system/pillion is not ready: cert-manager has not looked at it yet; is its controller running?",
				Hint: "see that cert-manager runs: kubectl -n cert-manager get pods"}},
		{"no issuer", Issuance{Certificate: waiting, NoIssuer: true}, Report{Reason: not + "; Issuer pillion is not there",
			Hint: "make the issuer, or name another by certs.certManager.issuerRef"}},
		{"issuer not ready", Issuance{Certificate: waiting, Issuer: issuerNotReady}, Report{Reason: not + "; Issuer pillion is not ready: secret \"ca\" not found",
			Hint: "put the issuer in order: kubectl -n pillion-system describe Issuer pillion"}},
		{"denied, by the newest request of its own", Issuance{Certificate: waiting, Requests: []certmanagerv1.CertificateRequest{
			request("old", "pillion", time.Hour, pending), request("new", "pillion", time.Minute, denied), request("other", "else", 0, pending)}},
			Report{Reason: not + "; CertificateRequest new was denied: no policy allows it",
				Hint: "have your approval policy allow it: kubectl -n pillion-system describe certificaterequest new"}},
		{"pending", Issuance{Certificate: waiting, Requests: []certmanagerv1.CertificateRequest{request("r", "pillion", 0, pending)}},
			Report{Reason: not + "; CertificateRequest r is not ready: Pending", Hint: "see what the issuer says: kubectl -n pillion-system describe certificaterequest r"}},
		{"not approved", Issuance{Certificate: waiting, Requests: []certmanagerv1.CertificateRequest{request("r", "pillion", 0)}},
			Report{Reason: not + "; CertificateRequest r waits for its approval",
				Hint: "see that cert-manager's approver, or yours, runs: kubectl -n pillion-system describe certificaterequest r"}},
		{"nothing more known", Issuance{Certificate: waiting}, Report{Reason: not,
			Hint: "see what cert-manager does: kubectl -n pillion-system describe certificate pillion; have it issued anew: kubectl -n pillion-system delete secret pillion-tls"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Namespace, c.in.Name = "pillion-system", "pillion"
			if diff := cmp.Diff(c.want, CertificateReport(c.in, certTime)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
