package files

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
)

// outcome is all that can be told of a read.
type outcome struct {
	Guess    *Guess
	Table    string
	Rows     [][]string
	Places   []Place
	Rejected []sluice.Rejected
	Err      string
}

// outcomeOf infers from the first bytes of a text and reads all of it.
func outcomeOf(input string, head int, d Dialect, types map[string]sluice.Type) (o outcome) {
	shape := &Shape{Name: sluice.TableName{Name: "t"}, Types: types, Metadata: true}
	defer func() { o.Table = typesOf(shape.Table()) }()
	var to sink
	defer func() { o.Rejected = to.rejected }()
	g, err := Infer("t", strings.NewReader(input[:head]), d, true)
	if err == nil {
		o.Guess, err = g, shape.Add("t", g)
	}
	var c *CSV
	if err == nil {
		c, err = NewCSV("t", strings.NewReader(input), d, shape, head == len(input), &to)
	}
	for err == nil {
		var b sluice.Batch
		if b, err = c.Next(context.Background()); err == nil {
			o.Rows = append(o.Rows, texts(b)...)
			o.Places = append(o.Places, c.Place())
			b.Rows.Release()
		}
	}
	if err != io.EOF {
		o.Err = err.Error()
	}
	if c != nil {
		c.Close()
	}
	return o
}

// sameByBlocks reads a text by blocks of records, and record by record as for
// dialects with comments.
func sameByBlocks(t *testing.T, input string, head int, d Dialect, types map[string]sluice.Type) {
	t.Helper()
	const unused = "\x01"
	if strings.Contains(input, unused) {
		return
	}
	blocks := outcomeOf(input, head, d, types)
	d.Comment = unused
	if single := outcomeOf(input, head, d, types); !reflect.DeepEqual(blocks, single) {
		t.Fatalf("%q by blocks:\n%+v\nby records:\n%+v", input, blocks, single)
	}
}

var blockDialects = []Dialect{
	{Delimiter: ",", Quote: `"`, Header: "yes", Comment: None, Encoding: "utf-8", Nulls: []string{`\N`}},
	{Delimiter: ";", Quote: "'", Escape: `\`, Header: "no", Comment: None, Encoding: "utf-8", Nulls: []string{"-1"}, DecimalComma: true},
	{Delimiter: "|", Quote: None, Header: "yes", Comment: None, Encoding: "utf-8", Trailing: true, ShortRows: "null"},
}

func FuzzBlocks(f *testing.F) {
	f.Add("a,b,c\n1,2.50,1996-01-02\n12,3.00,1996-02-30\n", 20, 0)
	f.Add("'1';'2,5';x\n-1;-0,5;'y\\'\n'\n", 30, 1)
	f.Add("a|b|\n1|2|\n3|4|\r\n5|\n\n6|7|8\n", 12, 2)
	f.Fuzz(func(t *testing.T, input string, head, dialect int) {
		head = min(max(head, 0), len(input))
		sameByBlocks(t, input, head, blockDialects[uint(dialect)%3], nil)
	})
}

// TestBlocksAreAsRecords makes files of columns that mostly look alike, with
// exceptions that inference has seen or not.
func TestBlocksAreAsRecords(t *testing.T) {
	t.Parallel()
	kinds := []func(r *rand.Rand) string{
		func(r *rand.Rand) string { return fmt.Sprint(r.Int64() >> r.IntN(63)) },
		func(r *rand.Rand) string { return fmt.Sprint(r.Uint64N(100)) },
		func(r *rand.Rand) string { return fmt.Sprintf("%.2f", r.NormFloat64()*1000) },
		func(r *rand.Rand) string { return fmt.Sprintf("%d.%d0", r.IntN(3)-1, r.IntN(10)) },
		func(r *rand.Rand) string {
			return fmt.Sprintf("%04d-%02d-%02d", 1890+r.IntN(200), 1+r.IntN(12), 1+r.IntN(28))
		},
		func(r *rand.Rand) string { return "text é!"[:r.IntN(5)] },
		func(r *rand.Rand) string { return strings.Repeat("long words ", r.IntN(9)) },
		func(r *rand.Rand) string { return `"say ""` + fmt.Sprint(r.IntN(9)) + "\"\"\n\"" },
	}
	odd := []string{"", `""`, "0", "-0", "-0.00", "00", "1e5", "x", `"7"`, "1.5", "2000-02-30", "2000-02-29", `\N`, "-", "99999999999999999999", "12345678.00", "\xff", "1,2", `a"b`, "-5"}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		var chosen []int
		for i := range 1 + r.IntN(6) {
			chosen = append(chosen, r.IntN(len(kinds)))
			fmt.Fprintf(&b, "%sc%d", ","[:min(i, 1)], i)
		}
		rare, head := 1+r.IntN(400), 0
		for range r.IntN(600) {
			b.WriteString("\n")
			if r.IntN(3) == 0 {
				head = b.Len()
			}
			for i, k := range chosen {
				b.WriteString(","[:min(i, 1)])
				if r.IntN(rare) == 0 {
					b.WriteString(odd[r.IntN(len(odd))])
				} else {
					b.WriteString(kinds[k](r))
				}
			}
		}
		types := map[string]sluice.Type{"c0": sluice.T(sluice.Int64)}
		if seed%2 == 0 {
			types, head = nil, b.Len()
		}
		sameByBlocks(t, b.String(), head, blockDialects[0], types)
	}
}

// TestQuickReadersReadAsTheOthers compares them on texts of all lengths and signs.
func TestQuickReadersReadAsTheOthers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	quick := 0
	for range 200_000 {
		text := make([]byte, 1+r.IntN(18))
		for i := range text {
			text[i] = "0123456789012345678901234567890123456789.-/:\x80"[r.IntN(45)]
		}
		if len(text) > 3 && r.IntN(2) == 0 {
			text[len(text)-3] = '.'
		}
		buf := append([]byte("12345678"), text...)
		f := fieldAt(8, len(buf))
		if v, ok := quickInt(buf, f); ok {
			quick++
			if want, fits := parseInt(text); !fits || v != want {
				t.Fatalf("%q: %d, want %d, %v", text, v, want, fits)
			}
		}
		if v, _, ok := quickDecimal(buf, f, 2, '.'); ok {
			quick++
			if want, fits := parseDecimal(text, 38, 2, false); !fits || want.BigInt().Int64() != v {
				t.Fatalf("%q: %d, want %v, %v", text, v, want, fits)
			}
		}
	}
	if quick < 10_000 {
		t.Error(quick)
	}
}

func TestCivilDays(t *testing.T) {
	t.Parallel()
	day := int32(-719162) // of the year 1
	for y := uint32(1); y <= 9999; y++ {
		for m := uint32(1); m <= 12; m++ {
			for d := uint32(1); d <= 31; d++ {
				if d > 28 && !isDay(y, m, d) {
					continue
				}
				if y%97 < 3 { // formatting all of them takes long
					text := fmt.Appendf(nil, "%04d-%02d-%02d", y, m, d)
					if got, ok := parseDate(text); !ok || got != day {
						t.Fatalf("%s: %d, want %d", text, got, day)
					}
				}
				day++
			}
		}
	}
	if day != 2932897 {
		t.Error(day)
	}
}
