package files

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/sluicehq/sluice"
)

// ParquetReader reads one Parquet file, a batch of one row group after the other.
type ParquetReader struct {
	name    string
	shape   *Shape
	to      sluice.Sink
	file    *file.Reader
	arrow   *pqarrow.FileReader
	spool   *os.File
	columns []*parquetColumn
	leaves  []int // of the wanted columns
	table   *sluice.Table

	group   int // row group that is read
	row     int64
	opened  bool                 // the group is
	batches pqarrow.RecordReader // of its leaves, where there are any
}

// maxPage is the largest page that is read: pages that cannot be streamed are
// held in memory, and the header of a damaged one may tell of any size.
const maxPage = 256 << 20

// OpenParquet reads the footer of a file. One that is not local, or that is
// compressed as a whole, is first copied to a temporary file.
func OpenParquet(ctx context.Context, o *Opened, shape *Shape, to sluice.Sink) (p *ParquetReader, err error) {
	p = &ParquetReader{name: o.Name, shape: shape, to: to}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	defer p.recovered("read the footer of", &err)
	var from parquet.ReaderAtSeeker
	if f, ok := o.r.(*os.File); ok {
		from = f
	} else if p.spool, err = spool(ctx, o); err != nil {
		return p, err
	} else {
		from = p.spool
	}
	props := parquet.NewReaderProperties(memory.DefaultAllocator)
	props.BufferedStreamEnabled = true
	props.BufferSize = 64 << 10
	props.MaxCompressedPageSize = maxPage // DuckDB's pages are of 100 MB
	props.MaxUncompressedPageSize = maxPage
	props.PageStreamingEnabled = true
	if p.file, err = file.NewParquetReader(from, file.WithReadProps(props)); err != nil {
		return p, p.damaged("read the footer of", err)
	}
	if p.arrow, err = pqarrow.NewFileReader(p.file, pqarrow.ArrowReadProperties{BatchSize: 1024}, memory.DefaultAllocator); err != nil {
		return p, p.damaged("read the schema of", err)
	}
	return p, p.plan()
}

// spool copies a file to a temporary one that is gone once it is closed.
func spool(ctx context.Context, o *Opened) (*os.File, error) {
	f, err := os.CreateTemp("", "sluice-*.parquet")
	if err != nil {
		return nil, localError("make a temporary file", err)
	}
	_ = os.Remove(f.Name())
	buffer := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			_ = f.Close()
			return nil, err
		}
		n, err := o.Read(buffer)
		if _, werr := f.Write(buffer[:n]); werr != nil {
			_ = f.Close()
			return nil, localError("copy "+o.Name+" to a temporary file", werr)
		}
		if err == io.EOF {
			return f, nil
		}
		if err != nil {
			_ = f.Close()
			return nil, err
		}
	}
}

func (p *ParquetReader) damaged(op string, err error) error {
	return sluice.Errorf(sluice.Data, "file_parquet", op+" "+p.name, "see whether the file is whole and a Parquet file; write it again, with pages of at most 256 MiB", "%w", err)
}

// recovered turns a panic of the decoder, which damaged files cause, into an
// error.
func (p *ParquetReader) recovered(op string, err *error) {
	if r := recover(); r != nil {
		*err = p.damaged(op, fmt.Errorf("the content is damaged: %v", r))
	}
}

// plan decides what becomes of each column.
func (p *ParquetReader) plan() error {
	columns, err := p.arrow.Schema()
	if err != nil {
		return p.damaged("read the schema of", err)
	}
	names := make([]string, columns.NumFields())
	for i, f := range columns.Fields() {
		names[i] = f.Name
	}
	names = columnNames(names, len(names))
	if err := p.shape.free(p.name, names...); err != nil {
		return err
	}
	manifest := p.arrow.Manifest
	for i := range manifest.Fields {
		annotate(p.file, &manifest.Fields[i])
	}
	p.table = &sluice.Table{Name: p.shape.Name, Key: p.shape.Key}
	if p.shape.Metadata {
		p.table.Columns = append(p.table.Columns, sluice.Column{Name: FileColumn, Type: sluice.T(sluice.String)}, sluice.Column{Name: LineColumn, Type: sluice.T(sluice.Int64)})
	}
	for i := range manifest.Fields {
		f := &manifest.Fields[i]
		if !p.shape.wants(names[i]) || f.Field.Type.ID() == arrow.NULL {
			continue // what has nothing but nulls has no type yet, and widens no other file's
		}
		c := newParquetColumn(names[i], f.Field.Type)
		p.columns = append(p.columns, c)
		p.leaves = appendLeaves(p.leaves, f)
		p.table.Columns = append(p.table.Columns, sluice.Column{Name: c.name, Type: c.typ, Nullable: !slices.Contains(p.table.Key, c.name)})
	}
	return nil
}

// annotate gives texts, JSON and intervals, which Arrow's reader takes for bytes,
// the types that the file says they have, and timestamps of 96 bits one that holds
// them.
func annotate(r *file.Reader, f *pqarrow.SchemaField) {
	for i := range f.Children {
		annotate(r, &f.Children[i])
	}
	if !f.IsLeaf() {
		return
	}
	column, from := r.MetaData().Schema.Column(f.ColIndex), f.Field.Type.ID()
	if column.PhysicalType() == parquet.Types.Int96 {
		f.Field.Type = newInt96Type()
	}
	switch column.LogicalType().(type) {
	case schema.EnumLogicalType:
		if from == arrow.BINARY {
			f.Field.Type = arrow.BinaryTypes.String
		}
	case schema.JSONLogicalType:
		if from == arrow.BINARY {
			f.Field.Type = &extensions.JSONType{ExtensionBase: arrow.ExtensionBase{Storage: arrow.BinaryTypes.Binary}}
		}
	case schema.IntervalLogicalType:
		if from == arrow.FIXED_SIZE_BINARY {
			f.Field.Type = newIntervalType()
		}
	}
}

func appendLeaves(leaves []int, f *pqarrow.SchemaField) []int {
	if f.IsLeaf() {
		return append(leaves, f.ColIndex)
	}
	for i := range f.Children {
		leaves = appendLeaves(leaves, &f.Children[i])
	}
	return leaves
}

// Table returns the columns of the file.
func (p *ParquetReader) Table() *sluice.Table { return p.table }

// Rows returns the number of rows of the file.
func (p *ParquetReader) Rows() int64 { return p.file.NumRows() }

// Resume moves to a place that Place returned in an earlier read of the same
// file. It must be called before Next.
func (p *ParquetReader) Resume(ctx context.Context, at Place) (err error) {
	defer p.recovered("read", &err)
	p.group = min(at.Group, p.file.NumRowGroups())
	if at.Row == 0 || p.group == p.file.NumRowGroups() {
		return nil
	}
	if err := p.openGroup(ctx); err != nil {
		return err
	}
	return p.pass(at.Row)
}

// pass reads over rows of the group; a batch that lies across the place is not
// cut, since batches are cut the same way each time.
func (p *ParquetReader) pass(rows int64) error {
	for p.row < rows {
		_, n, err := p.read()
		if err != nil || n == 0 {
			return err
		}
		p.row += n
	}
	return nil
}

// read returns the next rows of the group and their number, which is 0 at its
// end. The rows are nil where no column is among the leaves. Arrow's reader takes
// some damaged pages for the end of a column: the footer knows better.
func (p *ParquetReader) read() (rows arrow.RecordBatch, n int64, err error) {
	all := p.file.MetaData().RowGroup(p.group).NumRows()
	if p.batches == nil {
		return nil, min(all-p.row, p.arrow.Props.BatchSize), nil
	}
	op := fmt.Sprintf("read row group %d of", p.group)
	rows, err = p.batches.Read()
	if err != nil && err != io.EOF {
		return nil, 0, p.damaged(op, err)
	}
	if err == nil {
		n = rows.NumRows()
	}
	if n == 0 && p.row != all || p.row+n > all {
		return nil, 0, p.damaged(op, fmt.Errorf("the footer tells of %d rows, the group holds %d", all, p.row+n))
	}
	return rows, n, nil
}

// Place is where reading goes on after the rows returned so far.
func (p *ParquetReader) Place() Place { return Place{Group: p.group, Row: p.row} }

func (p *ParquetReader) openGroup(ctx context.Context) error {
	meta := p.file.MetaData().RowGroup(p.group)
	size := int64(0)
	for _, leaf := range p.leaves {
		c, err := meta.ColumnChunk(leaf)
		if err != nil {
			return p.damaged("read", err)
		}
		size += max(c.TotalUncompressedSize(), 0)
	}
	perRow := max(size/max(meta.NumRows(), 1), 1)
	p.arrow.Props.BatchSize = min(max(sluice.BatchBytes/perRow, 1), 16<<10)
	p.row, p.opened = 0, true
	if len(p.leaves) > 0 {
		r, err := p.arrow.GetRecordReader(ctx, p.leaves, []int{p.group})
		if err != nil {
			return p.damaged("read", err)
		}
		p.batches = r
	}
	return nil
}

// Next returns the next batch, which the caller releases, or io.EOF.
func (p *ParquetReader) Next(ctx context.Context) (b sluice.Batch, err error) {
	defer p.recovered("read", &err)
	for p.group < p.file.NumRowGroups() {
		if err := ctx.Err(); err != nil {
			return b, err
		}
		if !p.opened {
			if err := p.openGroup(ctx); err != nil {
				return b, err
			}
		}
		rows, n, err := p.read()
		if err != nil {
			return b, err
		}
		if n == 0 {
			p.closeGroup()
			p.group, p.row = p.group+1, 0
			continue
		}
		b, err = p.batch(ctx, rows, int(n))
		p.row += n
		return b, err
	}
	return b, io.EOF
}

// batch converts the columns of n rows.
func (p *ParquetReader) batch(ctx context.Context, in arrow.RecordBatch, n int) (sluice.Batch, error) {
	var arrays []arrow.Array
	defer func() {
		for _, a := range arrays {
			a.Release()
		}
	}()
	if p.shape.Metadata {
		arrays = append(arrays, p.places(int64(n))...)
	}
	first := len(arrays)
	for i, c := range p.columns {
		no := func(row int, value, reason string) error {
			return p.to.Reject(ctx, sluice.Rejected{Stream: p.shape.Name, Key: fmt.Sprintf("%s:%d", p.name, p.before()+p.row+int64(row)+1),
				Column: c.name, Value: clip([]byte(value)), Reason: reason})
		}
		a, err := c.convert(in.Column(i), no)
		if err != nil {
			return sluice.Batch{}, err
		}
		arrays = append(arrays, a)
		if want := &p.table.Columns[first+i]; c.typ != want.Type {
			p.widen(first+i, c.typ)
		}
	}
	return sluice.Batch{Table: p.table, Rows: array.NewRecordBatch(p.table.Arrow(), arrays, int64(n)), Op: p.shape.Op()}, nil
}

// widen replaces the table by one with a wider column.
func (p *ParquetReader) widen(i int, t sluice.Type) {
	wider := *p.table
	wider.Columns = slices.Clone(wider.Columns)
	wider.Columns[i].Type = t
	p.table = &wider
}

// before is the number of rows in the row groups before the one that is read.
func (p *ParquetReader) before() (n int64) {
	for i := range p.group {
		n += p.file.MetaData().RowGroup(i).NumRows()
	}
	return n
}

func (p *ParquetReader) places(rows int64) []arrow.Array {
	name := array.NewStringBuilder(memory.DefaultAllocator)
	line := array.NewInt64Builder(memory.DefaultAllocator)
	defer name.Release()
	defer line.Release()
	from := p.before() + p.row
	for i := range rows {
		name.Append(p.name)
		line.Append(from + i + 1)
	}
	return []arrow.Array{name.NewArray(), line.NewArray()}
}

func (p *ParquetReader) closeGroup() {
	if p.opened = false; p.batches != nil {
		p.batches.Release()
		p.batches = nil
	}
}

// Close gives the temporary file up. The Opened stays open.
func (p *ParquetReader) Close() {
	p.closeGroup()
	if p.spool != nil {
		_ = p.spool.Close()
		p.spool = nil
	}
}
