package doctor

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
)

// requires reports whether a Pod of a Namespace cannot be created while Pillion is down, by what the webhook is really
// registered for.
func (s *Snapshot) requires(namespace string) bool {
	c := s.configuration()
	if c == nil {
		return false
	}
	return slices.ContainsFunc(c.Webhooks, func(w admissionregistrationv1.MutatingWebhook) bool {
		return failing(w.FailurePolicy) && matches(w.NamespaceSelector, s.labelsOf(namespace))
	})
}

// Check: Pillion, and what it needs, can start while Pillion is down.
func ownPods() Check {
	return Check{
		Name: "own-namespace", Group: groupCold, Title: "Pillion and kube-system can start while Pillion is down", needs: []Kind{MutatingWebhooks, Namespaces}, installed: true,
		Codes: []Code{
			{"D601", Error, "Pods of kube-system or of Pillion's own Namespace cannot be created while Pillion is down.", "After a power cut nothing starts again without a human: the emergency stop is then the way out."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, name := range []string{kubeSystem, s.Install.Namespace} {
				if s.requires(name) {
					f.add("D601", "mutatingwebhookconfiguration/"+s.configuration().Name, "an entry with failurePolicy Fail is for Namespace "+name,
						do("take the label off, then install the chart again", "kubectl label namespace "+name+" pillion.dev/injection-"))
				}
			}
		},
	}
}

// Check: no two webhooks wait for one another.
func waiting() Check {
	return Check{
		Name: "circles", Group: groupCold, Title: "no two webhooks wait for one another", needs: []Kind{MutatingWebhooks, ValidatingWebhooks, Namespaces}, installed: true,
		Codes: []Code{
			{"D602", Error, "A webhook that Pillion waits for waits for Pillion.", "Once both are down neither starts again."},
			{"D603", Warning, "cert-manager waits for Pillion, and Pillion's certificate for cert-manager.", "Once cert-manager is down and the certificate has expired neither starts again."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, g := range s.gates() {
				backend := g.backend()
				if backend == "" || !s.requires(backend) {
					continue
				}
				fix := do("have the Namespace ask without requiring", "kubectl label namespace "+backend+" pillion.dev/injection=enabled --overwrite")
				switch {
				case g.fails && g.selects(s.labelsOf(s.Install.Namespace), s.ownPodLabels()):
					f.add("D602", "namespace/"+backend, "webhook "+g.name+" is asked about Pillion's Pods, and its own Pods require Pillion"+g.often(), fix)
				case strings.HasSuffix(g.name, "cert-manager.io") && s.configuration().Annotations[annotationInjectCA] != "" && !slices.ContainsFunc(f.list, func(x Finding) bool { return x.Object == "namespace/"+backend }):
					f.add("D603", "namespace/"+backend, "cert-manager's Pods require Pillion", fix)
				}
			}
		},
	}
}

// Check: what a node needs to come up does not require Pillion.
func critical() Check {
	return Check{
		Name: "node-critical", Group: groupCold, Title: "what a node needs to come up does not require Pillion", needs: []Kind{MutatingWebhooks, Namespaces, DaemonSets},
		Codes: []Code{
			{"D604", Error, "A DaemonSet that is critical for nodes is in a Namespace that requires sidecars.", "A new node waits for it, and it waits for Pillion, which may wait for that node."},
		},
		look: func(s *Snapshot, f *findings) {
			for i := range s.DaemonSets {
				d := &s.DaemonSets[i]
				class := d.Spec.Template.Spec.PriorityClassName
				if (class == "system-node-critical" || class == "system-cluster-critical") && s.requires(d.Namespace) {
					f.add("D604", "daemonset/"+d.Name+" -n "+d.Namespace, "its Pods have the priority class "+class+" and require Pillion",
						do("have the Namespace ask without requiring", "kubectl label namespace "+d.Namespace+" pillion.dev/injection=enabled --overwrite"))
				}
			}
		},
	}
}

// Check: Pillion outlives the loss of a node, and is among the first to start.
func replicas() Check {
	return Check{
		Name: "replicas", Group: groupCold, Title: "the webhook outlives the loss of a Pod", needs: []Kind{Deployments}, installed: true,
		Codes: []Code{
			{"D605", Note, "The webhook has one replica, or none.", "While it is moved from one node to another nobody answers."},
			{"D606", Warning, "The webhook's Pods have no priority class of the system's.", "On a full node other Pods are kept and these are not, and with them everything that asks for sidecars."},
		},
		look: func(s *Snapshot, f *findings) {
			d := s.deployment(s.Install.Name)
			if d == nil {
				return
			}
			object := s.Install.object("deployment", d.Name)
			if n := d.Spec.Replicas; n != nil && *n < 2 {
				f.add("D605", object, map[int32]string{0: "it has no replica", 1: "it has one replica"}[*n], do("have two", "helm upgrade "+release(s)+" CHART --namespace "+d.Namespace+" --reset-then-reuse-values --set webhook.replicas=2"))
			}
			if spec := &d.Spec.Template.Spec; !strings.HasPrefix(class(spec), "system-") {
				f.add("D606", object, "its priority class is "+orNone(class(spec)), s.Install.reinstall("give it system-cluster-critical by the value webhook.priorityClassName"))
			}
		},
	}
}

func class(spec *corev1.PodSpec) string { return spec.PriorityClassName }

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func release(s *Snapshot) string {
	if s.Install.Release != "" {
		return s.Install.Release
	}
	return s.Install.Name
}
