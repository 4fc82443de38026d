package plugin

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/sluicehq/sluice"
)

// A stream of a Read or a Stage is a sequence of frames. The first byte of each
// says what it is; what follows is JSON, except for the kinds that say so.
const (
	frameRequest    = 'R' // host to plugin: what to read, or the segment to stage
	frameTable      = 'T' // a table, by number; replaces the one of that number
	frameSchema     = 'S' // which columns following batches of a table have
	frameBatch      = 'B' // binary: rows
	frameSlot       = 'M' // binary, to a host that shares memory: a frameBatch is in a slot of it
	frameLane       = 'L' // a queue of a Read, by number
	frameCheckpoint = 'C'
	frameReject     = 'J'
	frameAck        = 'A' // binary, host to plugin: the oldest frame of a queue is with the Sink
	frameStop       = 'X' // host to plugin: the Sink, or Next, failed
	frameEnd        = 'E' // the last one: a result or an error
)

const (
	// headerSize is that of a binary frame. Arrow data follows at a multiple of
	// eight bytes, as its alignment demands.
	headerSize = 32
	// maxMessage bounds one gRPC message, and so one row.
	maxMessage = 256 << 20
	// tableSlots is how many tables a stream remembers; past it the oldest are
	// described again.
	tableSlots = 4096
	// schemaSlots is how many column subsets of a table a stream remembers.
	schemaSlots = 8
)

var errFrame = errors.New("malformed frame")

// header is the fixed part of a binary frame.
type header struct {
	kind   byte
	op     sluice.Op
	hasOps bool
	schema uint16 // slot within the table
	table  uint32 // slot
	queue  uint32
	part   int32
	ops    uint32 // bytes of ops after the header
	meta   uint32 // bytes of Arrow metadata after the padded ops
}

func (h header) put(b []byte) {
	b[0], b[1] = h.kind, byte(h.op)
	if h.hasOps {
		b[2] = 1
	}
	binary.LittleEndian.PutUint16(b[4:], h.schema)
	binary.LittleEndian.PutUint32(b[8:], h.table)
	binary.LittleEndian.PutUint32(b[12:], h.queue)
	binary.LittleEndian.PutUint32(b[16:], uint32(h.part))
	binary.LittleEndian.PutUint32(b[20:], h.ops)
	binary.LittleEndian.PutUint32(b[24:], h.meta)
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: %d bytes", errFrame, len(b))
	}
	return header{kind: b[0], op: sluice.Op(b[1]), hasOps: b[2] == 1,
		schema: binary.LittleEndian.Uint16(b[4:]), table: binary.LittleEndian.Uint32(b[8:]),
		queue: binary.LittleEndian.Uint32(b[12:]), part: int32(binary.LittleEndian.Uint32(b[16:])),
		ops: binary.LittleEndian.Uint32(b[20:]), meta: binary.LittleEndian.Uint32(b[24:])}, nil
}

func pad8(n int) int { return (n + 7) &^ 7 }

// jsonFrame returns a frame of JSON.
func jsonFrame(kind byte, v any) (*message, error) {
	raw, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return &message{data: append([]byte{kind}, raw...)}, nil
}

// tableFrame is the JSON of a frameTable.
type tableFrame struct {
	Slot  uint32        `json:"slot"`
	Table *sluice.Table `json:"table"`
}

// schemaFrame is the JSON of a frameSchema: which columns of a table following
// batches have. Their types are the table's.
type schemaFrame struct {
	Table   uint32   `json:"table"`
	Slot    uint16   `json:"slot"`
	Columns []string `json:"columns"`
}

// batchEncoder turns batches into frames, with tables and schemas described
// once. It is safe for concurrent use; send is called by one goroutine at a time.
type batchEncoder struct {
	mu    sync.Mutex // held while sending: a description goes before what needs it
	send  func(*message) error
	slots map[*sluice.Table]*encodedTable
	ring  []*sluice.Table
	next  uint32
}

type encodedTable struct {
	slot    uint32
	schemas []*arrow.Schema
	next    int
}

func newBatchEncoder(send func(*message) error) *batchEncoder {
	return &batchEncoder{send: send, slots: map[*sluice.Table]*encodedTable{}, ring: make([]*sluice.Table, tableSlots)}
}

// know gives t the first slot, where the other side knows it to be.
func (e *batchEncoder) know(t *sluice.Table) {
	e.ring[0], e.slots[t] = t, &encodedTable{}
	e.next = 1
}

var errNoTable = errors.New("a batch has no table or no rows")

// encode returns the frame of a batch, in the message that room returns for its
// size. The batch is not held on to.
func (e *batchEncoder) encode(b sluice.Batch, queue uint32, room func(size int) (*message, error)) (*message, error) {
	switch {
	case b.Table == nil || b.Rows == nil:
		return nil, errNoTable
	case b.Op > sluice.Delete:
		return nil, fmt.Errorf("batch of %s has the op %d, which there is not", b.Table.Name, b.Op)
	case b.Ops != nil && int64(len(b.Ops)) != b.Rows.NumRows():
		return nil, fmt.Errorf("batch of %s has %d ops for %d rows", b.Table.Name, len(b.Ops), b.Rows.NumRows())
	}
	payload, err := ipc.GetRecordBatchPayload(b.Rows)
	if err != nil {
		return nil, fmt.Errorf("encode a batch of %s: %w", b.Table.Name, err)
	}
	defer payload.Release()
	meta := payload.Meta()
	defer meta.Release()
	h := header{kind: frameBatch, op: b.Op, hasOps: b.Ops != nil, queue: queue, part: int32(b.Part),
		ops: uint32(len(b.Ops)), meta: uint32(meta.Len())}
	head := headerSize + pad8(len(b.Ops)) + pad8(meta.Len())
	var body counter
	if err := payload.SerializeBody(&body); err != nil {
		return nil, fmt.Errorf("encode a batch of %s: %w", b.Table.Name, err)
	}
	size := head + int(body)
	if size > maxMessage {
		return nil, sluice.Errorf(sluice.Data, "plugin_batch_too_large", "send "+b.Table.Name.String(),
			"send fewer rows per batch; a single row may have at most 256 MiB",
			"a batch of %d bytes is larger than %d", size, maxMessage)
	}
	m, err := room(size)
	if err != nil {
		return nil, err
	}
	w := writer(m.data[:headerSize])
	clear(w)
	for _, op := range b.Ops {
		w = append(w, byte(op))
	}
	w = w.pad()
	w = append(w, meta.Bytes()...)
	w = w.pad()
	if err := payload.SerializeBody(&w); err != nil {
		return nil, fmt.Errorf("encode a batch of %s: %w", b.Table.Name, err)
	}
	h.put(w)
	m.data = w
	return m, nil
}

// counter counts what it is given.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// writer appends.
type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

func (w writer) pad() writer {
	for len(w)%8 != 0 {
		w = append(w, 0)
	}
	return w
}

// sendBatch describes the table and schema of b where that is due, and sends
// its frame, made by encode.
func (e *batchEncoder) sendBatch(b sluice.Batch, m *message) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t, err := e.table(b.Table)
	if err != nil {
		return err
	}
	schema, err := e.schema(t, b.Table, b.Rows.Schema())
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint16(m.data[4:], schema)
	binary.LittleEndian.PutUint32(m.data[8:], t.slot)
	return e.send(m.inSlot())
}

// sendJSON sends a frame of JSON, in order with the batches.
func (e *batchEncoder) sendJSON(kind byte, v any) error {
	m, err := jsonFrame(kind, v)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.send(m)
}

func (e *batchEncoder) table(t *sluice.Table) (*encodedTable, error) {
	if known := e.slots[t]; known != nil {
		return known, nil
	}
	slot := e.next % tableSlots
	e.next++
	if old := e.ring[slot]; old != nil {
		delete(e.slots, old)
	}
	m, err := jsonFrame(frameTable, tableFrame{slot, t})
	if err != nil {
		return nil, err
	}
	known := &encodedTable{slot: slot}
	e.ring[slot], e.slots[t] = t, known
	return known, e.send(m)
}

// schema returns the slot of the columns of s, and describes them where they are
// new. Their types are those of the table, or the batch is refused.
func (e *batchEncoder) schema(t *encodedTable, table *sluice.Table, s *arrow.Schema) (uint16, error) {
	for i, known := range t.schemas {
		if known == s {
			return uint16(i), nil
		}
	}
	if err := checkSchema(table, s); err != nil {
		return 0, err
	}
	for i, known := range t.schemas {
		if known.Equal(s) {
			t.schemas[i] = s
			return uint16(i), nil
		}
	}
	slot := t.next % schemaSlots
	t.next++
	if slot == len(t.schemas) {
		t.schemas = append(t.schemas, nil)
	}
	t.schemas[slot] = s
	f := schemaFrame{Table: t.slot, Slot: uint16(slot), Columns: make([]string, s.NumFields())}
	for i, field := range s.Fields() {
		f.Columns[i] = field.Name
	}
	m, err := jsonFrame(frameSchema, f)
	if err != nil {
		return 0, err
	}
	return uint16(slot), e.send(m)
}

// checkSchema refuses columns that are not of the table, or not of its types:
// code further on relies on the concrete Arrow types.
func checkSchema(t *sluice.Table, s *arrow.Schema) error {
	for _, f := range s.Fields() {
		c := t.Column(f.Name)
		if c == nil {
			return fmt.Errorf("batch of %s: column %q is not in the table", t.Name, f.Name)
		}
		if want := c.Type.Arrow(); !arrow.TypeEqual(want, f.Type) {
			return fmt.Errorf("batch of %s: column %q is %s, want %s for %s", t.Name, f.Name, f.Type, want, c.Type)
		}
	}
	return nil
}

// batchDecoder turns frames into batches. Batches point into the frames, which
// must not be changed afterwards. It serves one goroutine.
type batchDecoder struct {
	tables map[uint32]*decodedTable
}

type decodedTable struct {
	table   *sluice.Table
	schemas [schemaSlots]*schemaReader
}

// schemaReader reads record batches of one schema, one message at a time.
type schemaReader struct {
	reader *ipc.Reader
	feed   *feeder
}

// feeder hands the ipc.Reader the message that was last put in.
type feeder struct{ msg *ipc.Message }

var errNoMessage = errors.New("no message")

func (f *feeder) Message() (*ipc.Message, error) {
	if f.msg == nil {
		return nil, errNoMessage
	}
	m := f.msg
	f.msg = nil
	return m, nil
}
func (*feeder) Retain()  {}
func (*feeder) Release() {}

func newBatchDecoder() *batchDecoder { return &batchDecoder{tables: map[uint32]*decodedTable{}} }

// describe takes a frameTable or frameSchema.
func (d *batchDecoder) describe(data []byte) (err error) {
	defer recovered(&err)
	if data[0] == frameTable {
		var f tableFrame
		if err := json.Unmarshal(data[1:], &f); err != nil {
			return fmt.Errorf("%w: table: %w", errFrame, err)
		}
		if f.Table == nil || f.Slot >= tableSlots {
			return fmt.Errorf("%w: table slot %d", errFrame, f.Slot)
		}
		d.tables[f.Slot] = &decodedTable{table: f.Table}
		return nil
	}
	var f schemaFrame
	if err := json.Unmarshal(data[1:], &f); err != nil {
		return fmt.Errorf("%w: schema: %w", errFrame, err)
	}
	t := d.tables[f.Table]
	if t == nil || f.Slot >= schemaSlots {
		return fmt.Errorf("%w: schema %d of table %d", errFrame, f.Slot, f.Table)
	}
	fields := make([]arrow.Field, len(f.Columns))
	for i, name := range f.Columns {
		c := t.table.Column(name)
		if c == nil {
			return fmt.Errorf("%w: column %q is not in table %s", errFrame, name, t.table.Name)
		}
		fields[i] = arrow.Field{Name: name, Type: c.Type.Arrow(), Nullable: true}
	}
	t.schemas[f.Slot], err = newSchemaReader(arrow.NewSchema(fields, nil))
	return err
}

// newSchemaReader returns a reader that knows its schema from here, not from the
// other side: Arrow's decoder of schemas takes lengths on trust.
func newSchemaReader(s *arrow.Schema) (*schemaReader, error) {
	payload := ipc.GetSchemaPayload(s, memory.DefaultAllocator)
	defer payload.Release()
	meta := payload.Meta()
	defer meta.Release()
	feed := &feeder{msg: ipc.NewMessage(memory.NewBufferBytes(bytes.Clone(meta.Bytes())), memory.NewBufferBytes(nil))}
	reader, err := ipc.NewReaderFromMessageReader(feed)
	if err != nil {
		return nil, fmt.Errorf("%w: schema: %w", errFrame, err)
	}
	return &schemaReader{reader, feed}, nil
}

// batch decodes a frameBatch. The caller releases its Rows.
func (d *batchDecoder) batch(data []byte) (b sluice.Batch, err error) {
	defer recovered(&err)
	h, err := parseHeader(data)
	if err != nil {
		return b, err
	}
	metaAt := headerSize + pad8(int(h.ops))
	bodyAt := metaAt + pad8(int(h.meta))
	t := d.tables[h.table]
	if t == nil || h.schema >= schemaSlots || t.schemas[h.schema] == nil || bodyAt > len(data) || h.part < 0 {
		return b, fmt.Errorf("%w: batch of table %d, schema %d", errFrame, h.table, h.schema)
	}
	s := t.schemas[h.schema]
	if err := checkMessage(data[metaAt:metaAt+int(h.meta)], s.reader.Schema().NumFields(), len(data)-bodyAt); err != nil {
		return b, err
	}
	s.feed.msg = ipc.NewMessage(memory.NewBufferBytes(data[metaAt:metaAt+int(h.meta)]), memory.NewBufferBytes(data[bodyAt:]))
	rows, err := s.reader.Read()
	if err != nil {
		return b, fmt.Errorf("%w: rows of %s: %w", errFrame, t.table.Name, err)
	}
	if err := checkRows(rows); err != nil {
		return b, fmt.Errorf("%w: rows of %s: %w", errFrame, t.table.Name, err)
	}
	b = sluice.Batch{Table: t.table, Part: int(h.part), Op: h.op}
	if h.hasOps {
		b.Ops = ops(data[headerSize : headerSize+int(h.ops)])
	}
	if err := checkOps(b, rows.NumRows()); err != nil {
		return sluice.Batch{}, err
	}
	rows.Retain()
	b.Rows = rows
	return b, nil
}

func ops(raw []byte) []sluice.Op {
	list := make([]sluice.Op, len(raw))
	for i, op := range raw {
		list[i] = sluice.Op(op)
	}
	return list
}

func checkOps(b sluice.Batch, rows int64) error {
	if b.Ops != nil && int64(len(b.Ops)) != rows || b.Op > sluice.Delete {
		return fmt.Errorf("%w: %d ops for %d rows of %s", errFrame, len(b.Ops), rows, b.Table.Name)
	}
	for _, op := range b.Ops {
		if op > sluice.Delete {
			return fmt.Errorf("%w: op %d", errFrame, op)
		}
	}
	return nil
}
