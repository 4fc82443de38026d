package postgres

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/sluicehq/sluice"
)

// Discovery asks the catalogue a fixed number of times, however many tables there
// are, and takes no lock on any of them.

const tablesSQL = `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.reltuples,
 coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''), pg_catalog.has_table_privilege(c.oid, 'SELECT'),
 coalesce((SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE c.relispartition AND i.inhrelid = c.oid LIMIT 1), 0),
 c.relpages + coalesce((SELECT t.relpages FROM pg_catalog.pg_class t WHERE t.oid = c.reltoastrelid), 0),
 coalesce(pg_catalog.pg_stat_get_live_tuples(c.oid), 0)
 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relpersistence <> 't'
 AND NOT (c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery())
 AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
 ORDER BY n.nspname, c.relname;`

const (
	readableColumns = `a.attrelid IN (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema')
 ORDER BY a.attrelid, a.attnum;`
	userIndexes = `i.indrelid >= 16384 ORDER BY i.indrelid, NOT i.indisprimary, i.indnkeyatts;`
	moneySQL    = `SELECT pg_catalog.scale(pg_catalog.numeric(pg_catalog.money(1)));`
	grantedSQL  = `SELECT a.attrelid, a.attnum FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
 WHERE a.attnum > 0 AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'v', 'f') AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
 AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT');`
)

// found is a table of the catalogue on its way to a stream.
type found struct {
	oid, parent string
	kind        byte
	partition   bool
	whole       bool // every column may be read
	stream      sluice.Stream
	cols        []column
	nums        []string
}

// Discover lists the tables, views, materialized views and foreign tables that
// the patterns choose and the role may read. Partitions are part of their table.
func (s *source) Discover(ctx context.Context) ([]sluice.Stream, error) {
	c, err := s.pool.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer s.pool.put(c)
	begin := s.begins(c, "")
	before := strings.Count(begin, ";")
	results, err := c.exec(ctx, begin+tablesSQL+columnsSQL+readableColumns+uniqueSQL+userIndexes+moneySQL+grantedSQL)
	if err != nil {
		return nil, fail(ctx, "discover", err)
	}
	tables := s.scanTables(rowsOf(results, before))
	options := s.typeOptions(c, int32(integer(rowsOf(results, before+3)[0][0])))
	addColumns(tables, rowsOf(results, before+1), rowsOf(results, before+4))
	all := make([][]column, len(tables))
	for i, t := range tables {
		all[i] = t.cols
	}
	if err := s.resolve(ctx, c, all, options); err != nil {
		return nil, fail(ctx, "discover", err)
	}
	addKeys(tables, rowsOf(results, before+2))
	if _, err := c.exec(ctx, "COMMIT"); err != nil {
		return nil, fail(ctx, "discover", err)
	}
	return s.streams(tables), nil
}

// A table with as many rows and pages, large values included, as far as the server
// knows, is read with others. One of which it knows nothing is not: it may be large.
// Nor is one that the role may not lock, since it reads some columns only.
const (
	smallRows  = 1000
	smallPages = 32
)

func (s *source) scanTables(rows [][][]byte) []*found {
	var tables []*found
	for _, r := range rows {
		t := &found{oid: string(r[0]), kind: r[3][0], partition: truth(r[4]), whole: truth(r[7]), parent: string(r[8])}
		t.stream.Name = sluice.TableName{Schema: string(r[1]), Name: string(r[2])}
		t.stream.Doc = string(r[6])
		t.stream.RowCount = estimate(r[5])
		live := integer(r[10])
		if t.stream.RowCount == 0 {
			t.stream.RowCount = live // no one has counted its rows yet
		}
		t.stream.Small = t.kind == 'r' && t.whole && t.stream.RowCount > 0 && max(t.stream.RowCount, live) <= smallRows && integer(r[9]) <= smallPages
		tables = append(tables, t)
	}
	sumPartitions(tables)
	return slices.DeleteFunc(tables, func(t *found) bool { return t.partition || !s.chosen(t.stream.Name) })
}

// sumPartitions gives partitioned tables the sum of what is estimated of their
// partitions.
func sumPartitions(tables []*found) {
	byOID := make(map[string]*found, len(tables))
	for _, t := range tables {
		byOID[t.oid] = t
		if t.kind == 'p' {
			t.stream.RowCount = 0
		}
	}
	for _, t := range tables {
		if t.kind == 'p' {
			continue
		}
		for p := byOID[t.parent]; p != nil; p = byOID[p.parent] {
			p.stream.RowCount += t.stream.RowCount
		}
	}
}

func (s *source) chosen(n sluice.TableName) bool {
	return s.schemas.Match(n.Schema) && s.tables.Match(n.Name, n.String())
}

// addColumns gives tables the columns that the role may read.
func addColumns(tables []*found, rows, granted [][][]byte) {
	byOID := make(map[string]*found, len(tables))
	for _, t := range tables {
		byOID[t.oid] = t
	}
	allowed := make(map[[2]string]bool, len(granted))
	for _, g := range granted {
		allowed[[2]string{string(g[0]), string(g[1])}] = true
	}
	for from := 0; from < len(rows); {
		oid, to := string(rows[from][0]), from+1
		for to < len(rows) && string(rows[to][0]) == oid {
			to++
		}
		if t := byOID[oid]; t != nil {
			own := rows[from:to]
			if !t.whole {
				own = slices.DeleteFunc(slices.Clone(own), func(r [][]byte) bool { return !allowed[[2]string{oid, string(r[1])}] })
			}
			t.cols, t.nums = scanColumns(own)
		}
		from = to
	}
}

// addKeys gives tables the columns of their primary key, or else of the
// narrowest unique index over columns that are never null.
func addKeys(tables []*found, rows [][][]byte) {
	byOID := make(map[string][][][]byte, len(tables))
	for _, r := range rows {
		byOID[string(r[0])] = append(byOID[string(r[0])], r)
	}
	for _, t := range tables {
		for _, r := range byOID[t.oid] {
			if t.stream.Key = scanUnique(r, t.cols, t.nums); t.stream.Key != nil {
				break
			}
		}
	}
}

func (s *source) streams(tables []*found) []sluice.Stream {
	streams := make([]sluice.Stream, 0, len(tables))
	for _, t := range tables {
		if len(t.cols) == 0 {
			continue // a table without columns has nothing to read
		}
		for i := range t.cols {
			t.stream.Columns = append(t.stream.Columns, t.cols[i].public(t.stream.Key))
		}
		t.stream.Cursors = cursors(t.cols, t.stream.Key)
		t.stream.Modes = []sluice.ReadMode{sluice.FullRefresh}
		if len(t.stream.Cursors) > 0 {
			// A full refresh is the default: which column grows with every change of
			// a row is for the user to know, and a wrong guess misses changes unseen.
			t.stream.Modes = []sluice.ReadMode{sluice.FullRefresh, sluice.Incremental}
		}
		streams = append(streams, t.stream)
	}
	return streams
}

// cursors returns the columns that can be a cursor, those first that most likely
// change with every change of a row: times that say so by their name, other
// times, keys that count, other integers, and then keys and columns of the other
// types that can, since texts and uuids mostly do not grow.
func cursors(cols []column, key []string) []string {
	ranks := make([][]string, 6)
	for i := range cols {
		c := &cols[i]
		if !c.canBeCursor() {
			continue
		}
		rank := 5
		switch name := strings.ToLower(c.name); c.wire {
		case wireDate, wireTimestamp:
			rank = 1
			if strings.Contains(name, "updat") || strings.Contains(name, "modif") || strings.Contains(name, "chang") {
				rank = 0
			}
		case wireInt2, wireInt4, wireInt8:
			rank = 3
		}
		if rank > 1 && slices.Contains(key, c.name) {
			rank--
		}
		ranks[rank] = append(ranks[rank], c.name)
	}
	return slices.Concat(ranks...)
}

// estimate reads reltuples, which is -1 where nothing is known.
func estimate(text []byte) int64 {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return 0
	}
	return int64(max(n, 0))
}
