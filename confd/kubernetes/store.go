package kubernetes

import (
	"sync"

	"github.com/pillion-dev/pillion/confd"
)

// stores gathers what several sources found.
type stores struct {
	keys *confd.Keys

	mu  sync.Mutex
	all []*store
}

// store is one source's: the pairs of each of its objects, by the object's name.
type store struct {
	of    *stores
	pairs func(*object) []confd.KVPair
	known map[string][]confd.KVPair // nil until the source has listed
}

func (s *stores) add(pairs func(*object) []confd.KVPair) *store {
	one := &store{of: s, pairs: pairs}
	s.all = append(s.all, one)
	return one
}

// publish gives the keys of all objects, once every source has told its own.
func (s *stores) publish() {
	seen := map[string]string{}
	for _, one := range s.all {
		if one.known == nil {
			return
		}
		for _, pairs := range one.known {
			for _, p := range pairs {
				seen[p.Key] = p.Value
			}
		}
	}
	all := make([]confd.KVPair, 0, len(seen))
	for key, value := range seen {
		all = append(all, confd.KVPair{Key: key, Value: value})
	}
	s.keys.Replace(all)
}

// replace takes up all objects there are.
func (s *store) replace(objects []object) {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	s.known = make(map[string][]confd.KVPair, len(objects))
	for i := range objects {
		s.known[objects[i].Metadata.Name] = s.pairs(&objects[i])
	}
	s.of.publish()
}

// take takes a change up; an error is the API server's.
func (s *store) take(e *event) error {
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	switch e.Type {
	case "ADDED", "MODIFIED":
		s.known[e.Object.Metadata.Name] = s.pairs(&e.Object)
	case "DELETED":
		delete(s.known, e.Object.Metadata.Name)
	case "ERROR":
		return &e.Object.status
	default: // BOOKMARK: nothing but the revision
		return nil
	}
	s.of.publish()
	return nil
}
