package node

import "sync"

// arrivals are the containers that have started and have no account yet. To open one takes locks of the kernel that are held long
// where many containers are made at once: no answer to the runtime waits for them.
type arrivals struct {
	// come is told of each.
	come chan struct{}

	mu   sync.Mutex
	list map[string]arrival

	// opening is held while accounts are opened, so that a container that ends meanwhile has its own.
	opening sync.Mutex
}

// arrival is a container as its start tells of it.
type arrival struct {
	pod  *pod
	name string
	pid  int
}

func newArrivals() arrivals {
	return arrivals{come: make(chan struct{}, 1), list: map[string]arrival{}}
}

func (a *arrivals) add(id string, c arrival) {
	a.mu.Lock()
	a.list[id] = c
	a.mu.Unlock()
	select {
	case a.come <- struct{}{}:
	default:
	}
}

// open opens, by do, the account of one container, if it has none yet.
func (a *arrivals) open(do func(id string, c arrival), id string) {
	a.opening.Lock()
	defer a.opening.Unlock()
	a.mu.Lock()
	c, ok := a.list[id]
	delete(a.list, id)
	a.mu.Unlock()
	if ok {
		do(id, c)
	}
}

// openAll opens the accounts of all, one after the other: who waits for one does not wait for the rest.
func (a *arrivals) openAll(do func(id string, c arrival)) {
	for {
		id, ok := a.next()
		if !ok {
			return
		}
		a.open(do, id)
	}
}

func (a *arrivals) next() (id string, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.list {
		return id, true
	}
	return "", false
}

// drop forgets those of a Pod that is gone.
func (a *arrivals) drop(sandbox string) {
	a.opening.Lock()
	defer a.opening.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	for id, c := range a.list {
		if c.pod.id == sandbox {
			delete(a.list, id)
		}
	}
}
