package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/spec"
)

// TestAnAutovacuumGivesWay: that of a large table lasts for hours, and PostgreSQL
// ends it only for who waits for longer than deadlock_timeout.
func TestAnAutovacuumGivesWay(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t, "autovacuum_naptime=1s", "autovacuum=on").NewDatabase(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	const slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1"
	if _, err := conn.Exec(ctx, "CREATE TABLE t (n bigint, s text) WITH ("+slow+"); INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 50000) n; UPDATE t SET n = -n"); err != nil {
		t.Fatal(err)
	}
	for vacuums := 0; vacuums == 0; {
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_locks, pg_sleep(0.05) WHERE relation = 't'::regclass AND mode = 'ShareUpdateExclusiveLock'").Scan(&vacuums)
		if err != nil {
			t.Fatal("wait for an autovacuum: ", err)
		}
	}
	m := &merger{d: &destination{config: Config{LockTimeout: spec.Duration(20 * time.Second)}}, replaced: []string{"t"}}
	if _, err := m.lockOut(ctx, newTx(conn, "BEGIN")); err != nil {
		t.Errorf("the autovacuum did not give way: %v", err)
	}
}
