package node

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Mode is what a node's runtime lets the helper do.
type Mode string

// The modes.
const (
	// ModeFull: all that there is.
	ModeFull Mode = "full"
	// ModeOld: the runtime cannot put a container into another's PID namespace.
	ModeOld Mode = "old"
	// ModeNone: no runtime calls the helper. Gates stay shut, and nothing else is done.
	ModeNone Mode = "none"
)

// Mode is that of now.
func (a *Agent) Mode() Mode {
	switch {
	case !a.connected.Load():
		return ModeNone
	case a.features.Load().Joins:
		return ModeFull
	}
	return ModeOld
}

// Capabilities are those that only a helper at work knows: what the runtime lets it do, and which profiles it has.
func (a *Agent) Capabilities() Capabilities {
	return Capabilities{a.modeCapability(), a.Profiles.capability(time.Now())}
}

func (a *Agent) modeCapability() Capability {
	f, mode := a.features.Load(), a.Mode()
	says := map[Mode]string{
		ModeFull: fmt.Sprintf("%s %s calls the helper, and can put a container into another's PID namespace", f.Runtime, f.Version),
		ModeOld: fmt.Sprintf("%s %s calls the helper, and cannot put a container into another's PID namespace, which takes containerd 2.2 or CRI-O 1.34: Pods that ask for that are refused here; redirects and cgroups go on",
			f.Runtime, f.Version),
		ModeNone: "no container runtime calls the helper: Pods that ask for a redirect wait at their gate; sidecars that need no helper are as ever",
	}
	return Capability{"mode", mode == ModeFull, string(mode) + ": " + says[mode]}
}

// capability words which profiles there are, and as of when: kubelets look at a ConfigMap once in a while.
func (p *Profiles) capability(now time.Time) Capability {
	names, broken := p.Names()
	text := fmt.Sprintf("%d known", len(names))
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
	}
	if at := p.AsOf(); !at.IsZero() {
		text += fmt.Sprintf("; written by the kubelet at %s, %s ago", at.UTC().Format(time.RFC3339), now.Sub(at).Round(time.Second))
	}
	if broken > 0 {
		text += fmt.Sprintf("; %d files are no profiles: the log says why", broken)
	}
	return Capability{"profiles", broken == 0, text}
}

// AskCapabilities asks the helper of this node for what it alone knows.
func AskCapabilities(ctx context.Context, dir string) (Capabilities, error) {
	var out Capabilities
	err := ask(ctx, dir, "/capabilities", &out)
	return out, err
}
