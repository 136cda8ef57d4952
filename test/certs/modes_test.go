package certs

import (
	"bytes"
	"errors"
	"net/http"
	"syscall"
	"testing"

	"github.com/pillion-dev/pillion/test/serving"
)

// upgrade changes the mode as `helm upgrade` does, up to the programs: what the chart has now is applied, and then what it no
// longer has is deleted. The API server still calls the programs from before.
func (s *stage) upgrade(mode string) {
	s.t.Helper()
	before, is := s.objects, map[string]bool{}
	s.install("certs.mode=" + mode)
	s.register()
	for _, o := range s.objects {
		path, _ := pathOf(o)
		is[path] = true
	}
	for _, o := range before {
		if path, _ := pathOf(o); plurals[o["kind"].(string)] != "" && !is[path] {
			do(s.t, http.MethodDelete, path, nil, nil)
		}
	}
}

// rollOut starts the programs of the mode that the chart is in now, has the API server call them, and stops those from before.
func (s *stage) rollOut(work *load, secrets map[string]string) {
	s.t.Helper()
	webhook, controller := s.webhook, s.controller
	s.webhookDir, s.controllerDir = s.t.TempDir(), s.t.TempDir()
	for secret, dir := range map[string]string{secrets["webhook"]: s.webhookDir, secrets["controller"]: s.controllerDir} {
		if secret != "" {
			s.mount(secret, dir, 0)
		}
	}
	s.startController("--certs-settle=3s")
	s.startWebhook()
	awaitReady(s.t, s.webhook, true)
	awaitReady(s.t, s.controller.Webhook, true)
	work.more(s.t, 20) // to those from before
	s.register()
	work.more(s.t, 20) // to the new ones, or either
	for _, old := range []*serving.Webhook{webhook, controller.Webhook} {
		if err := old.Signal(syscall.SIGTERM); err != nil {
			s.t.Error(err)
		}
		await(s.t, "one from before has ended", func() error {
			select {
			case <-old.Done():
				return nil
			default:
				return errors.New("it runs")
			}
		})
	}
	work.more(s.t, 20)
}

// The mode is changed in an upgrade, there and back, and the CA's Secret is lost once. At no time is there a review lost: what the
// API server trusts always covers what is served, by the programs from before too.
func TestTheModeChangesWithoutALostReview(t *testing.T) {
	s := issuedStage(t, "modes")
	byCertManager := s.bundle()
	work := s.steady(t)
	work.more(t, 10)

	s.upgrade("selfManaged")
	s.rollOut(work, map[string]string{"webhook": s.name + "-serving"}) // the controller writes its own
	if bundle := s.bundle(); !bytes.Contains(bundle, bytes.TrimSpace(byCertManager)) || bytes.Equal(bundle, byCertManager) {
		t.Errorf("want both CAs to be trusted:\n%s", bundle)
	}

	own := s.bundle()
	do(t, http.MethodDelete, "/api/v1/namespaces/"+s.name+"/secrets/"+s.name+"-authority", nil, nil)
	s.install("certs.mode=selfManaged") // what the log says to do
	await(t, "another CA, beside the one that was lost", func() error {
		if bundle := s.bundle(); bytes.Equal(bundle, own) || !bytes.Contains(bundle, bytes.TrimSpace(own)) {
			return errors.New("not yet")
		}
		return s.inOrder()
	})
	work.more(t, 20)

	s.upgrade("certManager")
	s.rollOut(work, map[string]string{"webhook": s.name + "-tls", "controller": s.name + "-controller-tls"})
	work.end(t, 150)
}

// Whoever empties the CA's Secret wants another CA, and nobody else to be trusted.
func TestACAThatIsTakenAwayIsNotTrusted(t *testing.T) {
	s := newStage(t, "taken", "certs.mode=selfManaged")
	s.startWebhook()
	s.startController("--certs-settle=1s")
	s.register()
	s.mount(s.name+"-serving", s.webhookDir, 0)
	await(t, "reviews are answered", s.review)
	taken := s.bundle()
	do(t, http.MethodPatch, "/api/v1/namespaces/"+s.name+"/secrets/"+s.name+"-authority", map[string]any{"data": nil}, nil)
	await(t, "another CA alone", func() error {
		if bundle := s.bundle(); bytes.Contains(bundle, bytes.TrimSpace(taken)) || len(bundle) == 0 {
			return errors.New("not yet")
		}
		return errors.Join(s.inOrder(), s.handshake(mutating)(), s.review())
	})
}
