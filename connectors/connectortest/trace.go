package connectortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// batchLimit is the size past which a batch of several rows should have been cut.
const batchLimit = 8 * sluice.BatchBytes

// errKilled is what the Sink returns at the point that a test calls the end of
// the process.
var errKilled = errors.New("the test ends this read here")

// trace is a Sink that checks what it gets and keeps it the way that the engine
// does: rows count once a checkpoint covers them.
type trace struct {
	r       Reporter
	o       Options
	c       testCase
	failAt  int           // the call that fails with errKilled; 0: none
	entered chan struct{} // closed at the first call, if not nil
	release chan struct{} // if not nil, calls wait for it to be closed, or for their context
	once    sync.Once     // for entered

	mu        sync.Mutex
	calls     int
	active    map[sluice.Lane]bool
	state     sluice.State
	passed    map[sluice.Lane]map[uint64]bool // hashes of the cursors before the last one
	rows      map[sluice.TableName][]row      // committed, in order
	pending   map[sluice.Lane][]row           // not covered by a checkpoint yet
	inserted  map[sluice.TableName]map[string]bool
	shapes    map[sluice.TableName]*sluice.Table // of streams read in parts
	afterLast bool                               // something came after the last checkpoint of the whole
	turns     []sluice.TableName                 // the streams of a bundle that have come, the present one last
	faults    map[string]bool
}

// row is one row as text.
type row struct {
	table sluice.TableName
	key   string // empty: none
	text  string
	op    sluice.Op
}

func newTrace(r Reporter, o Options, c testCase) *trace {
	return &trace{r: r, o: o, c: c, active: map[sluice.Lane]bool{}, state: sluice.State{},
		rows: map[sluice.TableName][]row{}, pending: map[sluice.Lane][]row{},
		inserted: map[sluice.TableName]map[string]bool{}, shapes: map[sluice.TableName]*sluice.Table{}, faults: map[string]bool{},
		passed: map[sluice.Lane]map[uint64]bool{}}
}

// resumed returns a trace that goes on where t was killed.
func (t *trace) resumed() *trace {
	n := newTrace(t.r, t.o, t.c)
	n.state, n.rows = maps.Clone(t.state), t.rows
	return n
}

// fault reports each kind of fault once.
func (t *trace) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !t.faults[text] && len(t.faults) < 20 {
		t.r.Errorf("%s", text)
	}
	t.faults[text] = true
}

// enter starts a call on a lane, and checks that no other is running there.
func (t *trace) enter(ctx context.Context, lane sluice.Lane) error {
	if t.entered != nil {
		t.once.Do(func() { close(t.entered) })
	}
	if t.release != nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.release:
			return errKilled
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls++
	if t.failAt > 0 && t.calls >= t.failAt {
		return errKilled
	}
	if t.active[lane] {
		t.fault("two calls to the Sink run at once on lane %v", lane)
	}
	t.active[lane] = true
	if len(t.active) > t.o.MaxParts+len(t.c.selections) {
		t.fault("%d lanes send at once: MaxParts is %d", len(t.active), t.o.MaxParts)
	}
	return nil
}

func (t *trace) selection(name sluice.TableName) *sluice.Selection {
	for i := range t.c.selections {
		if t.c.selections[i].Stream.Name == name {
			return &t.c.selections[i]
		}
	}
	return nil
}

// Send implements sluice.Sink.
func (t *trace) Send(ctx context.Context, b sluice.Batch) error {
	if b.Table == nil || b.Rows == nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.fault("a batch has no table or no rows")
		return errors.New("unusable batch")
	}
	lane := sluice.Lane{Stream: b.Table.Name, Part: b.Part}
	if err := t.enter(ctx, lane); err != nil {
		return err
	}
	defer t.leave(lane)
	faults := batchFaults(b)
	var rows []row
	if len(faults) == 0 {
		rows = t.texts(b)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range faults {
		t.fault("batch of %s: %s", b.Table.Name, f)
	}
	if t.selection(b.Table.Name) == nil {
		t.fault("batch of %s: the stream was not selected", b.Table.Name)
	}
	if b.Part > 0 {
		if shape := t.shapes[b.Table.Name]; shape != nil && !slices.Equal(shape.Columns, b.Table.Columns) {
			t.fault("batch of %s: parts of a stream must share one shape", b.Table.Name)
		}
		t.shapes[b.Table.Name] = b.Table
	}
	t.inTurn(lane)
	t.promises(rows)
	t.pending[lane] = append(t.pending[lane], rows...)
	t.afterLast = true
	return nil
}

func (t *trace) leave(lane sluice.Lane) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.active, lane)
}

// inTurn checks that the streams of a bundle come one after another, without parts.
func (t *trace) inTurn(lane sluice.Lane) {
	if !t.c.bundle() {
		return
	}
	at := slices.Index(t.turns, lane.Stream)
	switch {
	case lane.Part != 0:
		t.fault("%s has a part %d: a bundle is read without parts", lane.Stream, lane.Part)
	case at < 0 && t.afterLast, at >= 0 && at < len(t.turns)-1:
		t.fault("%s comes before the last checkpoint on %s: the streams of a bundle are read one after another", lane.Stream, t.turns[len(t.turns)-1])
	}
	if at < 0 {
		t.turns = append(t.turns, lane.Stream)
	}
}

// promises checks Insert: no other row of the read has the key.
func (t *trace) promises(rows []row) {
	for _, r := range rows {
		if r.key == "" {
			if r.op != sluice.Insert {
				t.fault("rows of %s have no key, so each must be an Insert", r.table)
			}
			continue
		}
		seen := t.inserted[r.table]
		if seen == nil {
			seen = map[string]bool{}
			t.inserted[r.table] = seen
		}
		if wasInsert, ok := seen[r.key]; ok && (wasInsert || r.op == sluice.Insert) {
			t.fault("%s: key %s comes again in one read, and one of the rows is an Insert", r.table, r.key)
		}
		seen[r.key] = r.op == sluice.Insert
	}
}

// Reject implements sluice.Sink.
func (t *trace) Reject(ctx context.Context, x sluice.Rejected) error {
	lane := sluice.Lane{Stream: x.Stream, Part: x.Part}
	if err := t.enter(ctx, lane); err != nil {
		return err
	}
	defer t.leave(lane)
	t.mu.Lock()
	defer t.mu.Unlock()
	if x.Reason == "" || len(x.Value) > sluice.MaxRejectedValue || t.selection(x.Stream) == nil {
		t.fault("a rejected value of %q: it needs a selected stream, a reason, and at most %d bytes", x.Stream, sluice.MaxRejectedValue)
	}
	t.inTurn(lane)
	t.afterLast = true
	return nil
}

// Checkpoint implements sluice.Sink.
func (t *trace) Checkpoint(ctx context.Context, lane sluice.Lane, c sluice.Cursor) error {
	if err := t.enter(ctx, lane); err != nil {
		return err
	}
	defer t.leave(lane)
	t.mu.Lock()
	defer t.mu.Unlock()
	if !json.Valid(c) {
		t.fault("checkpoint on %v: the cursor is not JSON: %q", lane, c)
	}
	shared := lane == sluice.SharedLane
	if shared && t.c.mode() != sluice.CDC || !shared && t.selection(lane.Stream) == nil || lane.Part < 0 {
		t.fault("checkpoint on lane %v, which this read does not have", lane)
	}
	t.inTurn(lane)
	for other := range t.pending {
		if other == lane || shared || lane.Part == 0 && other.Stream == lane.Stream {
			t.commit(other)
		}
	}
	if len(c) > sluice.MaxCursor {
		t.fault("checkpoint on %v: the cursor has %d bytes; it may have %d", lane, len(c), sluice.MaxCursor)
	}
	t.forward(lane, c)
	if lane.Part == 0 {
		maps.DeleteFunc(t.state, func(l sluice.Lane, _ sluice.Cursor) bool { return l.Part > 0 && l.Stream == lane.Stream })
		t.afterLast = false
	}
	t.state[lane] = slices.Clone(c)
	return nil
}

// forward checks that a cursor is not one that the lane is past.
func (t *trace) forward(lane sluice.Lane, c sluice.Cursor) {
	last := t.state[lane]
	if string(last) == string(c) {
		return
	}
	before := t.passed[lane]
	if before == nil {
		before = map[uint64]bool{}
		t.passed[lane] = before
	}
	if before[xxh3.Hash(c)] {
		t.fault("checkpoint on %v: the cursor goes back to one before: it must cover all that was sent before it", lane)
	}
	if last != nil {
		before[xxh3.Hash(last)] = true
	}
}

func (t *trace) commit(lane sluice.Lane) {
	for _, r := range t.pending[lane] {
		t.rows[r.table] = append(t.rows[r.table], r)
	}
	delete(t.pending, lane)
}

// batchFaults lists what is wrong with a batch.
func batchFaults(b sluice.Batch) (faults []string) {
	rows := b.Rows.NumRows()
	if b.Ops != nil && int64(len(b.Ops)) != rows {
		return []string{fmt.Sprintf("%d ops for %d rows", len(b.Ops), rows)}
	}
	if b.Part < 0 {
		faults = append(faults, fmt.Sprintf("part %d", b.Part))
	}
	seen := map[string]bool{}
	for i, f := range b.Rows.Schema().Fields() {
		c := b.Table.Column(f.Name)
		switch {
		case seen[f.Name]:
			faults = append(faults, fmt.Sprintf("column %q comes twice", f.Name))
		case c == nil:
			faults = append(faults, fmt.Sprintf("column %q is not in the table", f.Name))
		case !arrow.TypeEqual(c.Type.Arrow(), f.Type):
			faults = append(faults, fmt.Sprintf("column %q is %s, want %s for %s", f.Name, f.Type, c.Type.Arrow(), c.Type))
		case !validText(b.Rows.Column(i)):
			faults = append(faults, fmt.Sprintf("column %q has text that is not UTF-8: convert it, or declare the column binary", f.Name))
		case !c.Nullable && b.Rows.Column(i).NullN() > 0 && nullIn(b, i):
			faults = append(faults, fmt.Sprintf("column %q has nulls, but is not nullable", f.Name))
		}
		seen[f.Name] = true
	}
	for _, k := range b.Table.Key {
		at := b.Rows.Schema().FieldIndices(k)
		if len(at) != 1 {
			faults = append(faults, fmt.Sprintf("key column %q is missing", k))
		} else if n := b.Rows.Column(at[0]).NullN(); n > 0 {
			faults = append(faults, fmt.Sprintf("key column %q has %d nulls", k, n))
		}
	}
	for i := range int(rows) {
		if op := b.OpAt(i); op > sluice.Delete {
			faults = append(faults, fmt.Sprintf("row %d has op %d", i, op))
			break
		}
	}
	if size := bytesOf(b.Rows); rows > 1 && size > batchLimit {
		faults = append(faults, fmt.Sprintf("%d rows of %d bytes: cut batches at about %d bytes", rows, size, sluice.BatchBytes))
	}
	return faults
}

// validText reports whether all texts of a column are UTF-8; other columns have none.
func validText(a arrow.Array) bool {
	texts, ok := a.(*array.String)
	for n := 0; ok && n < texts.Len(); n++ {
		if texts.IsValid(n) && !utf8.ValidString(texts.Value(n)) {
			return false
		}
	}
	return true
}

// nullIn reports whether a row that is no Delete has a null in column i.
func nullIn(b sluice.Batch, i int) bool {
	for n := range int(b.Rows.NumRows()) {
		if b.OpAt(n) != sluice.Delete && b.Rows.Column(i).IsNull(n) {
			return true
		}
	}
	return false
}

// bytesOf returns the bytes of the values of rows.
func bytesOf(rows arrow.RecordBatch) (n int64) {
	for _, c := range rows.Columns() {
		switch c := c.(type) {
		case *array.String:
			n += int64(len(c.ValueBytes()))
		case *array.Binary:
			n += int64(len(c.ValueBytes()))
		default:
			if f, ok := c.DataType().(arrow.FixedWidthDataType); ok {
				n += int64(c.Len()) * int64(f.BitWidth()) / 8
			}
		}
	}
	return n
}

// texts returns the rows of a batch as text: absent columns are nulls, and
// volatile ones are left out.
func (t *trace) texts(b sluice.Batch) []row {
	key := b.Table.Key
	if sel := t.selection(b.Table.Name); sel != nil && len(key) == 0 {
		key = sel.Stream.Key
	}
	type column struct {
		name string
		data arrow.Array
		key  bool
	}
	var columns []column
	for i, f := range b.Rows.Schema().Fields() {
		if !slices.Contains(t.o.Volatile, f.Name) {
			columns = append(columns, column{f.Name, b.Rows.Column(i), slices.Contains(key, f.Name)})
		}
	}
	sort.Slice(columns, func(i, j int) bool { return columns[i].name < columns[j].name })
	rows := make([]row, b.Rows.NumRows())
	for n := range rows {
		var all, keys strings.Builder
		for _, c := range columns {
			if c.data.IsNull(n) {
				continue
			}
			fmt.Fprintf(&all, "%s=%q ", c.name, c.data.ValueStr(n))
			if c.key {
				fmt.Fprintf(&keys, "%s=%q ", c.name, c.data.ValueStr(n))
			}
		}
		rows[n] = row{b.Table.Name, keys.String(), all.String(), b.OpAt(n)}
	}
	return rows
}

// result is the rows of a table after all that happened: by key where it has
// one, else each distinct row with how often it came.
func result(rows []row) (byKey map[string]string, counts map[string]int) {
	byKey, counts = map[string]string{}, map[string]int{}
	for _, r := range rows {
		switch {
		case r.key == "":
			counts[r.text]++
		case r.op == sluice.Delete:
			delete(byKey, r.key)
		default:
			byKey[r.key] = r.text
		}
	}
	return byKey, counts
}
