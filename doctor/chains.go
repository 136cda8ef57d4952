package doctor

import (
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/certs"
)

// Check: the certificates that are served hold, and the API server trusts them.
func chains() Check {
	return Check{
		Name: "serving-certificates", Group: groupCertificates, Title: "the serving certificates hold and are trusted",
		needs: []Kind{MutatingWebhooks, ValidatingWebhooks, Deployments, Secrets}, installed: true,
		Codes: []Code{
			{"D311", Error, "A Secret with a serving certificate is missing or holds none.", "The Pods that mount it do not start, or serve what they had before."},
			{"D312", Error, "A serving certificate has expired or is about to.", "The API server's calls fail from then on."},
			{"D313", Error, "The API server does not trust a serving certificate.", "Every call fails: the caBundle is not of the CA that signed it, or the certificate is for another name."},
			{"D314", Warning, "A serving certificate expires soon.", "It should have been renewed by now: cert-manager and the controller do so after two thirds of its time."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, c := range s.clients() {
				to := c.config.Service
				if to == nil {
					continue
				}
				name := s.tlsSecret(to.Name)
				if name == "" {
					continue
				}
				look := chainCheck{s, f, &c, s.Install.object("secret", name), s.secret(name)}
				look.look(to.Name + "." + to.Namespace + ".svc")
			}
		},
	}
}

// tlsSecret names the Secret that a Deployment serves from; empty where that is not known.
func (s *Snapshot) tlsSecret(deployment string) string {
	d := s.deployment(deployment)
	if d == nil {
		return ""
	}
	i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "tls" && v.Secret != nil })
	if i < 0 {
		return ""
	}
	return d.Spec.Template.Spec.Volumes[i].Secret.SecretName
}

// TLSSecrets names the Secrets that Pillion serves from.
func (s *Snapshot) TLSSecrets() []string {
	var out []string
	if s.Install == nil {
		return nil
	}
	for _, d := range []string{s.Install.Name, s.Install.controller()} {
		if name := s.tlsSecret(d); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

type chainCheck struct {
	s      *Snapshot
	f      *findings
	client *client
	object string
	secret *Secret
}

func (c *chainCheck) look(host string) {
	fix := c.renew()
	if c.secret == nil {
		c.f.add("D311", c.object, "the Secret is not there", fix)
		return
	}
	status, err := chainStatus(c.secret.Cert)
	if err != nil {
		c.f.add("D311", c.object, "tls.crt: "+err.Error(), fix)
		return
	}
	left, life := status.NotAfter.Sub(c.s.Now), status.NotAfter.Sub(status.NotBefore)
	if err := status.Usable(c.s.Now); err != nil {
		c.f.add("D312", c.object, err.Error(), fix)
		return
	}
	if left < min(soonCA, life/6) {
		c.f.add("D314", c.object, fmt.Sprintf("valid until %s, %s, of %d days", stamp(status.NotAfter), days(left), int(life/(24*time.Hour))), fix)
	}
	if len(c.client.config.CABundle) == 0 {
		return // D301
	}
	if err := status.Trusted(c.client.config.CABundle, host, c.s.Now); err != nil && !lastValid(c.client.config.CABundle, c.s.Now).IsZero() {
		c.f.add("D313", c.client.object, err.Error()+"; it is in Secret "+c.secret.Name, c.trust(host))
	}
}

// chainStatus describes a serving chain in PEM.
func chainStatus(chain []byte) (*certs.Status, error) {
	var c tls.Certificate
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			c.Certificate = append(c.Certificate, block.Bytes)
		}
	}
	return certs.StatusOf(&c)
}

// renew says how to get another certificate.
func (c *chainCheck) renew() Fix {
	namespace := c.s.Install.Namespace
	name := c.client.config.Service.Name
	if c.secret == nil && c.s.certificate(name) != nil {
		return do("cert-manager makes it; where it does not, its Certificate says why", "kubectl -n "+namespace+" describe certificate "+name)
	}
	if c.secret != nil && c.secret.Certificate != "" {
		return do("have cert-manager issue it anew; where it does not, its Certificate says why",
			"kubectl -n "+namespace+" delete secret "+c.s.tlsSecret(name), "kubectl -n "+namespace+" describe certificate "+name)
	}
	return Fix{Text: "where the controller manages certificates, have it write them anew; where you provide them, put a new one into the Secret",
		Commands: []string{"kubectl -n " + namespace + " create secret tls " + c.s.tlsSecret(name) + " --cert FILE --key FILE --dry-run=client -o yaml | kubectl apply -f -"}}
}

// trust says how to bring caBundle and certificate together.
func (c *chainCheck) trust(host string) Fix {
	if ca := c.secret.CA; len(ca) > 0 {
		if status, err := chainStatus(c.secret.Cert); err == nil && status.Trusted(ca, host, c.s.Now) == nil {
			fix := c.s.bundleFix(c.client.config.Service.Name, nil)
			fix.Text = "put the CA of the Secret into the caBundle: cert-manager's cainjector or the controller does so where they manage certificates; where you provide them, it is the value certs.provided.caBundle"
			fix.Commands = []string{"kubectl -n " + c.s.Install.Namespace + " get secret " + c.secret.Name + ` -o jsonpath='{.data.ca\.crt}' | base64 -d`}
			return fix
		}
	}
	return todo("put the CA that signed the certificate into the caBundle, or have a certificate issued by the CA that is there: for the name %s", host)
}
