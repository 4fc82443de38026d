package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A promise is a shadow that Alter was asked for and that is not made yet. A load
// that brings all rows of a small table makes it in its own transaction, and in
// its last place: with nothing to be recorded, renamed and forgotten, a thousand
// small tables take the server half the time. Whoever else needs the table keeps
// the promise first. One that ends with its process is noticed by Merge.
type promise struct {
	connection string // as epochOf tells it
	load       sluice.LoadID
	target     sluice.Target // as heapKey tells it
	create     *sluice.Table
	turn       chan struct{} // held while the table is made
	made       bool          // guarded by turn
}

// promise puts the making of a shadow off, and reports whether it does. In a
// schema that is not known, what is wrong is better found at once.
func (d *destination) promise(load sluice.LoadID, t sluice.Target, changes []sluice.Change) bool {
	if t.Refresh == "" || len(changes) != 1 || changes[0].Create == nil {
		return false
	}
	connection, _ := d.epochOf(load)
	key := d.heapKey(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.schemas[key.Name.Schema] || d.promises[key] != nil {
		return false
	}
	d.promises[key] = &promise{connection: connection, load: load, target: key, create: changes[0].Create, turn: make(chan struct{}, 1)}
	d.heaps[key] = heapOpen
	return true
}

func (d *destination) isPromised(t sluice.Target) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.promises[d.heapKey(t)] != nil
}

// promised returns the promise of a table once nobody else is about to keep it,
// or nil where the table is made or was not promised. The caller releases it,
// after fulfilled where the table has been made.
func (d *destination) promised(ctx context.Context, t sluice.Target) (*promise, error) {
	d.mu.Lock()
	p := d.promises[d.heapKey(t)]
	d.mu.Unlock()
	if p == nil {
		return nil, nil
	}
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if p.made {
		p.release()
		return nil, nil
	}
	return p, nil
}

func (p *promise) release() { <-p.turn }

func (d *destination) fulfilled(p *promise) {
	p.made = true
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.promises[p.target] == p {
		delete(d.promises, p.target)
	}
}

// keep makes the table if it was promised.
func (d *destination) keep(ctx context.Context, t sluice.Target) error {
	p, err := d.promised(ctx, t)
	if p == nil || err != nil {
		return err
	}
	defer p.release()
	return d.makePromised(ctx, p)
}

func (d *destination) makePromised(ctx context.Context, p *promise) error {
	if err := d.change(ctx, p.load, p.target, []sluice.Change{{Create: p.create}}); err != nil {
		return err
	}
	d.fulfilled(p)
	return nil
}

// promisesOf returns the promises of the load's tables, in their order. The
// caller releases them.
func (d *destination) promisesOf(ctx context.Context, l sluice.Load) (all []*promise, err error) {
	for _, t := range l.Tables {
		if d.promiseOf(all, t.Target) != nil {
			continue
		}
		p, err := d.promised(ctx, t.Target)
		if err != nil {
			releaseAll(all)
			return nil, err
		}
		if p != nil {
			all = append(all, p)
		}
	}
	return all, nil
}

func releaseAll(all []*promise) {
	for _, p := range all {
		p.release()
	}
}

// promiseOf returns the promise of the table among all, or nil.
func (d *destination) promiseOf(all []*promise, t sluice.Target) *promise {
	if i := slices.IndexFunc(all, func(p *promise) bool { return p.target == d.heapKey(t) }); i >= 0 {
		return all[i]
	}
	return nil
}

// name returns where the rows of a target are: the table, its shadow, or the
// place of the table for a promised shadow that would take it in this load.
func (m *merger) name(t sluice.Target) sluice.TableName {
	shadow, table := m.d.name(t), m.d.name(sluice.Target{Name: t.Name})
	swaps := slices.ContainsFunc(m.load.Tables, func(l sluice.TableLoad) bool { return m.d.name(l.Target) == shadow && l.Swap })
	if swaps && !m.there[table] && m.d.promiseOf(m.keeps, t) != nil {
		return table
	}
	return shadow
}

// begin makes the tables that were promised, and copies the rows that are held.
// All goes with the transaction's next message.
func (m *merger) begin(ctx context.Context, stx sqlload.Tx) error {
	if m.gone != (sluice.TableName{}) {
		return fmt.Errorf("the table %s that they are to go into is gone: %w", m.gone, sluice.ErrStagedLost)
	}
	tx := stx.(sqlTx)
	for _, p := range m.keeps {
		name := m.name(p.target)
		if err := tx.Defer(ctx, "create the table "+name.String(), sqlload.CreateTable(m.d.dialect, name, p.create)); err != nil {
			return err
		}
		if name == m.d.name(p.target) {
			if err := sqlload.RecordShadow(ctx, tx, m.d.dialect, p.connection, p.target, name); err != nil {
				return err
			}
		}
	}
	if m.direct == nil {
		return nil
	}
	for _, h := range m.direct.held {
		if m.d.promiseOf(m.keeps, h.target) != nil {
			tx.copyLater(h, m.d.dialect.Table(m.name(h.target)))
		} else if err := m.d.copyHeld(ctx, tx, h); err != nil {
			return err
		}
	}
	return nil
}
