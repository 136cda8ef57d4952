package doctor

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// Check: a Pod that asks for a sidecar, sent through the API server in a dry run, comes back with it.
func reached() Check {
	return Check{
		Name: "dry-run", Group: groupReach, Title: "a Pod sent through the API server, in a dry run, comes back injected",
		Codes: []Code{
			{"D401", Error, "The API server did not get an answer from the webhook.", "Pods that ask for sidecars are refused by the policy, or in Namespaces that require sidecars by the API server itself."},
			{"D402", Error, "A Pod that asks for a sidecar is admitted without it.", "Such Pods run without their sidecars, unnoticed."},
			{"D403", Warning, "The dry run was refused by something else.", "Whether the webhook answers is not shown."},
			{"D404", Warning, "There was no dry run.", "Whether the webhook answers is not shown."},
			{"D405", Warning, "The webhook answers by another catalog than the cluster's.", "It has not taken up an entry yet, or cannot: Pods get another revision than the catalog says."},
		},
		look: func(s *Snapshot, f *findings) {
			if len(s.Trials) == 0 && s.configuration() != nil {
				f.add("D404", "", "no Namespace was found in which an entry of the catalog could be asked for", do("name one", "pillion doctor --namespace NAME"))
			}
			var told []string
			for i := range s.Trials {
				code, what, fix := s.judge(&s.Trials[i])
				if code != "" && !slices.Contains(told, what) {
					told = append(told, what)
					f.add(code, "namespace/"+s.Trials[i].Namespace, what, fix)
				}
			}
		},
	}
}

// judge says what a trial shows; an empty code where all is well.
func (s *Snapshot) judge(t *Trial) (code, what string, fix Fix) {
	if t.Err == nil {
		return s.judgeCreated(t)
	}
	says := oneLine(t.Err.Error())
	switch {
	case apierrors.IsForbidden(t.Err) && strings.Contains(says, "cannot create resource"):
		return "D404", "the right to create Pods in Namespace " + t.Namespace + " is missing", do("have it granted, or name a Namespace in which you have it", "kubectl auth can-i create pods -n "+t.Namespace, "pillion doctor --namespace NAME")
	case failedCall.MatchString(says) && strings.Contains(says, suffix):
		cause := failedCall.FindStringSubmatch(says)[1]
		return "D401", "the API server's call failed: " + cause, s.fixCall(cause)
	case strings.Contains(says, "sidecars asked for but not injected") && s.configuration() == nil:
		return "", "", Fix{} // D201
	case strings.Contains(says, "sidecars asked for but not injected"):
		return "D401", "the webhook gave no answer, and the policy refused the Pod", s.fixCall("")
	case strings.Contains(says, suffix+`" denied the request`):
		return "D405", "the webhook refuses " + t.Sidecar + ", which this program would inject: " + says, s.fixCatalog()
	}
	return "D403", "in Namespace " + t.Namespace + ": " + says, do("try another Namespace", "pillion doctor --namespace NAME")
}

// failedCall is how the API server says that a webhook cannot be asked.
var failedCall = regexp.MustCompile(`failed calling webhook "[^"]*": (?:failed to call webhook: )?(.*)`)

// fixCall says what to do where the webhook gave no answer.
func (s *Snapshot) fixCall(cause string) Fix {
	namespace, name := "pillion-system", "pillion"
	if s.Install != nil {
		namespace, name = s.Install.Namespace, s.Install.Name
	}
	switch {
	case strings.Contains(cause, "x509") || strings.Contains(cause, "tls:"):
		return todo("mend the certificate: the findings D301 to D322 tell which")
	case strings.Contains(cause, "not found"):
		return s.Install.reinstall("the Service is missing: install it again with the chart that is installed")
	case strings.Contains(cause, "deadline exceeded") || strings.Contains(cause, "Timeout"):
		return do("something swallows the API server's calls: a NetworkPolicy, a firewall between control plane and nodes (port 10250), or a hanging node",
			"kubectl -n "+namespace+" get networkpolicies", "kubectl -n "+namespace+" get pods -o wide")
	}
	return do("see why nobody answers; in Namespaces that require sidecars, the events of ReplicaSets give the API server's reason",
		"kubectl -n "+namespace+" get pods", "kubectl -n "+namespace+" logs deployment/"+name+" --tail 20")
}

// judgeCreated looks at a Pod that was admitted.
func (s *Snapshot) judgeCreated(t *Trial) (code, what string, fix Fix) {
	var pod struct {
		Metadata struct{ Annotations map[string]string }
		Spec     struct{ InitContainers, Containers []struct{ Name string } }
	}
	if err := json.Unmarshal(t.Created, &pod); err != nil {
		return "D403", "the API server's answer cannot be read: " + err.Error(), todo("ask again")
	}
	injected := slices.ContainsFunc(slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers), func(c struct{ Name string }) bool { return c.Name == t.Sidecar })
	if !injected {
		if s.configuration() == nil {
			return "", "", Fix{} // D201
		}
		return "D402", fmt.Sprintf("a Pod that asks for %s was admitted without it in Namespace %s", t.Sidecar, t.Namespace),
			do("see why nobody answers, and why the Pod was let pass: by a policy that is not in force (D211 to D213), or, in a Namespace that requires sidecars, by an entry of the webhook that is not the chart's (D204)",
				s.fixCall("").Commands...)
	}
	var status v1alpha1.Status
	entry := s.Catalog.Entry(t.Namespace, t.Sidecar)
	if entry == nil || entry.Layer == sidecars.LayerEmbedded && strings.TrimPrefix(s.CLI, "v") != s.versionOf(s.installName()) || json.Unmarshal([]byte(pod.Metadata.Annotations[v1alpha1.AnnotationStatus]), &status) != nil {
		return "", "", Fix{}
	}
	for _, is := range status.Sidecars {
		if is.Name == t.Sidecar && is.Revision != entry.Revision {
			return "D405", fmt.Sprintf("the webhook injects revision %s of %s, the catalog has %s", is.Revision, t.Sidecar, entry.Revision), s.fixCatalog()
		}
	}
	return "", "", Fix{}
}

// installName is that of the webhook's objects; empty where Pillion is not found.
func (s *Snapshot) installName() string {
	if s.Install == nil {
		return ""
	}
	return s.Install.Name
}

// fixCatalog says what to do where the webhook has another catalog.
func (s *Snapshot) fixCatalog() Fix {
	namespace, name := "pillion-system", "pillion"
	if s.Install != nil {
		namespace, name = s.Install.Namespace, s.Install.Name
	}
	return do("ask again in a few seconds; where it stays so, see what the webhook says of its catalog, and whether its built-in entries are of this program's version",
		"kubectl -n "+namespace+" logs deployment/"+name+" --tail 20", "pillion version")
}
