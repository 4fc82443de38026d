package egress

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheckFile(t *testing.T) {
	t.Parallel()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data", "data/Inner", "secret", "secretary"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"data/a.csv", "data/Inner/b.csv", "secret/key", "secretary/c.csv"} {
		if err := os.WriteFile(path(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"data/link": "secret/key", "data/up": "secret", "alias": "secret", "ok": "data", "data/env": "/proc/self/environ"} {
		if !filepath.IsAbs(to) {
			to = path(to)
		}
		if err := os.Symlink(to, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	deny := parse(t, "", nil, []string{path("secret")})
	alias := parse(t, "", nil, []string{path("alias")})
	strict := parse(t, Strict, []string{path("data/")}, nil)
	for _, c := range []struct {
		name string
		p    Policy
		path string
		want string // "": denied
	}{
		{"default", Policy{}, path("secret/key"), path("secret/key")},
		{"default, followed", Policy{}, path("data/link"), path("secret/key")},
		{"missing", Policy{}, path("none"), path("none")},
		{"environment", Policy{}, "/proc/1/environ", ""},
		{"environment by a link", Policy{}, path("data/env"), ""},
		{"environment by dots", Policy{}, "/tmp/../proc/self/environ", ""},
		{"proc allowed", parse(t, "", []string{"/proc"}, nil), "/proc/self/environ", ""},
		{"device", Policy{}, "/dev/zero", ""},
		{"memory", Policy{}, "/dev/shm/x.csv", "/dev/shm/x.csv"},
		{"out of memory", Policy{}, "/dev/shm/../zero", ""},
		{"denied", deny, path("secret/key"), ""},
		{"denied folder", deny, path("secret"), ""},
		{"denied by dots", deny, path("data/../secret/key"), ""},
		{"denied by a link", deny, path("data/link"), ""},
		{"denied by a folder's link", deny, path("data/up/key"), ""},
		{"denied, missing", deny, path("secret/none"), ""},
		{"beside the denied", deny, path("secretary/c.csv"), path("secretary/c.csv")},
		{"denied by its link's name", alias, path("secret/key"), ""},
		{"strict", parse(t, Strict, nil, nil), path("data/a.csv"), ""},
		{"closed", parse(t, Closed, nil, nil), path("data/a.csv"), ""},
		{"strict, allowed", strict, path("data/Inner/b.csv"), path("data/Inner/b.csv")},
		{"strict, allowed by a link", strict, path("ok/a.csv"), path("data/a.csv")},
		{"strict, out by a link", strict, path("data/link"), ""},
		{"strict, out by dots", strict, path("data/../secretary/c.csv"), ""},
	} {
		got, err := c.p.CheckFile(c.path)
		if got != c.want {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if c.want == "" {
			wantDenied(t, c.name, err)
		}
	}
}
