package certs

import (
	"fmt"
	"strings"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
)

// Readiness says whether cert-manager has a Certificate in order, and how it stands in one sentence.
type Readiness struct {
	// Ready: the Secret holds a certificate that is valid now and matches the Certificate's spec as it is now.
	Ready bool
	// Reason is one sentence for people: why it is not ready, or until when it is and when it is renewed.
	Reason string
}

// CertificateReadiness judges a cert-manager Certificate at the given time by its conditions Ready and Issuing, its last
// failure, and its renewal time.
func CertificateReadiness(c *certmanagerv1.Certificate, now time.Time) Readiness {
	if why := notReady(c, now); why != "" {
		return Readiness{Reason: fmt.Sprintf("Certificate %s/%s is not ready: %s", c.Namespace, c.Name, why)}
	}
	s := fmt.Sprintf("Certificate %s/%s is ready", c.Namespace, c.Name)
	if c.Status.NotAfter != nil {
		s += ", valid until " + stamp(c.Status.NotAfter.Time)
	}
	return Readiness{Ready: true, Reason: s + renewal(c, now)}
}

// notReady says why a Certificate is not ready, or nothing.
func notReady(c *certmanagerv1.Certificate, now time.Time) string {
	ready := condition(c, certmanagerv1.CertificateConditionReady)
	switch {
	case ready == nil:
		return "cert-manager has not looked at it yet; is its controller running?"
	case ready.ObservedGeneration < c.Generation && ready.ObservedGeneration > 0:
		return "cert-manager has not looked at its latest change yet" + issuance(c)
	case ready.Status != cmmeta.ConditionTrue:
		return because(ready) + issuance(c)
	case c.Status.NotAfter != nil && !now.Before(c.Status.NotAfter.Time):
		return "it expired at " + stamp(c.Status.NotAfter.Time) + issuance(c)
	}
	return ""
}

// issuance says how getting a new certificate goes, where there is something to say.
func issuance(c *certmanagerv1.Certificate) string {
	issuing := condition(c, certmanagerv1.CertificateConditionIssuing)
	s := ""
	if failed := c.Status.LastFailureTime; failed != nil {
		s = "; issuing failed"
		if n := c.Status.FailedIssuanceAttempts; n != nil && *n > 1 {
			s += fmt.Sprintf(" %d times", *n)
		}
		s += ", last at " + stamp(failed.Time)
		if issuing != nil && issuing.Status == cmmeta.ConditionFalse {
			s += ": " + because(issuing)
		}
	}
	if issuing != nil && issuing.Status == cmmeta.ConditionTrue {
		s += "; cert-manager is issuing it now: " + because(issuing)
	}
	return s
}

// renewal says when a ready Certificate is renewed, or that this is overdue.
func renewal(c *certmanagerv1.Certificate, now time.Time) string {
	at := c.Status.RenewalTime
	switch {
	case at == nil:
		return ""
	case now.Before(at.Time):
		return ", renewed at " + stamp(at.Time)
	}
	return ", renewal due since " + stamp(at.Time) + issuance(c)
}

func condition(c *certmanagerv1.Certificate, of certmanagerv1.CertificateConditionType) *certmanagerv1.CertificateCondition {
	for i := range c.Status.Conditions {
		if c.Status.Conditions[i].Type == of {
			return &c.Status.Conditions[i]
		}
	}
	return nil
}

// because gives a condition's message, or its reason where it has none.
func because(c *certmanagerv1.CertificateCondition) string { return plain(c.Message, c.Reason) }

// plain gives a message, or a reason where there is none, fit to stand inside a sentence.
func plain(message, reason string) string {
	message = strings.Join(strings.Fields(message), " ")
	if message == "" {
		message = reason
	}
	if message == "" {
		return "no reason given"
	}
	return strings.TrimRight(message, ".")
}
