// Package manifest reads streams of Kubernetes documents, YAML or JSON, and
// applies JSON patches to them without disturbing the rest of the text.
//
// A Reader splits a stream into Documents that keep their exact bytes; joined
// again they are the stream. Document.JSON reads a document as the API server
// would (YAML 1.1, as sigs.k8s.io/yaml has it). Document.Patch applies RFC 6902
// operations by splicing lines into the text: comments, key order, blank
// lines, quoting and indentation of everything else stay as they were. The
// patched text is always read again and compared with the patched object, so
// a document that comes back is the right one however odd its layout was.
//
// The package does no I/O of its own and knows nothing about sidecars.
package manifest
