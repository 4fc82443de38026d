package sluice

import (
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
)

// Kind is the closed set of logical types. Every source maps into it and every
// destination holds all of it; the conformance suites check both.
type Kind uint8

const (
	Bool Kind = iota + 1
	Int16
	Int32
	Int64
	Float32
	Float64
	Decimal     // precision 1 to 38, scale 0 to precision
	Date        // days since 1970-01-01
	Time        // microseconds since midnight, no zone
	Timestamp   // microseconds, no zone
	TimestampTZ // an instant, in microseconds
	String      // UTF-8
	Binary
	JSON // one JSON text, UTF-8
)

// kinds holds, by Kind, its name and the one Arrow type that carries it in
// batches; Decimal's depends on its parameters.
var kinds = [...]struct {
	name  string
	arrow arrow.DataType
}{
	Bool: {"bool", arrow.FixedWidthTypes.Boolean}, Int16: {"int16", arrow.PrimitiveTypes.Int16},
	Int32: {"int32", arrow.PrimitiveTypes.Int32}, Int64: {"int64", arrow.PrimitiveTypes.Int64},
	Float32: {"float32", arrow.PrimitiveTypes.Float32}, Float64: {"float64", arrow.PrimitiveTypes.Float64},
	Decimal: {name: "decimal"},
	Date:    {"date", arrow.FixedWidthTypes.Date32}, Time: {"time", arrow.FixedWidthTypes.Time64us},
	Timestamp:   {"timestamp", &arrow.TimestampType{Unit: arrow.Microsecond}},
	TimestampTZ: {"timestamptz", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	String:      {"string", arrow.BinaryTypes.String}, Binary: {"binary", arrow.BinaryTypes.Binary}, JSON: {"json", arrow.BinaryTypes.String},
}

func (k Kind) String() string {
	if int(k) < len(kinds) && k > 0 {
		return kinds[k].name
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Kinds lists every Kind, in order.
func Kinds() (all []Kind) {
	for k := Bool; k <= JSON; k++ {
		all = append(all, k)
	}
	return all
}

// MaxPrecision is the number of digits that a Decimal holds at most.
const MaxPrecision = 38

// Type is a logical type. The zero Type means "not known".
type Type struct {
	Kind             Kind
	Precision, Scale int32 // Decimal only
}

// T returns the Type of a Kind that has no parameters.
func T(k Kind) Type { return Type{Kind: k} }

// DecimalType returns the decimal Type with precision digits, scale of them after the point.
func DecimalType(precision, scale int32) Type {
	return Type{Kind: Decimal, Precision: precision, Scale: scale}
}

func (t Type) String() string {
	if t.Kind == Decimal {
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	}
	return t.Kind.String()
}

// ParseType reads what Type.String writes.
func ParseType(s string) (Type, error) {
	var t Type
	if strings.HasPrefix(s, "decimal(") {
		t.Kind = Decimal
		if _, err := fmt.Sscanf(s, "decimal(%d,%d)", &t.Precision, &t.Scale); err != nil || t.String() != s ||
			t.Precision < 1 || t.Precision > MaxPrecision || t.Scale < 0 || t.Scale > t.Precision {
			return Type{}, fmt.Errorf("type %q: want decimal(precision 1 to %d, scale 0 to precision)", s, MaxPrecision)
		}
		return t, nil
	}
	for _, k := range Kinds() {
		if k.String() == s && k != Decimal {
			return T(k), nil
		}
	}
	return Type{}, fmt.Errorf("unknown type %q: want one of %v", s, Kinds())
}

// MarshalText writes the form of String.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (t *Type) UnmarshalText(b []byte) (err error) {
	*t, err = ParseType(string(b))
	return err
}

// Arrow returns the one Arrow type that carries t in batches; t must be known.
func (t Type) Arrow() arrow.DataType {
	if t.Kind == Decimal {
		return &arrow.Decimal128Type{Precision: t.Precision, Scale: t.Scale}
	}
	return kinds[t.Kind].arrow
}

// Column is a column of a stream or table.
type Column struct {
	Name     string `json:"name"`
	Type     Type   `json:"type"`
	Nullable bool   `json:"nullable,omitempty"`
}

// TableName names a stream or a table; Schema is empty where the system has none.
type TableName struct {
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
}

func (n TableName) String() string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// Table is the shape of rows. It is shared and must not be changed once sent.
type Table struct {
	Name    TableName  `json:"name"`
	Columns []Column   `json:"columns"`
	Key     []string   `json:"key,omitempty"`    // column names; empty: rows have no identity
	Parent  *TableName `json:"parent,omitempty"` // of a nested array: the table its ParentIDColumn points into
}

// Column returns the column of that name, or nil.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

// Covers reports whether t has all columns of rows, by name.
func (t *Table) Covers(rows *arrow.Schema) bool {
	n := 0
	for i := range t.Columns {
		if rows.HasField(t.Columns[i].Name) {
			n++
		}
	}
	return n == rows.NumFields()
}

// Arrow returns the Arrow schema of all columns of t, in order.
func (t *Table) Arrow() *arrow.Schema {
	fields := make([]arrow.Field, len(t.Columns))
	for i, c := range t.Columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// System columns, as behaviour.md names them, and the schema of what destinations
// remember of loads, which no stream can have.
const (
	LedgerSchema   = "_sluice"
	SyncedAtColumn = "_sluice_synced_at" // timestamptz: the load that wrote the row
	DeletedColumn  = "_sluice_deleted"   // bool: soft_delete, and append from a log
	IDColumn       = "_sluice_id"        // string: hash of the row, or of its key where it has one and children
	StartColumn    = "_sluice_start"     // timestamptz: history
	EndColumn      = "_sluice_end"       // timestamptz: history; null while active
	ActiveColumn   = "_sluice_active"    // bool: history
	ParentIDColumn = "_sluice_parent_id" // string: IDColumn of the parent row
	IndexColumn    = "_sluice_index"     // int64: place in the parent's array, from 0
)

// A Change is one step of schema evolution; exactly one field is set. There is
// deliberately no drop and no rename (invariant 4).
type Change struct {
	Create *Table  `json:"create,omitempty"` // the table does not exist
	Add    *Column `json:"add,omitempty"`    // the column does not exist; it is added nullable
	Widen  *Column `json:"widen,omitempty"`  // the column exists and must hold this wider type
	Relax  string  `json:"relax,omitempty"`  // the column must accept null
}

func (c Change) String() string {
	switch {
	case c.Create != nil:
		return "create " + c.Create.Name.String()
	case c.Add != nil:
		return "add " + c.Add.Name + " " + c.Add.Type.String()
	case c.Widen != nil:
		return "widen " + c.Widen.Name + " to " + c.Widen.Type.String()
	}
	return "relax " + c.Relax
}

// Diff returns what turns have (nil: no table) into a table that can hold rows
// of both have and want. It is pure, never narrows, and Diff(x, x) is empty.
func Diff(have, want *Table) []Change {
	if have == nil {
		return []Change{{Create: want}}
	}
	var changes []Change
	for _, c := range want.Columns {
		h := have.Column(c.Name)
		if h == nil {
			c.Nullable = true
			changes = append(changes, Change{Add: &c})
			continue
		}
		if wide := Join(h.Type, c.Type); wide != h.Type {
			changes = append(changes, Change{Widen: &Column{Name: c.Name, Type: wide, Nullable: h.Nullable || c.Nullable}})
		}
		if c.Nullable && !h.Nullable {
			changes = append(changes, Change{Relax: c.Name})
		}
	}
	for _, h := range have.Columns {
		if want.Column(h.Name) == nil && !h.Nullable {
			changes = append(changes, Change{Relax: h.Name})
		}
	}
	return changes
}

// Apply returns have with changes made; have itself is not touched.
func Apply(have *Table, changes []Change) *Table {
	var t Table
	if have != nil {
		t = *have
		t.Columns = append([]Column(nil), have.Columns...)
	}
	for _, c := range changes {
		switch {
		case c.Create != nil:
			t = *c.Create
			t.Columns = append([]Column(nil), c.Create.Columns...)
		case c.Add != nil:
			t.Columns = append(t.Columns, *c.Add)
		case c.Widen != nil:
			t.Column(c.Widen.Name).Type = c.Widen.Type
		default:
			t.Column(c.Relax).Nullable = true
		}
	}
	return &t
}
