package webhook

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/pillion-dev/pillion/sidecars"
)

// review is the part of an admission.k8s.io/v1 AdmissionReview that is read. All else is skipped where it stands.
type review struct {
	Kind       string  `json:"kind"`
	APIVersion string  `json:"apiVersion"`
	Request    request `json:"request"`
}

type request struct {
	UID         string       `json:"uid"`
	Kind        groupKind    `json:"kind"`
	Resource    resource     `json:"resource"`
	SubResource string       `json:"subResource"`
	Namespace   string       `json:"namespace"`
	Name        string       `json:"name"`
	Operation   string       `json:"operation"`
	DryRun      bool         `json:"dryRun"`
	UserInfo    userInfo     `json:"userInfo"`
	Object      sidecars.Pod `json:"object"`
}

type groupKind struct {
	Group   string `json:"group"`
	Version string `json:"version"`
	Kind    string `json:"kind"`
}

type resource struct {
	Group    string `json:"group"`
	Version  string `json:"version"`
	Resource string `json:"resource"`
}

type userInfo struct {
	// Groups says whether the user is a node: the one thing about groups that matters here.
	Groups fromNode `json:"groups"`
}

// nodesGroup is the group of kubelets, the only ones that create mirror Pods:
// https://kubernetes.io/docs/reference/access-authn-authz/node/
const nodesGroup = "system:nodes"

// fromNode is true where a list of groups holds nodesGroup. No group is kept.
type fromNode bool

// UnmarshalJSONFrom reads a list of strings, or null.
func (n *fromNode) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		group, err := dec.ReadValue()
		if err != nil {
			return err
		}
		*n = *n || string(group) == `"`+nodesGroup+`"`
	}
	_, err := dec.ReadToken()
	return err
}

const (
	reviewKind       = "AdmissionReview"
	reviewAPIVersion = "admission.k8s.io/v1"
)

// decodeOptions is fixed: the API server's JSON is well-formed, so duplicate names and UTF-8 are not checked.
var decodeOptions = sidecars.DecodeOptions()

// decode reads a review once. The error is one sentence for whoever set the webhook up.
func (r *review) decode(body []byte) error {
	if len(body) == 0 {
		return errors.New("the request has no body; want an AdmissionReview")
	}
	if err := json.Unmarshal(body, r, decodeOptions); err != nil {
		return fmt.Errorf("the body is no AdmissionReview: %s", cut(place(err), 256))
	}
	if r.Kind != reviewKind || r.APIVersion != reviewAPIVersion {
		return fmt.Errorf("want apiVersion %s, kind %s; got apiVersion %q, kind %q; set admissionReviewVersions: [v1] in the webhook configuration",
			reviewAPIVersion, reviewKind, cut(r.APIVersion, 64), cut(r.Kind, 64))
	}
	if r.Request.UID == "" {
		return errors.New("the AdmissionReview holds no request with a uid")
	}
	return nil
}

// place words a decoding error; the JSON package's own words differ from process to process.
func place(err error) string {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &semantic):
		return fmt.Sprintf("a JSON %s is out of place at %q", semantic.JSONKind, semantic.JSONPointer)
	case errors.As(err, &syntax):
		return fmt.Sprintf("%v at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return err.Error()
}

// createsPod reports whether the request is what Pillion registers for: the creation of a Pod, not of anything below one.
func (r *request) createsPod() bool {
	return r.Operation == "CREATE" && r.SubResource == "" && r.Resource == resource{"", "v1", "pods"} && r.Kind == groupKind{"", "v1", "Pod"}
}

// objectName is the Pod's name, or the prefix that its name will have.
func (r *request) objectName() string {
	switch {
	case r.Name != "":
		return r.Name
	case r.Object.Metadata.Name != "":
		return r.Object.Metadata.Name
	}
	return r.Object.Metadata.GenerateName
}

// peekLimit bounds how far peek looks: the API server writes uid and namespace before the user and the object.
const peekLimit = 4 << 10

// peek reads uid and namespace from the beginning of a review that is not, or cannot be, read whole, so that even then
// the answer reaches the request it is for.
func peek(body []byte) (uid, namespace string) {
	dec := jsontext.NewDecoder(bytes.NewReader(body[:min(len(body), peekLimit)]), decodeOptions)
	if !enter(dec, "request") {
		return "", ""
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return uid, namespace
		}
		field := name.String()
		value, err := dec.ReadValue()
		switch {
		case err != nil:
			return uid, namespace
		case value.Kind() != '"':
		case field == "uid":
			uid = unquote(value)
		case field == "namespace":
			namespace = unquote(value)
		}
		if uid != "" && namespace != "" {
			return uid, namespace
		}
	}
	return uid, namespace
}

// enter moves dec into the object that is the named member of the object dec stands before.
func enter(dec *jsontext.Decoder, member string) bool {
	if start, err := dec.ReadToken(); err != nil || start.Kind() != '{' {
		return false
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if name.String() == member {
			start, err := dec.ReadToken()
			return err == nil && start.Kind() == '{'
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return false
}

func unquote(v jsontext.Value) string {
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return ""
	}
	return string(b)
}
