package jsonarrow

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
)

// plainNumber draws the numbers that APIs send: whole ones, and those with up to
// 12 decimals, in any notation.
func plainNumber(t *rapid.T) string {
	switch rapid.IntRange(0, 3).Draw(t, "form") {
	case 0:
		return fmt.Sprint(rapid.Int64().Draw(t, "whole"))
	case 1:
		return fmt.Sprint(rapid.IntRange(-100, 100).Draw(t, "small"))
	case 2:
		return fmt.Sprintf("%d.%0*d", rapid.Int64Range(-1e17, 1e17).Draw(t, "before"), rapid.IntRange(1, 12).Draw(t, "places"), rapid.IntRange(0, 9).Draw(t, "after"))
	}
	return fmt.Sprintf("%de%d", rapid.IntRange(-999, 999).Draw(t, "digits"), rapid.IntRange(-9, 9).Draw(t, "exponent"))
}

// columnOf appends numbers to one column, and returns its type and rows.
func columnOf(t *rapid.T, numbers []string) (sluice.Type, [][]string) {
	b := NewBuilder(Options{})
	for _, n := range numbers {
		if err := b.Append([]byte(`{"x":` + n + `}`)); err != nil {
			t.Fatal(err)
		}
	}
	typ := b.Table().Columns[0].Type
	_, rows := cells(b)
	return typ, rows
}

// TestNumbersStayExact: no number changes its value, however the column widens;
// and what two runs find joins to a type that one run over all would accept too.
func TestNumbersStayExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.Custom(plainNumber), 2, 12).Draw(t, "numbers")
		whole, rows := columnOf(t, numbers)
		if whole.Kind != sluice.Int64 && whole.Kind != sluice.Decimal {
			t.Fatalf("%v became %v", numbers, whole)
		}
		for i, n := range numbers {
			if !sameNumber(rows[i][0], n) {
				t.Fatalf("%s became %s in %v", n, rows[i][0], whole)
			}
		}
		cut := rapid.IntRange(1, len(numbers)-1).Draw(t, "cut")
		first, _ := columnOf(t, numbers[:cut])
		second, _ := columnOf(t, numbers[cut:])
		if joined := sluice.Join(first, second); joined.Kind == sluice.String || sluice.Join(joined, whole) != joined {
			t.Fatalf("%v and %v join to %v, all at once are %v", first, second, joined, whole)
		}
	})
}

// TestDeclaredColumnsLoseNothing: whatever value meets whatever declared type,
// the row is there, and its value is the same, its text, or null and reported.
func TestDeclaredColumnsLoseNothing(t *testing.T) {
	t.Parallel()
	values := []string{`0`, `-1`, `70000`, `3000000000`, `1.5`, `0.1`, `1e300`, `12345678901234567890123456789012345678901`, `true`, `"x"`, `""`, `"1.50"`,
		`"2026-01-02"`, `"2026-01-02T03:04:05Z"`, `"2026-01-02 03:04:05.123456"`, `"03:04"`, `"aGk="`, `{"a": 1}`, `[]`, `"a\u0041"`}
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom(sluice.Kinds()).Draw(t, "kind")
		declared := sluice.T(kind)
		if kind == sluice.Decimal {
			declared = sluice.DecimalType(12, 2)
		}
		o := Options{Strict: rapid.Bool().Draw(t, "strict"), Table: sluice.Table{Columns: []sluice.Column{{Name: "x", Type: declared}}}}
		b := NewBuilder(o)
		sent := rapid.SliceOfN(rapid.SampledFrom(values), 1, 8).Draw(t, "values")
		misfits := map[int]bool{}
		for i, v := range sent {
			if err := b.Append([]byte(`{"x":` + v + `}`)); err != nil {
				t.Fatal(err)
			}
			if m := b.Misfits(); len(m) > 0 {
				misfits[i] = true
				if m[0].Value != v {
					t.Fatalf("%s is reported as %s", v, m[0].Value)
				}
			}
		}
		if now := b.Table().Columns[0].Type; o.Strict && now != declared || !sluice.Widens(declared, now) {
			t.Fatalf("%v became %v", declared, now)
		}
		_, rows := cells(b)
		if len(rows) != len(sent) || !o.Strict && len(misfits) > 0 {
			t.Fatalf("%d rows, misfits %v", len(rows), misfits)
		}
		for i := range rows {
			if (rows[i][0] == "null") != misfits[i] {
				t.Fatalf("%s became %s, reported: %v", sent[i], rows[i][0], misfits[i])
			}
		}
	})
}

func FuzzMoment(f *testing.F) {
	for _, s := range []string{"2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05.123456789+05:30", "0000-02-29", "2023-02-29", "23:59:60", "24:00", "2026-01-02T03:04-0700", "9999-12-31T23:59:59.999999-23:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, ok := parseMoment([]byte(s))
		got := time.UnixMicro(m.days*dayMicros + m.micros - m.offset).UTC()
		// What Go reads beyond RFC 3339 is left out: commas, hours of one digit, zones of 24 hours.
		if want, err := time.Parse(time.RFC3339Nano, s); err == nil && !strings.Contains(s, "+24") && !strings.Contains(s, "-24:") && !strings.Contains(s, ",") && !strings.HasPrefix(s, "0000") && s[13] == ':' && want.Nanosecond()%1000 == 0 {
			if !ok || !m.hasZone || !got.Equal(want) {
				t.Fatalf("%q: %v %v, want %v", s, got, ok, want)
			}
		}
		if !ok || !m.hasDate || !m.hasTime || !m.hasZone {
			return
		}
		text := strings.ToUpper(s)
		text = text[:10] + "T" + text[11:]
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700", "2006-01-02T15:04Z07"} {
			if want, err := time.Parse(layout, text); err == nil && got.Equal(want) {
				return
			}
		}
		t.Fatalf("%q is taken for %v", s, got)
	})
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e38", "1.5e-7", "0.00", "100e-2", "123456789012345678901234567890123456789"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, end, err := Scan([]byte(s), 0)
		if err != nil || v.Kind != Number || end != len(s) || len(v.Raw) != len(s) || len(s) > 100 {
			t.Skip()
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			t.Skip()
		}
		want, _ := new(big.Rat).SetString(s)
		if e, ok := parseExact(v.Raw); ok {
			n := new(big.Int).Lsh(new(big.Int).SetUint64(e.hi), 64)
			n.Add(n, new(big.Int).SetUint64(e.lo))
			if got := len(n.String()); n.Sign() != 0 && got != e.digits {
				t.Fatalf("%s has %d digits, not %d", s, got, e.digits)
			}
			r := new(big.Rat).SetInt(n)
			ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(e.scale, -e.scale))), nil)
			if e.scale >= 0 {
				r.Quo(r, new(big.Rat).SetInt(ten))
			} else {
				r.Mul(r, new(big.Rat).SetInt(ten))
			}
			if e.negative {
				r.Neg(r)
			}
			if r.Cmp(want) != 0 {
				t.Fatalf("%s is taken for %s", s, r)
			}
		}
		if n, ok := ParseInt64(v.Raw); ok != (v.Whole && want.IsInt() && want.Num().IsInt64()) || ok && want.Num().Int64() != n {
			t.Fatalf("%s is taken for %d, %v", s, n, ok)
		}
	})
}
