package doctor

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Check: webhook and controller run.
func deployments() Check {
	return Check{
		Name: "deployments", Group: groupInstall, Title: "webhook and controller run", needs: []Kind{Deployments}, installed: true,
		Codes: []Code{
			{"D231", Error, "A Deployment is missing.", "Nobody answers: Pods that ask for sidecars are refused by the policy, or run without them."},
			{"D232", Error, "No replica of a Deployment is available.", "Nobody answers: Pods that ask for sidecars are refused by the policy, or run without them."},
			{"D233", Warning, "Some replicas of a Deployment are not available.", "Another failure may leave none."},
		},
		look: func(s *Snapshot, f *findings) {
			for _, name := range []string{s.Install.Name, s.Install.controller()} {
				object := s.Install.object("deployment", name)
				d := s.deployment(name)
				if d == nil {
					f.add("D231", object, "the Deployment "+name+" is not there", s.Install.reinstall("install it again with the chart that is installed"))
					continue
				}
				want := int32(1)
				if d.Spec.Replicas != nil {
					want = *d.Spec.Replicas
				}
				fix := do("see what keeps its Pods", "kubectl -n "+d.Namespace+" describe deployment "+name, "kubectl -n "+d.Namespace+" get events --sort-by .lastTimestamp")
				switch is := d.Status.AvailableReplicas; {
				case want == 0:
					f.add("D232", object, "it is scaled to 0", do("scale it up", fmt.Sprintf("kubectl -n %s scale deployment %s --replicas 2", d.Namespace, name)))
				case is == 0:
					f.add("D232", object, fmt.Sprintf("0 of %d replicas are available%s", want, because(d)), fix)
				case is < want:
					f.add("D233", object, fmt.Sprintf("%d of %d replicas are available%s", is, want, because(d)), fix)
				}
			}
		},
	}
}

// because gives the message of a condition that is not as it should be.
func because(d *appsv1.Deployment) string {
	for _, of := range []struct {
		condition appsv1.DeploymentConditionType
		bad       corev1.ConditionStatus
	}{{appsv1.DeploymentReplicaFailure, corev1.ConditionTrue}, {appsv1.DeploymentProgressing, corev1.ConditionFalse}, {appsv1.DeploymentAvailable, corev1.ConditionFalse}} {
		for _, c := range d.Status.Conditions {
			if c.Type == of.condition && c.Status == of.bad {
				return ": " + oneLine(c.Message)
			}
		}
	}
	return ""
}
