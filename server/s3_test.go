package server

import (
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"tintype/store"
	"tintype/store/s3test"
)

// overS3 makes test servers keep their pictures in S3, where TINTYPE_TEST_S3 is set: to endpoints
// with a comma between, of which the bucket tintype is used with the keys test and testtest, or
// to anything else for one in memory.
var overS3 = os.Getenv("TINTYPE_TEST_S3") != ""

// onDisk skips a test of what is only there with pictures in a directory.
func onDisk(t testing.TB) {
	t.Helper()
	if overS3 {
		t.Skip("pictures are in S3")
	}
}

func (s *testServer) openOverS3(opt store.Options) (*store.Data, error) {
	endpoints := strings.Split(os.Getenv("TINTYPE_TEST_S3"), ",")
	if !strings.Contains(endpoints[0], "://") {
		_, endpoint := s3test.New(s.t)
		endpoints = []string{endpoint}
	}
	prefix := "test/" + strings.ToLower(rand.Text())
	return store.OpenShared(s.dir, opt, func(node, temp string) (pictures, cache store.Tier, err error) {
		tiers := make([]*store.Bucket, 2)
		for i, name := range []string{"pictures", "cache"} {
			if tiers[i], err = store.OpenBucket(store.BucketOptions{
				Options: opt, Endpoints: endpoints, AccessKey: "test", SecretKey: "testtest", Bucket: "tintype", Prefix: prefix, Tier: name, Node: node, Temp: temp,
			}); err != nil {
				return nil, nil, err
			}
		}
		return tiers[0], tiers[1], nil
	})
}
