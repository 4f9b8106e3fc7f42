package store

import (
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
