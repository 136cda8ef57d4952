// Package node runs a real, whole Kubernetes for tests and demos: the control plane of package cluster, and one or two
// nodes with kubelet, kube-proxy, containerd and cluster DNS, without systemd, a container tool or a registry.
//
// An instance is a set of new network, mount, process, hostname and IPC namespaces. Its first process is the calling
// program itself, run again: when that one process is killed the kernel ends all others, and with the last of them
// the network and the mounts are gone. What the machine itself sees of an instance is one directory and one child cgroup
// per controller, both named after the instance and removed by Down. Inside, the usual paths are the instance's own: /run,
// /var/lib and /var/log are mounted anew, so containerd's and NRI's sockets are where every node has them.
//
// It needs Linux 5.8 and root; it runs on hybrid cgroup v1 and on cgroup v2 alone (test/qemu shows that).
package node
