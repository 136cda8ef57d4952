package doctor

import (
	"bytes"
	"fmt"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// Check: the Services that the API server calls lead to Pods that are ready.
func services() Check {
	return Check{
		Name: "services", Group: groupInstall, Title: "the Services lead to Pods that are ready", needs: []Kind{MutatingWebhooks, ValidatingWebhooks, Services, EndpointSlices}, installed: true,
		Codes: []Code{
			{"D241", Error, "A Service that the API server calls is missing.", "The API server has nobody to ask."},
			{"D242", Error, "A Service has no Pod that is ready.", "The API server has nobody to ask."},
			{"D243", Error, "A Service does not have the port that the API server calls.", "The API server's calls fail."},
			{"D244", Note, "A webhook is called by a URL, or by a Service that leads outside.", "What answers there cannot be looked at from here."},
		},
		look: func(s *Snapshot, f *findings) {
			seen := map[string]bool{}
			for _, c := range s.clients() {
				if !seen[c.host()] {
					c.look(s, f)
				}
				seen[c.host()] = true
			}
		},
	}
}

// client is a way in which the API server calls Pillion.
type client struct {
	object string
	config *admissionregistrationv1.WebhookClientConfig
}

// clients lists the ways in which the API server calls Pillion: whom, and whom it trusts for that, each once.
func (s *Snapshot) clients() []client {
	var out []client
	add := func(object string, config *admissionregistrationv1.WebhookClientConfig) {
		one := client{object, config}
		if !slices.ContainsFunc(out, func(c client) bool { return c.host() == one.host() && bytes.Equal(c.config.CABundle, config.CABundle) }) {
			out = append(out, one)
		}
	}
	if c := s.configuration(); c != nil {
		for i := range c.Webhooks {
			add("mutatingwebhookconfiguration/"+c.Name, &c.Webhooks[i].ClientConfig)
		}
	}
	if c := s.validating(); c != nil {
		for i := range c.Webhooks {
			add("validatingwebhookconfiguration/"+c.Name, &c.Webhooks[i].ClientConfig)
		}
	}
	return out
}

// host is whom the API server calls, without the path.
func (c *client) host() string {
	if to := c.config.Service; to != nil {
		return fmt.Sprintf("%s.%s.svc:%d", to.Name, to.Namespace, c.port())
	}
	return hostOf(orZero(c.config.URL))
}

func (c *client) port() int32 {
	if to := c.config.Service; to != nil && to.Port != nil {
		return *to.Port
	}
	return 443
}

func (c *client) look(s *Snapshot, f *findings) {
	to := c.config.Service
	if to == nil {
		f.add("D244", c.object, "the API server calls "+c.host()+", not a Service", todo("see to it yourself, or install it again with the chart"))
		return
	}
	object := "service/" + to.Name + " -n " + to.Namespace
	if to.Namespace != s.Install.Namespace {
		f.add("D244", c.object, "the API server calls a Service of Namespace "+to.Namespace+", and Pillion is in "+s.Install.Namespace, s.Install.reinstall("install it again with the chart that is installed"))
		return
	}
	service := s.service(to.Name)
	if service == nil {
		f.add("D241", object, "the Service "+to.Name+" is not there", s.Install.reinstall("install it again with the chart that is installed"))
		return
	}
	if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == c.port() }) {
		f.add("D243", object, fmt.Sprintf("the API server calls port %d, which it does not have", c.port()), s.Install.reinstall("install it again with the chart that is installed"))
		return
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName {
		f.add("D244", object, "it leads to "+service.Spec.ExternalName+", outside the cluster", todo("see to it yourself, or install it again with the chart"))
		return
	}
	if ready(s.Slices, to.Name) == 0 {
		f.add("D242", object, "no Pod behind it is ready",
			do("see what keeps the Pods", "kubectl -n "+to.Namespace+" get pods -l "+labelInstance+"="+s.Install.Release, "kubectl -n "+to.Namespace+" logs -l "+labelInstance+"="+s.Install.Release+" --tail 20"))
	}
}

// ready counts the addresses behind a Service that are ready.
func ready(all []discoveryv1.EndpointSlice, service string) int {
	n := 0
	for i := range all {
		if all[i].Labels[discoveryv1.LabelServiceName] != service {
			continue
		}
		for _, e := range all[i].Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				n += len(e.Addresses)
			}
		}
	}
	return n
}
