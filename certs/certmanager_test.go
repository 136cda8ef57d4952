package certs

import (
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var certTime = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// readyCertificate is a Certificate as cert-manager leaves it after an issuance: no Issuing condition, no failure.
func readyCertificate(tweaks ...func(*certmanagerv1.Certificate)) *certmanagerv1.Certificate {
	c := &certmanagerv1.Certificate{ObjectMeta: metav1.ObjectMeta{Namespace: "pillion-system", Name: "pillion", Generation: 2}}
	c.Status.Conditions = []certmanagerv1.CertificateCondition{{
		Type: certmanagerv1.CertificateConditionReady, Status: cmmeta.ConditionTrue, ObservedGeneration: 2,
		Reason: "Ready", Message: "Certificate is up to date and has not expired",
	}}
	c.Status.NotAfter = in(60 * 24 * time.Hour)
	c.Status.RenewalTime = in(30 * 24 * time.Hour)
	for _, tweak := range tweaks {
		tweak(c)
	}
	return c
}

func in(d time.Duration) *metav1.Time { return &metav1.Time{Time: certTime.Add(d)} }

func notReadyBecause(reason, message string) func(*certmanagerv1.Certificate) {
	return func(c *certmanagerv1.Certificate) {
		r := &c.Status.Conditions[0]
		r.Status, r.Reason, r.Message = cmmeta.ConditionFalse, reason, message
	}
}

func issuing(status cmmeta.ConditionStatus, message string) func(*certmanagerv1.Certificate) {
	return func(c *certmanagerv1.Certificate) {
		c.Status.Conditions = append(c.Status.Conditions, certmanagerv1.CertificateCondition{
			Type: certmanagerv1.CertificateConditionIssuing, Status: status, Message: message,
		})
	}
}

func failed(attempts int) func(*certmanagerv1.Certificate) {
	return func(c *certmanagerv1.Certificate) {
		c.Status.LastFailureTime, c.Status.FailedIssuanceAttempts = in(-time.Hour), &attempts
	}
}

func TestCertificateReadiness(t *testing.T) {
	const not = "Certificate pillion-system/pillion is not ready: "
	const is = "Certificate pillion-system/pillion is ready"
	doesNotExist := notReadyBecause("DoesNotExist", "Issuing certificate as Secret does not exist")
	for _, c := range []struct {
		name string
		cert *certmanagerv1.Certificate
		want Readiness
	}{
		{"issued", readyCertificate(),
			Readiness{true, is + ", valid until 2026-07-31T12:00:00Z, renewed at 2026-07-01T12:00:00Z"}},
		{"renewal overdue and failing", readyCertificate(func(c *certmanagerv1.Certificate) { c.Status.RenewalTime = in(-2 * time.Hour) },
			failed(3), issuing(cmmeta.ConditionFalse, "The certificate request has failed to complete and will be retried: denied.")),
			Readiness{true, is + ", valid until 2026-07-31T12:00:00Z, renewal due since 2026-06-01T10:00:00Z; issuing failed 3 times, " +
				"last at 2026-06-01T11:00:00Z: The certificate request has failed to complete and will be retried: denied"}},
		{"ready and without times", readyCertificate(func(c *certmanagerv1.Certificate) { c.Status.NotAfter, c.Status.RenewalTime = nil, nil }),
			Readiness{true, is}},
		{"not seen by cert-manager", readyCertificate(func(c *certmanagerv1.Certificate) { c.Status = certmanagerv1.CertificateStatus{} }),
			Readiness{false, not + "cert-manager has not looked at it yet; is its controller running?"}},
		{"changed since", readyCertificate(func(c *certmanagerv1.Certificate) { c.Generation = 3 }),
			Readiness{false, not + "cert-manager has not looked at its latest change yet"}},
		{"being issued for the first time", readyCertificate(doesNotExist, issuing(cmmeta.ConditionTrue, "Issuing certificate as Secret does not exist")),
			Readiness{false, not + "Issuing certificate as Secret does not exist; cert-manager is issuing it now: Issuing certificate as Secret does not exist"}},
		{"first issuance failed", readyCertificate(doesNotExist, failed(1), issuing(cmmeta.ConditionFalse, "issuer \"ca\"\nnot found")),
			Readiness{false, not + "Issuing certificate as Secret does not exist; issuing failed, last at 2026-06-01T11:00:00Z: issuer \"ca\" not found"}},
		{"expired though it says ready", readyCertificate(func(c *certmanagerv1.Certificate) { c.Status.NotAfter = in(0) }),
			Readiness{false, not + "it expired at 2026-06-01T12:00:00Z"}},
		{"not ready with a reason only", readyCertificate(notReadyBecause("Expired", "")), Readiness{false, not + "Expired"}},
		{"not ready without any reason", readyCertificate(notReadyBecause("", "")), Readiness{false, not + "no reason given"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, CertificateReadiness(c.cert, certTime)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
