package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
)

const (
	serviceRange = "10.96.0.0/16"
	serviceIP    = "10.96.0.1" // of the Service default/kubernetes
)

// ports on loopback.
type ports struct{ etcd, apiserver int }

// freePorts finds ports that nobody listens on. They are below the range that Linux takes the ports of outgoing
// connections from, so that only another listener can take one before the programs do.
func freePorts() (ports, error) {
	var free []int
	for range 100 {
		port := 20000 + rand.IntN(10000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer l.Close() // held until both are found, so that they differ
		if free = append(free, port); len(free) == 2 {
			return ports{etcd: free[0], apiserver: free[1]}, nil
		}
	}
	return ports{}, errors.New("no free port on 127.0.0.1 between 20000 and 30000")
}

func (c *Cluster) etcdURL() string { return fmt.Sprintf("http://127.0.0.1:%d", c.ports.etcd) }

func (c *Cluster) managerKubeconfig() string {
	return filepath.Join(c.dir, "pki", "kube-controller-manager.kubeconfig")
}

// etcdArgs: a single member needs no peers (port 0), and its data need not outlive a crash of the machine.
func (c *Cluster) etcdArgs() []string {
	return []string{
		"--data-dir=" + filepath.Join(c.dir, "etcd"),
		"--listen-client-urls=" + c.etcdURL(),
		"--advertise-client-urls=" + c.etcdURL(),
		"--listen-peer-urls=http://127.0.0.1:0",
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

// apiserverArgs leaves features and admission plugins at their defaults. A loopback address cannot be an endpoint of
// the Service default/kubernetes, so that one stays without.
func (c *Cluster) apiserverArgs() []string {
	keys := filepath.Join(c.dir, "pki")
	return append([]string{
		"--etcd-servers=" + c.etcdURL(),
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.ports.apiserver),
		"--endpoint-reconciler-type=none",
		"--cert-dir=" + keys,
		"--tls-cert-file=" + filepath.Join(keys, "apiserver.crt"),
		"--tls-private-key-file=" + filepath.Join(keys, "apiserver.key"),
		"--client-ca-file=" + filepath.Join(keys, "ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + filepath.Join(keys, "service-account.key"),
		"--service-account-signing-key-file=" + filepath.Join(keys, "service-account.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
	}, c.cfg.APIServerArgs...)
}

// managerArgs lets each controller be its own service account, as in a real cluster: admission sees the same users. The
// tokens for that are dozens of requests at start, hence the higher limits.
func (c *Cluster) managerArgs() []string {
	keys := filepath.Join(c.dir, "pki")
	return []string{
		"--kubeconfig=" + c.managerKubeconfig(),
		"--secure-port=0",
		"--leader-elect=false",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + filepath.Join(keys, "service-account.key"),
		"--root-ca-file=" + filepath.Join(keys, "ca.crt"),
		"--cluster-signing-cert-file=" + filepath.Join(keys, "ca.crt"),
		"--cluster-signing-key-file=" + filepath.Join(keys, "ca.key"),
		"--kube-api-qps=300",
		"--kube-api-burst=600",
		// Run by root, it would make a directory below /usr/libexec.
		"--flex-volume-plugin-dir=" + filepath.Join(c.dir, "volume-plugins"),
	}
}
