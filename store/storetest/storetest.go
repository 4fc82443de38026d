// Package storetest gives tests databases that have the store's schema. They are
// copies of one that is migrated once in a process: migrating is most of what a
// short test would do, the more so under the race detector.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
)

// Dialects are where tests of what uses a store run.
var Dialects = []string{"sqlite", "postgres"}

// URL returns the address of a database of that dialect that has the schema, and
// no rows. It goes with the test.
func URL(t testing.TB, dialect string) string {
	t.Helper()
	if dialect == "postgres" {
		return postgres(t)
	}
	return SQLite(t)
}

// Each runs a test on a database of each dialect, beside other tests.
func Each(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	t.Parallel()
	for _, dialect := range Dialects {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, URL(t, dialect))
		})
	}
}

// SQLite is URL for a file of its own.
func SQLite(t testing.TB) string {
	t.Helper()
	file, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sluice.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

var migratedFile = sync.OnceValues(func() (file []byte, err error) {
	dir, err := os.MkdirTemp("", "storetest-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "sluice.db")
	if _, _, err := store.Migrate(context.Background(), "sqlite:"+path); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// template is the database of the shared server that others are copies of.
const template = "store_template"

var migrated struct {
	sync.Once
	err    error
	copies atomic.Int64
}

// postgres is URL for a database of the shared server; see pgtest.Shared. It goes
// with the server: a database has hundreds of files, and ext4 is slow to make any
// while it minds those that were removed in the last seconds.
func postgres(t testing.TB) string {
	t.Helper()
	server := pgtest.Shared(t)
	migrated.Do(func() {
		pgtest.Exec(t, server.URL("postgres"), "CREATE DATABASE "+template+" TEMPLATE template0")
		_, _, migrated.err = store.Migrate(context.Background(), server.URL(template))
	})
	if migrated.err != nil {
		t.Fatal(migrated.err)
	}
	name := fmt.Sprint("store", migrated.copies.Add(1))
	pgtest.Exec(t, server.URL("postgres"), "CREATE DATABASE "+name+" TEMPLATE "+template)
	return server.URL(name)
}
