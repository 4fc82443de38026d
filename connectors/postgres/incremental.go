package postgres

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// maxSeen bounds the hashes of rows that a cursor remembers.
const maxSeen = 10_000

// hashes are 64-bit hashes of rows, in JSON as base64 of their bytes.
type hashes []uint64

// MarshalJSON writes the form that UnmarshalJSON reads.
func (h hashes) MarshalJSON() ([]byte, error) {
	raw := make([]byte, 0, 8*len(h))
	for _, v := range h {
		raw = binary.LittleEndian.AppendUint64(raw, v)
	}
	return json.Marshal(base64.StdEncoding.EncodeToString(raw))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *hashes) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(raw)%8 != 0 {
		return fmt.Errorf("hashes are damaged")
	}
	*h = nil
	for ; len(raw) > 0; raw = raw[8:] {
		*h = append(*h, binary.LittleEndian.Uint64(raw))
	}
	return nil
}

// checkCursor reports whether the selection's cursor column can be one, and is
// the one that the state speaks of, in a form that its values lead to: the text of
// a timestamptz, read as a timestamp, is another time.
func (r *reading) checkCursor(whole cursor) error {
	const hint = "choose a cursor column that only grows: a time, a date or an integer"
	c := r.column(r.sel.Cursor)
	switch {
	case r.sel.Cursor == "":
		return sluice.Errorf(sluice.Config, "postgres_cursor_column", r.what(), hint, "an incremental read needs a cursor column")
	case c == nil:
		return sluice.Errorf(sluice.Config, "postgres_cursor_column", r.what(), hint, "there is no selected column %q to be the cursor", r.sel.Cursor)
	case !c.canBeCursor():
		return sluice.Errorf(sluice.Config, "postgres_cursor_column", r.what(), hint, "column %q of type %s cannot be the cursor", c.name, c.typeName)
	case whole.Kind == cursorIncremental && whole.Column != r.sel.Cursor:
		return sluice.Errorf(sluice.Lost, "postgres_cursor_column", r.what(), "the stream is read again from the beginning", "the cursor column was %q and is now %q", whole.Column, r.sel.Cursor)
	}
	if _, ok := r.then(&whole, r.sel.Cursor); !ok && whole.Value != nil {
		return sluice.Errorf(sluice.Lost, "postgres_cursor_column", r.what(), "the stream is read again from the beginning",
			"the cursor column %q has changed its type to %s, in which the last value means another one", c.name, c.typeName)
	}
	return nil
}

// column returns the selected column of that name, or nil.
func (r *reading) column(name string) *column {
	if i := r.index(name); i >= 0 {
		return &r.cols[i]
	}
	return nil
}

func (r *reading) index(name string) int {
	return slices.IndexFunc(r.cols, func(c column) bool { return c.name == name })
}

// canBeCursor reports whether equal values have equal bytes on the wire, and
// text that leads back to them.
func (c *column) canBeCursor() bool {
	switch c.wire {
	case wireInt2, wireInt4, wireInt8, wireOID, wireDate, wireTimestamp, wireUUID:
		return true
	case wireDecimal:
		return c.typmod >= 4
	case wireText:
		return c.cast == "" && c.logical.Kind == sluice.String
	}
	return false
}

// finite is the condition, after others, that leaves out values past all others:
// once one was the last value, no row would ever be newer. They are read by the
// first read only, as null is.
func (c *column) finite() string {
	switch c.wire {
	case wireDate, wireTimestamp:
		return fmt.Sprintf(" AND %s < 'infinity'", quoteIdent(c.name))
	case wireDecimal:
		return fmt.Sprintf(" AND %s < 'NaN'", quoteIdent(c.name))
	}
	return ""
}

// firstRead reads all rows, and leaves the cursor at the largest value under the
// snapshot of the last read of them. Large heaps are read as a refresh is, which
// is faster than in order and resumes as exactly; anything else is read in the
// cursor's order, nulls first, so that it can resume at all.
func (r *reading) firstRead(ctx context.Context) error {
	heaps, err := r.pieces(ctx, r.conn, r.rel, r.from)
	if err != nil {
		return err
	}
	if len(heaps) == 0 {
		if _, err := r.resume(nil); err != nil {
			return err
		}
		return r.ordered(ctx, cursor{Kind: cursorIncremental, Column: r.sel.Cursor}, "", " NULLS FIRST")
	}
	if err := r.refresh(ctx); err != nil {
		return err
	}
	next := cursor{Kind: cursorIncremental, Column: r.sel.Cursor}
	if err := r.last(ctx, &next); err != nil {
		return err
	}
	return r.checkpoint(ctx, 0, next)
}

// last notes the largest value of the cursor column under this read's snapshot,
// if there is one, and the hashes of the rows that have it.
func (r *reading) last(ctx context.Context, c *cursor) error {
	at := r.index(c.Column)
	l := r.newLane(r.conn, 0)
	l.dec.before = func(fields []byte) action {
		c.setValue(&r.cols[at], field(fields, at))
		return skipRow
	}
	name := quoteIdent(c.Column)
	_, err := l.copy(ctx, r.copySQL(r.from, fmt.Sprintf(" WHERE %s IS NOT NULL%s ORDER BY %s DESC LIMIT 1", name, r.cols[at].finite(), name)))
	if err != nil || c.Value == nil {
		return err
	}
	l = r.newLane(r.conn, 0)
	l.dec.before = func(fields []byte) action {
		c.Seen = append(c.Seen, xxh3.Hash(fields))
		return skipRow
	}
	where := fmt.Sprintf(" WHERE %s = %s LIMIT %d", quoteIdent(c.Column), quoteLiteral(*c.Value), r.seenLimit+1)
	if _, err := l.copy(ctx, r.copySQL(r.from, where)); err != nil {
		return err
	}
	return r.bound(c)
}

// bound keeps a cursor small. With a key, rows beyond the bound are sent again,
// which changes nothing; without, they would be doubled.
func (r *reading) bound(c *cursor) error {
	c.Columns, c.Forms = r.names(), r.forms()
	if c.Value == nil || len(c.Seen) <= r.seenLimit {
		return nil
	}
	if len(r.table.Key) == 0 {
		return sluice.Errorf(sluice.Config, "postgres_cursor_ties", r.what(),
			"choose a primary_key, or a cursor column of which fewer rows share a value",
			"more than %d rows share the cursor value %s, and the stream has no key to tell them apart", r.seenLimit, *c.Value)
	}
	c.Seen = nil
	return nil
}

func (r *reading) names() []string {
	names := make([]string, len(r.cols))
	for i := range r.cols {
		names[i] = r.cols[i].name
	}
	return names
}

func (r *reading) forms() []form {
	forms := make([]form, len(r.cols))
	for i := range r.cols {
		forms[i] = r.cols[i].form()
	}
	return forms
}

// changes reads the rows at and past the last value.
func (r *reading) changes(ctx context.Context, from cursor) error {
	if len(r.table.Key) > 0 {
		r.op = sluice.Upsert
	}
	c := r.column(from.Column)
	name := quoteIdent(c.name)
	if from.Value == nil {
		return r.ordered(ctx, from, fmt.Sprintf(" WHERE %s IS NOT NULL%s", name, c.finite()), "")
	}
	bound := quoteLiteral(*from.Value)
	back := time.Duration(r.config.CursorLookback)
	if c.dated() && back > 0 && len(r.table.Key) > 0 {
		bound = fmt.Sprintf("CAST(CAST(%s AS pg_catalog.%s) - interval '%d microseconds' AS pg_catalog.%s)", bound, c.typeName, back.Microseconds(), c.typeName)
	}
	return r.ordered(ctx, from, fmt.Sprintf(" WHERE %s >= %s%s", name, bound, c.finite()), "")
}

func (c *column) dated() bool { return c.wire == wireDate || c.wire == wireTimestamp }

// ordered reads rows in the cursor's order, under one snapshot, with checkpoints
// where its value changes.
func (r *reading) ordered(ctx context.Context, from cursor, where, nulls string) error {
	o := &order{reading: r, lane: r.newLane(r.conn, 0), column: r.index(from.Column), at: from, next: from, sent: map[uint64]int{}}
	o.compare()
	o.lane.dec.before, o.lane.full = o.row, o.settle
	if _, err := o.lane.copy(ctx, r.copySQL(r.from, fmt.Sprintf("%s ORDER BY %s%s", where, quoteIdent(from.Column), nulls))); err != nil {
		return err
	}
	if err := r.bound(&o.next); err != nil {
		return err
	}
	return r.checkpoint(ctx, 0, o.next)
}

// order follows the rows of an ordered read.
type order struct {
	*reading
	lane    *lane
	column  int            // index of the cursor column
	at      cursor         // where the read began
	last    earlier        // the cursor column, where the read began
	sent    map[uint64]int // rows of at's value that were sent before, by hash
	hashed  []earlier      // the columns that these hashes are over, when they are not all or had other forms
	blind   bool           // these hashes cannot be made again: sent counts all as one
	unsure  error          // a row may or may not have been sent before
	next    cursor         // up to the value at hand
	reached bool           // next speaks of a row of this read
	bytes   int64          // since the last checkpoint
	due     bool           // a checkpoint is due as soon as the batch is sent
}

// earlier is a column as it was when a cursor was made.
type earlier struct {
	index int
	was   form
	same  bool // the form is today's, too
}

// then returns the column of that name as it was when the cursor was made, false
// where its values had another meaning, or it is there no longer.
func (r *reading) then(c *cursor, name string) (earlier, bool) {
	i := r.index(name)
	if i < 0 {
		return earlier{}, false
	}
	now := r.cols[i].form()
	was, ok := c.was(name)
	if !ok {
		was = now
	}
	return earlier{i, was, was == now}, was.leadsTo(now)
}

// value returns the bytes that a value of the column had then; false where there
// was no such value.
func (r *reading) value(e earlier, p []byte) ([]byte, bool) {
	if e.same || p == nil {
		return p, true
	}
	return r.cols[e.index].before(e.was, p)
}

// compare prepares to tell rows of at's value that were sent before from others.
func (o *order) compare() {
	o.last, _ = o.then(&o.at, o.at.Column)
	if !slices.Equal(o.at.Columns, o.names()) || len(o.at.Forms) > 0 && !slices.Equal(o.at.Forms, o.forms()) {
		for _, name := range o.at.Columns {
			e, ok := o.then(&o.at, name)
			o.blind = o.blind || !ok
			o.hashed = append(o.hashed, e)
		}
	}
	if o.blind && len(o.table.Key) > 0 {
		return // with a key, all are sent again, which changes nothing
	}
	for _, h := range o.at.Seen {
		if o.blind {
			h = 0
		}
		o.sent[h]++
	}
}

// row looks at a row before it is read.
func (o *order) row(fields []byte) action {
	value := field(fields, o.column)
	if value == nil || o.early(value) {
		o.bytes += int64(len(fields))
		return readRow
	}
	if !o.reached || !bytes.Equal(value, o.next.Raw) {
		if o.bytes >= o.sliceBytes && (len(o.next.Seen) <= o.seenLimit || len(o.table.Key) > 0) {
			o.due = true
			return breakRow
		}
		o.next.setValue(&o.cols[o.column], value)
		o.next.Seen, o.reached = nil, true
	}
	if len(o.next.Seen) <= o.seenLimit {
		o.next.Seen = append(o.next.Seen, xxh3.Hash(fields))
	}
	if o.isLast(value) {
		if h, ok := o.hash(fields); ok && o.sent[h] > 0 {
			o.sent[h]--
			return skipRow
		}
		if o.blind && len(o.table.Key) == 0 {
			o.unsure = sluice.Errorf(sluice.Lost, "postgres_cursor_column", o.what(), "the stream is read again from the beginning",
				"there are new rows with the last value %s, and columns were dropped or have changed their types: which rows are new cannot be told without a key", *o.at.Value)
			return breakRow
		}
	}
	o.bytes += int64(len(fields))
	return readRow
}

// isLast reports whether a value is that at which the read before ended.
func (o *order) isLast(value []byte) bool {
	value, ok := o.value(o.last, value)
	return ok && o.at.Value != nil && bytes.Equal(value, o.at.Raw)
}

// early reports whether a value lies before the last one of the read before: the
// look-back brings such rows, and the cursor does not go back to them.
func (o *order) early(value []byte) bool {
	if o.reached || len(o.at.Raw) != len(value) || !o.cols[o.column].dated() {
		return false
	}
	// Dates and times are signed and big-endian.
	flipped, at := bytes.Clone(value), bytes.Clone(o.at.Raw)
	flipped[0] ^= 0x80
	at[0] ^= 0x80
	return bytes.Compare(flipped, at) < 0
}

// hash is the hash that a row had over the columns that the earlier hashes are
// over, in the forms that they had; false where it was no such row.
func (o *order) hash(fields []byte) (uint64, bool) {
	if o.blind {
		return 0, true
	}
	if o.hashed == nil {
		return xxh3.Hash(fields), true
	}
	var part []byte
	for _, e := range o.hashed {
		value, ok := o.value(e, field(fields, e.index))
		if !ok {
			return 0, false
		}
		part = appendField(part, value)
	}
	return xxh3.Hash(part), true
}

// settle makes the checkpoint that is due, now that all rows before it are sent,
// or ends the read where it cannot go on.
func (o *order) settle(ctx context.Context) error {
	if o.unsure != nil {
		return o.unsure
	}
	if !o.due {
		return nil
	}
	o.due, o.bytes = false, 0
	next := o.next
	if err := o.bound(&next); err != nil {
		return err
	}
	return o.checkpoint(ctx, 0, next)
}

// setValue moves the cursor to a value of the wire, of a column that can be a
// cursor.
func (c *cursor) setValue(col *column, raw []byte) {
	if text, ok := col.fieldText(raw); ok {
		c.Value, c.Raw = &text, bytes.Clone(raw)
	}
}

// field returns field i of a row's fields, nil where it is null. The row must be
// complete.
func field(fields []byte, i int) []byte {
	for {
		n := int32(binary.BigEndian.Uint32(fields))
		fields = fields[4:]
		if i == 0 {
			if n < 0 {
				return nil
			}
			return fields[:n:n]
		}
		if n > 0 {
			fields = fields[n:]
		}
		i--
	}
}

// appendField appends a field as the wire has it.
func appendField(b, value []byte) []byte {
	if value == nil {
		return binary.BigEndian.AppendUint32(b, 0xffffffff)
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}
