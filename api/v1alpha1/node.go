package v1alpha1

// Node is what the node helper does for Pods with the entry: what a Pod cannot do for itself without privileges. Its values
// are the entry's alone; a Pod carries no more than the entry's name and revision, and the name of a container of its own.
// Only entries for all Namespaces may ask.
type Node struct {
	// Redirect has the Pod's traffic pass through the entry's first container, a native sidecar before everything else.
	Redirect *NodeRedirect `json:"redirect,omitempty"`
	// JoinPIDNamespaceOf names a container of the app (or, as $(params.NAME), the parameter that does) whose PID namespace the
	// entry's first container, of placement regular, is in. Empty joins none.
	//
	// +kubebuilder:validation:MaxLength=253
	JoinPIDNamespaceOf string `json:"joinPIDNamespaceOf,omitempty"`
	// WithoutHelper says what becomes of JoinPIDNamespaceOf where the cluster has no node helper.
	WithoutHelper WithoutHelper `json:"withoutHelper,omitempty"`
	// Cgroup governs the cgroups of the entry's containers.
	Cgroup *NodeCgroup `json:"cgroup,omitempty"`
}

// WithoutHelper says what becomes of a Pod that would need the node helper where there is none.
//
// +kubebuilder:validation:Enum="";refused;shareProcessNamespace
type WithoutHelper string

// The values of WithoutHelper; empty means refused.
const (
	WithoutHelperRefused WithoutHelper = "refused"
	WithoutHelperShare   WithoutHelper = "shareProcessNamespace"
)

// NodeRedirect says which of a Pod's traffic goes through a port of the proxy in it. The ports 15098 and 15099 are the gate's.
//
// +kubebuilder:validation:XValidation:rule="(has(self.inbound) && self.inbound > 0) || (has(self.outbound) && self.outbound > 0) || (has(self.dns) && self.dns > 0)",message="want inbound, outbound or dns: a port of the proxy",reason=FieldValueRequired
type NodeRedirect struct {
	// When is the condition for the redirect.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
	// Inbound is the proxy's TCP port for connections into the Pod; 0 leaves them alone.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Inbound int64 `json:"inbound,omitempty"`
	// Outbound is the proxy's TCP port for connections out of the Pod; 0 leaves them alone.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Outbound int64 `json:"outbound,omitempty"`
	// DNS is the proxy's port for DNS, over UDP and TCP; 0 leaves it alone.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	DNS int64 `json:"dns,omitempty"`
	// InboundExcept and OutboundExcept are TCP ports that stay direct: N or N-M.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=11
	// +listType=atomic
	InboundExcept []string `json:"inboundExcept,omitempty"`
	// OutboundExcept is as InboundExcept, for connections out of the Pod.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=11
	// +listType=atomic
	OutboundExcept []string `json:"outboundExcept,omitempty"`
	// CIDRExcept are destinations out of the Pod that stay direct, such as 10.0.0.0/8.
	//
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=43
	// +listType=atomic
	CIDRExcept []string `json:"cidrExcept,omitempty"`
	// GroupID is the group that the proxy's process has, by which its own traffic is told on nodes without cgroups of
	// version 2; 0 is none. An app with this group gets past the proxy.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=2147483647
	GroupID int64 `json:"groupID,omitempty"`
	// DirectAfterProxy lets traffic go direct once the proxy has ended while others of the Pod still work; else it goes nowhere.
	DirectAfterProxy bool `json:"directAfterProxy,omitempty"`
}

// NodeCgroup says how the cgroups of an entry's containers are governed. A value takes effect only where it is less than what
// the kubelet gives, so that no entry gets more by it.
type NodeCgroup struct {
	// CPUWeight is the share of the CPU under contention: 1 to 10000, where 100 is what a request of about 2.5 CPUs gives;
	// 0 leaves it.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	CPUWeight int64 `json:"cpuWeight,omitempty"`
	// MemoryHighPercent is where reclaim begins, in percent of the memory limit: 50 to 99; 0 leaves it.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=99
	MemoryHighPercent int64 `json:"memoryHighPercent,omitempty"`
	// CPUBurstPercent is how much unused CPU time is kept for a burst, in percent of the limit of one period: 1 to 100; 0 is
	// none.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	CPUBurstPercent int64 `json:"cpuBurstPercent,omitempty"`
	// IOWeight is the share of the disk under contention: 1 to 10000, where 100 is what all have; 0 leaves it.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000
	IOWeight int64 `json:"ioWeight,omitempty"`
	// OOMScoreAdjust is at least the score by which the kernel chooses whom to kill where memory runs out: 1 to 1000; 0 leaves it.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	OOMScoreAdjust int64 `json:"oomScoreAdjust,omitempty"`
}
