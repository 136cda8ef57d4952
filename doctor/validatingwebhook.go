package doctor

import (
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// Check: entries of the catalog are validated when they are written.
func validatingWebhook() Check {
	return Check{
		Name: "validating-webhook", Group: groupInstall, Title: "entries are validated when they are written", needs: []Kind{ValidatingWebhooks}, installed: true,
		Codes: []Code{
			{"D207", Warning, "Entries are not validated when they are written.", "A mistake in an entry is only found when Pods that ask for it are refused. It is also what the value admission.proveEntries=false does."},
			{"D208", Error, "A webhook of Pillion's that only warns has failurePolicy Fail.", "While the controller is down no workload can be written."},
		},
		look: func(s *Snapshot, f *findings) {
			fix := s.Install.reinstall("install it again with the chart that is installed, unless admission.proveEntries is off on purpose")
			c := s.validating()
			if c == nil {
				f.add("D207", "validatingwebhookconfiguration/"+s.Install.Name, "there is no ValidatingWebhookConfiguration of Pillion's", fix)
				return
			}
			for j := range c.Webhooks {
				if w := &c.Webhooks[j]; w.Name != "entries.pillion.dev" && ours(w.Name) && failing(w.FailurePolicy) {
					f.add("D208", "validatingwebhookconfiguration/"+c.Name, "failurePolicy of "+w.Name+" is Fail, not Ignore",
						do("set it as the chart does", "kubectl patch validatingwebhookconfiguration "+c.Name+" --type json -p '"+
							jsonText([]any{map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/failurePolicy", j), "value": "Ignore"}})+"'"))
				}
			}
			i := slices.IndexFunc(c.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return w.Name == "entries.pillion.dev" })
			if i < 0 {
				f.add("D207", "validatingwebhookconfiguration/"+c.Name, "it has no webhook entries.pillion.dev", fix)
				return
			}
			if !failing(c.Webhooks[i].FailurePolicy) {
				f.add("D207", "validatingwebhookconfiguration/"+c.Name, "failurePolicy of entries.pillion.dev is Ignore: while the controller is down entries are taken unseen", fix)
			}
		},
	}
}
