package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/pillion-dev/pillion/test/qemu/guest"
)

// byHand injects a Pod from files with the command line program, as a user would.
func byHand() (string, error) {
	if err := load("app"); err != nil {
		return "", err
	}
	pod, err := exec.Command("pillion", "inject", "--quiet", "--catalog", "/test/catalog", "/test/pod.yaml").Output()
	if err != nil {
		return "", fmt.Errorf("pillion inject: %w", err)
	}
	if err := os.WriteFile("/tmp/pod.yaml", pod, 0o600); err != nil {
		return "", err
	}
	if err := create("/tmp/pod.yaml"); err != nil {
		return "", err
	}
	return native()
}

// load imports images into the node.
func load(names ...string) error {
	args := []string{"cluster", "load", "--name", name, "--dir", dir}
	for _, image := range names {
		args = append(args, "/images/"+image+".tar")
	}
	return command(args...)
}

// create makes the Pod, and waits until it is Ready.
func create(file string) error {
	_, err := inside("kubectl", "apply", "-f", file)
	if err == nil {
		_, err = inside("kubectl", "wait", "--for=condition=Ready", "pod", "watched", "--timeout=8m")
	}
	return explained(err)
}

// explained adds what there is to know to an error.
func explained(err error) error {
	if err == nil {
		return nil
	}
	events, bad := inside("kubectl", "get", "pods,events", "-A")
	return errors.Join(err, bad, errors.New(events), logs())
}

// native sees that the sidecar is a native one that was started, and that the app beside it answers.
func native() (string, error) {
	pod, err := watched()
	if err != nil {
		return "", err
	}
	i, s := pod.Spec.InitContainers, pod.Status.InitContainerStatuses
	if len(i) != 1 || i[0].Name != "busy" || i[0].RestartPolicy == nil || *i[0].RestartPolicy != corev1.ContainerRestartPolicyAlways {
		return "", fmt.Errorf("init containers %+v: want busy, as a native sidecar", i)
	}
	if len(s) != 1 || s[0].Started == nil || !*s[0].Started || s[0].RestartCount > 0 {
		return "", fmt.Errorf("the sidecar: %+v, want it started once", s)
	}
	for _, port := range []string{"8080", "9001"} {
		if _, err := inside("wget", "-q", "-O", "/dev/null", "http://"+pod.Status.PodIP+":"+port+"/"); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("%s is %s, its sidecar started %s after the Pod ", pod.Name, pod.Status.Phase,
		s[0].State.Running.StartedAt.Sub(pod.CreationTimestamp.Time)), nil
}

// watched is the Pod as it is now.
func watched() (*corev1.Pod, error) {
	text, err := inside("kubectl", "get", "pod", "watched", "-o", "json")
	if err != nil {
		return nil, err
	}
	var pod corev1.Pod
	return &pod, json.Unmarshal([]byte(text), &pod)
}

// asTheKubeletSet compares the files of the Pod's cgroups with what its spec asks for.
func asTheKubeletSet() (string, error) {
	pod, err := watched()
	if err != nil {
		return "", err
	}
	var seen []string
	var memory int64
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		at, err := cgroupOf(pod, c.Name)
		if err != nil {
			return "", err
		}
		limit := c.Resources.Limits.Memory().Value()
		memory += limit
		want := map[string]string{"memory.max": strconv.FormatInt(limit, 10), "cpu.max": "max 100000", "memory.oom.group": "1"}
		if cpu := c.Resources.Limits.Cpu().MilliValue(); cpu > 0 {
			want["cpu.max"] = fmt.Sprintf("%d 100000", cpu*100)
		}
		line, err := compare(at, want)
		if err != nil {
			return "", err
		}
		seen = append(seen, c.Name+": "+line)
	}
	// A Pod one of whose containers has no limit of CPU has none itself; that of memory is the sum.
	line, err := compare(podCgroup(pod), map[string]string{"memory.max": strconv.FormatInt(memory, 10), "cpu.max": "max 100000"})
	return fmt.Sprintf("%s; Pod %s: %s", strings.Join(seen, "; "), podCgroup(pod), line), err
}

// podCgroup is where the kubelet has a Burstable Pod's.
func podCgroup(pod *corev1.Pod) string {
	return filepath.Join(guest.Cgroups, "pillion-"+name, "node-1/kubepods/burstable", "pod"+string(pod.UID))
}

// cgroupOf is a container's, which the kernel says that its process is in.
func cgroupOf(pod *corev1.Pod, container string) (string, error) {
	for _, s := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		if s.Name != container {
			continue
		}
		_, id, _ := strings.Cut(s.ContainerID, "://")
		at := filepath.Join(podCgroup(pod), id)
		first, err := read(at, "cgroup.procs")
		first, _, _ = strings.Cut(first, "\n")
		own, bad := read("/proc", first, "cgroup")
		if want := "0::" + strings.TrimPrefix(at, guest.Cgroups); bad == nil && own != want {
			bad = fmt.Errorf("process %s of %s is in %q, want %q", first, container, own, want)
		}
		return at, errors.Join(err, bad)
	}
	return "", fmt.Errorf("no container %s of Pod %s was started", container, pod.Name)
}

// compare gives the files' content as well.
func compare(at string, want map[string]string) (string, error) {
	var seen []string
	var all error
	for file, value := range want {
		is, err := read(at, file)
		if err == nil && is != value {
			err = fmt.Errorf("%s/%s: %s, want %s", at, file, is, value)
		}
		seen, all = append(seen, file+" "+is), errors.Join(all, err)
	}
	return strings.Join(seen, ", "), all
}

func read(path ...string) (string, error) {
	b, err := os.ReadFile(filepath.Join(path...))
	return strings.TrimSpace(string(b)), err
}
