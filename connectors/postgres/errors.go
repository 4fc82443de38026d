package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice"
)

// verdict is what the platform and the user need to know of an SQLSTATE.
type verdict struct {
	class      sluice.Class
	code, hint string
}

// verdicts are by SQLSTATE, or by its first two characters for a whole class.
var verdicts = map[string]verdict{
	"28P01": {sluice.Auth, "postgres_auth", "check user and password"},
	"28000": {sluice.Auth, "postgres_auth", "check user and password, and that the role may log in"},
	"3D000": {sluice.Config, "postgres_database_missing", "check the name of the database"},
	"42501": {sluice.Config, "postgres_permission", "grant the role USAGE on the schema and SELECT on the table, or leave the table out"},
	"42P01": {sluice.Config, "postgres_table_missing", "the table is gone, or the role may not see its schema; leave the stream out or discover again"},
	"42703": {sluice.Config, "postgres_column_missing", "the column is gone; discover the stream again"},
	"3F000": {sluice.Config, "postgres_table_missing", "the schema is gone; leave the stream out or discover again"},
	"40001": {sluice.Transient, "postgres_conflict", "on a replica, raise max_standby_streaming_delay or set hot_standby_feedback"},
	"40P01": {sluice.Transient, "postgres_deadlock", ""},
	"55P03": {sluice.Transient, "postgres_locked", "another session holds the table, such as a migration; it is tried again"},
	"57P01": {sluice.Transient, "postgres_shutdown", "the server ended the connection; it is tried again"},
	"57P02": {sluice.Transient, "postgres_shutdown", "the server crashed and recovers; it is tried again"},
	"57P03": {sluice.Transient, "postgres_starting", "the server is not accepting connections yet; it is tried again"},
	"57P04": {sluice.Config, "postgres_database_missing", "the database was dropped"},
	"57P05": {sluice.Transient, "postgres_shutdown", "the server ended an idle connection; raise its idle timeouts"},
	"57014": {sluice.Transient, "postgres_cancelled", "someone cancelled the statement on the server"},
	"25P03": {sluice.Transient, "postgres_shutdown", "the server ended an idle transaction"},
	"22023": {sluice.Transient, "postgres_snapshot", "the snapshot that the readers share is gone; it is tried again"},
	"0A000": {sluice.Config, "postgres_unsupported", "the server does not support what the read needs; see the connector's page"},
	"25006": {sluice.Config, "postgres_refused", "reads never write, but a view or function in it does; leave the stream out"},
	"55000": {sluice.Config, "postgres_unsupported", "the object is not ready to be read; a materialized view wants REFRESH MATERIALIZED VIEW first"},
	"72000": {sluice.Transient, "postgres_snapshot", "the snapshot is too old"},
	"08P01": {sluice.Transient, "postgres_connection_lost", "a pooler, if there is one, must be in transaction or session mode and have a session to give (default_pool_size); it is tried again"},
	"08":    {sluice.Transient, "postgres_connection_lost", "the connection broke; it is tried again"},
	"53":    {sluice.Transient, "postgres_resources", "the server is out of connections, memory or disk; raise its limits or run fewer syncs at once"},
	"58":    {sluice.Transient, "postgres_server", "the server had trouble with its files; see its log"},
	"22":    {sluice.Data, "postgres_data", "a value or expression in the table or view fails on the server itself; correct the row or the view"},
	"21":    {sluice.Data, "postgres_data", "an expression of the view fails on the server itself; correct the row or the view"},
	"54":    {sluice.Data, "postgres_data", "a value is beyond a limit of the server itself"},
	"P0":    {sluice.Data, "postgres_data", "a function that the view calls fails on the server itself; correct the row or the function"},
	"HV":    {sluice.Transient, "postgres_foreign", "the server that the foreign table lies on fails; check it and the user mapping"},
	"XX":    {sluice.Data, "postgres_damaged", "the server cannot read some of its data; see its log"},
	"28":    {sluice.Auth, "postgres_auth", "check user and password"},
	"42":    {sluice.Config, "postgres_refused", "the server refuses the statement; a view may refer to what is gone"},
}

// fail gives an error its class and hint. Errors of ctx, of the sink and those
// that have a class already stay what they are.
func fail(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if _, ok := errors.AsType[*sluice.Error](err); ok {
		return err
	}
	v := judge(err)
	return &sluice.Error{Class: v.class, Code: v.code, Op: op, Hint: v.hint, Err: err}
}

func judge(err error) verdict {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return judgeServer(pg)
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return verdict{sluice.Config, "postgres_host", "there is no host of that name; check it, or the machine's DNS"}
	}
	if isTLS(err) {
		return verdict{sluice.Config, "postgres_tls", "check sslmode, sslrootcert and the host name in the server's certificate"}
	}
	if connect, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return judgeConnect(connect)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || isNet(err) || pgconn.Timeout(err) {
		return verdict{sluice.Transient, "postgres_connection_lost", "the connection broke; it is tried again"}
	}
	return verdict{sluice.Bug, "postgres_protocol", "this is a bug; please report it with the message and the log"}
}

func judgeServer(e *pgconn.PgError) verdict {
	switch {
	case e.Code == "28000" && strings.Contains(e.Message, "pg_hba.conf"):
		return verdict{sluice.Config, "postgres_refused_host", "the server's pg_hba.conf lets this role, database, address or TLS mode not in"}
	case e.Code == "57014" && strings.Contains(e.Message, "statement timeout"):
		return verdict{sluice.Config, "postgres_statement_timeout", "raise statement_timeout, here or for the role, or lower chunk_size"}
	case e.Code == "28000" && strings.Contains(e.Message, "certificate"):
		return verdict{sluice.Auth, "postgres_auth", "check sslcert and sslkey"}
	}
	if v, ok := verdicts[e.Code]; ok {
		return v
	}
	if len(e.Code) == 5 {
		if v, ok := verdicts[e.Code[:2]]; ok {
			return v
		}
	}
	return verdict{sluice.Bug, "postgres_server", "this is a bug; please report it with the message and the log"}
}

func judgeConnect(e *pgconn.ConnectError) verdict {
	if strings.Contains(e.Error(), "password") && !isNet(e) {
		return verdict{sluice.Auth, "postgres_auth", "the server asks for a password"}
	}
	return verdict{sluice.Transient, "postgres_connect", "check host and port, that the server runs, and that its listen_addresses and any firewall let this machine in"}
}

func isNet(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok
}

func isTLS(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return unknown || host || invalid || verify || record || alert ||
		strings.Contains(err.Error(), "server refused TLS connection")
}

// lost says that a refresh under way cannot be carried on.
func lost(op, format string, args ...any) error {
	return sluice.Errorf(sluice.Lost, "postgres_refresh_lost", op, "the refresh starts again from the beginning", format, args...)
}
