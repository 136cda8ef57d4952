package v1alpha1

// ParameterType is the type of a parameter's value.
//
// +kubebuilder:validation:Enum=string;integer;boolean;quantity;duration;port;path;url;secretName;configMapName;list
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
//
// +kubebuilder:validation:XValidation:rule="has(self.type)",message="a parameter has a type",fieldPath=".type",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'list' || has(self.items)",message="a list declares its items",fieldPath=".items",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'list' || !has(self.items)",message="only a list has items",fieldPath=".items"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'list' || (!has(self.pattern) || self.pattern.size() == 0) && !has(self.enum) && (!has(self.maxLength) || self.maxLength == 0) && !has(self.schemes)",message="pattern, enum, maxLength and schemes of a list belong to its items"
type Parameter struct {
	Bounds `json:",inline"`

	// Items declares the items of a list.
	Items *Items `json:"items,omitempty"`
}

// Bounds is a type of values and what of it is allowed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.required) || !self.required || !has(dyn(self).default) || has(dyn(self).fields)",message="a required parameter has no default",fieldPath=".default"
// +kubebuilder:validation:XValidation:rule="!has(self.pattern) || self.pattern.size() == 0 || has(dyn(self).default) || has(dyn(self).example) || has(self.enum) || has(dyn(self).fields)",message="a parameter with a pattern and no default needs a valid example",fieldPath=".example",reason=FieldValueRequired
// +kubebuilder:validation:XValidation:rule="!has(self.minimum) || self.minimum.size() == 0 || (has(self.type) && self.type in ['integer', 'quantity', 'duration', 'port']) || has(dyn(self).fields)",message="only an integer, quantity, duration or port has a minimum",fieldPath=".minimum"
// +kubebuilder:validation:XValidation:rule="!has(self.maximum) || self.maximum.size() == 0 || (has(self.type) && self.type in ['integer', 'quantity', 'duration', 'port']) || has(dyn(self).fields)",message="only an integer, quantity, duration or port has a maximum",fieldPath=".maximum"
// +kubebuilder:validation:XValidation:rule="!has(self.schemes) || (has(self.type) && self.type == 'url' && self.schemes.size() > 0) || has(dyn(self).fields)",message="only a url has schemes, and then at least one",fieldPath=".schemes"
type Bounds struct {
	// Type of the value.
	Type ParameterType `json:"type,omitempty"`
	// Description is one sentence for people who set it.
	//
	// +kubebuilder:validation:MaxLength=4096
	Description string `json:"description,omitempty"`
	// Default is the value where none is given, written as YAML scalar or, for a list, as a list of scalars.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Default *Value `json:"default,omitempty"`
	// Required parameters have no default. A parameter that is neither is empty when not given.
	Required bool `json:"required,omitempty"`
	// Example is a valid value, for the reference and for the proof of an entry at load; needed with Pattern and no Default.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	Example *Value `json:"example,omitempty"`

	// Pattern is an RE2 expression that the whole value matches (it is anchored at both ends).
	//
	// +kubebuilder:validation:MaxLength=1024
	Pattern string `json:"pattern,omitempty"`
	// Enum lists the only valid values.
	//
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=atomic
	Enum []string `json:"enum,omitempty"`
	// MaxLength in bytes.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4096
	MaxLength int `json:"maxLength,omitempty"`
	// Minimum and Maximum bound integers, quantities and durations, written in the same form as the value.
	//
	// +kubebuilder:validation:MaxLength=64
	Minimum string `json:"minimum,omitempty"`
	// +kubebuilder:validation:MaxLength=64
	Maximum string `json:"maximum,omitempty"`
	// Schemes lists the URL schemes allowed; default http and https.
	//
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	// +listType=atomic
	Schemes []string `json:"schemes,omitempty"`
}

// Items declares the items of a list parameter.
//
// +kubebuilder:validation:XValidation:rule="(has(self.fields) && self.fields.size() > 0) || (has(self.type) && self.type != 'list')",message="items have fields, or a type that is not list",fieldPath=".type"
type Items struct {
	// Bounds gives type and bounds of each item where Fields is empty.
	Bounds `json:",inline"`
	// Fields declares items with named fields, "path=/a,port=80"; the fields are reached by $(item.NAME).
	//
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(name, name.size() <= 30 && name.matches('^[a-z]([a-z0-9-]*[a-z0-9])?$'))",message="a field's name must be a DNS label of at most 30 characters: lower-case letters, digits and -, starting with a letter and not ending with -"
	// +kubebuilder:validation:XValidation:rule="self.all(name, has(self[name].type) && self[name].type != 'list')",message="a field has a type that is not list"
	Fields map[string]Bounds `json:"fields,omitempty"`
	// MaxItems bounds the number of items; default 16.
	//
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=64
	MaxItems int `json:"maxItems,omitempty"`
}

// When is a condition: every named parameter has one of the listed values. "*" stands for any non-empty value, "" for
// none. Values of booleans and integers are written as text or as themselves.
type When map[string]Values
