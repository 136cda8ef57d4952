package bench

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"testing"
)

// mostAllocations is the most that one small sidecar on the realistic Pod may take, those of making the request included.
const mostAllocations = 100

func TestOneSmallSidecarTakesFewAllocations(t *testing.T) {
	c := &call{handler: pillion(catalog(t)), review: workOf(t, realPod, oneSmall).review}
	if got, _ := allocated(c); got > mostAllocations {
		t.Errorf("%d allocations, want at most %d", got, mostAllocations)
	}
}

// TestAllocationsAreLinearInAppContainers doubles the app's containers again and again. What one more of them takes is the
// same every time, or a little less: lists grow by doubling, which is dearest at first.
func TestAllocationsAreLinearInAppContainers(t *testing.T) {
	ours := pillion(catalog(t))
	review := readReview(t, realPod)
	for _, what := range []string{oneSmall, fourBuiltin} {
		count := func(containers int) uint64 {
			c := &call{handler: ours, review: newWork(t, realPod, what, withContainers(t, review, containers)).review}
			c.patch(t)
			n, _ := allocated(c)
			return n
		}
		one, last := count(1), count(2)
		first := float64(last - one)
		steps := []float64{first}
		for n := 4; n <= 16; n *= 2 {
			now := count(n)
			step := float64(now-last) / float64(n/2)
			steps, last = append(steps, step), now
			if step > first {
				t.Errorf("%s: beyond %d app containers one more takes %.2f allocations, beyond one it takes %.0f", what, n/2, step, first)
			}
		}
		t.Logf("%s: %d allocations with one app container; each more, up to 2, 4, 8, 16: %.2f", what, one, steps)
	}
}

// withContainers gives a review whose Pod has that many containers, all alike but for the name.
func withContainers(t testing.TB, review []byte, n int) []byte {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(review, &tree); err != nil {
		t.Fatal(err)
	}
	spec := tree["request"].(map[string]any)["object"].(map[string]any)["spec"].(map[string]any)
	worker := spec["containers"].([]any)[1].(map[string]any)
	list := make([]any, n)
	for i := range list {
		ctr := maps.Clone(worker)
		ctr["name"] = fmt.Sprintf("worker-%d", i)
		list[i] = ctr
	}
	spec["containers"] = list
	out, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// allocated gives the allocations of a call, and their bytes.
func allocated(c *call) (count, size uint64) {
	const runs = 100
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	c.do()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		c.do()
	}
	runtime.ReadMemStats(&after)
	return (after.Mallocs - before.Mallocs) / runs, (after.TotalAlloc - before.TotalAlloc) / runs
}
