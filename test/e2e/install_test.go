package e2e

import (
	"bytes"
	"encoding/base64"
	"os"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// TestInstall goes the whole way of an installation, with the chart's own defaults: TestMain has installed it, and it is
// installed again at the end for the rows that follow.
func TestInstall(t *testing.T) {
	inNamespace(t, "install", nil, func(s *scene) {
		s.certificatesAreIssued()
		s.kubectl("-n", s.namespace, "apply", "-f", example("S01-proxy-before-localhost.yaml"))
		s.ready("app=blog", 1, "proxy")
		s.helm("test", "pillion", "--namespace", system, "--logs")
		s.pillion("doctor", "--strict")
		s.rendersTheSame()
		// On a machine that is slow while it starts Pods, two seconds are few.
		s.must(installPillion(s.ctx, patient...))
		s.upgradesWithoutAGap()
		s.changesTheMode()
		s.uninstallsWhole()
		s.must(installPillion(s.ctx))
		s.must(answers(s.ctx, s.client))
		s.kubectl("get", "clustersidecar", "kept")
		s.kubectl("delete", "clustersidecar", "kept")
	})
}

// patient are helm's arguments for the longest time that the webhook can be given.
var patient = []string{"--set", "admission.timeoutSeconds=10"}

func (s *scene) helm(args ...string) string {
	s.Helper()
	out, err := command(s.ctx, "helm", args...)
	s.must(err)
	return out
}

// pillion runs the command line program and gives what it prints.
func (s *scene) pillion(args ...string) string {
	s.Helper()
	out, err := command(s.ctx, os.Getenv(pillionVariable), args...)
	s.must(err)
	return out
}

// certificatesAreIssued checks cert-manager's work: both Certificates are ready, and each registration trusts who signed them.
func (s *scene) certificatesAreIssued() {
	s.Helper()
	s.kubectl("-n", system, "wait", "--for=condition=Ready", "certificate", "--all", "--timeout=1m")
	for kind, secret := range map[string]string{"mutating": "pillion-tls", "validating": "pillion-controller-tls"} {
		var pair corev1.Secret
		s.must(s.client.Get(s.ctx, secret, system, &pair))
		bundles := s.kubectl("get", kind+"webhookconfiguration", "pillion", "-o", `jsonpath={range .webhooks[*]}{.clientConfig.caBundle}{"\n"}{end}`)
		count := 0
		for words := range lines(bundles) {
			count++
			ca, err := base64.StdEncoding.DecodeString(words[0])
			s.must(err)
			if len(pair.Data["ca.crt"]) == 0 || !bytes.Contains(ca, bytes.TrimSpace(pair.Data["ca.crt"])) {
				s.Errorf("the %s registration trusts\n%s\nSecret %s is signed by\n%s", kind, ca, secret, pair.Data["ca.crt"])
			}
		}
		if count != 3 {
			s.Errorf("%d webhooks of the %s registration have a CA, want 3", count, kind)
		}
	}
}

// rendersTheSame renders twice, and upgrades to the same: nothing in the chart is random, so a second look shows no change.
func (s *scene) rendersTheSame() {
	s.Helper()
	render := func() string { return s.helm("template", "pillion", chart, "--namespace", system) }
	if first, second := render(), render(); first != second {
		s.Errorf("two renders differ:\n%s\n---- and\n%s", first, second)
	}
	was, before := s.helm("get", "manifest", "pillion", "--namespace", system), s.generations()
	s.must(installPillion(s.ctx))
	if is := s.helm("get", "manifest", "pillion", "--namespace", system); is != was {
		s.Errorf("an upgrade to the same changes the manifest:\n%s\n---- to\n%s", was, is)
	}
	if after := s.generations(); after != before {
		s.Errorf("an upgrade to the same changes objects: generations were\n%s\nand are\n%s", before, after)
	}
}

// generations says how often the specs of what the chart installs were changed.
func (s *scene) generations() string {
	s.Helper()
	return s.kubectl("get", "deployments,services,certificates,issuers,mutatingwebhookconfigurations,validatingwebhookconfigurations,validatingadmissionpolicies",
		"-n", system, "-l", "app.kubernetes.io/instance=pillion", "-o",
		`jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.generation}{"\n"}{end}`)
}

// upgradesWithoutAGap changes a value and takes it back, while Pods are created all the time: each is injected.
func (s *scene) upgradesWithoutAGap() {
	s.Helper()
	level := func() string {
		var d appsv1.Deployment
		s.must(s.client.Get(s.ctx, "pillion", system, &d))
		return strings.Join(d.Spec.Template.Spec.Containers[0].Args, " ")
	}
	s.allInjected("during an upgrade and a rollback", s.creating(func() {
		s.must(installPillion(s.ctx, slices.Concat(patient, []string{"--set", "webhook.logLevel=debug"})...))
		if got := level(); !strings.Contains(got, "--log-level=debug") {
			s.Errorf("after the upgrade the webhook runs with %s", got)
		}
		s.helm("rollback", "pillion", "--namespace", system, "--wait", "--timeout", "3m")
		if got := level(); !strings.Contains(got, "--log-level=info") {
			s.Errorf("after the rollback the webhook runs with %s", got)
		}
	}))
}

// changesTheMode goes from cert-manager's certificates to the controller's own, and back, while Pods are created all the time:
// the API server trusts both CAs for as long as either is served.
func (s *scene) changesTheMode() {
	s.Helper()
	for _, mode := range []string{"selfManaged", "certManager"} {
		s.allInjected("while the certificates' mode became "+mode, s.creating(func() {
			s.must(installPillion(s.ctx, slices.Concat(patient, []string{"--set", "certs.mode=" + mode})...))
		}))
	}
	s.certificatesAreIssued()
}

// uninstallsWhole uninstalls: nothing stays that could hold a Pod up, but the catalog does.
func (s *scene) uninstallsWhole() {
	s.Helper()
	s.kubectlIn(keptEntry, "apply", "-f", "-")
	c := s.creating(func() { s.helm("uninstall", "pillion", "--namespace", system, "--wait", "--timeout", "3m") })
	s.Logf("during the uninstallation: %s", c)
	if len(c.refused) > 0 || c.bare < 50 || c.injected == 0 {
		s.Errorf("want Pods injected at first, then bare, and none refused: %s; refused: %v", c, c.refused[:min(3, len(c.refused))])
	}
	for _, list := range []struct {
		kind string
		of   func() error
	}{
		{"MutatingWebhookConfiguration", func() error {
			return s.client.Get(s.ctx, "pillion", "", &admissionv1.MutatingWebhookConfiguration{})
		}},
		{"ValidatingWebhookConfiguration", func() error {
			return s.client.Get(s.ctx, "pillion", "", &admissionv1.ValidatingWebhookConfiguration{})
		}},
	} {
		if err := list.of(); !apierrors.IsNotFound(err) {
			s.Errorf("after the end of the release, the %s: %v, want not found", list.kind, err)
		}
	}
	if left := s.kubectl("get", "validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings",
		"-l", "app.kubernetes.io/instance=pillion", "-o", "name"); left != "" {
		s.Errorf("after the end of the release there are still\n%s", left)
	}
	pod := asking("proxy", "pillion.dev/proxy.upstream-port", "8080", "pillion.dev/proxy.port", "8081")
	pod.Namespace = s.namespace
	s.must(s.client.Create(s.ctx, pod))
	s.eventually("a Pod that asks runs without Pillion", func() (bool, error) { return isReady(s.refresh(pod)), nil })
	if len(pod.Spec.InitContainers) > 0 {
		s.Errorf("without Pillion a Pod was injected: %+v", pod.Spec.InitContainers)
	}
	s.kubectl("get", "clustersidecar", "kept")
}

const keptEntry = `
apiVersion: pillion.dev/v1alpha1
kind: ClusterSidecar
metadata: {name: kept}
spec:
  description: Outlives the release.
  containers:
  - name: kept
    image: localhost/app:v1
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
  flushSeconds: 1
`
