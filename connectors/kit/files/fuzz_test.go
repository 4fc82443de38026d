package files

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/sluicehq/sluice"
)

// FuzzCSV compares the scanner with encoding/csv where that one reads the
// input, whole and in small pieces, and looks that reading goes to the end and
// that every record becomes a row or is rejected, with types or without.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\n1,2\n")
	f.Add("a,b\r\n\"x\"\"y\",\"\n\"\r\n")
	f.Add("\"a,b\n1,2\n")
	f.Add("a\"b,\"c\"d\n\n,\n")
	f.Add("a,b\n1,2024-01-01\n1.50,x\n-0,1e5\n\xff,9")
	f.Fuzz(func(t *testing.T, input string) {
		d := Dialect{Delimiter: ",", Quote: `"`, Header: "no", Comment: None, Encoding: "utf-8", Nulls: []string{}}
		ours := split(t, strings.NewReader(input), d)
		pieces := split(t, iotest.OneByteReader(strings.NewReader(input)), d)
		if !slices.EqualFunc(ours, pieces, slices.Equal) {
			t.Fatalf("%q in pieces: %q, whole: %q", input, pieces, ours)
		}
		if theirs, ok := standard(input); ok && !slices.EqualFunc(ours, theirs, slices.Equal) {
			t.Fatalf("%q: %q, want %q", input, ours, theirs)
		}
		readsToTheEnd(t, input, d, true)
		readsToTheEnd(t, input, d, false)
		sniffed := Sniff(Dialect{Encoding: "utf-8"}, []byte(input), true)
		readsToTheEnd(t, input, sniffed, true)
	})
}

// standard is what encoding/csv reads. It differs where a CR stands elsewhere
// than before an LF, which it drops.
func standard(input string) ([][]string, bool) {
	if strings.Contains(strings.ReplaceAll(input, "\r\n", ""), "\r") || strings.Contains(input, "\"") && strings.Contains(input, "\r") {
		return nil, false
	}
	r := csv.NewReader(strings.NewReader(input))
	r.FieldsPerRecord = -1
	records, err := r.ReadAll()
	return records, err == nil
}

func split(t *testing.T, r io.Reader, d Dialect) [][]string {
	s := newScanner(r, d)
	var records [][]string
	for {
		ok, err := s.record()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return records
		}
		record := []string{string(s.fault)}[:0]
		if s.fault != "" {
			record = append(record, string(s.fault), string(s.text()))
		} else {
			for _, f := range s.fields {
				b, _ := s.value(f, nil)
				record = append(record, string(b))
			}
		}
		records = append(records, record)
	}
}

// readsToTheEnd reads a text with the types that were found in all of it, or in
// the first half, and checks that texts come back as they were.
func readsToTheEnd(t *testing.T, input string, d Dialect, whole bool) {
	shape := &Shape{Name: sluice.TableName{Name: "t"}}
	head := input
	if !whole {
		head = input[:len(input)/2]
	}
	g, err := Infer("t", strings.NewReader(head), d, whole)
	if err == nil {
		err = shape.Add("t", g)
	}
	if err != nil {
		return
	}
	to := &sink{}
	c, err := NewCSV("t", strings.NewReader(input), d, shape, whole, to)
	if err != nil {
		return
	}
	defer c.Close()
	records := split(t, strings.NewReader(input), d)
	rows := 0
	for {
		b, err := c.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rows += int(b.Rows.NumRows())
		b.Rows.Release()
	}
	rejected := 0
	for _, r := range to.rejected {
		if r.Row {
			rejected++
		}
		if whole && !r.Row && utf8.ValidString(r.Value) && utf8.ValidString(input) {
			t.Fatalf("%q: rejected %+v", input, r)
		}
	}
	if d.Header == "no" && d.SkipLines == 0 && rows+rejected != len(records) {
		t.Fatalf("%q: %d rows and %d rejected of %d records", input, rows, rejected, len(records))
	}
}

// FuzzResume reads on from every place that a reader returns.
func FuzzResume(f *testing.F) {
	f.Add("a,b\n1,2\nx,3\n4,5\n")
	f.Add("a\n\"x\n\"\n\"y\n")
	f.Fuzz(func(t *testing.T, input string) {
		if len(input) > 200 {
			return // the work grows with the square of it
		}
		d := Dialect{Delimiter: ",", Quote: `"`, Header: "yes", Comment: None, Encoding: "utf-8", Nulls: []string{}}
		newReader := func() (*CSV, error) {
			return NewCSV("t", bytes.NewReader([]byte(input)), d, &Shape{}, false, &sink{})
		}
		c, err := newReader()
		if err != nil {
			return
		}
		var places []Place
		var lines []string
		for {
			places = append(places, c.Place())
			ok, err := c.scan.record()
			if err != nil || !ok {
				break
			}
			lines = append(lines, fmt.Sprintf("%d %q %s", c.scan.recordLine, c.scan.text(), c.scan.fault))
		}
		for i, at := range places {
			c, err := newReader()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Resume(at); err != nil {
				t.Fatal(err)
			}
			for _, want := range lines[i:] {
				if ok, _ := c.scan.record(); !ok {
					t.Fatalf("%q from %+v: the end, want %s", input, at, want)
				}
				if got := fmt.Sprintf("%d %q %s", c.scan.recordLine, c.scan.text(), c.scan.fault); got != want {
					t.Fatalf("%q from %+v: %s, want %s", input, at, got, want)
				}
			}
		}
	})
}
