package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestTheUnitIsOne(t *testing.T) {
	binary, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ args, want, not string }{
		{"", "\nDynamicUser=yes\nStateDirectory=tintype\n", "\nUser="},
		{"--user pictures", "\nUser=pictures\nStateDirectory=tintype\n", "DynamicUser"},
		{"--user pictures --data /srv/pictures", "\nReadWritePaths=/srv/pictures\n", "StateDirectory"},
		{"--data /var/lib/a/b/", "\nEnvironment=TINTYPE_DATA=/var/lib/a/b\n", "ReadWritePaths"},
	} {
		r := tintype(t, append([]string{"install-unit", "--binary", binary}, strings.Fields(test.args)...)...)
		if r.code != 0 || !strings.Contains(r.out, test.want) || strings.Contains(r.out, test.not) || regexp.MustCompile(`@[a-z]+@`).MatchString(r.out) {
			t.Errorf("%s: %+v", test.args, r)
		}
		if _, err := exec.LookPath("systemd-analyze"); err != nil {
			t.Log("not verified: no systemd-analyze here")
			continue
		}
		file := filepath.Join(t.TempDir(), "tintype.service")
		write(t, file, []byte(r.out))
		if out, err := exec.Command("systemd-analyze", "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: systemd-analyze verify: %v\n%s", test.args, err, out)
		}
	}
}
