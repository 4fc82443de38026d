package files

import (
	"context"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/sluicehq/sluice"
)

// A Place is where a reader carries on in a file.
type Place struct {
	Offset int64 `json:"offset,omitempty"` // bytes of the decompressed, decoded file
	Line   int64 `json:"line,omitempty"`   // of a text file, at Offset, from 1
	Row    int64 `json:"row,omitempty"`    // rows before, in the row group in Parquet
	Group  int   `json:"group,omitempty"`  // row group of a Parquet file
}

// CSV reads one CSV file, decoded to UTF-8, into batches.
type CSV struct {
	name    string // for messages and FileColumn
	dialect Dialect
	shape   *Shape
	to      sluice.Sink
	scan    *scanner
	names   []string
	columns []*column // one per field of the file; nil where it is not wanted
	file    *column
	line    *column
	nulls   nullTexts
	comma   bool
	check   bool
	scratch []byte

	rows    int // in the batch
	room    int
	rowSize int  // bytes of the fixed part of a row
	slow    int  // rows up to which records are added one by one
	pending bool // the scanner's record is still to be added
	dirty   bool // the scanner's block has bytes that are not UTF-8
}

// NewCSV starts to read. The dialect is complete; the shape knows the columns
// of the file already where it was read before (exact), and else learns them
// from the header. Records that are no rows are rejected to the sink.
func NewCSV(name string, r io.Reader, d Dialect, shape *Shape, exact bool, to sluice.Sink) (*CSV, error) {
	c := &CSV{name: name, dialect: d, shape: shape, to: to, scan: newScanner(r, d), nulls: newNullTexts(d.Nulls), comma: d.DecimalComma, check: !exact}
	names, err := readHeader(c.scan, d, name)
	if err == nil {
		err = shape.free(name, names...)
	}
	c.names = names
	return c, err
}

// readHeader moves past the lines to skip and the header, and returns the
// names of the columns; none where the file has no records.
func readHeader(s *scanner, d Dialect, file string) ([]string, error) {
	for i := 0; i < d.SkipLines; {
		if s.start == s.end {
			if s.readErr != nil {
				return nil, eofIsNil(s.readErr)
			}
			s.fill()
			continue
		}
		if s.skipLine() {
			i++
		} else {
			s.fill()
		}
	}
	if d.Header == "no" {
		return nil, nil
	}
	ok, err := s.record()
	if !ok {
		return nil, err
	}
	if s.fault != "" {
		return nil, sluice.Errorf(sluice.Data, "file_csv_header", fmt.Sprintf("read %s:%d", file, s.recordLine),
			"set quote and delimiter to what the file uses, or quote: none", "the header cannot be read: %s", s.fault)
	}
	var header []string
	for _, f := range s.fields {
		t, _ := s.value(f, nil)
		header = append(header, validText(t))
	}
	if d.Trailing && len(header) > 1 && header[len(header)-1] == "" {
		header = header[:len(header)-1]
	}
	return columnNames(header, len(header)), nil
}

func validText(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return string([]rune(string(b)))
}

// A skipper can pass bytes of what it reads.
type skipper interface{ Skip(n int64) error }

// Resume moves to a place that Place returned in an earlier read of the same
// file. It must be called before Next.
func (c *CSV) Resume(at Place) error {
	s := c.scan
	if at.Offset < s.offset() || at.Line < 1 {
		return nil // a place before the first record: all is read
	}
	if n := at.Offset - s.base; n <= int64(s.end) {
		s.start = int(n)
		for s.next < s.places && int(s.index[s.next]) < s.start {
			s.next++
		}
		s.line = at.Line
		return nil
	}
	n := at.Offset - s.base - int64(s.end)
	var err error
	if skip, ok := s.r.(skipper); ok {
		err = skip.Skip(n)
	} else {
		_, err = io.CopyN(io.Discard, s.r, n)
	}
	s.base, s.start, s.end, s.places, s.next, s.line = at.Offset, 0, 0, 0, 0, at.Line
	return eofIsNil(err)
}

// Place is where reading goes on after the rows sent so far.
func (c *CSV) Place() Place {
	if c.pending {
		return Place{Offset: c.scan.base + int64(c.scan.recordFrom), Line: c.scan.recordLine}
	}
	return Place{Offset: c.scan.offset(), Line: c.scan.line}
}

// Close gives the buffers back.
func (c *CSV) Close() {
	for _, col := range c.all() {
		col.drop()
	}
}

func (c *CSV) all() []*column {
	var all []*column
	for _, col := range append([]*column{c.file, c.line}, c.columns...) {
		if col != nil {
			all = append(all, col)
		}
	}
	return all
}

// Next returns the next batch, which the caller releases, or io.EOF.
func (c *CSV) Next(ctx context.Context) (sluice.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return sluice.Batch{}, err
		}
		more, err := c.fill(ctx)
		if err != nil {
			return sluice.Batch{}, err
		}
		if c.rows > 0 {
			return c.take(), nil
		}
		if !more {
			return sluice.Batch{}, io.EOF
		}
	}
}

// fill adds records until the batch is full, or a column must widen, which ends
// the batch. It reports false at the end of the file.
func (c *CSV) fill(ctx context.Context) (more bool, err error) {
	for c.room == 0 || c.rows < c.room {
		if c.appendBlock() > 0 {
			if c.rows%blockRows == 0 && c.size() >= sluice.BatchBytes {
				return true, nil
			}
			continue
		}
		if !c.pending {
			ok, err := c.scan.record()
			if !ok {
				return false, err
			}
			if c.scan.dirty != c.dirty {
				c.setDirty(c.scan.dirty)
			}
		}
		c.pending = false
		if c.columns == nil {
			c.start()
		}
		if reason := c.misshapen(); reason != "" {
			if err := c.rejectRow(ctx, reason); err != nil {
				return false, err
			}
			continue
		}
		if i := c.appendRecord(); i >= 0 {
			if widen := c.widens(i); widen != nil {
				c.pending = true
				if c.rows > 0 {
					return true, nil // this batch has the narrow type
				}
				widen()
				continue
			}
			if err := c.rejectValues(ctx); err != nil {
				return false, err
			}
		}
		c.rows++
		if c.rows%blockRows == 0 && c.size() >= sluice.BatchBytes || c.scan.recordEnd-c.scan.recordFrom > sluice.BatchBytes/16 && c.size() >= sluice.BatchBytes {
			return true, nil
		}
	}
	return true, nil
}

// misshapen says why the record cannot be a row.
func (c *CSV) misshapen() string {
	if c.scan.fault != "" {
		return string(c.scan.fault)
	}
	n, want := len(c.scan.fields), len(c.names)
	if n == want {
		return ""
	}
	if c.dialect.fits(n, want) {
		if n < want {
			c.pad(want)
			return ""
		}
		if c.scan.fields[want].start == c.scan.fields[want].end {
			return ""
		}
	}
	return fmt.Sprintf("it has %d fields, where %d are expected", n, want)
}

// pad gives the record empty fields at its end.
func (c *CSV) pad(want int) {
	for len(c.scan.fields) < want {
		c.scan.fields = append(c.scan.fields, field{})
	}
}

func (c *CSV) rejectRow(ctx context.Context, reason string) error {
	if c.scan.fault == faultTooLong {
		return sluice.Errorf(sluice.Data, "file_record_too_long", c.at(), "set delimiter, quote and encoding to what the file uses", "%s", reason)
	}
	return c.to.Reject(ctx, sluice.Rejected{Stream: c.shape.Name, Key: c.at(), Value: clip(c.scan.text()), Reason: reason, Row: true})
}

// at names the place of the record: the file and its line.
func (c *CSV) at() string { return fmt.Sprintf("%s:%d", c.name, c.scan.recordLine) }

func clip(b []byte) string {
	b = b[:min(len(b), sluice.MaxRejectedValue)]
	if utf8.Valid(b) {
		return string(b)
	}
	return fmt.Sprintf("%q", b[:min(len(b), sluice.MaxRejectedValue/4)])
}

// start makes the columns, once the first record tells their number.
func (c *CSV) start() {
	if c.names == nil {
		c.names = headless(c.scan, c.dialect)
	}
	for _, name := range c.names {
		if _, ok := c.shape.byName[name]; !ok {
			c.shape.set(name, sluice.T(sluice.String), "", false)
		}
	}
	c.columns = make([]*column, len(c.names))
	for i, name := range c.names {
		if c.shape.wants(name) {
			c.columns[i] = &column{comma: c.comma, check: c.check, suspect: c.dirty}
		}
	}
	if c.shape.Metadata {
		c.file, c.line = &column{typ: sluice.T(sluice.String)}, &column{typ: sluice.T(sluice.Int64)}
	}
	c.begin()
}

// begin readies the columns for a batch of the shape as it is now.
func (c *CSV) begin() {
	c.rows, c.rowSize, c.slow = 0, 0, 0
	for i, col := range c.columns {
		if col == nil {
			continue
		}
		s := c.shape.column(c.names[i])
		col.typ, col.strict, col.token, col.hasToken = s.typ, s.strict, s.token, s.hasToken
	}
	for _, col := range c.all() {
		if col.arrow == nil || col.typ.Arrow().ID() != col.arrow.ID() || col.typ.Kind == sluice.Decimal {
			col.arrow = col.typ.Arrow()
		}
		c.rowSize += fixedWidth(col.typ.Kind)
	}
	c.room = min(max(sluice.BatchBytes/max(c.rowSize, 1), 64), 32<<10)
	for _, col := range c.all() {
		col.reset(c.room)
	}
}

// size is about how many bytes the batch has.
func (c *CSV) size() int {
	n := c.rows * c.rowSize
	for _, col := range c.columns {
		if col != nil {
			n += col.bytes()
		}
	}
	return n
}

// appendRecord adds the record to the columns, and returns the first column
// that it does not fit, or -1.
func (c *CSV) appendRecord() int {
	for i, col := range c.columns {
		if col != nil && !c.appendField(col, c.scan.fields[i]) {
			return i
		}
	}
	c.appendPlace(c.scan.recordLine)
	return -1
}

// appendField adds a field to its column; false: it does not fit.
func (c *CSV) appendField(col *column, f field) bool {
	b := c.scan.buf[f.start:f.end]
	if f.flags != 0 {
		b, c.scratch = c.scan.value(f, c.scratch[:0])
	} else if c.nulls.has(b) {
		col.null()
		return true
	}
	return col.append(b, f.flags != 0)
}

func (c *CSV) appendPlace(line int64) {
	if c.file != nil {
		c.file.appendText([]byte(c.name))
		c.line.i64[c.line.n] = line
		c.line.n++
	}
}

// widens returns what widens the first column, from i on, that its value in the
// record needs wider, or nil where widening does not help. The columns are cut
// back to the rows before.
func (c *CSV) widens(i int) func() {
	for _, col := range c.columns {
		if col != nil {
			col.truncate(c.rows)
		}
	}
	for ; i < len(c.columns); i++ {
		col := c.columns[i]
		if col == nil || col.strict || col.typ.Kind == sluice.String {
			continue
		}
		f, b := c.scan.fields[i], c.valueOf(i)
		if !utf8.Valid(b) || f.flags == 0 && c.nulls.has(b) {
			continue
		}
		fits := col.append(b, f.flags != 0)
		col.truncate(c.rows)
		if !fits {
			return c.widening(c.names[i], col.typ, typeOf(b, c.comma))
		}
	}
	return nil
}

func (c *CSV) widening(name string, have, need sluice.Type) func() {
	wide := sluice.Join(have, need)
	if wide == have {
		wide = sluice.T(sluice.String)
	}
	return func() {
		c.shape.Set(name, wide)
		for _, col := range c.all() {
			col.drop()
		}
		c.begin()
	}
}

func (c *CSV) valueOf(i int) []byte {
	var b []byte
	b, c.scratch = c.scan.value(c.scan.fields[i], c.scratch[:0])
	return b
}

// rejectValues adds a record of which some values cannot be loaded: they become
// null and are rejected one by one.
func (c *CSV) rejectValues(ctx context.Context) error {
	for i, col := range c.columns {
		if col == nil {
			continue
		}
		f := c.scan.fields[i]
		b := c.valueOf(i)
		if f.flags == 0 && c.nulls.has(b) {
			col.null()
			continue
		}
		if col.append(b, f.flags != 0) {
			continue
		}
		col.null()
		reason := "it is not a " + col.typ.String()
		if !utf8.Valid(b) {
			reason = "it is not valid " + c.dialect.Encoding
		}
		err := c.to.Reject(ctx, sluice.Rejected{Stream: c.shape.Name, Key: c.at(), Column: c.names[i], Value: clip(b), Reason: reason})
		if err != nil {
			return err
		}
	}
	c.appendPlace(c.scan.recordLine)
	return nil
}

func (c *CSV) setDirty(dirty bool) {
	c.dirty = dirty
	for _, col := range c.columns {
		if col != nil {
			col.suspect = dirty
		}
	}
}

// take makes a batch of the rows and readies the columns for the next one.
func (c *CSV) take() sluice.Batch {
	table := c.shape.Table()
	byName := map[string]*column{FileColumn: c.file, LineColumn: c.line}
	if !c.shape.Metadata {
		clear(byName)
	}
	for i, col := range c.columns {
		if col != nil {
			byName[c.names[i]] = col
		}
	}
	var fields []arrow.Field
	var arrays []arrow.Array
	for _, tc := range table.Columns {
		if col := byName[tc.Name]; col != nil {
			fields = append(fields, arrow.Field{Name: tc.Name, Type: col.arrow, Nullable: true})
			arrays = append(arrays, col.finish())
		}
	}
	rows := array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(c.rows))
	for _, a := range arrays {
		a.Release()
	}
	c.begin()
	return sluice.Batch{Table: table, Rows: rows, Op: c.shape.Op()}
}
