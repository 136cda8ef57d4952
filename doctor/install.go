package doctor

import (
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
)

// Install is where Pillion is in a cluster: what the chart calls its objects.
type Install struct {
	// Name is that of the webhook's objects; the controller's are Name-controller, the policies Name-injected and so on.
	Name string
	// Namespace that Pillion runs in; empty where only the webhook configuration is known, and it calls a URL.
	Namespace string
	// Release is helm's name for it.
	Release string
}

// Labels of the chart.
const (
	labelInstance  = "app.kubernetes.io/instance"
	labelComponent = "app.kubernetes.io/component"
	labelName      = "kubernetes.io/metadata.name"
	// ComponentSelector finds Pillion's Deployments, and perhaps others'.
	ComponentSelector = labelComponent + " in (webhook,controller)"
)

// suffix of the names of Pillion's webhooks.
const suffix = ".pillion.dev"

// ours reports whether a webhook is one of Pillion's.
func ours(webhook string) bool { return strings.HasSuffix(webhook, suffix) }

// configuration gives Pillion's webhook configurations, in order of names.
func (s *Snapshot) configurations() []*admissionregistrationv1.MutatingWebhookConfiguration {
	var out []*admissionregistrationv1.MutatingWebhookConfiguration
	for i := range s.MutatingWebhooks {
		c := &s.MutatingWebhooks[i]
		if slices.ContainsFunc(c.Webhooks, func(w admissionregistrationv1.MutatingWebhook) bool { return ours(w.Name) }) {
			out = append(out, c)
		}
	}
	return out
}

// configuration gives the one that is meant; nil where there is none.
func (s *Snapshot) configuration() *admissionregistrationv1.MutatingWebhookConfiguration {
	all := s.configurations()
	if len(all) == 0 {
		return nil
	}
	return all[0]
}

// validating gives the validating webhook configuration; nil where there is none.
func (s *Snapshot) validating() *admissionregistrationv1.ValidatingWebhookConfiguration {
	for i := range s.ValidatingWebhooks {
		c := &s.ValidatingWebhooks[i]
		if slices.ContainsFunc(c.Webhooks, func(w admissionregistrationv1.ValidatingWebhook) bool { return ours(w.Name) }) {
			return c
		}
	}
	return nil
}

// Locate finds the installation, by the webhook configuration or else by a Deployment of the webhook. The second needs
// Deployments of all Namespaces. An empty namespace may be anyone's.
func (s *Snapshot) Locate(namespace string) *Install {
	if c := s.configuration(); c != nil {
		in := &Install{Name: c.Name, Namespace: namespace, Release: c.Labels[labelInstance]}
		for i := range c.Webhooks {
			if to := c.Webhooks[i].ClientConfig.Service; to != nil && in.Namespace == "" {
				in.Namespace = to.Namespace
			}
		}
		if in.Namespace != "" {
			return in
		}
		if d := s.webhookDeployment(c.Name, namespace); d != nil {
			in.Namespace = d.Namespace
		}
		return in
	}
	if d := s.webhookDeployment("", namespace); d != nil {
		return &Install{Name: d.Name, Namespace: d.Namespace, Release: d.Labels[labelInstance]}
	}
	return nil
}

func (s *Snapshot) webhookDeployment(name, namespace string) *appsv1.Deployment {
	for i := range s.Deployments {
		d := &s.Deployments[i]
		if d.Labels[labelComponent] == "webhook" && isPillion(d) && (name == "" || d.Name == name) && (namespace == "" || d.Namespace == namespace) {
			return d
		}
	}
	return nil
}

// isPillion reports whether a Deployment is the chart's: by its chart, its name or its image.
func isPillion(d *appsv1.Deployment) bool {
	if strings.HasPrefix(d.Labels["helm.sh/chart"], "pillion-") || d.Labels["app.kubernetes.io/name"] == "pillion" {
		return true
	}
	return slices.ContainsFunc(d.Spec.Template.Spec.Containers, func(c corev1Container) bool { return strings.Contains(c.Image, "/pillion/") })
}

// object names one of Pillion's in its Namespace, as kubectl does with -n.
func (in *Install) object(kind, name string) string { return kind + "/" + name + " -n " + in.Namespace }

// controller is the name of the controller's objects.
func (in *Install) controller() string { return in.Name + "-controller" }

// reinstall is what brings back what the chart installs.
func (in *Install) reinstall(text string) Fix {
	release, namespace := "pillion", "pillion-system"
	if in != nil {
		if in.Release != "" {
			release = in.Release
		}
		if in.Namespace != "" {
			namespace = in.Namespace
		}
	}
	return Fix{Text: text, Commands: []string{"helm upgrade " + release + " CHART --namespace " + namespace + " --reset-then-reuse-values"}}
}
