package main

import (
	"context"
	"fmt"
)

const (
	changingColumns = lineitemColumns + ", updated_at timestamptz NOT NULL"
	// Rows change at moments of their own: in every round from its own hour on.
	changedAt = "timestamptz '2026-06-01' + interval '1 hour' * %d"
)

// mergeChanges brings a change set of 5 % into a table: four in five of the
// changes are updates, spread over the whole table, the rest new rows. Both sides
// keep a table of their own that takes all the rounds' changes.
func mergeChanges(ctx context.Context, e *env) (*plan, error) {
	if err := e.changingTable(ctx); err != nil {
		return nil, err
	}
	file, err := e.pipeline("merge", e.postgres(sourceDB), e.postgres("merge_sluice"),
		object{"name": "public.changing", "mode": "incremental", "cursor": "updated_at", "write": "merge", "table": "changing"})
	if err != nil {
		return nil, err
	}
	if err := e.server.fresh(ctx, "merge_sluice"); err != nil {
		return nil, err
	}
	if _, err := e.sync(ctx, file, false); err != nil {
		return nil, fmt.Errorf("first sync: %w", err)
	}
	if err := e.server.fresh(ctx, "merge_hand", "CREATE TABLE changing ("+changingColumns+")"); err != nil {
		return nil, err
	}
	_, err = runAll(e.server.psql(ctx, sourceDB, "COPY changing TO STDOUT (FORMAT binary)"),
		e.server.psql(ctx, "merge_hand", "COPY changing FROM STDIN (FORMAT binary)", "ALTER TABLE changing ADD PRIMARY KEY (l_orderkey, l_linenumber)"))
	if err != nil {
		return nil, err
	}
	n := e.n(lineitemRows)
	m := &mergeRound{e: e, updates: n / 25, inserts: max(1, n/100)}
	return &plan{rows: m.updates + m.inserts, sync: file, before: m.change, baseline: m.byHand, same: m.same}, nil
}

// changingTable is lineitem with a cursor column, indexed as one would.
func (e *env) changingTable(ctx context.Context) error {
	if err := e.lineitemTable(ctx); err != nil {
		return err
	}
	return e.once("changing", func() error {
		_, err := e.server.query(ctx, sourceDB, "CREATE TABLE changing ("+changingColumns+")",
			"INSERT INTO changing SELECT *, timestamptz '2026-01-01' + l_orderkey * interval '1 s' FROM lineitem",
			"ALTER TABLE changing ADD PRIMARY KEY (l_orderkey, l_linenumber)", "CREATE INDEX ON changing (updated_at)", "VACUUM (FREEZE, ANALYZE) changing")
		return err
	})
}

type mergeRound struct {
	e                *env
	updates, inserts int64
	since            string // SQL: when the round's changes begin
}

// change makes the round's change set, and tidies both targets.
func (m *mergeRound) change(ctx context.Context, round int) error {
	m.since = fmt.Sprintf(changedAt, round)
	_, err := m.e.server.query(ctx, sourceDB,
		fmt.Sprintf(`WITH chosen AS (SELECT ctid AS row, row_number() OVER () AS n FROM changing
				WHERE (l_orderkey * 7 + l_linenumber) %% 25 = %d AND l_orderkey <= (SELECT max(l_orderkey) FROM lineitem) LIMIT %d)
			UPDATE changing SET l_quantity = l_quantity + 1, l_comment = 'changed in round %d', updated_at = %s + n * interval '1 ms' FROM chosen WHERE ctid = chosen.row`,
			round%25, m.updates, round, m.since),
		fmt.Sprintf(`INSERT INTO changing SELECT l_orderkey + %d * (SELECT max(l_orderkey) FROM lineitem), l_partkey, l_suppkey, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax,
			l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode, l_comment, %s + interval '30 min' + l_orderkey * interval '10 us' FROM lineitem LIMIT %d`,
			round+1, m.since, m.inserts),
		"VACUUM (ANALYZE) changing")
	if err != nil {
		return err
	}
	if _, err := m.e.server.query(ctx, "merge_sluice", "VACUUM (ANALYZE) raw.changing"); err != nil {
		return err
	}
	_, err = m.e.server.query(ctx, "merge_hand", "VACUUM (ANALYZE) changing")
	return err
}

func (m *mergeRound) byHand(ctx context.Context) (usage, error) {
	s := m.e.server
	upsert := "INSERT INTO changing SELECT * FROM incoming ON CONFLICT (l_orderkey, l_linenumber) DO UPDATE SET "
	for i, c := range changeable {
		if i > 0 {
			upsert += ", "
		}
		upsert += c + " = excluded." + c
	}
	return runAll(s.psql(ctx, sourceDB, "COPY (SELECT * FROM changing WHERE updated_at >= "+m.since+") TO STDOUT (FORMAT binary)"),
		s.psql(ctx, "merge_hand", "CREATE TEMPORARY TABLE incoming (LIKE changing)", "COPY incoming FROM STDIN (FORMAT binary)", upsert))
}

var changeable = []string{"l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax", "l_returnflag", "l_linestatus", "l_shipdate",
	"l_commitdate", "l_receiptdate", "l_shipinstruct", "l_shipmode", "l_comment", "updated_at"}

// same compares the source and both targets, row by row by way of a hash.
func (m *mergeRound) same(ctx context.Context) error {
	const sum = "SELECT count(*), sum(hashtextextended(concat_ws('|', l_orderkey, l_linenumber, l_quantity, l_comment, extract(epoch FROM updated_at)), 0)) FROM "
	want, err := m.e.server.query(ctx, sourceDB, sum+"changing")
	if err != nil {
		return err
	}
	for db, table := range map[string]string{"merge_sluice": "raw.changing", "merge_hand": "changing"} {
		got, err := m.e.server.query(ctx, db, sum+table)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s in %s has %s (rows|hash), the source %s", table, db, got, want)
		}
	}
	return nil
}
