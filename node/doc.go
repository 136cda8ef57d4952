// Package node is the node helper: an NRI plugin of the container runtime that does for Pods what they cannot do for
// themselves without privileges.
//
//	what a Pod asks, and by which values   asks.go profile.go profiles.go
//	what is known of a Pod                 pod.go
//	what is done at which event            agent.go redirect.go join.go
//	the connection to the runtime          session.go
//	what is measured                       metrics.go
//
// A Pod's annotation holds names: of catalog entries, of their revisions, of its own containers. Values come from profiles,
// which the controller writes and the node mounts; so whoever writes a Pod chooses among what the catalog offers, for that Pod.
// Nothing is kept on disk: what is true is in the kernel, and what is wanted comes from the runtime and the profiles. Handlers
// do no request over a network and no work but their own Pod's, since a runtime holds up all Pods of the node for each.
package node
