package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestS02JoinedConfdReloadsNginx is row S02 with confd in the PID namespace of nginx alone, by the node helper.
func TestS02JoinedConfdReloadsNginx(t *testing.T) {
	inNamespace(t, "s02-confd-joined", restricted, func(s *scene) {
		s.embedded("confd-join")
		s.here("S02-confd-joined.yaml")
		etcd, endpoints := s.shop()
		front := s.pod("front")
		s.injected(front)
		if share := front.Spec.ShareProcessNamespace; share != nil && *share {
			s.Error("the Pod has one PID namespace for all")
		}
		s.seesNginx(front)
		s.reconfigures(etcd, endpoints, front)
		s.logMemory(front)
		s.comesBack(etcd, front)
		s.refusedElsewhere()
	})
}

// seesNginx looks into the Pod from its three containers and from the node: nginx is process 1 of its namespace, confd is in it,
// and what else the Pod has is not.
func (s *scene) seesNginx(front *corev1.Pod) {
	s.Helper()
	tasks := s.tasks(front)
	of := func(name string) uint64 { return s.namespaceOf(tasks[name].pid, "pid") }
	if of("confd-join") != of("nginx") || of("reader") == of("nginx") || of("pause") == of("nginx") {
		s.Errorf("PID namespaces: nginx %d, confd-join %d, reader %d, pause %d", of("nginx"), of("confd-join"), of("reader"), of("pause"))
	}
	processes := s.ps(front)
	if processes["1"] != "nginx" {
		s.Errorf("in nginx's container process 1 is %q: %v", processes["1"], processes)
	}
	var names []string
	for _, name := range processes {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if want := []string{"confd", "nginx", "sh"}; !slices.Equal(names, want) {
		s.Errorf("in nginx's container there are %v, want %v", names, want)
	}
	for _, p := range s.sees(front, "reader") {
		if !strings.Contains(p.Args, ":9003") {
			s.Errorf("the third container sees process %d, %s", p.PID, p.Args)
		}
	}
}

// ps lists the processes that nginx's container sees, as ps does, by their numbers there; the shell that lists them is one.
func (s *scene) ps(front *corev1.Pod) map[string]string {
	s.Helper()
	out := map[string]string{}
	for words := range lines(s.exec(front, "nginx", "sh", "-c", `for d in /proc/[0-9]*; do read -r name < $d/comm && echo ${d#/proc/} $name; done; true`)) {
		out[words[0]] = words[1]
	}
	return out
}

// comesBack ends nginx: confd ends with the namespace that it was in, both are started again, and a change is taken up as before.
func (s *scene) comesBack(etcd *store, front *corev1.Pod) {
	s.Helper()
	was := container(s.refresh(front), "confd-join")
	s.execLast(front, "nginx", "nginx", "-s", "stop")
	s.eventually("nginx and confd are back", func() (bool, error) {
		is, nginx := container(s.refresh(front), "confd-join"), container(front, "nginx")
		return nginx.RestartCount > 0 && nginx.Ready && is.RestartCount > was.RestartCount && is.Ready, nil
	})
	if got, want := s.version(front), fmt.Sprint(changes()); got != want {
		s.Errorf("nginx came back with configuration %q, and had %q", got, want)
	}
	s.seesNginx(front)
	etcd.put("/version", "again")
	s.eventually("nginx has a configuration of after its end", func() (bool, error) { return s.version(front) == "again", nil })
}

// refusedElsewhere asks for a join that is not to be: of a container that there is not, and of no container.
func (s *scene) refusedElsewhere() {
	s.Helper()
	for container, want := range map[string]string{
		"ngin": `there is no such container; did you mean "nginx"`,
		"":     "pillion.dev/confd-join.container",
	} {
		annotations := ""
		for key, value := range map[string]string{"templates": "front-templates", "endpoints": "http://etcd:2379", "container": container} {
			if value != "" {
				annotations += fmt.Sprintf("    pillion.dev/confd-join.%s: %s\n", key, value)
			}
		}
		out, err := s.applyText("apiVersion: v1\nkind: Pod\nmetadata:\n  name: refused\n  annotations:\n    pillion.dev/inject: confd-join\n" + annotations +
			"spec:\n  containers:\n    - {name: nginx, image: localhost/app:v1, securityContext: {runAsUser: 101}}\n")
		if err == nil || !strings.Contains(out, want) {
			s.Errorf("container %q: %v\n%s, want %s", container, err, out, want)
		}
	}
}
