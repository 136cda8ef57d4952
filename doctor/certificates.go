package doctor

import (
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
				if r := certs.CertificateReadiness(c, s.Now); !r.Ready {
					f.add("D321", s.Install.object("certificate", c.Name), r.Reason,
						do("see what cert-manager says", "kubectl -n "+c.Namespace+" describe certificate "+c.Name, "kubectl -n "+c.Namespace+" get certificaterequests,issuers", "kubectl -n cert-manager logs deployment/cert-manager --tail 20"))
				}
			}
		},
	}
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
