package confd

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKeyBelowAPathAndNotBesideIt(t *testing.T) {
	for _, tt := range []struct {
		path, key string
		want      bool
	}{
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a/", "/a/b", true},
		{"/a", "/ab", false},
		{"/a", "/a-b", false},
		{"/a/b", "/a", false},
		{"/", "/a", true},
	} {
		if got := Below(tt.path, tt.key); got != tt.want {
			t.Errorf("Below(%q, %q) is %v", tt.path, tt.key, got)
		}
	}
	if diff := cmp.Diff([]string{"/a", "/ab", "/b/c"}, Outermost([]string{"/b/c", "/ab", "/a/b", "/a", "/a"})); diff != "" {
		t.Error(diff)
	}
}

func TestKeysAreReplacedAndChanged(t *testing.T) {
	loads := 0
	k := NewKeys(func() { loads++ })
	changed := func() bool {
		select {
		case <-k.Changed():
			return true
		default:
			return false
		}
	}
	if _, loaded := k.View([]string{"/"}, Below); loaded || changed() {
		t.Error("keys are loaded before they were")
	}
	k.Replace([]KVPair{{"/b", "2"}, {"/a/x", "1"}})
	if !changed() || changed() {
		t.Error("a load is not told of once")
	}
	k.Replace([]KVPair{{"/a/x", "1"}, {"/b", "2"}})
	if changed() {
		t.Error("the same keys again are told of as a change")
	}
	k.Apply([]Change{{Key: "/b", Deleted: true}, {Key: "/nothing", Deleted: true}, {Key: "/a/x", Value: "3"}, {Key: "/a/w", Value: "4"}})
	if !changed() {
		t.Error("a change is not told of")
	}
	got, _ := k.View([]string{"/"}, Below)
	if diff := cmp.Diff([]KVPair{{"/a/w", "4"}, {"/a/x", "3"}}, got); diff != "" {
		t.Error(diff)
	}
	if loads != 2 || k.Len() != 2 {
		t.Errorf("%d loads, %d keys", loads, k.Len())
	}
}

func TestStoreAnswersAsUpstreams(t *testing.T) {
	s := NewStore("/demo", []KVPair{{"/demo/a", "1"}, {"/demo/a/b", "z"}, {"/demo/a/c/d", "y"}, {"/demo/ab", "3"}, {"/demo/e/f/g", "4"}})
	if _, err := s.Get("/x"); !errors.Is(err, ErrNotExist) {
		t.Errorf("a key that is not there: %v", err)
	}
	if _, err := s.GetAll("/a[/*"); !errors.Is(err, ErrBadPattern) {
		t.Errorf("a bad pattern: %v", err)
	}
	values, _ := s.Values("/a/*")
	all, _ := s.GetAll("/*")
	fallback, err := s.Value("/x", "default")
	got := map[string]any{
		"exists": s.Exists("/a/b"), "values": values, "all": all, "default": fallback, "error": err,
		"ls /a": s.List("/a"), "ls /e": s.List("/e"), "ls /": s.List("/"), "lsdir /a": s.ListDir("/a"), "lsdir /": s.ListDir("/"),
		"ls nothing": s.List("/nothing"),
	}
	want := map[string]any{
		"exists": true, "values": []string{"z"}, "all": []KVPair{{"/a", "1"}, {"/ab", "3"}}, "default": "default", "error": nil,
		"ls /a": []string{"a", "b", "c"}, "ls /e": []string{"f"}, "ls /": []string{"a", "ab"}, "lsdir /a": []string{"c"}, "lsdir /": []string{},
		"ls nothing": []string{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
