package main

// Those of the app have no sidecar.
const (
	ofSidecars = `{sidecar!=""}`
	perEntry   = "sidecar, revision"
	entry      = "{{sidecar}} {{revision}}"
)

// costs is what sidecars cost, as the node helpers' ledgers have it, and how the helpers are.
func costs() dashboard {
	const cpu, memory, anonymous = "pillion_sidecar_cpu_seconds_total", "pillion_sidecar_memory_bytes", "pillion_sidecar_memory_anonymous_bytes"
	total := func(counter string) string { return "sum(rate(" + counter + "[$__rate_interval]))" }
	stood := func(kind string) string {
		return rate(perEntry+", resource", `pillion_sidecar_pressure_seconds_total{sidecar!="",kind="`+kind+`"}`)
	}
	return dashboard{name: "costs", title: "Pillion / What sidecars cost", panels: []panel{
		stat("CPUs of all sidecars", "short", "Of injected Pods, on nodes that have the helper.", total(cpu+ofSidecars)),
		stat("Part of their Pods' CPU", "percentunit", "The rest is the apps'.", total(cpu+ofSidecars)+" / "+total(cpu)),
		stat("Memory of all sidecars", "bytes", "What cannot be dropped; the page cache is not counted.", "sum("+anonymous+ofSidecars+")"),
		stat("Part of their Pods' memory", "percentunit", "What cannot be dropped. The rest is the apps'.", "sum("+anonymous+ofSidecars+") / sum("+anonymous+")"),
		graph("CPUs, by entry and revision", "short", "All containers of an entry together.", rate(perEntry, cpu+ofSidecars), entry),
		graph("CPUs of one container", "short", "On average, so that a new revision is compared with the old one whatever their numbers are.",
			rate(perEntry, cpu+ofSidecars)+" / (sum by ("+perEntry+") (pillion_sidecar_containers"+ofSidecars+") > 0)", entry),
		graph("Memory, by entry and revision", "bytes", "What cannot be dropped, of all containers of an entry together.", "sum by ("+perEntry+") ("+anonymous+ofSidecars+")", entry),
		graph("Memory of one container, with page cache", "bytes", "On average. The kernel takes the page cache back where it wants memory.",
			"sum by ("+perEntry+") ("+memory+ofSidecars+") / (sum by ("+perEntry+") (pillion_sidecar_containers"+ofSidecars+") > 0)", entry),
		graph("Throttled", "s", "Seconds in each second for which containers of an entry were stopped by their CPU limits.",
			rate(perEntry, "pillion_sidecar_throttled_seconds_total"+ofSidecars), entry),
		graph("Killed for want of memory", "short", "Processes, of the container's own cgroup.",
			"sum by ("+perEntry+") (increase(pillion_sidecar_oom_kills_total"+ofSidecars+"[$__rate_interval]))", entry),
		graph("Pressure: some tasks stood still", "s", "Seconds in each second, for want of cpu, memory or io; where the kernel counts it.", stood("some"), entry+": {{resource}}"),
		graph("Pressure: all tasks stood still", "s", "Seconds in each second, for want of memory or io; where the kernel counts it.", stood("full"), entry+": {{resource}}"),
		graph("Containers", "short", "That run, by entry and revision: how far a new revision is rolled out.", "sum by ("+perEntry+") (pillion_sidecar_containers"+ofSidecars+")", entry),
		graph("CPUs of sidecars by node", "short", "The tax on each node.", rate("node", cpu+ofSidecars), "{{node}}"),
		graph("CPUs that are nobody's", "short", "What Pods used beyond their containers; next to nothing, or the ledger misses some.",
			rate("node", "pillion_pod_unattributed_cpu_seconds_total"), "{{node}}"),
		graph("Nodes by mode", "short", "Full, old (no joins), or none: the runtime does not call the helper.", "sum by (mode) (pillion_node_mode)", "{{mode}}"),
		graph("Answer time of the helper", "s", "For 99 % of a runtime's events of Pods that ask for something. Starts of other Pods wait for as long.",
			quantile("0.99", `pillion_node_event_seconds_bucket{result!="none"}`), "p99"),
		graph("Refused by the helper", "ops", "Pods' events say why; the kubelet tries again.",
			rate("event", `pillion_node_event_seconds_bucket{result="refused",le="+Inf"}`), "{{event}}"),
		graph("Age of the profiles", "s", "Since the kubelet wrote them on the node. They need no writing unless entries change.",
			"max by (node) (time() - (pillion_node_profiles_written_timestamp_seconds > 0))", "{{node}}"),
		graph("Memory of the helper", "bytes", "With its program.", `sum by (node) (process_resident_memory_bytes and on (node, pod) pillion_node_connected)`, "{{node}}"),
	}}
}
