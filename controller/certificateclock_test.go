package controller

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestServerClockTellsTheTimeOfTheAPIServer(t *testing.T) {
	date := "Mon, 01 Jun 2026 12:00:00 GMT"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", date)
	}))
	defer server.Close()
	clock := new(serverClock)
	if off := time.Until(clock.now()).Abs(); off > time.Hour {
		t.Errorf("before any answer it is %s off this machine's clock", off)
	}
	client := &http.Client{Transport: clock.wrap(http.DefaultTransport)}
	ask := func() {
		t.Helper()
		res, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	ask()
	want := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	if got := clock.now(); got.Before(want) || got.After(want.Add(time.Hour)) {
		t.Errorf("got %s, want %s", got, want)
	}
	date = "yesterday" // what cannot be read changes nothing
	ask()
	if got := clock.now(); got.Before(want) || got.After(want.Add(time.Hour)) {
		t.Errorf("after a bad date: %s", got)
	}
	date = "Fri, 01 Jun 2029 12:00:00 GMT"
	ask()
	if got := clock.now(); got.Year() != 2029 {
		t.Errorf("after a jump: %s", got)
	}
}
