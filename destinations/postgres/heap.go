package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

func isNotFound(err error) bool { return errors.Is(err, sluice.ErrNotFound) }

// A heapState says whether rows with a key may go straight into a table. While a
// table is open it has no unique index: building one at the end of a first read
// costs far less than keeping it up. Should a read that started over have left
// rows with the same key, the build finds and removes the older ones.
type heapState int8

const (
	heapUnknown heapState = iota
	heapOpen              // no rows but those of the read under way
	heapClosed            // the key's index is there
)

// heapsDDL makes the table of the open heaps that committed loads filled, so
// that a read that goes on after a kill finds them open.
const heapsDDL = `CREATE TABLE IF NOT EXISTS _sluice.heaps (connection text NOT NULL, refresh text NOT NULL,
	table_schema text NOT NULL, table_name text NOT NULL, PRIMARY KEY (table_schema, table_name))`

// heapKey returns t with the schema that it has in the database.
func (d *destination) heapKey(t sluice.Target) sluice.Target {
	if t.Name.Schema == "" {
		t.Name.Schema = d.config.Schema
	}
	return t
}

func (d *destination) markHeap(t sluice.Target, s heapState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heaps[d.heapKey(t)] = s
}

// heapOf returns the state of a table, with what the database says of it where
// this run has not seen it. A shadow is open until it has its index.
func (d *destination) heapOf(ctx context.Context, tx sqlTx, t sluice.Target, table *sluice.Table, mode sluice.WriteMode) (heapState, error) {
	d.mu.Lock()
	s := d.heaps[d.heapKey(t)]
	d.mu.Unlock()
	if s != heapUnknown {
		return s, nil
	}
	name := d.name(t)
	there, err := hasIndex(ctx, tx, name, indexColumns(table), indexKind(table, mode))
	if err != nil {
		return s, err
	}
	if there {
		s = heapClosed
	} else if t.Refresh != "" {
		s = heapOpen
	} else {
		empty := false
		if err := tx.one(ctx, "SELECT NOT EXISTS (SELECT FROM "+d.dialect.Table(name)+")", nil, &empty); err != nil {
			return s, err
		}
		if !empty {
			return heapUnknown, nil
		}
		s = heapOpen
	}
	d.markHeap(t, s)
	return s, nil
}

// indexColumns are those of the index that merges need: the key, or the parent
// of a child table. Empty: none.
func indexColumns(t *sluice.Table) []string {
	if t.Parent != nil {
		return []string{sluice.ParentIDColumn}
	}
	return t.Key
}

const (
	uniqueIndex = "unique"
	activeIndex = "active" // unique among active versions
	plainIndex  = "plain"
)

func indexKind(t *sluice.Table, mode sluice.WriteMode) string {
	switch {
	case t.Parent != nil:
		return plainIndex
	case mode == sluice.History:
		return activeIndex
	}
	return uniqueIndex
}

func hasIndex(ctx context.Context, tx sqlTx, name sluice.TableName, columns []string, kind string) (there bool, err error) {
	sorted := slices.Sorted(slices.Values(columns))
	err = tx.one(ctx, `SELECT EXISTS (SELECT FROM pg_index i
	WHERE i.indrelid = (SELECT oid FROM pg_class WHERE relname = $2 AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)) AND i.indisvalid AND i.indimmediate AND i.indexprs IS NULL AND (i.indisunique OR $4 = 'plain')
	AND ($4 = 'active') = (i.indpred IS NOT NULL)
	AND (SELECT string_agg(a.attname, ',' ORDER BY a.attname COLLATE "C") FROM pg_attribute a
		WHERE a.attrelid = i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts-1])) = $3)`,
		[]any{name.Schema, name.Name, strings.Join(sorted, ","), kind}, &there)
	return there, err
}

// closeHeap makes the index that merges need, where it is missing.
func (m *merger) closeHeap(ctx context.Context, tx sqlTx, p *sqlload.Plan, i int) error {
	t := &p.Tables[i]
	columns, kind := indexColumns(t.Table), indexKind(t.Table, t.Mode)
	if len(columns) == 0 {
		return nil
	}
	m.d.mu.Lock()
	state := m.d.heaps[m.d.heapKey(t.Target)]
	m.d.mu.Unlock()
	if state == heapClosed || slices.Contains(m.closed, t.Target) {
		return nil
	}
	m.closed = append(m.closed, t.Target)
	shadow := t.Target.Refresh != ""
	if shadow && state == heapOpen { // nobody but this handle gives a shadow an index
		createIndex(tx, p, i)
		return nil
	}
	there, err := hasIndex(ctx, tx, t.Name, columns, kind)
	if err != nil {
		return fmt.Errorf("look for the index of the key: %w", err)
	}
	if !there {
		createIndex(tx, p, i)
	}
	if shadow {
		return nil
	}
	return tx.Defer(ctx, "end the first read of the table", "DELETE FROM _sluice.heaps WHERE table_schema = $1 AND table_name = $2", t.Name.Schema, t.Name.Name)
}

func createIndex(tx sqlTx, p *sqlload.Plan, i int) {
	t := &p.Tables[i]
	d := p.Dialect
	kind := indexKind(t.Table, t.Mode)
	create := "CREATE UNIQUE INDEX ON "
	if kind == plainIndex {
		create = "CREATE INDEX ON "
	}
	create += d.Table(t.Name) + " (" + quoteAll(indexColumns(t.Table)) + ")"
	if kind == activeIndex {
		create += " WHERE " + quote(sluice.ActiveColumn)
	}
	tx.tryLater("build the index of the key", create, func() string {
		slog.Info("postgres: rows of an earlier try have the same keys; keeping the latest", "table", t.Target.Name.String())
		return dedupe(p, i) + ";" + create
	})
}

// indexMemory is the memory of index builds, in which the first read of a table
// ends: raised where the server has the default, 64 MB, with which the sort of
// some million keys spills.
const indexMemory = "CASE current_setting('maintenance_work_mem') WHEN '64MB' THEN '256MB' ELSE current_setting('maintenance_work_mem') END"

// dedupe keeps the latest of the rows of each key that Sluice wrote, and only the
// children that came with it. Rows that somebody else put there stay, and the
// index is refused where they have the same key: they are not ours to remove.
func dedupe(p *sqlload.Plan, i int) string {
	t := &p.Tables[i]
	table := p.Dialect.Table(t.Name)
	synced, among := quote(sluice.SyncedAtColumn), ""
	if t.Mode == sluice.History {
		among = " AND " + quote(sluice.ActiveColumn)
	}
	remove := fmt.Sprintf("DELETE FROM %s t USING (SELECT ctid AS row, row_number() OVER (PARTITION BY %s ORDER BY %s DESC, ctid DESC) AS place FROM %s WHERE %s IS NOT NULL%s) d WHERE t.ctid = d.row AND d.place > 1",
		table, quoteAll(t.Table.Key), synced, table, synced, among)
	return remove + orphans(p, i)
}

// orphans removes the children of table i that an older row brought.
func orphans(p *sqlload.Plan, i int) string {
	var b strings.Builder
	for j := range p.Tables {
		c := &p.Tables[j]
		if c.Table.Parent == nil || *c.Table.Parent != p.Tables[i].Target.Name || c.Target.Refresh != p.Tables[i].Target.Refresh || c.Mode == sluice.Append {
			continue
		}
		fmt.Fprintf(&b, ";DELETE FROM %s c WHERE NOT EXISTS (SELECT FROM %s p WHERE p.%s = c.%s AND p.%s <= c.%s)", p.Dialect.Table(c.Name), p.Dialect.Table(p.Tables[i].Name),
			quote(sluice.IDColumn), quote(sluice.ParentIDColumn), quote(sluice.SyncedAtColumn), quote(sluice.SyncedAtColumn))
		b.WriteString(orphans(p, j))
	}
	return b.String()
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	return strings.Join(quoted, ", ")
}

// keepHeap remembers in the ledger that table t is filled by a read under way.
func (m *merger) keepHeap(ctx context.Context, tx sqlTx, t *sqlload.Table) error {
	for _, p := range m.load.Positions {
		if p.Refresh == "" || p.Done || t.Target.Refresh != "" {
			continue
		}
		return tx.Defer(ctx, "record the first read of the table",
			"INSERT INTO _sluice.heaps VALUES ($1, $2, $3, $4) ON CONFLICT (table_schema, table_name) DO UPDATE SET refresh = excluded.refresh WHERE heaps.refresh <> excluded.refresh",
			m.load.Connection, p.Refresh, t.Name.Schema, t.Name.Name)
	}
	return nil
}

// restoreHeaps opens the heaps whose reads go on, and forgets the others.
func (d *destination) restoreHeaps(ctx context.Context, tx sqlTx, connection string, l sluice.Ledger) error {
	var ended []sluice.TableName
	err := tx.Query(ctx, "SELECT refresh, table_schema, table_name FROM _sluice.heaps WHERE connection = $1", []any{connection}, func(scan func(...any) error) error {
		var refresh string
		var n sluice.TableName
		if err := scan(&refresh, &n.Schema, &n.Name); err != nil {
			return err
		}
		if slices.ContainsFunc(l.Positions, func(p sluice.Position) bool { return p.Refresh == refresh && !p.Done }) {
			d.markHeap(sluice.Target{Name: n}, heapOpen)
		} else {
			ended = append(ended, n)
		}
		return nil
	})
	for _, n := range ended {
		if err == nil {
			_, err = tx.Exec(ctx, "DELETE FROM _sluice.heaps WHERE table_schema = $1 AND table_name = $2", n.Schema, n.Name)
		}
	}
	if err != nil {
		return fmt.Errorf("look for first reads under way: %w", err)
	}
	return nil
}
