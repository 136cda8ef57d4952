package sidecars

import (
	"slices"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
)

// templates gives for every kind that holds a Pod the JSON pointer to it.
var templates = map[string]string{
	"v1/Pod":                   "",
	"apps/v1/Deployment":       "/spec/template",
	"apps/v1/StatefulSet":      "/spec/template",
	"apps/v1/DaemonSet":        "/spec/template",
	"apps/v1/ReplicaSet":       "/spec/template",
	"v1/ReplicationController": "/spec/template",
	"batch/v1/Job":             "/spec/template",
	"batch/v1/CronJob":         "/spec/jobTemplate/spec/template",
}

// PodPointer gives the JSON pointer to the Pod or pod template in an object of the given kind; false where the kind has
// none.
func PodPointer(apiVersion, kind string) (string, bool) {
	at, ok := templates[apiVersion+"/"+kind]
	return at, ok
}

// Below gives the operations as they apply to an object that holds the Pod at the JSON pointer.
func Below(pointer string, ops []jsonpatch.Operation) []jsonpatch.Operation {
	if pointer == "" {
		return ops
	}
	out := slices.Clone(ops)
	for i := range out {
		out[i].Path = pointer + out[i].Path
	}
	return out
}

// FieldPointer turns the path of a field error, such as spec.containers[0].ports[1].containerPort or
// metadata.annotations[pillion.dev/inject], into a JSON pointer.
func FieldPointer(path string) string {
	var b strings.Builder
	for path != "" {
		var word string
		if path[0] == '[' {
			end := strings.Index(path, "]")
			if end < 0 {
				end = len(path) - 1
			}
			word, path = path[1:end], path[end+1:]
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			word, path = path[:end], path[end:]
		}
		path = strings.TrimPrefix(path, ".")
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(word, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
