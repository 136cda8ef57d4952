//go:build linux

package node

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// dnsUser is who CoreDNS is to the API server.
const dnsUser = "system:coredns"

// object is what a server-side apply sends, and where to.
type object struct{ path, yaml string }

// objects are what a cluster has before its nodes come. A Node that is there already keeps the Pod range written here,
// which the network plugin of that node is configured with.
func (p plan) objects() []object {
	out := []object{
		{"/apis/rbac.authorization.k8s.io/v1/clusterroles/" + dnsUser, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "` + dnsUser + `"}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
`},
		{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/" + dnsUser, `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "` + dnsUser + `"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "` + dnsUser + `"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "` + dnsUser + `"}]
`},
		{"/api/v1/namespaces/kube-system/services/kube-dns", `
apiVersion: v1
kind: Service
metadata: {name: kube-dns}
spec:
  clusterIP: ` + dnsIP + `
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
`},
		{"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/kube-dns", `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: kube-dns
  labels: {kubernetes.io/service-name: kube-dns, endpointslice.kubernetes.io/managed-by: pillion}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [` + controlIP + `], conditions: {ready: true}}]
`},
	}
	for _, m := range p.Nodes {
		out = append(out, object{"/api/v1/nodes/" + m.Name, fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %s}
spec: {podCIDR: %s, podCIDRs: [%s]}
`, m.Name, m.PodCIDR, m.PodCIDR)})
	}
	return out
}

// applyObjects tries for a while: the Namespace kube-system comes soon after the API server is ready.
func (s *supervisor) applyObjects(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.ReadyTimeout)
	defer cancel()
	for _, o := range s.objects() {
		for {
			err := call(ctx, s.api, http.MethodPatch, apiServer+o.path+"?fieldManager=pillion&force=true", o.yaml, nil)
			if err == nil {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("apply: %w", err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}
