package store

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// nameLocks are the names that changes are under way for: one change at a time has a name. They keep
// changes of one process apart where the storage cannot.
type nameLocks struct {
	mu   sync.Mutex // guards held
	free *sync.Cond
	held map[string]bool
}

// lock waits until none of list is held, and holds them.
func (n *nameLocks) lock(list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.held == nil {
		n.held, n.free = make(map[string]bool), sync.NewCond(&n.mu)
	}
	for slices.ContainsFunc(list, func(name string) bool { return n.held[name] }) {
		n.free.Wait()
	}
	for _, name := range list {
		n.held[name] = true
	}
}

func (n *nameLocks) unlock(list []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range list {
		delete(n.held, name)
	}
	n.free.Broadcast()
}

// errHeld is returned to a change that has to be made again: another one has a name that it needs.
var errHeld = errors.New("store: another change has the name")

// holding is the names that a change has, and those that it needed and could not have.
type holding struct {
	locks   *nameLocks
	names   map[string]bool
	missing []string
	listed  map[string]bool // by a decision, that were not among names
}

// hold has change run while no other one has the names, nor those that it takes. It is run
// again when it could not take one that is free by then: no two wait for each other, and a name that
// is another one each time is waited for by nobody.
func (n *nameLocks) hold(names []string, change func(*holding) error) error {
	for {
		missing, err := n.holdOnce(names, change)
		if len(missing) == 0 {
			return err
		}
		names = append(names, missing...)
	}
}

func (n *nameLocks) holdOnce(names []string, change func(*holding) error) (missing []string, err error) {
	n.lock(names)
	h := &holding{locks: n, names: make(map[string]bool)}
	defer func() { n.unlock(slices.Collect(maps.Keys(h.names))) }()
	for _, name := range names {
		h.names[name] = true
	}
	err = change(h)
	return h.missing, err
}

// take adds names; errHeld if another change has one of them.
func (h *holding) take(names []string) error {
	h.locks.mu.Lock()
	defer h.locks.mu.Unlock()
	for _, name := range names {
		if !h.names[name] && h.locks.held[name] {
			h.missing = append(h.missing, name)
		}
	}
	if len(h.missing) > 0 {
		return errHeld
	}
	for _, name := range names {
		h.names[name], h.locks.held[name] = true, true
	}
	return nil
}

// list notes what a decision is told by a list.
func (h *holding) list(objs []Object) {
	for _, o := range objs {
		if !h.names[o.Name] {
			h.listed[o.Name] = true
		}
	}
}

// decide has ch decided by what now tells while h has all names that ch then changes. errHeld.
func (h *holding) decide(ch *Change, now View) error {
	if ch.Decide == nil {
		return nil
	}
	for {
		h.listed = make(map[string]bool)
		next := *ch
		next.Delete, next.Edit = slices.Clip(ch.Delete), slices.Clip(ch.Edit)
		err := ch.Decide(now, &next)
		if len(h.missing) > 0 { // whatever it has made of that
			return errHeld
		}
		if err != nil {
			return err
		}
		before, names := len(h.names), changed(next, nil)
		if err := h.take(names); err != nil {
			return err
		}
		if len(h.names) == before && !slices.ContainsFunc(names, func(name string) bool { return h.listed[name] }) {
			*ch = next
			return nil
		}
	}
}
