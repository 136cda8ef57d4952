package sidecars

import "slices"

// Rule: the app's service-account token is not for sidecars. The API server mounts it into every container that mounts
// nothing at its path, so ours mount a tiny read-only emptyDir there, unless the entry asks for the token, mounts something
// of its own there, or the Pod has turned it off.
// Reads: spec.automountServiceAccountToken.
// Adds: spec.volumes, a mount in our own containers.
// Golden: token-masked, token-kept, token-off.
func (p *plan) maskToken(s *sidecar, mounts []Mount) []Mount {
	if !p.masked(s) || slices.ContainsFunc(mounts, func(m Mount) bool { return m.MountPath == tokenPath }) {
		return mounts
	}
	if p.volumeIndex(maskVolume) < 0 && p.status.Volumes == nil {
		p.volumes = append(p.volumes, addition{maskVolume, []byte(maskVolumeJSON)})
		p.status.Volumes = []string{maskVolume}
	}
	return append(mounts, Mount{Name: maskVolume, MountPath: tokenPath, ReadOnly: true})
}

// masked reports whether containers that are to be added for an entry must not see the token.
func (p *plan) masked(s *sidecar) bool {
	off := p.pod.Spec.AutomountServiceAccountToken
	return len(s.missing) > 0 && !s.entry.Spec.ServiceAccountToken && (off == nil || *off)
}
