package e2e

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/e2e-framework/pkg/envconf"
	"sigs.k8s.io/e2e-framework/pkg/features"
)

// TestS08DebugSeesTheApp looks at the app's process and socket with real tools, and is refused where Pod Security forbids it.
func TestS08DebugSeesTheApp(t *testing.T) {
	row(t, "S08-debug.yaml", nil, func(s *scene) {
		pod := &s.ready("", 1, "debug")[0]
		var app string
		for line := range strings.Lines(s.exec(pod, "debug", "ps", "-eo", "pid,args")) {
			if pid, args, _ := strings.Cut(strings.TrimSpace(line), " "); strings.HasPrefix(strings.TrimSpace(args), "/app ") {
				app = pid
			}
		}
		if app == "" {
			s.Fatal("ps does not show the app")
		}
		if sockets := s.exec(pod, "debug", "ss", "-tlnp"); !strings.Contains(sockets, "127.0.0.1:8080") || !strings.Contains(sockets, "pid="+app+",") {
			s.Errorf("ss does not show whose socket 127.0.0.1:8080 is:\n%s", sockets)
		}
		traced := s.exec(pod, "debug", "sh", "-c", "timeout -s INT 2 strace -f -p "+app+" 2>&1; true")
		if !strings.Contains(traced, "attached") {
			s.Errorf("strace does not attach to the app:\n%s", traced)
		}
		if files := s.exec(pod, "debug", "ls", "/proc/"+app+"/root/var/log/app", "/proc/"+app+"/fd"); files == "" {
			s.Error("the app's files are not to be seen")
		}
	})
}

// bare runs steps in a Namespace of its own with nothing in it.
func bare(t *testing.T, namespace string, labels map[string]string, steps func(s *scene)) {
	t.Helper()
	feature := features.New("bare").Assess(namespace, func(ctx context.Context, t *testing.T, cfg *envconf.Config) context.Context {
		s := &scene{T: t, ctx: ctx, namespace: namespace, client: cfg.Client().Resources()}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: labels}}
		s.must(s.client.Create(ctx, ns))
		t.Cleanup(func() { _ = s.client.Delete(context.Background(), ns) }) // the bed ends anyway
		steps(s)
		return ctx
	}).Feature()
	bed.Test(t, feature)
}

// TestS08DebugIsRefusedByPodSecurity asks for it where the level is restricted, and where it is baseline.
func TestS08DebugIsRefusedByPodSecurity(t *testing.T) {
	for _, level := range []string{"restricted", "baseline"} {
		bare(t, "s08-"+level, map[string]string{"pod-security.kubernetes.io/enforce": level}, func(s *scene) {
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: s.namespace, Annotations: map[string]string{"pillion.dev/inject": "debug"}},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "localhost/app:v1"}}}}
			want := "sidecar debug needs Pod Security level privileged, but Namespace " + s.namespace + " enforces " + level
			if err := s.client.Create(s.ctx, pod); err == nil || !strings.Contains(err.Error(), want) {
				s.Errorf("error %v, want %q", err, want)
			}
		})
	}
}
