package command

import (
	"encoding/base64"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"tintype/server"
	"tintype/store"
)

// secretFlags have secrets, which a file may have that the environment names, as
// TINTYPE_TOKEN_SECRET_FILE: it is in no environment then and in no list of processes.
// They, and the registry, are read again while the server runs.
var secretFlags = []string{"app", "account-key", "account-key-previous", "token-secret"}

// secretFile returns the path of the file that has a flag's value; "" if none does.
func secretFile(flag string) string {
	if !slices.Contains(secretFlags, flag) {
		return ""
	}
	return os.Getenv(env(flag) + "_FILE")
}

// fromEnvironment returns what the environment says of a flag, and where; "": nothing.
func fromEnvironment(f *pflag.Flag) (values []string, where string, err error) {
	text, ok := os.LookupEnv(env(f.Name))
	path := secretFile(f.Name)
	switch {
	case ok && path != "":
		return nil, "", usagef("%s and %[1]s_FILE are both set: one is enough", env(f.Name))
	case path != "":
		where = env(f.Name) + "_FILE"
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, where, usagef("%s: %w", where, err)
		}
		values = secretLines(string(data), isList(f))
		if slices.Equal(values, []string{""}) && f.Name != "account-key-previous" { // of which there need be none
			return nil, where, usagef("%s: %s is empty", where, path)
		}
		return values, where, nil
	case !ok:
		return nil, "", nil
	case isList(f):
		return strings.Fields(text), env(f.Name), nil
	}
	return []string{text}, env(f.Name), nil
}

// secretLines returns a file's content without its last line feed, or of a list each of
// its lines that has something.
func secretLines(text string, list bool) []string {
	if !list {
		return []string{strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")}
	}
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// secrets returns those of the settings, and those of the registry: the admin key, and the
// account key where the settings have none. nil: there is no registry. Servers that share
// their tiers have admin keys made of account keys.
func (s *settings) secrets(r *store.Registry) (*server.Secrets, error) {
	all := &server.Secrets{TokenSecret: s.tokenSecret}
	shared := strings.Contains(s.store, "://")
	if r != nil && !shared {
		all.AdminKeys = append(all.AdminKeys, r.AdminKey())
		if s.accountKey == "" {
			all.AccountKeys = append(all.AccountKeys, r.AccountKey())
		}
	}
	for _, k := range []struct{ flag, text string }{
		{"account-key", s.accountKey}, {"account-key-previous", s.accountKeyPrevious},
	} {
		if k.text == "" {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(k.text)
		if err != nil || len(key) == 0 {
			return nil, usagef("--%s is not base64", k.flag)
		}
		all.AccountKeys = append(all.AccountKeys, key)
		if shared {
			all.AdminKeys = append(all.AdminKeys, adminKeyOf(key))
		}
	}
	return all, nil
}
