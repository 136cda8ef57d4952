package bench

import (
	"testing"
)

func BenchmarkReview(b *testing.B) {
	ours := pillion(catalog(b))
	for _, w := range works(b) {
		pillions, usuals := both(b, w, ours)
		for name, c := range map[string]*call{"pillion": pillions, "usual": usuals} {
			b.Run(name+"/"+w.pod+"/"+w.asks, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c.do()
				}
			})
		}
	}
}
