package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// relation is a table or view as the catalogue tells it under a read's snapshot.
type relation struct {
	oid      int64
	kind     byte // as in pg_class: r table, p partitioned, m materialized view, v view, f foreign table
	heap     bool // an ordinary heap, whose pages can be read by range
	security bool // row security filters what this role sees
	filenode int64
	pages    int64
	aside    int64 // pages of what is kept outside of the heap: large values
	pageSize int64
	deleted  int64  // rows deleted since statistics began
	xmin     uint64 // the snapshot's: every transaction below it has ended
	xmax     uint64 // the snapshot's: every transaction from it on was yet to begin
	cols     []column
	nums     []string   // the columns' numbers
	unique   [][]string // column sets that no two rows share, the primary key first
}

const beginSQL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"

// begins opens a transaction in which every value comes in the form that the
// decoder expects. Settings are local to the transaction, so that they also hold
// behind a pooler. What is to come before the snapshot is given as first. A result
// comes back for each semicolon.
func (s *source) begins(c *conn, first string) string {
	return beginSQL + first + s.settings(c) + ";"
}

// settings returns the statement that settles the form of values.
func (s *source) settings(c *conn) string {
	encoding := "UTF8"
	if asciiServer(c) {
		encoding = "SQL_ASCII"
	}
	settings := []string{"client_encoding", encoding, "timezone", "UTC", "datestyle", "ISO, YMD", "intervalstyle", "postgres",
		"extra_float_digits", "3", "bytea_output", "hex", "lock_timeout", "30s", "idle_in_transaction_session_timeout", "0",
		"statement_timeout", strconv.FormatInt(time.Duration(s.config.StatementTimeout).Milliseconds(), 10)}
	var calls []string // one statement takes the server half the time of as many SETs
	for i := 0; i < len(settings); i += 2 {
		calls = append(calls, fmt.Sprintf("pg_catalog.set_config('%s','%s',true)", settings[i], settings[i+1]))
	}
	return "SELECT " + strings.Join(calls, ",")
}

// asciiServer reports whether the database accepts any bytes as text.
func asciiServer(c *conn) bool { return c.pg.ParameterStatus("server_encoding") == "SQL_ASCII" }

// major returns the server's major version.
func major(c *conn) int {
	digits := strings.FieldsFunc(c.pg.ParameterStatus("server_version"), func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[0])
	return n
}

// relationSQL tells of the tables $1, by their place in it; columnsSQL and uniqueSQL
// are completed by a condition.
const relationSQL = `SELECT pg_catalog.array_position($1, c.oid::pg_catalog.regclass), c.oid, c.relkind, c.relam = 2, pg_catalog.row_security_active(c.oid),
 coalesce(pg_catalog.pg_relation_filenode(c.oid), 0),
 CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_catalog.pg_relation_size(c.oid), 0) ELSE 0 END,
 pg_catalog.current_setting('block_size'), coalesce(pg_catalog.pg_stat_get_tuples_deleted(c.oid), 0),
 pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()),
 pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()),
 pg_catalog.scale(pg_catalog.numeric(pg_catalog.money(1))),
 coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
 FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.oid = ANY ($1)`

const (
	columnsSQL = `SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull,
 t.typname, t.typnamespace = 11, t.typtype, t.typcategory,
 CASE WHEN a.attcollation NOT IN (0, 100) THEN (SELECT l.collname FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation) END,
 a.atthasdef AND coalesce(pg_catalog.to_jsonb(a) ->> 'attgenerated', '') <> ''
 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 WHERE a.attnum > 0 AND NOT a.attisdropped AND `
	uniqueSQL = `SELECT i.indrelid, i.indisprimary, i.indnkeyatts, i.indkey
 FROM pg_catalog.pg_index i WHERE i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND `
	domainsSQL = `SELECT t.oid, t.typbasetype, t.typtypmod, t.typnotnull, t.typname, t.typnamespace = 11, t.typtype, t.typcategory
 FROM pg_catalog.pg_type t
 WHERE t.typtype = 'd' OR t.oid IN (SELECT d.typbasetype FROM pg_catalog.pg_type d WHERE d.typtype = 'd');`
)

// begin starts a read's transaction on a connection, locks the tables against being
// rewritten under it, and describes them, in their order. The locks come before the
// snapshot where they can, so that both tell of the same tables; those of a bundle
// always do, whose tables may be read long after it.
func (s *source) begin(ctx context.Context, names []sluice.TableName) (*conn, []*relation, error) {
	lock, waits := true, 0
	for {
		c, reused, err := s.pool.get(ctx)
		if err != nil {
			return nil, nil, err
		}
		if reused {
			err = s.prepare(ctx, c)
		}
		var rels []*relation
		if err == nil {
			rels, err = s.describe(ctx, c, names, lock)
		}
		if err == nil {
			return c, rels, nil
		}
		died := c.pg.IsClosed()
		s.pool.put(c)
		pg, server := errors.AsType[*pgconn.PgError](err)
		switch {
		case lock && len(names) == 1 && server && (pg.Code == "42501" || pg.Code == "42809" || pg.Code == "0A000"):
			lock = false // not a table, or only some columns may be read: it is read without the lock
			continue
		case c.prepared != "" && server && pg.Code == "26000":
			s.unprepared.Store(true) // a pooler has given the connection another session
			continue
		case reused && died && ctx.Err() == nil && judge(err).class == sluice.Transient:
			s.pool.drain() // idle connections have died, as when the server starts again
			continue
		case server && pg.Code == "55P03" && waits < len(names)-1:
			waits++ // for the one of a bundle that another session holds, with the lock of no other
			if c, _, err = s.begin(ctx, []sluice.TableName{sluice.AsError(err).Stream}); err != nil {
				return nil, nil, err
			}
			s.pool.put(c)
			continue
		}
		return nil, nil, fail(ctx, "read the catalogue", err)
	}
}

// questions are what a read asks of the catalogue. $1 are the tables.
var questions = []string{relationSQL, columnsSQL + "a.attrelid = ANY ($1) ORDER BY a.attrelid, a.attnum",
	uniqueSQL + "i.indrelid = ANY ($1) ORDER BY i.indrelid, NOT i.indisprimary, i.indnkeyatts"}

// prepare has the connection's session plan the questions, where sessions keep
// them: with that, a description takes the server half the time. Connections that
// read one table only are spared it.
func (s *source) prepare(ctx context.Context, c *conn) error {
	if c.prepared != "" || s.unprepared.Load() {
		return nil
	}
	name, sql := s.preparation(c)
	_, err := c.exec(ctx, sql)
	if _, server := errors.AsType[*pgconn.PgError](err); server && !c.pg.IsClosed() {
		s.unprepared.Store(true) // a pooler's session has them already
		return nil
	}
	if err == nil {
		c.prepared = name
	}
	return err
}

// preparation returns the statements that prepare the settings and the questions,
// and what their names begin with: no other version of them has the same names,
// since a pooler's sessions outlive the process.
func (s *source) preparation(c *conn) (name, sql string) {
	settings := s.settings(c)
	name = "sluice_" + strconv.FormatUint(xxh3.HashString(settings+strings.Join(questions, ";")), 36)
	sql = "PREPARE " + name + "_settings AS " + settings + ";"
	for i, q := range questions {
		sql += fmt.Sprintf("PREPARE %s_%d (pg_catalog.regclass[]) AS %s;", name, i, q)
	}
	return name, sql
}

// bundleWait is how long a bundle, which has the locks of tables already, waits for
// that of another: less than the second after which whoever waits for those looks
// for a deadlock, and would be its victim.
const bundleWait = "500ms"

func (s *source) describe(ctx context.Context, c *conn, names []sluice.TableName, lock bool) ([]*relation, error) {
	var literals []string
	first, before := "", 2 // results before those of interest
	if lock {
		wait := "30s"
		if len(names) > 1 {
			wait = bundleWait
		}
		first, before = "SET LOCAL lock_timeout = '"+wait+"';", 3
	}
	for _, n := range names {
		literals = append(literals, quoteLiteral(quoteName(n)))
		if lock { // in a statement of its own, so that it is known which one fails
			first += "LOCK TABLE ONLY " + quoteName(n) + " IN ACCESS SHARE MODE;"
			before++
		}
	}
	tables := "ARRAY[" + strings.Join(literals, ",") + "]::pg_catalog.regclass[]"
	var sql string
	if c.prepared != "" && !s.unprepared.Load() {
		sql = beginSQL + first + "EXECUTE " + c.prepared + "_settings;"
		for i := range questions {
			sql += fmt.Sprintf("EXECUTE %s_%d (%s);", c.prepared, i, tables)
		}
	} else {
		sql = s.begins(c, first)
		for _, q := range questions {
			sql += strings.ReplaceAll(q, "$1", tables) + ";"
		}
	}
	results, err := c.exec(ctx, sql)
	if locked := len(results) - 2; err != nil && lock && locked >= 0 && locked < len(names) {
		return nil, ofStream(ctx, fail(ctx, "lock the table", err), names[locked])
	} else if err != nil {
		return nil, err
	}
	rels := make([]*relation, len(names))
	var options typeOptions
	for _, row := range rowsOf(results, before) {
		rel, moneyScale := scanRelation(row[1:])
		rels[integer(row[0])-1], options = rel, s.typeOptions(c, moneyScale)
	}
	columns, unique := byTable(rowsOf(results, before+1)), byTable(rowsOf(results, before+2))
	var all [][]column
	for i, rel := range rels {
		if rel == nil {
			return nil, ofStream(ctx, sluice.Errorf(sluice.Config, "postgres_table_missing", "read "+names[i].String(),
				verdicts["42P01"].hint, "there is no table or view of that name"), names[i])
		}
		rel.cols, rel.nums = scanColumns(columns[rel.oid])
		all = append(all, rel.cols)
	}
	if err := s.resolve(ctx, c, all, options); err != nil {
		return nil, err
	}
	for _, rel := range rels {
		for _, row := range unique[rel.oid] {
			if key := scanUnique(row, rel.cols, rel.nums); key != nil {
				rel.unique = append(rel.unique, key)
			}
		}
	}
	return rels, nil
}

// byTable returns rows by the table whose oid they begin with.
func byTable(rows [][][]byte) map[int64][][][]byte {
	tables := map[int64][][][]byte{}
	for _, r := range rows {
		oid := integer(r[0])
		tables[oid] = append(tables[oid], r)
	}
	return tables
}

func (s *source) typeOptions(c *conn, moneyScale int32) typeOptions {
	return typeOptions{numericDecimal: s.config.Numeric == "decimal", checkText: asciiServer(c), moneyScale: moneyScale}
}

func scanRelation(row [][]byte) (*relation, int32) {
	rel := &relation{oid: integer(row[0]), kind: row[1][0], heap: truth(row[2]), security: truth(row[3]),
		filenode: integer(row[4]), pageSize: integer(row[6]), deleted: integer(row[7]),
		xmin: uint64(integer(row[8])), xmax: uint64(integer(row[9]))}
	rel.pages, rel.aside = integer(row[5])/rel.pageSize, integer(row[11])/rel.pageSize
	return rel, int32(integer(row[10]))
}

// scanColumns reads rows of columnsSQL, and returns the columns with their
// numbers in the table.
func scanColumns(rows [][][]byte) (cols []column, nums []string) {
	for _, r := range rows {
		cols = append(cols, column{name: string(r[2]), typeOID: uint32(integer(r[3])), typmod: int32(integer(r[4])),
			notNull: truth(r[5]), typeName: string(r[6]), system: truth(r[7]), typtype: r[8][0], category: r[9][0], collation: string(r[10]), generated: truth(r[11])})
		nums = append(nums, string(r[1]))
	}
	return cols, nums
}

// scanUnique returns the columns of a unique index, or nil where one of them may
// be null or is not among cols: rows could then share a key.
func scanUnique(row [][]byte, cols []column, nums []string) []string {
	var key []string
	all := strings.Fields(string(row[3]))
	for _, num := range all[:min(len(all), int(integer(row[2])))] {
		i := slices.Index(nums, num)
		if i < 0 || !cols[i].notNull {
			return nil
		}
		key = append(key, cols[i].name)
	}
	return key
}

// resolve decides how the columns of tables are read; domains, which are asked for
// once, are read as what they are based on.
func (s *source) resolve(ctx context.Context, c *conn, tables [][]column, o typeOptions) error {
	var domains map[uint32]domain
	for _, cols := range tables {
		for i := range cols {
			if cols[i].typtype == 'd' {
				if domains == nil {
					results, err := c.exec(ctx, domainsSQL)
					if err != nil {
						return err
					}
					domains = scanDomains(rowsOf(results, 0))
				}
				cols[i].undomain(domains)
			}
			cols[i].resolve(o)
		}
	}
	return nil
}

// domain is a type of which others are made, or a base of one.
type domain struct {
	base     uint32
	typmod   int32
	notNull  bool
	name     string
	system   bool
	typtype  byte
	category byte
}

func scanDomains(rows [][][]byte) map[uint32]domain {
	domains := make(map[uint32]domain, len(rows))
	for _, r := range rows {
		domains[uint32(integer(r[0]))] = domain{uint32(integer(r[1])), int32(integer(r[2])), truth(r[3]),
			string(r[4]), truth(r[5]), r[6][0], r[7][0]}
	}
	return domains
}

func (c *column) undomain(domains map[uint32]domain) {
	for oid := c.typeOID; c.typtype == 'd'; {
		d, ok := domains[oid]
		base, based := domains[d.base]
		if !ok || !based {
			return // made since the domains were read: it is read as text
		}
		c.notNull = c.notNull || d.notNull
		if d.typmod >= 0 {
			c.typmod = d.typmod
		}
		c.typeOID, c.typeName, c.system, c.typtype, c.category = d.base, base.name, base.system, base.typtype, base.category
		oid = d.base
	}
}

// uniqueKey reports whether no two rows share a value of key.
func (r *relation) uniqueKey(key []string) bool {
	return slices.ContainsFunc(r.unique, func(unique []string) bool {
		return !slices.ContainsFunc(unique, func(name string) bool { return !slices.Contains(key, name) })
	})
}

// piece is a heap that a stream's rows lie in: the table itself or, for a
// partitioned table, a partition.
type piece struct {
	oid, filenode, pages, aside, deleted int64
	from                                 string // for a FROM clause
}

// partOfPage is by how much slices are smaller where one page is more than a slice:
// rows are so large then that a statement has few of them, whatever its size.
const partOfPage = 4

// slice returns how many lines make up that many bytes, large values included,
// taken to be spread evenly: whole pages, unless one page is more than that.
func (p *piece) slice(bytes, pageSize int64) int64 {
	pages := float64(bytes / pageSize)
	if all := p.pages + p.aside; all > 0 {
		pages *= float64(p.pages) / float64(all)
	}
	if pages >= 1 {
		return int64(pages) * linesPerPage
	}
	return max(int64(pages*linesPerPage/partOfPage), 1)
}

// pieces returns the heaps that can be read by page ranges instead of the
// relation as a whole, or none where it must be read in one go: views, foreign
// tables, tables that row security filters by more than the page, servers
// before 14, which read the whole table for every range.
func (s *source) pieces(ctx context.Context, c *conn, rel *relation, from string) ([]piece, error) {
	if major(c) < 14 || rel.security {
		return nil, nil
	}
	switch {
	case (rel.kind == 'r' || rel.kind == 'm') && rel.heap:
		return []piece{{rel.oid, rel.filenode, rel.pages, rel.aside, rel.deleted, from}}, nil
	case rel.kind != 'p':
		return nil, nil
	}
	results, err := c.exec(ctx, fmt.Sprintf(`SELECT c.oid, n.nspname, c.relname, pg_catalog.pg_relation_filenode(c.oid),
 pg_catalog.pg_relation_size(c.oid), coalesce(pg_catalog.pg_stat_get_tuples_deleted(c.oid), 0),
 c.relkind = 'r' AND c.relam = 2 AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
 AND NOT pg_catalog.row_security_active(c.oid), coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
 FROM pg_catalog.pg_partition_tree(%d) p JOIN pg_catalog.pg_class c ON c.oid = p.relid
 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.isleaf AND c.relkind <> 'p' ORDER BY c.oid`, rel.oid))
	if err != nil {
		return nil, fail(ctx, "read the partitions", err)
	}
	var all []piece
	for _, r := range rowsOf(results, 0) {
		if !truth(r[6]) {
			return nil, nil
		}
		all = append(all, piece{integer(r[0]), integer(r[3]), integer(r[4]) / rel.pageSize, integer(r[7]) / rel.pageSize, integer(r[5]),
			"ONLY " + quoteName(sluice.TableName{Schema: string(r[1]), Name: string(r[2])})})
	}
	return all, nil
}
