// Package controller is the shell of pillion-controller: it refuses bad catalog entries when they are written, writes the
// status of those that are there, warns whoever writes a workload whose Pods will not get what it asks for, and finds Pods
// that run without the sidecars they asked for.
//
//	what is watched                  follow.go entries.go pods.go namespaces.go
//	is an entry good                 prove.go dryrun.go
//	the validating webhook           validate.go codes.go
//	what a workload's Pods will be   workloads.go
//	Pods that lack their sidecars    audit.go auditevents.go
//	what nodes know of entries       profiles.go
//	status                           reconcile.go status.go
//	all together                     controller.go metrics.go ops.go, rbac.yaml for its rights
//
// Every replica serves the webhook; the leader alone watches Pods and writes. What is known of an object is
// kept in the form in which it is used, compiled or counted, and the object itself is not.
package controller
