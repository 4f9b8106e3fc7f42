package store

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tintype/store/s3test"
)

var bucketPrefixes atomic.Int64

// openBucket opens a tier of its own in an S3 in memory or, where TINTYPE_S3 has endpoints,
// a comma between them, in the bucket tintype of that one, with test and testtest as its keys.
func openBucket(t *testing.T, c *clock, change func(*BucketOptions)) *Bucket {
	t.Helper()
	opt := BucketOptions{
		Options: Options{Now: c.Now}, AccessKey: "test", SecretKey: "testtest", Bucket: "tintype", Tier: "pictures", Node: "n1", Temp: t.TempDir(),
		Prefix: fmt.Sprintf("test/%d-%d", time.Now().UnixNano(), bucketPrefixes.Add(1)),
	}
	if real := os.Getenv("TINTYPE_S3"); real != "" {
		opt.Endpoints = strings.Split(real, ",")
	}
	if change != nil {
		change(&opt)
	}
	if len(opt.Endpoints) == 0 {
		_, endpoint := s3test.New(t)
		opt.Endpoints = []string{endpoint}
	}
	b, err := OpenBucket(opt)
	if err != nil {
		t.Fatalf("OpenBucket: %v", err)
	}
	return b
}

func TestBucket(t *testing.T) {
	testStore(t, promises{longestName, false}, func(t *testing.T, c *clock) Store { return openBucket(t, c, nil) })
}

// longestName is how many letters a name may have of which each is one in a key: a break
// comes after every longSegment of them.
const longestName = maxNameKey - maxNameKey/(longSegment+1)
