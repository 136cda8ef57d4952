package sidecars

import (
	"slices"

	"github.com/pillion-dev/pillion/api/v1alpha1"
)

// context says what may stand in a string and how it is written.
type context struct {
	escape
	// fixed: why no hole may stand here; empty means it may.
	fixed string
	// numbers: a whole-string hole of an integer or boolean becomes one.
	numbers bool
	// lineSafe: only line-safe parameters may enter.
	lineSafe bool
	// image: only a parameter with a pattern or an enum may enter.
	image bool
	// inPod: the text is part of a Pod, where the rules change with the key; key is the one above.
	inPod bool
	key   string
}

// below gives the context under a key of a container or volume; see the rules in docs/design.md, "Holes".
func (ctx context) below(key string) context {
	if !ctx.inPod {
		return ctx
	}
	parent := ctx.key
	ctx.key = key
	switch key {
	case "securityContext", "lifecycle", "hostPort", "hostIP", "hostPath":
		ctx.fixed = "no parameter may stand in " + key
	case "name":
		if !slices.Contains(referrers, parent) {
			ctx.fixed = "no parameter may stand in a name"
		}
	case "command", "args", "subPathExpr":
		ctx.dollars, ctx.numbers = true, false
	case "value":
		ctx.dollars, ctx.numbers = ctx.dollars || parent == "env", ctx.numbers && parent != "env"
	case "image":
		ctx.image = true
	}
	return ctx
}

// referrers are the fields whose "name" refers to a ConfigMap or Secret.
var referrers = []string{"configMap", "secret", "configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef"}

// podContext is the context of a container's or volume's body.
func podContext() context {
	return context{escape: escape{inJSON: true}, numbers: true, inPod: true}
}

// fileContext is the context of a file of the given format.
func fileContext(f *v1alpha1.File) context {
	if f.Format == v1alpha1.FormatLines {
		return context{escape: escape{dollars: f.DollarExpands}, lineSafe: true}
	}
	return context{escape: escape{dollars: f.DollarExpands, inFile: true}, numbers: true}
}
