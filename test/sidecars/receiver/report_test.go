package receiver

import "testing"

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name     string
		arrivals []arrival
		want     Report
	}{
		{"nothing", nil, Report{}},
		{"all in order", []arrival{{1, 0}, {2, 10}, {3, 20}}, Report{Lines: 3, Highest: 3, Files: 1}},
		{"two files beside one another", []arrival{{3, 0}, {1, 0}, {4, 10}, {2, 10}}, Report{Lines: 4, Highest: 4, Files: 2}},
		{"one missing", []arrival{{1, 0}, {3, 20}}, Report{Lines: 2, Missing: 1, Highest: 3, Files: 1}},
		{"one twice, late", []arrival{{1, 0}, {2, 10}, {1, 0}}, Report{Lines: 2, Twice: 1, Highest: 2, Files: 1}},
		{"two exchanged", []arrival{{1, 0}, {3, 20}, {2, 10}}, Report{Lines: 3, Disordered: 1, Highest: 3, Files: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := judge(c.arrivals)
			if got.Lines != c.want.Lines || got.Missing != c.want.Missing || got.Twice != c.want.Twice ||
				got.Disordered != c.want.Disordered || got.Highest != c.want.Highest || got.Files != c.want.Files {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}
