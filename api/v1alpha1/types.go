package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kinds of catalog entries.
const (
	KindClusterSidecar = "ClusterSidecar"
	KindSidecar        = "Sidecar"
)

// The markers below say what the API server alone can refuse: types, bounds and rules in CEL. The core refuses all of it too,
// with more to say; what is not said here is for it. Four things about the rules:
//
//   - They avoid two quotes in a row, which gofmt turns into a typographic one.
//   - A member without a schema (default, example, lines, a share's containers) is not known to CEL's types; dyn(self)
//     asks for it when the rule runs.
//   - Bounds are those of a parameter, of an item and of a field. An item with fields has no bounds of its own, which is why
//     the rules of Bounds ask for fields.
//   - metadata.name has no maxLength for the API server's estimate of a rule's cost, so that a rule may look at it about 30
//     times: lists of parts are bounded by that, and no rule joins it to another string in a loop.

// ClusterSidecar is a catalog entry that every Namespace its selector matches may ask for.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=csc,categories=pillion
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Level",type=string,JSONPath=`.status.podSecurityLevel`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.pods.current`
// +kubebuilder:printcolumn:name="Changed",type=integer,JSONPath=`.status.pods.changed`
// +kubebuilder:printcolumn:name="Outdated",type=integer,JSONPath=`.status.pods.outdated`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Description",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 30 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",message="metadata.name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!(self.metadata.name in ['pillion', 'inject', 'status', 'file', 'injected', 'injection', 'failure-policy'])",message="metadata.name is reserved",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.containers) || self.spec.containers.size() == 0 || self.spec.containers[0].name == self.metadata.name",message="the first container must be named like the entry",fieldPath=".spec.containers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.containers) || self.spec.containers.all(c, c.name == self.spec.containers[0].name || (c.name.startsWith(self.metadata.name) && c.name.charAt(self.metadata.name.size()) == '-'))",message="a container that is not the first must be named <entry>-<x>",fieldPath=".spec.containers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.initContainers) || self.spec.initContainers.size() == 0 || (has(self.spec.containers) && self.spec.containers.size() > 0) || self.spec.initContainers[0].name == self.metadata.name",message="the first container must be named like the entry",fieldPath=".spec.initContainers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.initContainers) || self.spec.initContainers.all(c, (c.name.startsWith(self.metadata.name) && c.name.charAt(self.metadata.name.size()) == '-') || ((!has(self.spec.containers) || self.spec.containers.size() == 0) && c.name == self.spec.initContainers[0].name))",message="a container that is not the first must be named <entry>-<x>",fieldPath=".spec.initContainers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.volumes) || self.spec.volumes.all(v, v.name.startsWith(self.metadata.name) && v.name.charAt(self.metadata.name.size()) == '-')",message="a volume must be named <entry>-<x>",fieldPath=".spec.volumes"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.volumes) || !self.spec.volumes.exists(v, v.name == self.metadata.name + '-files')",message="<entry>-files is the name of the volume of the entry's files",fieldPath=".spec.volumes"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.order) || !has(self.spec.order.after) || !(self.metadata.name in self.spec.order.after)",message="an entry cannot be ordered against itself",fieldPath=".spec.order.after"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.order) || !has(self.spec.order.conflictsWith) || !(self.metadata.name in self.spec.order.conflictsWith)",message="an entry cannot be ordered against itself",fieldPath=".spec.order.conflictsWith"
type ClusterSidecar struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec SidecarSpec `json:"spec"`
	// +optional
	Status SidecarStatus `json:"status,omitzero"`
}

// Sidecar is a catalog entry for the Pods of its own Namespace. A ClusterSidecar of the same name wins.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=sc,categories=pillion
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Level",type=string,JSONPath=`.status.podSecurityLevel`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`
// +kubebuilder:printcolumn:name="Current",type=integer,JSONPath=`.status.pods.current`
// +kubebuilder:printcolumn:name="Changed",type=integer,JSONPath=`.status.pods.changed`
// +kubebuilder:printcolumn:name="Outdated",type=integer,JSONPath=`.status.pods.outdated`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Description",type=string,priority=1,JSONPath=`.spec.description`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 30 && self.metadata.name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$')",message="metadata.name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!(self.metadata.name in ['pillion', 'inject', 'status', 'file', 'injected', 'injection', 'failure-policy'])",message="metadata.name is reserved",fieldPath=".metadata"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.containers) || self.spec.containers.size() == 0 || self.spec.containers[0].name == self.metadata.name",message="the first container must be named like the entry",fieldPath=".spec.containers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.containers) || self.spec.containers.all(c, c.name == self.spec.containers[0].name || (c.name.startsWith(self.metadata.name) && c.name.charAt(self.metadata.name.size()) == '-'))",message="a container that is not the first must be named <entry>-<x>",fieldPath=".spec.containers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.initContainers) || self.spec.initContainers.size() == 0 || (has(self.spec.containers) && self.spec.containers.size() > 0) || self.spec.initContainers[0].name == self.metadata.name",message="the first container must be named like the entry",fieldPath=".spec.initContainers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.initContainers) || self.spec.initContainers.all(c, (c.name.startsWith(self.metadata.name) && c.name.charAt(self.metadata.name.size()) == '-') || ((!has(self.spec.containers) || self.spec.containers.size() == 0) && c.name == self.spec.initContainers[0].name))",message="a container that is not the first must be named <entry>-<x>",fieldPath=".spec.initContainers"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.volumes) || self.spec.volumes.all(v, v.name.startsWith(self.metadata.name) && v.name.charAt(self.metadata.name.size()) == '-')",message="a volume must be named <entry>-<x>",fieldPath=".spec.volumes"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.volumes) || !self.spec.volumes.exists(v, v.name == self.metadata.name + '-files')",message="<entry>-files is the name of the volume of the entry's files",fieldPath=".spec.volumes"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.order) || !has(self.spec.order.after) || !(self.metadata.name in self.spec.order.after)",message="an entry cannot be ordered against itself",fieldPath=".spec.order.after"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.order) || !has(self.spec.order.conflictsWith) || !(self.metadata.name in self.spec.order.conflictsWith)",message="an entry cannot be ordered against itself",fieldPath=".spec.order.conflictsWith"
// +kubebuilder:validation:XValidation:rule="!has(self.spec.node)",message="only a ClusterSidecar may ask the node helper",fieldPath=".spec.node",reason=FieldValueForbidden
type Sidecar struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec SidecarSpec `json:"spec"`
	// +optional
	Status SidecarStatus `json:"status,omitzero"`
}

// ClusterSidecarList is a list of ClusterSidecars.
//
// +kubebuilder:object:root=true
type ClusterSidecarList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ClusterSidecar `json:"items"`
}

// SidecarList is a list of Sidecars.
//
// +kubebuilder:object:root=true
type SidecarList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Sidecar `json:"items"`
}

// SidecarStatus is what Pillion's controller says of an entry.
type SidecarStatus struct {
	// ObservedGeneration is the generation of the spec that the rest speaks of.
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Conditions: Ready, with the reasons below.
	//
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Revision of the spec: twelve hexadecimal digits, as in the status annotation of Pods.
	Revision string `json:"revision,omitempty"`
	// PodSecurityLevel is the strictest Pod Security level that the entry's parts meet: restricted, baseline or privileged.
	PodSecurityLevel string `json:"podSecurityLevel,omitempty"`
	// Pods counts the Pods that carry the sidecar.
	//
	// +optional
	Pods PodCounts `json:"pods,omitzero"`
}

// PodCounts counts the Pods that carry a sidecar, each once.
type PodCounts struct {
	// Current Pods have this revision as it was injected.
	Current int32 `json:"current"`
	// Changed Pods have this revision, and somebody changed the sidecar's containers since.
	Changed int32 `json:"changed"`
	// Outdated Pods have another revision: they get this one when they are made anew.
	Outdated int32 `json:"outdated"`
}

// ConditionReady says whether Pods get the sidecar as the spec says.
const ConditionReady = "Ready"

// Reasons of ConditionReady.
const (
	// ReasonProved: the entry was proved at default and boundary values, and the API server took a Pod with it in a dry run.
	ReasonProved = "Proved"
	// ReasonInvalid: the spec has a mistake; where the entry was good before, that revision stays in use.
	ReasonInvalid = "Invalid"
	// ReasonShadowed: a ClusterSidecar has the Sidecar's name and wins.
	ReasonShadowed = "Shadowed"
	// ReasonRefused: the API server refuses a Pod with the sidecar.
	ReasonRefused = "Refused"
)

// SidecarSpec says what a Pod that asks for the entry gets. Strings inside containers, volumes, files and appEnv may hold
// $(params.NAME), which is filled in after parsing; a whole-string hole of an integer or boolean becomes a JSON number or
// boolean where the field wants one. No hole may stand in a name, a securityContext, a volume kind or a hostPort.
//
// +kubebuilder:validation:XValidation:rule="(has(self.containers) ? self.containers.size() : 0) + (has(self.initContainers) ? self.initContainers.size() : 0) > 0",message="an entry has at least one container",fieldPath=".containers",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(self.containers) || self.containers.size() == 0 || !has(self.containers[0].when)",message="the first container has no condition",fieldPath=".containers",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="(has(self.containers) && self.containers.size() > 0) || !has(self.initContainers) || self.initContainers.size() == 0 || !has(self.initContainers[0].when)",message="the first container has no condition",fieldPath=".initContainers",reason=FieldValueForbidden
// +kubebuilder:validation:XValidation:rule="!has(self.containers) || !has(self.initContainers) || !self.initContainers.exists(i, self.containers.exists(c, c.name == i.name))",message="one of the containers has this name already",fieldPath=".initContainers"
type SidecarSpec struct {
	// Description is one sentence for people who choose from the catalog.
	//
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`
	// Parameters that a Pod may set by pillion.dev/<sidecar>.<parameter>, by name (a DNS label of at most 30 characters).
	//
	// +kubebuilder:validation:MaxProperties=128
	// +kubebuilder:validation:XValidation:rule="self.all(name, name.size() <= 30 && name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$'))",message="a parameter's name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -"
	Parameters map[string]Parameter `json:"parameters,omitempty"`
	// Files are config files that the Pod carries itself, as annotations.
	//
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	Files []File `json:"files,omitempty"`
	// Volumes of the entry, named <entry>-<x>.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	Volumes []Volume `json:"volumes,omitempty"`
	// Containers are native sidecars (init containers with restartPolicy Always), unless their placement is Regular. The
	// first is named like the entry and has no condition; the others are named <entry>-<x>.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:items:XValidation:rule="!has(self.placement) || self.placement != 'first'",message="only an init container has placement first",fieldPath=".placement"
	Containers []Container `json:"containers,omitempty"`
	// InitContainers run to completion before the app's own init containers, after the entry's native sidecars; those of
	// placement first before all of these.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:items:XValidation:rule="!has(self.placement) || self.placement in ['', 'first']",message="an init container runs to completion: its placement is first, or it has none",fieldPath=".placement"
	InitContainers []Container `json:"initContainers,omitempty"`
	// AppEnv is added to app containers; a variable that a container already has stays as it is.
	//
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	AppEnv []AppEnv `json:"appEnv,omitempty"`
	// RunAsUserOf names a container of the app (or, as $(params.NAME), the parameter that does) whose effective
	// runAsUser and runAsGroup the entry's containers take. Refused where that container states none.
	//
	// +kubebuilder:validation:MaxLength=253
	RunAsUserOf string `json:"runAsUserOf,omitempty"`
	// ShareProcessNamespace asks for one PID namespace for the whole Pod. An explicit false in the Pod is a conflict.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// ServiceAccountToken keeps the app's service-account token visible to the entry's containers; it is masked otherwise.
	ServiceAccountToken bool `json:"serviceAccountToken,omitempty"`
	// FlushSeconds is the time from SIGTERM to exit; it is added to the Pod's grace period. 0 to 600.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=600
	FlushSeconds int64 `json:"flushSeconds,omitempty"`
	// HostNetwork says whether Pods on the host network may ask for the entry: refused (the default) or allowed.
	HostNetwork HostNetwork `json:"hostNetwork,omitempty"`
	// Order places the entry among others.
	Order Order `json:"order,omitempty"`
	// NamespaceSelector says which Namespaces may ask for the entry; empty means all.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// Node is what the node helper is asked for.
	Node *Node `json:"node,omitempty"`
}

// HostNetwork says whether Pods on the host network may ask for an entry.
//
// +kubebuilder:validation:Enum="";refused;allowed
type HostNetwork string

// The values of HostNetwork; empty means refused.
const (
	HostNetworkRefused HostNetwork = "refused"
	HostNetworkAllowed HostNetwork = "allowed"
)

// Order places an entry among others on the same Pod.
type Order struct {
	// After lists entries that, where the Pod has them too, come first.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	After []string `json:"after,omitempty"`
	// ConflictsWith lists entries that cannot be on the same Pod.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	ConflictsWith []string `json:"conflictsWith,omitempty"`
}

// Share mounts an entry's volume into other containers.
//
// +kubebuilder:validation:XValidation:rule="has(dyn(self).containers) || (has(self.sidecars) && self.sidecars.size() > 0)",message="a share names containers or sidecars",reason=FieldValueRequired
type Share struct {
	// Containers of the app, init containers too: names or globs, or one string $(params.NAME) of a list.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Containers Values `json:"containers,omitempty"`
	// Sidecars are other entries, all of whose containers get the mount where they are on the same Pod.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	Sidecars []string `json:"sidecars,omitempty"`
	// MountPath in those containers.
	//
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	MountPath string `json:"mountPath"`
	// ReadOnly mounts it read-only there.
	ReadOnly bool `json:"readOnly,omitempty"`
	// When is the condition for the share.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
}

// AppEnv is an environment variable for app containers.
type AppEnv struct {
	// Name of the variable.
	//
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name"`
	// Value of the variable.
	//
	// +kubebuilder:validation:MaxLength=32768
	// +optional
	Value string `json:"value"`
	// Containers of the app that get it: names or globs; default all that are not init containers.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Containers Values `json:"containers,omitempty"`
	// When is the condition for the variable.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
}

// Placement says where a container of an entry goes.
//
// +kubebuilder:validation:Enum="";first;beforeInit;afterInit;regular
type Placement string

// The placements; empty means PlacementBeforeInit.
const (
	// PlacementFirst: an init container that runs to completion before everything else of the Pod, native sidecars too.
	PlacementFirst Placement = "first"
	// PlacementBeforeInit: a native sidecar before the app's first init container.
	PlacementBeforeInit Placement = "beforeInit"
	// PlacementAfterInit: a native sidecar after the app's last init container.
	PlacementAfterInit Placement = "afterInit"
	// PlacementRegular: an ordinary container after the app's.
	PlacementRegular Placement = "regular"
)
