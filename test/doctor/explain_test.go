package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pillion-dev/pillion/cli"
)

// verdict is what matters of an explanation.
type verdict struct {
	Outcome, Reason string
	// Stop is the step at which the way ends.
	Stop  string
	Lacks []string
	// Pods are current, outdated, changed and bare ones.
	Pods string
	Fix  string
}

// explain explains an object of the cluster.
func (b *bed) explain(t *testing.T, namespace, object string) (verdict, *cli.ExplainedObject, int) {
	t.Helper()
	out, errs, code := b.pillion(b.control.Kubeconfig(), "explain", object, "-n", namespace, "-o", "json")
	var all cli.Explanation
	if err := json.Unmarshal([]byte(out), &all); err != nil || len(all.Objects) != 1 {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	o := all.Objects[0]
	v := verdict{Outcome: o.Outcome, Reason: o.Reason, Lacks: o.Lacks}
	for _, s := range o.Way {
		if s.Stop {
			v.Stop = s.Name
		}
	}
	if p := o.Pods; p != nil {
		v.Pods = fmt.Sprintf("%d %d %d %d", p.Current, p.Outdated, p.Changed, p.Bare)
	}
	if o.Fix != nil {
		v.Fix = strings.Join(o.Fix.Commands, "; ")
	}
	return v, o, code
}

const proxied = "pillion.dev/inject: proxy, pillion.dev/proxy.upstream-port: '8080'"

// workload is an object with a pod template that asks for a proxy, as YAML.
func workload(apiVersion, kind, namespace, spec string) string {
	template := "template: {metadata: {labels: {app: w}, annotations: {" + proxied + "}}, spec: {%s containers: [{name: app, image: 'app:1'}]}}"
	once := ""
	if kind == "Job" || kind == "CronJob" {
		once = "restartPolicy: Never,"
	}
	return fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: w, namespace: %s}\nspec: %s\n---\n", apiVersion, kind, namespace, strings.Replace(spec, "TEMPLATE", fmt.Sprintf(template, once), 1))
}

func TestEveryKindIsExplained(t *testing.T) {
	b := use(t)
	const selector = "{selector: {matchLabels: {app: w}}, TEMPLATE}"
	for name, of := range map[string]struct{ apiVersion, kind, spec string }{
		"deploy": {"apps/v1", "Deployment", selector}, "sts": {"apps/v1", "StatefulSet", selector}, "ds": {"apps/v1", "DaemonSet", selector},
		"rs": {"apps/v1", "ReplicaSet", selector}, "rc": {"v1", "ReplicationController", "{selector: {app: w}, TEMPLATE}"},
		"job": {"batch/v1", "Job", "{TEMPLATE}"}, "cronjob": {"batch/v1", "CronJob", "{schedule: '@yearly', jobTemplate: {spec: {TEMPLATE}}}"},
	} {
		t.Run(name, func(t *testing.T) {
			in := "kind-" + name
			b.put(t, space(in, "", "")+workload(of.apiVersion, of.kind, in, of.spec))
			defer b.must(t, "delete", "namespace", in, "--wait=false")
			want := verdict{Outcome: "injected", Pods: "1 0 0 0"}
			switch name {
			case "cronjob":
				want.Pods = ""
			case "ds":
				want.Pods = "0 0 0 0" // there is no node
			}
			await(t, name, func() error {
				got, _, code := b.explain(t, in, name+"/w")
				if diff := cmp.Diff(want, got); diff != "" || code != 0 {
					return fmt.Errorf("exit code %d (-want +got)\n%s", code, diff)
				}
				return nil
			})
		})
	}
}

// question is something that people ask about.
type question struct {
	name    string
	objects string
	// ask is the object, or pod/ for the first Pod of the Namespace.
	ask  string
	want verdict
	// message is somewhere in the text for people.
	message string
	code    int
	// mended is what is told after the commands of the fix; nil where there are none.
	mended *verdict
}

func TestLiveObjects(t *testing.T) {
	b := use(t)
	for i, q := range questions() {
		t.Run(q.name, func(t *testing.T) {
			in := fmt.Sprintf("ask-%d", i)
			of, objects, _ := strings.Cut(strings.ReplaceAll(q.objects, "HERE", in), "---\n")
			b.put(t, of)
			defer b.must(t, "delete", "namespace", in, "--wait=false")
			if strings.Contains(of, "injection: enabled") || strings.Contains(of, "injection: required") {
				b.awaitDefaults(t, in)
			}
			b.put(t, objects)
			want := q.want
			want.Fix = strings.ReplaceAll(want.Fix, "HERE", in)
			var object string
			var got verdict
			var told *cli.ExplainedObject
			await(t, q.name, func() error {
				object = q.ask
				if object == "pod/" {
					all := strings.Fields(b.must(t, "get", "pods", "-n", in, "-o", "name"))
					if len(all) == 0 {
						return fmt.Errorf("no Pod")
					}
					object = all[0]
				}
				var code int
				got, told, code = b.explain(t, in, object)
				if diff := cmp.Diff(want, got); diff != "" || code != q.code {
					return fmt.Errorf("exit code %d (-want +got)\n%s", code, diff)
				}
				return nil
			})
			text, errs, _ := b.pillion(b.control.Kubeconfig(), "explain", object, "-n", in)
			if !strings.Contains(text, strings.ReplaceAll(q.message, "HERE", in)) {
				t.Errorf("the text lacks %q:\n%s%s", q.message, text, errs)
			}
			if q.mended == nil {
				return
			}
			b.mend(t, told.Fix.Commands)
			await(t, "mended", func() error {
				got, _, _ := b.explain(t, in, q.ask)
				want := *q.mended
				want.Fix = strings.ReplaceAll(want.Fix, "HERE", in)
				if diff := cmp.Diff(want, got); diff != "" {
					return fmt.Errorf("(-want +got)\n%s", diff)
				}
				return nil
			})
		})
	}
}

func questions() []question {
	const askTemplate = `kubectl -n HERE patch deployment web --type merge -p '{"spec":{"template":{"metadata":{"annotations":{"pillion.dev/inject":"%s"}}}}}'`
	return []question{
		{name: "a Deployment that asks", objects: space("HERE", "", "") + web("HERE", "web", "", proxied), ask: "deployments/web",
			want: verdict{Outcome: "injected", Pods: "1 0 0 0"}, message: "its Pods: 1 current"},
		{name: "a Pod that has what it asks for", objects: space("HERE", "", "") + web("HERE", "web", "", proxied), ask: "pod/",
			want: verdict{Outcome: "unchanged"}, message: "has all that it asks for"},
		{name: "the Deployment asks and its template does not", objects: space("HERE", "", "") + web("HERE", "web", "pillion.dev/inject: log-shipper", "pillion.dev/log-shipper.endpoint: 'http://c:4318'"), ask: "deploy/web",
			want:    verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition", Pods: "1 0 0 0", Fix: fmt.Sprintf(askTemplate, "log-shipper")},
			message: "spec.template.metadata.annotations[pillion.dev/inject]", mended: &verdict{Outcome: "injected", Pods: "1 0 0 1", Fix: "kubectl -n HERE rollout restart deployment/web"}}, // the old Pod stays until the new one is ready, which nobody here says
		{name: "a Pod of such a Deployment", objects: space("HERE", "", "") + web("HERE", "web", "pillion.dev/inject: log-shipper", ""), ask: "pod/",
			want:    verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition", Fix: fmt.Sprintf(askTemplate, "log-shipper")},
			message: "pillion.dev/inject on deployment/web -n HERE counts only below spec.template.metadata.annotations"},
		{name: "nobody asks", objects: space("HERE", "", "") + web("HERE", "web", "", ""), ask: "deploy/web",
			want:    verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition", Pods: "1 0 0 0", Fix: fmt.Sprintf(askTemplate, "SIDECAR")},
			message: "would get no sidecar: neither it nor Namespace HERE asks for one"},
		{name: "the label of the Namespace is mistyped", objects: space("HERE", "pillion.dev/injection: Enabled", proxied) + web("HERE", "web", "", ""), ask: "deploy/web",
			want:    verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition", Pods: "1 0 0 0", Fix: "kubectl label namespace HERE pillion.dev/injection=enabled --overwrite"},
			message: "pillion.dev/injection=Enabled, which means nothing", mended: &verdict{Outcome: "injected", Pods: "0 0 0 1", Fix: "kubectl -n HERE rollout restart deployment/web"}},
		{name: "the Namespace asks and has no label", objects: space("HERE", "", proxied) + web("HERE", "web", "", ""), ask: "deploy/web",
			want:    verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition", Pods: "1 0 0 0", Fix: "kubectl label namespace HERE pillion.dev/injection=enabled"},
			message: "its Pods ask for themselves", mended: &verdict{Outcome: "injected", Pods: "0 0 0 1", Fix: "kubectl -n HERE rollout restart deployment/web"}},
		{name: "the Namespace asks for its Pods", objects: space("HERE", "pillion.dev/injection: enabled", proxied) + web("HERE", "web", "", ""), ask: "deploy/web",
			want: verdict{Outcome: "injected", Pods: "1 0 0 0"}, message: "its entry enabled.pillion.dev is for this Namespace (failurePolicy Ignore)"},
		{name: "the Namespace requires it of its Pods", objects: space("HERE", "pillion.dev/injection: required", proxied) + web("HERE", "web", "", "pillion.dev/inject: 'false'"), ask: "deploy/web",
			want: verdict{Outcome: "injected", Pods: "1 0 0 0"}, message: "its entry required.pillion.dev is for this Namespace (failurePolicy Fail)"},
		{name: "a Pod opts out", objects: space("HERE", "pillion.dev/injection: enabled", proxied) + web("HERE", "web", "", "pillion.dev/inject: 'false'"), ask: "pod/",
			want: verdict{Outcome: "skipped", Reason: "optedOut", Stop: "condition"}, message: `does not call it for a Pod that says pillion.dev/inject: "false"`},
		{name: "a sidecar that there is not", objects: space("HERE", "", "") + web("HERE", "web", "", "pillion.dev/inject: prxy"), ask: "deploy/web", code: 1,
			want: verdict{Outcome: "denied", Reason: "unknownSidecar", Pods: "0 0 0 0"}, message: `did you mean "proxy"?`},
		{name: "what the API server said of Pods that it refused", objects: space("HERE", "", "") + web("HERE", "web", "", "pillion.dev/inject: prxy"), ask: "deploy/web", code: 1,
			want: verdict{Outcome: "denied", Reason: "unknownSidecar", Pods: "0 0 0 0"}, message: "refused:"},
		{name: "a parameter is missing", objects: space("HERE", "", "") + web("HERE", "web", "", "pillion.dev/inject: log-shipper"), ask: "deploy/web", code: 1,
			want: verdict{Outcome: "denied", Reason: "badParameter", Pods: "0 0 0 0"}, message: "patch deployment web --type merge -p '{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"pillion.dev/log-shipper.endpoint\":"},
		{name: "a Pod that runs without it", objects: space("HERE", "", "") + web("HERE", "web", "", "pillion.dev/inject: log-shipper, pillion.dev/failure-policy: Ignore"), ask: "pod/",
			want: verdict{Outcome: "bare", Reason: "badParameter", Lacks: []string{"log-shipper"}, Fix: "kubectl -n HERE rollout restart deployment/web"}, message: "runs without log-shipper, which it asks for"},
		{name: "a picture of a static Pod", objects: space("HERE", "", "") + "apiVersion: v1\nkind: Pod\nmetadata: {name: static, namespace: HERE, annotations: {kubernetes.io/config.mirror: x}}\nspec: {nodeName: elsewhere, containers: [{name: app, image: 'app:1'}]}\n", ask: "po/static",
			want: verdict{Outcome: "skipped", Reason: "notRequested", Stop: "static"}, message: "the picture of a static Pod"},
		{name: "a Pod alone that does not ask", objects: space("HERE", "", "") + "apiVersion: v1\nkind: Pod\nmetadata: {name: alone, namespace: HERE}\nspec: {containers: [{name: app, image: 'app:1'}]}\n", ask: "pod/alone",
			want: verdict{Outcome: "skipped", Reason: "notRequested", Stop: "condition"}, message: "a Pod keeps what it was made with"},
	}
}

// TestOutdatedPods changes an entry that a Deployment's Pods carry, and restarts these as it is told.
func TestOutdatedPods(t *testing.T) {
	b := use(t)
	const in = "outdated"
	b.put(t, entry("ClusterSidecar", "name: late", "late:1"))
	defer b.must(t, "delete", "clustersidecar", "late")
	b.put(t, space(in, "", ""))
	defer b.must(t, "delete", "namespace", in, "--wait=false")
	await(t, "the webhook knows the entry", func() error {
		return b.apply(fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: try, namespace: %s, annotations: {pillion.dev/inject: late}}\nspec: {containers: [{name: app, image: 'app:1'}]}\n", in))
	})
	b.must(t, "delete", "pod", "try", "-n", in, "--grace-period=0", "--force")
	b.put(t, web(in, "web", "", "pillion.dev/inject: late"))
	expect := func(want verdict) {
		t.Helper()
		await(t, "explained", func() error {
			got, _, _ := b.explain(t, in, "deploy/web")
			if diff := cmp.Diff(want, got); diff != "" {
				return fmt.Errorf("(-want +got)\n%s", diff)
			}
			return nil
		})
	}
	expect(verdict{Outcome: "injected", Pods: "1 0 0 0"})
	b.put(t, entry("ClusterSidecar", "name: late", "late:2"))
	restart := "kubectl -n outdated rollout restart deployment/web"
	expect(verdict{Outcome: "injected", Pods: "0 1 0 0", Fix: restart})
	pod := strings.Fields(b.must(t, "get", "pods", "-n", in, "-o", "name"))[0]
	got, _, _ := b.explain(t, in, pod)
	if diff := cmp.Diff(verdict{Outcome: "unchanged", Fix: restart}, got); diff != "" {
		t.Errorf("the Pod (-want +got)\n%s", diff)
	}
	b.mend(t, []string{restart})
	await(t, "the old Pod is gone", func() error {
		for name := range strings.FieldsSeq(b.must(t, "get", "pods", "-n", in, "-o", "name")) {
			if _, err := b.kubectl("patch", name, "-n", in, "--subresource=status", "-p", `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}`); err != nil {
				return err
			}
		}
		got, _, _ := b.explain(t, in, "deploy/web")
		if want := "1 0 0 0"; got.Pods != want {
			return fmt.Errorf("Pods are %s", got.Pods)
		}
		return nil
	})
}

// TestWithoutTheWebhook explains while the webhook is not registered.
func TestWithoutTheWebhook(t *testing.T) {
	b := use(t)
	const in = "unregistered"
	b.put(t, space(in, "", "")+web(in, "web", "", proxied)+web(in, "free", "", proxied+", pillion.dev/failure-policy: Ignore")+web("kube-system", "dns", "", proxied+", pillion.dev/failure-policy: Ignore"))
	defer b.must(t, "delete", "namespace", in, "--wait=false")
	excluded, _, _ := b.explain(t, "kube-system", "deploy/dns")
	if diff := cmp.Diff(verdict{Outcome: "skipped", Reason: "selected", Stop: "selected", Pods: excluded.Pods}, excluded); diff != "" {
		t.Errorf("in kube-system (-want +got)\n%s", diff)
	}
	b.must(t, "delete", "deployment", "dns", "-n", "kube-system")
	b.must(t, "delete", mutating, "pillion")
	fix := "helm upgrade pillion CHART --namespace pillion-system --reset-then-reuse-values"
	for name, want := range map[string]verdict{
		"deploy/web":  {Outcome: "denied", Reason: "registered", Stop: "registered", Fix: fix},
		"deploy/free": {Outcome: "skipped", Reason: "registered", Stop: "registered", Fix: fix},
	} {
		got, _, _ := b.explain(t, in, name)
		want.Pods = got.Pods
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	b.mend(t, []string{fix})
}

func TestWhatIsNotThere(t *testing.T) {
	b := use(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"explain", "deploy/nothing"}, "error: there is no deployment/nothing -n default\n"},
		{[]string{"explain", "deploy/nothing", "-n", "nowhere"}, "error: there is no deployment/nothing -n nowhere\n"},
		{[]string{"explain", "deployment/Nothing"}, "is no name of an object"},
		{[]string{"explain", "thing/nothing"}, "thing/nothing: no such file or directory"},
	} {
		_, errs, code := b.pillion(b.control.Kubeconfig(), c.args...)
		if code != 2 || !strings.Contains(errs, c.want) {
			t.Errorf("%v: %d %s", c.args, code, errs)
		}
	}
}
