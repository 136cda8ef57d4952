// Package sidecars is the core of Pillion: what a Pod gets, as a pure function. It does no I/O, reads no clock and keeps
// no state; webhook, CLI and tests are its hosts.
//
// The story in five sentences. [Load] (or [Builtin]) reads catalog entries and compiles each into templates: ready bytes
// with holes. [Inject] reads the annotations of a Pod and its Namespace (request.go), looks the entries up, checks every
// parameter (parameter.go, types.go) and brings the entries into order (order.go). It then gathers all additions in a
// plan (plan.go), rule by rule. One file turns the plan into operations (patch.go): RFC 6902 "add", against the Pod as it
// was given. [Uninject] is the inverse, from the status annotation. A [Workspace] (workspace.go) is Inject with memory to use
// again.
//
// A rule of injection is a file. Its opening comment says what the rule is, what it reads, what it adds, and which golden
// cases in test/golden/cases show it:
//
//	which Pods               spec.go hostnetwork.go podsecurity.go request.go keys.go
//	what is ours already     identity.go names.go status.go state.go
//	containers               containers.go order.go resources.go runas.go token.go processes.go grace.go
//	volumes and files        join.go volumes.go files.go paths.go evict.go
//	app containers           env.go join.go
//	limits                   ports.go ceilings.go linesafe.go
//
// The catalog side: read.go (documents, lines), entry*.go, compile.go, holes.go and emit*.go (specs to templates),
// template.go, grade.go; prove.go, proof*.go, vary.go and samples.go (an entry is proved before it can hurt a Pod); lint.go
// and a file for each rule of lint*.go (an entry is checked against the catalog that it joins).
package sidecars
