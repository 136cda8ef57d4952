package doctor

import (
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
)

// Check: webhook, controller and this program are of one version.
func versions() Check {
	return Check{
		Name: "versions", Group: groupCluster, Title: "webhook, controller and this program are of one version",
		needs: []Kind{Deployments}, installed: true,
		Codes: []Code{
			{"D106", Warning, "Webhook and controller are of different versions.", "An entry that the controller calls Ready may be one that the webhook does not understand."},
			{"D107", Note, "This program and the webhook are of different versions.", "What this program says of files and of Pods may differ from what the webhook does."},
		},
		look: func(s *Snapshot, f *findings) {
			webhook, controller := s.versionOf(s.Install.Name), s.versionOf(s.Install.controller())
			if webhook != "" && controller != "" && webhook != controller {
				f.add("D106", "deployment/"+s.Install.controller()+" -n "+s.Install.Namespace,
					fmt.Sprintf("the webhook is %s and the controller %s", webhook, controller), s.Install.reinstall("bring both to one version, with the chart of that version"))
			}
			if cli := strings.TrimPrefix(s.CLI, "v"); webhook != "" && released(cli) && cli != webhook {
				f.add("D107", "", fmt.Sprintf("this program is %s and the webhook %s", cli, webhook), todo("use the program of version %s", webhook))
			}
		},
	}
}

// released reports whether a version is one of a release.
func released(version string) bool {
	return version != "" && version[0] >= '0' && version[0] <= '9' && !strings.HasPrefix(version, "0.0.0")
}

// versionOf gives the version of what a Deployment runs: the tag of its image, or else its label; empty where not known.
func (s *Snapshot) versionOf(name string) string {
	if s.Install == nil {
		return ""
	}
	d := s.deployment(name)
	if d == nil {
		return ""
	}
	if tag := tagOf(d); tag != "" {
		return strings.TrimPrefix(tag, "v")
	}
	return d.Labels["app.kubernetes.io/version"]
}

// tagOf gives the tag of a Deployment's first image; empty where it has none or a digest alone.
func tagOf(d *appsv1.Deployment) string {
	containers := d.Spec.Template.Spec.Containers
	if len(containers) == 0 {
		return ""
	}
	image, _, _ := strings.Cut(containers[0].Image, "@")
	base := image[strings.LastIndexByte(image, '/')+1:]
	_, tag, _ := strings.Cut(base, ":")
	return tag
}
