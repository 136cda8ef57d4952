package sidecars

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// Pod is the small view of a Pod that the rules read: nothing of it is ever written back. Fields that a rule needs only
// now and then stay raw JSON. Decode it with github.com/go-json-experiment/json.
type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     PodSpec  `json:"spec"`
}

// Metadata is the view of a Pod's metadata.
type Metadata struct {
	Name         string      `json:"name"`
	GenerateName string      `json:"generateName"`
	Namespace    string      `json:"namespace"`
	Labels       Annotations `json:"labels"`
	Annotations  Annotations `json:"annotations"`

	ManagedFields skipped `json:"managedFields"`

	// present is false where a template has no metadata at all.
	present bool
}

// UnmarshalJSONFrom reads the metadata and notes that it is there.
func (m *Metadata) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	type plain Metadata
	there := dec.PeekKind() == '{'
	if err := json.UnmarshalDecode(dec, (*plain)(m)); err != nil {
		return err
	}
	m.present = there
	return nil
}

// PodSpec is the view of a Pod's spec.
type PodSpec struct {
	InitContainers                list[Container] `json:"initContainers"`
	Containers                    list[Container] `json:"containers"`
	EphemeralContainers           list[Container] `json:"ephemeralContainers"`
	Volumes                       list[Volume]    `json:"volumes"`
	HostNetwork                   bool            `json:"hostNetwork"`
	HostPID                       bool            `json:"hostPID"`
	ShareProcessNamespace         *bool           `json:"shareProcessNamespace"`
	AutomountServiceAccountToken  *bool           `json:"automountServiceAccountToken"`
	TerminationGracePeriodSeconds *int64          `json:"terminationGracePeriodSeconds"`
	SecurityContext               SecurityContext `json:"securityContext"`
	Resources                     Resources       `json:"resources"`
	OS                            *OS             `json:"os"`
}

// OS is spec.os.
type OS struct {
	Name string `json:"name"`
}

// Container is the view of a container in any of a Pod's three lists.
type Container struct {
	Name            string          `json:"name"`
	Image           string          `json:"image"`
	Command         jsontext.Value  `json:"command"`
	Args            jsontext.Value  `json:"args"`
	RestartPolicy   string          `json:"restartPolicy"`
	Ports           list[Port]      `json:"ports"`
	Env             jsontext.Value  `json:"env"`
	VolumeMounts    list[Mount]     `json:"volumeMounts"`
	Resources       Resources       `json:"resources"`
	SecurityContext SecurityContext `json:"securityContext"`
}

// Port is the view of a container port.
type Port struct {
	ContainerPort int32  `json:"containerPort"`
	Protocol      string `json:"protocol"`
}

// Mount is a volume mount.
type Mount struct {
	Name        string `json:"name"`
	MountPath   string `json:"mountPath"`
	SubPath     string `json:"subPath"`
	SubPathExpr string `json:"subPathExpr"`
	ReadOnly    bool   `json:"readOnly"`
}

// SecurityContext is the view of a Pod's or a container's securityContext.
type SecurityContext struct {
	RunAsUser  *int64 `json:"runAsUser"`
	RunAsGroup *int64 `json:"runAsGroup"`
}

// Resources is the view of resources: CPU and memory only, as these decide the QoS class.
type Resources struct {
	Requests Amounts `json:"requests"`
	Limits   Amounts `json:"limits"`
}

// Volume is the view of a volume: its name and whether its kind can only be read.
type Volume struct {
	Name        string  `json:"name"`
	ConfigMap   present `json:"configMap"`
	Secret      present `json:"secret"`
	Projected   present `json:"projected"`
	DownwardAPI present `json:"downwardAPI"`
	Image       present `json:"image"`
}

func (v *Volume) readOnlyKind() string {
	switch {
	case bool(v.ConfigMap):
		return "configMap"
	case bool(v.Secret):
		return "secret"
	case bool(v.Projected):
		return "projected"
	case bool(v.DownwardAPI):
		return "downwardAPI"
	case bool(v.Image):
		return "image"
	}
	return ""
}

// present is true where a member has a value; the value itself is skipped.
type present bool

// UnmarshalJSONFrom skips the value.
func (p *present) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*p = dec.PeekKind() != 'n'
	_, err := dec.ReadValue()
	return err
}

// skipped is a long member that no rule reads. The decoder skips members that it does not know token by token, which
// takes twice the time of reading them whole.
type skipped struct{}

// UnmarshalJSONFrom skips the value.
func (skipped) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	_, err := dec.ReadValue()
	return err
}

// list is a list that starts with room for a few items, as most have more than one.
type list[T any] []T

// UnmarshalJSONFrom reads a list, or null.
func (l *list[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*l = make([]T, 0, 4)
	return json.UnmarshalDecode(dec, (*[]T)(l))
}

// Amounts holds a requests or limits map's CPU and memory as written; empty means absent.
type Amounts struct {
	CPU, Memory string

	// present is false where the map is absent or null.
	present bool
}

// UnmarshalJSONFrom reads quantities written as strings or numbers.
func (a *Amounts) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	a.present = dec.PeekKind() == '{'
	return eachMember(dec, func(name []byte) error {
		switch string(name) {
		case "cpu":
			return readAmount(dec, &a.CPU)
		case "memory":
			return readAmount(dec, &a.Memory)
		}
		return dec.SkipValue()
	})
}

func readAmount(dec *jsontext.Decoder, into *string) error {
	if dec.PeekKind() == '"' {
		return json.UnmarshalDecode(dec, into)
	}
	number, err := dec.ReadValue()
	*into = string(number)
	return err
}

// Annotations is the view of an annotation or label map: whether it is there, its size, and the keys that concern
// Pillion. A tenant may write 256 KiB of others; they are counted and not kept.
type Annotations struct {
	// Present is false where the map is absent or null.
	Present bool
	// Count is the number of keys; Size the length in bytes of all keys and values.
	Count, Size int
	// Ours holds the keys below pillion.dev/ and the autoscaler's list.
	Ours map[string]string
	// Plugins holds the keys that begin with required-plugins.noderesource.dev.
	Plugins map[string]string
}

// UnmarshalJSONFrom reads the map.
func (a *Annotations) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	a.Present = dec.PeekKind() == '{'
	return eachMember(dec, func(name []byte) error {
		key, size := "", len(name)
		if bytes.HasPrefix(name, []byte(v1alpha1.Prefix)) || string(name) == v1alpha1.AnnotationSafeToEvict {
			key = string(name)
		}
		plugin := bytes.HasPrefix(name, []byte(v1alpha1.RequiredPlugins))
		if plugin {
			key = string(name)
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if value.Kind() != '"' {
			return fmt.Errorf("value of %q is not a string", dec.StackPointer().LastToken())
		}
		a.Count++
		a.Size += size + textLength(value)
		switch {
		case key == "":
		case plugin:
			a.Plugins = with(a.Plugins, key, scalar(value))
		default:
			a.Ours = with(a.Ours, key, scalar(value))
		}
		return nil
	})
}

func with(m map[string]string, key, value string) map[string]string {
	if m == nil {
		m = make(map[string]string, 4)
	}
	m[key] = value
	return m
}

// eachMember calls do for every member of the object (or null) that dec stands before. It is do that reads the value; the
// name is valid until then.
func eachMember(dec *jsontext.Decoder, do func(name []byte) error) error {
	start, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if start.Kind() == 'n' {
		return nil
	}
	if start.Kind() != '{' {
		return errors.New("want an object")
	}
	for dec.PeekKind() != '}' {
		raw, err := dec.ReadValue()
		if err != nil {
			return err
		}
		name, err := text(raw)
		if err != nil {
			return err
		}
		if err := do(name); err != nil {
			return err
		}
	}
	_, err = dec.ReadToken()
	return err
}

// scalar gives the text of a JSON string, or a number as it is written.
func scalar(v jsontext.Value) string {
	if v.Kind() != '"' {
		return string(v)
	}
	b, err := text(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// text gives the text of a JSON string: a part of it where nothing is escaped.
func text(v jsontext.Value) ([]byte, error) {
	if bytes.IndexByte(v, '\\') < 0 && utf8.Valid(v) {
		return v[1 : len(v)-1], nil
	}
	return jsontext.AppendUnquote(nil, v)
}

// textLength is the length in bytes of the text of a JSON string.
func textLength(v jsontext.Value) int {
	if bytes.IndexByte(v, '\\') < 0 {
		return len(v) - len(`""`)
	}
	return len(scalar(v))
}

// DecodeOptions are the options with which a Pod, or a review that holds one, is decoded: the API server's JSON is
// well-formed, and the CLI has checked its input before.
func DecodeOptions() json.Options {
	return json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// ReadPod reads the view from a Pod's JSON. The error names the place as a JSON pointer.
func ReadPod(object []byte) (*Pod, error) {
	pod := new(Pod)
	if err := json.Unmarshal(object, pod, DecodeOptions()); err != nil {
		return nil, readError(err)
	}
	return pod, nil
}

func readError(err error) error {
	var se *json.SemanticError
	switch {
	case !errors.As(err, &se):
		return err
	case se.Err != nil:
		return fmt.Errorf("%s: %w", se.JSONPointer, se.Err)
	}
	return fmt.Errorf("%s: cannot read JSON %s here", se.JSONPointer, se.JSONKind)
}

// containerPlace locates a container in a Pod.
type containerPlace struct {
	// list is initContainers, containers or ephemeralContainers.
	list  string
	index int
	ctr   *Container
}

// all visits every container of the three lists, init containers first.
func (p *Pod) all(visit func(containerPlace)) {
	for _, l := range []struct {
		name string
		list []Container
	}{{"initContainers", p.Spec.InitContainers}, {"containers", p.Spec.Containers}, {"ephemeralContainers", p.Spec.EphemeralContainers}} {
		for i := range l.list {
			visit(containerPlace{l.name, i, &l.list[i]})
		}
	}
}

func (p *Pod) volume(name string) *Volume {
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Name == name {
			return &p.Spec.Volumes[i]
		}
	}
	return nil
}

// Namespace is what the rules need to know of a Pod's Namespace; the zero value is a Namespace that says nothing.
type Namespace struct {
	Name                string
	Labels, Annotations map[string]string
}

// asks reports whether the Namespace's own request counts for its Pods.
func (n *Namespace) asks() bool {
	return n.requires() || n.Labels[v1alpha1.LabelInjection] == v1alpha1.InjectionEnabled
}

func (n *Namespace) requires() bool {
	return n.Labels[v1alpha1.LabelInjection] == v1alpha1.InjectionRequired
}
