package e2e

import (
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestS12WarAndTomcatAreReleasedApart serves a WAR by a real Tomcat, and then the WAR's next version by the same image.
func TestS12WarAndTomcatAreReleasedApart(t *testing.T) {
	row(t, "S12-war-on-tomcat.yaml", restricted, func(s *scene) {
		serves := func(version string) *corev1.Pod {
			pod := &s.ready("app=shop", 1)[0]
			_, body := s.page(pod, http.MethodGet, 8080, "/version.txt")
			if body != version+"\n" {
				s.Errorf("Tomcat serves version %q, want %s", body, version)
			}
			if _, body := s.page(pod, http.MethodGet, 8080, "/index.jsp"); !strings.HasPrefix(body, "shop "+version+" on Apache Tomcat/10.1.") {
				s.Errorf("the page that Tomcat compiles is %q", body)
			}
			return pod
		}
		first := serves("1")
		var d appsv1.Deployment
		s.must(s.client.Get(s.ctx, "shop", s.namespace, &d))
		d.Spec.Template.Annotations["pillion.dev/artifact.image"] = "localhost/war:2.0.0"
		s.must(s.client.Update(s.ctx, &d))
		s.eventually("the rollout is over", func() (bool, error) {
			err := s.client.Get(s.ctx, "shop", s.namespace, &d)
			return d.Status.ObservedGeneration == d.Generation && d.Status.UpdatedReplicas == 1 && d.Status.Replicas == 1 && d.Status.AvailableReplicas == 1, err
		})
		second := serves("2")
		if a, b := container(first, "tomcat").ImageID, container(second, "tomcat").ImageID; a != b || a == "" {
			s.Errorf("Tomcat's image was %s and is %s", a, b)
		}
		// The other entry mounts the image where this one puts a program into it.
		files := &s.ready("app=files", 1)[0]
		if status, body := s.page(files, http.MethodGet, 8080, "/shop.war"); status != http.StatusOK || !strings.HasPrefix(body, "PK") {
			s.Errorf("out of an image volume comes %d %.20q", status, body)
		}
		if got := container(second, "artifact-copy"); got.State.Terminated == nil || got.State.Terminated.ExitCode != 0 {
			s.Errorf("the copy: %+v", got.State)
		}
	})
}

// warTomcat looks at examples/war-tomcat for TestCompositions.
func (s *scene) warTomcat() {
	shop := &s.ready("app=shop", 1)[0]
	s.tells(shop, 8080, "/version.txt", http.StatusOK, "1\n")
	if log := s.in("logs", "deploy/shop", "-c", "artifact-copy"); !strings.Contains(log, `"msg":"copied","files":1,"bytes":`) {
		s.Errorf("the log of the copy is %s", log)
	}
	annotate := func(name, value string) {
		s.in("patch", "deployment", "shop", "--type", "merge", "-p",
			`{"spec":{"template":{"metadata":{"annotations":{"pillion.dev/artifact.`+name+`":"`+value+`"}}}}}`)
	}
	annotate("image", "localhost/war:2.0.0")
	s.in("rollout", "status", "deployment/shop", "--timeout=3m")
	second := &s.ready("app=shop", 1)[0]
	s.tells(second, 8080, "/version.txt", http.StatusOK, "2\n")
	if a, b := container(shop, "tomcat").ImageID, container(second, "tomcat").ImageID; a != b {
		s.Errorf("Tomcat's image was %s and is %s", a, b)
	}
	annotate("files", "from=/nope.war,to=ROOT.war")
	s.eventually("the log says what is not there", func() (bool, error) {
		for _, p := range s.pods("app=shop") {
			if p.Name == second.Name || container(&p, "artifact-copy").RestartCount == 0 {
				continue
			}
			log, err := command(s.ctx, "kubectl", "-n", s.namespace, "logs", p.Name, "-c", "artifact-copy", "--previous")
			return strings.Contains(log, "/nope.war") && strings.Contains(log, "no such file or directory: is it where the image has it?"), err
		}
		return false, nil
	})
	s.tells(second, 8080, "/version.txt", http.StatusOK, "2\n")
	annotate("image", "localhost/war:latest")
	s.eventually("an event says what a fixed version looks like", func() (bool, error) {
		return strings.Contains(s.in("get", "events", "-o", "jsonpath={.items[*].message}"), `Invalid value: "localhost/war:latest"`), nil
	})
}
