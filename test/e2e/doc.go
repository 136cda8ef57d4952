// Package e2e shows the scenarios of Pillion on a whole Kubernetes: one test for a row, named after it, with the YAML that a
// user would write in examples/scenarios. The tests run inside the bed, see `make e2e` and README.md; they reach Pods by their
// IP, and files and processes of the first node as their own.
package e2e
