package v1alpha1

// FileFormat is the format of a File.
//
// +kubebuilder:validation:Enum=yaml;json;toml;lines
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
//
// +kubebuilder:validation:XValidation:rule="self.format == 'lines' || has(self.data)",message="a yaml, json or toml file needs data",fieldPath=".data",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="self.format != 'lines' || has(dyn(self).lines)",message="a lines file needs lines",fieldPath=".lines",reason=FieldValueRequired
type File struct {
	// Name is a DNS label of at most 20 characters, unique within the entry.
	//
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[a-z]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// MountPath is the file's absolute path in the entry's containers.
	//
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.startsWith('/') && !self.contains('//') && (self == '/' || !self.endsWith('/')) && !(self + '/').contains('/./') && !(self + '/').contains('/../')",message="must be a clean absolute path"
	MountPath string `json:"mountPath"`
	// Containers of the entry that see it; default all.
	//
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	Containers []string `json:"containers,omitempty"`
	// Format of the file.
	Format FileFormat `json:"format"`
	// Data is the content of a yaml, json or toml file: an object. Its maps may hold the key $when (a condition on that
	// map; where it fails the map is left out of what holds it) and its lists, items with $each (params.NAME: the item
	// once for every item of that list, reached by $(item) or $(item.FIELD)).
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	Data *Object `json:"data,omitempty"`
	// Lines is the content of a lines file.
	//
	// +kubebuilder:validation:MaxItems=4096
	// +listType=atomic
	Lines []Line `json:"lines,omitempty"`
	// DollarExpands says that the program which reads the file expands $NAME or ${NAME}: every $ of a value is doubled.
	DollarExpands bool `json:"dollarExpands,omitempty"`
	// When is the condition for the file.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
}

// Line is one line of a lines file: a string, or an object with a condition. Only parameters whose values cannot hold
// white space, quotes or any of \ # $ { } may enter a line.
//
// +kubebuilder:validation:Type=""
// +kubebuilder:pruning:PreserveUnknownFields
type Line struct {
	// Line is the text.
	//
	// +optional
	Line string `json:"line"`
	// When is the condition for the line.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
	// Each is params.NAME of a list: the line once for every item, reached by $(item) or $(item.FIELD).
	Each string `json:"each,omitempty"`
}
