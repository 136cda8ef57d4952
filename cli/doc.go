// Package cli is the command pillion: the injection of the webhook, on files. It reads documents, asks the core and writes
// documents; it never contacts a cluster.
//
// The way of a document: inputs.go opens files, directories and standard input; object.go finds the Pods in a document;
// namespaces.go keeps what the input says of their Namespaces; a verdict (verdict.go) is the core's answer for one object,
// asked for by inject.go or uninject.go; output.go writes the document and diff.go shows what changed. Explain
// (explain.go, explaintext.go) takes the same way and tells what it met. [PrintTree] shows one Pod.
package cli
