package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A merger runs one load.
type merger struct {
	d      *destination
	load   sluice.Load
	direct bool                      // the transaction has the rows of direct segments
	closed []sluice.Target           // heaps that this load closes
	there  map[sluice.TableName]bool // tables that a shadow takes the place of
}

// Merge implements sluice.Destination.
func (d *destination) Merge(ctx context.Context, l sluice.Load) ([]sluice.Counts, error) {
	op := "merge load " + string(l.ID)
	if err := d.ensureLedger(ctx); err != nil {
		return nil, classify(err, op)
	}
	if t := d.directOf(l.ID); t != nil {
		counts, err := d.mergeDirect(ctx, t, l)
		if !lostSession(err) {
			return counts, classify(err, op)
		}
		// Its rows are gone with the session. Another one knows why.
	}
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, classify(err, op)
	}
	defer conn.Release()
	counts, err := d.mergeIn(ctx, newTx(conn.Conn(), durable), l, false)
	return counts, classify(err, op)
}

// mergeDirect merges in the transaction that holds the load's direct rows.
func (d *destination) mergeDirect(ctx context.Context, t *directTx, l sluice.Load) ([]sluice.Counts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d.forgetDirect(l.ID, t)
	if t.failed != nil {
		return nil, errSessionLost
	}
	defer t.conn.Release()
	t.failed = sluice.ErrStagedLost
	return d.mergeIn(ctx, newTx(t.conn.Conn()), l, true)
}

var errSessionLost = errors.New("the session with the load's rows has ended")

// lostSession reports whether err means that the session is gone, before a
// commit was tried.
func lostSession(err error) bool {
	return errors.Is(err, errSessionLost) || hasState(err, "57P01", "57P02", "25P03")
}

// mergeIn runs the load in the open transaction and ends it.
func (d *destination) mergeIn(ctx context.Context, tx sqlTx, l sluice.Load, direct bool) ([]sluice.Counts, error) {
	m := &merger{d: d, load: l, direct: direct, there: map[sluice.TableName]bool{}}
	counts, done, err := sqlload.Merge(ctx, tx, d.dialect, l, m.hooks())
	if err != nil || done {
		dead := tx.conn.PgConn().IsClosed()
		rollback(tx.conn)
		if err != nil && dead && direct && ctx.Err() == nil {
			err = errSessionLost
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

// committed makes what the load changed known to this handle.
func (m *merger) committed() {
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
	return sqlload.Hooks{Name: m.d.name, Further: m.questions(), Exists: m.exists, Prepare: m.prepare, Finish: m.finish, Swap: m.swap}
}

// questions find out which tables are there for a shadow to take their place.
func (m *merger) questions() (all []sqlload.Question) {
	for _, t := range m.load.Tables {
		if !t.Swap {
			continue
		}
		old := m.d.name(sluice.Target{Name: t.Target.Name})
		all = append(all, sqlload.Question{SQL: "SELECT to_regclass($1) IS NOT NULL", Args: []any{m.d.dialect.Table(old)},
			Row: func(scan func(...any) error) error {
				var there bool
				err := scan(&there)
				m.there[old] = there
				return err
			}})
	}
	return all
}

// exists finds stage tables that are gone, or that a crash of the server has
// emptied.
func (m *merger) exists(ctx context.Context, stx sqlload.Tx, r sqlload.Ref) (there bool, err error) {
	if r.Table == "" {
		return m.direct && r.Direct == string(m.load.ID), nil
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
