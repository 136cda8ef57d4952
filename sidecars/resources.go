package sidecars

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Rule: the Pod's QoS class is not lowered. In a Guaranteed Pod our requests are our limits. Where the Pod has resources
// of its own (spec.resources) they count for all, so our requests are an explicit 0 (a limit alone would default them and
// break the sum) and our limits stay within the Pod's. A BestEffort Pod becomes Burstable, with a warning.
// Reads: resources of the Pod and of app containers.
// Adds: resources of our own containers, spec.resources.requests.
// Golden: qos-guaranteed, qos-besteffort, qos-burstable, pod-level-resources, pod-level-memory.
func (p *plan) resourcesJSON(dst []byte, s *sidecar, c *container) []byte {
	switch {
	case !p.pod.Spec.Resources.empty():
		limits := p.cappedLimits(c.limits.fill(nil, s.values, nil))
		return append(append(append(dst, `{"limits":`...), limits...), `,"requests":{"cpu":"0","memory":"0"}}`...)
	case p.guaranteed:
		dst = c.limits.fill(append(dst, `{"limits":`...), s.values, nil)
		dst = c.limits.fill(append(dst, `,"requests":`...), s.values, nil)
		return append(dst, '}')
	}
	return c.resources.fill(dst, s.values, nil)
}

func (r *Resources) empty() bool {
	return r.Requests.CPU+r.Requests.Memory+r.Limits.CPU+r.Limits.Memory == ""
}

// completeRequests states those requests of the Pod itself that the API server would set from its limits, where no container
// states one: from our explicit 0 it would set 0. A Pod that comes through the API server has them already.
func (p *plan) completeRequests() {
	pod := &p.pod.Spec.Resources
	if pod.empty() || len(p.containers) == 0 {
		return
	}
	var cpu, memory bool
	p.app(func(c containerPlace) {
		r := &c.ctr.Resources
		cpu = cpu || r.Requests.CPU+r.Limits.CPU != ""
		memory = memory || r.Requests.Memory+r.Limits.Memory != ""
	})
	if pod.Requests.CPU == "" && pod.Limits.CPU != "" && !cpu {
		p.requests = append(p.requests, addition{"cpu", jsonString(nil, pod.Limits.CPU)})
	}
	if pod.Requests.Memory == "" && pod.Limits.Memory != "" && !memory {
		p.requests = append(p.requests, addition{"memory", jsonString(nil, pod.Limits.Memory)})
	}
}

// cappedLimits lowers limits to those of the Pod.
func (p *plan) cappedLimits(limits []byte) []byte {
	var list map[string]json.RawMessage
	if json.Unmarshal(limits, &list) != nil {
		return limits
	}
	pod := p.pod.Spec.Resources.Limits
	for name, most := range map[string]string{"cpu": pod.CPU, "memory": pod.Memory} {
		top, err := resource.ParseQuantity(most)
		own, ownErr := resource.ParseQuantity(scalar([]byte(list[name])))
		if most != "" && err == nil && ownErr == nil && top.Cmp(own) < 0 {
			list[name], _ = json.Marshal(most)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		return limits
	}
	return b
}

// classifyQoS finds the Pod's class as the kubelet does, without our containers:
// https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
func (p *plan) classifyQoS() {
	if !p.pod.Spec.Resources.empty() {
		return
	}
	p.guaranteed, p.bestEffort = true, true
	p.pod.all(func(c containerPlace) {
		if c.list == "ephemeralContainers" {
			return
		}
		r := &c.ctr.Resources
		p.bestEffort = p.bestEffort && nothing(r.Requests.CPU) && nothing(r.Requests.Memory) && nothing(r.Limits.CPU) && nothing(r.Limits.Memory)
		p.guaranteed = p.guaranteed && covers(r.Limits.CPU, r.Requests.CPU) && covers(r.Limits.Memory, r.Requests.Memory)
	})
}

// covers reports whether a limit is there and the request, which defaults to it, is the same.
func covers(limit, request string) bool {
	if nothing(limit) {
		return false
	}
	if request == "" || request == limit {
		return true
	}
	l, err := resource.ParseQuantity(limit)
	r, err2 := resource.ParseQuantity(request)
	return err == nil && err2 == nil && l.Cmp(r) == 0
}

func nothing(amount string) bool {
	if amount == "" {
		return true
	}
	if amount[0] >= '1' && amount[0] <= '9' {
		return false
	}
	q, err := resource.ParseQuantity(amount)
	return err == nil && q.IsZero()
}

func (p *plan) warnOfQoS() {
	if p.bestEffort && len(p.containers) > 0 {
		p.warn(CodeBurstable, "this BestEffort Pod becomes Burstable: its sidecars have requests")
	}
}
