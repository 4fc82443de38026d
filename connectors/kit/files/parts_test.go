package files

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sluicehq/sluice/internal/thin"
)

// sameInParts infers from a text by one goroutine, and by several that have small
// parts of it.
func sameInParts(t *testing.T, input string, size int, d Dialect) {
	t.Helper()
	infer := func(processors int) (*Guess, error) {
		return inferBy(processors, size, "t", iotest.HalfReader(strings.NewReader(input)), d, true)
	}
	want, wantErr := infer(1)
	got, err := infer(3)
	if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
		t.Fatalf("%q in parts of %d:\n%+v %v\nwant:\n%+v %v", input, size, got, err, want, wantErr)
	}
}

func FuzzParts(f *testing.F) {
	f.Add("a,b\n1,\"x\ny\"\n2,\"z\"\"\n\"\n3,4\n", 12, 0)
	f.Add("a,b\n1,5\" pipe\n2,z\n3,4\n5,6\n7,8\n", 14, 0)
	f.Add("'1';'2\\'';'\n';x\n-1;-0,5;'y\\'\n'\n", 7, 1)
	f.Add("a|b|\n1|2|\n3|4|\r\n5|\n\n6|7|8\n", 6, 2)
	f.Fuzz(func(t *testing.T, input string, size, dialect int) {
		sameInParts(t, input, 1+int(uint(size)%300), blockDialects[uint(dialect)%uint(len(blockDialects))])
	})
}

func TestPartsFindTheSame(t *testing.T) {
	t.Parallel()
	values := []string{"1", "-12345678901234", "2.50", "-0.0", "1.5", "12345678901234567890", "1996-01-02", "true", "False", "NA", "-", "?", `\N`, "", "x y",
		`"a\nb"`, `"say ""no"""`, `"\n\n"`, `5" pipe`, `"open`, "\xff", "07:30:00", "2020-01-01 10:00:00Z"}
	for seed := range uint64(3000 / thin.By(3)) {
		r := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		b.WriteString("a,b,c\n")
		few := values[:1+r.IntN(len(values))]
		if seed%2 == 0 {
			r.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
			few = values[:1+r.IntN(4)]
		}
		for range r.IntN(200) {
			for i := range 3 {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(strings.ReplaceAll(few[r.IntN(len(few))], `\n`, "\n"))
			}
			b.WriteString("\n\r\n"[r.IntN(2):])
		}
		sameInParts(t, b.String(), 20+r.IntN(300), blockDialects[0])
	}
}

// Where reading fails in the middle, all goroutines end and the error is told.
func TestPartsOfABrokenFile(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	text := strings.Repeat("1,2\n", 100_000)
	_, err := inferBy(4, 1000, "t", io.MultiReader(strings.NewReader("a,b\n"+text), iotest.ErrReader(broken)), blockDialects[0], true)
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
}

// Parts are used where they should be: nothing here is open at a line's end.
func TestPartsTakeNearlyAll(t *testing.T) {
	t.Parallel()
	d := blockDialects[0]
	s := newScanner(strings.NewReader("a,b\n"+strings.Repeat("1,\"x\ny\"\n", 100_000)), d)
	names, err := readHeader(s, d, "t")
	if err != nil {
		t.Fatal(err)
	}
	nulls := newNullTexts(d.Nulls)
	o := &observer{dialect: d, whole: true, nulls: &nulls, names: names, seen: make([]stats, len(names))}
	o.inParts(s, 2, 4<<10)
	if o.rows < 99_000 || o.bad != 0 {
		t.Fatalf("%d rows, %d malformed", o.rows, o.bad)
	}
}
