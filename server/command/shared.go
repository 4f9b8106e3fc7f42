package command

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"tintype/store"
)

// shared are tiers that several servers use, as --store and --cache name them.
type shared struct {
	bucket store.BucketOptions
	redis  store.RedisOptions // without Addresses, time-limited pictures are in S3 as well
}

// The environment has the secrets of storage, or names files that have them, as of secretFlags.
const (
	envAccessKey = "AWS_ACCESS_KEY_ID"
	envSecretKey = "AWS_SECRET_ACCESS_KEY"
	envRedis     = "REDIS_PASSWORD"
)

// settleStorage makes a --store that is a directory the data directory, and a --cache that is
// a size the cache's.
func (s *settings) settleStorage() error {
	if s.store != "" && !strings.Contains(s.store, "://") {
		if def := s.all.Lookup("data").DefValue; s.data != def && s.data != s.store {
			return usagef("--store %s and --data %s are two directories: give one of them", s.store, s.data)
		}
		s.data = s.store
	}
	if s.cache != "" && !strings.Contains(s.cache, "://") {
		var n size
		if err := n.Set(s.cache); err != nil {
			return usagef("--cache %q: want a size such as 512MiB, or redis://host:6379", s.cache)
		}
		if def := s.all.Lookup("cache-size").DefValue; s.cacheSize.String() != def && s.cacheSize != n {
			return usagef("--cache %s and --cache-size %s are two sizes: give one of them", s.cache, s.cacheSize.String())
		}
		s.cacheSize = n
	}
	_, err := s.shared()
	return err
}

// shared returns the tiers that the settings name; nil: they are in the data directory.
func (s *settings) shared() (*shared, error) {
	remote, redis := strings.Contains(s.store, "://"), strings.Contains(s.cache, "://")
	switch {
	case !remote && redis:
		return nil, usagef("--cache redis:// goes with --store s3:// alone: pictures in a directory are one server's, and so are those that it keeps for a time")
	case !remote:
		return nil, nil
	case s.accountKey == "":
		return nil, usagef("--store s3:// needs --account-key, the same at all servers: with keys of their own they refuse each other's tokens")
	case len(s.apps) == 0:
		return nil, usagef("--store s3:// needs --app KEY=SECRET, the same at all servers: what one of them registers in its directory the others do not know")
	case s.accounts.value == "registered":
		return nil, usagef("--store s3:// does not go with --accounts registered: accounts are registered in the directory of one server")
	}
	return newShared(s.store, s.cache)
}

// newShared reads what --store and --cache say, and the secrets for that.
func newShared(bucket, cache string) (*shared, error) {
	all := &shared{}
	var err error
	if all.bucket, err = parseBucket(bucket); err != nil {
		return nil, err
	}
	if all.redis.Addresses, err = parseRedis(cache); err != nil {
		return nil, err
	}
	if all.redis.Password, err = secretOf(envRedis); err != nil {
		return nil, err
	}
	for name, to := range map[string]*string{envAccessKey: &all.bucket.AccessKey, envSecretKey: &all.bucket.SecretKey} {
		if *to, err = secretOf(name); err != nil {
			return nil, err
		}
		if *to == "" {
			return nil, usagef("s3:// needs %s in the environment, or %[1]s_FILE", name)
		}
	}
	return all, nil
}

// parseBucket reads s3://bucket/prefix?endpoint=URL,URL&region=R&buckets=N. An error does not
// quote it: somebody may have put a secret there.
func parseBucket(text string) (opt store.BucketOptions, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Fragment != "" {
		return opt, usagef("--store: want a directory, or s3://bucket/prefix?endpoint=http://host:port,http://host:port&region=R&buckets=N")
	}
	if u.User != nil {
		return opt, usagef("s3: keys do not belong into the URL: give %s and %s in the environment", envAccessKey, envSecretKey)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return opt, usagef("s3: what follows the ? is not endpoint=URL&region=R&buckets=N")
	}
	opt = store.BucketOptions{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Region: q.Get("region"), Buckets: 1}
	if text := q.Get("buckets"); text != "" {
		if opt.Buckets, err = strconv.Atoi(text); err != nil || opt.Buckets < 1 || opt.Buckets > 1000 {
			return opt, usagef("s3: buckets=%s: want 1 to 1000", text)
		}
	}
	opt.Endpoints = strings.Split(cmp.Or(q.Get("endpoint"), "https://s3."+cmp.Or(opt.Region, "us-east-1")+".amazonaws.com"), ",")
	for _, key := range []string{"endpoint", "region", "buckets"} {
		if len(q[key]) > 1 {
			return opt, usagef("s3: %s is given twice", key)
		}
		delete(q, key)
	}
	for key := range q {
		return opt, usagef("s3: %q is none of endpoint, region and buckets", key)
	}
	return opt, nil
}

// parseRedis reads redis://host:port,host:port; none for a size or nothing.
func parseRedis(text string) ([]string, error) {
	list, ok := strings.CutPrefix(text, "redis://")
	if !ok {
		if strings.Contains(text, "://") {
			return nil, usagef("--cache: want a size such as 512MiB, or redis://host:6379,host:6379")
		}
		return nil, nil
	}
	addresses := strings.Split(strings.TrimSuffix(list, "/"), ",")
	for _, address := range addresses {
		host, port, ok := strings.Cut(address, ":")
		if _, err := strconv.ParseUint(port, 10, 16); !ok || host == "" || err != nil || strings.Contains(address, "@") {
			return nil, usagef("--cache: want redis://host:port,host:port, and a password in %s", envRedis)
		}
	}
	return addresses, nil
}

// secretOf returns the value of an environment variable, or what the file has that NAME_FILE
// names; "" where neither is set.
func secretOf(name string) (string, error) {
	text, path := os.Getenv(name), os.Getenv(name+"_FILE")
	if path == "" {
		return text, nil
	}
	if text != "" {
		return "", usagef("%s and %[1]s_FILE are both set: one is enough", name)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", usagef("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(data)), nil
}

// open opens both tiers.
func (s *shared) open(opt store.Options, clock *store.Clock, node, temp string) (pictures, cache store.Tier, err error) {
	tier := func(name string) (*store.Bucket, error) {
		b := s.bucket
		b.Options, b.Tier, b.Node, b.Temp, b.Clock = opt, name, node, temp, clock
		return store.OpenBucket(b)
	}
	durable, err := tier("pictures")
	if err != nil {
		return nil, nil, err
	}
	limited, err := tier("cache")
	if err != nil {
		return nil, nil, errors.Join(err, durable.Close())
	}
	if len(s.redis.Addresses) == 0 {
		return durable, limited, nil
	}
	s.redis.Options, s.redis.Temp = opt, temp
	redis, err := store.OpenRedis(s.redis, limited)
	if err != nil {
		return nil, nil, errors.Join(err, limited.Close(), durable.Close())
	}
	return durable, redis, nil
}

// openData opens what the settings name.
func (s *settings) openData(log *slog.Logger) (*store.Data, error) {
	opt := store.Options{Log: log, Now: now}
	all, err := s.shared()
	if err != nil {
		return nil, err
	}
	if all == nil {
		return store.OpenData(s.data, opt)
	}
	return all.openData(s.data, opt)
}

// openData opens both tiers, which tell the time by S3's clock, and dir for what is this server's own.
func (s *shared) openData(dir string, opt store.Options) (*store.Data, error) {
	clock := store.NewClock(now)
	opt.Now = clock.Now
	return store.OpenShared(dir, opt, func(node, temp string) (pictures, cache store.Tier, err error) {
		return s.open(opt, clock, node, temp)
	})
}

// place says where pictures are kept, for who starts a server.
func (s *settings) place() string {
	all, err := s.shared()
	if err != nil || all == nil {
		return "data in " + s.data
	}
	b := all.bucket
	text := fmt.Sprintf("data in s3://%s/%s at %s", b.Bucket, b.Prefix, strings.Join(b.Endpoints, " and "))
	if len(all.redis.Addresses) > 0 {
		text += ", for a time in redis://" + strings.Join(all.redis.Addresses, ",")
	}
	return text + ", its own in " + s.data
}

// adminKeyOf is the admin key that all servers with an account key have.
func adminKeyOf(accountKey []byte) []byte {
	mac := hmac.New(sha256.New, accountKey)
	mac.Write([]byte("tintype admin key"))
	return mac.Sum(nil)
}
