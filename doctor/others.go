package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// known names the project that a webhook is of, where its name tells, with what is worth knowing beside Pillion.
func known(config, webhook string) string {
	text := config + " " + webhook
	for _, p := range projects() {
		if strings.Contains(text, p.word) {
			return " (" + p.name + ")"
		}
	}
	return ""
}

// project is a well-known owner of webhooks.
type project struct {
	word, name string
	// beside says how it gets on with Pillion.
	beside string
}

func projects() []project {
	return []project{
		{"istio", "Istio", "its proxy takes the traffic of Pillion's sidecars too: exclude their ports by traffic.sidecar.istio.io/ annotations where that is not wanted"},
		{"linkerd", "Linkerd", "its proxy takes the traffic of Pillion's sidecars too: exclude their ports by config.linkerd.io/skip-outbound-ports where that is not wanted"},
		{"vault", "Vault", "it renders secrets into app containers; containers that Pillion adds get them only where the two webhooks run in that order"},
		{"kuma", "Kuma", "its proxy takes the traffic of Pillion's sidecars too"},
		{"consul", "Consul", "its proxy takes the traffic of Pillion's sidecars too"},
		{"dapr", "Dapr", "it adds a sidecar of its own; the two do not see one another's volumes"},
		{"opentelemetry", "OpenTelemetry operator", "it adds a collector and variables of its own"},
		{"kruise", "OpenKruise", "its SidecarSets add and upgrade containers of their own"},
		{"kyverno", "Kyverno", "its policies may change or refuse containers that Pillion adds"},
		{"gatekeeper", "Gatekeeper", "its policies may change or refuse containers that Pillion adds"},
	}
}

// longestWait is how long the API server takes for a request, in seconds, as it is set up by default:
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/ (--request-timeout is 60 s, admission gets half).
const longestWait = 30

// Check: all webhooks on one Pod together have time to fail.
func othersTimeouts() Check {
	return Check{
		Name: "timeouts", Group: groupOthers, Title: "the webhooks on a Pod have time to fail one after the other", needs: []Kind{MutatingWebhooks, ValidatingWebhooks},
		Codes: []Code{
			{"D503", Warning, "The mutating webhooks on Pods of an ordinary Namespace may take 30 seconds together.", "They are called one after the other: where several hang, the API server gives up before their failurePolicy Ignore helps, and the Pod is refused."},
		},
		look: func(s *Snapshot, f *findings) {
			total, by := int32(0), []string{}
			for _, g := range s.gates() {
				if g.mutating && g.selects(map[string]string{labelName: "any-namespace"}, nil) {
					total += g.seconds
					by = append(by, fmt.Sprintf("%s (%d s)", g.name, g.seconds))
				}
			}
			if total >= longestWait {
				f.add("D503", "", fmt.Sprintf("together they may take %d s: %s", total, names(by)), todo("give them a timeoutSeconds of 1 to 5, or selectors that leave more Pods out"))
			}
		},
	}
}

// Check: who else changes Pods.
func othersOrder() Check {
	return Check{
		Name: "order", Group: groupOthers, Title: "nobody else changes Pods that Pillion changes", needs: []Kind{MutatingWebhooks, Namespaces}, installed: true,
		Codes: []Code{
			{"D504", Note, "Another webhook changes the same Pods.", "The API server calls them in the order of their configurations' names, and once more those with reinvocationPolicy IfNeeded. One that comes before Pillion's, and is not called again, does not see the sidecars."},
		},
		look: func(s *Snapshot, f *findings) {
			own := "mutatingwebhookconfiguration/" + s.Install.Name
			var told []string
			for _, g := range s.gates() {
				if !g.mutating || slices.Contains(told, g.config) || !s.meets(&g) {
					continue
				}
				told = append(told, g.config)
				order := "after Pillion's: Pillion is called again where it changes the Pod"
				if g.config < own {
					order = "before Pillion's, and is called again"
					if !g.again {
						order = "before Pillion's, and not again (reinvocationPolicy Never): it does not see the sidecars"
					}
				}
				f.add("D504", g.config, "webhook "+g.name+known(g.config, g.name)+" changes Pods too; it comes "+order+g.often(), todo("%s", beside(g.config, g.name)))
			}
		},
	}
}

// meets reports whether a webhook is asked about Pods of a Namespace in which Pods may ask for sidecars.
func (s *Snapshot) meets(g *gate) bool {
	if g.selects(map[string]string{labelName: "any-namespace"}, nil) {
		return true
	}
	return slices.ContainsFunc(s.Namespaces, func(ns meta) bool { return s.ExcludedBy(ns.Name) == "" && g.selects(ns.Labels, nil) })
}

func beside(config, webhook string) string {
	text := config + " " + webhook
	for _, p := range projects() {
		if strings.Contains(text, p.word) {
			return "nothing, where this is wanted: " + p.beside
		}
	}
	return "nothing, where this is wanted"
}
