package sidecars_test

// badFiles have a mistake in a file or in the template of one.
func badFiles() []badEntry {
	return []badEntry{
		{"a misspelled field of a file", "mountPath: /etc/good/lines", "mountPth: /etc/good/lines", []string{
			`:23: spec.files[1].mountPth: Invalid value: "mountPth": unknown field; did you mean "mountPath"? The fields are containers, data, dollarExpands, format, lines, mountPath, name, when`,
		}},
		{"another format", "format: lines", "format: txt", []string{
			`:24: spec.files[1].format: Unsupported value: "txt": supported values: "yaml", "json", "toml", "lines"`,
		}},
		{"data and no format", "      format: yaml\n", "", []string{
			`:15: spec.files[0].format: Unsupported value: "": supported values: "yaml", "json", "toml", "lines"`,
		}},
		{"lines of a YAML file", "      format: lines", "      format: yaml", []string{
			":22: spec.files[1].data: Required value: a yaml file needs data",
		}},
		{"a file's path that is not absolute", "mountPath: /etc/good/lines", "mountPath: lines", []string{
			`:23: spec.files[1].mountPath: Invalid value: "lines": must be a clean absolute path`,
		}},
		{"two files of one name", "name: lines", "name: config", []string{
			`:22: spec.files[1].name: Duplicate value: "config"`,
		}},
		{"a file for a container that is not there", "      format: yaml\n", "      format: yaml\n      containers: [other]\n", []string{
			`:18: spec.files[0].containers[0]: Not found: "other"`,
		}},
		{"an unsafe parameter in a line", "port $(params.port)", "text $(params.text)", []string{
			`:26: spec.files[1].lines[0].line: Invalid value: "$(params.text)": only a parameter whose pattern excludes white space, quotes and \ # $ { } may enter a line`,
		}},
		{"a line break in a line", "- port $(params.port)", `- "port\n$(params.port)"`, []string{
			`:26: spec.files[1].lines[0]: Invalid value: "port\n$(params.port)": a line holds no line break`,
		}},
		{"a line that is a number", "- port $(params.port)", "- 5", []string{
			":26: spec.files[1].lines[0]: Invalid value: 5: want a string or an object",
		}},
		{"an unknown parameter in a file", "mode: $(params.mode)", "mode: $(params.mod)", []string{
			`:19: spec.files[0].data.mode: Unsupported value: "params.mod": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"a dollar before a hole", "mode: $(params.mode)", "mode: $$(params.mode)", []string{
			`:19: spec.files[0].data.mode: Invalid value: "$$(params.mode)": a dollar stands before $(…): write the hole alone`,
		}},
		{"a hole in a key", "mode: $(params.mode)", "$(params.mode): x", []string{
			`:18: spec.files[0].data: Invalid value: "$(params.mode)": a key cannot hold a parameter`,
		}},
		{"$each of a scalar", "$each: params.list", "$each: params.mode", []string{
			`:21: spec.files[0].data.list[0].$each: Invalid value: "params.mode": want params.NAME of a list parameter`,
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item)": there is no item here: use it under each`,
		}},
		{"$each on no item of a list", "mode: $(params.mode)", "mode: {$each: params.list, a: $(item)}", []string{
			`:19: spec.files[0].data.mode.$each: Invalid value: "params.list": only an item of a list can be repeated`,
		}},
		{"$item without $each", "[{$each: params.list, $item: $(item)}]", `[{$when: {list: ["*"]}, $item: x}]`, []string{
			":21: spec.files[0].data.list[0].$each: Required value: $item goes with $each",
		}},
		{"$item and more", "$item: $(item)}]", "$item: $(item), other: x}]", []string{
			`:21: spec.files[0].data.list[0].other: Invalid value: "other": would be lost: $item is the whole item`,
		}},
		{"a field of items that have none", "$item: $(item)}]", "$item: $(item.path)}]", []string{
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item.path)": the items have no such field; fields: `,
		}},
		{"null in TOML", "format: yaml\n      data:\n", "format: toml\n      data:\n        nothing: null\n", []string{
			":19: spec.files[0].data.nothing: Required value: TOML has no null",
		}},
		{"null in a list in TOML", "format: yaml\n      data:\n", "format: toml\n      data:\n        nothing: [null]\n", []string{
			":19: spec.files[0].data.nothing[0]: Required value: TOML has no null",
		}},
		{"a number that is not given", "    port: {type: port, default: 8080, description: a port}\n", "    port: {type: port, description: a port}\n", []string{
			`:37: spec.containers[0].ports[0].containerPort: Required value: a number stands here: give it a default, or a condition such as {port: ["*"]}`,
		}},
	}
}

// badConditions have a mistake in a condition.
func badConditions() []badEntry {
	return []badEntry{
		{"a misspelled when", `when: {word: ["*"]}`, `wen: {word: ["*"]}`, []string{
			`:27: spec.files[1].lines[1].wen: Invalid value: "wen": unknown field; did you mean "when"? The fields are each, line, when`,
		}},
		{"when of an unknown parameter", `when: {word: ["*"]}`, `when: {wrod: ["*"]}`, []string{
			`:27: spec.files[1].lines[1].when: Unsupported value: "wrod": supported values: "containers", "list", "mode", "port", "text", "word"`,
		}},
		{"when that is no map", `when: {word: ["*"]}`, "when: word", []string{
			`:27: spec.files[1].lines[1].when: Invalid value: "word": want a map`,
		}},
		{"when with a map of values", `when: {word: ["*"]}`, "when: {word: {a: b}}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "object": want a string, number or boolean or a list`,
		}},
		{"when that can never hold: a value that does not match", `when: {word: ["*"]}`, "when: {word: [ABC]}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "ABC": can never hold: must match [a-z]+`,
		}},
		{"when that can never hold: no choice", `when: {word: ["*"]}`, `when: {word: ["*"], mode: [c]}`, []string{
			`:27: spec.files[1].lines[1].when[mode]: Invalid value: "c": can never hold: must be one of a, b`,
		}},
		{"when that can never hold: nothing listed", `when: {word: ["*"]}`, "when: {word: []}", []string{
			`:27: spec.files[1].lines[1].when[word]: Invalid value: "": can never hold: it lists no value`,
		}},
		{"when that can never hold: never empty", `when: {word: ["*"]}`, `when: {word: ["*"], port: [""]}`, []string{
			`:27: spec.files[1].lines[1].when[port]: Invalid value: "": can never hold: the parameter always has a value`,
		}},
		{"$when that is no map", "mode: $(params.mode)", "mode: {$when: 5, a: $(params.mode)}", []string{
			`:19: spec.files[0].data.mode.$when: Invalid value: "5": want a map of parameters to lists of values`,
		}},
	}
}
