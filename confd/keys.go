package confd

import (
	"slices"
	"strings"
	"sync"
)

// Change is what became of one key.
type Change struct {
	Key, Value string
	Deleted    bool
}

// Keys are what a backend knows, kept up to date by it. Methods are safe for use by several goroutines. The zero value is
// not usable; see NewKeys.
type Keys struct {
	mu      sync.RWMutex
	pairs   []KVPair // sorted by key
	loaded  bool
	changed chan struct{}
	onLoad  func()
}

// NewKeys makes keys that are not loaded yet. onLoad, unless nil, is called whenever all were loaded.
func NewKeys(onLoad func()) *Keys { return &Keys{changed: make(chan struct{}, 1), onLoad: onLoad} }

// Changed receives after one or more changes, also the first load.
func (k *Keys) Changed() <-chan struct{} { return k.changed }

// Len counts the keys.
func (k *Keys) Len() int {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return len(k.pairs)
}

// Replace takes up all there is, and keeps the slice.
func (k *Keys) Replace(pairs []KVPair) {
	slices.SortFunc(pairs, byKey)
	k.mu.Lock()
	same := k.loaded && slices.Equal(k.pairs, pairs)
	k.pairs, k.loaded = pairs, true
	k.mu.Unlock()
	if k.onLoad != nil {
		k.onLoad()
	}
	if !same {
		k.notify()
	}
}

// Apply takes up changes, all at one moment.
func (k *Keys) Apply(changes []Change) {
	k.mu.Lock()
	for _, c := range changes {
		at, there := slices.BinarySearchFunc(k.pairs, KVPair{Key: c.Key}, byKey)
		switch {
		case c.Deleted && there:
			k.pairs = slices.Delete(k.pairs, at, at+1)
		case c.Deleted:
		case there:
			k.pairs[at].Value = c.Value
		default:
			k.pairs = slices.Insert(k.pairs, at, KVPair{Key: c.Key, Value: c.Value})
		}
	}
	k.mu.Unlock()
	k.notify()
}

func (k *Keys) notify() {
	select {
	case k.changed <- struct{}{}:
	default: // a change is waiting to be seen already
	}
}

// View copies the pairs that a resource's keys select, sorted; false where nothing was loaded yet.
func (k *Keys) View(paths []string, selects func(path, key string) bool) ([]KVPair, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	var view []KVPair
	for _, p := range k.pairs {
		if slices.ContainsFunc(paths, func(path string) bool { return selects(path, p.Key) }) {
			view = append(view, p)
		}
	}
	return view, k.loaded
}

// Below reports whether a key is a path or lies below it: /a/b is below /a, /ab is not.
func Below(path, key string) bool {
	rest, ok := strings.CutPrefix(key, strings.TrimSuffix(path, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// Outermost leaves out the paths that lie below another; it sorts.
func Outermost(paths []string) []string {
	paths = slices.Sorted(slices.Values(paths))
	var out []string
	for _, p := range paths {
		if !slices.ContainsFunc(out, func(o string) bool { return Below(o, p) }) {
			out = append(out, p)
		}
	}
	return out
}
