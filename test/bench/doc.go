// Package bench measures the webhook, in process, from the bytes of a review to the bytes of the answer, beside "the usual
// way": controller-runtime's admission.Webhook with a handler that decodes the Pod, appends ready-made objects, marshals
// the Pod and lets the two texts be compared. Both give the same Pod, which a test proves.
//
// What is gated is what does not depend on the machine: CPU time as a ratio of both ways in one run, allocations as exact
// counts, the size of the patch. `make bench` prints the table; `go test -bench . ./test/bench` gives Go's own figures.
//
// The reviews in testdata are as an API server sends them, with managedFields and the token volume: one of a Pod with one
// container, and one of 15 KB with three containers, one init container, 44 variables, probes and five volumes.
package bench
