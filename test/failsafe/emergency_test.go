package failsafe

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var shell = regexp.MustCompile("(?s)```sh\n(.*?)```")

// page gives the commands of docs/emergency.md, in their order.
func page(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/emergency.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range shell.FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) != 4 {
		t.Fatalf("there are %d commands: stop, come back, find Pods, find Namespaces", len(out))
	}
	return out
}

// TestEmergency does what docs/emergency.md says, with its own commands, while nobody answers for the webhook.
func TestEmergency(t *testing.T) {
	b := use(t)
	b.killAll()
	b.call(t, byService(b.service.port(), b.ca.Cert))
	b.down(t)
	required := b.namespace(t, "emergency-required", map[string]string{label: "required"}, nil)
	space := b.namespace(t, "emergency", nil, nil)
	do := func(command string) string {
		t.Helper()
		out, err := b.run(t.Context(), "bash", "-euo", "pipefail", "-c", command)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	commands := page(t)
	stop, back, pods, namespaces := commands[0], commands[1], commands[2], commands[3]

	do(stop)
	began := time.Now()
	for name, annotations := range map[string]map[string]string{space: asking(), required: nil} {
		await(t, "nothing is refused", func() error {
			p, err := b.create(t.Context(), name, pod(annotations), true)
			if err == nil && injected(p) {
				err = errors.New("it is injected")
			}
			return err
		})
	}
	t.Logf("stopped after %.1f s", time.Since(began).Seconds())
	bare := pod(asking())
	bare.Name = "bare"
	for _, p := range []string{space, required} {
		if _, err := b.create(t.Context(), p, bare, false); err != nil {
			t.Fatal(err)
		}
	}
	plain := pod(nil)
	plain.Name = "plain"
	if _, err := b.create(t.Context(), space, plain, false); err != nil {
		t.Fatal(err)
	}
	do(stop) // again: who is in a hurry does things twice

	do(back)
	b.call(t, byService(b.service.port(), b.ca.Cert)) // the bed's Service has another port than the chart's
	b.down(t)
	await(t, "the webhook must answer", func() error {
		if _, err := b.create(t.Context(), required, pod(nil), true); err == nil || !strings.Contains(err.Error(), wantsWebhook) {
			return errors.New(fmt.Sprint("it gets ", err))
		}
		return nil
	})
	r := b.replica(t, b.ca)
	defer r.Stop()
	b.inForce(t)

	found := do(pods)
	for _, name := range []string{space, required} {
		if !regexp.MustCompile(`(?m)^` + name + ` +bare +rider$`).MatchString(found) {
			t.Errorf("%s is not found:\n%s", name, found)
		}
	}
	if strings.Contains(found, "plain") {
		t.Errorf("too much is found:\n%s", found)
	}
	if got := do(namespaces); !strings.Contains(got, required) || strings.Contains(got, space+" ") {
		t.Errorf("Namespaces:\n%s", got)
	}
	// helm still knows its release: what it would change now, it may.
	if _, err := b.run(t.Context(), b.helm, "upgrade", "pillion", chartDir, "--namespace", system, "--reuse-values", "--dry-run=server"); err != nil {
		t.Error(err)
	}
}
