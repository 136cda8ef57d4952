package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/events"

	"github.com/pillion-dev/pillion/sidecars"
)

// ReasonSidecarsMissing is the reason of the events about Pods that lack their sidecars.
const ReasonSidecarsMissing = "SidecarsMissing"

// Bounds of what is told.
const (
	// tellAgain is when an owner is told again of what has not changed.
	tellAgain = time.Hour
	// maxEvents bounds the events of one round, and maxNamed the Pods that one names.
	maxEvents = 50
	maxNamed  = 5
)

// owned are the Pods of one owner that lack their sidecars for one reason.
type owned struct {
	namespace string
	why       Lack
	owner     metav1.OwnerReference
}

// told is what was last told of them.
type told struct {
	note string
	at   time.Time
}

// teller writes events on the owners of Pods, where their authors look: a Deployment rather than its ReplicaSet, and a Pod
// itself where nobody owns it.
type teller struct {
	meta     metadata.Interface
	recorder events.EventRecorder
	told     map[owned]told
}

// ownerOf gives the one that made a Pod, or the Pod.
func ownerOf(key sidecars.Key, pod *barePod) metav1.OwnerReference {
	if pod.owner == nil {
		return metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: key.Name, UID: pod.uid}
	}
	return metav1.OwnerReference{APIVersion: pod.owner.APIVersion, Kind: pod.owner.Kind, Name: pod.owner.Name, UID: pod.owner.UID}
}

// round tells of what is new, or was told long ago, and forgets what is over.
func (t *teller) round(ctx context.Context, lacking map[owned][]lackingPod) {
	for at := range t.told {
		if _, there := lacking[at]; !there {
			delete(t.told, at)
		}
	}
	left := maxEvents
	for at, pods := range lacking {
		note := noteOf(at, pods)
		if was := t.told[at]; was.note == note && time.Since(was.at) < tellAgain {
			continue
		}
		if left--; left < 0 {
			return // the next round goes on
		}
		owner := t.top(ctx, at)
		t.recorder.Eventf(&corev1.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: at.namespace, Name: owner.Name, UID: owner.UID},
			nil, corev1.EventTypeWarning, ReasonSidecarsMissing, "Audit", "%s", note)
		t.told[at] = told{note, time.Now()}
	}
}

// top gives the owner's own owner, where it is a ReplicaSet or a Job of one: the Deployment or CronJob.
func (t *teller) top(ctx context.Context, at owned) metav1.OwnerReference {
	resource := map[string]string{"ReplicaSet": "replicasets", "Job": "jobs"}[at.owner.Kind]
	version, err := schema.ParseGroupVersion(at.owner.APIVersion)
	if resource == "" || err != nil || version.Group != "apps" && version.Group != "batch" {
		return at.owner
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	object, err := t.meta.Resource(version.WithResource(resource)).Namespace(at.namespace).Get(ctx, at.owner.Name, metav1.GetOptions{})
	if err != nil {
		return at.owner
	}
	if owner := metav1.GetControllerOf(object); owner != nil {
		return *owner
	}
	return at.owner
}

// noteOf says who lacks what, why, and what to do.
func noteOf(at owned, pods []lackingPod) string {
	slices.SortFunc(pods, func(a, b lackingPod) int { return strings.Compare(a.name, b.name) })
	var who []string
	for _, p := range pods[:min(len(pods), maxNamed)] {
		who = append(who, p.name)
	}
	if more := len(pods) - maxNamed; more > 0 {
		who = append(who, fmt.Sprintf("%d more", more))
	}
	text := fmt.Sprintf("%s asked for %s and got none: ", strings.Join(who, ", "), strings.Join(names(pods), ", "))
	switch at.why {
	case LackMissed:
		text += "nobody called the webhook when they were created; let them be made anew"
	case LackExcluded:
		text += "Pillion leaves Namespaces kube-system and its own alone, and Pods that a kubelet makes from files"
	case LackIgnored:
		text += "failure-policy is Ignore and the request cannot be met: " + pods[0].mistakes
	default:
		text += "the request cannot be met: " + pods[0].mistakes
	}
	return cut(text, maxMessage)
}
