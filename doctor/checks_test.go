package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/sidecars"
)

func forbidden(k Kind) error {
	resource, group, _ := strings.Cut(string(k), ".")
	return apierrors.NewForbidden(schema.GroupResource{Group: group, Resource: resource}, "", nil)
}

func server(v string) *Snapshot { return &Snapshot{Server: version.Info{GitVersion: v}} }

func TestServerVersion(t *testing.T) {
	for v, want := range map[string][]string{
		"v1.36.3":       nil,
		"v1.36.0-gke.1": nil,
		"v1.30.1":       {"D102: the API server is v1.30.1; Pillion is tested on 1.36"},
		"v1.29.9":       {"D101: the API server is v1.29.9; Pillion needs 1.30 or newer"},
		"unknown":       {`D102: the API server's version "unknown" is not understood`},
	} {
		if diff := cmp.Diff(want, found(serverVersion(), server(v))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", v, diff)
		}
	}
}

func TestKubelets(t *testing.T) {
	for _, c := range []struct{ kubelet, os, want string }{
		{"v1.36.3", "linux", ""}, {"v1.33.0", "linux", ""}, {"v1.28.9", "linux", "D103"}, {"v1.28.9", "windows", ""},
		{"v1.35.0", "linux", "D104"}, {"v1.35.3-eks-1", "linux", "D104"}, {"v1.35.4", "linux", ""}, {"v1.32.9", "linux", "D105"}, {"v1.37.0", "linux", "D105"},
	} {
		s := server("v1.36.3")
		s.Nodes = []Node{{"n", c.kubelet, c.os}}
		got := strings.Join(found(kubelets(), s), "")
		if code, _, _ := strings.Cut(got, ":"); code != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

const deployment = `
metadata: {name: %[1]s, namespace: pillion-system, labels: {app.kubernetes.io/component: webhook, app.kubernetes.io/name: pillion}}
spec:
  replicas: %[3]d
  template:
    spec:
      priorityClassName: %[4]s
      containers: [{name: c, image: "ghcr.io/pillion-dev/pillion/webhook%[2]s"}]
      volumes: [{name: tls, secret: {secretName: %[1]s-tls}}]
status: {availableReplicas: %[3]d}
`

// installed is a cluster with two Deployments of some images.
func installed(t *testing.T, webhook, controller string) *Snapshot {
	s := server("v1.36.3")
	s.Install = &Install{Name: "pillion", Namespace: "pillion-system", Release: "pillion"}
	s.Deployments = []appsv1.Deployment{
		read[appsv1.Deployment](t, fmt.Sprintf(deployment, "pillion", webhook, 2, "system-cluster-critical")),
		read[appsv1.Deployment](t, fmt.Sprintf(deployment, "pillion-controller", controller, 1, "system-cluster-critical")),
	}
	return s
}

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		webhook, controller, cli string
		want                     []string
	}{
		{":0.1.0", ":0.1.0", "0.1.0", nil},
		{":v0.1.0", ":0.1.0", "v0.1.0", nil},
		{":0.1.0@sha256:00", ":0.1.0", "(devel)", nil},
		{"@sha256:00", ":0.1.0", "0.2.0", nil},
		{":0.1.0", ":0.2.0", "0.1.0", []string{"D106: the webhook is 0.1.0 and the controller 0.2.0"}},
		{":0.1.0", ":0.1.0", "0.2.0", []string{"D107: this program is 0.2.0 and the webhook 0.1.0"}},
	} {
		s := installed(t, c.webhook, c.controller)
		s.CLI = c.cli
		if diff := cmp.Diff(c.want, found(versions(), s)); diff != "" {
			t.Errorf("%v (-want +got)\n%s", c, diff)
		}
	}
}

func TestDeploymentsAndReplicas(t *testing.T) {
	s := installed(t, ":1", ":1")
	s.Deployments[0].Status.AvailableReplicas = 1
	s.Deployments[1].Status = read[appsv1.DeploymentStatus](t, "conditions: [{type: Progressing, status: 'False', message: no quota}, {type: Available, status: 'False', message: too few}]")
	want := []string{"D233: 1 of 2 replicas are available", "D232: 0 of 1 replicas are available: no quota"}
	if diff := cmp.Diff(want, found(deployments(), s)); diff != "" {
		t.Error(diff)
	}
	s.Deployments = []appsv1.Deployment{read[appsv1.Deployment](t, fmt.Sprintf(deployment, "pillion", ":1", 1, "ordinary"))}
	want = []string{"D231: the Deployment pillion-controller is not there"}
	if diff := cmp.Diff(want, found(deployments(), s)); diff != "" {
		t.Error(diff)
	}
	want = []string{"D605: it has one replica", "D606: its priority class is ordinary"}
	if diff := cmp.Diff(want, found(replicas(), s)); diff != "" {
		t.Error(diff)
	}
}

const webhookConfig = `
metadata: {name: pillion, annotations: {cert-manager.io/inject-ca-from: pillion-system/pillion}}
webhooks:
- name: required.pillion.dev
  sideEffects: None
  admissionReviewVersions: [v1]
  failurePolicy: Fail
  clientConfig: {service: {name: pillion, namespace: pillion-system, path: /mutate/required}}
  namespaceSelector: {matchExpressions: [{key: pillion.dev/injection, operator: In, values: [required]}]}
`

func TestServices(t *testing.T) {
	s := installed(t, ":1", ":1")
	s.MutatingWebhooks = []admissionregistrationv1.MutatingWebhookConfiguration{read[admissionregistrationv1.MutatingWebhookConfiguration](t, webhookConfig)}
	service := "metadata: {name: pillion, namespace: pillion-system}\nspec: {ports: [{port: %d}]}"
	slice := "metadata: {name: x, labels: {kubernetes.io/service-name: %s}}\naddressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {ready: %t}}]"
	for _, c := range []struct {
		name    string
		service string
		slice   string
		want    []string
	}{
		{"all is well", fmt.Sprintf(service, 443), fmt.Sprintf(slice, "pillion", true), nil},
		{"not ready", fmt.Sprintf(service, 443), fmt.Sprintf(slice, "pillion", false), []string{"D242: no Pod behind it is ready"}},
		{"of another Service", fmt.Sprintf(service, 443), fmt.Sprintf(slice, "other", true), []string{"D242: no Pod behind it is ready"}},
		{"another port", fmt.Sprintf(service, 8443), fmt.Sprintf(slice, "pillion", true), []string{"D243: the API server calls port 443, which it does not have"}},
	} {
		s.Services = []corev1.Service{read[corev1.Service](t, c.service)}
		s.Slices = []discoveryv1.EndpointSlice{read[discoveryv1.EndpointSlice](t, c.slice)}
		if diff := cmp.Diff(c.want, found(services(), s)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestCertificates(t *testing.T) {
	s := installed(t, ":1", ":1")
	s.MutatingWebhooks = []admissionregistrationv1.MutatingWebhookConfiguration{read[admissionregistrationv1.MutatingWebhookConfiguration](t, webhookConfig)}
	s.Now = time.Now()
	if got := found(certificates(), s); len(got) != 1 || !strings.HasPrefix(got[0], "D322: ") {
		t.Errorf("without a Certificate: %v", got)
	}
	s.Certificates = []certmanagerv1.Certificate{read[certmanagerv1.Certificate](t, `
metadata: {name: pillion, namespace: pillion-system}
spec: {secretName: pillion-tls, issuerRef: {name: missing}}
status: {conditions: [{type: Ready, status: "False", reason: DoesNotExist, message: Issuing certificate as Secret does not exist}]}
`)}
	if got := found(certificates(), s); len(got) != 1 || !strings.Contains(got[0], "D321: Certificate pillion-system/pillion is not ready: Issuing certificate as Secret does not exist") {
		t.Errorf("a Certificate that is not ready: %v", got)
	}
	f := &findings{check: new(certificates())}
	s.Issuers = map[string]certmanagerv1.GenericIssuer{"Issuer/missing": nil}
	f.check.look(s, f)
	if len(f.list) != 1 || !strings.HasSuffix(f.list[0].Message, "; Issuer missing is not there") || f.list[0].Fix.Text != "make the issuer, or name another by certs.certManager.issuerRef" {
		t.Errorf("a Certificate without its issuer: %+v", f.list)
	}
	s.Certificates[0].Status.Conditions[0].Status = "True"
	if got := found(certificates(), s); got != nil {
		t.Errorf("a Certificate that is ready: %v", got)
	}
}

func TestServingCertificates(t *testing.T) {
	files, err := certs.SelfSigned([]string{"pillion.pillion-system.svc"}, nil, 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	named, err := certs.SelfSigned([]string{"other.pillion-system.svc"}, nil, 90*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		secret *certs.Files
		after  time.Duration
		bundle []byte
		want   string
	}{
		{"all is well", files, time.Hour, files.CA, ""},
		{"no Secret", nil, time.Hour, files.CA, "D311"},
		{"an empty Secret", &certs.Files{}, time.Hour, files.CA, "D311"},
		{"another authority", files, time.Hour, named.CA, "D313"},
		{"another name", named, time.Hour, named.CA, "D313"},
		{"renewal is overdue", files, 80 * 24 * time.Hour, files.CA, "D314 D303"},
		{"it has expired", files, 91 * 24 * time.Hour, files.CA, "D312 D302"},
		{"no bundle", files, time.Hour, nil, "D301"},
	} {
		s := installed(t, ":1", ":1")
		config := read[admissionregistrationv1.MutatingWebhookConfiguration](t, webhookConfig)
		config.Webhooks[0].ClientConfig.CABundle = c.bundle
		s.MutatingWebhooks, s.Now = []admissionregistrationv1.MutatingWebhookConfiguration{config}, time.Now().Add(c.after)
		if c.secret != nil {
			s.Secrets = []Secret{{Name: "pillion-tls", Cert: c.secret.Cert, CA: c.secret.CA}}
		}
		var got []string
		for _, x := range append(found(chains(), s), found(bundles(), s)...) {
			code, _, _ := strings.Cut(x, ":")
			got = append(got, code)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

// TestSampleValuesAreValid asks for every built-in sidecar with the values that a trial would have.
func TestSampleValuesAreValid(t *testing.T) {
	s := server("v1.36.3")
	s.Catalog = sidecars.Builtin()
	s.Namespaces = []meta{read[meta](t, "metadata: {name: default, labels: {kubernetes.io/metadata.name: default}}")}
	plan := s.Plan()
	if len(plan) != 1 || plan[0].Namespace != "default" || !strings.Contains(string(plan[0].Pod), plan[0].Sidecar) {
		t.Errorf("plan %+v", plan)
	}
}

// TestColdStart evaluates a configuration that forgets to leave Namespaces out.
func TestColdStart(t *testing.T) {
	s := installed(t, ":1", ":1")
	s.MutatingWebhooks = []admissionregistrationv1.MutatingWebhookConfiguration{read[admissionregistrationv1.MutatingWebhookConfiguration](t, webhookConfig)}
	s.Namespaces = []meta{
		read[meta](t, "metadata: {name: kube-system, labels: {kubernetes.io/metadata.name: kube-system, pillion.dev/injection: required}}"),
		read[meta](t, "metadata: {name: cert-manager, labels: {kubernetes.io/metadata.name: cert-manager, pillion.dev/injection: required}}"),
	}
	s.ValidatingWebhooks = []admissionregistrationv1.ValidatingWebhookConfiguration{read[admissionregistrationv1.ValidatingWebhookConfiguration](t,
		"metadata: {name: cert-manager-webhook}\nwebhooks: [{name: webhook.cert-manager.io, sideEffects: None, admissionReviewVersions: [v1], clientConfig: {service: {namespace: cert-manager, name: cert-manager-webhook}}}]")}
	want := []string{"D601: an entry with failurePolicy Fail is for Namespace kube-system"}
	if diff := cmp.Diff(want, found(ownPods(), s)); diff != "" {
		t.Error(diff)
	}
	want = []string{"D603: cert-manager's Pods require Pillion"}
	if diff := cmp.Diff(want, found(waiting(), s)); diff != "" {
		t.Error(diff)
	}
}

// TestEngines names those that take a refusal as final.
func TestEngines(t *testing.T) {
	s := installed(t, ":1", ":1")
	pod := `
metadata:
  name: %s
  namespace: jobs
  annotations: {pillion.dev/inject: proxy}
  ownerReferences: [{apiVersion: %s, kind: %s, name: x, uid: u, controller: true}]
`
	for _, of := range [][3]string{{"a", "argoproj.io/v1alpha1", "Workflow"}, {"b", "argoproj.io/v1alpha1", "Workflow"}, {"t", "tekton.dev/v1", "TaskRun"}, {"d", "apps/v1", "ReplicaSet"}, {"j", "batch/v1", "Job"}} {
		s.Pods = append(s.Pods, read[meta](t, fmt.Sprintf(pod, of[0], of[1], of[2])))
	}
	want := []string{
		"D902: Argo Workflows makes Pods such as a: where one is refused, the step fails unless it has a retryStrategy with retryPolicy Always or OnError",
		"D902: Tekton makes Pods such as t: where one is refused, the TaskRun fails; retries of a PipelineTask make another",
	}
	if diff := cmp.Diff(want, found(engines(), s)); diff != "" {
		t.Error(diff)
	}
}
