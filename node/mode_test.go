package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestTheModeIsShown asks a helper at work, of a new runtime, of an old one and of none, and looks at its metrics.
func TestTheModeIsShown(t *testing.T) {
	for _, c := range []struct {
		version string
		stopped bool
		mode    Mode
		says    string
	}{
		{"v2.4.2", false, ModeFull, "yes  mode             full: containerd v2.4.2 calls the helper"},
		{"v2.1.4", false, ModeOld, "no   mode             old: containerd v2.1.4 calls the helper, and cannot"},
		{"v2.4.2", true, ModeNone, "no   mode             none: no container runtime calls the helper"},
	} {
		t.Run(fmt.Sprint(c.version, c.mode), func(t *testing.T) {
			b := newBed(t, c.version)
			if c.stopped {
				b.stop()
			}
			b.await("the mode", func() error {
				if is := b.agent.Mode(); is != c.mode {
					return errors.New(string(is))
				}
				return nil
			})
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.agent.Answer(ctx, dir) }()
			var got Capabilities
			b.await("the helper answers", func() (err error) { got, err = AskCapabilities(t.Context(), dir); return err })
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			text := got.Text()
			// bad.one is no profile; the bed's others are.
			for _, want := range []string{c.says, "no   profiles         4 known: joiner.one, mesh.one, mesh.two, plain.one; written by the kubelet at 2", "; 1 files are no profiles"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, mode := range []Mode{ModeFull, ModeOld, ModeNone} {
				want := 0.0
				if mode == c.mode {
					want = 1
				}
				if v, ok := b.metric("pillion_node_mode", "mode", string(mode)); !ok || v != want {
					t.Errorf("metric of mode %s: %v", mode, v)
				}
			}
			if v, _ := b.metric("pillion_node_profiles", "state", "known"); v != 4 {
				t.Errorf("metric of profiles: %v", v)
			}
			if v, _ := b.metric("pillion_node_profiles_written_timestamp_seconds", "", ""); v != float64(b.agent.Profiles.AsOf().UnixMilli())/1000 || v == 0 {
				t.Errorf("metric of their time: %v", v)
			}
		})
	}
}
