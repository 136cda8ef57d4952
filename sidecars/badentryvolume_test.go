package sidecars_test

// badVolumes have a mistake in a volume or in how it is shared.
func badVolumes() []badEntry {
	return []badEntry{
		{"a volume that is not named like the entry", "    - name: good-data", "    - name: data", []string{
			`:29: spec.volumes[0].name: Invalid value: "data": must be named good-<x>`,
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-data": supported values: "data"`,
		}},
		{"a volume with the name of that of the files", "    - name: good-data", "    - name: good-files", []string{
			`:29: spec.volumes[0].name: Invalid value: "good-files": is the name of the volume of the entry's files`,
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-data": supported values: "good-files"`,
		}},
		{"a volume without a size limit", "emptyDir: {sizeLimit: 1Mi}", "emptyDir: {}", []string{
			":30: spec.volumes[0].emptyDir.sizeLimit: Required value: an emptyDir without a limit can fill the node",
		}},
		{"a misspelled size limit", "sizeLimit: 1Mi", "sizeLmit: 1Mi", []string{
			":30: spec.volumes[0].emptyDir.sizeLimit: Required value: an emptyDir without a limit can fill the node",
			`:30: spec.volumes[0].emptyDir.sizeLmit: Invalid value: "sizeLmit": is no field of this Kubernetes object`,
		}},
		{"a size limit that is none", "sizeLimit: 1Mi", "sizeLimit: much", []string{
			`:30: spec.volumes[0].emptyDir.sizeLimit: Invalid value: "much": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
		}},
		{"a misspelled kind of volume", "emptyDir: {sizeLimit: 1Mi}", "emptyDr: {sizeLimit: 1Mi}", []string{
			`:30: spec.volumes[0].emptyDr: Invalid value: "emptyDr": is no field of this Kubernetes object`,
			`:31: spec.volumes[0].share: Invalid value: "good-data": only an emptyDir is shared`,
		}},
		{"a shared hostPath", "emptyDir: {sizeLimit: 1Mi}", "hostPath: {path: /data}", []string{
			`:31: spec.volumes[0].share: Invalid value: "good-data": only an emptyDir is shared`,
		}},
		{"a parameter in a hostPath", "      share:\n        - {containers: $(params.containers), mountPath: /data}\n", "    - name: good-host\n      hostPath: {path: $(params.containers)}\n", []string{
			`:32: spec.volumes[1].hostPath.path: Invalid value: "$(params.containers)": no parameter may stand in hostPath`,
		}},
		{"a share without containers", "{containers: $(params.containers), mountPath: /data}", "{mountPath: /data}", []string{
			":32: spec.volumes[0].share[0]: Required value: a share names containers or sidecars",
		}},
		{"a share without a path", "{containers: $(params.containers), mountPath: /data}", "{containers: $(params.containers)}", []string{
			":32: spec.volumes[0].share[0].mountPath: Required value: where it is mounted",
		}},
		{"a misspelled field of a share", "{containers: $(params.containers), mountPath: /data}", "{container: $(params.containers), mountPath: /data}", []string{
			`:32: spec.volumes[0].share[0].container: Invalid value: "container": unknown field; did you mean "containers"? The fields are containers, mountPath, readOnly, sidecars, when`,
			":32: spec.volumes[0].share[0]: Required value: a share names containers or sidecars",
		}},
		{"a share with a bad glob", "{containers: $(params.containers), mountPath: /data}", `{containers: [$(params.containers), "["], mountPath: /data}`, []string{
			`:32: spec.volumes[0].share[0].containers[0]: Invalid value: "$(params.containers)": want a container name, a glob, or one $(params.NAME) of a list`,
			`:32: spec.volumes[0].share[0].containers[1]: Invalid value: "[": want a container name, a glob, or one $(params.NAME) of a list`,
		}},
		{"a share for the containers in a scalar", "containers: $(params.containers)", "containers: $(params.mode)", []string{
			`:32: spec.volumes[0].share[0].containers: Invalid value: "params.mode": want params.NAME of a list parameter`,
		}},
	}
}

// badMounts have a mistake in a mount of a container.
func badMounts() []badEntry {
	return []badEntry{
		{"a mount of a volume that is not there", "[{name: good-data, mountPath: /data}]", "[{name: good-dat, mountPath: /data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].name: Unsupported value: "good-dat": supported values: "good-data"`,
		}},
		{"a misspelled field of a mount", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPth: /data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPth: Invalid value: "mountPth": unknown field; did you mean "mountPath"? The fields are $when, mountPath, name, readOnly, subPath`,
		}},
		{"a mount that Kubernetes knows and a joined volume cannot have", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: /data, mountPropagation: None}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPropagation: Invalid value: "mountPropagation": unknown field; the fields are $when, mountPath, name, readOnly, subPath`,
		}},
		{"mounts that are no list", "[{name: good-data, mountPath: /data}]", "{name: good-data, mountPath: /data}", []string{
			`:38: spec.containers[0].volumeMounts: Invalid value: "object": want a list`,
		}},
		{"a mount without a path", "[{name: good-data, mountPath: /data}]", "[{name: good-data}]", []string{
			":38: spec.containers[0].volumeMounts[0].mountPath: Required value: where it is mounted",
		}},
		{"a mount at a relative path", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: data}]", []string{
			`:38: spec.containers[0].volumeMounts[0].mountPath: Invalid value: "data": want a clean absolute path without a colon`,
		}},
		{"two mounts at one path", "[{name: good-data, mountPath: /data}]", "[{name: good-data, mountPath: /etc/good/lines}]", []string{
			`:5: spec: Invalid value: "/etc/good/lines": cannot be injected: container good of sidecar good would mount volumes good-data and good-files there`,
		}},
	}
}
