package sidecars_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// request sets annotations that ask for sidecars, on the Pod or its Namespace.
func (g *podGen) request(pod tree) sidecars.Namespace {
	ns := sidecars.Namespace{Name: "shop"}
	asks := tree{}
	names := g.someEntries()
	asks[v1alpha1.AnnotationInject] = strings.Join(names, one(g.t, ",", ", ", " ,"))
	for _, name := range names {
		if e := g.catalog.Entry("", name); e != nil {
			g.settings(e, asks)
		}
	}
	if g.chance(5) {
		asks[v1alpha1.AnnotationFailurePolicy] = one(g.t, "Ignore", "Fail", "ignore")
	}
	meta, _ := pod["metadata"].(tree)
	annotations, _ := g.texts("note", "kubernetes.io/psp", "a/b~c").(tree)
	if g.chance(20) {
		ns = g.namespace(asks, names)
		asks = tree{}
	}
	if annotations == nil && len(asks) == 0 && g.chance(50) {
		meta["annotations"] = nil
		return ns
	}
	if annotations == nil {
		annotations = tree{}
	}
	for k, v := range asks {
		annotations[k] = v
	}
	if g.chance(20) {
		annotations[v1alpha1.AnnotationSafeToEvict] = one(g.t, "data-0", "data-0,cache-0", "a, b")
	}
	meta["annotations"] = annotations
	if g.chance(30) {
		ns.Labels = map[string]string{"team": "keepers", "pod-security.kubernetes.io/enforce": one(g.t, "baseline", "restricted", "privileged", "x")}
	}
	return ns
}

// namespace asks by the Namespace's annotations.
func (g *podGen) namespace(asks tree, _ []string) sidecars.Namespace {
	ns := sidecars.Namespace{Name: "shop", Annotations: map[string]string{}}
	for k, v := range asks {
		ns.Annotations[k], _ = v.(string)
	}
	ns.Labels = map[string]string{v1alpha1.LabelInjection: one(g.t, "enabled", "enabled", "required", "x"), "team": "keepers"}
	return ns
}

// someEntries draws entries that can mostly be on one Pod.
func (g *podGen) someEntries() []string {
	all := g.catalog.Names("")
	var names []string
	for range g.number(1, 3) {
		name := all[rapid.IntRange(0, len(all)-1).Draw(g.t, "entry")]
		if !slices.Contains(names, name) || g.chance(3) {
			names = append(names, name)
		}
	}
	if g.chance(2) {
		names = append(names, one(g.t, "shiper", "no such", "false", "Proxy"))
	}
	return names
}

// settings draws the parameters of an entry.
func (g *podGen) settings(e *sidecars.Entry, asks tree) {
	for _, name := range slices.Sorted(maps.Keys(e.Spec.Parameters)) {
		p := e.Spec.Parameters[name]
		percent := 20
		if p.Required {
			percent = 98
		}
		if name == "upstream-port" {
			percent = 90
		}
		if g.chance(percent) {
			asks[v1alpha1.Prefix+e.Name+"."+name] = g.setting(name, &p)
		}
	}
	if g.chance(2) {
		asks[v1alpha1.Prefix+e.Name+"."+one(g.t, "no-such", "image", "endpont")] = "x"
	}
}

func (g *podGen) setting(name string, p *v1alpha1.Parameter) string {
	if g.chance(2) {
		return one(g.t, "", "not it", "-1", "\n", "é", "/a b", "0", "$(X)", strings.Repeat("a", 300))
	}
	if slices.Contains([]string{"container", "containers", "target"}, name) {
		return g.containers[g.number(0, len(g.containers)-1)]
	}
	return g.valid(p)
}

// valid draws a value that meets the declaration.
func (g *podGen) valid(p *v1alpha1.Parameter) string {
	if p.Type == v1alpha1.TypeList {
		return g.validList(p)
	}
	if p.Enum != nil {
		return one(g.t, p.Enum...)
	}
	if p.Pattern != "" {
		longest := p.MaxLength
		if longest == 0 {
			longest = 253
		}
		return rapid.StringMatching(`\A(?:`+p.Pattern+`)\z`).Filter(func(s string) bool {
			return len(s) <= longest && inBounds(p, s)
		}).Draw(g.t, "matching")
	}
	switch p.Type {
	case v1alpha1.TypeInteger, v1alpha1.TypePort:
		from, to := bound(p.Minimum, 0), bound(p.Maximum, 1<<62)
		if p.Type == v1alpha1.TypePort {
			from, to = max(from, 1), min(to, 65535)
		}
		return strconv.FormatInt(rapid.Int64Range(from, to).Draw(g.t, "integer"), 10)
	case v1alpha1.TypeBoolean:
		return one(g.t, "true", "false")
	case v1alpha1.TypeQuantity:
		return within(g, p, "1", "100m", "250m", "64Mi", "100Mi", "1Gi", "2G")
	case v1alpha1.TypeDuration:
		return within(g, p, "1s", "500ms", "1m30s", "10s", "1h", "2m")
	case v1alpha1.TypePath:
		return one(g.t, "/var/log/app", "/srv/files", "/data/x", "/a", "/etc/app", "/var/log/app/sub")
	case v1alpha1.TypeURL:
		scheme := one(g.t, append(slices.Clone(p.Schemes), map[bool]string{true: "http", false: "https"}[p.Schemes == nil])...)
		if p.Schemes != nil {
			scheme = one(g.t, p.Schemes...)
		}
		return scheme + "://" + one(g.t, "a.example", "a.example:8080/b?c=$(X)", "[::1]:4318", "10.0.0.1/é")
	case v1alpha1.TypeSecretName, v1alpha1.TypeConfigMapName:
		return one(g.t, "a", "app-config.v1")
	}
	return one(g.t, "a", "$(TOKEN) $$ ${x}", `"; drop "\`, "- yaml: {a: [1]}", "é世", "'", "#", "%s {{ . }}")
}

func (g *podGen) validList(p *v1alpha1.Parameter) string {
	var items []string
	most := p.Items.MaxItems
	if most == 0 {
		most = 16
	}
	for range g.number(1, min(most, 3)) {
		if p.Items.Fields == nil {
			if v := g.valid(&v1alpha1.Parameter{Bounds: p.Items.Bounds}); !strings.ContainsAny(v, ",") && strings.TrimSpace(v) == v {
				items = append(items, v)
			}
			continue
		}
		var pairs []string
		for _, name := range slices.Sorted(maps.Keys(p.Items.Fields)) {
			f := v1alpha1.Parameter{Bounds: p.Items.Fields[name]}
			if v := g.valid(&f); (f.Required || g.chance(50)) && !strings.ContainsAny(v, ",;") {
				pairs = append(pairs, name+"="+v)
			}
		}
		items = append(items, strings.Join(pairs, ","))
	}
	return strings.Join(items, map[bool]string{true: ",", false: ";"}[p.Items.Fields == nil])
}

func bound(text string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return otherwise
}

// within draws one of the values that keep a parameter's bounds.
func within(g *podGen, p *v1alpha1.Parameter, values ...string) string {
	values = append(values, p.Minimum, p.Maximum)
	return one(g.t, slices.DeleteFunc(values, func(v string) bool { return v == "" || !inBounds(p, v) })...)
}

func inBounds(p *v1alpha1.Parameter, text string) bool {
	number := func(s string) float64 {
		if d, err := time.ParseDuration(s); err == nil && p.Type == v1alpha1.TypeDuration {
			return float64(d)
		}
		q, err := resource.ParseQuantity(s)
		if err != nil {
			return 0
		}
		return q.AsApproximateFloat64()
	}
	return (p.Minimum == "" || number(text) >= number(p.Minimum)) && (p.Maximum == "" || number(text) <= number(p.Maximum))
}
