package doctor

import (
	"fmt"
	"slices"
)

const (
	// oldestKubelet is the first minor version that runs init containers with restartPolicy Always by default:
	// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
	oldestKubelet = 29
	// behind is how many minor versions a kubelet may be older than its API server:
	// https://kubernetes.io/releases/version-skew-policy/#kubelet
	behind = 3
)

// Check: every kubelet runs native sidecars, without mistakes that are known.
func kubelets() Check {
	return Check{
		Name: "kubelets", Group: groupCluster, Title: "every node runs native sidecars", needs: []Kind{Nodes},
		Codes: []Code{
			{"D103", Error, "A node's kubelet is older than 1.29.", "It runs a native sidecar as an ordinary init container, which never ends: the Pod never starts."},
			{"D104", Warning, "A node's kubelet is of 1.35.0 to 1.35.3.", "After a restart of such a kubelet the containers of a Pod with a sidecar that has a startupProbe are not restarted when they crash (kubernetes/kubernetes#137146)."},
			{"D105", Warning, "A node's kubelet is newer than the API server, or more than three minor versions older.", "Kubernetes does not support such a skew."},
		},
		look: func(s *Snapshot, f *findings) {
			server, _, known := kubernetesVersion(s.Server.GitVersion)
			var old, broken, skewed []string
			for _, n := range s.Nodes {
				minor, patch, ok := kubernetesVersion(n.Kubelet)
				told := n.Name + " (" + n.Kubelet + ")"
				switch {
				case !ok || n.OS == "windows":
				case minor < oldestKubelet:
					old = append(old, told)
				case minor == 35 && patch <= 3:
					broken = append(broken, told)
				case known && (minor > server || minor < server-behind):
					skewed = append(skewed, told)
				}
			}
			for _, of := range []struct {
				code, what string
				nodes      []string
			}{
				{"D103", "too old for native sidecars", old},
				{"D104", "with a kubelet that may not restart containers beside a sidecar", broken},
				{"D105", "out of step with the API server (" + s.Server.GitVersion + ")", skewed},
			} {
				if len(of.nodes) > 0 {
					slices.Sort(of.nodes)
					f.add(of.code, "", fmt.Sprintf("%s %s: %s", count(len(of.nodes), "node is", "nodes are"), of.what, names(of.nodes)), todo("upgrade the kubelets; until then keep injected Pods off these nodes"))
				}
			}
		},
	}
}

func count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
