package doctor

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// annotationInjectCA has cert-manager put a CA into a webhook configuration.
const annotationInjectCA = "cert-manager.io/inject-ca-from"

// Check: the API server is told whom to trust, in every entry.
func bundles() Check {
	return Check{
		Name: "ca-bundles", Group: groupCertificates, Title: "the API server is told whom to trust", needs: []Kind{MutatingWebhooks, ValidatingWebhooks}, installed: true,
		Codes: []Code{
			{"D301", Error, "A webhook has no caBundle.", "The API server trusts no certificate of the cluster's own by itself, so every call fails."},
			{"D302", Error, "A caBundle holds no certificate that is valid now.", "Every call fails."},
			{"D303", Warning, "All certificates of a caBundle expire soon.", "From then on every call fails."},
		},
		look: func(s *Snapshot, f *findings) {
			if c := s.configuration(); c != nil {
				b := bundleCheck{now: s.Now}
				for i := range c.Webhooks {
					b.look(c.Webhooks[i].Name, &c.Webhooks[i].ClientConfig)
				}
				b.tell(f, "mutatingwebhookconfiguration/"+c.Name, s.bundleFix(c.Name, c.Annotations))
			}
			if c := s.validating(); c != nil {
				b := bundleCheck{now: s.Now}
				for i := range c.Webhooks {
					b.look(c.Webhooks[i].Name, &c.Webhooks[i].ClientConfig)
				}
				b.tell(f, "validatingwebhookconfiguration/"+c.Name, s.bundleFix(s.Install.controller(), c.Annotations))
			}
		},
	}
}

// bundleCheck gathers the entries of one configuration by what is wrong with them.
type bundleCheck struct {
	now                  time.Time
	empty, invalid, soon []string
	// until is the end of those that end soon.
	until time.Time
}

func (b *bundleCheck) look(webhook string, c *admissionregistrationv1.WebhookClientConfig) {
	if len(c.CABundle) == 0 {
		if c.Service != nil {
			b.empty = append(b.empty, webhook)
		}
		return
	}
	switch last := lastValid(c.CABundle, b.now); {
	case last.IsZero():
		b.invalid = append(b.invalid, webhook)
	case last.Sub(b.now) < soonCA:
		b.soon, b.until = append(b.soon, webhook), last
	}
}

func (b *bundleCheck) tell(f *findings, object string, fix Fix) {
	if len(b.empty) > 0 {
		f.add("D301", object, "there is no caBundle for "+names(b.empty), fix)
	}
	if len(b.invalid) > 0 {
		f.add("D302", object, "the caBundle holds no certificate that is valid now for "+names(b.invalid), fix)
	}
	if len(b.soon) > 0 {
		f.add("D303", object, fmt.Sprintf("the caBundle is valid until %s, %s, for %s", stamp(b.until), days(b.until.Sub(b.now)), names(b.soon)), fix)
	}
}

// soonCA is the time before its end in which a CA should have been renewed: cert-manager and the controller do it earlier.
const soonCA = 30 * 24 * time.Hour

// lastValid is the end of the certificate that is valid longest, of those that are valid at the given time; zero for none.
func lastValid(bundle []byte, now time.Time) time.Time {
	var last time.Time
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err == nil && !now.Before(c.NotBefore) && now.Before(c.NotAfter) && c.NotAfter.After(last) {
			last = c.NotAfter
		}
	}
	return last
}

// bundleFix says who writes the caBundle.
func (s *Snapshot) bundleFix(component string, annotations map[string]string) Fix {
	if annotations[annotationInjectCA] != "" {
		return do("see why cert-manager does not inject it: its cainjector must run, and the Certificate must be ready",
			"kubectl -n "+s.Install.Namespace+" describe certificate "+component, "kubectl -n cert-manager logs deployment/cert-manager-cainjector --tail 20")
	}
	return Fix{Text: "where the controller manages certificates, have it write them anew; where you provide them, give the chart the CA that signed them as certs.provided.caBundle",
		Commands: []string{"kubectl -n " + s.Install.Namespace + " rollout restart deployment/" + s.Install.controller()}}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func days(d time.Duration) string {
	if d < 48*time.Hour {
		return fmt.Sprintf("in %d hours", int(d.Hours()))
	}
	return fmt.Sprintf("in %d days", int(d.Hours()/24))
}
