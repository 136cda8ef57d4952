package sidecars_test

// badParameters have a mistake in the declaration of a parameter.
func badParameters() []badEntry {
	return []badEntry{
		{"a misspelled field of a parameter", "type: port,", "typ: port,", []string{
			`:11: spec.parameters[port].typ: Invalid value: "typ": unknown field; did you mean "type"? The fields are default, description, enum, example, items, maxLength, maximum, minimum, pattern, required, schemes, type`,
		}},
		{"another type", "type: port,", "type: prt,", []string{
			`:11: spec.parameters[port].type: Unsupported value: "prt": supported values: "string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName", "list"`,
		}},
		{"a type that is no string", "type: port,", "type: 5,", []string{
			":11: spec.parameters[port].type: Invalid value: 5: want a string: put it in quotes",
		}},
		{"a parameter's name with capitals", "    port: {type", "    Port: {type", []string{
			`:11: spec.parameters[Port]: Invalid value: "Port": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:26: spec.files[1].lines[0].line: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:36: spec.containers[0].args[0]: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:37: spec.containers[0].ports[0].containerPort: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
			`:44: spec.appEnv[0].value: Unsupported value: "params.port": supported values: "Port", "containers", "list", "mode", "text", "word"`,
		}},
		{"a default out of bounds", "type: port, default: 8080", `type: port, default: 80, minimum: "1024"`, []string{
			`:11: spec.parameters[port].default: Invalid value: "80": must be at least 1024`,
		}},
		{"a default that is not among the choices", "default: a,", "default: c,", []string{
			`:8: spec.parameters[mode].default: Invalid value: "c": must be one of a, b`,
		}},
		{"a default that is no scalar", "default: a,", "default: {a: b},", []string{
			`:8: spec.parameters[mode].default: Invalid value: "object": want a string, number or boolean or a list`,
		}},
		{"a scalar as default of a list", "default: [/a]", "default: /a", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a": want a list`,
		}},
		{"a list as default of a scalar", "default: a,", "default: [a],", []string{
			`:8: spec.parameters[mode].default: Invalid value: "a": want a scalar`,
		}},
		{"a bad item in a default", "default: [/a]", "default: [/a, b]", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a,b": item 2: must be a clean absolute path of letters, digits and . _ @ + , = -`,
		}},
		{"required with a default", "type: port,", "type: port, required: true,", []string{
			`:11: spec.parameters[port].default: Invalid value: "8080": a required parameter has no default`,
		}},
		{"a minimum that is no string", "type: port,", "type: port, minimum: 1024,", []string{
			":11: spec.parameters[port].minimum: Invalid value: 1024: want a string: put it in quotes",
		}},
		{"a minimum that is no number", "type: port,", "type: port, minimum: low,", []string{
			`:11: spec.parameters[port].minimum: Invalid value: "low": is no port`,
		}},
		{"a minimum above the maximum", "type: port,", `type: port, minimum: "9000", maximum: "9",`, []string{
			`:11: spec.parameters[port].default: Invalid value: "8080": must be between 9000 and 9`,
			`:11: spec.parameters[port].maximum: Invalid value: "9": is below the minimum`,
		}},
		{"a minimum of a string", "text: {type: string,", "text: {type: string, minimum: a,", []string{
			`:9: spec.parameters[text].minimum: Invalid value: "a": a string has no minimum or maximum`,
		}},
		{"a pattern that is none", `pattern: "[a-z]+"`, `pattern: "[a-z"`, []string{
			":10: spec.parameters[word].pattern: Invalid value: \"[a-z\": error parsing regexp: missing closing ]: `[a-z`",
		}},
		{"a pattern without an example", "example: abc, ", "", []string{
			":10: spec.parameters[word].example: Required value: a parameter with a pattern and no default needs a valid example",
		}},
		{"an example that does not match", "example: abc", "example: ABC", []string{
			`:10: spec.parameters[word].example: Invalid value: "ABC": must match [a-z]+`,
		}},
		{"a choice that the type does not allow", "type: port, default: 8080,", `type: port, enum: ["80", http],`, []string{
			`:11: spec.parameters[port].enum[1]: Invalid value: "http": must be a port between 1 and 65535`,
		}},
		{"a choice in another form", "type: port, default: 8080,", `type: port, enum: ["080"],`, []string{
			`:11: spec.parameters[port].enum[0]: Invalid value: "080": is written 80`,
		}},
		{"a choice twice", "enum: [a, b]", "enum: [a, b, a]", []string{
			`:8: spec.parameters[mode].enum[2]: Duplicate value: "a"`,
		}},
		{"choices that are no strings", "enum: [a, b]", "enum: [a, 5]", []string{
			":8: spec.parameters[mode].enum[1]: Invalid value: 5: want a string: put it in quotes",
		}},
		{"a maxLength beyond the most", "text: {type: string,", "text: {type: string, maxLength: 5000,", []string{
			":9: spec.parameters[text].maxLength: Invalid value: 5000: must be between 0 and 4096",
		}},
		{"schemes of another type", "text: {type: string,", "text: {type: string, schemes: [http],", []string{
			`:9: spec.parameters[text].schemes: Invalid value: ["http"]: only a url has schemes`,
		}},
		{"items of another type", "text: {type: string,", "text: {type: string, items: {type: string},", []string{
			`:9: spec.parameters[text].items: Invalid value: "string": only a list has items`,
		}},
		{"a list without items", "items: {type: path}, ", "", []string{
			":12: spec.parameters[list].items: Required value: a list declares its items",
		}},
		{"a misspelled field of items", "items: {type: path}", "items: {type: path, maxItem: 3}", []string{
			`:12: spec.parameters[list].items.maxItem: Invalid value: "maxItem": unknown field; did you mean "maxItems"? The fields are default, description, enum, example, fields, maxItems, maxLength, maximum, minimum, pattern, required, schemes and 1 more`,
		}},
		{"items that are lists", "items: {type: path}", "items: {type: list}", []string{
			`:12: spec.parameters[list].items.type: Invalid value: "list": a list cannot hold lists`,
		}},
		{"a bound of a list", "items: {type: path}", "pattern: a, items: {type: path}", []string{
			`:12: spec.parameters[list].pattern: Invalid value: "pattern": belongs to the items`,
		}},
		{"a bad field of an item", "items: {type: path}", "items: {fields: {A: {type: pth}}}", []string{
			`:12: spec.parameters[list].default: Invalid value: "/a": item 1: want name=value, the names are A`,
			`:12: spec.parameters[list].items.fields[A].type: Unsupported value: "pth": supported values: "string", "integer", "boolean", "quantity", "duration", "port", "path", "url", "secretName", "configMapName", "list"`,
			`:12: spec.parameters[list].items.fields[A]: Invalid value: "A": must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -`,
			`:21: spec.files[0].data.list[0]: Invalid value: "$(item)": the items have fields: A`,
		}},
		{"a parameter that is not used", "        text: $(params.text)\n", "", []string{
			`:9: spec.parameters[text]: Invalid value: "text": is not used anywhere in the entry`,
		}},
	}
}
