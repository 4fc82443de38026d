package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice"
)

func TestReservedSchemaNamesSaySo(t *testing.T) {
	t.Parallel()
	err := sluice.AsError(classify(&pgconn.PgError{Code: "42939", Message: `unacceptable schema name "pg_raw"`}, "alter"))
	if err.Code != "postgres_schema_name" || err.Class != sluice.Config {
		t.Errorf("%s, class %s", err.Code, err.Class)
	}
}
