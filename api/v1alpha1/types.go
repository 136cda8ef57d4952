package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Kinds of catalog entries.
const (
	KindClusterSidecar = "ClusterSidecar"
	KindSidecar        = "Sidecar"
)

// ClusterSidecar is a catalog entry that every Namespace its selector matches may ask for.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=csc
type ClusterSidecar struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SidecarSpec   `json:"spec"`
	Status SidecarStatus `json:"status,omitzero"`
}

// Sidecar is a catalog entry for the Pods of its own Namespace. A ClusterSidecar of the same name wins.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=sc
type Sidecar struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   SidecarSpec   `json:"spec"`
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
type SidecarSpec struct {
	// Description is one sentence for people who choose from the catalog.
	Description string `json:"description,omitempty"`
	// Parameters that a Pod may set by pillion.dev/<sidecar>.<parameter>, by name (a DNS label of at most 30 characters).
	Parameters map[string]Parameter `json:"parameters,omitempty"`
	// Files are config files that the Pod carries itself, as annotations.
	Files []File `json:"files,omitempty"`
	// Volumes of the entry, named <entry>-<x>.
	Volumes []Volume `json:"volumes,omitempty"`
	// Containers are native sidecars (init containers with restartPolicy Always), unless their placement is Regular. The
	// first is named like the entry and has no condition; the others are named <entry>-<x>.
	Containers []Container `json:"containers,omitempty"`
	// InitContainers run to completion before the app's own init containers, after the entry's native sidecars.
	InitContainers []Container `json:"initContainers,omitempty"`
	// AppEnv is added to app containers; a variable that a container already has stays as it is.
	AppEnv []AppEnv `json:"appEnv,omitempty"`
	// RunAsUserOf names a container of the app (or, as $(params.NAME), the parameter that does) whose effective
	// runAsUser and runAsGroup the entry's containers take. Refused where that container states none.
	RunAsUserOf string `json:"runAsUserOf,omitempty"`
	// ShareProcessNamespace asks for one PID namespace for the whole Pod. An explicit false in the Pod is a conflict.
	ShareProcessNamespace bool `json:"shareProcessNamespace,omitempty"`
	// ServiceAccountToken keeps the app's service-account token visible to the entry's containers; it is masked otherwise.
	ServiceAccountToken bool `json:"serviceAccountToken,omitempty"`
	// FlushSeconds is the time from SIGTERM to exit; it is added to the Pod's grace period. 0 to 600.
	FlushSeconds int64 `json:"flushSeconds,omitempty"`
	// HostNetwork says whether Pods on the host network may ask for the entry: refused (the default) or allowed.
	HostNetwork HostNetwork `json:"hostNetwork,omitempty"`
	// Order places the entry among others.
	Order Order `json:"order,omitempty"`
	// NamespaceSelector says which Namespaces may ask for the entry; empty means all.
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
}

// HostNetwork says whether Pods on the host network may ask for an entry.
type HostNetwork string

// The values of HostNetwork; empty means refused.
const (
	HostNetworkRefused HostNetwork = "refused"
	HostNetworkAllowed HostNetwork = "allowed"
)

// Order places an entry among others on the same Pod.
type Order struct {
	// After lists entries that, where the Pod has them too, come first.
	After []string `json:"after,omitempty"`
	// ConflictsWith lists entries that cannot be on the same Pod.
	ConflictsWith []string `json:"conflictsWith,omitempty"`
}

// ParameterType is the type of a parameter's value.
type ParameterType string

// The parameter types. In an annotation every value is written as text.
const (
	// TypeString: printable characters; bounds: pattern, enum, maxLength (default 253).
	TypeString ParameterType = "string"
	// TypeInteger: a decimal 64-bit integer; bounds: minimum, maximum, enum.
	TypeInteger ParameterType = "integer"
	// TypeBoolean: true or false.
	TypeBoolean ParameterType = "boolean"
	// TypeQuantity: a Kubernetes quantity such as 256Mi or 100m; bounds: minimum, maximum.
	TypeQuantity ParameterType = "quantity"
	// TypeDuration: a Go duration such as 1m30s; bounds: minimum, maximum.
	TypeDuration ParameterType = "duration"
	// TypePort: 1 to 65535.
	TypePort ParameterType = "port"
	// TypePath: a clean absolute path of letters, digits and . _ / @ : + , = -
	TypePath ParameterType = "path"
	// TypeURL: an absolute http or https URL without user info; other schemes by enum in Schemes.
	TypeURL ParameterType = "url"
	// TypeSecretName and TypeConfigMapName: a DNS subdomain; the object is in the Pod's own Namespace.
	TypeSecretName    ParameterType = "secretName"
	TypeConfigMapName ParameterType = "configMapName"
	// TypeList: items of one of the types above separated by commas, or, with Items.Fields, items such as
	// "path=/a,port=80" separated by semicolons.
	TypeList ParameterType = "list"
)

// Parameter declares one value that a Pod may set, and its bounds.
type Parameter struct {
	Bounds `json:",inline"`

	// Items declares the items of a list.
	Items *Items `json:"items,omitempty"`
}

// Bounds is a type of values and what of it is allowed.
type Bounds struct {
	// Type of the value.
	Type ParameterType `json:"type,omitempty"`
	// Description is one sentence for people who set it.
	Description string `json:"description,omitempty"`
	// Default is the value where none is given, written as YAML scalar or, for a list, as a list of scalars.
	Default *Value `json:"default,omitempty"`
	// Required parameters have no default. A parameter that is neither is empty when not given.
	Required bool `json:"required,omitempty"`
	// Example is a valid value, for the reference and for the proof of an entry at load; needed with Pattern and no Default.
	Example *Value `json:"example,omitempty"`

	// Pattern is an RE2 expression that the whole value matches (it is anchored at both ends).
	Pattern string `json:"pattern,omitempty"`
	// Enum lists the only valid values.
	Enum []string `json:"enum,omitempty"`
	// MaxLength in bytes.
	MaxLength int `json:"maxLength,omitempty"`
	// Minimum and Maximum bound integers, quantities and durations, written in the same form as the value.
	Minimum string `json:"minimum,omitempty"`
	Maximum string `json:"maximum,omitempty"`
	// Schemes lists the URL schemes allowed; default http and https.
	Schemes []string `json:"schemes,omitempty"`
}

// Items declares the items of a list parameter.
type Items struct {
	// Bounds gives type and bounds of each item where Fields is empty.
	Bounds `json:",inline"`
	// Fields declares items with named fields, "path=/a,port=80"; the fields are reached by $(item.NAME).
	Fields map[string]Bounds `json:"fields,omitempty"`
	// MaxItems bounds the number of items; default 16.
	MaxItems int `json:"maxItems,omitempty"`
}

// When is a condition: every named parameter has one of the listed values. "*" stands for any non-empty value, "" for
// none. Values of booleans and integers are written as text or as themselves.
type When map[string]Values

// FileFormat is the format of a File.
type FileFormat string

// The file formats.
const (
	FormatYAML  FileFormat = "yaml"
	FormatJSON  FileFormat = "json"
	FormatTOML  FileFormat = "toml"
	FormatLines FileFormat = "lines"
)

// File is a config file that the Pod carries itself, as an annotation that a downwardAPI volume shows to the entry's
// containers. It is data: values enter as scalars, then it is marshalled.
type File struct {
	// Name is a DNS label of at most 20 characters, unique within the entry.
	Name string `json:"name"`
	// MountPath is the file's absolute path in the entry's containers.
	MountPath string `json:"mountPath"`
	// Containers of the entry that see it; default all.
	Containers []string `json:"containers,omitempty"`
	// Format of the file.
	Format FileFormat `json:"format"`
	// Data is the content of a yaml, json or toml file: an object. Its maps may hold the key $when (a condition on that
	// map; where it fails the map is left out of what holds it) and its lists, items with $each (params.NAME: the item
	// once for every item of that list, reached by $(item) or $(item.FIELD)).
	Data *Object `json:"data,omitempty"`
	// Lines is the content of a lines file.
	Lines []Line `json:"lines,omitempty"`
	// DollarExpands says that the program which reads the file expands $NAME or ${NAME}: every $ of a value is doubled.
	DollarExpands bool `json:"dollarExpands,omitempty"`
	// When is the condition for the file.
	When When `json:"when,omitempty"`
}

// Line is one line of a lines file: a string, or an object with a condition. Only parameters whose values cannot hold
// white space, quotes or any of \ # $ { } may enter a line.
type Line struct {
	// Line is the text.
	Line string `json:"line"`
	// When is the condition for the line.
	When When `json:"when,omitempty"`
	// Each is params.NAME of a list: the line once for every item, reached by $(item) or $(item.FIELD).
	Each string `json:"each,omitempty"`
}

// Share mounts an entry's volume into other containers.
type Share struct {
	// Containers of the app, init containers too: names or globs, or one string $(params.NAME) of a list.
	Containers Values `json:"containers,omitempty"`
	// Sidecars are other entries, all of whose containers get the mount where they are on the same Pod.
	Sidecars []string `json:"sidecars,omitempty"`
	// MountPath in those containers.
	MountPath string `json:"mountPath"`
	// ReadOnly mounts it read-only there.
	ReadOnly bool `json:"readOnly,omitempty"`
	// When is the condition for the share.
	When When `json:"when,omitempty"`
}

// AppEnv is an environment variable for app containers.
type AppEnv struct {
	// Name of the variable.
	Name string `json:"name"`
	// Value of the variable.
	Value string `json:"value"`
	// Containers of the app that get it: names or globs; default all that are not init containers.
	Containers Values `json:"containers,omitempty"`
	// When is the condition for the variable.
	When When `json:"when,omitempty"`
}

// Placement says where a container of an entry goes.
type Placement string

// The placements; empty means PlacementBeforeInit.
const (
	// PlacementBeforeInit: a native sidecar before the app's first init container.
	PlacementBeforeInit Placement = "beforeInit"
	// PlacementAfterInit: a native sidecar after the app's last init container.
	PlacementAfterInit Placement = "afterInit"
	// PlacementRegular: an ordinary container after the app's.
	PlacementRegular Placement = "regular"
)
