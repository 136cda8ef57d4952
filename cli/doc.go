// Package cli is the command pillion: the injection of the webhook, on files, and what authors of a catalog need. It reads
// documents, asks the core and writes documents; it asks an API server ([Server]) only where a flag says so.
//
// The way of a document: inputs.go opens files, directories and standard input; object.go finds the Pods in a document;
// namespaces.go keeps what the input says of their Namespaces; a verdict (verdict.go) is the core's answer for one object,
// asked for by inject.go or uninject.go; output.go writes the document and diff.go shows what changed. Explain
// (explain.go, explaintext.go) takes the same way and tells what it met. [PrintTree] shows one Pod.
//
// The catalog in force is put together by inforce.go, with what server.go reads from a cluster; cataloglist.go, catalog.go
// and sidecar.go show it. Lint (lint*.go) proves entries, test (test*.go, junit.go) injects cases and compares.
package cli
