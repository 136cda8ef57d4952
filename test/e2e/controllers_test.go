package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

func TestS18EveryController(t *testing.T) {
	together(t)
	row(t, "S18-controllers.yaml", nil, func(s *scene) { s.everyController("proxy") })
}

// everyController waits until all Pods of one object of each kind are ready, or done, with the sidecars.
func (s *scene) everyController(sidecars ...string) {
	s.Helper()
	s.kubectl("-n", s.namespace, "create", "job", "nightly-now", "--from=cronjob/nightly")
	var nodes corev1.NodeList
	s.must(s.client.List(s.ctx, &nodes))
	var web appsv1.Deployment
	s.must(s.client.Get(s.ctx, "web", s.namespace, &web))
	s.ready("app=web", int(*web.Spec.Replicas), sidecars...)
	s.ready("app=store", 1, sidecars...)
	s.ready("app=agent", len(nodes.Items), sidecars...)
	for _, job := range []string{"migrate", "nightly-now"} {
		s.eventually("a Job "+job+" completes although it has sidecars", func() (bool, error) {
			var jobs batchv1.JobList
			err := s.client.WithNamespace(s.namespace).List(s.ctx, &jobs)
			return slices.ContainsFunc(jobs.Items, func(j batchv1.Job) bool { return j.Name == job && j.Status.Succeeded == 1 }), err
		})
	}
	for _, p := range s.pods("batch.kubernetes.io/job-name") {
		s.injected(&p, sidecars...)
	}
}

// four are the sidecars of the row's own catalog in the order in which they begin.
var four = []string{"outer", "second", "third", "inner"}

// TestS18FourSidecars has four on each Pod, of every controller and of none, and then deletes one: they end in reverse, after
// the app and after one another, each in its own time although that is more than the Pod's own grace.
func TestS18FourSidecars(t *testing.T) {
	together(t)
	before := func(s *scene) { s.addEntries("S18-four-sidecars-catalog.yaml", four...) }
	rowAfter(t, "S18-four-sidecars.yaml", nil, before, func(s *scene) {
		s.everyController(four...)
		pod := &s.ready("app=alone", 1, four...)[0]
		var names []string
		for _, c := range pod.Spec.InitContainers {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, four) {
			s.Errorf("the sidecars begin in the order %v, want %v", names, four)
		}
		if got := *pod.Spec.TerminationGracePeriodSeconds; got != 4+3*2+5 {
			s.Errorf("the Pod has %d s to end, want its own 4 and what the sidecars need", got)
		}
		s.endsInReverse(pod, []string{"alone", "inner", "third", "second", "outer"})
	})
}

// holdsUp is a finalizer, by which a Pod that has ended can still be read.
const holdsUp = "example.com/read-first"

// endsInReverse deletes a Pod and reads when each container ended: one after the other in the order given, and by itself.
func (s *scene) endsInReverse(pod *corev1.Pod, order []string) {
	s.Helper()
	s.kubectl("-n", s.namespace, "patch", "pod", pod.Name, "--type=merge", "--patch", `{"metadata":{"finalizers":["`+holdsUp+`"]}}`)
	s.must(s.client.Delete(s.ctx, pod))
	s.eventually("all containers have ended", func() (bool, error) {
		s.refresh(pod)
		return !slices.ContainsFunc(order, func(name string) bool { return container(pod, name).State.Terminated == nil }), nil
	})
	s.kubectl("-n", s.namespace, "patch", "pod", pod.Name, "--type=merge", "--patch", `{"metadata":{"finalizers":null}}`)
	var last time.Time
	var told []string
	for _, name := range order {
		end := container(pod, name).State.Terminated
		told = append(told, fmt.Sprintf("%s at %s with %d", name, end.FinishedAt.Format("15:04:05"), end.ExitCode))
		if end.ExitCode != 0 || !end.FinishedAt.After(last) {
			s.Errorf("%s did not end by itself after those before", name)
		}
		last = end.FinishedAt.Time
	}
	s.Log("ended: " + strings.Join(told, ", "))
}

// TestS18RefusedControllerSaysWhyAndRecovers mistypes a parameter, reads the event, and mends the template.
func TestS18RefusedControllerSaysWhyAndRecovers(t *testing.T) {
	together(t)
	row(t, "S18-refused.yaml", nil, func(s *scene) {
		s.eventually("an event of the ReplicaSet says why", func() (bool, error) {
			var events corev1.EventList
			err := s.client.WithNamespace(s.namespace).List(s.ctx, &events)
			return slices.ContainsFunc(events.Items, func(e corev1.Event) bool {
				return e.InvolvedObject.Kind == "ReplicaSet" && e.Reason == "FailedCreate" && strings.Contains(e.Message, `did you mean "upstream-port"?`)
			}), err
		})
		var d appsv1.Deployment
		s.must(s.client.Get(s.ctx, "mistyped", s.namespace, &d))
		annotations := d.Spec.Template.Annotations
		delete(annotations, "pillion.dev/proxy.upstream-prt")
		annotations["pillion.dev/proxy.upstream-port"] = "8080"
		s.must(s.client.Update(s.ctx, &d))
		s.ready("app=mistyped", 1, "proxy")
	})
}

// TestS18OutdatedPodsAreCounted changes an entry: what runs stays as it is and is told of, what is made anew has the change.
func TestS18OutdatedPodsAreCounted(t *testing.T) {
	together(t)
	before := func(s *scene) { s.addEntries("S18-outdated-catalog.yaml", "greeter") }
	rowAfter(t, "S18-outdated.yaml", nil, before, func(s *scene) {
		was := s.ready("app=web", 2, "greeter")
		s.counted("greeter", v1alpha1.PodCounts{Current: 2})
		s.kubectl("-n", s.namespace, "patch", "sidecar", "greeter", "--type=json", "--patch",
			`[{"op": "replace", "path": "/spec/containers/0/args/2", "value": "--log-text=good morning"}]`)
		s.counted("greeter", v1alpha1.PodCounts{Outdated: 2})
		if table := s.kubectl("-n", s.namespace, "get", "sidecars"); !strings.Contains(table, "OUTDATED") {
			s.Errorf("kubectl does not show how many are outdated:\n%s", table)
		}
		if told := s.pillion("doctor"); !strings.Contains(told, "2 outdated, 0 changed, 0 current") {
			s.Errorf("pillion doctor does not tell of them:\n%s", told)
		}
		for i, p := range s.ready("app=web", 2, "greeter") {
			if p.UID != was[i].UID || sidecarOf(&p, "greeter") != sidecarOf(&was[i], "greeter") || container(&p, "greeter").RestartCount != 0 {
				s.Errorf("Pod %s was changed", p.Name)
			}
		}
		s.kubectl("-n", s.namespace, "rollout", "restart", "deployment", "web")
		s.kubectl("-n", s.namespace, "rollout", "status", "deployment", "web", "--timeout=2m")
		s.counted("greeter", v1alpha1.PodCounts{Current: 2})
		for _, p := range s.ready("app=web", 2, "greeter") {
			if !strings.Contains(sidecarOf(&p, "greeter"), "good morning") {
				s.Errorf("Pod %s, made anew, has the sidecar of before:\n%s", p.Name, sidecarOf(&p, "greeter"))
			}
		}
	})
}

// counted waits until an entry's status counts its Pods so.
func (s *scene) counted(entry string, want v1alpha1.PodCounts) {
	s.Helper()
	var got string
	s.eventually(fmt.Sprintf("%s counts %+v", entry, want), func() (bool, error) {
		var counts v1alpha1.PodCounts
		got = s.kubectl("-n", s.namespace, "get", "sidecar", entry, "-o", "jsonpath={.status.pods}")
		if got == "" {
			return false, nil
		}
		err := json.Unmarshal([]byte(got), &counts)
		return counts == want, err
	})
}

// addEntries adds the entries of an example, and waits until every replica of the webhook knows them: ten Pods in a row, which are
// not kept, are injected.
func (s *scene) addEntries(file string, entries ...string) {
	s.Helper()
	s.apply(file)
	s.kubectl("-n", s.namespace, "wait", "--for=condition=Ready", "sidecars", "--all", "--timeout=1m")
	s.eventually("the webhook knows "+strings.Join(entries, ", "), func() (bool, error) {
		for range 10 {
			pod := asking(strings.Join(entries, ","))
			pod.Namespace = s.namespace
			if err := s.client.Create(s.ctx, pod, dryRun); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// sidecarOf is a native sidecar of a Pod as JSON.
func sidecarOf(p *corev1.Pod, name string) string {
	for _, c := range p.Spec.InitContainers {
		if c.Name == name {
			text, err := json.Marshal(c)
			if err != nil {
				return err.Error()
			}
			return string(text)
		}
	}
	return ""
}
