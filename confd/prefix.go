package confd

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// JoinKey puts a prefix before a key: "/shop" and "upstreams/" give "/shop/upstreams". A segment ".." would lead out of the
// prefix and is an error, also where it would not.
func JoinKey(prefix, key string) (string, error) {
	for _, part := range []string{prefix, key} {
		if slices.Contains(strings.Split(part, "/"), "..") {
			return "", fmt.Errorf("%q: a key has no segment \"..\"", part)
		}
	}
	return path.Join("/", prefix, key), nil
}
