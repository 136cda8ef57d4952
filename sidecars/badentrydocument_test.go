package sidecars_test

// badDocuments have a mistake in the text, or beside the spec.
func badDocuments() []badEntry {
	return []badEntry{
		{"another kind", "kind: ClusterSidecar", "kind: ConfigMap", []string{
			`:2: kind: Unsupported value: "ConfigMap": supported values: "ClusterSidecar", "Sidecar"`,
		}},
		{"no kind", "kind: ClusterSidecar\n", "", []string{
			`:1: kind: Unsupported value: "": supported values: "ClusterSidecar", "Sidecar"`,
		}},
		{"another version", "apiVersion: pillion.dev/v1alpha1", "apiVersion: pillion.dev/v1", []string{
			`:1: apiVersion: Unsupported value: "pillion.dev/v1": supported values: "pillion.dev/v1alpha1"`,
		}},
		{"a misspelled top-level field", "metadata:", "metdata:", []string{
			`:3: metdata: Invalid value: "metdata": unknown field; did you mean "metadata"? The fields are apiVersion, kind, metadata, spec, status`,
		}},
		{"no name", "  name: good\nspec", "  labels: {}\nspec", []string{
			`:3: metadata.name: Invalid value: "": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
		}},
		{"a misspelled field of the metadata", "  name: good\nspec", "  name: good\n  lables: {}\nspec", []string{
			`:5: metadata.lables: Invalid value: "lables": unknown field; did you mean "labels"? The fields are annotations, creationTimestamp, deletionGracePeriodSeconds, deletionTimestamp, finalizers, generateName, generation, labels, managedFields, name, namespace, ownerReferences and 3 more`,
		}},
		{"a name with capitals", "  name: good\nspec", "  name: Good\nspec", []string{
			`:4: metadata.name: Invalid value: "Good": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named Good-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, Good`,
		}},
		{"a name that is too long", "  name: good\nspec", "  name: goooooooooooooooooooooooooooood\nspec", []string{
			`:4: metadata.name: Invalid value: "goooooooooooooooooooooooooooood": must have at most 30 characters`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named goooooooooooooooooooooooooooood-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, goooooooooooooooooooooooooooood`,
		}},
		{"a reserved name", "  name: good\nspec", "  name: status\nspec", []string{
			`:4: metadata.name: Invalid value: "status": is reserved`,
			`:29: spec.volumes[0].name: Invalid value: "good-data": must be named status-<x>`,
			`:34: spec.containers[0].name: Invalid value: "good": the first container must be named like the entry, status`,
		}},
		{"a spec that is no object", "spec:\n", "spec: 5\nother:\n", []string{
			":5: spec: Invalid value: 5: want an object",
			`:6: other: Invalid value: "other": unknown field; the fields are apiVersion, kind, metadata, spec, status`,
		}},
		{"tabs", "  flushSeconds: 5", "\tflushSeconds: 5", []string{
			":45: found character that cannot start any token",
		}},
		{"a colon too many", "  flushSeconds: 5", "  flushSeconds: 5: 6", []string{
			":45: mapping values are not allowed in this context",
		}},
		{"a list that does not end", "  flushSeconds: 5", "  flushSeconds: [5", []string{
			":45: did not find expected ',' or ']'",
		}},
		{"a quote that does not end", "  flushSeconds: 5", `  flushSeconds: "5`, []string{
			":45: found unexpected end of stream",
		}},
		{"an anchor that is not there", "  flushSeconds: 5", "  flushSeconds: *nothing", []string{
			":45: unknown anchor 'nothing' referenced",
		}},
		{"an anchor within itself", "  flushSeconds: 5", "  order: &a {after: [*a]}", []string{
			":45: the document holds more than 100000 values, or 64 in one another",
		}},
		{"a key twice", "  flushSeconds: 5", "  flushSeconds: 5\n  flushSeconds: 6", []string{
			`:46: spec.flushSeconds: Duplicate value: "flushSeconds": is set above`,
		}},
		{"a key twice, deep", "limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: 100m, memory: 32Mi, cpu: 200m}", []string{
			`:40: spec.containers[0].resources.limits.cpu: Duplicate value: "cpu": is set above`,
		}},
		{"a control character", "  flushSeconds: 5", "  flushSeconds: 5\n  description: \"\x01\"", []string{
			":46: control characters are not allowed",
		}},
		{"a bad indentation", "  flushSeconds: 5", " flushSeconds: 5", []string{
			":45: did not find expected key",
		}},
	}
}

// badSpecs have a mistake in a field of the spec that is no part of its own.
func badSpecs() []badEntry {
	return []badEntry{
		{"a misspelled field of the spec", "  description: An", "  descriptoin: An", []string{
			`:6: spec.descriptoin: Invalid value: "descriptoin": unknown field; did you mean "description"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
		}},
		{"a string for a number", "flushSeconds: 5", "flushSeconds: five", []string{
			`:45: spec.flushSeconds: Invalid value: "five": want a whole number`,
		}},
		{"a fraction for a whole number", "flushSeconds: 5", "flushSeconds: 5.5", []string{
			":45: spec.flushSeconds: Invalid value: 5.5: want a whole number",
		}},
		{"a number out of bounds", "flushSeconds: 5", "flushSeconds: 601", []string{
			":45: spec.flushSeconds: Invalid value: 601: must be between 0 and 600",
		}},
		{"yes for a string", "flushSeconds: 5", "hostNetwork: yes", []string{
			":45: spec.hostNetwork: Invalid value: true: want a string: put it in quotes",
		}},
		{"another hostNetwork", "flushSeconds: 5", "hostNetwork: maybe", []string{
			`:45: spec.hostNetwork: Unsupported value: "maybe": supported values: "refused", "allowed"`,
		}},
		{"a string for a boolean", "flushSeconds: 5", `shareProcessNamespace: "true"`, []string{
			`:45: spec.shareProcessNamespace: Invalid value: "true": want true or false`,
		}},
		{"an unknown parameter in runAsUserOf", "flushSeconds: 5", "runAsUserOf: $(params.target)", []string{
			`:45: spec.runAsUserOf: Unsupported value: "params.target": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"order against itself", "flushSeconds: 5", "order: {after: [good]}", []string{
			`:45: spec.order.after[0]: Invalid value: "good": an entry cannot be ordered against itself`,
		}},
		{"a misspelled order", "flushSeconds: 5", "order: {conflictWith: [x]}", []string{
			`:45: spec.order.conflictWith: Invalid value: "conflictWith": unknown field; did you mean "conflictsWith"? The fields are after, conflictsWith`,
		}},
		{"an order that is no list", "flushSeconds: 5", "order: {after: x}", []string{
			`:45: spec.order.after: Invalid value: "x": want a list`,
		}},
		{"a misspelled selector", "flushSeconds: 5", "namespaceSelector: {matchLabel: {a: b}}", []string{
			`:45: spec.namespaceSelector.matchLabel: Invalid value: "matchLabel": unknown field; did you mean "matchLabels"? The fields are matchExpressions, matchLabels`,
		}},
		{"a selector with another operator", "flushSeconds: 5", "namespaceSelector: {matchExpressions: [{key: a, operator: Is}]}", []string{
			`:45: spec.namespaceSelector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator`,
		}},
		{"a selector with a bad label", "flushSeconds: 5", `namespaceSelector: {matchLabels: {"a b": c}}`, []string{
			`:45: spec.namespaceSelector.matchLabels: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
		}},
	}
}
