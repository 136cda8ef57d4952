package doctor

// Check: no webhook of others stands between the cluster and its own repair.
func othersFail() Check {
	return Check{
		Name: "others-fail", Group: groupOthers, Title: "no other webhook can keep Pillion's Pods from starting", needs: []Kind{MutatingWebhooks, ValidatingWebhooks, Namespaces}, installed: true,
		Codes: []Code{
			{"D501", Warning, "A webhook of others, with failurePolicy Fail, is asked about Pillion's own Pods.", "While it is down Pillion cannot start: at a cold start one waits for the other."},
			{"D502", Warning, "A webhook of others, with failurePolicy Fail, is asked about Pods of kube-system.", "While it is down DNS and the network of a node cannot start, and so nothing else can."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, g := range s.gates() {
				if !g.fails || !g.onPods() {
					continue
				}
				if g.selects(s.labelsOf(s.Install.Namespace), s.ownPodLabels()) {
					f.add("D501", g.config, "webhook "+g.name+known(g.config, g.name)+" is asked about Pods in "+s.Install.Namespace+g.often(), leaveOut(&g, s.Install.Namespace))
				}
				if g.selects(s.labelsOf(kubeSystem), nil) && g.backend() != kubeSystem {
					f.add("D502", g.config, "webhook "+g.name+known(g.config, g.name)+" is asked about Pods in "+kubeSystem+g.often(), leaveOut(&g, kubeSystem))
				}
			}
		},
	}
}

const kubeSystem = "kube-system"

func leaveOut(g *gate, namespace string) Fix {
	return todo("leave the Namespace out of the namespaceSelector of %s, by the settings of what installs it: {key: %s, operator: NotIn, values: [%s]}", g.config, labelName, namespace)
}
