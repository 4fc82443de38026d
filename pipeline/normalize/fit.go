package normalize

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
)

// Fit returns the shape in which a table of shape have (nil: none) can hold its
// own rows and b's: have itself where its columns already can, else a table with
// the name, key and parent of b's. Types are joined, except
// that numbers keep a number's type where b's values allow it: floats that meet
// integers or decimals make a decimal that holds their shortest digits, within
// 38; integers and decimals stay floats where a float holds them exactly.
func Fit(have *sluice.Table, b sluice.Batch) *sluice.Table {
	if have == nil {
		return b.Table
	}
	want := b.Table
	if !covers(have, want) {
		want = fitNumbers(have, b)
	}
	changes := []sluice.Change(nil)
	if want != b.Table || !covers(have, want) {
		changes = sluice.Diff(have, want)
	}
	if len(changes) == 0 {
		return have
	}
	t := sluice.Apply(have, changes)
	t.Name, t.Key, t.Parent = b.Table.Name, b.Table.Key, b.Table.Parent
	return t
}

// covers reports whether have holds rows of shape want as it is.
func covers(have, want *sluice.Table) bool {
	at := -1
	for _, c := range want.Columns {
		if at = indexAfter(have.Columns, c.Name, at); at < 0 {
			return false
		}
		if h := have.Columns[at]; c.Nullable && !h.Nullable || c.Type != h.Type && !sluice.Widens(c.Type, h.Type) {
			return false
		}
	}
	at = -1
	for _, h := range have.Columns {
		if h.Nullable {
			continue
		}
		if at = indexAfter(want.Columns, h.Name, at); at < 0 {
			return false
		}
	}
	return true
}

// fitNumbers returns b's shape with the types of its numbers as Fit says.
func fitNumbers(have *sluice.Table, b sluice.Batch) *sluice.Table {
	want := *b.Table
	want.Columns = slices.Clone(want.Columns)
	at := -1
	for i, c := range want.Columns {
		h := have.Column(c.Name)
		if h == nil || sluice.Join(h.Type, c.Type).Kind != sluice.String || !isNumber(h.Type) || !isNumber(c.Type) {
			continue
		}
		var values arrow.Array
		if at = fieldAfter(b.Rows.Schema(), c.Name, at); at >= 0 {
			values = b.Rows.Column(at)
		}
		want.Columns[i].Type = fitNumber(h.Type, values)
	}
	return &want
}

func isNumber(t sluice.Type) bool { return t.Kind >= sluice.Int16 && t.Kind <= sluice.Decimal }

// fitNumber returns the type that holds all numbers of type have, and values.
func fitNumber(have sluice.Type, values arrow.Array) sluice.Type {
	if values == nil || values.NullN() == values.Len() {
		return have
	}
	if have.Kind == sluice.Float32 || have.Kind == sluice.Float64 {
		for _, t := range []sluice.Type{have, sluice.T(sluice.Float64)} {
			if allNumbers(values, func(n number) bool { _, ok := n.float(t.Kind); return ok }) {
				return t
			}
		}
		return sluice.T(sluice.String)
	}
	var whole, scale int32
	inHave := true
	if !allNumbers(values, func(n number) bool {
		n = n.trimmed()
		inHave = inHave && n.fits(have)
		whole, scale = max(whole, n.digits()-n.scale), max(scale, n.scale)
		return true
	}) {
		return sluice.T(sluice.String)
	}
	switch {
	case inHave:
		return have
	case whole+scale > sluice.MaxPrecision:
		return sluice.T(sluice.String)
	}
	return sluice.Join(have, sluice.DecimalType(max(whole+scale, 1), scale))
}

// allNumbers reports whether every value is a finite number for which ok holds.
func allNumbers(values arrow.Array, ok func(number) bool) bool {
	read := numbers(values)
	for i := range values.Len() {
		if values.IsNull(i) {
			continue
		}
		if n, finite := read(i); !finite || !ok(n) {
			return false
		}
	}
	return true
}

// fieldAfter is indexAfter for the columns of rows.
func fieldAfter(s *arrow.Schema, name string, after int) int {
	for i := range s.NumFields() {
		if j := (max(after, -1) + 1 + i) % s.NumFields(); s.Field(j).Name == name {
			return j
		}
	}
	return -1
}
