package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// identity is a server among those that share tiers: the name that it keeps over restarts, in a
// file that one process has open at a time.
type identity struct {
	*bbolt.DB
	name string
}

// openIdentity opens DIR/node.db and makes it, with a name that nobody else has, where it is
// missing. ErrLocked.
func openIdentity(dir string) (*identity, error) {
	db, err := bbolt.Open(filepath.Join(dir, "node.db"), 0o600, &bbolt.Options{Timeout: 500 * time.Millisecond})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	n := &identity{DB: db}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("node"))
		if err != nil {
			return err
		}
		if n.name = string(b.Get([]byte("name"))); n.name != "" {
			return nil
		}
		n.name = newNodeName()
		return b.Put([]byte("name"), []byte(n.name))
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), db.Close())
	}
	return n, nil
}

// newNodeName returns the host's name, for who looks at it, with a random text behind it.
func newNodeName() string {
	host, _ := os.Hostname()
	host = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(host))
	return host[:min(len(host), 63)] + "-" + strings.ToLower(rand.Text()[:13])
}
