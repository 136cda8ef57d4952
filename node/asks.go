package node

import (
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Asks is what a Pod asks of the node helper, by name.
type Asks struct {
	// Proxy is the sidecar that the Pod's traffic goes through; nil where it is left alone.
	Proxy *v1alpha1.InjectedSidecar
	// Joins gives by the name of a joiner, which is its sidecar's, the container that it joins and the sidecar.
	Joins map[string]Join
	// Governed gives by the name of a container the sidecar whose cgroup profile it has.
	Governed map[string]*v1alpha1.InjectedSidecar
	// Sidecars are all of the Pod's, by the names of their containers.
	Sidecars map[string]*v1alpha1.InjectedSidecar
}

// Join is one container's wish to be in the PID namespace of another.
type Join struct {
	Target  string
	Sidecar *v1alpha1.InjectedSidecar
}

// Bounds of what is read of a Pod, which anybody who may create Pods can write.
const (
	maxStatus   = 64 << 10
	maxSidecars = 64
)

// configSource says where a Pod came from; kubelets write it. Pods that do not come from the API server have not passed
// admission, and are left alone.
const (
	configSource = "kubernetes.io/config.source"
	fromAPI      = "api"
)

// ReadAsks reads what a Pod asks from its annotations; nil where it asks nothing. A status that cannot be read is an error.
func ReadAsks(annotations map[string]string) (*Asks, error) {
	text, ok := annotations[v1alpha1.AnnotationStatus]
	if source := annotations[configSource]; !ok || source != "" && source != fromAPI {
		return nil, nil
	}
	if len(text) > maxStatus {
		return nil, fmt.Errorf("annotation %s has %d bytes, the most is %d", v1alpha1.AnnotationStatus, len(text), maxStatus)
	}
	var st v1alpha1.Status
	if err := json.Unmarshal([]byte(text), &st); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", v1alpha1.AnnotationStatus, err)
	}
	if st.Version != v1alpha1.StatusVersion || len(st.Sidecars) == 0 {
		return nil, nil
	}
	if len(st.Sidecars) > maxSidecars {
		return nil, fmt.Errorf("annotation %s lists %d sidecars, the most is %d", v1alpha1.AnnotationStatus, len(st.Sidecars), maxSidecars)
	}
	a := &Asks{Joins: map[string]Join{}, Governed: map[string]*v1alpha1.InjectedSidecar{}, Sidecars: map[string]*v1alpha1.InjectedSidecar{}}
	for i := range st.Sidecars {
		if err := a.add(&st.Sidecars[i]); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *Asks) add(s *v1alpha1.InjectedSidecar) error {
	if err := checkNames(s); err != nil {
		return err
	}
	for _, c := range s.Containers {
		a.Sidecars[c] = s
	}
	if s.Node == nil {
		return nil
	}
	if s.Node.Redirect {
		if a.Proxy != nil {
			return fmt.Errorf("annotation %s: sidecars %s and %s are both the Pod's proxy", v1alpha1.AnnotationStatus, a.Proxy.Name, s.Name)
		}
		a.Proxy = s
	}
	if s.Node.Join != "" {
		if s.Node.Join == s.Name {
			return fmt.Errorf("annotation %s: sidecar %s is to join itself", v1alpha1.AnnotationStatus, s.Name)
		}
		a.Joins[s.Name] = Join{s.Node.Join, s}
	}
	if s.Node.Cgroup {
		for _, c := range s.Containers {
			a.Governed[c] = s
		}
	}
	return nil
}

// checkNames holds a sidecar's names to what Kubernetes lets names be, so that none is a path, breaks a line of a log, or fills it.
func checkNames(s *v1alpha1.InjectedSidecar) error {
	bad := func(what, name string, why []string) error {
		return fmt.Errorf("annotation %s: %s %.64q: %s", v1alpha1.AnnotationStatus, what, name, why[0])
	}
	if why := validation.IsDNS1123Subdomain(s.Name); len(why) > 0 {
		return bad("sidecar", s.Name, why)
	}
	if why := validation.IsDNS1123Subdomain(s.Revision); len(why) > 0 {
		return bad("revision", s.Revision, why)
	}
	containers := s.Containers
	if s.Node != nil && s.Node.Join != "" {
		containers = append(containers[:len(containers):len(containers)], s.Node.Join)
	}
	for _, c := range containers {
		if why := validation.IsDNS1123Label(c); len(why) > 0 {
			return bad("container", c, why)
		}
	}
	return nil
}

// Needed reports whether the helper has anything to do for the Pod but to count.
func (a *Asks) Needed() bool { return a != nil && (a.Proxy != nil || len(a.Joins)+len(a.Governed) > 0) }

// places reports whether a container must not begin before the helper has seen to it: the proxy, and a joiner.
func (a *Asks) places(name string) bool {
	_, joins := a.Joins[name]
	return joins || a.Proxy != nil && a.Proxy.Name == name
}
