package sqlload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// LedgerDDL returns the statements that make the ledger. They may be repeated.
func LedgerDDL(d *Dialect) []string {
	return []string{
		"CREATE SCHEMA IF NOT EXISTS " + d.Quote(sluice.LedgerSchema),
		"CREATE TABLE IF NOT EXISTS " + d.Own("connections") + ` (connection text PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL,
	run text NOT NULL, positions ` + d.JSONText + ` NOT NULL, begun_at timestamptz NOT NULL)`,
		"CREATE TABLE IF NOT EXISTS " + d.Own("loads") + ` (load_id text NOT NULL, ordinal integer NOT NULL, connection text NOT NULL, run text NOT NULL,
	epoch bigint NOT NULL, seq bigint NOT NULL, table_schema text, table_name text, mode text,
	rows_extracted bigint NOT NULL, rows_loaded bigint NOT NULL, rows_deleted bigint NOT NULL, rows_rejected bigint NOT NULL, rows_filtered bigint NOT NULL,
	swapped boolean NOT NULL, positions ` + d.JSONText + `, committed_at timestamptz NOT NULL, PRIMARY KEY (load_id, ordinal))`,
		"CREATE TABLE IF NOT EXISTS " + d.Own("rejected") + ` (load_id text NOT NULL, connection text NOT NULL, run text NOT NULL, stream_schema text, stream_name text,
	part integer NOT NULL, row_key text, column_name text, value text NOT NULL, reason text NOT NULL, whole_row boolean NOT NULL, rejected_at timestamptz NOT NULL)`,
		"CREATE TABLE IF NOT EXISTS " + d.Own("shadows") + ` (connection text NOT NULL, refresh text NOT NULL, table_schema text NOT NULL, table_name text NOT NULL,
	shadow_name text NOT NULL, PRIMARY KEY (table_schema, shadow_name))`,
	}
}

// KeepLoads is how many days the ledger keeps rows of earlier epochs. The
// positions in them are kept in _sluice.connections for ever.
const KeepLoads = 90

// Begin takes the epoch for r, in tx, and returns it with the latest positions.
// The ledger's tables exist. An owner other than the connection's is refused.
//
// _sluice.connections holds the positions as they were when its epoch began;
// the loads since then are applied to them, so that what Begin reads does not
// grow with the ledger.
func Begin(ctx context.Context, tx Tx, d *Dialect, r sluice.Run) (sluice.Ledger, error) {
	connections := d.Own("connections")
	if _, err := tx.Exec(ctx, "INSERT INTO "+connections+" VALUES ($1, $2, 0, '', '[]', "+d.Now+") ON CONFLICT DO NOTHING", r.Connection, r.Owner); err != nil {
		return sluice.Ledger{}, fmt.Errorf("enter the connection: %w", err)
	}
	// The update comes first: it locks the row, so that no load commits and no
	// other run begins between the read below and the end of tx.
	if _, err := tx.Exec(ctx, "UPDATE "+connections+" SET run = $2 WHERE connection = $1", r.Connection, r.ID); err != nil {
		return sluice.Ledger{}, fmt.Errorf("lock the connection: %w", err)
	}
	owner, before, positions, err := readConnection(ctx, tx, d, r.Connection)
	if err != nil {
		return sluice.Ledger{}, err
	}
	if owner != r.Owner {
		return sluice.Ledger{}, sluice.Errorf(sluice.Config, "connection_owner", "begin connection "+r.Connection,
			"give this pipeline another connection name, or remove the connection's row in _sluice.connections to start from nothing",
			"the destination knows a connection of that name with another source")
	}
	epoch := r.Epoch
	if epoch == 0 {
		epoch = before + 1
	}
	if epoch < before {
		return sluice.Ledger{}, sluice.ErrFenced
	}
	if positions, err = foldLoads(ctx, tx, d, r.Connection, before, positions); err != nil {
		return sluice.Ledger{}, err
	}
	raw, err := json.Marshal(positions)
	if err != nil {
		return sluice.Ledger{}, fmt.Errorf("write positions: %w", err)
	}
	if _, err := tx.Exec(ctx, "UPDATE "+connections+" SET epoch = $2, positions = $3, begun_at = "+d.Now+" WHERE connection = $1",
		r.Connection, epoch, string(raw)); err != nil {
		return sluice.Ledger{}, fmt.Errorf("take the epoch: %w", err)
	}
	if _, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE connection = $1 AND epoch < $2 AND committed_at < %s - INTERVAL '%d days'",
		d.Own("loads"), d.Now, KeepLoads), r.Connection, before); err != nil {
		return sluice.Ledger{}, fmt.Errorf("prune the ledger: %w", err)
	}
	return sluice.Ledger{Epoch: epoch, Positions: positions}, nil
}

func readConnection(ctx context.Context, tx Tx, d *Dialect, connection string) (owner string, epoch int64, positions []sluice.Position, err error) {
	var raw string
	err = tx.Query(ctx, "SELECT owner, epoch, CAST(positions AS text) FROM "+d.Own("connections")+" WHERE connection = $1", []any{connection},
		func(scan func(...any) error) error { return scan(&owner, &epoch, &raw) })
	if err == nil && raw != "" {
		err = json.Unmarshal([]byte(raw), &positions)
	}
	if err != nil {
		return "", 0, nil, fmt.Errorf("read the connection: %w", err)
	}
	return owner, epoch, positions, nil
}

// foldLoads applies the positions of loads from epoch on, in their order.
func foldLoads(ctx context.Context, tx Tx, d *Dialect, connection string, epoch int64, positions []sluice.Position) ([]sluice.Position, error) {
	err := tx.Query(ctx, "SELECT CAST(positions AS text) FROM "+d.Own("loads")+
		" WHERE connection = $1 AND epoch >= $2 AND positions IS NOT NULL ORDER BY epoch, seq, ordinal", []any{connection, epoch},
		func(scan func(...any) error) error {
			var raw string
			if err := scan(&raw); err != nil {
				return err
			}
			var of []sluice.Position
			if err := json.Unmarshal([]byte(raw), &of); err != nil {
				return err
			}
			positions = Fold(positions, of)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return positions, nil
}

// Fold returns the positions after a load: the latest of each lane, where that of
// a whole stream retires its parts.
func Fold(have, load []sluice.Position) []sluice.Position {
	for _, p := range load {
		whole := p.Lane.Part == 0 && p.Lane != sluice.SharedLane
		have = slices.DeleteFunc(have, func(h sluice.Position) bool {
			return h.Lane == p.Lane || whole && h.Lane.Stream == p.Lane.Stream
		})
		have = append(have, p)
	}
	return have
}

// known returns what the load returned when it was merged, if it was. It locks
// the epoch for the rest of tx, and returns ErrFenced where it is not l's. The
// further questions are asked along.
func known(ctx context.Context, tx Tx, d *Dialect, l sluice.Load, further []Question) (counts []sluice.Counts, found bool, err error) {
	epoch := int64(-1)
	questions := append([]Question{{
		SQL: "SELECT epoch FROM " + d.Own("connections") + " WHERE connection = $1" + d.Share, Args: []any{l.Connection},
		Row: func(scan func(...any) error) error { return scan(&epoch) },
	}, {
		SQL: "SELECT rows_extracted, rows_rejected, rows_filtered, rows_loaded, rows_deleted, table_name IS NOT NULL FROM " +
			d.Own("loads") + " WHERE load_id = $1 ORDER BY ordinal", Args: []any{string(l.ID)},
		Row: func(scan func(...any) error) error {
			var c sluice.Counts
			var table bool
			if err := scan(&c.Extracted, &c.Rejected, &c.Filtered, &c.Loaded, &c.Deleted, &table); err != nil {
				return err
			}
			found = true
			if table {
				counts = append(counts, c)
			}
			return nil
		},
	}}, further...)
	if err := ask(ctx, tx, questions); err != nil {
		return nil, false, fmt.Errorf("look for the load in the ledger: %w", err)
	}
	if !found && epoch != l.Epoch {
		return nil, false, sluice.ErrFenced
	}
	return counts, found, nil
}

// These bound the parameters of one statement.
const (
	ledgerPerInsert   = 100
	rejectedPerInsert = 500
)

// insertRows returns the statement, with its parameters, that adds rows to a table of
// the ledger whose last column is the time of the commit.
func insertRows(d *Dialect, table string, rows [][]any) (query string, args []any) {
	var b strings.Builder
	b.WriteString("INSERT INTO " + d.Own(table) + " VALUES ")
	for i, row := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("(")
		for _, v := range row {
			args = append(args, v)
			fmt.Fprintf(&b, "$%d, ", len(args))
		}
		b.WriteString(d.Now + ")")
	}
	return b.String(), args
}

// writeLedger writes a row for each table, and one without a table where the
// load has none; the first has the positions.
func writeLedger(ctx context.Context, tx Tx, d *Dialect, l sluice.Load, counts []sluice.Counts) error {
	raw, err := json.Marshal(l.Positions)
	if err != nil {
		return fmt.Errorf("write positions: %w", err)
	}
	var rows [][]any
	for i := range max(1, len(l.Tables)) {
		var schema, name, mode, positions any
		var c sluice.Counts
		swapped := false
		if i < len(l.Tables) {
			t := l.Tables[i]
			schema, name, mode, c, swapped = t.Target.Name.Schema, t.Target.Name.Name, string(t.Mode), counts[i], t.Swap
		}
		if i == 0 {
			positions = string(raw)
		}
		rows = append(rows, []any{string(l.ID), int32(i), l.Connection, l.Run, l.Epoch, l.Seq, schema, name, mode,
			c.Extracted, c.Loaded, c.Deleted, c.Rejected, c.Filtered, swapped, positions})
	}
	for chunk := range slices.Chunk(rows, ledgerPerInsert) {
		query, args := insertRows(d, "loads", chunk)
		if err := run(ctx, tx, "write the ledger", query, args...); err != nil {
			return err
		}
	}
	return nil
}

func writeRejected(ctx context.Context, tx Tx, d *Dialect, l sluice.Load, rejected []sluice.Rejected) error {
	for chunk := range slices.Chunk(rejected, rejectedPerInsert) {
		var rows [][]any
		for _, r := range chunk {
			rows = append(rows, []any{string(l.ID), l.Connection, l.Run, printable(r.Stream.Schema), printable(r.Stream.Name), int32(r.Part),
				printable(r.Key), printable(r.Column), printable(r.Value), printable(r.Reason), r.Row})
		}
		query, args := insertRows(d, "rejected", rows)
		if _, err := tx.Exec(ctx, query, args...); err != nil {
			return fmt.Errorf("write rejected records: %w", err)
		}
	}
	return nil
}

// printable returns s as text that every system can hold.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", `\u0000`)
}

// LeftShadows returns the shadows of the connection that no refresh under way
// will ever complete, and forgets them. Those of keep stay as well.
func LeftShadows(ctx context.Context, tx Tx, d *Dialect, connection string, positions []sluice.Position, keep ...string) ([]sluice.TableName, error) {
	var left []sluice.TableName
	err := tx.Query(ctx, "SELECT refresh, table_schema, shadow_name FROM "+d.Own("shadows")+" WHERE connection = $1", []any{connection},
		func(scan func(...any) error) error {
			var refresh string
			var n sluice.TableName
			if err := scan(&refresh, &n.Schema, &n.Name); err != nil {
				return err
			}
			if !slices.Contains(keep, refresh) && !slices.ContainsFunc(positions, func(p sluice.Position) bool { return p.Refresh == refresh && !p.Done }) {
				left = append(left, n)
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("list shadow tables: %w", err)
	}
	for _, n := range left {
		err = errors.Join(err, ForgetShadow(ctx, tx, d, n))
	}
	return left, err
}

// RecordShadow remembers a shadow, so that a later Begin drops it if its refresh
// never completes. Repeating it is harmless.
func RecordShadow(ctx context.Context, tx Tx, d *Dialect, connection string, t sluice.Target, shadow sluice.TableName) error {
	once := " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
	if !d.OnConflict {
		once = " SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM " + d.Own("shadows") + " WHERE table_schema = $3 AND shadow_name = $5)"
	}
	return run(ctx, tx, "record a shadow table", "INSERT INTO "+d.Own("shadows")+once,
		connection, t.Refresh, shadow.Schema, t.Name.Name, shadow.Name)
}

// ForgetShadow is called where a shadow was dropped or took its table's place.
func ForgetShadow(ctx context.Context, tx Tx, d *Dialect, shadow sluice.TableName) error {
	return run(ctx, tx, "forget a shadow table", "DELETE FROM "+d.Own("shadows")+" WHERE table_schema = $1 AND shadow_name = $2", shadow.Schema, shadow.Name)
}
