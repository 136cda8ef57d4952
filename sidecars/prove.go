package sidecars

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	jsonpatch "github.com/evanphx/json-patch/v5"
	gojsonpatch "gomodules.xyz/jsonpatch/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Prove injects the entry, alone, at default and boundary values: every container and volume decodes strictly, every file
// parses in its own language, and the patch applies. A patch that did not apply would block a Pod despite failurePolicy
// Ignore, so an entry that fails here must not be used. The errors have field paths in the entry's document.
//
// It is proved piece by piece: what a piece becomes depends on the parameters in its holes and conditions alone, so only those
// are varied for it (proofparts.go). What hangs together, which is the conditions of whole parts, the paths they are mounted
// at and the containers they are meant for, is planned on a Pod, as are values at which ports might meet. All parameters are
// varied at once only where the parts at their longest could exceed a ceiling.
func (e *Entry) Prove() field.ErrorList { return newProof(e).run() }

func (pr *proof) run() field.ErrorList {
	pr.pieces()
	pr.vary(pr.structure(), pr.at)
	pr.ports()
	if pr.mayExceed() {
		pr.vary(pr.all(), pr.at)
	}
	return sortErrors(pr.errs)
}

// proof is the proof of one entry.
type proof struct {
	*Entry
	// samples are the values of each parameter to prove it with.
	samples [][]value
	// base are the defaults, with required parameters at their first sample; full has all others at theirs as well.
	base, full []value
	errs       field.ErrorList

	// proved are parts' texts and patches' paths that are known to be good; pods the proof Pods by their JSON.
	proved map[string]bool
	pods   map[string]*Pod
	// buf is for texts that are looked at and not kept.
	buf []byte
	// The largest plan so far: bytes of additions and of annotations, containers of the app.
	additions, annotations, apps int
	// tooLarge are the ceilings that were told of.
	tooLarge []string
}

func newProof(e *Entry) *proof {
	pr := &proof{Entry: e, proved: map[string]bool{}, pods: map[string]*Pod{}, samples: make([][]value, len(e.params))}
	pr.base = e.defaults()
	for i := range e.params {
		pr.samples[i] = e.params[i].sampleValues()
		if e.params[i].decl.Required {
			pr.base[i] = firstOf(pr.samples[i])
		}
	}
	pr.full = slices.Clone(pr.base)
	for i := range e.params {
		if pr.full[i].empty() {
			pr.full[i] = firstOf(pr.samples[i])
		}
	}
	return pr
}

// fail keeps a mistake: at one place, one value is example enough, and so are some places.
func (pr *proof) fail(errs ...*field.Error) {
	const enough = 20
	for _, err := range errs {
		if len(pr.errs) < enough && !slices.ContainsFunc(pr.errs, func(o *field.Error) bool { return o.Field == err.Field && o.Detail == err.Detail }) {
			pr.errs = append(pr.errs, err)
		}
	}
}

// structure lists the parameters on which it depends what there is, and where.
func (pr *proof) structure() []int {
	u := pr.uses()
	for i := range pr.containers {
		u.condition(pr.containers[i].when)
		for _, m := range pr.containers[i].mounts {
			u.condition(m.when)
			u.template(m.mountPath, m.subPath)
		}
	}
	for i := range pr.volumes {
		u.condition(pr.volumes[i].when)
		for _, s := range pr.volumes[i].shares {
			u.condition(s.when)
			u.param(s.containers.param)
			u.template(s.mountPath)
		}
	}
	for i := range pr.files {
		u.condition(pr.files[i].when)
	}
	for i := range pr.env {
		u.condition(pr.env[i].when)
		u.param(pr.env[i].containers.param)
		if slices.ContainsFunc(pr.env[:i], func(o appEnv) bool { return o.name == pr.env[i].name }) {
			u.template(pr.env[i].value) // one variable twice: two values might differ
		}
	}
	u.template(pr.runAsOf)
	return u.list()
}

// at plans the entry at one set of values.
func (pr *proof) at(values []value) {
	if pr.lacksNumber(values) {
		return
	}
	for _, name := range pr.targetNames(values) {
		if pr.has(name) {
			return // no Pod has such a container and the entry
		}
	}
	object := pr.proofPod(values)
	pod, err := pr.readPod(object)
	if err != nil {
		pr.fail(field.InternalError(field.NewPath("spec"), err))
		return
	}
	p := pr.planOn(pod, &Namespace{}, values)
	pr.measure(p)
	if len(p.errs) > 0 {
		pr.refused(p, values)
		return
	}
	if len(pr.errs) == 0 { // a part that does not decode would make the whole fail
		pr.patchApplies(object, p.patch())
	}
}

// planOn plans the entry, alone.
func (e *Entry) planOn(pod *Pod, ns *Namespace, values []value) *plan {
	req := &request{pod: pod, ns: ns, names: []string{e.Name}, entries: []*Entry{e}, values: [][]value{values}, asksFrom: FromPod}
	p := newPlan(req, new(Workspace).buffer(req.entries))
	p.gather()
	return p
}

func (pr *proof) readPod(object []byte) (*Pod, error) {
	if pod := pr.pods[string(object)]; pod != nil {
		return pod, nil
	}
	pod, err := ReadPod(object)
	if err == nil {
		pr.pods[string(object)] = pod
	}
	return pod, err
}

// refused tells of a plan that cannot be. Of what is too large it says at which values, and once for every ceiling.
func (pr *proof) refused(p *plan, values []value) {
	for _, err := range p.errs {
		if err.Origin != string(TooLarge) {
			pr.fail(field.Invalid(field.NewPath("spec"), err.BadValue, "cannot be injected: "+err.Detail))
		}
	}
	exceeded := p.exceeded()
	for _, x := range exceeded {
		follows := x.list == "" && len(exceeded) > 1
		if follows || slices.Contains(pr.tooLarge, x.what) {
			continue
		}
		pr.tooLarge = append(pr.tooLarge, x.what)
		at := field.NewPath("spec")
		if x.list != "" {
			at = at.Child(x.list)
		}
		pr.fail(field.Forbidden(at, "cannot be injected: "+x.why+pr.settings(values)))
	}
}

// settings names the values that are not the defaults.
func (pr *proof) settings(values []value) string {
	var set []string
	for i := range values {
		if values[i].text != pr.base[i].text {
			set = append(set, pr.params[i].name+"="+quotedIfLong(values[i].text))
		}
	}
	if len(set) == 0 {
		return ""
	}
	return " (where " + strings.Join(set, ", ") + ")"
}

// patchApplies applies a patch, where none with the same paths was: with values that decode, it is the paths that count.
func (pr *proof) patchApplies(object []byte, ops []gojsonpatch.Operation) {
	pr.buf = append(append(pr.buf[:0], "patch of "...), object...)
	for i := range ops {
		pr.buf = append(append(pr.buf, ' '), ops[i].Path...)
	}
	if pr.proved[string(pr.buf)] {
		return
	}
	if err := applies(object, ops); err != nil {
		pr.fail(field.Invalid(field.NewPath("spec"), pr.Name, "its patch does not apply: "+err.Error()))
		return
	}
	pr.proved[string(pr.buf)] = true
}

// applies applies a patch and decodes the result strictly.
func applies(object []byte, ops []gojsonpatch.Operation) error {
	patch, err := jsonpatch.DecodePatch(AppendPatch(nil, ops))
	if err != nil {
		return err
	}
	after, err := patch.Apply(object)
	if err != nil {
		return err
	}
	return strictDecode(after, new(corev1.Pod))
}

// ports looks for values at which two containers of the entry might listen on one port, and plans it there.
func (pr *proof) ports() {
	u := pr.uses()
	some := false
	for i := range pr.containers {
		for _, port := range pr.containers[i].ports {
			some = true
			u.condition(pr.containers[i].when)
			u.condition(port.when)
			u.template(port.number)
		}
	}
	if !some {
		return
	}
	pr.vary(u.list(), func(values []value) {
		if pr.portsMayMeet(values) {
			pr.at(values)
		}
	})
}

func (pr *proof) portsMayMeet(values []value) bool {
	var taken []string
	for i := range pr.containers {
		for _, port := range pr.containers[i].ports {
			if !pr.containers[i].when.holds(values) || !port.when.holds(values) {
				continue
			}
			number := port.number.text(values)
			n, err := strconv.ParseInt(number, 10, 32)
			number = port.protocol + strconv.FormatInt(n, 10)
			if err != nil || slices.Contains(taken, number) {
				return true
			}
			taken = append(taken, number)
		}
	}
	return false
}

func (pr *proof) measure(p *plan) {
	pr.additions = max(pr.additions, len(p.buf))
	size := 0
	for _, a := range p.annotations {
		size += len(a.name) + len(a.json)
	}
	pr.annotations = max(pr.annotations, size)
	pr.apps = max(pr.apps, len(p.pod.Spec.Containers))
}

// mayExceed reports whether the longest of every part, beside the largest plan that was made, is more than a Pod may get.
func (pr *proof) mayExceed() bool {
	texts, files := 0, 0
	for i := range pr.containers {
		c := &pr.containers[i]
		texts += pr.longest(c.head, -1) + 2*pr.longest(c.resources, -1)
	}
	for i := range pr.volumes {
		texts += pr.longest(pr.volumes[i].body, -1)
	}
	for i := range pr.env {
		texts += pr.longest(pr.env[i].value, -1) * cmp.Or(pr.apps, 1)
	}
	for i := range pr.files {
		files += pr.longest(pr.files[i].content, -1)
	}
	return pr.additions+texts+files > MaxPatch || pr.annotations+files > MaxAnnotations
}
