package sidecars

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Keys that, in a map, give a condition for it or repeat it; they are never emitted.
const (
	keyWhen = "$when"
	keyEach = "$each"
	// keyItem stands for the item itself, where it is no map.
	keyItem = "$item"
)

// node is a member of a map or an item of a list, with its condition.
type node struct {
	at   *field.Path
	key  string
	v    any
	when condition
	each int
}

func (n *node) always() bool { return n.when == nil && n.each < 0 }

// members lists the members of a map in sorted order.
func (c *compiler) members(at *field.Path, m map[string]any) []node {
	var out []node
	for _, k := range sortedKeys(m) {
		if k == keyWhen || k == keyEach {
			continue
		}
		if holePattern.MatchString(k) {
			c.bad(at, k, "a key cannot hold a parameter")
		}
		out = append(out, c.node(at.Child(k), k, m[k]))
	}
	return out
}

// items lists the items of a list.
func (c *compiler) items(at *field.Path, list []any) []node {
	out := make([]node, len(list))
	for i, v := range list {
		out[i] = c.node(at.Index(i), "", v)
	}
	return out
}

func (c *compiler) node(at *field.Path, key string, v any) node {
	n := node{at: at, key: key, v: v, each: -1}
	m, ok := v.(map[string]any)
	if !ok {
		return n
	}
	if w, ok := m[keyWhen]; ok {
		n.when = c.when(at.Child(keyWhen), c.whenOf(at.Child(keyWhen), w))
	}
	if e, ok := m[keyEach]; ok {
		ref, _ := e.(string)
		n.each = c.each(at.Child(keyEach), ref)
		if key != "" {
			c.bad(at.Child(keyEach), ref, "only an item of a list can be repeated")
		}
	}
	if only, ok := m[keyItem]; ok {
		c.onlyItem(at, m)
		n.v = only
	}
	return n
}

// onlyItem checks that $item, which stands for the whole item, stands with $each and nothing else.
func (c *compiler) onlyItem(at *field.Path, m map[string]any) {
	if _, repeated := m[keyEach]; !repeated {
		c.errs = append(c.errs, field.Required(at.Child(keyEach), "$item goes with $each"))
	}
	for _, k := range sortedKeys(m) {
		if k != keyItem && k != keyEach && k != keyWhen {
			c.bad(at.Child(k), k, "would be lost: $item is the whole item")
		}
	}
}

func (c *compiler) whenOf(at *field.Path, v any) v1alpha1.When {
	raw, err := json.Marshal(v)
	if err != nil {
		c.bad(at, v, err.Error())
	}
	var w v1alpha1.When
	if err := json.Unmarshal(raw, &w); err != nil {
		c.bad(at, string(raw), "want a map of parameters to lists of values")
	}
	return w
}

// body compiles what a node holds, with $(item) set where the node is repeated.
func (c *compiler) body(n *node, emit func(n *node) template) template {
	outer := c.list
	if n.each >= 0 {
		c.list = n.each
	}
	t := emit(n)
	c.list = outer
	return t
}

// collection makes a group of nodes; where none has a condition it is ready text.
func (c *compiler) collection(nodes []node, g group, emit func(n *node) template) template {
	for i := range nodes {
		g.children = append(g.children, child{nodes[i].when, nodes[i].each, c.body(&nodes[i], emit)})
	}
	if len(nodes) == 0 {
		return template{ready(g.empty)}
	}
	if slices.ContainsFunc(nodes, func(n node) bool { return !n.always() }) {
		return template{{group: &g}}
	}
	t := template{ready(g.open)}
	for i := range g.children {
		if i > 0 {
			t = append(t, ready(g.sep))
		}
		t = append(t, g.children[i].body...)
	}
	return append(t, ready(g.close))
}

// json emits compact JSON; for parts of a Pod the context changes with the key.
func (c *compiler) json(at *field.Path, v any, ctx context) template {
	switch v := v.(type) {
	case map[string]any:
		g := group{open: "{", sep: ",", close: "}", empty: "{}"}
		return c.collection(c.members(at, v), g, func(n *node) template {
			return append(template{ready(jsonText(n.key) + ":")}, c.json(n.at, n.v, ctx.below(n.key))...)
		})
	case []any:
		g := group{open: "[", sep: ",", close: "]", empty: "[]"}
		return c.collection(c.items(at, v), g, func(n *node) template { return c.json(n.at, n.v, ctx) })
	}
	return c.scalar(at, v, ctx)
}

// scalar emits a JSON scalar, which YAML and TOML read alike.
func (c *compiler) scalar(at *field.Path, v any, ctx context) template {
	s, ok := v.(string)
	if !ok {
		return template{ready(jsonText(v))}
	}
	if ctx.numbers && c.wholeHole(s) {
		t := c.text(at, s, context{fixed: ctx.fixed})
		t.holes(func(h *hole) { h.number, h.at = true, at })
		return t
	}
	t := template{ready(`"`)}
	for _, p := range c.text(at, s, ctx) {
		if p.hole == nil {
			p = ready(escapeJSON(p.text))
		}
		t = append(t, p)
	}
	return append(t, ready(`"`))
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(b)
}

// yaml emits block YAML after "key:" or "-"; indent is that of the collection's members.
func (c *compiler) yaml(n *node, indent string, ctx context) template {
	switch v := n.v.(type) {
	case map[string]any:
		g := group{open: "\n", empty: " {}\n"}
		return c.collection(c.members(n.at, v), g, c.yamlMember(indent, ctx))
	case []any:
		g := group{open: "\n", empty: " []\n"}
		return c.collection(c.items(n.at, v), g, func(n *node) template {
			return append(template{ready(indent + "-")}, c.yaml(n, indent+"  ", ctx)...)
		})
	}
	t := append(template{ready(" ")}, c.scalar(n.at, n.v, ctx)...)
	return append(t, ready("\n"))
}

func (c *compiler) yamlMember(indent string, ctx context) func(n *node) template {
	return func(n *node) template {
		return append(template{ready(indent + yamlKey(n.key) + ":")}, c.yaml(n, indent+"  ", ctx)...)
	}
}

var plainKey = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_./-]*\z`)

func yamlKey(k string) string {
	switch strings.ToLower(k) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return jsonText(k)
	}
	if plainKey.MatchString(k) {
		return k
	}
	return jsonText(k)
}

// toml emits TOML: the scalars and lists of a table, then its tables.
func (c *compiler) toml(nodes []node, path string, ctx context) template {
	var values, tables template
	for i := range nodes {
		n := &nodes[i]
		g := group{children: []child{{n.when, n.each, nil}}}
		name := tomlKey(n.key)
		if path != "" {
			name = path + "." + name
		}
		switch v := n.v.(type) {
		case map[string]any:
			g.children[0].body = append(template{ready("\n[" + name + "]\n")}, c.toml(c.members(n.at, v), name, ctx)...)
			tables = append(tables, part{group: &g})
		case []any:
			if !anyTable(v) {
				values = append(values, c.tomlLine(n, ctx)...)
				continue
			}
			tables = append(tables, c.tomlTables(n, v, name, ctx)...)
		default:
			values = append(values, c.tomlLine(n, ctx)...)
		}
	}
	return append(values, tables...)
}

func (c *compiler) tomlLine(n *node, ctx context) template {
	c.noNull(n.at, n.v)
	return append(append(template{ready(tomlKey(n.key) + " = ")}, c.json(n.at, n.v, ctx)...), ready("\n"))
}

func (c *compiler) noNull(at *field.Path, v any) {
	list, _ := v.([]any)
	for i := range list {
		c.noNull(at.Index(i), list[i])
	}
	if v == nil {
		c.errs = append(c.errs, field.Required(at, "TOML has no null"))
	}
}

func (c *compiler) tomlTables(n *node, list []any, name string, ctx context) template {
	return c.collection(c.items(n.at, list), group{}, func(n *node) template {
		table, ok := n.v.(map[string]any)
		if !ok {
			c.bad(n.at, n.v, "a TOML list holds scalars or tables, not both")
			return nil
		}
		return append(template{ready("\n[[" + name + "]]\n")}, c.toml(c.members(n.at, table), name, ctx)...)
	})
}

// anyTable reports whether a list holds tables, not counting those that only repeat a scalar.
func anyTable(list []any) bool {
	return slices.ContainsFunc(list, func(v any) bool {
		m, ok := v.(map[string]any)
		_, repeatsScalar := m[keyItem]
		return ok && !repeatsScalar
	})
}

var bareKey = regexp.MustCompile(`\A[A-Za-z0-9_-]+\z`)

func tomlKey(k string) string {
	if bareKey.MatchString(k) {
		return k
	}
	return jsonText(k)
}
