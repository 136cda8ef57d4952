package sidecars_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// qosKept compares the classes that Kubernetes gives, after it has set its defaults.
func qosKept(before, after []byte) error {
	was, err := typed(before)
	if err != nil {
		return err
	}
	is, err := typed(after)
	if err != nil {
		return err
	}
	rank := map[corev1.PodQOSClass]int{corev1.PodQOSBestEffort: 0, corev1.PodQOSBurstable: 1, corev1.PodQOSGuaranteed: 2}
	if a, b := qosOf(was), qosOf(is); rank[b] < rank[a] {
		return fmt.Errorf("is %s, was %s", b, a)
	}
	return nil
}

// qosOf is the rule of Kubernetes, written from its documentation and for this test only:
// https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/ and, for resources of the Pod itself,
// https://kubernetes.io/docs/concepts/workloads/resource-management/pod-level-resources/ (what a Pod states counts alone).
func qosOf(pod *corev1.Pod) corev1.PodQOSClass {
	pod = withDefaultRequests(pod)
	var all []corev1.ResourceRequirements
	if pod.Spec.Resources != nil {
		all = append(all, *pod.Spec.Resources)
	} else {
		for _, c := range containersOf(pod) {
			all = append(all, c.Resources)
		}
	}
	requests, limits := sum{}, sum{}
	guaranteed := true
	for _, r := range all {
		requests.add(r.Requests)
		limits.add(r.Limits)
		guaranteed = guaranteed && isPositive(r.Limits, corev1.ResourceCPU) && isPositive(r.Limits, corev1.ResourceMemory)
	}
	switch {
	case len(requests)+len(limits) == 0:
		return corev1.PodQOSBestEffort
	case guaranteed && requests.equal(limits):
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

func containersOf(pod *corev1.Pod) []corev1.Container {
	return append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...)
}

// withDefaultRequests sets the requests that the API server sets: a container's limit where it has no request; and, for a
// Pod that states limits, the sum of its containers' requests or else its limit.
func withDefaultRequests(pod *corev1.Pod) *corev1.Pod {
	pod = pod.DeepCopy()
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			list[i].Resources.Requests = merged(list[i].Resources.Requests, list[i].Resources.Limits)
		}
	}
	if r := pod.Spec.Resources; r != nil && len(r.Limits) > 0 {
		total := corev1.ResourceList{}
		for _, c := range containersOf(pod) {
			for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
				if q, ok := c.Resources.Requests[name]; ok {
					t := total[name]
					t.Add(q)
					total[name] = t
				}
			}
		}
		r.Requests = merged(merged(r.Requests, total), r.Limits)
	}
	return pod
}

func merged(list, defaults corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range defaults {
		out[name] = q
	}
	for name, q := range list {
		out[name] = q
	}
	return out
}

// sum adds up CPU and memory that are more than nothing.
type sum map[corev1.ResourceName]resource.Quantity

func (s sum) add(list corev1.ResourceList) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if isPositive(list, name) {
			q := s[name]
			q.Add(list[name])
			s[name] = q
		}
	}
}

func (s sum) equal(o sum) bool {
	for name, q := range s {
		if other, ok := o[name]; !ok || q.Cmp(other) != 0 {
			return false
		}
	}
	return len(s) == len(o)
}

func isPositive(list corev1.ResourceList, name corev1.ResourceName) bool {
	q, ok := list[name]
	return ok && q.Sign() > 0
}
