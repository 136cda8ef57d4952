package sidecars_test

// badContainers have a mistake in a container or an init container, or in what several are together.
func badContainers() []badEntry {
	return []badEntry{
		{"no container", "  containers:\n    - name: good\n", "  other:\n    - name: good\n", []string{
			":5: spec.containers: Required value: an entry has at least one container",
			`:33: spec.other: Invalid value: "other": unknown field; did you mean "order"? The fields are appEnv, containers, description, files, flushSeconds, hostNetwork, initContainers, namespaceSelector, node, order, parameters, runAsUserOf and 3 more`,
		}},
		{"the first container with another name", "    - name: good\n", "    - name: other\n", []string{
			`:34: spec.containers[0].name: Invalid value: "other": the first container must be named like the entry, good`,
		}},
		{"a container's name that is a number", "    - name: good\n", "    - name: 5\n", []string{
			":34: spec.containers[0].name: Invalid value: 5: want a string: put it in quotes",
		}},
		{"the first container with a condition", "    - name: good\n", "    - name: good\n      when: {word: [\"*\"]}\n", []string{
			":35: spec.containers[0].when: Forbidden: the first container has no condition",
		}},
		{"a misspelled image", "image: registry.example/good:1", "imag: registry.example/good:1", []string{
			":34: spec.containers[0].image: Required value: a container needs an image",
			`:35: spec.containers[0].imag: Invalid value: "imag": is no field of this Kubernetes object`,
		}},
		{"an image that is a number", "image: registry.example/good:1", "image: 5", []string{
			":35: spec.containers[0].image: Invalid value: 5: want a string: put it in quotes",
		}},
		{"any text in an image", "registry.example/good:1", "registry.example/good:$(params.text)", []string{
			`:35: spec.containers[0].image: Invalid value: "$(params.text)": only a parameter with a pattern or an enum may enter an image`,
		}},
		{"arguments that are no list", `args: ["--port=$(params.port)"]`, "args: --port=$(params.port)", []string{
			`:36: spec.containers[0].args: Invalid value: "--port=$(params.port)": want a list`,
		}},
		{"an unknown parameter in an argument", "--port=$(params.port)", "--port=$(params.prt)", []string{
			`:36: spec.containers[0].args[0]: Unsupported value: "params.prt": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"a parameter in a reference", "--port=$(params.port)", "$(PORT_$(params.port))", []string{
			`:36: spec.containers[0].args[0]: Invalid value: "$(PORT_$(params.port))": a parameter cannot stand inside a reference: its value would choose what is read`,
		}},
		{"a port that is no number", "containerPort: $(params.port)", "containerPort: http", []string{
			`:37: spec.containers[0].ports[0].containerPort: Invalid value: "http": want a whole number`,
		}},
		{"a port that is any text", "containerPort: $(params.port)", "containerPort: $(params.text)", []string{
			`:37: spec.containers[0].ports[0].containerPort: Invalid value: "$(params.text)": want a whole number`,
		}},
		{"a parameter in a hostPort", "containerPort: $(params.port)", "containerPort: 80, hostPort: $(params.port)", []string{
			`:37: spec.containers[0].ports[0].hostPort: Invalid value: "$(params.port)": no parameter may stand in hostPort`,
		}},
		{"a parameter in a name", "name: http", "name: $(params.word)", []string{
			`:37: spec.containers[0].ports[0].name: Invalid value: "$(params.word)": no parameter may stand in a name`,
		}},
		{"a parameter in a securityContext", "runAsNonRoot: true", "runAsUser: $(params.port)", []string{
			`:41: spec.containers[0].securityContext: Invalid value: "$(…)": no parameter may stand in a securityContext`,
		}},
		{"a misspelled field of a securityContext", "runAsNonRoot: true", "runAsNonroot: true", []string{
			`:42: spec.containers[0].securityContext.runAsNonroot: Invalid value: "runAsNonroot": is no field of this Kubernetes object`,
		}},
		{"a wrong value in a securityContext", "runAsNonRoot: true", `runAsNonRoot: "yes"`, []string{
			`:42: spec.containers[0].securityContext.runAsNonRoot: Invalid value: "yes": want true or false`,
		}},
		{"a parameter in a lifecycle", "      securityContext:", "      lifecycle: {preStop: {exec: {command: [a, $(params.text)]}}}\n      securityContext:", []string{
			`:41: spec.containers[0].lifecycle.preStop.exec.command[1]: Invalid value: "$(params.text)": no parameter may stand in lifecycle`,
		}},
		{"a restart policy", "      securityContext:", "      restartPolicy: Always\n      securityContext:", []string{
			":41: spec.containers[0].restartPolicy: Forbidden: is set by the placement",
		}},
		{"another placement", "      securityContext:", "      placement: behind\n      securityContext:", []string{
			`:41: spec.containers[0].placement: Unsupported value: "behind": supported values: "first", "beforeInit", "afterInit", "regular"`,
		}},
		{"no memory limit", "limits: {cpu: 100m, memory: 32Mi}", "limits: {cpu: 100m}", []string{
			":40: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
		}},
		{"no resources", "      resources:\n        limits: {cpu: 100m, memory: 32Mi}\n", "", []string{
			":34: spec.containers[0].resources.limits.cpu: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			":34: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
		}},
		{"misspelled limits", "limits: {cpu: 100m, memory: 32Mi}", "limit: {cpu: 100m, memory: 32Mi}", []string{
			":39: spec.containers[0].resources.limits.cpu: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			":39: spec.containers[0].resources.limits.memory: Required value: without it a Guaranteed Pod could not stay Guaranteed",
			`:40: spec.containers[0].resources.limit: Invalid value: "limit": is no field of this Kubernetes object`,
		}},
		{"a limit that is none", "cpu: 100m", "cpu: lots", []string{
			`:40: spec.containers[0].resources.limits.cpu: Invalid value: "lots": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
		}},
		{"resources that are a list", "limits: {cpu: 100m, memory: 32Mi}", "- limits", []string{
			`:39: spec.containers[0].resources: Invalid value: "list": want an object`,
		}},
		{"a probe that is misspelled", "      securityContext:", "      livenessProbe: {httpGet: {port: 1, pth: /}}\n      securityContext:", []string{
			`:41: spec.containers[0].livenessProbe.httpGet.pth: Invalid value: "pth": is no field of this Kubernetes object`,
		}},
		{"a placement of an init container", "  appEnv:", "  initContainers:\n    - {name: good-init, image: a, placement: regular, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:44: spec.initContainers[0].placement: Invalid value: "regular": an init container runs to completion: its placement is first, or it has none`,
		}},
		{"two containers of one name", "  appEnv:", "  initContainers:\n    - {name: good-a, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n    - {name: good-a, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:45: spec.initContainers[1].name: Duplicate value: "good-a"`,
		}},
		{"an init container with another name", "  appEnv:", "  initContainers:\n    - {name: setup, image: a, resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			`:44: spec.initContainers[0].name: Invalid value: "setup": must be named good-<x>`,
		}},
		{"two containers on one port", "  appEnv:", "    - {name: good-b, image: a, ports: [{containerPort: $(params.port)}], resources: {limits: {cpu: 1m, memory: 1Mi}}}\n  appEnv:", []string{
			":5: spec: Invalid value: 8080: cannot be injected: containers good and good-b would listen on one port",
		}},
	}
}

// badVariables have a mistake in a variable of the app.
func badVariables() []badEntry {
	return []badEntry{
		{"a variable's name that is none", "name: GOOD_PORT", "name: GOOD-PORT", []string{
			`:44: spec.appEnv[0].name: Invalid value: "GOOD-PORT": must be a C identifier`,
		}},
		{"a misspelled field of a variable", "name: GOOD_PORT", "nam: GOOD_PORT", []string{
			`:44: spec.appEnv[0].nam: Invalid value: "nam": unknown field; did you mean "name"? The fields are containers, name, value, when`,
		}},
		{"a variable that is a number", "value: $(params.port)", "value: 5", []string{
			":44: spec.appEnv[0].value: Invalid value: 5: want a string: put it in quotes",
		}},
	}
}
