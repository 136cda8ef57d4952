package sidecars

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/pod-security-admission/api"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Layer is where an entry comes from.
type Layer string

// The layers. Of two entries of one name the embedded one gives way, and a Namespace's to the cluster's.
const (
	// LayerEmbedded: the programs carry it.
	LayerEmbedded Layer = "embedded"
	// LayerDirectory: read from files.
	LayerDirectory Layer = "directory"
	// LayerCluster: a ClusterSidecar of the API server.
	LayerCluster Layer = "cluster"
	// LayerNamespace: a Sidecar of the API server.
	LayerNamespace Layer = "namespace"
)

// Entry is a compiled catalog entry. It is immutable.
type Entry struct {
	// Name of the entry and of its first container.
	Name string
	// Namespace whose Pods may ask for it; empty means all.
	Namespace string
	// Layer it comes from.
	Layer Layer
	// Revision is a hash of the spec: twelve hexadecimal digits.
	Revision string
	// Spec as it was written.
	Spec *v1alpha1.SidecarSpec
	// Level is the strictest Pod Security level that the entry's parts meet.
	Level api.Level

	params     []param
	containers []container
	volumes    []volume
	files      []file
	env        []appEnv
	runAsOf    template
	asks       nodeAsks
	selector   labels.Selector

	// filesName is the name of the volume that shows the files.
	filesName string
	// size is the length in bytes of all ready text, which is about what a Pod gets.
	size int
}

// container is a compiled container of an entry.
type container struct {
	name string
	// list is where it goes; index says at which end.
	place v1alpha1.Placement
	// toCompletion: an ordinary init container.
	toCompletion bool
	when         condition
	// head is `{"name":"x",…` up to, without, resources, securityContext and volumeMounts.
	head      template
	resources template
	limits    template
	// requests are what it asks for, most its limits.
	requests, most amounts
	security       corev1.SecurityContext
	// securityJSON is the securityContext as JSON.
	securityJSON []byte
	mounts       []mount
	ports        []port
	// image, command and args are compared with a container that says it is this one.
	image, command, args template
}

type mount struct {
	volume             string
	mountPath, subPath template
	readOnly           bool
	when               condition
}

type port struct {
	number   template
	protocol string
	when     condition
}

type volume struct {
	name string
	when condition
	// body is `{"name":"x",…}`.
	body   template
	shares []share
	// evictable: an emptyDir on disk, which goes on the autoscaler's list.
	evictable bool
	// written: a container of the entry mounts it for writing.
	written bool
}

type share struct {
	containers targets
	sidecars   []string
	mountPath  template
	readOnly   bool
	when       condition
}

// targets are the app containers that something is meant for: names or globs, or a list parameter.
type targets struct {
	globs []string
	param int
}

type file struct {
	name       string
	annotation string
	mountPath  string
	containers []string
	content    template
	when       condition
}

type appEnv struct {
	name       string
	value      template
	containers targets
	when       condition
}

// Key names the entry in a catalog.
func (e *Entry) Key() Key { return Key{e.Namespace, e.Name} }

// Kind is that of the entry's document.
func (e *Entry) Kind() string {
	if e.Namespace != "" {
		return v1alpha1.KindSidecar
	}
	return v1alpha1.KindClusterSidecar
}

// filesVolume is the name of the volume that shows an entry's files.
func (e *Entry) filesVolume() string { return e.filesName }

func (e *Entry) param(name string) int {
	return slices.IndexFunc(e.params, func(p param) bool { return p.name == name })
}

func (e *Entry) paramNames() []string {
	names := make([]string, len(e.params))
	for i := range e.params {
		names[i] = e.params[i].name
	}
	return names
}

// defaults are the values when a Pod sets nothing.
func (e *Entry) defaults() []value { return e.appendDefaults(make([]value, 0, len(e.params))) }

func (e *Entry) appendDefaults(values []value) []value {
	for i := range e.params {
		v := e.params[i].fallback
		v.from = FromDefault
		values = append(values, v)
	}
	return values
}

// originUnused marks the mistake that a parameter is not used, which may follow from another one.
const originUnused = "unused"

// Compile checks a catalog entry's spec and makes it ready to inject. The errors have field paths in the document.
func Compile(name string, spec *v1alpha1.SidecarSpec) (*Entry, field.ErrorList) {
	e := &Entry{Name: name, Revision: revision(spec), Spec: spec, filesName: name + "-files"}
	c := &compiler{entry: e, used: map[int]bool{}, list: -1}
	at := field.NewPath("spec")
	c.entryName(field.NewPath("metadata", "name"), name)
	c.parameters(at.Child("parameters"))
	c.volumes(at.Child("volumes"))
	c.containers(at)
	c.files(at.Child("files"))
	c.appEnv(at.Child("appEnv"))
	c.rest(at)
	for i := range e.params {
		if !c.used[i] {
			unused := field.Invalid(at.Child("parameters").Key(e.params[i].name), e.params[i].name, "is not used anywhere in the entry")
			c.errs = append(c.errs, unused.WithOrigin(originUnused))
		}
	}
	if len(c.errs) > 0 {
		return nil, sortErrors(c.errs)
	}
	e.prepare()
	c.grade()
	return e, nil
}

// prepare computes what every Pod would otherwise compute again.
func (e *Entry) prepare() {
	for i := range e.params {
		e.params[i].key = v1alpha1.Prefix + e.Name + "." + e.params[i].name
	}
	for i := range e.containers {
		c := &e.containers[i]
		e.size += c.head.size() + c.resources.size() + len(c.securityJSON)
	}
	for i := range e.volumes {
		e.size += e.volumes[i].body.size()
	}
	for i := range e.files {
		e.size += e.files[i].content.size()
	}
}

func revision(spec *v1alpha1.SidecarSpec) string {
	b, err := json.Marshal(spec)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:6])
}

// rest compiles what concerns the entry as a whole.
func (c *compiler) rest(at *field.Path) {
	s := c.entry.Spec
	if s.RunAsUserOf != "" {
		c.entry.runAsOf = c.text(at.Child("runAsUserOf"), s.RunAsUserOf, context{})
	}
	if s.FlushSeconds < 0 || s.FlushSeconds > 600 {
		c.bad(at.Child("flushSeconds"), s.FlushSeconds, "must be between 0 and 600")
	}
	c.nodeHelper(at.Child("node"), s.Node)
	switch s.HostNetwork {
	case "", v1alpha1.HostNetworkRefused, v1alpha1.HostNetworkAllowed:
	default:
		c.errs = append(c.errs, field.NotSupported(at.Child("hostNetwork"), s.HostNetwork, []string{"refused", "allowed"}))
	}
	for name, list := range map[string][]string{"after": s.Order.After, "conflictsWith": s.Order.ConflictsWith} {
		if i := slices.Index(list, c.entry.Name); i >= 0 {
			c.bad(at.Child("order", name).Index(i), c.entry.Name, "an entry cannot be ordered against itself")
		}
	}
	c.entry.selector = labels.Everything()
	if s.NamespaceSelector != nil {
		c.selector(at.Child("namespaceSelector"), s.NamespaceSelector)
	}
}

func (c *compiler) selector(at *field.Path, s *metav1.LabelSelector) {
	errs := validation.ValidateLabelSelector(s, validation.LabelSelectorValidationOptions{}, at)
	c.errs = append(c.errs, errs...)
	sel, err := metav1.LabelSelectorAsSelector(s)
	if err == nil {
		c.entry.selector = sel
	}
	if err != nil && len(errs) == 0 {
		c.bad(at, "", err.Error())
	}
}

// maxName is the longest name of an entry or a parameter: prefix, both and a dot fit an annotation's 63 characters.
const maxName = 30

func (c *compiler) entryName(at *field.Path, name string) {
	if why := labelProblem(name, maxName); why != "" {
		c.bad(at, name, why)
	}
	if slices.Contains([]string{"pillion", "inject", "status", "file", "injected", "injection", "failure-policy"}, name) {
		c.bad(at, name, "is reserved")
	}
}

// partName checks the literal name of a container or volume: the entry's name, or <entry>-<x>.
func (c *compiler) partName(at *field.Path, name string, first bool) {
	if why := labelProblem(name, 63); why != "" {
		c.bad(at, name, why)
		return
	}
	if c.entry.Name == "" {
		return
	}
	if first && name != c.entry.Name {
		c.bad(at, name, "the first container must be named like the entry, "+c.entry.Name)
	}
	if !first && !strings.HasPrefix(name, c.entry.Name+"-") {
		c.bad(at, name, "must be named "+c.entry.Name+"-<x>")
	}
}

func labelProblem(name string, most int) string {
	if len(name) > most {
		return fmt.Sprintf("must have at most %d characters", most)
	}
	if name == "" || !dnsLabel.MatchString(name) {
		return "must be a DNS label: lower-case letters, digits and -, starting with a letter and not ending with -"
	}
	return ""
}

func sortErrors(errs field.ErrorList) field.ErrorList {
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Error(), b.Error()) })
	return slices.CompactFunc(errs, func(a, b *field.Error) bool { return a.Error() == b.Error() })
}
