package certs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pillion-dev/pillion/certs"
	"github.com/pillion-dev/pillion/controller"
)

// shifted is an API server whose clock was set: its answers are dated otherwise.
type shifted struct{ by time.Duration }

func (s *shifted) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err == nil {
			date, bad := http.ParseTime(res.Header.Get("Date"))
			if bad != nil {
				return nil, bad
			}
			res.Header.Set("Date", date.Add(s.by).UTC().Format(http.TimeFormat))
		}
		return res, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// certificates runs the loop in this process, under another clock.
func (s *stage) certificates(clock *shifted, log *bytes.Buffer) *controller.Certificates {
	s.t.Helper()
	config := adminConfig(s.t)
	config.Wrap(clock.wrap)
	c, err := controller.NewCertificates(config, controller.CertificateOptions{
		Namespace: s.name, Authority: s.name + "-authority", Serving: map[string]string{s.name + "-serving": "localhost"},
		Mutating: []string{s.name}, Lifetimes: certs.DefaultLifetimes(),
	}, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// bundle reads the caBundle of the webhook's configuration.
func (s *stage) bundle() []byte {
	s.t.Helper()
	var o struct {
		Webhooks []struct{ ClientConfig struct{ CABundle []byte } }
	}
	do(s.t, http.MethodGet, "/apis/admissionregistration.k8s.io/v1/"+mutating+"/"+s.name, nil, &o)
	return o.Webhooks[0].ClientConfig.CABundle
}

// A clock that goes 400 days to and fro leaves certificates that have expired, and others that are not valid yet, the CA among
// them. Each time one round makes them good, and when the clock is right again so are the reviews.
func TestClockJumpsAreHealedInOneRound(t *testing.T) {
	s := newStage(t, "clock", "certs.mode=selfManaged")
	s.startWebhook()
	s.register()
	s.mount(s.name+"-serving", s.webhookDir, 0)
	clock, log := new(shifted), new(bytes.Buffer)
	c := s.certificates(clock, log)
	heal := func(t *testing.T, by time.Duration, was string) {
		t.Helper()
		clock.by = by
		now := time.Now().Add(by)
		old, err := s.secret(s.name + "-serving")
		if err != nil {
			t.Fatal(err)
		}
		if was != "" {
			if err := old.Serves(s.bundle(), "localhost", now); err == nil || !strings.Contains(err.Error(), was) {
				t.Errorf("before: %v, want %q", err, was)
			}
		}
		if _, err := c.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		files, err := s.secret(s.name + "-serving")
		if err == nil {
			err = files.Serves(s.bundle(), "localhost", now)
		}
		if err != nil {
			t.Errorf("after: %v", err)
		}
	}
	heal(t, 0, "")
	await(t, "reviews are answered", s.review)

	const day = 24 * time.Hour
	const invalid = "certificate has expired or is not yet valid"
	for _, jump := range []struct {
		by   time.Duration
		says string
	}{
		{400 * day, "two thirds of its time, or more, are over"},
		{0, "it is not valid before "},
		{-400 * day, "so the clock was ahead when it was made"},
		{400 * day, "two thirds of its time, or more, are over"},
	} {
		t.Run(fmt.Sprintf("to %d days", jump.by/day), func(t *testing.T) {
			log.Reset()
			heal(t, jump.by, invalid)
			if !strings.Contains(log.String(), jump.says) {
				t.Errorf("no %q in the log: %s", jump.says, log)
			}
		})
	}
	for n := range 30 {
		heal(t, time.Duration(400*(n%3-1))*day, "")
	}
	if n := bytes.Count(s.bundle(), []byte("BEGIN CERTIFICATE")); n > 9 {
		t.Errorf("%d CAs are trusted after 30 jumps", n)
	}
	heal(t, 0, "")
	await(t, "reviews are answered again", s.review)
	awaitReady(t, s.webhook, true)
	if err := s.handshake(mutating)(); err != nil {
		t.Error(err)
	}
}

// Two loops at once, each of which thinks that it is the only one, do not get in each other's way.
func TestTwoLoopsAtOnceConverge(t *testing.T) {
	s := newStage(t, "two", "certs.mode=selfManaged")
	s.startWebhook()
	s.register()
	s.mount(s.name+"-serving", s.webhookDir, 0)
	clock := new(shifted)
	loops := []*controller.Certificates{s.certificates(clock, new(bytes.Buffer)), s.certificates(clock, new(bytes.Buffer))}
	const rounds = 10
	errs := make(chan error, len(loops))
	for _, c := range loops {
		go func() {
			var last error
			for range rounds {
				_, last = c.Round(t.Context()) // conflicts are tried again
			}
			errs <- last
		}()
	}
	if err := errors.Join(<-errs, <-errs); err != nil {
		t.Error(err)
	}
	before := s.bundle()
	if n := bytes.Count(before, []byte("BEGIN CERTIFICATE")); n != 1 {
		t.Errorf("%d CAs: the loops replaced each other's", n)
	}
	await(t, "reviews are answered", s.review)
	for _, c := range loops {
		if _, err := c.Round(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if !bytes.Equal(before, s.bundle()) {
		t.Error("a round in order changed something")
	}
}
