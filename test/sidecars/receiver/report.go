package receiver

import (
	"maps"
	"slices"
)

// Report is what became of one Pod's lines, which are numbered from 1.
type Report struct {
	Lines      int   // that arrived, each counted once
	Missing    int   // numbers below the highest that did not
	Twice      int   // arrivals of a line that had arrived before
	Disordered int   // first arrivals after a later line of the same file
	Highest    int64 // number
	Files      int
	Last       Record
}

// Reports tells of every Pod, by its name.
func (r *Receiver) Reports() map[string]Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]Report{}
	for name, s := range r.streams {
		out[name] = judge(s.arrivals)
		report := out[name]
		report.Last = s.last
		out[name] = report
	}
	return out
}

// Requests counts those that were sent, in vain or not.
func (r *Receiver) Requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests
}

// judge finds the files by the places of their lines: a line at the place 0 begins one, whatever its name has become.
func judge(arrivals []arrival) Report {
	place := map[int64]int64{}
	for _, a := range arrivals {
		place[a.line] = a.offset
	}
	report := Report{Lines: len(place), Twice: len(arrivals) - len(place)}
	file := make(map[int64]int, len(place))
	for _, line := range slices.Sorted(maps.Keys(place)) {
		if place[line] == 0 {
			report.Files++
		}
		file[line], report.Highest = report.Files, line
	}
	report.Missing = int(report.Highest) - report.Lines
	seen, latest := map[int64]bool{}, map[int]int64{}
	for _, a := range arrivals {
		if seen[a.line] {
			continue
		}
		seen[a.line] = true
		if f := file[a.line]; a.line < latest[f] {
			report.Disordered++
		} else {
			latest[f] = a.line
		}
	}
	return report
}
