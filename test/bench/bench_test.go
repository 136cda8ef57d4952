package bench

import "testing"

func BenchmarkReview(b *testing.B) {
	ours := pillion(catalog(b))
	for _, w := range works(b) {
		p, u := both(b, w, ours)
		for _, way := range []struct {
			name string
			*call
		}{{"pillion", p}, {"usual way", u}} {
			b.Run(w.pod+"/"+w.asks+"/"+way.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					way.do()
				}
			})
		}
	}
}
