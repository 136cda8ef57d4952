package logs

import (
	"os"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/test/sidecars/receiver"
)

// outage is how long the endpoint fails.
func outage() time.Duration {
	if os.Getenv("PILLION_PROVE") == "" {
		return 3 * time.Second
	}
	return 30 * time.Second
}

// TestEveryLineOnceInOrder writes across rotations, an outage of the endpoint and a restart of the shipper, and ends as a Pod
// does: the app writes its last line, then the shipper is told to stop.
func TestEveryLineOnceInOrder(t *testing.T) {
	for _, c := range []struct {
		name   string
		rotate func(a *app, r *receiver.Receiver, generation int)
	}{
		{"rename", func(a *app, _ *receiver.Receiver, generation int) { a.rename(generation) }},
		// No reader can tell that a file was truncated and written again between two of its reads: a truncated file must have
		// been read to its end.
		{"copy and truncate", func(a *app, r *receiver.Receiver, generation int) {
			arrived(a.t, r, a.next-1)
			a.copyAndTruncate(generation)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, endpoint := serve(t)
			s := newShipper(t, endpoint, nil)
			s.start()
			a, n := newApp(s), lines(100_000)
			for generation := range 10 {
				for range 10 {
					a.write(n / 100)
					time.Sleep(20 * time.Millisecond)
				}
				switch generation {
				case 3:
					r.Fail(outage())
				case 7:
					s.stop()
					s.start()
				}
				if generation < 9 {
					c.rotate(a, r, generation+1)
				}
			}
			s.stop()
			exactlyOnce(t, r.Reports()["shop-0"], n, 10)
		})
	}
}

func exactlyOnce(t *testing.T, got receiver.Report, lines, files int) {
	t.Helper()
	last := got.Last
	got.Last = receiver.Record{}
	if want := (receiver.Report{Lines: lines, Highest: int64(lines), Files: files}); got.Lines != want.Lines || got.Missing != 0 ||
		got.Twice != 0 || got.Disordered != 0 || got.Highest != want.Highest || got.Files != files {
		t.Errorf("arrived %+v, want %+v; the last is %q", got, want, last.Body)
	}
}

// TestNoLineLostByAKill kills the shipper again and again while the app writes. What is between two writes to disk comes twice:
// nothing may be missing.
func TestNoLineLostByAKill(t *testing.T) {
	t.Parallel()
	r, endpoint := serve(t)
	s := newShipper(t, endpoint, nil)
	a := newApp(s)
	for round := range 10 {
		s.start()
		for end := (round + 1) * lines(100_000) / 10; a.next <= end; {
			a.write(1 + a.next%53) // not what the collector reads at a time
			time.Sleep(10 * time.Millisecond)
		}
		if round%2 == 0 {
			r.Fail(300 * time.Millisecond)
		}
		s.kill()
	}
	s.start()
	n := a.next - 1
	arrived(t, r, n)
	s.stop()
	got := r.Reports()["shop-0"]
	t.Logf("%d lines, 10 kills: %d came twice, %d after a later one", got.Lines, got.Twice, got.Disordered)
	if got.Lines != n || got.Missing != 0 {
		t.Errorf("%d of %d lines arrived, %d are missing", got.Lines, n, got.Missing)
	}
}

// TestTheLastLineArrives ends a shipper whose app wrote its last line a moment ago, while the endpoint does not answer.
func TestTheLastLineArrives(t *testing.T) {
	t.Parallel()
	r, endpoint := serve(t)
	s := newShipper(t, endpoint, nil)
	s.start()
	a := newApp(s)
	r.Fail(3 * time.Second)
	a.write(1000)
	if _, err := a.file.WriteString("line=1001 without an end"); err != nil {
		t.Fatal(err)
	}
	s.stop()
	exactlyOnce(t, r.Reports()["shop-0"], 1001, 1)
}

// TestAnAppThatGoesOnWriting restarts the shipper under an app that does not stop: it is not waited for without end.
func TestAnAppThatGoesOnWriting(t *testing.T) {
	t.Parallel()
	r, endpoint := serve(t)
	s := newShipper(t, endpoint, nil)
	s.start()
	a, stop, stopped := newApp(s), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
				a.write(5)
			}
		}
	}()
	began := time.Now()
	s.stop()
	t.Logf("the shipper stopped after %.1f s", time.Since(began).Seconds())
	s.start()
	close(stop)
	<-stopped
	s.stop()
	exactlyOnce(t, r.Reports()["shop-0"], a.next-1, 1)
}
