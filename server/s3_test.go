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
// with a comma between, of which the bucket tintype is used with the keys of AWS_ACCESS_KEY_ID
// and AWS_SECRET_ACCESS_KEY, or to anything else for one in memory.
var overS3 = os.Getenv("TINTYPE_TEST_S3") != ""

// onDisk skips a test of what is only there with pictures in a directory.
func onDisk(t testing.TB) {
	t.Helper()
	if overS3 {
		t.Skip("pictures are in S3")
	}
}

func (s *testServer) openOverS3(opt store.Options) (*store.Data, error) {
	endpoints, key, secret := strings.Split(os.Getenv("TINTYPE_TEST_S3"), ","), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if !strings.Contains(endpoints[0], "://") {
		_, endpoint := s3test.New(s.t)
		endpoints, key, secret = []string{endpoint}, "test", "testtest"
	}
	prefix := "test/" + strings.ToLower(rand.Text())
	return store.OpenShared(s.dir, opt, func(node, temp string) (pictures, cache store.Tier, err error) {
		tiers := make([]*store.Bucket, 2)
		for i, name := range []string{"pictures", "cache"} {
			if tiers[i], err = store.OpenBucket(store.BucketOptions{
				Options: opt, Endpoints: endpoints, AccessKey: key, SecretKey: secret, Bucket: "tintype", Prefix: prefix, Tier: name, Node: node, Temp: temp,
			}); err != nil {
				return nil, nil, err
			}
		}
		return tiers[0], tiers[1], nil
	})
}
