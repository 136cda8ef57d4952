//go:build linux

package node

import (
	"fmt"
)

const (
	containerdSocket = "/run/containerd/containerd.sock"
	nriSocket        = "/var/run/nri/nri.sock" // the usual place; /var/run is /run
	pauseImage       = "localhost/pillion/pause:v1"
)

// etcd: a single member needs no peers (port 0), and its data need not outlive a crash of the machine.
func (s *supervisor) etcd() command {
	const url = "http://127.0.0.1:2379"
	return command{name: "etcd", address: url, args: []string{
		"--data-dir=" + s.Dir + "/etcd",
		"--listen-client-urls=" + url,
		"--advertise-client-urls=" + url,
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync",
		"--log-level=warn",
	}}
}

// apiserver leaves features and admission plugins at their defaults. It has the node's address, so that Pods reach it.
func (s *supervisor) apiserver() command {
	return command{name: "kube-apiserver", address: apiServer, args: []string{
		"--etcd-servers=http://127.0.0.1:2379",
		"--bind-address=" + controlIP,
		"--advertise-address=" + controlIP,
		"--secure-port=6443",
		"--tls-cert-file=" + s.key("apiserver.crt"),
		"--tls-private-key-file=" + s.key("apiserver.key"),
		"--client-ca-file=" + s.key("ca.crt"),
		"--kubelet-certificate-authority=" + s.key("ca.crt"),
		"--kubelet-client-certificate=" + s.key("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + s.key("apiserver-kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + s.key("service-account.key"),
		"--service-account-signing-key-file=" + s.key("service-account.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
	}}
}

// manager lets each controller be its own service account, as in a real cluster: admission sees the same users. The
// tokens for that are dozens of requests at start, hence the higher limits.
func (s *supervisor) manager() command {
	own := s.key("kube-controller-manager.kubeconfig")
	args := []string{
		"--kubeconfig=" + own,
		"--authentication-kubeconfig=" + own,
		"--authorization-kubeconfig=" + own,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + s.key("service-account.key"),
		"--root-ca-file=" + s.key("ca.crt"),
		"--cluster-signing-cert-file=" + s.key("ca.crt"),
		"--cluster-signing-key-file=" + s.key("ca.key"),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + podRange,
		"--node-cidr-mask-size=24",
		"--service-cluster-ip-range=" + serviceRange,
		"--kube-api-qps=300",
		"--kube-api-burst=600",
		// It would make a directory below /usr/libexec, which is the machine's.
		"--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
	}
	if s.NodeGrace > 0 {
		args = append(args, "--node-monitor-grace-period="+s.NodeGrace.String())
	}
	return command{name: "kube-controller-manager", address: "https://127.0.0.1:10257", args: args}
}

func (s *supervisor) scheduler() command {
	own := s.key("kube-scheduler.kubeconfig")
	return command{name: "kube-scheduler", address: "https://127.0.0.1:10259", args: []string{
		"--kubeconfig=" + own,
		"--authentication-kubeconfig=" + own,
		"--authorization-kubeconfig=" + own,
		"--bind-address=127.0.0.1",
		"--leader-elect=false",
	}}
}

func (s *supervisor) containerd(node int) command {
	return command{name: "containerd", address: "unix://" + containerdSocket + " (NRI " + nriSocket + ")", args: []string{
		"--config=" + s.config(s.Nodes[node], "containerd.toml"),
	}}
}

// kubelet: there is no systemd whose cgroup the runtime is in, hence the root.
func (s *supervisor) kubelet(node int) command {
	m := s.Nodes[node]
	return command{name: "kubelet", address: fmt.Sprintf("https://%s:10250", m.IP), args: []string{
		"--config=" + s.config(m, "kubelet.yaml"),
		"--kubeconfig=" + s.key(m.Name+"-client.kubeconfig"),
		"--hostname-override=" + m.Name,
		"--node-ip=" + m.IP,
		"--runtime-cgroups=/",
	}}
}

func (s *supervisor) proxy(node int) command {
	m := s.Nodes[node]
	return command{name: "kube-proxy", address: fmt.Sprintf("http://%s:10256/healthz", m.IP), args: []string{
		"--config=" + s.config(m, "kube-proxy.yaml"),
	}}
}

// dns is a process of the first node; a Service and its EndpointSlice lead Pods to it.
func (s *supervisor) dns() command {
	return command{name: "coredns", address: fmt.Sprintf("%s:53 (Service %s)", controlIP, dnsIP), args: []string{
		"-conf=" + s.config(s.Nodes[0], "Corefile"),
	}}
}
