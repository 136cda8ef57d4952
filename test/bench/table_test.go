package bench

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// Each way runs this often, once where tests are to be short, and for about this much CPU time, in turns, so that whatever
// else the machine does meets all of them alike.
const (
	rounds = 7
	turn   = 150 * time.Millisecond
)

// most is the most CPU time that Pillion may take: the usual way's by this.
var most = map[[2]string]float64{
	{realPod, oneSmall}:      20,
	{realPod, fourBuiltin}:   10,
	{simplePod, fourBuiltin}: 10,
}

// row is one way to answer one review, and what it takes.
type row struct {
	what string
	work *work
	*call
	cpu []time.Duration
	// usual is the row to compare with.
	usual *row
}

// TestTable prints what a review costs and holds Pillion to its limits beside the usual way.
func TestTable(t *testing.T) {
	turns := rounds
	if testing.Short() {
		turns = 1
	}
	ours := pillion(catalog(t))
	var table []*row
	for _, w := range works(t) {
		p, u := both(t, w, ours)
		usual := &row{what: "usual way", work: w, call: u}
		usual.usual = usual
		table = append(table, usual,
			&row{what: "pillion", work: w, call: p, usual: usual},
			&row{what: "nothing", work: w, call: &call{handler: nothing, review: w.review}, usual: usual})
	}
	for range turns {
		for _, r := range table {
			r.cpu = append(r.cpu, cpuOf(t, r.call, turn))
		}
	}
	t.Log("\n" + printed(t, table))
	for _, r := range table {
		limit := most[[2]string{r.work.pod, r.work.asks}]
		if got := r.times(); r.what == "pillion" && got < limit {
			t.Errorf("%s on the %s Pod: the usual way takes %.1f times the CPU time, want at least %.0f", r.work.asks, r.work.pod, got, limit)
		}
	}
}

// times is how many times a row's CPU time the usual way takes: the median over the rounds.
func (r *row) times() float64 {
	ratios := make([]float64, len(r.cpu))
	for i := range r.cpu {
		ratios[i] = float64(r.usual.cpu[i]) / float64(r.cpu[i])
	}
	return median(ratios)
}

func median[T float64 | time.Duration](list []T) T {
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

func printed(t testing.TB, table []*row) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "Pod\tasks for\tanswered by\tCPU µs\tof the usual way\tallocations\tbytes\tpatch bytes\t")
	for _, r := range table {
		allocs, size := allocated(r.call)
		patch := "-"
		if r.what != "nothing" {
			patch = fmt.Sprint(len(r.patch(t)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t1/%.1f\t%d\t%d\t%s\t\n", r.work.pod, r.work.asks, r.what,
			float64(median(r.cpu))/1000, r.times(), allocs, size, patch)
	}
	_ = w.Flush()
	return b.String()
}
