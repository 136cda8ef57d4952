package failsafe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// combinations gives every one there is.
func combinations() []Combination {
	all := [][]string{nil}
	for _, values := range Dimensions() {
		var next [][]string
		for _, head := range all {
			for _, v := range values {
				next = append(next, append(head[:len(head):len(head)], v))
			}
		}
		all = next
	}
	var out []Combination
	for _, c := range all {
		out = append(out, Combination{Place: c[0], Label: c[1], Namespace: c[2], Pod: c[3], Policy: c[4], Kind: c[5]})
	}
	return out
}

// rowOf gives the one row that covers a combination.
func rowOf(c Combination) (row *Row, n int) {
	table := Table()
	for i := range table {
		if table[i].Covers(c) {
			row = &table[i]
			n++
		}
	}
	return row, n
}

func TestEveryCombinationHasOneRow(t *testing.T) {
	used := map[string]int{}
	for _, c := range combinations() {
		row, n := rowOf(c)
		if n != 1 {
			t.Errorf("%+v has %d rows", c, n)
			continue
		}
		used[fmt.Sprintf("%+v", *row)]++
	}
	if len(used) != len(Table()) {
		t.Errorf("%d of %d rows are used", len(used), len(Table()))
	}
}

// said is how an annotation says a value, in one of the ways in which it can.
type said struct {
	namespace, pod string
}

// policies are the ways to a failure-policy in force: the Pod's wins over its Namespace's.
func policies(c Combination) []said {
	switch {
	case c.Place == LeftAlone && c.Policy == Ignore:
		return []said{{Ignore, ""}}
	case c.Place == LeftAlone:
		return []said{{"", ""}}
	case c.Policy == Ignore:
		return []said{{"", Ignore}, {Ignore, ""}, {Fail, Ignore}}
	}
	return []said{{"", ""}, {"", Fail}, {Fail, ""}, {Ignore, Fail}}
}

// trial is a combination as the API server is asked.
type trial struct {
	Combination
	said
	row *Row
	as  string // the Namespace's name
}

// annotations gives those that say what a dimension's value stands for.
func annotations(asks, failurePolicy string) map[string]string {
	out := map[string]string{inject: map[string]string{Asks: sidecar, OptOut: "false"}[asks], policy: failurePolicy}
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out
}

// trials makes the Namespaces, one for each thing that a Namespace can say, and lists what to try in them.
func trials(t *testing.T, b *bed) []trial {
	t.Helper()
	var out []trial
	made, leftAlone := map[string]string{}, 0
	for _, c := range combinations() {
		row, _ := rowOf(c)
		for _, s := range policies(c) {
			key := fmt.Sprint(c.Place, c.Label, c.Namespace, s.namespace)
			if made[key] == "" {
				made[key] = fmt.Sprintf("table-%d", len(made))
				if c.Place == LeftAlone {
					made[key] = excluded[leftAlone]
					leftAlone++
				}
				labels := map[string]string{label: map[string]string{Enabled: "enabled", Required: "required", OtherLabel: "disabled"}[c.Label]}
				maps.DeleteFunc(labels, func(_, v string) bool { return v == "" })
				b.namespace(t, made[key], labels, annotations(c.Namespace, s.namespace))
			}
			out = append(out, trial{c, s, row, made[key]})
		}
	}
	return out
}

// object gives the Pod of a trial.
func (c *trial) object() *corev1.Pod {
	p := pod(annotations(c.Pod, c.pod))
	switch c.Kind {
	case HostNetwork:
		p.Spec.HostNetwork = true
	case Windows:
		p.Spec.OS = &corev1.PodOS{Name: corev1.Windows}
	case Mirror:
		p.Name, p.Spec.NodeName, p.Annotations["kubernetes.io/config.mirror"] = "mirror", node.Name, "x"
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node.Name, UID: node.UID, Controller: new(true)}}
	}
	return p
}

// node is whose kubelet makes the mirror Pods.
var node *corev1.Node

// kubelet gives a client that is the node to the API server. RBAC does not know nodes here, so it may do everything too.
func kubelet(t *testing.T, b *bed) kubernetes.Interface {
	t.Helper()
	var err error
	node, err = b.kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.kube.CoreV1().Nodes().Delete(context.Background(), node.Name, metav1.DeleteOptions{}) })
	config, err := b.config()
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:node:n", Groups: []string{"system:nodes", "system:masters"}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p := (&trial{Combination: Combination{Kind: Mirror}}).object()
	await(t, "the API server knows the node", func() error {
		_, err := client.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err
	})
	return client
}

// result creates the Pod in a dry run and says what became of it.
func (c *trial) result(ctx context.Context, client kubernetes.Interface) Result {
	p, err := client.CoreV1().Pods(c.as).Create(ctx, c.object(), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	switch {
	case err == nil && injected(p):
		return Injected
	case err == nil:
		return Untouched
	case strings.Contains(err.Error(), byPolicy):
		return Refused
	case strings.Contains(err.Error(), wantsWebhook):
		return Unanswered
	case strings.Contains(err.Error(), `.pillion.dev" denied the request: `):
		return Denied
	}
	return Result(err.Error())
}

// TestTable tries every combination, in every way in which it can be said, with the webhook up and down. The API server
// counts whether it called the webhook.
func TestTable(t *testing.T) {
	b := use(t)
	all, mirrors := trials(t, b), kubelet(t, b)
	// Namespaces come to the webhook in order: what knows the last knows all.
	b.namespace(t, "table-last", map[string]string{label: "required"}, asking())
	r := b.replica(t, b.ca)
	await(t, "the webhook knows the Namespaces", func() error {
		if p, err := b.create(t.Context(), "table-last", pod(nil), true); err != nil || !injected(p) {
			return errors.New(fmt.Sprint("a Pod of the last is not injected: ", err))
		}
		return nil
	})
	seen := map[Result]int{}
	for _, up := range []bool{true, false} {
		if !up {
			r.Stop()
			b.down(t)
		}
		for _, called := range []bool{false, true} {
			before, tried := b.calls(t), 0
			var group errgroup.Group
			group.SetLimit(8)
			for i := range all {
				c := &all[i]
				want := map[bool]Result{true: c.row.Up, false: c.row.Down}[up]
				if c.row.Called != called {
					continue
				}
				seen[want]++
				tried++
				client := map[bool]kubernetes.Interface{true: mirrors, false: b.kube}[c.Kind == Mirror]
				group.Go(func() error {
					if got := c.result(t.Context(), client); got != want {
						t.Errorf("webhook up %t, %+v, failure-policy of the Namespace %q and of the Pod %q: %s, want %s", up, c.Combination, c.namespace, c.pod, got, want)
					}
					return nil
				})
			}
			_ = group.Wait() // failures are the test's
			calls := b.calls(t) - before
			t.Logf("webhook up %t: %d Pods, %d calls", up, tried, calls)
			if !called && calls != 0 || called && calls < tried {
				t.Errorf("webhook up %t: %d calls for %d Pods, want calls: %t", up, calls, tried, called)
			}
		}
	}
	for _, want := range []Result{Untouched, Injected, Denied, Refused, Unanswered} {
		if seen[want] < 20 {
			t.Errorf("%s: %d times", want, seen[want])
		}
	}
}
