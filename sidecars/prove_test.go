package sidecars

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// exhaustively proves an entry as a whole at every set of values, which Prove does piece by piece.
func exhaustively(e *Entry) field.ErrorList {
	pr := newProof(e)
	pr.vary(pr.all(), func(values []value) {
		before := len(pr.errs)
		pr.eachTemplate(values, func(t template) { pr.unset(t, values) })
		if len(pr.errs) > before || pr.lacksNumber(values) {
			return
		}
		if p, _, err := e.planAt(values); err == nil && len(p.errs) == 0 {
			pr.whole(p)
		}
		pr.at(values)
	})
	return sortErrors(pr.errs)
}

// eachTemplate visits what is decoded.
func (e *Entry) eachTemplate(values []value, visit func(template)) {
	for i := range e.containers {
		if c := &e.containers[i]; c.when.holds(values) {
			visit(c.head)
			visit(c.resources)
		}
	}
	for i := range e.volumes {
		if e.volumes[i].when.holds(values) {
			visit(e.volumes[i].body)
		}
	}
	for i := range e.files {
		if e.files[i].when.holds(values) {
			visit(e.files[i].content)
		}
	}
}

func (e *Entry) planAt(values []value) (*plan, []byte, error) {
	object := e.proofPod(values)
	pod, err := ReadPod(object)
	if err != nil {
		return nil, nil, err
	}
	return e.planOn(pod, &Namespace{}, values), object, nil
}

// whole decodes all that a plan adds.
func (pr *proof) whole(p *plan) {
	for _, c := range p.containers {
		pr.fail(partErrors(pr.containerPath(c.name), c.json, newContainer)...)
	}
	for _, v := range p.volumes {
		pr.fail(partErrors(pr.volumePath(v.name), v.json, newVolume)...)
	}
	for i := range pr.Spec.Files {
		f := &pr.Spec.Files[i]
		for _, a := range p.annotations {
			if a.name != pr.files[i].annotation {
				continue
			}
			if err := parses(f.Format, a.json); err != nil {
				pr.fail(field.Invalid(field.NewPath("spec", "files").Index(i), f.Name, err.Error()))
			}
		}
	}
}

// proofCases are entries in which something is wrong at some values only, or nothing is.
var proofCases = map[string]string{
	"nothing": `{parameters: {port: {type: port, default: 80}}, containers: [{name: e, image: a, ports: [{containerPort: $(params.port)}], LIMITS}]}`,
	"a number that is not given": `{parameters: {port: {type: port}, mode: {type: string, enum: [a, b], default: a}},
		containers: [{name: e, image: a, ports: [{$when: {mode: [b]}, containerPort: $(params.port)}], LIMITS}]}`,
	"a number in a file that is not given": `{parameters: {num: {type: integer}}, files: [{name: f, mountPath: /etc/f, format: json, data: {x: {z: $(params.num)}}}], containers: [{name: e, image: a, LIMITS}]}`,
	"ports that meet at a bound": `{parameters: {one: {type: port, default: 1080, minimum: "1024", maximum: "9000"}, two: {type: port, default: 9000}},
		containers: [{name: e, image: a, ports: [{containerPort: $(params.two)}], LIMITS}, {name: e-b, image: b, ports: [{containerPort: $(params.one)}], LIMITS}]}`,
	"ports that meet under a condition": `{parameters: {mode: {type: string, enum: [one, two], default: one}, port: {type: port, default: 80}},
		containers: [{name: e, image: a, ports: [{containerPort: $(params.port)}], LIMITS}, {name: e-b, image: b, when: {mode: [two]}, ports: [{containerPort: 80}], LIMITS}]}`,
	"no quantity": `{parameters: {size: {type: string, pattern: "[a-z0-9]+", default: 1, example: big}, mode: {type: boolean, default: false}},
		volumes: [{name: e-v, when: {mode: [true]}, emptyDir: {sizeLimit: $(params.size)}}],
		containers: [{name: e, image: a, resources: {limits: {cpu: $(params.size), memory: 1Mi}}}]}`,
	"paths that meet": `{parameters: {dir: {type: path, default: /data, example: /other}}, volumes: [{name: e-v, emptyDir: {sizeLimit: 1Mi}}, {name: e-w, emptyDir: {sizeLimit: 1Mi}}],
		containers: [{name: e, image: a, LIMITS, volumeMounts: [{name: e-v, mountPath: $(params.dir)}, {name: e-w, mountPath: /other}]}]}`,
	"a path that is none": `{parameters: {dir: {type: string, pattern: "[a-z/]+", default: /data, example: data}}, volumes: [{name: e-v, emptyDir: {sizeLimit: 1Mi}, share: [{containers: ["*"], mountPath: $(params.dir)}]}],
		containers: [{name: e, image: a, LIMITS, volumeMounts: [{name: e-v, mountPath: $(params.dir)}]}]}`,
	"a subdirectory that is shared too": `{parameters: {dir: {type: path, default: /data}, list: {type: list, items: {type: string}, default: ["*"]}}, volumes: [{name: e-v, emptyDir: {sizeLimit: 1Mi}, share: [{containers: $(params.list), mountPath: /data}]},
		{name: e-w, emptyDir: {sizeLimit: 1Mi}, share: [{containers: $(params.list), mountPath: $(params.dir)}]}], containers: [{name: e, image: a, LIMITS}]}`,
	"a variable that is set twice": `{parameters: {more: {type: boolean, default: false}, v: {type: string, default: a}}, appEnv: [{name: V, value: a}, {name: V, value: $(params.v), when: {more: [true]}}],
		containers: [{name: e, image: a, LIMITS}]}`,
	"too many containers": `{parameters: {more: {type: boolean, default: false}}, containers: [{name: e, image: a, LIMITS}, {name: e-1, image: a, LIMITS}, {name: e-2, image: a, LIMITS},
		{name: e-3, image: a, LIMITS}, {name: e-4, image: a, LIMITS}, {name: e-5, image: a, LIMITS}, {name: e-6, image: a, LIMITS}, {name: e-7, image: a, LIMITS}, {name: e-8, when: {more: [true]}, image: a, LIMITS}]}`,
	"a file that is too long": `{parameters: {text: {type: string, maxLength: 4096}}, files: [{name: f, mountPath: /etc/f, format: toml, data: {x: LONG}}], containers: [{name: e, image: a, LIMITS}]}`,
	"texts of every kind": `{parameters: {text: {type: string}, url: {type: url}, list: {type: list, items: {fields: {a: {type: string}, b: {type: port, default: "1"}}}}, more: {type: boolean, default: false}},
		files: [{name: inyaml, mountPath: /etc/y, format: yaml, data: {t: $(params.text), l: [{$each: params.list, a: $(item.a), b: $(item.b)}], u: {$when: {more: [true]}, x: [$(params.url)]}}},
			{name: intoml, mountPath: /etc/t, format: toml, data: {t: $(params.text), z: {k: $(params.url)}, l: [{$each: params.list, a: $(item.a), b: $(item.b)}], u: {$when: {more: [true]}, x: [$(params.url)]}}},
			{name: injson, mountPath: /etc/j, format: json, data: {t: $(params.text), l: [{$each: params.list, a: $(item.a), b: $(item.b)}], u: {$when: {more: [true]}, x: [$(params.url)]}}}],
		containers: [{name: e, image: a, args: [$(params.text), "--{}[],\\\"=$(params.url),", {$each: params.list, $item: "$(item.a):$(item.b)"}], env: [{name: "X", value: "a,\"$(params.text)\""}], LIMITS}]}`,
}

// TestProveFindsWhatProvingTheWholeFinds compares the proof by pieces with that of the whole at every set of values.
func TestProveFindsWhatProvingTheWholeFinds(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat("$(params.text), ", 80), ", ")
	replace := strings.NewReplacer("LIMITS", "resources: {limits: {cpu: 10m, memory: 1Mi}}", "LONG", "["+long+"]", "\n", " ", "\t", "")
	found := 0
	for name, spec := range proofCases {
		t.Run(name, func(t *testing.T) {
			raw, err := yaml.YAMLToJSON([]byte("{apiVersion: pillion.dev/v1alpha1, kind: ClusterSidecar, metadata: {name: e}, spec: " + replace.Replace(spec) + "}"))
			if err != nil {
				t.Fatal(err)
			}
			e, errs := Parse(raw)
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			want, got := places(exhaustively(e)), places(e.Prove())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-whole +pieces)\n%s", diff)
			}
			if len(want) > 0 {
				found++
			}
		})
	}
	for _, e := range Builtin().All() {
		t.Run(e.Name, func(t *testing.T) {
			if want, got := places(exhaustively(e)), places(e.Prove()); want != nil || got != nil {
				t.Errorf("whole: %v, pieces: %v", want, got)
			}
		})
	}
	if found < 9 {
		t.Errorf("something is wrong with %d entries, want at least 9", found)
	}
}

// places gives where and what; the value is that of the first set of values, which need not be the same.
func places(errs field.ErrorList) []string {
	var out []string
	for _, e := range errs {
		out = append(out, e.Field+": "+e.Detail)
	}
	slices.Sort(out)
	return out
}

// TestProofIsOfFewSetsOfValues counts the texts and Pods that a proof looks at, beside those of the whole.
func TestProofIsOfFewSetsOfValues(t *testing.T) {
	for _, e := range Builtin().All() {
		whole := newProof(e)
		all, few := 0, 0
		whole.vary(whole.all(), func([]value) { all++ })
		pr := newProof(e)
		pr.vary(pr.structure(), func([]value) { few++ })
		if few*3 > all && few > 20 { // a small entry is soon looked at as a whole
			t.Errorf("%s: a Pod is planned at %d sets of values of %d", e.Name, few, all)
		}
		t.Logf("%s: %d sets of values, of which %d make a Pod", e.Name, all, few)
	}
}

// TestProveDoesNotChangeTheEntry proves one entry many times at once.
func TestProveDoesNotChangeTheEntry(t *testing.T) {
	e := Builtin().Entry("", "proxy")
	before := slices.Clone(e.params)
	done := make(chan field.ErrorList)
	for range 4 {
		go func() { done <- e.Prove() }()
	}
	for range 4 {
		if errs := <-done; len(errs) > 0 {
			t.Error(errs)
		}
	}
	for i := range before {
		if before[i].decides != e.params[i].decides || !slices.Equal(before[i].asked, e.params[i].asked) {
			t.Errorf("parameter %s is not what it was", before[i].name)
		}
	}
}

// TestMembersOf takes JSON apart.
func TestMembersOf(t *testing.T) {
	hole := part{hole: &hole{param: 0}}
	for _, c := range []struct {
		t    template
		want []string
	}{
		{template{ready(`{"name":"a"`)}, []string{`"name":"a"`}},
		{template{ready(`{"a":[1,2],"b":{"c":"}],{","d":1},"e":"\",\\"`)}, []string{`"a":[1,2]`, `"b":{"c":"}],{","d":1}`, `"e":"\",\\"`}},
		{template{ready(`{"a":"x,`), hole, ready(`,y","b":`), hole, ready(`,"c":["`), hole, ready(`"],"d":1`)}, []string{`"a":"x,<>,y"`, `"b":<>`, `"c":["<>"]`, `"d":1`}},
	} {
		var got []string
		for _, m := range membersOf(c.t) {
			got = append(got, string(m.fill(nil, []value{{text: "<>"}}, nil)))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Error(diff)
		}
	}
}
