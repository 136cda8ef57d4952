package sidecars

import (
	"encoding/json"
	"strings"
)

// Rule: an image is named by digest or by a tag that says which one: without, two Pods made from one entry may run two
// programs, and nobody sees when it changed. A parameter that can make it "latest", or leave the tag out, counts.
// Reads: image of every container.
// Golden: none, see TestLint.
func (l *linter) images() {
	for i := range l.entry.containers {
		c := &l.entry.containers[i]
		at := l.entry.containerPath(c.name).Child("image")
		told := false
		look := func(values []value) {
			var image string
			if told || json.Unmarshal(c.image.fill(nil, values, nil), &image) != nil || isFixed(image) {
				return
			}
			told = true
			l.warn(at, CodeImageNotFixed, "%s is not fixed%s: name a digest, or a tag other than latest", quotedIfLong(image), l.proof.settings(values))
		}
		u := l.proof.uses()
		u.template(c.image)
		l.proof.vary(u.list(), look)
		for _, p := range u.list() {
			if v, err := l.entry.params[p].parse("latest"); err == nil {
				values := append([]value{}, l.proof.full...)
				values[p] = v
				look(values)
			}
		}
	}
}

// isFixed reports whether an image reference has a digest, or a tag that is not latest.
func isFixed(image string) bool {
	if _, digest, ok := strings.Cut(image, "@"); ok {
		return strings.Contains(digest, ":")
	}
	_, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return tag != "" && tag != "latest"
}
