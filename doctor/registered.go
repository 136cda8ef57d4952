package doctor

// Check: the webhook is registered, once.
func registered() Check {
	return Check{
		Name: "registered", Group: groupInstall, Title: "the webhook is registered", needs: []Kind{MutatingWebhooks},
		Codes: []Code{
			{"D201", Error, "No MutatingWebhookConfiguration of Pillion's is there.", "No Pod is injected. It is the state after an emergency stop, or before an installation."},
			{"D202", Error, "There are several MutatingWebhookConfigurations of Pillion's.", "Two installations inject the same Pods, each by its own catalog."},
		},
		look: func(s *Snapshot, f *findings) {
			all := s.configurations()
			switch {
			case len(all) == 0 && s.Install == nil:
				f.add("D201", "", "Pillion is not installed: no MutatingWebhookConfiguration has webhooks named *.pillion.dev, and no Deployment of its webhook is found",
					do("install it", "helm install pillion CHART --namespace pillion-system --create-namespace"))
			case len(all) == 0:
				f.add("D201", "mutatingwebhookconfiguration/"+s.Install.Name, "no MutatingWebhookConfiguration has webhooks named *.pillion.dev", s.Install.reinstall("install it again with the chart that is installed"))
			case len(all) > 1:
				var those []string
				for _, c := range all {
					those = append(those, c.Name)
				}
				f.add("D202", "mutatingwebhookconfiguration/"+those[0], "several configurations have webhooks named *.pillion.dev: "+names(those),
					todo("keep one installation and uninstall the others: helm list -A tells which there are"))
			}
		},
	}
}
