package sluice_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
)

// drawType draws any type, the unknown one included.
func drawType(t *rapid.T) sluice.Type {
	k := sluice.Kind(rapid.IntRange(0, len(sluice.Kinds())).Draw(t, "kind"))
	if k != sluice.Decimal {
		return sluice.T(k)
	}
	p := rapid.Int32Range(1, sluice.MaxPrecision).Draw(t, "precision")
	return sluice.DecimalType(p, rapid.Int32Range(0, p).Draw(t, "scale"))
}

func TestJoinIsALattice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawType(t), drawType(t), drawType(t)
		if x, y := sluice.Join(a, b), sluice.Join(b, a); x != y {
			t.Fatalf("not commutative: %v, %v: %v and %v", a, b, x, y)
		}
		if x, y := sluice.Join(sluice.Join(a, b), c), sluice.Join(a, sluice.Join(b, c)); x != y {
			t.Fatalf("not associative: %v, %v, %v: %v and %v", a, b, c, x, y)
		}
		if x := sluice.Join(a, a); x != a {
			t.Fatalf("not idempotent: %v: %v", a, x)
		}
		if x := sluice.Join(a, b); !sluice.Widens(a, x) || !sluice.Widens(b, x) {
			t.Fatalf("%v does not hold %v and %v", x, a, b)
		}
	})
}

// holds says in numbers which values a type holds exactly: digits before and
// after the point, and bits of a float's mantissa.
type holds struct{ before, after, bits int32 }

func capacity(t sluice.Type) (holds, bool) {
	switch t.Kind {
	case sluice.Int16:
		return holds{before: 5, bits: 16}, true
	case sluice.Int32:
		return holds{before: 10, bits: 32}, true
	case sluice.Int64:
		return holds{before: 19, bits: 64}, true
	case sluice.Decimal:
		return holds{before: t.Precision - t.Scale, after: t.Scale, bits: 128}, true
	}
	return holds{}, false
}

func TestJoinNeverNarrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawType(t), drawType(t)
		j := sluice.Join(a, b)
		ca, exact := capacity(a)
		cj, joined := capacity(j)
		switch {
		case a.Kind == 0 || j == a || j.Kind == sluice.String:
		case exact && joined:
			if cj.before < ca.before || cj.after < ca.after {
				t.Fatalf("%v and %v make %v", a, b, j)
			}
		case exact && j.Kind == sluice.Float64:
			if ca.bits > 32 {
				t.Fatalf("%v and %v make %v, which does not hold every digit", a, b, j)
			}
		case a.Kind == sluice.Float32 && j.Kind == sluice.Float64:
		case a.Kind == sluice.Date && j.Kind == sluice.Timestamp:
		default:
			t.Fatalf("%v and %v make %v", a, b, j)
		}
	})
}

func TestJoinEdges(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"int16", "int32", "int32"},
		{"int32", "int64", "int64"},
		{"int64", "decimal(10,2)", "decimal(21,2)"},
		{"int16", "decimal(10,2)", "decimal(10,2)"},
		{"decimal(38,0)", "decimal(38,38)", "string"},
		{"decimal(10,2)", "decimal(8,4)", "decimal(12,4)"},
		{"float32", "float64", "float64"},
		{"int16", "float32", "float64"},
		{"int32", "float64", "float64"},
		{"int64", "float64", "string"},
		{"decimal(5,2)", "float64", "string"},
		{"date", "timestamp", "timestamp"},
		{"date", "timestamptz", "string"},
		{"timestamp", "timestamptz", "string"},
		{"time", "timestamp", "string"},
		{"bool", "int16", "string"},
		{"json", "int64", "string"},
		{"binary", "string", "string"},
		{"binary", "json", "string"},
	} {
		var types [3]sluice.Type
		for i, text := range c {
			var err error
			if types[i], err = sluice.ParseType(text); err != nil {
				t.Fatal(err)
			}
		}
		if got := sluice.Join(types[0], types[1]); got != types[2] {
			t.Errorf("%s and %s make %v, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestTypeText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t)
		if typ.Kind == 0 {
			return
		}
		text, err := typ.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back sluice.Type
		if err := back.UnmarshalText(text); err != nil || back != typ {
			t.Fatalf("%v: %v, %v", typ, back, err)
		}
	})
	for _, text := range []string{"", "int", "decimal", "decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5,-1)", "kind(99)"} {
		if typ, err := sluice.ParseType(text); err == nil {
			t.Errorf("%q is %v", text, typ)
		}
	}
}
