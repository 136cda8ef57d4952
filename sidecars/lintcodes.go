package sidecars

// Codes of the warnings of Lint; each is stable for life.
const (
	// CodeNoDescription: the entry says nothing to those who choose from the catalog.
	CodeNoDescription = "L101"
	// CodeParameterNoDescription: a parameter says nothing to those who set it.
	CodeParameterNoDescription = "L102"
	// CodeImageNotFixed: an image may be another one tomorrow.
	CodeImageNotFixed = "L103"
	// CodeRegularPlacement: an ordinary container keeps a Job's Pod from ending.
	CodeRegularPlacement = "L104"
	// CodeSelectsNothing: no Namespace can match the namespaceSelector.
	CodeSelectsNothing = "L105"
	// CodePrivileged: a ClusterSidecar is graded privileged.
	CodePrivileged = "L106"
	// CodeNoRequest: a container states no request, so that its limit is requested.
	CodeNoRequest = "L201"
	// CodeUnboundedResource: a Pod may set requests or limits to anything.
	CodeUnboundedResource = "L202"
	// CodeRequestsAtMaximum: with parameters at their maximum the requests exceed a ceiling.
	CodeRequestsAtMaximum = "L203"
	// CodeRequestsGuaranteed: the limits exceed the ceiling on requests, so that a Guaranteed Pod cannot have the sidecar.
	CodeRequestsGuaranteed = "L204"
	// CodeNoSuchSidecar: an entry names another that the catalog does not have.
	CodeNoSuchSidecar = "L301"
	// CodeShadows: Sidecars of Namespaces give way to this ClusterSidecar.
	CodeShadows = "L302"
	// CodeNameMet: a Namespace's Sidecar has a container or volume of the same name.
	CodeNameMet = "L303"
	// CodePortMet, CodeVariableMet and CodePathMet: another entry has the same port, gives a variable another value, shares
	// another volume at the same path.
	CodePortMet     = "L304"
	CodeVariableMet = "L305"
	CodePathMet     = "L306"
	// CodeFitsNoFixture: none of the fixture Pods can have the sidecar at its defaults.
	CodeFitsNoFixture = "L401"
)

// LintCodes describes every warning of Lint, by code, in one sentence each.
func LintCodes() map[string]string {
	return map[string]string{
		CodeNoDescription:          "The entry has no description, by which people choose from the catalog.",
		CodeParameterNoDescription: "A parameter has no description, which is what explains it to those who set it.",
		CodeImageNotFixed:          "An image has neither a digest nor a fixed tag, or a parameter can make it so: two Pods may run two programs.",
		CodeRegularPlacement:       "A container with placement regular runs as long as it likes, which keeps the Pod of a Job from ending.",
		CodeSelectsNothing:         "The namespaceSelector contradicts itself: no Namespace can match it.",
		CodePrivileged:             "A ClusterSidecar is graded privileged by Pod Security: Namespaces that enforce a stricter level cannot have it.",
		CodeNoRequest:              "A container states no CPU or memory request, so its limit is requested.",
		CodeUnboundedResource:      "A parameter without maximum, enum or pattern decides over requests or limits: a Pod may set it to anything.",
		CodeRequestsAtMaximum:      "With its parameters at their maximum the entry requests more than one Pod may get, so such a Pod is refused.",
		CodeRequestsGuaranteed:     "In a Guaranteed Pod limits are requested, and these limits are more than one Pod may get: such a Pod is refused.",
		CodeNoSuchSidecar:          "The entry names a sidecar that the catalog does not have.",
		CodeShadows:                "Sidecars of Namespaces have this ClusterSidecar's name; their Pods get this one instead.",
		CodeNameMet:                "A Namespace's Sidecar has a container or volume of the same name: a Pod that asks for both is refused.",
		CodePortMet:                "Another entry listens on the same port: a Pod that asks for both is refused.",
		CodeVariableMet:            "Another entry gives app containers another value of the same variable: a Pod that asks for both is refused.",
		CodePathMet:                "Another entry shares a volume with app containers at the same path: on one Pod the two use one volume.",
		CodeFitsNoFixture:          "At its defaults the entry is refused on every fixture Pod; the first reason is given.",
	}
}
