package doctor

import (
	"fmt"
	"regexp"
	"strconv"
)

// oldestServer is the first minor version whose API server has what the chart installs; testedServer the one that Pillion's
// own tests run on.
const (
	oldestServer = 30
	testedServer = 36
)

// Check: the API server is of a version that has what Pillion needs.
func serverVersion() Check {
	return Check{
		Name: "api-server-version", Group: groupCluster, Title: "the API server is of a version that Pillion runs on",
		Codes: []Code{
			{"D101", Error, "The API server is older than 1.30.", "ValidatingAdmissionPolicy, by which a Pod that asked and got nothing is refused, is stable since 1.30."},
			{"D102", Note, "Pillion is not tested on this version of Kubernetes.", "It is tested on one version; those nearby have the same API."},
		},
		look: func(s *Snapshot, f *findings) {
			minor, _, ok := kubernetesVersion(s.Server.GitVersion)
			switch {
			case !ok:
				f.add("D102", "", fmt.Sprintf("the API server's version %q is not understood", s.Server.GitVersion), todo("nothing, where all other checks are ok"))
			case minor < oldestServer:
				f.add("D101", "", fmt.Sprintf("the API server is %s; Pillion needs 1.%d or newer", s.Server.GitVersion, oldestServer), todo("upgrade the cluster"))
			case minor != testedServer:
				f.add("D102", "", fmt.Sprintf("the API server is %s; Pillion is tested on 1.%d", s.Server.GitVersion, testedServer), todo("nothing, where all other checks are ok"))
			}
		},
	}
}

var versionShape = regexp.MustCompile(`\Av?1\.([0-9]+)\.([0-9]+)`)

// kubernetesVersion gives minor and patch of a Kubernetes 1.x.
func kubernetesVersion(text string) (minor, patch int, ok bool) {
	m := versionShape.FindStringSubmatch(text)
	if m == nil {
		return 0, 0, false
	}
	minor, _ = strconv.Atoi(m[1])
	patch, _ = strconv.Atoi(m[2])
	return minor, patch, true
}
