package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// maxConnections bounds the sessions of one handle. Each lane with an open
// direct transaction holds one.
const maxConnections = 32

// minVersion is the oldest server: 12.0.
const minVersion = 120000

type destination struct {
	config  Config
	dialect *sqlload.Dialect
	pool    *pgxpool.Pool

	life context.Context // ends with Close
	end  context.CancelFunc

	mu     sync.Mutex
	runs   map[string]int64 // epochs, by connection
	direct map[sluice.LoadID]*directTx
	heaps  map[sluice.Target]heapState
	stages map[string]bool // stage tables made here and not yet dropped
	ledger bool            // the ledger's tables are known to exist

	promises map[sluice.Target]*promise
	schemas  map[string]bool // those in which a table was made
}

// dialer notices within a minute and a half that a server is gone without a word.
var dialer = net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 6}}

// open connects under the outbound policy p, which is the installation's: whoever
// may write settings must not reach with them what the machine alone should.
func open(c Config, p egress.Policy) (*destination, error) {
	dsn, err := c.connString()
	if err != nil {
		return nil, err
	}
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Config, Code: "postgres_url", Op: "read the connection settings", Err: err, Hint: "see the connection parameters of PostgreSQL's libpq"}
	}
	pc.MaxConns = maxConnections
	pc.ConnConfig.ConnectTimeout = time.Duration(c.ConnectTimeout)
	// Names are resolved by the dialer, so that those in the policy's lists count.
	pc.ConnConfig.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	pc.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return p.Dial(ctx, dialer, network, address)
	}
	// Statements are seldom repeated, so that preparing them would only cost.
	pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	// These change how messages are read, so that a statement could set them only for
	// the message after it. Poolers know them, and keep them for each client.
	params := pc.ConnConfig.RuntimeParams
	params["application_name"], params["client_encoding"], params["standard_conforming_strings"] = applicationName, "UTF8", "on"
	pc.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := findPooler(ctx, conn); err != nil || pooled(conn) {
			return err
		}
		return simple(ctx, conn, settings(c, false))
	}
	// NewWithConfig connects when the first connection is asked for.
	pool, err := pgxpool.NewWithConfig(context.Background(), pc)
	if err != nil {
		return nil, classify(err, "open")
	}
	life, end := context.WithCancel(context.Background())
	return &destination{config: c, dialect: newDialect(c.JSONType), pool: pool, life: life, end: end, runs: map[string]int64{},
		direct: map[sluice.LoadID]*directTx{}, heaps: map[sluice.Target]heapState{}, stages: map[string]bool{},
		promises: map[sluice.Target]*promise{}, schemas: map[string]bool{}}, nil
}

// settings returns the statement that makes texts canonical (see cast), and keeps
// sessions that wait for a source alive: in the session, or only in the
// transaction that it is in. Policies must not hide rows from a replace or a merge,
// which would stay or come twice: without row_security that is an error. Plans with
// hundreds of columns are slow to compile, so there is no JIT.
func settings(c Config, local bool) string {
	set := []struct{ name, value string }{{"TimeZone", "UTC"}, {"DateStyle", "ISO, MDY"}, {"extra_float_digits", "1"}, {"jit", "off"}, {"row_security", "off"},
		{"search_path", quote(c.Schema)}, {"idle_in_transaction_session_timeout", "0"},
		{"statement_timeout", fmt.Sprint(time.Duration(c.StatementTimeout).Milliseconds())},
		{"work_mem", c.WorkMem}, {"maintenance_work_mem", c.MaintenanceMem}}
	var b strings.Builder
	for _, s := range set {
		value := literal(s.value)
		switch {
		case s.value == "" && s.name == "maintenance_work_mem":
			value = indexMemory
		case s.value == "":
			continue
		}
		fmt.Fprintf(&b, ", set_config('%s', %s, %t)", s.name, value, local)
	}
	return "SELECT " + b.String()[2:]
}

const applicationName = "sluice"

// Traits implements sluice.Destination. A stage table has two columns more than
// the rows, hence the limit.
func (d *destination) Traits() sluice.Traits {
	return sluice.Traits{MaxIdentifier: maxIdentifier, MaxColumns: 1598, Modes: sluice.WriteModes(), StageParallel: 4, WindowBytes: 32 << 20, Volatile: true}
}

// Check implements sluice.Destination.
func (d *destination) Check(ctx context.Context) error {
	var version int
	var encoding, database string
	var create, replica, readOnly, ledger bool
	err := d.pool.QueryRow(ctx, `SELECT current_setting('server_version_num')::int4, current_setting('server_encoding'), current_database(),
	has_database_privilege(current_database(), 'CREATE'), pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, to_regnamespace('_sluice') IS NOT NULL AND has_schema_privilege(to_regnamespace('_sluice'), 'CREATE')`).
		Scan(&version, &encoding, &database, &create, &replica, &readOnly, &ledger)
	op := "check the destination"
	switch {
	case err != nil:
		return classify(err, op)
	case version < minVersion:
		return sluice.Errorf(sluice.Config, "postgres_version", op, "use PostgreSQL 12 or later", "the server is version %d", version/10000)
	case encoding != "UTF8":
		return sluice.Errorf(sluice.Config, "postgres_encoding", op, "load into a database made with ENCODING 'UTF8'", "the database is encoded in %s, which cannot hold every text", encoding)
	case replica:
		return sluice.Errorf(sluice.Config, "postgres_read_only", op, "name the primary, not a replica", "the server is a replica, which takes no writes")
	case readOnly:
		return sluice.Errorf(sluice.Config, "postgres_read_only", op, "turn default_transaction_read_only off for the role: ALTER ROLE … SET default_transaction_read_only = off", "transactions of the role can only read")
	case !create && !ledger:
		return sluice.Errorf(sluice.Config, "postgres_permission", op, "GRANT CREATE ON DATABASE "+quote(database)+" to the role",
			"the role may not create schemas in database %s", database)
	}
	return nil
}

// Close implements sluice.Destination.
func (d *destination) Close() error {
	d.end()
	d.mu.Lock()
	open := d.direct
	stages := d.stages
	d.direct, d.stages = map[sluice.LoadID]*directTx{}, map[string]bool{}
	d.mu.Unlock()
	for _, t := range open {
		t.discard()
	}
	var err error
	if len(stages) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err = d.dropStages(ctx, stages)
	}
	d.pool.Close()
	return err
}

func (d *destination) dropStages(ctx context.Context, stages map[string]bool) error {
	var errs []error
	for name := range stages {
		if _, err := d.pool.Exec(ctx, "DROP TABLE IF EXISTS "+d.dialect.Own(name)); err != nil {
			errs = append(errs, classify(err, "drop staged rows"))
		}
	}
	return errors.Join(errs...)
}

// name returns the qualified name of the table or shadow.
func (d *destination) name(t sluice.Target) sluice.TableName {
	if t.Name.Schema == "" {
		t.Name.Schema = d.config.Schema
	}
	return sqlload.Shadow(t, maxIdentifier)
}

// epochOf returns the connection that a load belongs to, with its epoch: load
// ids begin with the connection's name.
func (d *destination) epochOf(load sluice.LoadID) (connection string, epoch int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c, e := range d.runs {
		if connection == "" || strings.HasPrefix(string(load), c) && (len(c) > len(connection) || !strings.HasPrefix(string(load), connection)) {
			connection, epoch = c, e
		}
	}
	return connection, epoch
}

// Query implements sluice.Querier. Of the query, one statement that returns rows
// is run, in a transaction that can only read and that no statement can end.
func (d *destination) Query(ctx context.Context, query string, columns func([]string) error, row func([]*string) error) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return classify(err, "query")
	}
	defer conn.Release()
	// After a first query, PostgreSQL does not let a transaction write again.
	begin := append(d.begin(conn.Conn()), "SET TRANSACTION READ ONLY", "SELECT 1")
	if err := simple(ctx, conn.Conn(), strings.Join(begin, ";")); err != nil {
		return classify(err, "query")
	}
	defer rollback(conn.Conn())
	pg := conn.Conn().PgConn()
	statement, err := pg.Prepare(ctx, "", query, nil)
	if err != nil {
		return queryError(err)
	}
	if len(statement.Fields) == 0 { // COPY among others, which could write files of the server
		return sluice.Errorf(sluice.Config, "postgres_query", "query", queryHint, "the statement returns no rows: only what does is run")
	}
	return readResult(pg.ExecPrepared(ctx, "", nil, nil, nil), columns, row)
}

func readResult(r *pgconn.ResultReader, columns func([]string) error, row func([]*string) error) error {
	names := make([]string, len(r.FieldDescriptions()))
	for i, f := range r.FieldDescriptions() {
		names[i] = f.Name
	}
	err := columns(names)
	for err == nil && r.NextRow() {
		values := make([]*string, len(names))
		for i, v := range r.Values() {
			if v != nil {
				s := string(v)
				values[i] = &s
			}
		}
		err = row(values)
	}
	if _, closed := r.Close(); err == nil && closed != nil {
		err = queryError(closed)
	}
	return err
}
