package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// notShared refuses to drop a table that another connection loads, among those that
// others goes over.
func (c *Control) notShared(ctx context.Context, con *store.Connection, own map[sluice.TableName]sluice.TableName, others neighbours) error {
	return others(ctx, con, namesOf(own), func(r *store.ConnectionRow) error {
		stats, err := c.store.Stats(ctx, r.ID)
		if err != nil {
			return err
		}
		for _, s := range stats {
			if _, shared := own[s.Table]; shared {
				return fail(CodeInUse, "plan", "delete the connection without its data", "table %s is loaded by connection %q too", s.Table, r.Name)
			}
		}
		return nil
	})
}

// namesOf returns the tables' names without their schemas.
func namesOf[T any](tables map[sluice.TableName]T) []string {
	names := make([]string, 0, len(tables))
	for t := range tables {
		names = append(names, t.Name)
	}
	return names
}

// neighbours goes over connections that load into the same place as con, which it
// leaves out, and have loaded a table of one of those names.
type neighbours func(ctx context.Context, con *store.Connection, tables []string, do func(*store.ConnectionRow) error) error

// mates are the neighbours that have the same destination, by the store.
func (c *Control) mates(ctx context.Context, con *store.Connection, tables []string, do func(*store.ConnectionRow) error) error {
	return c.eachConnection(ctx, store.ConnectionFilter{DestinationID: con.DestinationID, Tables: tables}, besides(con, do))
}

// besides leaves con out, and those whose tables land in another schema.
func besides(con *store.Connection, do func(*store.ConnectionRow) error) func(*store.ConnectionRow) error {
	return func(r *store.ConnectionRow) error {
		if r.ID == con.ID || !strings.EqualFold(r.Schema, con.Schema) {
			return nil
		}
		return do(r)
	}
}

// strangers are the neighbours that have another destination of the store, which leads
// to the same system: its ledger has them. An address would not tell, for a system has
// several, and what several names lead to changes. Connections that the store does not
// have are none; a destination that answers no questions has none.
func (c *Control) strangers(dest sluice.Destination) neighbours {
	return func(ctx context.Context, con *store.Connection, tables []string, do func(*store.ConnectionRow) error) error {
		ids, err := ledgered(ctx, dest)
		if err != nil || len(ids) == 0 {
			return err
		}
		return c.eachConnection(ctx, store.ConnectionFilter{Among: ids, Tables: tables}, besides(con, func(r *store.ConnectionRow) error {
			if r.DestinationID == con.DestinationID {
				return nil
			}
			return do(r)
		}))
	}
}

// ledgered returns the connections that the destination's ledger has, if it has one
// and answers questions.
func ledgered(ctx context.Context, dest sluice.Destination) (ids []string, err error) {
	q, ok := dest.(sluice.Querier)
	if !ok {
		return nil, nil
	}
	for _, query := range []string{
		"select table_name from information_schema.tables where table_schema = '" + sluice.LedgerSchema + "' and table_name = 'connections'",
		"select connection from " + sluice.LedgerSchema + ".connections",
	} {
		ids = nil
		err := q.Query(ctx, query, func([]string) error { return nil }, func(row []*string) error {
			ids = append(ids, *row[0])
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("ask the ledger for connections: %w", err)
		}
		if len(ids) == 0 {
			return nil, nil
		}
	}
	return ids, nil
}

// Apart refuses tables that another connection loads into the same system and con
// never has: the rows of both would meet there, and what one leaves out or hashes
// the other would bring. A stream that the other no longer syncs has left its table
// to whoever comes. dest is con's destination, which is asked where another one of the
// store may lead to the same system.
func (c *Control) Apart(ctx context.Context, con *store.Connection, tables []sluice.TableName, dest sluice.Destination) error {
	ignoresCase := dest.Traits().IgnoresCase
	fold := func(t sluice.TableName) sluice.TableName {
		if ignoresCase {
			t = sluice.TableName{Schema: strings.ToLower(t.Schema), Name: strings.ToLower(t.Name)}
		}
		return t
	}
	wanted := map[sluice.TableName]bool{}
	for _, t := range tables {
		wanted[fold(t)] = true
	}
	own, err := c.store.Stats(ctx, con.ID)
	if err != nil {
		return err
	}
	for _, s := range own {
		delete(wanted, fold(s.Table))
	}
	if len(wanted) == 0 {
		return nil
	}
	apart := func(r *store.ConnectionRow) error { return c.apartFrom(ctx, r, wanted, fold) }
	if err := c.mates(ctx, con, namesOf(wanted), apart); err != nil {
		return err
	}
	return c.strangers(dest)(ctx, con, namesOf(wanted), apart)
}

func (c *Control) apartFrom(ctx context.Context, r *store.ConnectionRow, wanted map[sluice.TableName]bool, fold func(sluice.TableName) sluice.TableName) error {
	stats, err := c.store.Stats(ctx, r.ID)
	if err != nil {
		return err
	}
	stats = slices.DeleteFunc(stats, func(s store.StreamStats) bool { return !wanted[fold(s.Table)] })
	if len(stats) == 0 {
		return nil
	}
	other, err := c.store.Connection(ctx, r.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, s := range stats {
		if selected(other, s.Stream) {
			return sluice.Errorf(sluice.Config, "name_collision", "choose tables",
				"give the stream another table, or this connection another schema; or deselect the stream in one of the two",
				"table %s is loaded by connection %q, from its stream %s", s.Table, r.Name, s.Stream)
		}
	}
	return nil
}
