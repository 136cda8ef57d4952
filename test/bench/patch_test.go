package bench

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
)

// TestBothWaysGiveOnePod shows that what is compared does the same work. Volumes and mounts are sets by name and path, which
// the usual way lets stand where they come cheapest; containers are lists, and in one order.
func TestBothWaysGiveOnePod(t *testing.T) {
	ours := pillion(catalog(t))
	for _, w := range works(t) {
		t.Run(w.pod+"/"+w.asks, func(t *testing.T) {
			p, u := both(t, w, ours)
			got, want := typed(t, patched(t, w.object, p.patch(t))), typed(t, patched(t, w.object, u.patch(t)))
			if diff := cmp.Diff(sorted(want), sorted(got), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Pod (-usual way +pillion):\n%s", diff)
			}
			if before := typed(t, w.object); len(got.Spec.Volumes) < len(before.Spec.Volumes)+2 {
				t.Errorf("the Pod has %d volumes and had %d: that is not what was asked for", len(got.Spec.Volumes), len(before.Spec.Volumes))
			}
		})
	}
}

func sorted(pod *corev1.Pod) *corev1.Pod {
	slices.SortFunc(pod.Spec.Volumes, func(a, b corev1.Volume) int { return strings.Compare(a.Name, b.Name) })
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			slices.SortFunc(list[i].VolumeMounts, func(a, b corev1.VolumeMount) int { return strings.Compare(a.MountPath, b.MountPath) })
		}
	}
	return pod
}

// frame is the most that an operation may take beside what it adds, in bytes.
const frame = 60

// TestThePatchIsLittleMoreThanWhatItAdds counts an operation's value as added and, where it adds a member to a map, the
// member's name with it.
func TestThePatchIsLittleMoreThanWhatItAdds(t *testing.T) {
	ours := pillion(catalog(t))
	for _, w := range works(t) {
		patch := (&call{handler: ours, review: w.review}).patch(t)
		var ops []struct {
			Op, Path string
			Value    json.RawMessage
		}
		if err := json.Unmarshal(patch, &ops); err != nil {
			t.Fatal(err)
		}
		added := 0
		for _, op := range ops {
			if op.Op != "add" {
				t.Errorf("%s on the %s Pod: %s %s, want additions only", w.asks, w.pod, op.Op, op.Path)
			}
			added += len(op.Value)
			name := op.Path[strings.LastIndex(op.Path, "/")+1:]
			if _, err := strconv.Atoi(name); err != nil && name != "-" {
				added += len(name)
			}
		}
		rest := len(patch) - added
		t.Logf("%s on the %s Pod: %d bytes, of which %d for %d operations", w.asks, w.pod, len(patch), rest, len(ops))
		if rest > frame*len(ops) {
			t.Errorf("%s on the %s Pod: %d operations take %d bytes beside what they add, want at most %d each", w.asks, w.pod, len(ops), rest, frame)
		}
	}
}
