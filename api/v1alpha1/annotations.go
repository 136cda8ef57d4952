package v1alpha1

// Group and Version of the catalog's API; GroupVersion is the apiVersion of its documents.
const (
	Group        = "pillion.dev"
	Version      = "v1alpha1"
	GroupVersion = Group + "/" + Version
)

// Prefix starts every annotation and label of Pillion.
const Prefix = Group + "/"

// Annotations that people write on a Pod, a pod template or (as defaults) a Namespace. Pod keys win one by one.
// A parameter of a sidecar is written as Prefix + "<sidecar>.<parameter>".
const (
	// AnnotationInject asks for sidecars: names separated by commas, in the order of injection, or "false".
	AnnotationInject = Prefix + "inject"
	// AnnotationFailurePolicy says what becomes of a Pod whose request cannot be met: Fail (the default: the Pod is
	// refused with every reason) or Ignore (the Pod is admitted untouched, with the reasons as warnings).
	AnnotationFailurePolicy = Prefix + "failure-policy"
)

// How a Namespace's Pods are treated.
const (
	// LabelInjection on a Namespace says how its Pods are treated: "enabled" lets its annotations ask for them too,
	// "required" also keeps them from opting out.
	LabelInjection = Prefix + "injection"
	// InjectionEnabled and InjectionRequired are its values.
	InjectionEnabled  = "enabled"
	InjectionRequired = "required"
)

// Annotations and the label that Pillion writes.
const (
	// AnnotationStatus holds a Status as JSON.
	AnnotationStatus = Prefix + "status"
	// AnnotationFilePrefix starts the keys of config files that the Pod carries itself.
	AnnotationFilePrefix = Prefix + "file."
	// LabelInjected marks an injected Pod; its value is "true".
	LabelInjected = Prefix + "injected"
)

// Values of AnnotationInject and AnnotationFailurePolicy.
const (
	InjectFalse         = "false"
	FailurePolicyFail   = "Fail"
	FailurePolicyIgnore = "Ignore"
)

// AnnotationSafeToEvict is the cluster autoscaler's list of emptyDir volumes that do not keep a Pod from being moved:
// https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md
const AnnotationSafeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

// AnnotationRequiredPlugins has a runtime whose NRI validator is on refuse the Pod's containers where the node helper is not
// there; keys that begin with RequiredPlugins are nobody else's on a Pod that needs the helper:
// https://github.com/containerd/nri/blob/main/docs/validation-plugins.md
const (
	RequiredPlugins           = "required-plugins.noderesource.dev"
	AnnotationRequiredPlugins = RequiredPlugins + "/pod"
)
