package doctor

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// expected is what the chart says of one entry of the webhook.
type expected struct {
	name, path, policy string
	// labels of Namespaces that it is for: values of pillion.dev/injection, empty for none or any other.
	labels     []string
	conditions []admissionregistrationv1.MatchCondition
}

// The conditions of the chart, with their white space collapsed.
const (
	notMirror   = "!(has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups)"
	asks        = "has(object.metadata.annotations) && 'pillion.dev/inject' in object.metadata.annotations && object.metadata.annotations['pillion.dev/inject'] != 'false'"
	notOptedOut = "!has(object.metadata.annotations) || !('pillion.dev/inject' in object.metadata.annotations) || object.metadata.annotations['pillion.dev/inject'] != 'false'"
)

// The names of the entries.
const (
	entryPods     = "pods.pillion.dev"
	entryEnabled  = "enabled.pillion.dev"
	entryRequired = "required.pillion.dev"
)

func expectedEntries() []expected {
	mirror := admissionregistrationv1.MatchCondition{Name: "not-mirror", Expression: notMirror}
	return []expected{
		{entryPods, "/mutate", "Ignore", []string{"", "other"}, []admissionregistrationv1.MatchCondition{mirror, {Name: "asks", Expression: asks}}},
		{entryEnabled, "/mutate", "Ignore", []string{v1alpha1.InjectionEnabled}, []admissionregistrationv1.MatchCondition{mirror, {Name: "not-opted-out", Expression: notOptedOut}}},
		{entryRequired, "/mutate/required", "Fail", []string{v1alpha1.InjectionRequired}, []admissionregistrationv1.MatchCondition{mirror}},
	}
}

// mostSeconds is the longest timeout that the chart takes.
const mostSeconds = 5

// Check: the webhook's three entries are as the chart makes them.
func entriesOfWebhook() Check {
	return Check{
		Name: "webhook-entries", Group: groupInstall, Title: "the webhook's three entries are as the chart makes them", needs: []Kind{MutatingWebhooks},
		Codes: []Code{
			{"D203", Error, "An entry of the webhook is missing.", "The Namespaces that it is for get no sidecars."},
			{"D204", Error, "An entry of the webhook decides over other Pods, or in another way, than it should.", "Pods are left out, are asked about twice, or are admitted or refused against the rules while the webhook is down."},
			{"D205", Warning, "A setting of an entry of the webhook is not the chart's.", "It works, but slower, or less well beside other webhooks."},
			{"D206", Warning, "The webhook has an entry that the chart does not make.", "It may call Pillion for Pods that other entries are for."},
		},
		look: func(s *Snapshot, f *findings) {
			c := s.configuration()
			if c == nil {
				return
			}
			object := "mutatingwebhookconfiguration/" + c.Name
			known := map[string]bool{}
			for _, want := range expectedEntries() {
				known[want.name] = true
				i := slices.IndexFunc(c.Webhooks, func(w admissionregistrationv1.MutatingWebhook) bool { return w.Name == want.name })
				if i < 0 {
					f.add("D203", object, "it has no entry "+want.name, s.Install.reinstall("install it again with the chart that is installed"))
					continue
				}
				e := entryCheck{s, f, object, i, &c.Webhooks[i], &want}
				e.look()
			}
			for i := range c.Webhooks {
				if name := c.Webhooks[i].Name; !known[name] && ours(name) {
					f.add("D206", object, "its entry "+name+" is not of the chart", s.Install.reinstall("install it again with the chart that is installed"))
				}
			}
		},
	}
}

// entryCheck compares one entry.
type entryCheck struct {
	s      *Snapshot
	f      *findings
	object string
	at     int
	is     *admissionregistrationv1.MutatingWebhook
	want   *expected
}

func (e *entryCheck) look() {
	e.scalar("D204", "failurePolicy", string(orZero(e.is.FailurePolicy)), e.want.policy)
	e.scalar("D205", "reinvocationPolicy", string(orZero(e.is.ReinvocationPolicy)), "IfNeeded")
	e.scalar("D205", "sideEffects", string(orZero(e.is.SideEffects)), "None")
	e.scalar("D205", "matchPolicy", string(orZero(e.is.MatchPolicy)), "Equivalent")
	if got := seconds(e.is.TimeoutSeconds); got > mostSeconds {
		e.wrong("D205", fmt.Sprintf("timeoutSeconds is %d, more than %d", got, mostSeconds), e.patch("timeoutSeconds", 2))
	}
	if got := pathOf(e.is.ClientConfig); got != e.want.path {
		e.wrong("D204", fmt.Sprintf("it calls the path %q, not %q", got, e.want.path), e.reinstall())
	}
	if !e.onNewPods() {
		e.wrong("D204", "its rules are not: CREATE of v1 pods in Namespaces", e.reinstall())
	}
	if e.is.ObjectSelector != nil && len(e.is.ObjectSelector.MatchLabels)+len(e.is.ObjectSelector.MatchExpressions) > 0 {
		e.wrong("D204", "its objectSelector leaves Pods out", e.patch("objectSelector", map[string]any{}))
	}
	if why := e.selects(); why != "" {
		e.wrong("D204", "its namespaceSelector "+why, e.reinstall())
	}
	if !slices.Equal(e.want.conditions, collapsed(e.is.MatchConditions)) {
		e.wrong("D205", "its matchConditions are not the chart's: "+conditionNames(e.is.MatchConditions), e.reinstall())
	}
}

func (e *entryCheck) wrong(code, what string, fix Fix) {
	e.f.add(code, e.object, "entry "+e.want.name+": "+what, fix)
}

func (e *entryCheck) reinstall() Fix {
	return e.s.Install.reinstall("install it again with the chart that is installed")
}

func (e *entryCheck) scalar(code, field, got, want string) {
	if got != want {
		e.wrong(code, fmt.Sprintf("%s is %s, not %s", field, got, want), e.patch(field, want))
	}
}

// patch is the fix of one field.
func (e *entryCheck) patch(field string, value any) Fix {
	patch := jsonText([]any{map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/%s", e.at, field), "value": value}})
	return do("set it as the chart does, and find out who changed it", "kubectl patch "+strings.Replace(e.object, "/", " ", 1)+" --type json -p '"+patch+"'")
}

// onNewPods reports whether the rules are those of the chart.
func (e *entryCheck) onNewPods() bool {
	if len(e.is.Rules) != 1 {
		return false
	}
	r := e.is.Rules[0]
	return slices.Equal(r.Operations, []admissionregistrationv1.OperationType{admissionregistrationv1.Create}) && slices.Equal(r.APIGroups, []string{""}) &&
		slices.Equal(r.APIVersions, []string{"v1"}) && slices.Equal(r.Resources, []string{"pods"}) && r.Scope != nil && *r.Scope == admissionregistrationv1.NamespacedScope
}

// selects says which Namespace is selected and should not be, or the other way round; empty where none is.
func (e *entryCheck) selects() string {
	own := "pillion-system"
	if e.s.Install != nil && e.s.Install.Namespace != "" {
		own = e.s.Install.Namespace
	}
	for _, label := range []string{"", "other", v1alpha1.InjectionEnabled, v1alpha1.InjectionRequired} {
		for _, name := range []string{"any-namespace", "kube-system", own} {
			set := map[string]string{labelName: name}
			shown := "without the label " + v1alpha1.LabelInjection
			if label != "" {
				set[v1alpha1.LabelInjection] = label
				shown = "labelled " + v1alpha1.LabelInjection + "=" + label
			}
			is, should := matches(e.is.NamespaceSelector, set), name == "any-namespace" && slices.Contains(e.want.labels, label)
			switch {
			case is && !should && name != "any-namespace":
				return "selects Namespace " + name + " where it is " + shown
			case is && !should:
				return "selects Namespaces " + shown
			case should && !is:
				return "does not select Namespaces " + shown
			}
		}
	}
	return ""
}

// pathOf gives the path that a webhook calls.
func pathOf(c admissionregistrationv1.WebhookClientConfig) string {
	switch {
	case c.Service != nil && c.Service.Path != nil:
		return *c.Service.Path
	case c.URL != nil:
		_, rest, _ := strings.Cut(*c.URL, "://")
		if i := strings.IndexByte(rest, '/'); i >= 0 {
			return rest[i:]
		}
	}
	return ""
}

// collapsed gives conditions with the white space of their expressions collapsed.
func collapsed(in []admissionregistrationv1.MatchCondition) []admissionregistrationv1.MatchCondition {
	out := slices.Clone(in)
	for i := range out {
		out[i].Expression = oneLine(out[i].Expression)
	}
	return out
}

func conditionNames(in []admissionregistrationv1.MatchCondition) string {
	var out []string
	for _, c := range in {
		out = append(out, c.Name)
	}
	if len(out) == 0 {
		return "there are none"
	}
	return "there are " + strings.Join(out, ", ")
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
