//go:build linux

package node

import (
	"encoding/json"
	"io"
)

// event is one line that the inside of an instance tells the caller of Up, as JSON.
type event struct {
	Kind      kind
	Text      string     `json:",omitempty"` // of a step that begins or a failure
	Component *Component `json:",omitempty"`
	// Supervisor is the process that starts the components, as seen inside.
	Supervisor int `json:",omitempty"`
}

type kind string

const (
	furnished kind = "furnished" // a second node's namespaces are as they should be
	step      kind = "step"      // something that is no program begins
	starting  kind = "starting"  // a component was started
	ready     kind = "ready"     // a component does its work
	up        kind = "up"        // all is done
	failed    kind = "failed"
)

func tell(w io.Writer, e event) error { return json.NewEncoder(w).Encode(e) }

func hear(r io.Reader, e *event) error { return json.NewDecoder(r).Decode(e) }
