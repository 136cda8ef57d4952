package v1alpha1

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Container is a container of an entry: a corev1.Container with holes, and where and when it is added.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Container struct {
	// Name is literal.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// Placement says where the container goes.
	Placement Placement `json:"placement,omitempty"`
	// When is the condition for the container.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
	// Body is the rest of the corev1.Container as JSON object; it is decoded strictly after substitution.
	Body Object `json:"-"`
}

// Volume is a volume of an entry: a corev1.Volume with holes, and who else mounts it.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Volume struct {
	// Name is literal.
	//
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// Share mounts the volume into containers that are not the entry's own.
	//
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	Share []Share `json:"share,omitempty"`
	// When is the condition for the volume.
	//
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MaxProperties=128
	When When `json:"when,omitempty"`
	// Body is the rest of the corev1.Volume as JSON object; it is decoded strictly after substitution.
	Body Object `json:"-"`
}

// UnmarshalJSON splits a container into the fields of the catalog and those of Kubernetes.
func (c *Container) UnmarshalJSON(b []byte) error {
	body, err := takeOut(b, map[string]any{"name": &c.Name, "placement": &c.Placement, "when": &c.When})
	c.Body = body
	return err
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (c Container) MarshalJSON() ([]byte, error) {
	return putBack(c.Body, field{"name", c.Name, true}, field{"placement", c.Placement, c.Placement != ""}, field{"when", c.When, c.When != nil})
}

// UnmarshalJSON splits a volume into the fields of the catalog and those of Kubernetes.
func (v *Volume) UnmarshalJSON(b []byte) error {
	body, err := takeOut(b, map[string]any{"name": &v.Name, "share": &v.Share, "when": &v.When})
	v.Body = body
	return err
}

// MarshalJSON is the inverse of UnmarshalJSON.
func (v Volume) MarshalJSON() ([]byte, error) {
	return putBack(v.Body, field{"name", v.Name, true}, field{"share", v.Share, v.Share != nil}, field{"when", v.When, v.When != nil})
}

// takeOut decodes the named members of the object b into their targets, strictly, and returns the others.
func takeOut(b []byte, into map[string]any) (Object, error) {
	members := Object{}
	if err := json.Unmarshal(b, &members); err != nil {
		return nil, err
	}
	for name, target := range into {
		raw, ok := members[name]
		if !ok {
			continue
		}
		delete(members, name)
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(target); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return members, nil
}

type field struct {
	name  string
	value any
	set   bool
}

func putBack(body Object, fields ...field) ([]byte, error) {
	all := make(map[string]any, len(body)+len(fields))
	for k, v := range body {
		all[k] = v
	}
	for _, f := range fields {
		if f.set {
			all[f.name] = f.value
		}
	}
	return json.Marshal(all)
}

// Object is a JSON object whose members are kept as they were written.
type Object map[string]json.RawMessage

// Value is a scalar or a list of scalars, as text: the form in which an annotation gives it.
type Value struct {
	// Text of a scalar.
	Text string
	// List of items; nil for a scalar.
	List []string
}

// UnmarshalJSON reads a string, number, boolean or a list of those.
func (v *Value) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		var items Values
		if err := json.Unmarshal(b, &items); err != nil {
			return err
		}
		v.List = append([]string{}, items...)
		return nil
	}
	text, err := scalarText(b)
	v.Text = text
	return err
}

// MarshalJSON writes text; numbers and booleans become strings.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.List != nil {
		return json.Marshal(v.List)
	}
	return json.Marshal(v.Text)
}

// Values is a list of scalars as text; a single scalar is a list of one.
type Values []string

// UnmarshalJSON reads a scalar or a list of scalars.
func (v *Values) UnmarshalJSON(b []byte) error {
	if len(b) == 0 || b[0] != '[' {
		text, err := scalarText(b)
		*v = Values{text}
		return err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	*v = make(Values, len(raw))
	for i := range raw {
		text, err := scalarText(raw[i])
		if err != nil {
			return err
		}
		(*v)[i] = text
	}
	return nil
}

// UnmarshalJSON reads a line given as a string or as an object.
func (l *Line) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &l.Line)
	}
	type plain Line
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(l))
}

func scalarText(b []byte) (string, error) {
	if len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null" {
		return "", fmt.Errorf("want a string, number or boolean, got %s", b)
	}
	if b[0] != '"' {
		return string(b), nil
	}
	var s string
	err := json.Unmarshal(b, &s)
	return s, err
}
