package sluice

import "github.com/apache/arrow-go/v18/arrow"

// Op says what a row does to its table.
type Op uint8

const (
	Upsert Op = iota // insert the row, or replace the row with the same key
	// Insert is an Upsert with a promise that lets a destination load faster: no
	// other row of this read has the same key. Sources may promise it only where
	// the system itself guarantees it (a primary key under one snapshot). Rows of
	// streams without a key are always Insert.
	Insert
	Delete // remove the row with the same key; only key columns need values
)

// A Batch is rows of one stream, in the order in which they happened.
//
// The receiver borrows a batch for the length of the call that hands it over;
// to keep it longer it must Retain Rows.
type Batch struct {
	Table *Table            // shared and immutable; a wider table is a new Table
	Part  int               // the lane of the stream that the rows belong to; see Lane
	Rows  arrow.RecordBatch // columns by name, of the Arrow types of Table.Columns; absent columns are null
	Op    Op                // of every row, when Ops is nil
	Ops   []Op              // one per row, or nil
}

// OpAt returns the Op of row i.
func (b Batch) OpAt(i int) Op {
	if b.Ops == nil {
		return b.Op
	}
	return b.Ops[i]
}

// A Rejected is a value or a row that could not be loaded as it was. It is kept
// in the destination, in _sluice.rejected, and counted: nothing is dropped unseen.
type Rejected struct {
	Stream TableName `json:"stream"`
	Part   int       `json:"part,omitempty"` // the lane that the row belongs to; see Lane
	Key    string    `json:"key,omitempty"`  // the row's key or place ("orders.csv:17"), as text
	Column string    `json:"column,omitempty"`
	Value  string    `json:"value"` // at most MaxRejectedValue bytes
	Reason string    `json:"reason"`
	Row    bool      `json:"row,omitempty"` // the whole row is missing, not just one value of it
}

// MaxRejectedValue is the number of bytes of a rejected value that are kept.
const MaxRejectedValue = 4096
