package doctor

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/certs"
	reports "github.com/pillion-dev/pillion/doctor"
	"github.com/pillion-dev/pillion/test/serving"
)

// fault is something that breaks an installation, what the doctor says of it and what heals it.
type fault struct {
	name string
	// broken breaks it, by kubectl or else by a function.
	kubectl []string
	objects string
	broken  func(*testing.T, *bed)
	// want are the codes, maybe those that come where a connection is not kept; message is in the first finding of the
	// first of them.
	want, maybe []string
	message     string
	// heal heals what the fix's own commands do not; nil where they do.
	heal func(*testing.T, *bed)
	// removes are objects that are deleted at the end.
	removes []string
}

// TestEveryFaultIsFound breaks one thing after the other. Each time the doctor finds it and nothing else, what it says mends
// it is done, and all is well again.
func TestEveryFaultIsFound(t *testing.T) {
	b := use(t)
	if r, code := b.doctor(t); code != 0 || codes(r) != nil {
		t.Fatalf("before anything is broken: %d %v", code, codes(r))
	}
	for _, f := range slices.Concat(faultsOfInstall(), faultsOfOthers(), faultsOfNamespaces(), faultsOfPods()) {
		if !t.Run(f.name, func(t *testing.T) { f.run(t, b) }) {
			t.FailNow() // what is not healed is found in all that follows
		}
	}
}

func (f *fault) run(t *testing.T, b *bed) {
	if f.kubectl != nil {
		b.must(t, f.kubectl...)
	}
	if f.objects != "" {
		b.put(t, f.objects)
	}
	if f.broken != nil {
		f.broken(t, b)
	}
	var r *reports.Report
	await(t, "not found", func() error {
		r, _ = b.doctor(t)
		got := slices.DeleteFunc(codes(r), func(c string) bool { return slices.Contains(f.maybe, c) })
		if diff := cmp.Diff(f.want, got); diff != "" {
			return fmt.Errorf("(-want +got)\n%s\n%s", diff, told(r))
		}
		return nil
	})
	i := slices.IndexFunc(r.Findings, func(x reports.Finding) bool { return x.Code == f.want[0] })
	if !strings.Contains(r.Findings[i].Message, f.message) {
		t.Errorf("message %q lacks %q", r.Findings[i].Message, f.message)
	}
	if r, code := b.doctor(t); code != min(r.Errors, 1) {
		t.Errorf("exit code %d for %d errors", code, r.Errors)
	}
	if r, code := b.doctor(t, "--strict"); code != min(r.Errors+r.Warnings, 1) {
		t.Errorf("exit code %d with --strict", code)
	}
	if f.heal != nil {
		f.heal(t, b)
	} else {
		for _, x := range r.Findings {
			if slices.Contains(f.want, x.Code) {
				b.mend(t, x.Fix.Commands)
			}
		}
	}
	for _, object := range f.removes {
		b.must(t, slices.Concat([]string{"delete", "--wait=false", "--ignore-not-found"}, strings.Fields(object))...)
	}
	await(t, "not well again", func() error {
		r, code := b.doctor(t)
		if code != 0 || codes(r) != nil {
			return fmt.Errorf("%d %v\n%s", code, codes(r), told(r))
		}
		return nil
	})
}

func told(r *reports.Report) string {
	var all strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&all, "%s %s: %s\n", f.Code, f.Object, f.Message)
	}
	return all.String()
}

// quoted splits a command as a shell does, where quotes are single and hold no others.
var quoted = regexp.MustCompile(`'[^']*'|[^ ]+`)

// mend runs the commands of a fix. helm's need the chart, and undo what the bed did to the Service.
func (b *bed) mend(t *testing.T, commands []string) {
	t.Helper()
	if len(commands) == 0 {
		t.Fatal("the fix has no command")
	}
	for _, c := range commands {
		var words []string
		for _, w := range quoted.FindAllString(c, -1) {
			words = append(words, strings.Trim(w, "'"))
		}
		switch words[0] {
		case "kubectl":
			b.must(t, words[1:]...)
		case "helm":
			words[slices.Index(words, "CHART")] = chartDir
			b.must(t, "delete", "service", "pillion", "-n", namespace, "--ignore-not-found")
			b.must(t, "delete", "validatingwebhookconfiguration", "pillion", "--ignore-not-found")
			if out, err := b.run("helm", "", append(words[1:], "--force-conflicts")...); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if err := b.connect(); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("command %q", c)
		}
	}
}

func patch(kind, name, ops string) []string {
	return []string{"patch", kind, name, "--type=json", "-p", "[" + ops + "]"}
}

const mutating = "mutatingwebhookconfiguration"

// bundle gives the operations that give all three entries another caBundle.
func bundle(ca []byte) string {
	var ops []string
	for i := range 3 {
		ops = append(ops, fmt.Sprintf(`{"op":"add","path":"/webhooks/%d/clientConfig/caBundle","value":%q}`, i, base64.StdEncoding.EncodeToString(ca)))
	}
	return strings.Join(ops, ",")
}

func faultsOfInstall() []fault {
	rebundle := func(t *testing.T, b *bed) { b.must(t, patch(mutating, "pillion", bundle(b.files.CA))...) }
	return []fault{
		{name: "the webhook configuration is deleted", kubectl: []string{"delete", mutating, "pillion"}, want: []string{"D201"}, message: "no MutatingWebhookConfiguration"},
		{name: "an entry is taken out", kubectl: patch(mutating, "pillion", `{"op":"remove","path":"/webhooks/1"}`), want: []string{"D203"}, message: "enabled.pillion.dev"},
		{name: "the entry for Namespaces that require sidecars fails open", kubectl: patch(mutating, "pillion", `{"op":"replace","path":"/webhooks/2/failurePolicy","value":"Ignore"}`),
			want: []string{"D204"}, message: "failurePolicy is Ignore, not Fail"},
		{name: "an entry selects Namespaces of another", kubectl: patch(mutating, "pillion", `{"op":"remove","path":"/webhooks/0/namespaceSelector/matchExpressions/1"}`),
			want: []string{"D204"}, message: "selects Namespaces labelled pillion.dev/injection=enabled",
			heal: func(t *testing.T, b *bed) {
				b.mend(t, []string{"helm upgrade pillion CHART --namespace " + namespace + " --reset-then-reuse-values"})
			}},
		{name: "a timeout is long", kubectl: patch(mutating, "pillion", `{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":30}`), want: []string{"D205"}, message: "timeoutSeconds is 30"},
		{name: "a second installation", objects: "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: second}\nwebhooks: [{name: pods.pillion.dev, admissionReviewVersions: [v1], " +
			"sideEffects: None, failurePolicy: Ignore, clientConfig: {url: 'https://127.0.0.1:1/mutate'}, namespaceSelector: {matchLabels: {never: ever}}}]\n",
			want: []string{"D202"}, message: "pillion, second", heal: func(*testing.T, *bed) {}, removes: []string{mutating + " second"}},
		{name: "a webhook that only warns fails closed", kubectl: patch("validatingwebhookconfiguration", "pillion", `{"op":"replace","path":"/webhooks/1/failurePolicy","value":"Fail"}`), want: []string{"D208"},
			message: "is Fail, not Ignore"},
		{name: "entries are not validated", kubectl: []string{"delete", "validatingwebhookconfiguration", "pillion"}, want: []string{"D207"},
			broken: func(*testing.T, *bed) { usual = usual[:1] }, heal: func(t *testing.T, b *bed) {
				usual = usual[:2]
				b.mend(t, []string{"helm upgrade pillion CHART --namespace " + namespace + " --reset-then-reuse-values"})
			}},
		{name: "a policy is deleted", kubectl: []string{"delete", "validatingadmissionpolicy", "pillion-injected"}, want: []string{"D211"}, message: "the binding pillion-injected is there and its policy is not"},
		{name: "a binding is deleted", kubectl: []string{"delete", "validatingadmissionpolicybinding", "pillion-frozen"}, want: []string{"D211"}, message: "the policy pillion-frozen is there and its binding is not"},
		{name: "a binding only audits", kubectl: []string{"patch", "validatingadmissionpolicybinding", "pillion-injected", "--type=merge", "-p", `{"spec":{"validationActions":["Audit"]}}`}, want: []string{"D213"}, message: "[Audit]"},
		{name: "a definition is of an earlier version", kubectl: patch("customresourcedefinition", "sidecars.pillion.dev", `{"op":"remove","path":"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/hostNetwork"}`),
			want: []string{"D222"}, message: ".hostNetwork"},
		{name: "the webhook is scaled to nothing", kubectl: []string{"scale", "deployment", "pillion", "-n", namespace, "--replicas=0"}, want: []string{"D232", "D605"}, message: "scaled to 0",
			heal: func(t *testing.T, b *bed) {
				b.must(t, "scale", "deployment", "pillion", "-n", namespace, "--replicas=2")
				if err := b.ready(); err != nil {
					t.Fatal(err)
				}
			}},
		{name: "the Service is deleted", kubectl: []string{"delete", "service", "pillion", "-n", namespace}, want: []string{"D241"}, maybe: []string{"D401"}, message: "is not there",
			broken: func(*testing.T, *bed) { usual = usual[:1] }, heal: func(t *testing.T, b *bed) {
				usual = usual[:2]
				b.mend(t, []string{"helm upgrade pillion CHART --namespace " + namespace + " --reset-then-reuse-values"})
			}},
		{name: "the caBundle is of another authority", want: []string{"D313", "D401"}, message: "unknown authority", heal: rebundle, broken: func(t *testing.T, b *bed) {
			other, err := certs.SelfSigned([]string{host}, nil, 90*24*time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			b.must(t, patch(mutating, "pillion", bundle(other.CA))...)
		}},
		{name: "there is no caBundle", want: []string{"D301", "D401"}, message: "pods.pillion.dev, enabled.pillion.dev, required.pillion.dev", heal: rebundle,
			kubectl: patch(mutating, "pillion", bundle(nil))},
		{name: "the certificate has expired", want: []string{"D302", "D312", "D401"}, message: "no certificate that is valid now", broken: expire, heal: func(t *testing.T, b *bed) { b.serve(t, b.files) }},
		{name: "the Secret is deleted", kubectl: []string{"delete", "secret", "serving", "-n", namespace}, want: []string{"D311"}, message: "is not there",
			heal: func(_ *testing.T, b *bed) { _ = b.putSecrets(b.files) }},
		{name: "the webhook is dead", want: []string{"D401"}, message: "gave no answer", broken: func(_ *testing.T, b *bed) { b.webhook.Stop() }, heal: revive},
		{name: "the webhook is dead, and a Namespace that requires it tells why", objects: "apiVersion: v1\nkind: Namespace\nmetadata: {name: strict, labels: {pillion.dev/injection: required}}\n",
			want: []string{"D401", "D401"}, message: "gave no answer", broken: func(_ *testing.T, b *bed) { b.webhook.Stop() }, heal: revive, removes: []string{"namespace strict"}},
		{name: "a kubelet is old, and another has a known mistake", want: []string{"D103", "D104"}, message: "old (v1.28.3)", heal: func(*testing.T, *bed) {}, removes: []string{"node old", "node bad", "node good"},
			broken: func(t *testing.T, b *bed) {
				for name, version := range map[string]string{"old": "v1.28.3", "bad": "v1.35.2", "good": "v1.35.4"} {
					b.put(t, "apiVersion: v1\nkind: Node\nmetadata: {name: "+name+"}\n")
					b.must(t, "patch", "node", name, "--subresource=status", "-p", `{"status":{"nodeInfo":{"kubeletVersion":"`+version+`","operatingSystem":"linux"}}}`)
				}
			}},
	}
}

// revive starts the webhook again.
func revive(t *testing.T, b *bed) {
	w, err := serving.Start(t.Context(), serving.Config{Kubeconfig: b.control.Kubeconfig(), FromCluster: true, TLSDir: b.tls(), Flags: []string{"--own-namespace=" + namespace}})
	if err != nil {
		t.Fatal(err)
	}
	b.stop = append(b.stop, w.Stop)
	b.webhook = w
	if err := b.connect(); err != nil {
		t.Fatal(err)
	}
}

// expire has the webhook serve a certificate that has expired.
func expire(t *testing.T, b *bed) {
	old, err := certs.SelfSigned([]string{host}, nil, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	b.serve(t, old)
}

// serve has the webhook serve a certificate, and the API server trust its CA.
func (b *bed) serve(t *testing.T, f *certs.Files) {
	t.Helper()
	if err := f.WriteTo(b.tls()); err != nil {
		t.Fatal(err)
	}
	if err := b.putSecrets(f); err != nil {
		t.Fatal(err)
	}
	b.must(t, patch(mutating, "pillion", bundle(f.CA))...)
}
