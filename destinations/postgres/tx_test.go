package postgres

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice/destinations/kit/sqlload"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// hostile are texts that are not to end the literal they are in.
var hostile = []string{"", "it's", `back\slash'`, "$1 $2", `"quoted"`, "'; DROP TABLE t; --", "ünï\ncode", "$$"}

func TestInlineRefuses(t *testing.T) {
	t.Parallel()
	for query, args := range map[string][]any{"SELECT $2": {"one"}, "SELECT $0": {"one"}, "SELECT $": {"one"}, "SELECT $1": {"nul \x00"}, "SELECT ($1)": {3.5}} {
		if sql, err := inline(query, args); err == nil {
			t.Errorf("%s of %q: %s", query, args, sql)
		}
	}
	if sql, err := inline(`SELECT '$1', "$2", $1, $10`, []any{"a", 2, 3, 4, 5, 6, 7, 8, 9, int64(-10)}); err != nil || sql != `SELECT '$1', "$2", 'a', (-10)` {
		t.Errorf("%s %v", sql, err)
	}
}

// TestDeferredStatements: what is put off runs in its order, ahead of what is
// asked, and an error says which statement it was of.
func TestDeferredStatements(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, pgtest.Shared(t).NewDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx := newTx(conn, "BEGIN", "CREATE TABLE t (n bigint, b boolean, s text)")
	for i, s := range hostile {
		if err := tx.Defer(ctx, "insert", "INSERT INTO t VALUES ($1, $2, $3)", int64(-i), i%2 == 0, s); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	var count int64
	row := func(scan func(...any) error) error {
		var s *string
		err := scan(&s)
		if s != nil {
			got = append(got, *s)
		}
		return err
	}
	if err := tx.Ask(ctx, []sqlload.Question{{SQL: "SELECT s FROM t ORDER BY n DESC", Row: row}, {SQL: "SELECT NULL::text", Row: row},
		{SQL: "SELECT count(*) FROM t WHERE b AND s <> $1", Args: []any{hostile[2]}, Row: func(scan func(...any) error) error { return scan(&count) }}}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "|") != strings.Join(hostile, "|") || count != 3 {
		t.Errorf("got %q, %d", got, count)
	}
	tx.tryLater("index", "CREATE UNIQUE INDEX ON t (b)", func() string { return "DELETE FROM t WHERE n < -1; CREATE UNIQUE INDEX ON t (b)" })
	if err := tx.flush(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if err := tx.one(ctx, "SELECT count(*) FROM t", nil, &count); err != nil || count != 2 {
		t.Errorf("%d rows, %v", count, err)
	}
	_ = tx.Defer(ctx, "first", "SELECT 1")
	_ = tx.Defer(ctx, "second", "SELECT 1/0")
	_ = tx.Defer(ctx, "third", "SELECT 1")
	if err := tx.flush(ctx); err == nil || !strings.HasPrefix(err.Error(), "second: ") {
		t.Errorf("error %v", err)
	}
}
