package doctor

import (
	"cmp"
	"strings"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"

	"github.com/pillion-dev/pillion/certs"
)

// Check: cert-manager has Pillion's Certificates ready. Where there are none, certificates come from elsewhere.
func certificates() Check {
	return Check{
		Name: "cert-manager", Group: groupCertificates, Title: "cert-manager, where it is used, has the Certificates ready", needs: []Kind{MutatingWebhooks, Certificates}, installed: true,
		Codes: []Code{
			{"D321", Error, "A cert-manager Certificate is not ready.", "There is no serving certificate, or it is not renewed."},
			{"D322", Error, "cert-manager is to issue the certificates, and its Certificate is missing.", "Nobody issues a serving certificate, or puts its CA into the webhook configuration."},
		},
		look: func(s *Snapshot, f *findings) {
			if c := s.configuration(); c != nil && c.Annotations[annotationInjectCA] != "" && s.certificate(s.Install.Name) == nil {
				f.add("D322", s.Install.object("certificate", s.Install.Name), "the webhook configuration says "+annotationInjectCA+": "+c.Annotations[annotationInjectCA]+", and there is no such Certificate",
					s.Install.reinstall("install cert-manager, then the chart again; or choose other certificates by the value certs.mode"))
			}
			for i := range s.Certificates {
				c := &s.Certificates[i]
				if r := certs.CertificateReport(s.issuance(c), s.Now); !r.Ready {
					f.add("D321", s.Install.object("certificate", c.Name), r.Reason, issuanceFix(c, r.Hint))
				}
			}
		},
	}
}

// Unissued lists the Certificates that are not ready.
func (s *Snapshot) Unissued() []*certmanagerv1.Certificate {
	var out []*certmanagerv1.Certificate
	for i := range s.Certificates {
		if c := &s.Certificates[i]; !certs.CertificateReadiness(c, s.Now).Ready {
			out = append(out, c)
		}
	}
	return out
}

// IssuerKey names what a Certificate's issuerRef refers to, of cert-manager's own kinds; empty for another's.
func IssuerKey(c *certmanagerv1.Certificate) string {
	ref := c.Spec.IssuerRef
	if ref.Group != "" && ref.Group != certmanagerv1.SchemeGroupVersion.Group {
		return ""
	}
	return cmp.Or(ref.Kind, certmanagerv1.IssuerKind) + "/" + ref.Name
}

func (s *Snapshot) issuance(c *certmanagerv1.Certificate) certs.Issuance {
	issuer, known := s.Issuers[IssuerKey(c)]
	return certs.Issuance{Namespace: c.Namespace, Name: c.Name, Certificate: c, Requests: s.Requests, Issuer: issuer, NoIssuer: known && issuer == nil}
}

// issuanceFix makes a fix of a hint, which is a sentence and perhaps a command; and of none, or of one that names no cause, where to
// look.
func issuanceFix(c *certmanagerv1.Certificate, hint string) Fix {
	text, command, found := strings.Cut(hint, ": ")
	if hint == "" || strings.Contains(hint, "; ") {
		return do("see what cert-manager says", "kubectl -n "+c.Namespace+" describe certificate "+c.Name,
			"kubectl -n "+c.Namespace+" get certificaterequests,issuers", "kubectl -n cert-manager logs deployment/cert-manager --tail 20")
	}
	if !found {
		return todo("%s", hint)
	}
	return do(text, command)
}

// certificate gives a Certificate by name; nil where it is not there.
func (s *Snapshot) certificate(name string) *certmanagerv1.Certificate {
	for i := range s.Certificates {
		if s.Certificates[i].Name == name {
			return &s.Certificates[i]
		}
	}
	return nil
}
