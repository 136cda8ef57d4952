package webhook

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/pillion-dev/pillion/sidecars"
)

// entryObject is one object of the API server.
type entryObject struct {
	kind *entryKind
	uid  types.UID
	// digest of the newest document, and the document itself until it is read.
	digest [sha256.Size]byte
	unread []byte
	// entry in force, nil where there is none; failure is why the newest is not.
	entry   *sidecars.Entry
	failure string
	// foreign: the entry in force is that of an object that had the name before. It is until the new one is read, and no
	// longer: who makes an object anew wants nothing of the old one.
	foreign bool
}

// keep takes an object over as it is now. What does not change the document, as a new status or another list of the same
// objects, costs no more than its digest.
func (c *ClusterCatalog) keep(k *entryKind, d *document) {
	digest := sha256.Sum256(d.text)
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[d.key()]
	switch {
	case o == nil:
		o = &entryObject{kind: k, uid: d.UID}
		c.objects[d.key()] = o
	case o.uid != d.UID:
		o.uid, o.foreign = d.UID, true
	case o.digest == digest:
		return
	}
	o.digest, o.unread = digest, d.text
	c.tell()
}

// drop forgets the objects of a kind that gone says are not there any more.
func (c *ClusterCatalog) drop(k *entryKind, gone func(sidecars.Key) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, o := range c.objects {
		if o.kind == k && gone(key) {
			delete(c.objects, key)
			c.log.Info("catalog entry gone", "entry", key.String())
			c.tell()
		}
	}
}

// unread is the newest document of an object.
type unread struct {
	key    sidecars.Key
	object *entryObject
	uid    types.UID
	text   []byte
}

// takeUnread gives every document that nobody has read yet.
func (c *ClusterCatalog) takeUnread() []unread {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []unread
	for key, o := range c.objects {
		if o.unread != nil {
			list = append(list, unread{key, o, o.uid, o.unread})
			o.unread = nil
		}
	}
	return list
}

// readAll reads and proves every document that changed. The first time all CPUs are for that, since no Pod comes before it is
// done; later half of them.
func (c *ClusterCatalog) readAll(ctx context.Context) {
	workers := runtime.GOMAXPROCS(0)
	if c.assembled.Load() {
		workers = max(1, workers/2)
	}
	var group errgroup.Group
	group.SetLimit(workers)
	for _, u := range c.takeUnread() {
		group.Go(func() error {
			if ctx.Err() == nil {
				entry, failure := c.read(u.key, u.text)
				c.done(&u, entry, failure)
			}
			return nil
		})
	}
	_ = group.Wait() // a mistake is the object's, not the group's
}

// read reads and proves one entry, or says why it cannot be used. A panic is a mistake of that entry.
func (c *ClusterCatalog) read(key sidecars.Key, text []byte) (entry *sidecars.Entry, failure string) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic over a catalog entry", "entry", key.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			entry, failure = nil, "Pillion failed on it, which is a bug; the stack is in the webhook's log"
		}
	}()
	entry, errs := c.prove(text)
	if len(errs) > 0 {
		return nil, mistakes(errs)
	}
	return entry, ""
}

func prove(text []byte) (*sidecars.Entry, field.ErrorList) {
	entry, errs := sidecars.Parse(text)
	if len(errs) == 0 {
		errs = entry.Prove()
	}
	return entry, errs
}

// mistakes joins the first of an entry's mistakes.
func mistakes(errs field.ErrorList) string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return cut(strings.Join(first(texts), "; "), maxMessage)
}

// done notes what became of a document.
func (c *ClusterCatalog) done(u *unread, entry *sidecars.Entry, failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := u.object
	if o.uid != u.uid {
		return // another object has the name by now; it is unread
	}
	o.failure = failure
	if failure == "" {
		o.entry, o.foreign = entry, false
		c.log.Info("catalog entry", "entry", u.key.String(), "revision", entry.Revision)
		return
	}
	if o.foreign {
		o.entry, o.foreign = nil, false
	}
	c.log.Error("catalog entry not taken up", "entry", u.key.String(), "inForce", o.revision(), "error", failure)
}

// revision in force; empty where there is none.
func (o *entryObject) revision() string {
	if o.entry == nil {
		return ""
	}
	return o.entry.Revision
}
