package e2e

import (
	"net"
	"net/http"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestS16UnixSocketOnASharedVolume(t *testing.T) {
	together(t)
	row(t, "S16-unix-socket.yaml", nil, func(s *scene) {
		for i, volume := range []string{"proxy-socket", "state"} {
			pod := &s.ready("", 2, "proxy")[i]
			if got := s.get(pod, 8080); got != "the api\n" {
				s.Errorf("%s: through the socket comes %q", pod.Name, got)
			}
			app, proxy := mounted(pod, "api", "/run/app"), mounted(pod, "proxy", "/run/app")
			if app != proxy || app == "" || app != volume {
				s.Errorf("%s: the app mounts volume %q at /run/app, the proxy %q, want %q", pod.Name, app, proxy, volume)
			}
			was := container(pod, "api").RestartCount
			s.execLast(pod, "api", "nginx", "-s", "quit")
			s.eventually("the app is restarted", func() (bool, error) {
				is := container(s.refresh(pod), "api")
				return is.RestartCount > was && is.Ready, nil
			})
			if got := s.get(pod, 8080); got != "the api\n" {
				s.Errorf("%s: after a restart comes %q", pod.Name, got)
			}
		}
	})
}

// mounted is the name of the volume that a container has at a path.
func mounted(p *corev1.Pod, container, path string) string {
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, m := range c.VolumeMounts {
			if c.Name == container && m.MountPath == path {
				return m.Name
			}
		}
	}
	return ""
}

// claimed is a folder of this node that a claim can be bound to.
const claimed = "/var/lib/s16-claimed"

// theNodesFolder is what a provisioner would make for a claim of the class manual.
const theNodesFolder = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: s16-notes}
spec:
  storageClassName: manual
  capacity: {storage: 16Mi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  local: {path: ` + claimed + `}
  nodeAffinity:
    required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node-1]}]}]}
`

// TestS16EveryVolumeIsJoined writes on one side and reads on the other, both ways, across restarts of either container.
func TestS16EveryVolumeIsJoined(t *testing.T) {
	together(t)
	before := func(s *scene) {
		s.must(os.MkdirAll(claimed, 0o755))
		s.kubectlIn(theNodesFolder, "apply", "-f", "-")
		s.Cleanup(func() { s.kubectl("delete", "persistentvolume", "s16-notes", "--wait=false") })
		s.addEntries("S16-notes-catalog.yaml", "notes")
	}
	rowAfter(t, "S16-notes.yaml", nil, before, func(s *scene) {
		pods := s.ready("", 4, "notes")
		want := map[string]string{"on-nothing": "notes-data", "on-emptydir": "own", "on-claim": "own", "on-hostpath": "own"}
		for i := range pods {
			pod := &pods[i]
			app, notes := mounted(pod, "app", "/data"), mounted(pod, "notes", "/data")
			if app != want[pod.Name] || notes != app {
				s.Errorf("%s: the app has volume %q at /data, the sidecar %q, want %q", pod.Name, app, notes, want[pod.Name])
			}
			if added := slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "notes-data" }); added != (app == "notes-data") {
				s.Errorf("%s has a volume notes-data: %t", pod.Name, added)
			}
			if other := mounted(pod, "not-chosen", "/data"); other != "" {
				s.Errorf("%s: the container that was not chosen has volume %q", pod.Name, other)
			}
			s.exec(pod, "app", "/app", "write", "/data/from-app", "of the app")
			s.exec(pod, "notes", "/app", "write", "/data/from-notes", "of the sidecar")
			s.reads(pod)
			for name, port := range map[string]string{"app": "8080", "notes": "9001"} {
				was := container(pod, name).RestartCount
				answer, err := http.Get("http://" + net.JoinHostPort(pod.Status.PodIP, port) + "/exit?code=3")
				s.must(err)
				answer.Body.Close()
				s.eventually(name+" of "+pod.Name+" is restarted", func() (bool, error) {
					is := container(s.refresh(pod), name)
					return is.RestartCount > was && is.Ready, nil
				})
			}
			s.reads(pod)
		}
		if b, err := os.ReadFile(claimed + "/of-the-app/from-notes"); err != nil || string(b) != "of the sidecar" {
			s.Errorf("in the claim's folder: %q, %v", b, err)
		}
	})
}

// reads checks that each of the two reads what the other wrote.
func (s *scene) reads(pod *corev1.Pod) {
	s.Helper()
	if got := s.exec(pod, "notes", "/app", "read", "/data/from-app"); got != "of the app" {
		s.Errorf("%s: the sidecar reads %q", pod.Name, got)
	}
	if got := s.exec(pod, "app", "/app", "read", "/data/from-notes"); got != "of the sidecar" {
		s.Errorf("%s: the app reads %q", pod.Name, got)
	}
}
