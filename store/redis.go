package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// RedisOptions say where a Redis or Valkey is.
type RedisOptions struct {
	Options // Relaxed means nothing

	// Addresses are HOST:PORT of one server, which may tell that it is of a cluster, or of
	// several servers of one cluster.
	Addresses []string
	// Password is that of the user "default"; empty: none is asked.
	Password string
	// Temp is the directory for bodies on their way in that are too large for memory; empty:
	// the system's.
	Temp string
}

// Redis is a Store of pictures that have an expiry, in Redis or Valkey 6 or later, alone or a
// cluster, which any number of servers share. What has no expiry, or more than MaxWhole bytes,
// is in another Store, rest; so is what was put there before and has got an expiry since. Both
// are one tier: a name is in one of them.
//
// # What is promised
//
// When Apply returns nil, the master of each name has acknowledged it. That is less than the
// other Stores promise: Redis tells its replicas and its disk afterwards.
//
//   - A master that dies takes along what no replica had got yet: milliseconds of changes, as
//     a rule. One that is cut off from the others goes on taking changes for up to
//     cluster-node-timeout, and loses all of them. A picture that was deleted in that time may
//     be back, until it expires.
//   - With appendfsync everysec, a power cut takes up to 2 seconds of changes from a master that
//     has no replica to take over; without appendonly everything since the last snapshot. A
//     master without appendonly that is started again at once empties its replicas too.
//   - Where memory is short, maxmemory-policy volatile-ttl evicts what would expire next. With
//     noeviction, changes are refused with ErrFull.
//   - The names of one Change are changed one by one, those of rest at once. Bodies, Decide and
//     new names come before: what they refuse changes nothing. An error after that may leave
//     some of it done. Between servers, who writes last wins; only of two that put a New name,
//     one is refused: both are taken where the name is that of one which has expired, and is not
//     removed yet.
//   - A change that ended with ErrUnreachable may still happen, as soon as the server that it
//     was sent to runs again, or the network lets it through; so may a first attempt of one
//     that went well. A picture that was deleted in between may be back, until it expires.
//
// What expires is not seen from that moment on by the clock of the server that is asked,
// whenever Redis removes it. No wrong bytes are read: all are checked.
//
// Changes are tried again for 5 seconds, and reads too; then they end with ErrUnreachable. A
// dead or hung master of a cluster costs its part of the names the time until its replica has
// taken over, cluster-node-timeout and a second or two.
//
// List looks at every key of every master, with as much memory as what it returns: it is
// slow, a second or so for a million keys. Usage is that of rest alone, so that what is in Redis
// is in no quota. Stats adds to those of rest an estimate, made of a sample once a minute.
// Sweep is that of rest: in Redis, the trash stays until it expires. A Decide that asks for a
// List holds the names of its Change meanwhile.
//
// # redis.conf
//
//	appendonly yes
//	maxmemory 4gb                # what there is, less what a fork copies: half of it, to be safe
//	maxmemory-policy volatile-ttl
//	client-output-buffer-limit replica 1gb 256mb 60
//	repl-backlog-size 256mb      # both: values have up to 8 MiB, and a replica that falls behind
//	                             # is cut off, and asks for everything again
//	cluster-node-timeout 3000    # how long a dead master's pictures are away; 15000 if nothing is said
//	cluster-require-full-coverage no
type Redis struct {
	opt    RedisOptions
	client rueidis.Client
	rest   Tier
	arrivals

	locks    nameLocks
	versions versions
	estimate estimate
	damage   atomic.Int64 // values that were not as they were stored
	failed   atomic.Pointer[error]

	closing sync.RWMutex // held, to read, by running changes
	stop    chan struct{}
	ended   sync.WaitGroup
}

var _ Tier = (*Redis)(nil)

const (
	redisPatience = 5 * time.Second // for one change of a name, or one read, with all attempts
	redisAttempt  = 2 * time.Second // for one command: 8 MiB in it are 32 Mbit/s
	redisDial     = time.Second
	redisWatch    = 3 * time.Second

	// redisConns is how many connections there are to one server. Each has one command at a
	// time, so that none waits for the 8 MiB of another, and its time is its own.
	redisConns = 64
)

// OpenRedis opens a tier over Redis and rest, which it closes with itself.
func OpenRedis(opt RedisOptions, rest Tier) (*Redis, error) {
	opt.Options = opt.Options.withDefaults()
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: slices.Clone(opt.Addresses), Password: opt.Password,
		ClientName: "tintype", ClientSetInfo: rueidis.DisableClientSetInfo,
		Dialer:           net.Dialer{Timeout: redisDial},
		ConnWriteTimeout: redisAttempt,
		DisableCache:     true, // of the client; the server has its own

		DisableAutoPipelining: true,
		BlockingPoolSize:      redisConns, BlockingPoolMinSize: 4, BlockingPoolCleanup: time.Minute,
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		ClusterOption: rueidis.ClusterOption{MaxMovedRedirections: 16},
	})
	if err != nil {
		return nil, fmt.Errorf("store: open redis: %w", redisError(err))
	}
	r := &Redis{
		opt: opt, client: client, rest: rest, arrivals: arrivals{newIntake(), opt.Temp, opt.Now},
		versions: versions{seed: maphash.MakeSeed()}, stop: make(chan struct{}),
	}
	r.ended.Go(r.watch)
	return r, nil
}

// Close implements Store.
func (r *Redis) Close() error {
	r.closing.Lock()
	defer r.closing.Unlock()
	close(r.stop)
	r.ended.Wait()
	r.client.Close()
	return r.rest.Close()
}

// watch looks whether Redis answers, until Close.
func (r *Redis) watch() {
	tick := time.NewTicker(redisWatch)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-tick.C:
		}
		before, err := r.failed.Load(), r.alive()
		switch {
		case err != nil && before == nil:
			r.opt.Log.Error("Redis takes no pictures", "err", err)
		case err == nil && before != nil:
			r.opt.Log.Info("Redis takes pictures again")
		}
		if err == nil {
			r.failed.Store(nil)
		} else {
			r.failed.Store(&err)
		}
	}
}

// alive asks whether there is anybody. A cluster with a dead master is alive: it mends
// itself, and the rest of it goes on.
func (r *Redis) alive() error {
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	if r.client.Mode() != rueidis.ClientModeCluster {
		return redisError(r.client.Do(ctx, r.client.B().Ping().Build().ToRetryable()).Error())
	}
	info, err := r.client.Do(ctx, r.client.B().ClusterInfo().Build().ToRetryable()).ToString()
	if err == nil && !strings.Contains(info, "cluster_state:ok") {
		return fmt.Errorf("%w: redis: the cluster is down", ErrUnreachable)
	}
	return redisError(err)
}

// Ready implements Store.
func (r *Redis) Ready() error {
	if err := r.failed.Load(); err != nil {
		return *err
	}
	return r.rest.Ready()
}

// passing begin the errors of a Redis that may be well soon, or whose place another one takes.
var passing = [...]string{"CLUSTERDOWN", "TRYAGAIN", "LOADING", "READONLY", "MASTERDOWN", "BUSY ", "NOREPLICAS", "MOVED ", "ASK "}

// redisError says of an answer what it means here: ErrUnreachable where another attempt may
// have another one.
func redisError(err error) error {
	if err == nil {
		return nil
	}
	told, ok := rueidis.IsRedisErr(err)
	begins := func(prefix string) bool { return strings.HasPrefix(told.Error(), prefix) }
	switch {
	case !ok || slices.ContainsFunc(passing[:], begins):
		return fmt.Errorf("%w: redis: %w", ErrUnreachable, err)
	case begins("OOM "):
		return fmt.Errorf("%w: redis: %w", ErrFull, err)
	}
	return fmt.Errorf("store: redis: %w", err)
}

// read returns up to n bytes of what is under key, whatever its size is; ErrNotFound.
func (r *Redis) read(key string, n int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	return answered(r.client.Do(ctx, r.reading(key, n)))
}

func (r *Redis) reading(key string, n int) rueidis.Completed {
	return r.client.B().Getrange().Key(key).Start(0).End(int64(n - 1)).Build()
}

func answered(a rueidis.RedisResult) ([]byte, error) {
	data, err := a.AsBytes()
	if err == nil && len(data) == 0 {
		return nil, ErrNotFound
	}
	return data, redisError(err)
}

// readEach is read for several keys, with one answer for each.
func (r *Redis) readEach(keys []string, n int, f func(i int, data []byte, err error)) {
	if len(keys) == 0 {
		return
	}
	calls := make([]rueidis.Completed, len(keys))
	for i, key := range keys {
		calls[i] = r.reading(key, n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	for i, a := range r.client.DoMulti(ctx, calls...) {
		data, err := answered(a)
		f(i, data, err)
	}
}

// set puts value under a key, once, for so long. The value is not to be changed any more, even
// after an error. first, and there is something: errTaken.
func (r *Redis) set(ctx context.Context, key string, value []byte, life time.Duration, first bool) error {
	set, ms := r.client.B().Set().Key(key).Value(rueidis.BinaryString(value)), (life + time.Millisecond - 1).Milliseconds()
	var call rueidis.Completed
	if first {
		call = set.Nx().PxMilliseconds(ms).Build()
	} else {
		call = set.PxMilliseconds(ms).Build()
	}
	err := r.client.Do(ctx, call).Error()
	if rueidis.IsRedisNil(err) {
		return errTaken
	}
	return redisError(err)
}

// unlink removes a key, if there is one, once.
func (r *Redis) unlink(ctx context.Context, key string) error {
	return redisError(r.client.Do(ctx, r.client.B().Unlink().Key(key).Build()).Error())
}

// remove removes a key, if there is one.
func (r *Redis) remove(key string) error {
	return persist(func(ctx context.Context) error { return r.unlink(ctx, key) })
}

// persist calls write until it does not end with ErrUnreachable, for redisPatience.
func persist(write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	// the first attempts are quick, since they may meet connections that were closed meanwhile
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second/2) {
		err := write(ctx)
		if !errors.Is(err, ErrUnreachable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// eachMaster calls f for each server that has keys of its own.
func (r *Redis) eachMaster(f func(master rueidis.Client) error) error {
	for _, node := range r.client.Nodes() {
		info, err := askNode(node, node.B().Info().Section("replication").Build()).ToString()
		if err != nil {
			return redisError(err)
		}
		if !strings.Contains(info, "role:master") {
			continue
		}
		if err := f(node); err != nil {
			return err
		}
	}
	return nil
}

// askNode sends a command to one server.
func askNode(node rueidis.Client, command rueidis.Completed) rueidis.RedisResult {
	ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
	defer cancel()
	return node.Do(ctx, command)
}

// eachKey calls f with all keys that match, some at a time, in no order; one that moves from
// one server to another meanwhile may be left out or come twice.
func (r *Redis) eachKey(match string, f func(keys []string) error) error {
	return r.eachMaster(func(master rueidis.Client) error {
		for cursor := uint64(0); ; {
			found, err := askNode(master, master.B().Scan().Cursor(cursor).Match(match).Count(scanBatch).Build()).AsScanEntry()
			if err != nil {
				return redisError(err)
			}
			if err := f(found.Elements); err != nil {
				return err
			}
			if cursor = found.Cursor; cursor == 0 {
				return nil
			}
		}
	})
}

// sample calls f for each master with how many keys it has, some of them, and the lengths of
// their values.
func (r *Redis) sample(f func(all int64, keys []string, lengths []int64)) error {
	return r.eachMaster(func(master rueidis.Client) error {
		all, err1 := askNode(master, master.B().Dbsize().Build()).AsInt64()
		found, err2 := askNode(master, master.B().Scan().Cursor(0).Count(scanBatch).Build()).AsScanEntry()
		if err := errors.Join(err1, err2); err != nil || len(found.Elements) == 0 {
			return redisError(err)
		}
		calls, lengths := make([]rueidis.Completed, len(found.Elements)), make([]int64, len(found.Elements))
		for i, key := range found.Elements {
			calls[i] = master.B().Strlen().Key(key).Build()
		}
		ctx, cancel := context.WithTimeout(context.Background(), redisPatience)
		defer cancel()
		for i, a := range master.DoMulti(ctx, calls...) {
			lengths[i], _ = a.AsInt64() // a stranger's key may have none
		}
		f(all, found.Elements, lengths)
		return nil
	})
}
