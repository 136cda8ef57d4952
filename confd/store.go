package confd

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// KVPair is a key, an absolute path, and its value. Templates read the fields.
type KVPair struct {
	Key   string
	Value string
}

// Errors of a template that asks for a key or writes a pattern.
var (
	ErrNotExist   = errors.New("key does not exist")
	ErrBadPattern = errors.New("bad pattern")
)

// Store holds the keys and values that one template resource sees, without its prefix. The methods answer as upstream's
// functions of the same purpose do.
type Store struct {
	pairs []KVPair // sorted by key
}

// NewStore makes the store of a resource whose keys have prefix, which is cut off.
func NewStore(prefix string, pairs []KVPair) *Store {
	s := &Store{pairs: make([]KVPair, 0, len(pairs))}
	for _, p := range pairs {
		s.pairs = append(s.pairs, KVPair{Key: path.Join("/", strings.TrimPrefix(p.Key, prefix)), Value: p.Value})
	}
	slices.SortStableFunc(s.pairs, byKey)
	return s
}

func byKey(a, b KVPair) int { return cmp.Compare(a.Key, b.Key) }

func (s *Store) find(key string) (KVPair, bool) {
	at, ok := slices.BinarySearchFunc(s.pairs, KVPair{Key: key}, byKey)
	if !ok {
		return KVPair{}, false
	}
	return s.pairs[at], true
}

// below gives the pairs whose keys begin with text.
func (s *Store) below(text string) []KVPair {
	from, _ := slices.BinarySearchFunc(s.pairs, KVPair{Key: text}, byKey)
	to := from
	for to < len(s.pairs) && strings.HasPrefix(s.pairs[to].Key, text) {
		to++
	}
	return s.pairs[from:to]
}

// Exists reports whether there is a key.
func (s *Store) Exists(key string) bool {
	_, ok := s.find(key)
	return ok
}

// Get gives a key and its value; a key that is not there is an error.
func (s *Store) Get(key string) (KVPair, error) {
	p, ok := s.find(key)
	if !ok {
		return KVPair{}, fmt.Errorf("%w: %s", ErrNotExist, key)
	}
	return p, nil
}

// Value gives a key's value, the default where there is no such key; without either it is an error.
func (s *Store) Value(key string, otherwise ...string) (string, error) {
	p, err := s.Get(key)
	if err != nil && len(otherwise) > 0 {
		return otherwise[0], nil
	}
	return p.Value, err
}

// GetAll gives the pairs whose keys match a pattern of path.Match, by key. None is no error.
func (s *Store) GetAll(pattern string) ([]KVPair, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrBadPattern, pattern)
	}
	literal := pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		literal = pattern[:i]
	}
	var found []KVPair
	for _, p := range s.below(literal) {
		if ok, _ := path.Match(pattern, p.Key); ok {
			found = append(found, p)
		}
	}
	return found, nil
}

// Values gives the values of the keys that match a pattern, sorted as text.
func (s *Store) Values(pattern string) ([]string, error) {
	pairs, err := s.GetAll(pattern)
	if err != nil {
		return nil, err
	}
	values := make([]string, 0, len(pairs))
	for _, p := range pairs {
		values = append(values, p.Value)
	}
	slices.Sort(values)
	return values, nil
}

// List names what is directly below a directory, keys and directories, sorted. Below "/" it names keys only, as upstream.
func (s *Store) List(dir string) []string {
	return s.children(dir, func(key string, terms, parent []string) (string, bool) {
		if key == dir {
			return path.Base(key), true
		}
		if !hasTerms(parent, terms) {
			return "", false
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(key, dir), "/"), "/")
		return name, true
	})
}

// ListDir names the directories directly below a directory, sorted.
func (s *Store) ListDir(dir string) []string {
	return s.children(dir, func(_ string, terms, parent []string) (string, bool) {
		if !hasTerms(parent, terms) || len(parent) == len(terms) {
			return "", false
		}
		return parent[len(terms)], true
	})
}

// children collects what name makes of each key at or below a directory; it gets the key, and the terms of the directory
// and of the key's parent.
func (s *Store) children(dir string, name func(key string, terms, parent []string) (string, bool)) []string {
	names := []string{}
	terms := strings.Split(path.Clean(dir), "/")
	for _, p := range s.below(path.Clean(dir)) {
		n, ok := name(p.Key, terms, strings.Split(path.Dir(p.Key), "/"))
		if ok && !slices.Contains(names[max(0, len(names)-1):], n) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hasTerms reports whether a split path begins with terms.
func hasTerms(split, terms []string) bool {
	return len(split) >= len(terms) && slices.Equal(split[:len(terms)], terms)
}
