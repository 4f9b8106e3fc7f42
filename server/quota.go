package server

import (
	"errors"
	"fmt"
	"slices"

	"tintype/store"
)

// errQuota is returned when an application would have more than it may.
var errQuota = errors.New("the application's quota is used up")

// withinQuota returns errQuota if app may not have so many more bytes and objects, in the
// place of those called gone. What it has in the tier that now is a look at is exact; the
// other's may change meanwhile. A change that leaves it with no more than it has is let be.
func withinQuota(now, other store.View, app store.App, bytes, objects int64, gone ...string) error {
	if app.MaxBytes == 0 && app.MaxObjects == 0 {
		return nil
	}
	slices.Sort(gone)
	for _, name := range slices.Compact(gone) {
		o, err := now.Stat(name)
		if err == nil && o.Owner == app.Key {
			bytes, objects = bytes-o.Size, objects-1
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	var hasObjects, hasBytes int64
	for _, view := range []store.View{now, other} {
		n, b, err := view.Usage(app.Key)
		if err != nil {
			return err
		}
		hasObjects, hasBytes = hasObjects+n, hasBytes+b
	}
	switch {
	case app.MaxBytes > 0 && bytes > 0 && hasBytes+bytes > app.MaxBytes:
		return fmt.Errorf("%w: %d bytes of %d, and %d more", errQuota, hasBytes, app.MaxBytes, bytes)
	case app.MaxObjects > 0 && objects > 0 && hasObjects+objects > app.MaxObjects:
		return fmt.Errorf("%w: %d files of %d, and %d more", errQuota, hasObjects, app.MaxObjects, objects)
	}
	return nil
}

// usage returns what an application has in both tiers.
func (s *Server) usage(key string) (objects, bytes int64, err error) {
	for _, tier := range []store.Store{s.cfg.Pictures, s.cfg.Cache} {
		n, b, tierErr := tier.Usage(key)
		objects, bytes, err = objects+n, bytes+b, errors.Join(err, tierErr)
	}
	return objects, bytes, err
}
