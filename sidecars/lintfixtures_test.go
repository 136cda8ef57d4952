package sidecars

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestFixturesAreWhatTheySay holds the fixture Pods to what their names promise.
func TestFixturesAreWhatTheySay(t *testing.T) {
	want := map[string]func(p *plan, spec *corev1.PodSpec) bool{
		"simple": func(p *plan, spec *corev1.PodSpec) bool { return p.bestEffort && len(spec.Containers) == 1 },
		"several": func(_ *plan, spec *corev1.PodSpec) bool {
			return len(spec.Containers) > 1 && len(spec.InitContainers) > 1
		},
		"guaranteed":    func(p *plan, _ *corev1.PodSpec) bool { return p.guaranteed },
		"pod-resources": func(_ *plan, spec *corev1.PodSpec) bool { return spec.Resources != nil },
		"restricted":    func(p *plan, _ *corev1.PodSpec) bool { return p.req.ns.Labels != nil },
		"job":           func(_ *plan, spec *corev1.PodSpec) bool { return spec.RestartPolicy == corev1.RestartPolicyOnFailure },
		"host-network":  func(_ *plan, spec *corev1.PodSpec) bool { return spec.HostNetwork },
		"windows":       func(p *plan, _ *corev1.PodSpec) bool { return p.pod.windows() },
		"big":           func(_ *plan, spec *corev1.PodSpec) bool { return len(spec.Containers) >= 12 && len(spec.Volumes) >= 12 },
	}
	refused := map[string]bool{"host-network": true, "windows": true}
	e := Builtin().Entry("", "log-shipper")
	for _, f := range fixtures() {
		var pod corev1.Pod
		if err := strictDecode(f.object, &pod); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
		view, err := ReadPod(f.object)
		if err != nil {
			t.Fatal(err)
		}
		p := e.planOn(view, &f.ns, newProof(e).base)
		if check := want[f.name]; check == nil || !check(p, &pod.Spec) {
			t.Errorf("%s is not what its name says", f.name)
		}
		delete(want, f.name)
		if got := len(p.errs) > 0; got != refused[f.name] {
			t.Errorf("%s is refused: %t: %v", f.name, got, p.errs)
		}
		if f.ns.Labels != nil {
			if level, err := LevelOf(&pod.ObjectMeta, &pod.Spec); err != nil || string(level) != f.name {
				t.Errorf("%s meets level %s: %v", f.name, level, err)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("these are not there: %v", sortedKeys(want))
	}
}

// TestFixtureFindsWhatIsWrong spoils a plan, in each way that the fixtures look for.
func TestFixtureFindsWhatIsWrong(t *testing.T) {
	e := Builtin().Entry("", "adapter")
	for _, c := range []struct {
		fixture, want string
		spoil         func(p *plan)
	}{
		{"simple", "", func(*plan) {}},
		{"simple", "unknown field", func(p *plan) { p.containers[0].json = []byte(`{"name":"adapter","immage":"a"}`) }},
		{"simple", "cannot unmarshal", func(p *plan) { p.containers[0].json = []byte(`{"name":5}`) }},
		{"restricted", "its Pod Security level was restricted and is privileged", func(p *plan) {
			p.containers[0].json = []byte(`{"name":"adapter","securityContext":{"privileged":true}}`)
		}},
		{"several", "the result lacks what it had: .metadata.labels.app", func(p *plan) {
			p.pod.Metadata.Labels.Present = false
		}},
		{"big", "the result lacks what it had: .spec.volumes[0]", func(p *plan) { p.pod.Spec.Volumes = nil }},
	} {
		for _, f := range fixtures() {
			if f.name != c.fixture {
				continue
			}
			pod, err := ReadPod(f.object)
			if err != nil {
				t.Fatal(err)
			}
			p := e.planOn(pod, &f.ns, newProof(e).base)
			c.spoil(p)
			err = f.injected(p)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: want %q, got %v", c.fixture, c.want, err)
			}
		}
	}
}
