package controller

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/pillion-dev/pillion/api/v1alpha1"
	"github.com/pillion-dev/pillion/sidecars"
)

// dryRunTimeout bounds one dry run.
const dryRunTimeout = 2 * time.Second

// DryRun asks the API server whether it would take a Pod with an entry. Nothing is stored. It needs the right to create
// Pods, which rbac.yaml narrows to dry runs.
type DryRun struct {
	client corev1client.PodsGetter
	// namespace is where Pods with entries of the cluster are tried.
	namespace string
}

// Try has the API server validate the entry's proof Pod, in the entry's own Namespace or else in that for the cluster's
// entries. What the API server's validation refuses are errors, with paths in the entry. What a policy or a quota of that
// Namespace refuses, or where there is no answer in time, is told in untried: other Namespaces are other places.
func (d *DryRun) Try(ctx context.Context, e *sidecars.Entry) (errs field.ErrorList, untried string) {
	pod, err := dryRunPod(e)
	if err != nil {
		return nil, "no Pod to try: " + oneLine(err.Error())
	}
	if pod.Namespace = e.Namespace; pod.Namespace == "" {
		pod.Namespace = d.namespace
	}
	ctx, cancel := context.WithTimeout(ctx, dryRunTimeout)
	defer cancel()
	_, err = d.client.Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil {
		return nil, ""
	}
	if errs := refusals(e, pod, err); len(errs) > 0 {
		return errs, ""
	}
	if late(err) {
		return nil, "the API server did not answer a dry run in time"
	}
	return nil, "a dry run in Namespace " + pod.Namespace + " was refused: " + oneLine(err.Error())
}

// dryRunPod is the entry's proof Pod, which asks for nothing: no webhook has to do with it.
func dryRunPod(e *sidecars.Entry) (*corev1.Pod, error) {
	object, err := e.ProofPod()
	if err != nil {
		return nil, err
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(object, pod); err != nil {
		return nil, err
	}
	pod.Name, pod.GenerateName = "", "pillion-dry-run-"
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[v1alpha1.AnnotationInject] = v1alpha1.InjectFalse
	return pod, nil
}

// refusals gives the mistakes that the API server's validation found. A policy may answer with the same status; only
// validation names fields.
func refusals(e *sidecars.Entry, pod *corev1.Pod, err error) (errs field.ErrorList) {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	for _, c := range status.Status().Details.Causes {
		if c.Field == "" || c.Field == "<nil>" {
			continue
		}
		at, named := entryPath(e, pod, c.Field)
		text := "the API server refuses a Pod with it: " + oneLine(c.Message)
		if !named {
			text = "the API server refuses a Pod with it: " + c.Field + ": " + oneLine(c.Message)
		}
		errs = append(errs, &field.Error{Type: field.ErrorTypeInvalid, Field: at, BadValue: field.OmitValueType{}, Detail: text})
	}
	return errs
}

// podPart is the beginning of a path of a container or volume in a Pod.
var podPart = regexp.MustCompile(`^spec\.(initContainers|containers|volumes)\[([0-9]{1,4})\]`)

// entryPath gives the place in an entry's document of a place in a Pod, as far as it can be told: lists whose members have
// conditions may be longer in the document. named is false where the Pod's place says more.
func entryPath(e *sidecars.Entry, pod *corev1.Pod, path string) (at string, named bool) {
	m := podPart.FindStringSubmatch(path)
	if m == nil {
		return "spec", false
	}
	name := nameAt(pod, m[1], m[2])
	for list, names := range map[string][]string{
		"containers":     namesOf(e.Spec.Containers, func(c v1alpha1.Container) string { return c.Name }),
		"initContainers": namesOf(e.Spec.InitContainers, func(c v1alpha1.Container) string { return c.Name }),
		"volumes":        namesOf(e.Spec.Volumes, func(v v1alpha1.Volume) string { return v.Name }),
	} {
		if (list == "volumes") != (m[1] == "volumes") {
			continue
		}
		for i, n := range names {
			if n == name {
				return fmt.Sprintf("spec.%s[%d]%s", list, i, path[len(m[0]):]), true
			}
		}
	}
	return "spec", false
}

func namesOf[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = name(list[i])
	}
	return out
}

// nameAt gives the name of a member of one of a Pod's lists.
func nameAt(pod *corev1.Pod, list, index string) string {
	var names []string
	switch list {
	case "initContainers":
		names = namesOf(pod.Spec.InitContainers, func(c corev1.Container) string { return c.Name })
	case "containers":
		names = namesOf(pod.Spec.Containers, func(c corev1.Container) string { return c.Name })
	case "volumes":
		names = namesOf(pod.Spec.Volumes, func(v corev1.Volume) string { return v.Name })
	}
	if i, err := strconv.Atoi(index); err == nil && i < len(names) {
		return names[i]
	}
	return ""
}
