package stage

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/sluicehq/sluice"
)

// A spillFile is batches on disk, read back in order. It has no name in the
// file system once open, so that a killed process leaves nothing behind. Each
// record is: bytes of ops (uint32), ops, bytes of Arrow IPC (uint64), the IPC
// stream of one batch.
type spillFile struct {
	f              *os.File
	readAt, length int64
	tables         []spilled // what the file cannot hold, one per batch
}

type spilled struct {
	table *sluice.Table
	part  int
	op    sluice.Op
}

func newSpillFile(dir string) (*spillFile, error) {
	f, err := os.CreateTemp(dir, "sluice-spill-*")
	if err != nil {
		return nil, spillError("create", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, spillError("unlink", err)
	}
	return &spillFile{f: f}, nil
}

func spillError(op string, err error) error {
	return &sluice.Error{Class: sluice.Transient, Code: "spill_failed", Op: op + " spill file", Err: err,
		Hint: "rows that wait for the destination go to disk; free some space in the temporary folder, or set TMPDIR to a larger disk"}
}

func (s *spillFile) drained() bool { return s.readAt == s.length }

func (s *spillFile) write(b sluice.Batch) error {
	if s.drained() && s.length > 0 {
		if err := s.f.Truncate(0); err != nil {
			return spillError("truncate", err)
		}
		s.readAt, s.length = 0, 0
	}
	w := &countingWriter{w: bufio.NewWriterSize(io.NewOffsetWriter(s.f, s.length), 256<<10)}
	ops := make([]byte, len(b.Ops))
	for i, op := range b.Ops {
		ops[i] = byte(op)
	}
	if err := binary.Write(w, binary.LittleEndian, uint32(len(ops))); err != nil {
		return spillError("write", err)
	}
	if _, err := w.Write(ops); err != nil {
		return spillError("write", err)
	}
	iw := ipc.NewWriter(w, ipc.WithSchema(b.Rows.Schema()))
	if err := iw.Write(b.Rows); err != nil {
		return spillError("write", err)
	}
	if err := iw.Close(); err != nil {
		return spillError("write", err)
	}
	if err := w.w.Flush(); err != nil {
		return spillError("write", err)
	}
	s.length += w.n
	s.tables = append(s.tables, spilled{b.Table, b.Part, b.Op})
	return nil
}

func (s *spillFile) read() (sluice.Batch, error) {
	r := &countingReader{r: bufio.NewReaderSize(io.NewSectionReader(s.f, s.readAt, s.length-s.readAt), 256<<10)}
	var n uint32
	if err := binary.Read(r, binary.LittleEndian, &n); err != nil {
		return sluice.Batch{}, spillError("read", err)
	}
	raw := make([]byte, n)
	if _, err := io.ReadFull(r, raw); err != nil {
		return sluice.Batch{}, spillError("read", err)
	}
	ir, err := ipc.NewReader(r)
	if err != nil {
		return sluice.Batch{}, spillError("read", err)
	}
	defer ir.Release()
	if !ir.Next() {
		return sluice.Batch{}, spillError("read", fmt.Errorf("no rows: %w", errorOr(ir.Err(), io.ErrUnexpectedEOF)))
	}
	rows := ir.RecordBatch()
	rows.Retain()
	if ir.Next() {
		rows.Release()
		return sluice.Batch{}, spillError("read", fmt.Errorf("two batches where one was written"))
	}
	s.readAt += r.n
	t := s.tables[0]
	s.tables = s.tables[1:]
	var ops []sluice.Op
	if n > 0 {
		ops = make([]sluice.Op, n)
		for i := range raw {
			ops[i] = sluice.Op(raw[i])
		}
	}
	return sluice.Batch{Table: t.table, Part: t.part, Rows: rows, Op: t.op, Ops: ops}, nil
}

func (s *spillFile) close() { s.f.Close() }

func errorOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

type countingWriter struct {
	w *bufio.Writer
	n int64
}

func (w *countingWriter) Write(p []byte) (int, error) {
	n, err := w.w.Write(p)
	w.n += int64(n)
	return n, err
}

type countingReader struct {
	r *bufio.Reader
	n int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.n += int64(n)
	return n, err
}
