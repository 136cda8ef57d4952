package failsafe

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
)

// TestUnrelatedPods creates Pods that do not ask while nobody answers for the webhook: they are created as ever, and the
// API server does not so much as try to call.
func TestUnrelatedPods(t *testing.T) {
	b := use(t)
	b.killAll()
	b.call(t, byService(b.service.port(), b.ca.Cert))
	b.down(t)
	spaces := []string{
		b.namespace(t, "unrelated", nil, nil),
		b.namespace(t, "unrelated-annotated", nil, asking()),
		b.namespace(t, "unrelated-other", map[string]string{label: "disabled"}, asking()),
		"kube-system",
	}
	optsOut := b.namespace(t, "unrelated-enabled", map[string]string{label: "enabled"}, asking())
	calls, connections, began := b.calls(t), b.service.accepted.Load(), time.Now()
	n := count(10000)
	for i := range n {
		space, p := spaces[i%len(spaces)], pod(nil)
		if i%10 == 0 {
			space, p = optsOut, pod(map[string]string{inject: "false"})
		}
		p.Labels = map[string]string{"unrelated": "true"}
		if got, err := b.create(t.Context(), space, p, false); err != nil || injected(got) {
			t.Fatalf("%s: %v", space, err)
		}
		if i%batch == batch-1 || i == n-1 {
			b.clear(t, append(spaces, optsOut), "unrelated=true")
		}
	}
	t.Logf("%d Pods, %.0f a second", n, float64(n)/time.Since(began).Seconds())
	if got := b.calls(t) - calls; got != 0 || b.service.accepted.Load() != connections {
		t.Errorf("%d calls, %d connections", got, b.service.accepted.Load()-connections)
	}
	// The counter counts: a Pod that asks is one call more.
	if _, err := b.create(t.Context(), "unrelated", pod(asking()), true); err == nil || b.calls(t) != calls+1 {
		t.Errorf("%v, %d calls", err, b.calls(t)-calls)
	}
}

// clear deletes the Pods with a label.
func (b *bed) clear(t *testing.T, spaces []string, selector string) {
	t.Helper()
	for _, space := range spaces {
		zero := int64(0)
		if err := b.kube.CoreV1().Pods(space).DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &zero}, metav1.ListOptions{LabelSelector: selector}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRefusalsSayWhatToDo reads what a person reads.
func TestRefusalsSayWhatToDo(t *testing.T) {
	b := use(t)
	b.killAll()
	b.down(t)
	required := b.namespace(t, "says-required", map[string]string{label: "required"}, nil)
	const todo = "; is the webhook up? kubectl -n pillion-system get deployment pillion; controllers try again by themselves; " +
		"a Pod that can do without says pillion.dev/failure-policy: Ignore"
	for _, row := range []struct{ name, space, asks, want string }{
		{"one", "default", "rider", byPolicy + "rider" + todo},
		{"many", "default", "rider, other ,rider-two", byPolicy + "rider, other, rider-two" + todo},
		{"a list of nothing", "default", " , ", byPolicy + "," + todo},
		{"a name with a line break", "default", "rider\nother", "see the annotation pillion.dev/inject; is the webhook up?"},
		{"a list without an end", "default", strings.Repeat("rider,", 40_000), byPolicy + "a list of more than 4096 characters" + todo},
		{"as many names as fit", "default", strings.Repeat("r,", 2000), "see the annotation pillion.dev/inject; is the webhook up?"},
		{"where the webhook must answer", required, "rider", wantsWebhook},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := b.create(t.Context(), row.space, pod(map[string]string{inject: row.asks}), true)
			if err == nil || !strings.Contains(err.Error(), row.want) || len(err.Error()) > 1024 {
				t.Errorf("%.2000s\nwant at most 1,024 characters with %s", fmt.Sprint(err), row.want)
			}
			if row.space == "default" && !apierrors.IsForbidden(err) {
				t.Errorf("the status is %v: %v", apierrors.ReasonForError(err), err)
			}
		})
	}
	// A Pod of very many containers costs no more than any Pod of that size does.
	huge := pod(map[string]string{inject: strings.Repeat("r,", 2000)})
	for i := range 5_000 {
		huge.Spec.Containers = append(huge.Spec.Containers, corev1.Container{Name: fmt.Sprint("c", i), Image: "i"})
	}
	began := time.Now()
	if _, err := b.create(t.Context(), "default", huge, true); err == nil || !strings.Contains(err.Error(), byPolicy+"any, in a Pod of more than 300 containers"+todo) {
		t.Errorf("a Pod of 5,000 containers that asks for 2,000 sidecars: %.300v", err)
	} else {
		t.Logf("refused after %.2f s: %.300s", time.Since(began).Seconds(), err)
	}
	for _, row := range []struct {
		containers int
		asks       string
	}{{5_000, "false"}, {298, strings.Repeat("rider-two,", 400)}, {298, "false"}} {
		huge.Annotations[inject] = row.asks
		huge.Spec.Containers = huge.Spec.Containers[:row.containers]
		began = time.Now()
		_, err := b.create(t.Context(), "default", huge, true)
		t.Logf("%d containers, asking for %.20s: %.2f s", row.containers, row.asks, time.Since(began).Seconds())
		if (err == nil) != (row.asks == "false") {
			t.Error(err)
		}
	}
	// A list that asks for nothing at all is none.
	if _, err := b.create(t.Context(), "default", pod(map[string]string{inject: " \n"}), true); err != nil {
		t.Error(err)
	}
}

// workloads are one of each kind of controller. The DaemonSet has a node, which no kubelet serves and which it tolerates;
// the CronJob has missed a time, so that its controller starts a Job at once.
func workloads(t *testing.T, b *bed, space string) {
	t.Helper()
	template := `{"metadata":{"labels":{"of":"%s"},"annotations":{"pillion.dev/inject":"rider"}},"spec":{"schedulerName":"none",%s"containers":[{"name":"app","image":"app:1"}]}}`
	const selector = `"selector":{"matchLabels":{"of":"%s"}},`
	set := func(kind, spec string, more ...string) string {
		return fmt.Sprintf(`{"apiVersion":"apps/v1","kind":%q,"metadata":{"name":"w"},"spec":{`+selector+spec+`"template":`+fmt.Sprintf(template, kind, strings.Join(more, ""))+`}}`, kind, kind)
	}
	never := `"restartPolicy":"Never",`
	for path, text := range map[string]string{
		"/apis/apps/v1/namespaces/" + space + "/deployments":  set("Deployment", `"replicas":2,`),
		"/apis/apps/v1/namespaces/" + space + "/statefulsets": set("StatefulSet", `"replicas":2,"podManagementPolicy":"Parallel","serviceName":"w",`),
		"/apis/apps/v1/namespaces/" + space + "/daemonsets":   set("DaemonSet", "", `"tolerations":[{"operator":"Exists"}],`),
		"/apis/batch/v1/namespaces/" + space + "/jobs": `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"w"},"spec":{"parallelism":2,"completions":2,"backoffLimit":0,"template":` +
			fmt.Sprintf(template, "Job", never) + `}}`,
		"/apis/batch/v1/namespaces/" + space + "/cronjobs": `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"w"},"spec":{"schedule":"* * * * *","suspend":true,"concurrencyPolicy":"Forbid",
			"jobTemplate":{"spec":{"backoffLimit":0,"template":` + fmt.Sprintf(template, "CronJob", never) + `}}}}`,
	} {
		if err := b.kube.CoreV1().RESTClient().Post().AbsPath(path).Body([]byte(text)).Do(t.Context()).Error(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	jobs := b.kube.BatchV1().CronJobs(space)
	last := fmt.Appendf(nil, `{"status":{"lastScheduleTime":%q}}`, time.Now().Add(-2*time.Minute).UTC().Format(time.RFC3339))
	if _, err := jobs.Patch(t.Context(), "w", types.MergePatchType, last, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	if _, err := jobs.Patch(t.Context(), "w", types.MergePatchType, []byte(`{"spec":{"suspend":false}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestControllersRecover has every kind of controller meet an outage, and the webhook come back: nobody does anything else.
func TestControllersRecover(t *testing.T) {
	b := use(t)
	b.killAll()
	b.down(t)
	space := b.namespace(t, "controllers", nil, nil)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "controllers"}}
	if _, err := b.kube.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = b.kube.CoreV1().Namespaces().Delete(context.Background(), space, metav1.DeleteOptions{})
		// Until it is gone, controllers may create Pods in it, which the tests that count calls would count.
		if err := eventually("the Namespace is gone", func() error {
			if _, err := b.kube.CoreV1().Namespaces().Get(context.Background(), space, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				return fmt.Errorf("it is there: %w", err)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		_ = b.kube.CoreV1().Nodes().Delete(context.Background(), node.Name, metav1.DeleteOptions{})
	})
	began := time.Now()
	workloads(t, b, space)
	want := map[string]int{"Deployment": 2, "StatefulSet": 2, "DaemonSet": 1, "Job": 2, "CronJob": 1}
	// Everyone who owns a Pod tells why it has none.
	await(t, "each controller has an event", func() error {
		told := map[string]bool{}
		events, err := b.kube.CoreV1().Events(space).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			return err
		}
		for i := range events.Items {
			if e := &events.Items[i]; e.Reason == "FailedCreate" && strings.Contains(e.Message, byPolicy+sidecar) {
				told[e.InvolvedObject.Kind] = told[e.InvolvedObject.Kind] || e.InvolvedObject.Kind != "Job" || e.InvolvedObject.Name == "w"
				told["CronJob"] = told["CronJob"] || strings.HasPrefix(e.InvolvedObject.Name, "w-") && e.InvolvedObject.Kind == "Job"
			}
		}
		for _, kind := range []string{"ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"} {
			if !told[kind] {
				return fmt.Errorf("%s has none", kind)
			}
		}
		return nil
	})
	time.Sleep(time.Duration(count(50)) * time.Second)
	if got := b.ridden(t, space); len(got) > 0 {
		t.Errorf("during the outage there are Pods: %v", got)
	}
	r := b.replica(t, b.ca)
	defer r.Stop()
	outage, back := time.Since(began), time.Now()
	// A controller's back-off doubles, so that it tries again within as long again.
	for deadline := back.Add(2*outage + patience); ; time.Sleep(100 * time.Millisecond) {
		got := b.ridden(t, space)
		if fmt.Sprint(got) == fmt.Sprint(want) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Pods that are injected: %v, want %v", got, want)
		}
	}
	t.Logf("outage of %.0f s; all Pods were there %.1f s after it", outage.Seconds(), time.Since(back).Seconds())
	var list batchv1.JobList
	if err := b.kube.BatchV1().RESTClient().Get().Namespace(space).Resource("jobs").VersionedParams(&metav1.ListOptions{}, scheme.ParameterCodec).Do(t.Context()).Into(&list); err != nil {
		t.Fatal(err)
	}
	// A refusal is no failure of a Job: its backoffLimit of 0 is whole.
	for i := range list.Items {
		if s := &list.Items[i].Status; s.Failed != 0 || len(s.Conditions) > 0 || s.Active == 0 {
			t.Errorf("Job %s: %+v", list.Items[i].Name, s)
		}
	}
	if len(list.Items) != 2 {
		t.Errorf("there are %d Jobs", len(list.Items))
	}
}

// ridden counts the Pods in a Namespace by the kind of their owner; one that is not injected is an error.
func (b *bed) ridden(t *testing.T, space string) map[string]int {
	t.Helper()
	list, err := b.kube.CoreV1().Pods(space).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for i := range list.Items {
		if !injected(&list.Items[i]) {
			t.Fatalf("%s is bare", list.Items[i].Name)
		}
		out[list.Items[i].Labels["of"]]++
	}
	return out
}
