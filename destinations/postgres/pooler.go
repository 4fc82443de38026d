package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A pooler such as PgBouncer, in transaction mode, gives each transaction of a
// connection whatever session is free, and that session to others afterwards. So
// there, transactions bring their settings themselves, nothing is prepared
// between them, and no session is known by its number but from within.

// pooledKey is where a connection notes that there is a pooler.
const pooledKey = "sluice.pooled"

// findPooler looks whether the connection comes to the server by way of a pooler:
// whether the session that answers is another one than was announced. A pooler
// makes that number up (PgBouncer's manual does not say so; its cancel keys are
// random). In session mode it is one, too, which only costs.
func findPooler(ctx context.Context, conn *pgx.Conn) error {
	pid, err := sessionOf(ctx, conn)
	conn.PgConn().CustomData()[pooledKey] = pid != conn.PgConn().PID()
	return err
}

// pooled reports whether there is a pooler between the connection and the server.
func pooled(conn *pgx.Conn) bool {
	is, _ := conn.PgConn().CustomData()[pooledKey].(bool)
	return is
}

// sessionOf returns the server's number of the session that the connection has now.
func sessionOf(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	err = conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid, err
}

// planned is how a question that comes often is asked: prepared, where it stays so.
func planned(conn *pgx.Conn) pgx.QueryExecMode {
	if pooled(conn) {
		return pgx.QueryExecModeSimpleProtocol
	}
	return pgx.QueryExecModeCacheStatement
}
