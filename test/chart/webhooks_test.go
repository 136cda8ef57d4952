package chart

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

func TestWebhookHasThreeEntriesThatNeverMeet(t *testing.T) {
	all := objects(t, render(t, "--values", chartDir+"/ci/provided-values.yaml"))
	config := typed(t, ofKind(t, all, "MutatingWebhookConfiguration")[0]).(*admissionregistrationv1.MutatingWebhookConfiguration)
	want := map[string]string{"": "pods", "enabled": "enabled", "required": "required", "no-such": "pods"}
	for label, entry := range want {
		for _, ns := range []string{"shop", "kube-system", namespace, "monitoring"} {
			set := labels.Set{"kubernetes.io/metadata.name": ns}
			if label != "" {
				set["pillion.dev/injection"] = label
			}
			var called []string
			for i := range config.Webhooks {
				selector, err := metav1.LabelSelectorAsSelector(config.Webhooks[i].NamespaceSelector)
				if err != nil {
					t.Fatal(err)
				}
				if selector.Matches(set) {
					called = append(called, config.Webhooks[i].Name)
				}
			}
			var expect []string
			if ns == "shop" {
				expect = []string{entry + ".pillion.dev"}
			}
			if diff := cmp.Diff(expect, called); diff != "" {
				t.Errorf("Namespace %v (-want +got)\n%s", set, diff)
			}
		}
	}
	var got []string
	for i := range config.Webhooks {
		w := &config.Webhooks[i]
		got = append(got, fmt.Sprint(w.Name, " ", *w.ClientConfig.Service.Path, " ", *w.FailurePolicy, " ", *w.TimeoutSeconds, " ", *w.ReinvocationPolicy,
			" ", *w.SideEffects, " ", *w.MatchPolicy, " ", w.Rules[0].Operations, w.Rules[0].Resources))
	}
	if diff := cmp.Diff([]string{
		"pods.pillion.dev /mutate Ignore 2 IfNeeded None Equivalent [CREATE] [pods]",
		"enabled.pillion.dev /mutate Ignore 2 IfNeeded None Equivalent [CREATE] [pods]",
		"required.pillion.dev /mutate/required Fail 2 IfNeeded None Equivalent [CREATE] [pods]",
	}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestCertificatesNameTheServices follows each webhook to its Service, its Certificate and the Secret that is mounted.
func TestCertificatesNameTheServices(t *testing.T) {
	all := objects(t, render(t))
	for component, name := range map[string]string{"MutatingWebhookConfiguration": "pillion", "ValidatingWebhookConfiguration": "pillion-controller"} {
		var config struct {
			Metadata metav1.ObjectMeta
			Webhooks []struct {
				ClientConfig admissionregistrationv1.WebhookClientConfig
			}
		}
		if err := json.Unmarshal(ofKind(t, all, component)[0].JSON, &config); err != nil {
			t.Fatal(err)
		}
		if from := config.Metadata.Annotations["cert-manager.io/inject-ca-from"]; from != namespace+"/"+name {
			t.Errorf("%s takes its CA from %q", component, from)
		}
		for _, w := range config.Webhooks {
			if s := w.ClientConfig.Service; s.Name != name || s.Namespace != namespace || w.ClientConfig.CABundle != nil {
				t.Errorf("%s: %+v", component, w.ClientConfig)
			}
		}
		var certificate struct {
			Spec struct {
				SecretName string
				DNSNames   []string
			}
		}
		i := slices.IndexFunc(all, func(o *object) bool { return o.Kind == "Certificate" && o.Name == name })
		if err := json.Unmarshal(all[i].JSON, &certificate); err != nil {
			t.Fatal(err)
		}
		mounted := templates(t, all)[name].Spec.Volumes[0].Secret.SecretName
		if mounted != certificate.Spec.SecretName || !slices.Equal(certificate.Spec.DNSNames, []string{name + "." + namespace + ".svc"}) {
			t.Errorf("%s mounts %s; its Certificate is %+v", name, mounted, certificate.Spec)
		}
	}
}
