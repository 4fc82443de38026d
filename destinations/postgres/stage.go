package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// A directTx is a load's transaction that brings rows straight into their tables. It
// holds those of small tables for Merge, which then does all at once. Where a table
// has more, it is open in a session, with that table's rows in there already.
type directTx struct {
	targets map[sluice.Target]bool // whose rows it may have; guarded by the destination's mu
	mu      sync.Mutex             // held while the connection is in use
	conn    *pgxpool.Conn          // nil: not open yet
	target  sluice.Target          // that it was opened for
	held    []*heldRows            // of tables that are promised, in the order in which they came
	begin   []string               // statements that its first COPY still has to begin with
	failed  error                  // the transaction is of no more use
	life    context.Context        // ends when the transaction is discarded
	cutOff  context.CancelFunc
}

// maxHeld is how many bytes of rows a load holds at most.
const maxHeld = 1 << 20

// heldRows are all rows of a segment, as a binary COPY.
type heldRows struct {
	target  sluice.Target
	columns []string
	rows    []byte
	shape   *sluice.Table // its types are those of the rows
}

// until returns ctx, ended as well by the end of life.
func until(ctx, life context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(life, cancel)
	return ctx, func() { stop(); cancel() }
}

// open reports whether the rows are in a session's transaction.
func (t *directTx) open() bool { return t != nil && t.conn != nil }

// touches reports whether the transaction may have rows of the target. It does not
// wait for a COPY under way.
func (d *destination) touches(t *directTx, target sluice.Target) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return t.targets[target]
}

// holding returns which of the held rows are the target's, -1 for none. t is locked.
func (t *directTx) holding(target sluice.Target) int {
	return slices.IndexFunc(t.held, func(h *heldRows) bool { return h.target == target })
}

// room reports whether one more buffer may be held. t is locked.
func (t *directTx) room() bool {
	n := 0
	for _, h := range t.held {
		n += len(h.rows)
	}
	return n+maxWhole <= maxHeld
}

// discard rolls back. A COPY under way is cut off first; its Stage rolls back.
func (t *directTx) discard() {
	t.cutOff()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(sluice.ErrStagedLost)
}

// end rolls back what is not committed, and gives up what is held. Later uses
// fail with err. t is locked.
func (t *directTx) end(err error) {
	if t.failed == nil && t.conn != nil {
		rollback(t.conn.Conn())
		t.conn.Release()
	}
	t.failed, t.held = err, nil
}

func (d *destination) directOf(load sluice.LoadID) *directTx {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.direct[load]
}

// discardOlder ends the direct transactions of the connection's earlier runs,
// except those of pending loads, whose sessions it returns.
func (d *destination) discardOlder(ctx context.Context, r sluice.Run) (kept []uint32) {
	for _, load := range d.directLoads() {
		if c, _ := d.epochOf(load); c != r.Connection {
			continue
		}
		d.mu.Lock()
		t := d.direct[load]
		pending := slices.Contains(r.Pending, load)
		if !pending {
			delete(d.direct, load)
		}
		d.mu.Unlock()
		switch {
		case t == nil:
		case !pending:
			t.discard()
		default:
			if pid := t.session(ctx); pid != 0 {
				kept = append(kept, pid)
			}
		}
	}
	return kept
}

// session returns the server's number of the session, or 0 where it is not
// between two uses, or gone.
func (t *directTx) session(ctx context.Context) uint32 {
	if !t.mu.TryLock() {
		return 0
	}
	defer t.mu.Unlock()
	if t.conn == nil || t.failed != nil {
		return 0
	}
	pid, err := sessionOf(ctx, t.conn.Conn())
	if err != nil {
		return 0
	}
	return pid
}

func (d *destination) directLoads() (loads []sluice.LoadID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for l := range d.direct {
		loads = append(loads, l)
	}
	return loads
}

// Stage implements sluice.Destination.
func (d *destination) Stage(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	op := "stage " + s.Target.Name.String()
	ctx, cancel := until(ctx, d.life)
	defer cancel()
	if s.Inserts {
		t, jsonType, err := d.directFor(ctx, s)
		if err != nil {
			return sluice.Staged{}, classify(err, op)
		}
		if t != nil {
			staged, err := d.stageDirect(ctx, t, s, jsonType)
			return staged, classify(err, op)
		}
	}
	staged, err := d.stageTable(ctx, s)
	return staged, classify(err, op)
}

// directFor returns the load's direct transaction, locked, or nil where the rows
// must be staged: by key into a table with rows of earlier reads, or where a session
// has rows of another table of the load. It can have those of one only: a COPY into
// a second would block an Alter of the first, which joins it, while the engine fills
// both.
func (d *destination) directFor(ctx context.Context, s sluice.Segment) (*directTx, string, error) {
	if s.Mode == sluice.History && (s.Table.Column(sluice.SyncedAtColumn) == nil || s.Table.Parent != nil) {
		return nil, "", nil
	}
	d.mu.Lock()
	t := d.direct[s.Load]
	fresh := t == nil
	if fresh {
		t = &directTx{targets: map[sluice.Target]bool{}}
		t.life, t.cutOff = context.WithCancel(d.life)
		t.mu.Lock()
		d.direct[s.Load] = t
	}
	d.mu.Unlock()
	if !fresh {
		if !t.mu.TryLock() {
			return nil, "", nil
		}
		if t.failed != nil || t.conn == nil && t.held == nil || t.conn != nil && t.target != s.Target {
			t.mu.Unlock()
			return nil, "", nil //nolint:nilerr // who broke the transaction has said why; this segment goes another way
		}
	}
	jsonType, ok, err := d.mayGoStraight(ctx, t, s)
	if err == nil && ok {
		d.mu.Lock()
		t.targets[s.Target] = true
		d.mu.Unlock()
		return t, jsonType, nil
	}
	if fresh {
		d.forgetDirect(s.Load, t)
	}
	t.mu.Unlock()
	return nil, "", err
}

func (d *destination) forgetDirect(load sluice.LoadID, t *directTx) {
	t.cutOff()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.direct[load] == t {
		delete(d.direct, load)
	}
}

// mayGoStraight reports whether the segment's rows may go straight into the table,
// and the type of its JSON columns. It asks only what is not known, in t's session
// where there is one, which alone sees what the load has changed. t is locked.
func (d *destination) mayGoStraight(ctx context.Context, t *directTx, s sluice.Segment) (jsonType string, ok bool, err error) {
	keyed := s.Mode != sluice.Append && len(indexColumns(s.Table)) > 0
	d.mu.Lock()
	heap := d.heaps[d.heapKey(s.Target)]
	d.mu.Unlock()
	if keyed && heap == heapClosed {
		return "", false, nil
	}
	if d.isPromised(s.Target) || (!keyed || heap == heapOpen) && !hasJSON(s.Table) {
		return d.config.JSONType, true, nil
	}
	conn := t.conn
	if conn == nil {
		if conn, err = d.pool.Acquire(ctx); err != nil {
			return "", false, err
		}
		defer conn.Release()
	}
	tx := newTx(conn.Conn())
	if keyed {
		if heap, err = d.heapOf(ctx, tx, s.Target, s.Table, s.Mode); err != nil || heap != heapOpen {
			return "", false, err
		}
	}
	jsonType, err = d.jsonTypeOf(ctx, tx, s)
	return jsonType, err == nil && jsonType != "", err
}

func hasJSON(t *sluice.Table) bool {
	return slices.ContainsFunc(t.Columns, func(c sluice.Column) bool { return c.Type.Kind == sluice.JSON })
}

// jsonTypeOf returns the type of the table's JSON columns, which the binary form
// depends on; empty where they differ.
func (d *destination) jsonTypeOf(ctx context.Context, tx sqlTx, s sluice.Segment) (string, error) {
	if !hasJSON(s.Table) {
		return d.config.JSONType, nil
	}
	name := d.name(s.Target)
	var least, most string
	err := tx.one(ctx, `SELECT coalesce(min(format_type(atttypid, NULL)), 'json'), coalesce(max(format_type(atttypid, NULL)), 'json') FROM pg_attribute a
	WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND atttypid IN ('json'::regtype, 'jsonb'::regtype)`, []any{d.dialect.Table(name)}, &least, &most)
	if err != nil || least != most {
		return "", err
	}
	return least, nil
}

// stageDirect copies into the table itself, or holds the rows for Merge to copy
// where the table is promised only, and one buffer has them all. t is locked, and
// unlocked here.
func (d *destination) stageDirect(ctx context.Context, t *directTx, s sluice.Segment, jsonType string) (sluice.Staged, error) {
	defer t.mu.Unlock()
	ctx, cancel := until(ctx, t.life)
	defer cancel()
	e := newEncoder(ctx, s, jsonType, false)
	names := columnNames(s.Table)
	if s.Mode == sluice.History {
		e.start = slices.Index(names, sluice.SyncedAtColumn)
		names = append(names, sluice.StartColumn, sluice.EndColumn, sluice.ActiveColumn)
	}
	if err := d.fillDirect(ctx, t, s, e, names); err != nil {
		t.end(err)
		d.forgetDirect(s.Load, t)
		return sluice.Staged{}, err
	}
	ref := sqlload.Ref{Direct: string(s.Load), Rejects: e.rejects, Excluded: e.left}
	return sluice.Staged{Seq: s.Seq, Ref: ref.String(), Rows: e.written, Inserts: true, Rejected: int64(len(e.rejects))}, nil
}

func (d *destination) fillDirect(ctx context.Context, t *directTx, s sluice.Segment, e *encoder, names []string) error {
	if d.isPromised(s.Target) && t.conn == nil && t.holding(s.Target) < 0 && t.room() {
		rows, err := e.whole()
		if err != nil {
			return err
		}
		if rows != nil {
			t.held = append(t.held, &heldRows{s.Target, names, rows, s.Table})
			return nil
		}
	}
	if err := d.openDirect(ctx, s.Load, t, s.Target); err != nil {
		return err
	}
	statements := strings.Join(append(t.begin, copyStatement(d.dialect.Table(d.name(s.Target)), names)), ";")
	t.begin = nil
	if err := copyIn(ctx, t.conn.Conn(), e, statements); err != nil || e.copied >= e.written {
		return err
	}
	return d.discarded(ctx, newTx(t.conn.Conn()), d.name(s.Target), e.written-e.copied, e.written)
}

// discarded returns the error that a table did not take n of its rows, but where it
// hands them to the tables that inherit from it.
func (d *destination) discarded(ctx context.Context, tx sqlTx, table sluice.TableName, n, of int64) error {
	var handsOver bool
	err := tx.one(ctx, "SELECT relhassubclass FROM pg_class WHERE oid = to_regclass($1)", []any{d.dialect.Table(table)}, &handsOver)
	if err != nil || handsOver {
		return err
	}
	return sqlload.Discarded(table, n, of)
}

// openDirect gives the transaction a connection, where it has none, for rows of the
// target, whose table is made then, and puts those that it holds into it. t is
// locked.
func (d *destination) openDirect(ctx context.Context, load sluice.LoadID, t *directTx, target sluice.Target) (err error) {
	if t.conn == nil {
		if err := d.keep(ctx, target); err != nil {
			return err
		}
		if t.conn, err = d.pool.Acquire(ctx); err != nil {
			return err
		}
		t.target = target
		connection, epoch := d.epochOf(load)
		t.begin = d.begin(t.conn.Conn(), "SET LOCAL application_name = "+
			literal(fmt.Sprintf("%s %s%d", applicationName, sqlload.StagePrefix(connection), epoch)))
	}
	i := t.holding(target)
	if i < 0 {
		return nil
	}
	tx := newTx(t.conn.Conn(), t.begin...)
	if err := d.copyHeld(ctx, tx, t.held[i]); err != nil {
		return err
	}
	t.begin, t.held = nil, slices.Delete(t.held, i, i+1)
	return tx.flush(ctx)
}

// copyHeld puts off the COPY of rows into a table that was made after they were
// encoded. It locks it first, and looks whether its columns have been widened
// since: the rows have the form of the narrow ones.
func (d *destination) copyHeld(ctx context.Context, tx sqlTx, h *heldRows) error {
	name := d.name(h.target)
	table := d.dialect.Table(name)
	if err := tx.Defer(ctx, "lock the table "+name.String(), "LOCK TABLE "+table+" IN ROW EXCLUSIVE MODE"); err != nil {
		return err
	}
	have, err := describe(ctx, tx, name)
	if err != nil {
		return err
	}
	for _, c := range h.shape.Columns {
		if now := have.Column(c.Name); now == nil || now.Type != c.Type {
			return fmt.Errorf("the column %s of %s has changed: %w", c.Name, name, sluice.ErrStagedLost)
		}
	}
	tx.copyLater(h, table)
	return nil
}

// stageTable copies into a stage table, made in the same transaction so that a
// failure leaves nothing. It is unlogged: after a crash of the server it is
// empty, which Merge takes for lost.
func (d *destination) stageTable(ctx context.Context, s sluice.Segment) (sluice.Staged, error) {
	if err := d.ensureLedger(ctx); err != nil {
		return sluice.Staged{}, err
	}
	connection, epoch := d.epochOf(s.Load)
	name := sqlload.StageName(connection, epoch, s.Load, s.Seq)
	e := newEncoder(ctx, s, d.config.JSONType, true)
	names := append(columnNames(s.Table), sqlload.OpColumn, sqlload.SeqColumn)
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return sluice.Staged{}, err
	}
	defer conn.Release()
	statements := strings.Join(d.begin(conn.Conn(), quick, sqlload.StageTable(d.dialect, name, s.Table.Columns), copyStatement(d.dialect.Own(name), names), "COMMIT"), ";")
	if err := copyIn(ctx, conn.Conn(), e, statements); err != nil {
		rollback(conn.Conn())
		return sluice.Staged{}, err
	}
	d.mu.Lock()
	d.stages[name] = true
	d.mu.Unlock()
	ref := sqlload.Ref{Table: name, Columns: s.Table.Columns, Deletes: e.deletes, Rejects: e.rejects, Excluded: e.left, Empty: e.written == 0}
	return sluice.Staged{Seq: s.Seq, Ref: ref.String(), Rows: e.written, Inserts: s.Inserts, Rejected: int64(len(e.rejects))}, nil
}

func copyStatement(table string, columns []string) string {
	return "COPY " + table + " (" + quoteAll(columns) + ") FROM STDIN (FORMAT binary)"
}

func columnNames(t *sluice.Table) []string {
	names := make([]string, len(t.Columns), len(t.Columns)+3)
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}
