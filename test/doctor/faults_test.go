package doctor

import (
	"fmt"
	"testing"
)

// other gives a webhook of others, as YAML: kind Mutating or Validating, in Namespaces of a name, or all where it is empty.
func other(kind, name, in, more string) string {
	selector := "{}"
	if in != "" {
		selector = "{matchLabels: {kubernetes.io/metadata.name: " + in + "}}"
	}
	// It never meets a Pod: nobody has the label.
	return fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: %sWebhookConfiguration
metadata: {name: %s}
webhooks:
- name: %s.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  namespaceSelector: %s
  matchConditions: [{name: never, expression: "false"}]
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  %s
---
`, kind, name, name, selector, more)
}

const (
	deadURL = "clientConfig: {url: 'https://127.0.0.1:1/'}"
	gate    = "validatingwebhookconfiguration"
)

func nothing(*testing.T, *bed) {}

func faultsOfOthers() []fault {
	return []fault{
		{name: "another webhook with Fail is asked about Pillion's Pods", objects: other("Validating", "gate", namespace, deadURL), want: []string{"D501"}, message: "webhook gate.example.com",
			heal: nothing, removes: []string{gate + " gate"}},
		{name: "another webhook with Fail is asked about kube-system", objects: other("Validating", "gate", "kube-system", deadURL), want: []string{"D502"}, message: "kube-system",
			heal: nothing, removes: []string{gate + " gate"}},
		{name: "Istio changes the same Pods", objects: other("Mutating", "istio-sidecar-injector", "default", deadURL+"\n  failurePolicy: Ignore"), want: []string{"D504"}, message: "(Istio) changes Pods too; it comes before Pillion's, and not again",
			heal: nothing, removes: []string{mutating + " istio-sidecar-injector"}},
		{name: "webhooks together take too long", objects: other("Mutating", "slow-a", "", deadURL+"\n  failurePolicy: Ignore") + other("Mutating", "slow-b", "", deadURL+"\n  failurePolicy: Ignore\n  timeoutSeconds: 25"),
			want: []string{"D503", "D504", "D504"}, message: "slow-a.example.com (10 s), slow-b.example.com (25 s)", heal: nothing, removes: []string{mutating + " slow-a", mutating + " slow-b"}},
		{name: "two webhooks wait for one another", want: []string{"D501", "D602"}, message: "gate.example.com", removes: []string{gate + " gate", "namespace gates"},
			objects: "apiVersion: v1\nkind: Namespace\nmetadata: {name: gates, labels: {pillion.dev/injection: required}}\n---\n" +
				other("Validating", "gate", namespace, "clientConfig: {service: {namespace: gates, name: gate}}"), heal: nothing},
		{name: "what nodes need requires Pillion", want: []string{"D604"}, message: "system-node-critical", removes: []string{"namespace net"}, objects: `apiVersion: v1
kind: Namespace
metadata: {name: net, labels: {pillion.dev/injection: required}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cni, namespace: net}
spec:
  selector: {matchLabels: {app: cni}}
  template:
    metadata: {labels: {app: cni}}
    spec: {priorityClassName: system-node-critical, containers: [{name: cni, image: "cni:1"}]}
`},
	}
}

func space(name, labels, annotations string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {%s}, annotations: {%s}}\n---\n", name, labels, annotations)
}

func faultsOfNamespaces() []fault {
	return []fault{
		{name: "a label is mistyped", objects: space("typo", "pillion.dev/injection: enable", ""), want: []string{"D801"}, message: "pillion.dev/injection=enable; valid are enabled and required", removes: []string{"namespace typo"}},
		{name: "a Namespace asks without a label", objects: space("unlabelled", "", "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'"), want: []string{"D802"}, message: "pillion.dev/inject: proxy", removes: []string{"namespace unlabelled"}},
		{name: "a label has another name", objects: space("misnamed", "pillion.dev/inject: enabled", ""), want: []string{"D803"}, message: "pillion.dev/inject=enabled means nothing", removes: []string{"namespace misnamed"}},
		{name: "the label is an annotation", objects: space("misplaced", "", "pillion.dev/injection: enabled"), want: []string{"D803"}, message: "the annotation pillion.dev/injection", removes: []string{"namespace misplaced"}},
		{name: "a Namespace asks for what there is not", objects: space("unknown", "pillion.dev/injection: enabled", "pillion.dev/inject: prxy"), want: []string{"D804"}, message: `did you mean "proxy"?`,
			heal: func(t *testing.T, b *bed) {
				b.must(t, "annotate", "namespace", "unknown", "pillion.dev/inject=proxy", "pillion.dev/proxy.upstream-port=8080", "--overwrite")
			}, removes: []string{"namespace unknown"}},
		{name: "a Namespace does not say what a sidecar needs", objects: space("incomplete", "pillion.dev/injection: enabled", "pillion.dev/inject: log-shipper"), want: []string{"D804"}, message: "pillion.dev/log-shipper.endpoint",
			heal: nothing, removes: []string{"namespace incomplete"}},
		{name: "Pillion's own Namespace asks", kubectl: []string{"label", "namespace", namespace, "pillion.dev/injection=required"}, want: []string{"D805"}, message: "it is Pillion's own"},
	}
}

// entry is a catalog entry that says which image it is, as YAML.
func entry(kind, meta, image string) string {
	return fmt.Sprintf(`apiVersion: pillion.dev/v1alpha1
kind: %s
metadata: {%s}
spec:
  description: For tests.
  containers:
  - name: late
    image: %s
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
    securityContext: {runAsNonRoot: true, runAsUser: 65532, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}
---
`, kind, meta, image)
}

// web is a Deployment whose Pods ask for a sidecar.
func web(namespace, name, own, template string) string {
	return fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s, annotations: {%[3]s}}
spec:
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}, annotations: {%[4]s}}
    spec: {containers: [{name: app, image: "app:1"}]}
---
`, namespace, name, own, template)
}

func faultsOfPods() []fault {
	return []fault{
		{name: "an entry is not good", want: []string{"D207", "D701"}, message: "there is no ValidatingWebhookConfiguration", kubectl: []string{"delete", "validatingwebhookconfiguration", "pillion"},
			broken: func(t *testing.T, b *bed) {
				usual = usual[:1]
				await(t, "nobody validates", func() error {
					return b.apply("apiVersion: pillion.dev/v1alpha1\nkind: ClusterSidecar\nmetadata: {name: late}\nspec: {description: Bad., containers: [{name: late}]}\n")
				})
			},
			heal: func(t *testing.T, b *bed) {
				usual = usual[:2]
				b.mend(t, []string{"helm upgrade pillion CHART --namespace " + namespace + " --reset-then-reuse-values"})
				b.put(t, entry("ClusterSidecar", "name: late", "late:1"))
			}, removes: []string{"clustersidecar late"}},
		{name: "a Sidecar is hidden", objects: space("hiding", "", "") + entry("Sidecar", "name: late, namespace: hiding", "late:1") + entry("ClusterSidecar", "name: late", "late:2"),
			want: []string{"D703"}, message: "late", heal: nothing, removes: []string{"sidecar late -n hiding", "clustersidecar late", "namespace hiding"}},
		{name: "Pods run without what they ask for", objects: space("bare", "", "") + web("bare", "web", "", "pillion.dev/inject: late, pillion.dev/failure-policy: Ignore"), want: []string{"D901"},
			message: "1 Pod runs without late: web-", removes: []string{"namespace bare", "clustersidecar late"},
			broken: func(t *testing.T, b *bed) {
				b.awaitPods(t, "bare", 1)
				b.put(t, entry("ClusterSidecar", "name: late", "late:1"))
			}},
		{name: "a Pod that asks has no owner", objects: space("lone", "", "") + "apiVersion: v1\nkind: Pod\nmetadata: {name: lone, namespace: lone, annotations: {pillion.dev/inject: log-shipper, pillion.dev/log-shipper.endpoint: 'http://collector:4318'}}\nspec: {containers: [{name: app, image: 'app:1'}]}\n",
			want: []string{"D902"}, message: "Pods without an owner, such as lone", heal: nothing, removes: []string{"pod lone -n lone", "namespace lone"}},
	}
}
