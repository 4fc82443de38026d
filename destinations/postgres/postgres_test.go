package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
	"github.com/sluicehq/sluice/destinations/kit/sqlload/golden"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/spec"
)

// TestMain makes this binary the plugin of its own tests.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "serve" {
		plugin.Serve(nil, []spec.Destination{Destination()})
		return
	}
	goleak.VerifyTestMain(pgtest.Wrap(m))
}

// openAt opens a destination with the URL and more fields of its configuration.
func openAt(t testing.TB, url, more string) sluice.Destination {
	t.Helper()
	d, err := Destination().Open(context.Background(), json.RawMessage(fmt.Sprintf(`{"url":%q%s}`, url, more)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// run executes statements in a session of their own.
func run(t testing.TB, url, statements string) {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(context.Background())
	if err := simple(context.Background(), conn, statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

func text(expr string, t sluice.Type) string {
	if t.Kind == sluice.String {
		return expr
	}
	return cast(expr, t, sluice.T(sluice.String), "jsonb")
}

func options(url string) destinationtest.Options {
	return destinationtest.Options{
		RejectsNUL: true,
		Rows:       destinationtest.SQLRows(quote, text),
		View: func(t *testing.T, _ sluice.Destination, view, table sluice.TableName) {
			dialect := newDialect("jsonb")
			run(t, url, "CREATE VIEW "+dialect.Table(view)+" AS SELECT * FROM "+dialect.Table(table))
		},
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	destinationtest.Run(t, func(t *testing.T) sluice.Destination { return openAt(t, url, "") }, options(url))
}

// TestConformanceFarAway runs the suite through the process of a plugin and through a
// pooler, with columns of json: each transaction may have another session there, with
// settings of its own, which others have afterwards.
func TestConformanceFarAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Shared(t)
	url := server.NewDatabase(t)
	run(t, url, `DO $$ BEGIN
		EXECUTE format('ALTER DATABASE %I SET timezone = ''America/New_York''', current_database());
		EXECUTE format('ALTER DATABASE %I SET datestyle = ''SQL, DMY''', current_database());
		EXECUTE format('ALTER DATABASE %I SET extra_float_digits = -3', current_database()); END $$`)
	pooler := server.Pooler(t, url)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	remote := plugin.DestinationIn(plugin.Command{Path: self, Args: []string{"serve"}, Env: plugin.Environment(os.Environ())}, Destination())
	destinationtest.Run(t, func(t *testing.T) sluice.Destination {
		d, err := remote.Open(t.Context(), json.RawMessage(fmt.Sprintf(`{"url":%q,"json_type":"json"}`, pooler)))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}, options(url))

	const settings = `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings
	WHERE name IN ('search_path', 'jit', 'statement_timeout', 'extra_float_digits', 'idle_in_transaction_session_timeout')`
	read := func(url string) (got string) {
		conn := connect(t, url)
		defer conn.Close(context.Background())
		if err := conn.QueryRow(context.Background(), settings, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got, want := read(pooler), read(url); got != want {
		t.Errorf("sessions of the pooler are left with %s, and began with %s", got, want)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	golden.Run(t, newDialect("jsonb"), "testdata/sql")
}
