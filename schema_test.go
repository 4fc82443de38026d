package sluice_test

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
)

// drawTable draws a table with some of the columns a to f.
func drawTable(t *rapid.T) *sluice.Table {
	table := &sluice.Table{Name: sluice.TableName{Schema: "s", Name: "t"}}
	for _, name := range rapid.Permutation([]string{"a", "b", "c", "d", "e", "f"}).Draw(t, "order")[:rapid.IntRange(1, 6).Draw(t, "n")] {
		typ := drawType(t)
		if typ.Kind == 0 {
			typ = sluice.T(sluice.Bool)
		}
		table.Columns = append(table.Columns, sluice.Column{Name: name, Type: typ, Nullable: rapid.Bool().Draw(t, "nullable")})
	}
	return table
}

func TestDiffMakesRoomForBoth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		have, want := drawTable(t), drawTable(t)
		before := *have
		before.Columns = append([]sluice.Column(nil), have.Columns...)
		changes := sluice.Diff(have, want)
		got := sluice.Apply(have, changes)
		if !reflect.DeepEqual(*have, before) {
			t.Fatalf("Apply changed the table that it was given")
		}
		for _, side := range []*sluice.Table{have, want} {
			for _, c := range side.Columns {
				g := got.Column(c.Name)
				if g == nil || !sluice.Widens(c.Type, g.Type) || c.Nullable && !g.Nullable {
					t.Fatalf("%v cannot hold %v: %v", got, c, changes)
				}
			}
			if more := sluice.Diff(got, side); missing(side, got) == 0 && len(more) != 0 {
				t.Fatalf("after %v there is still %v", changes, more)
			}
		}
		for _, c := range got.Columns {
			if (have.Column(c.Name) == nil || want.Column(c.Name) == nil) && !c.Nullable {
				t.Fatalf("column %s is not in both tables, and not nullable", c.Name)
			}
		}
		if again := sluice.Apply(got, changes[:0]); !reflect.DeepEqual(again, got) {
			t.Fatalf("no changes change %v", got)
		}
	})
}

// missing counts the columns of got that are not in side and not nullable.
func missing(side, got *sluice.Table) (n int) {
	for _, c := range got.Columns {
		if side.Column(c.Name) == nil && !c.Nullable {
			n++
		}
	}
	return n
}

func TestDiffNeverDropsRenamesOrNarrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		have, want := drawTable(t), drawTable(t)
		got := sluice.Apply(have, sluice.Diff(have, want))
		for i, c := range have.Columns {
			if got.Columns[i].Name != c.Name || sluice.Join(got.Columns[i].Type, c.Type) != got.Columns[i].Type {
				t.Fatalf("column %v became %v", c, got.Columns[i])
			}
		}
	})
}

func TestDiffOfEqualTables(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := drawTable(t)
		if changes := sluice.Diff(x, x); len(changes) != 0 {
			t.Fatalf("got %v", changes)
		}
		create := sluice.Diff(nil, x)
		if got := sluice.Apply(nil, create); len(create) != 1 || !reflect.DeepEqual(got, x) {
			t.Fatalf("created %v, want %v", got, x)
		}
	})
}

func TestDiffOrderDoesNotMatterForTypes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawTable(t), drawTable(t), drawTable(t)
		grow := func(first, second *sluice.Table) *sluice.Table {
			x := sluice.Apply(a, sluice.Diff(a, first))
			return sluice.Apply(x, sluice.Diff(x, second))
		}
		x, y := grow(b, c), grow(c, b)
		for _, col := range x.Columns {
			if other := y.Column(col.Name); other == nil || *other != col {
				t.Fatalf("column %v or %v, by order", col, other)
			}
		}
	})
}
