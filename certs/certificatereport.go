package certs

import (
	"fmt"
	"slices"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	cmmeta "github.com/cert-manager/cert-manager/pkg/apis/meta/v1"
)

// Report says how a certificate stands and, where it does not stand well, what to do.
type Report struct {
	// Ready: there is a certificate that is valid now.
	Ready bool
	// Reason is one sentence for people.
	Reason string
	// Hint is what to do about it: a sentence, with commands in it. Empty where nothing is to be done.
	Hint string
}

// Issuance is what the API server knows of one cert-manager Certificate. Whatever could not be read may be left out.
type Issuance struct {
	Namespace, Name string
	// Certificate is nil where there is none.
	Certificate *certmanagerv1.Certificate
	// Requests are the CertificateRequests of the Namespace, in any order; those of other Certificates do not matter.
	Requests []certmanagerv1.CertificateRequest
	// Issuer is what the Certificate refers to: an Issuer or a ClusterIssuer. NoIssuer says that it was looked for and is not there.
	Issuer   certmanagerv1.GenericIssuer
	NoIssuer bool
}

// CertificateReport says whether cert-manager has a Certificate in order at the given time and, where not, where the cause lies:
// the Certificate, its newest request, or its issuer, in this order the last that knows.
func CertificateReport(i Issuance, now time.Time) Report {
	name := i.Namespace + "/" + i.Name
	describe := func(kind, object string) string {
		return "kubectl -n " + i.Namespace + " describe " + kind + " " + object
	}
	if i.Certificate == nil {
		return Report{Reason: "Certificate " + name + " is not there",
			Hint: "install the chart again with cert-manager's CRDs in the cluster, or choose another certs.mode"}
	}
	r := CertificateReadiness(i.Certificate, now)
	if r.Ready {
		out := Report{Ready: true, Reason: r.Reason}
		if at := i.Certificate.Status.RenewalTime; at != nil && now.After(at.Add(overdue)) {
			out.Hint = "find out why it is not renewed: " + describe("certificate", i.Name)
		}
		return out
	}
	switch cause, hint := i.cause(); {
	case cause != "":
		return Report{Reason: r.Reason + "; " + cause, Hint: hint}
	case condition(i.Certificate, certmanagerv1.CertificateConditionReady) == nil:
		return Report{Reason: r.Reason, Hint: "see that cert-manager runs: kubectl -n cert-manager get pods"}
	}
	return Report{Reason: r.Reason, Hint: "see what cert-manager does: " + describe("certificate", i.Name) +
		"; have it issued anew: kubectl -n " + i.Namespace + " delete secret " + i.Certificate.Spec.SecretName}
}

// overdue is how long a renewal may take before someone should look at it.
const overdue = time.Hour

// cause finds out behind a Certificate what keeps it from being issued.
func (i *Issuance) cause() (cause, hint string) {
	ref := i.Certificate.Spec.IssuerRef
	kind := ref.Kind
	if kind == "" {
		kind = certmanagerv1.IssuerKind
	}
	describe := "kubectl -n " + i.Namespace + " describe " + kind + " " + ref.Name
	if i.NoIssuer {
		return fmt.Sprintf("%s %s is not there", kind, ref.Name), "make the issuer, or name another by certs.certManager.issuerRef"
	}
	if i.Issuer != nil {
		for _, c := range i.Issuer.GetStatus().Conditions {
			if c.Type == certmanagerv1.IssuerConditionReady && c.Status != cmmeta.ConditionTrue {
				return fmt.Sprintf("%s %s is not ready: %s", kind, ref.Name, plain(c.Message, c.Reason)), "put the issuer in order: " + describe
			}
		}
	}
	request := i.newest()
	if request == nil {
		return "", ""
	}
	describe = "kubectl -n " + i.Namespace + " describe certificaterequest " + request.Name
	for _, c := range request.Status.Conditions {
		switch {
		case c.Type == certmanagerv1.CertificateRequestConditionDenied && c.Status == cmmeta.ConditionTrue:
			return fmt.Sprintf("CertificateRequest %s was denied: %s", request.Name, plain(c.Message, c.Reason)), "have your approval policy allow it: " + describe
		case c.Type == certmanagerv1.CertificateRequestConditionReady && c.Status != cmmeta.ConditionTrue:
			cause = fmt.Sprintf("CertificateRequest %s is not ready: %s", request.Name, plain(c.Message, c.Reason))
			hint = "see what the issuer says: " + describe
		}
	}
	if cause == "" && len(request.Status.Conditions) == 0 {
		return fmt.Sprintf("CertificateRequest %s waits for its approval", request.Name), "see that cert-manager's approver, or yours, runs: " + describe
	}
	return cause, hint
}

// newest gives the Certificate's newest request, or nil.
func (i *Issuance) newest() *certmanagerv1.CertificateRequest {
	own := slices.DeleteFunc(slices.Clone(i.Requests), func(r certmanagerv1.CertificateRequest) bool {
		return r.Annotations[certmanagerv1.CertificateNameKey] != i.Name
	})
	if len(own) == 0 {
		return nil
	}
	newest := slices.MaxFunc(own, func(a, b certmanagerv1.CertificateRequest) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	return &newest
}
