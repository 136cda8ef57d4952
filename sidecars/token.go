package sidecars

import "slices"

// Rule: the app's service-account token is not for sidecars. The API server mounts it into every container that mounts
// nothing at its path, so ours mount a tiny read-only emptyDir there, unless the entry asks for the token or the Pod has
// turned it off.
// Reads: spec.automountServiceAccountToken.
// Adds: spec.volumes, a mount in our own containers.
// Golden: token-masked, token-kept, token-off.
func (p *plan) maskToken() {
	if !slices.ContainsFunc(p.sidecars, p.masked) {
		return
	}
	if p.volumeIndex(maskVolume) < 0 {
		p.volumes = append(p.volumes, addition{maskVolume, []byte(maskVolumeJSON)})
		p.status.Volumes = []string{maskVolume}
	}
}

// masked reports whether containers that are to be added for an entry must not see the token.
func (p *plan) masked(s *sidecar) bool {
	off := p.pod.Spec.AutomountServiceAccountToken
	return len(s.missing) > 0 && !s.entry.Spec.ServiceAccountToken && (off == nil || *off)
}
