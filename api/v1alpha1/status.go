package v1alpha1

// StatusVersion is the schema version of Status.
const StatusVersion = 1

// Status is the value of the annotation pillion.dev/status: what Pillion added to this Pod. It names the parts that are
// Pillion's at any later run, and is all that is needed to take them out again. It is information for its Pod's author,
// never proof: whoever writes a Pod can write it.
type Status struct {
	// Version of this schema: 1.
	Version int `json:"v"`
	// Sidecars lists the injected entries in the order of injection.
	Sidecars []InjectedSidecar `json:"sidecars"`
	// Volumes lists volumes that belong to no single entry.
	Volumes []string `json:"volumes,omitempty"`
	// App lists what app containers, and entries that were already there, got.
	App []InjectedInto `json:"app,omitempty"`
	// ShareProcessNamespace says that Pillion set spec.shareProcessNamespace.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// GracePeriodWas is spec.terminationGracePeriodSeconds before Pillion added flush times (absent counts as 30); nil
	// where it was left alone.
	GracePeriodWas *int64 `json:"gracePeriodWas,omitempty"`
	// RequiredPlugin says that Pillion set AnnotationRequiredPlugins.
	RequiredPlugin bool `json:"requiredPlugin,omitempty"`
	// SafeToEvict lists the volumes that Pillion appended to AnnotationSafeToEvict.
	SafeToEvict []string `json:"safeToEvict,omitempty"`
}

// InjectedSidecar is one entry in a Status.
type InjectedSidecar struct {
	// Name of the entry.
	Name string `json:"name"`
	// Revision of the entry's spec when it was injected.
	Revision string `json:"rev"`
	// Containers, in spec.containers or spec.initContainers, that were added.
	Containers []string `json:"containers"`
	// Volumes that were added for this entry; a volume it joined is not among them.
	Volumes []string `json:"volumes,omitempty"`
	// Files are the names of the entry's files, each in an annotation of its own.
	Files []string `json:"files,omitempty"`
	// Node is what the node helper is asked for; nil where it is not asked.
	Node *InjectedNode `json:"node,omitempty"`
}

// InjectedNode names what the node helper does for a Pod's sidecar. What these mean is in the entry's revision, which the
// helper knows from the catalog and not from the Pod.
type InjectedNode struct {
	// Redirect: the sidecar's first container is the proxy of the Pod's traffic.
	Redirect bool `json:"redirect,omitempty"`
	// Join is the container whose PID namespace the sidecar's first container is in.
	Join string `json:"join,omitempty"`
	// Cgroup: the cgroups of the sidecar's containers are governed.
	Cgroup bool `json:"cgroup,omitempty"`
}

// InjectedInto is what one container that is not the entry's own got.
type InjectedInto struct {
	// Container's name.
	Container string `json:"container"`
	// Mounts lists the mount paths that were added.
	Mounts []string `json:"mounts,omitempty"`
	// Env lists the environment variables that were added.
	Env []string `json:"env,omitempty"`
}
