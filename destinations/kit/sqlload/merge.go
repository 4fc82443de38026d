package sqlload

import (
	"context"
	"fmt"

	"github.com/sluicehq/sluice"
)

// Hooks are the steps of Merge that each system takes in its own way. All run in
// the transaction of the merge.
type Hooks struct {
	// Name returns where the rows of a target are: the table or its shadow.
	Name func(sluice.Target) sluice.TableName
	// Further questions are asked at the beginning of the merge, of a Tx that is an
	// Asker in one round trip with the planner's own.
	Further []Question
	// Exists reports whether the rows that a Ref names are still there.
	Exists func(ctx context.Context, tx Tx, r Ref) (bool, error)
	// Begin runs before all rows; it may be nil.
	Begin func(ctx context.Context, tx Tx) error
	// Prepare runs before the rows of table i of the plan are applied; it may be
	// nil. A Dialect with OnConflict makes the key's unique index here where
	// Table.Upserts.
	Prepare func(ctx context.Context, tx Tx, p *Plan, i int) error
	// Finish runs after the rows of table i were applied; it may be nil.
	Finish func(ctx context.Context, tx Tx, p *Plan, i int) error
	// Discards reports whether the table may discard rows by means of its own, such as
	// a trigger: what the load brings it is then looked for. It may be nil.
	Discards func(table sluice.TableName) bool
	// Swap puts a complete shadow in its table's place, and forgets the shadow.
	Swap func(ctx context.Context, tx Tx, t *Table) error
}

// Merge runs a load in tx, up to the commit, which is the caller's. It returns
// the counts of the tables; done reports that the ledger knew the load, so that
// nothing was changed and tx may be rolled back.
func Merge(ctx context.Context, tx Tx, d *Dialect, l sluice.Load, h Hooks) (counts []sluice.Counts, done bool, err error) {
	if counts, done, err = known(ctx, tx, d, l, h.Further); done || err != nil {
		return counts, done, err
	}
	p, err := newPlan(ctx, tx, d, l, h)
	if err != nil {
		return nil, false, err
	}
	if h.Begin != nil {
		if err := h.Begin(ctx, tx); err != nil {
			return nil, false, fmt.Errorf("begin the load: %w", err)
		}
	}
	rejected := l.Rejected
	for i := range p.Tables {
		t := &p.Tables[i]
		c, err := p.apply(ctx, tx, h, i)
		if err != nil {
			return nil, false, err
		}
		counts = append(counts, c)
		for _, r := range t.Refs {
			rejected = append(rejected, r.Rejects...)
		}
	}
	for _, s := range p.Drops() {
		if err := run(ctx, tx, "drop staged rows", s.SQL); err != nil {
			return nil, false, err
		}
	}
	// Swaps come last: they take the locks that keep readers out.
	for i := range p.Tables {
		if !p.Tables[i].Swap {
			continue
		}
		if err := h.Swap(ctx, tx, &p.Tables[i]); err != nil {
			return nil, false, fmt.Errorf("put the new rows of %s in place: %w", p.Tables[i].Target.Name, err)
		}
	}
	if err := writeRejected(ctx, tx, d, l, rejected); err != nil {
		return nil, false, err
	}
	return counts, false, writeLedger(ctx, tx, d, l, counts)
}

func newPlan(ctx context.Context, tx Tx, d *Dialect, l sluice.Load, h Hooks) (*Plan, error) {
	p := &Plan{Dialect: d, At: l.At}
	for _, tl := range l.Tables {
		t := Table{TableLoad: tl, Name: h.Name(tl.Target)}
		for _, part := range tl.Parts {
			r, err := ParseRef(part.Ref)
			if err != nil {
				return nil, err
			}
			there, err := h.Exists(ctx, tx, r)
			if err != nil {
				return nil, fmt.Errorf("look for staged rows of %s: %w", tl.Target.Name, err)
			}
			if !there {
				return nil, fmt.Errorf("rows of %s: %w", tl.Target.Name, sluice.ErrStagedLost)
			}
			t.Refs = append(t.Refs, r)
		}
		p.Tables = append(p.Tables, t)
	}
	return p, nil
}

func (p *Plan) apply(ctx context.Context, tx Tx, h Hooks, i int) (sluice.Counts, error) {
	t := &p.Tables[i]
	c := t.Counts
	op := "merge into " + t.Target.Name.String()
	if h.Prepare != nil {
		if err := h.Prepare(ctx, tx, p, i); err != nil {
			return c, fmt.Errorf("%s: %w", op, err)
		}
	}
	watched := h.Discards != nil && t.Staged() && h.Discards(t.Name)
	for _, s := range p.Statements(i) {
		if !s.Deletes && (!watched || s.Adds == 0) {
			if err := run(ctx, tx, op, s.SQL); err != nil {
				return c, err
			}
			continue
		}
		n, err := tx.Exec(ctx, s.SQL)
		if err != nil {
			return c, fmt.Errorf("%s: %w", op, err)
		}
		if s.Deletes {
			c.Deleted += n
		} else if n < s.Adds {
			return c, Discarded(t.Name, s.Adds-n, s.Adds)
		}
	}
	if query := p.missing(i); watched && query != "" {
		var lost int64
		if err := tx.Query(ctx, query, nil, func(scan func(...any) error) error { return scan(&lost) }); err != nil {
			return c, fmt.Errorf("%s: look for its rows: %w", op, err)
		}
		if lost > 0 {
			return c, Discarded(t.Name, lost, t.staged())
		}
	}
	if h.Finish != nil {
		if err := h.Finish(ctx, tx, p, i); err != nil {
			return c, fmt.Errorf("%s: %w", op, err)
		}
	}
	for j, part := range t.Parts {
		c.Loaded += part.Rows
		c.Rejected += t.Refs[j].Excluded
	}
	return c, nil
}

// Discarded is the error that a table did not keep n of the rows that it was given,
// and no error came.
func Discarded(table sluice.TableName, n, of int64) error {
	return sluice.Errorf(sluice.Config, "rows_discarded", "merge into "+table.String(),
		"drop or disable the trigger or rule of the table that leaves rows out, or change it to act on a view of the table or after the row is in; or load into another table",
		"table %s kept %d of %d rows and discarded the others without an error, as a trigger or rule of its own does", table, of-n, of)
}
