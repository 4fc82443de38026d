package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A merger runs one load.
type merger struct {
	d        *destination
	load     sluice.Load
	direct   *directTx                 // has the rows of direct segments; nil: none
	keeps    []*promise                // that this load keeps
	closed   []sluice.Target           // heaps that this load closes
	there    map[sluice.TableName]bool // tables that a shadow takes the place of
	lossy    map[sluice.TableName]bool // tables with a trigger or rule that may discard rows
	replaced []string                  // quoted tables that shadows are to take the place of by renames
	renames  string                    // what does that
	viewed   bool                      // there are views on them
	gone     sluice.TableName          // a shadow that is not there: its promise has ended with a process, or it has with a server's crash
}

// Merge implements sluice.Destination.
func (d *destination) Merge(ctx context.Context, l sluice.Load) ([]sluice.Counts, error) {
	op := "merge load " + string(l.ID)
	if err := d.ensureLedger(ctx); err != nil {
		return nil, classify(err, op)
	}
	keeps, err := d.promisesOf(ctx, l)
	if err != nil {
		return nil, classify(err, op)
	}
	defer releaseAll(keeps)
	counts, err := d.merge(ctx, l, keeps)
	if inTheWay(err, keeps) {
		// What it is shows, or is gone, when the table is made by itself.
		for _, p := range keeps {
			if err := d.makePromised(ctx, p); err != nil {
				return nil, classify(err, op)
			}
		}
		counts, err = d.merge(ctx, l, nil)
	}
	return counts, classify(err, op)
}

// inTheWay reports whether something kept a promise from being kept in the load.
func inTheWay(err error, keeps []*promise) bool {
	return len(keeps) > 0 && hasState(err, "42P07", "3F000", "23505")
}

func (d *destination) merge(ctx context.Context, l sluice.Load, keeps []*promise) ([]sluice.Counts, error) {
	t := d.directOf(l.ID)
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.failed == nil && t.open() {
			counts, err := d.mergeDirect(ctx, t, l, keeps)
			if !lostSession(err) {
				return counts, err
			}
		}
		if t.failed != nil {
			d.forgetDirect(l.ID, t)
			t = nil // its rows are gone; whether the load is lost, the ledger knows
		}
	}
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	counts, err := d.mergeIn(ctx, newTx(conn.Conn(), d.begin(conn.Conn())...), l, t, keeps)
	if t != nil && (err == nil || errors.Is(err, sluice.ErrStagedLost) || refused(err) && !inTheWay(err, keeps)) {
		t.end(sluice.ErrStagedLost)
		d.forgetDirect(l.ID, t)
	}
	return counts, err
}

// refused reports whether the server would not take the load, which it would not
// if it came again.
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && !lostSession(err)
}

// mergeDirect merges in the open transaction that has the load's direct rows. t
// is locked.
func (d *destination) mergeDirect(ctx context.Context, t *directTx, l sluice.Load, keeps []*promise) ([]sluice.Counts, error) {
	d.forgetDirect(l.ID, t)
	defer t.conn.Release()
	t.failed = sluice.ErrStagedLost
	return d.mergeIn(ctx, newTx(t.conn.Conn()), l, t, keeps)
}

var errSessionLost = errors.New("the session with the load's rows has ended")

// lostSession reports whether err means that the session is gone, before a
// commit was tried.
func lostSession(err error) bool {
	return errors.Is(err, errSessionLost) || hasState(err, "57P01", "57P02", "25P03")
}

// mergeIn runs the load in the transaction and ends it.
func (d *destination) mergeIn(ctx context.Context, tx sqlTx, l sluice.Load, direct *directTx, keeps []*promise) ([]sluice.Counts, error) {
	m := &merger{d: d, load: l, direct: direct, keeps: keeps, there: map[sluice.TableName]bool{}, lossy: map[sluice.TableName]bool{}}
	counts, done, err := sqlload.Merge(ctx, tx, d.dialect, l, m.hooks())
	if err == nil && !done {
		err = m.takePlaces(ctx, tx)
	}
	if err != nil || done {
		dead := tx.conn.PgConn().IsClosed()
		rollback(tx.conn)
		if err != nil && dead && direct.open() && ctx.Err() == nil {
			err = errSessionLost
		}
		if err == nil {
			m.keptAll()
		}
		return counts, err
	}
	if err := tx.flush(ctx, "COMMIT"); err != nil {
		rollback(tx.conn)
		return nil, err
	}
	m.committed()
	return counts, nil
}

// keptAll is called once the ledger knows the load.
func (m *merger) keptAll() {
	for _, p := range m.keeps {
		m.d.fulfilled(p)
	}
}

// committed makes what the load changed known to this handle.
func (m *merger) committed() {
	m.keptAll()
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	for _, t := range m.closed {
		m.d.heaps[m.d.heapKey(t)] = heapClosed
	}
	for _, t := range m.load.Tables {
		for _, p := range t.Parts {
			if r, err := sqlload.ParseRef(p.Ref); err == nil {
				delete(m.d.stages, r.Table)
			}
		}
		if t.Swap {
			// The shadow is no more, and the table has its index or none.
			delete(m.d.heaps, m.d.heapKey(t.Target))
			delete(m.d.heaps, m.d.heapKey(sluice.Target{Name: t.Target.Name}))
		}
	}
}

func (m *merger) hooks() sqlload.Hooks {
	return sqlload.Hooks{Name: m.name, Further: m.questions(), Exists: m.exists, Begin: m.begin, Prepare: m.prepare, Finish: m.finish, Swap: m.swap,
		Discards: func(table sluice.TableName) bool { return m.lossy[table] }}
}

const thereSQL = "SELECT to_regclass($1) IS NOT NULL"

// lossySQL asks whether a table may discard rows by a row trigger before INSERT or
// UPDATE, or by a rule that does something instead. One that hands rows to the tables
// that inherit from it discards none.
const lossySQL = `SELECT coalesce((SELECT relhastriggers AND EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal AND tgenabled <> 'D'
	AND tgtype & 3 = 3 AND tgtype & 20 <> 0) OR relhasrules AND EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid AND ev_type IN ('2', '3') AND is_instead)
FROM pg_class c WHERE oid = to_regclass($1) AND NOT relhassubclass), false)`

// questions find out which tables are there for a shadow to take their place,
// whether the shadows are, and which tables may discard rows.
func (m *merger) questions() (all []sqlload.Question) {
	put := func(sql string, table sluice.TableName, answer func(yes bool)) {
		all = append(all, sqlload.Question{SQL: sql, Args: []any{m.d.dialect.Table(table)},
			Row: func(scan func(...any) error) error {
				var yes bool
				err := scan(&yes)
				answer(yes)
				return err
			}})
	}
	ask := func(table sluice.TableName, answer func(there bool)) { put(thereSQL, table, answer) }
	for _, t := range m.load.Tables {
		if t.Swap {
			old := m.d.name(sluice.Target{Name: t.Target.Name})
			ask(old, func(there bool) { m.there[old] = there })
		}
		if table := m.d.name(t.Target); t.Target.Refresh == "" && len(t.Parts) > 0 {
			put(lossySQL, table, func(yes bool) { m.lossy[table] = yes })
		}
		if shadow := m.d.name(t.Target); t.Target.Refresh != "" && m.d.promiseOf(m.keeps, t.Target) == nil {
			ask(shadow, func(there bool) {
				if !there {
					m.gone = shadow
				}
			})
		}
	}
	return all
}

// exists finds stage tables that are gone, or that a crash of the server has
// emptied.
func (m *merger) exists(ctx context.Context, stx sqlload.Tx, r sqlload.Ref) (there bool, err error) {
	if r.Table == "" {
		return m.direct != nil && r.Direct == string(m.load.ID), nil
	}
	tx, table := stx.(sqlTx), m.d.dialect.Own(r.Table)
	if err := tx.one(ctx, "SELECT to_regclass($1) IS NOT NULL", []any{table}, &there); err != nil || !there || r.Empty {
		return there, err
	}
	err = tx.one(ctx, "SELECT EXISTS (SELECT FROM "+table+")", nil, &there)
	return there, err
}

// completes reports whether the load ends a full read.
func (m *merger) completes() bool {
	return slices.ContainsFunc(m.load.Positions, func(p sluice.Position) bool { return p.Done })
}

// indexed reports whether the table is merged by key or parent.
func indexed(t *sqlload.Table) bool {
	return t.Mode != sluice.Append && len(indexColumns(t.Table)) > 0
}

// prepare decides whether table i stays without its index.
func (m *merger) prepare(ctx context.Context, tx sqlload.Tx, p *sqlload.Plan, i int) error {
	t := &p.Tables[i]
	if !indexed(t) || len(t.Parts) == 0 && t.Sweep.IsZero() {
		return nil
	}
	state, err := m.d.heapOf(ctx, tx.(sqlTx), t.Target, t.Table, t.Mode)
	if err != nil {
		return err
	}
	if state == heapOpen && t.Unique() && (t.Mode != sluice.History || !t.Staged()) {
		t.Heap = true
		if m.completes() || t.Swap {
			return nil
		}
		return m.keepHeap(ctx, tx.(sqlTx), t)
	}
	return m.closeHeap(ctx, tx.(sqlTx), p, i)
}

// finish ends the heap of table i where the load completes its read.
func (m *merger) finish(ctx context.Context, tx sqlload.Tx, p *sqlload.Plan, i int) error {
	t := &p.Tables[i]
	if !indexed(t) || !t.Swap && !m.completes() {
		return nil
	}
	return m.closeHeap(ctx, tx.(sqlTx), p, i)
}
