package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// lineitemColumns are those of TPC-H, with its types.
const lineitemColumns = `l_orderkey bigint NOT NULL, l_partkey integer NOT NULL, l_suppkey integer NOT NULL, l_linenumber integer NOT NULL,
	l_quantity numeric(15,2) NOT NULL, l_extendedprice numeric(15,2) NOT NULL, l_discount numeric(15,2) NOT NULL, l_tax numeric(15,2) NOT NULL,
	l_returnflag char(1) NOT NULL, l_linestatus char(1) NOT NULL, l_shipdate date NOT NULL, l_commitdate date NOT NULL, l_receiptdate date NOT NULL,
	l_shipinstruct char(25) NOT NULL, l_shipmode char(10) NOT NULL, l_comment varchar(44) NOT NULL`

const lineitemHeader = "l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,l_discount,l_tax,l_returnflag,l_linestatus," +
	"l_shipdate,l_commitdate,l_receiptdate,l_shipinstruct,l_shipmode,l_comment\n"

var (
	instructions = []string{"DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"}
	shipModes    = []string{"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"}
	words        = []string{"furiously", "carefully", "final", "pending", "requests", "deposits", "ironic", "packages", "sleep", "quickly", "bold",
		"accounts", "across", "the", "regular", "theodolites", "about", "even", "instructions", "haggle", "slyly", "express", "blithely", "above"}
	dates = calendar()
)

// calendar returns days of TPC-H's years as text, which is quicker than making
// them.
func calendar() []string {
	var days []string
	for year := 1992; year <= 1998; year++ {
		for month := 1; month <= 12; month++ {
			for day := 1; day <= 28; day++ {
				days = append(days, fmt.Sprintf("%04d-%02d-%02d", year, month, day))
			}
		}
	}
	return days
}

// A csvWriter builds lines and writes them in large pieces.
type csvWriter struct {
	out io.Writer
	buf []byte
	r   *rand.Rand
	err error
}

func newCSVWriter(out io.Writer, seed uint64) *csvWriter {
	return &csvWriter{out: out, buf: make([]byte, 0, 1<<20), r: rand.New(rand.NewPCG(seed, 2))}
}

func (w *csvWriter) text(s string)  { w.buf = append(append(w.buf, s...), ',') }
func (w *csvWriter) number(n int64) { w.buf = append(strconv.AppendInt(w.buf, n, 10), ',') }
func (w *csvWriter) cents(n int64) {
	w.buf = strconv.AppendInt(w.buf, n/100, 10)
	w.buf = append(w.buf, '.', byte('0'+n/10%10), byte('0'+n%10), ',')
}

// line ends a line, in place of its last comma.
func (w *csvWriter) line() {
	w.buf[len(w.buf)-1] = '\n'
	if len(w.buf) > 900<<10 {
		w.flush()
	}
}

func (w *csvWriter) flush() {
	if w.err == nil {
		_, w.err = w.out.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

func (w *csvWriter) pick(of []string) string { return of[w.r.IntN(len(of))] }

// sentence writes words of lo to hi bytes in all.
func (w *csvWriter) sentence(lo, hi int) {
	size := lo + w.r.IntN(hi-lo+1)
	start := len(w.buf)
	for len(w.buf)-start < size {
		w.buf = append(append(w.buf, w.pick(words)...), ' ')
	}
	w.buf = w.buf[:start+size]
	if w.buf[len(w.buf)-1] == ' ' { // kept in varchar, but no CSV reader need agree
		w.buf[len(w.buf)-1] = '.'
	}
	w.buf = append(w.buf, ',')
}

// lineitem writes n rows as CSV, without a header: orders of one to seven lines,
// the same rows for the same n.
func lineitem(out io.Writer, n int64) error {
	w := newCSVWriter(out, 1)
	r := w.r
	for order, row := int64(1), int64(0); row < n; order++ {
		placed, lines := r.IntN(len(dates)-200), 1+r.IntN(7)
		for line := 1; line <= lines && row < n; line++ {
			w.number(order)
			part := 1 + r.Int64N(200_000)
			quantity := 1 + r.Int64N(50)
			w.number(part)
			w.number(1 + part%10_000)
			w.number(int64(line))
			w.cents(quantity * 100)
			w.cents(quantity * (90_000 + part%20_000))
			w.cents(r.Int64N(11))
			w.cents(r.Int64N(9))
			shipped := placed + 1 + r.IntN(120)
			w.text([...]string{"R", "A", "N"}[r.IntN(3)])
			w.text([...]string{"O", "F"}[r.IntN(2)])
			w.text(dates[shipped])
			w.text(dates[placed+30+r.IntN(60)])
			w.text(dates[shipped+1+r.IntN(30)])
			w.text(w.pick(instructions))
			w.text(w.pick(shipModes))
			w.sentence(10, 43)
			w.line()
			row++
		}
	}
	w.flush()
	return w.err
}

// wideKinds is the mix of the wide table: how many columns of which type.
var wideKinds = []struct {
	kind  string
	count int
	write func(w *csvWriter)
}{
	{"integer", 10, func(w *csvWriter) { w.number(int64(w.r.Int32())) }},
	{"bigint", 8, func(w *csvWriter) { w.number(w.r.Int64()) }},
	{"smallint", 3, func(w *csvWriter) { w.number(int64(int16(w.r.Int32()))) }},
	{"double precision", 8, func(w *csvWriter) {
		w.buf = append(strconv.AppendFloat(w.buf, w.r.NormFloat64()*1e3, 'g', -1, 64), ',')
	}},
	{"numeric(12,2)", 7, func(w *csvWriter) { w.cents(w.r.Int64N(1e9)) }},
	{"text", 9, func(w *csvWriter) { w.sentence(4, 28) }},
	{"timestamptz", 5, func(w *csvWriter) { w.moment(); w.buf = append(w.buf[:len(w.buf)-1], "+00,"...) }},
	{"timestamp", 3, (*csvWriter).moment},
	{"date", 3, func(w *csvWriter) { w.text(w.pick(dates)) }},
	{"boolean", 3, func(w *csvWriter) { w.text([...]string{"t", "f"}[w.r.IntN(2)]) }},
}

// moment writes a time with microseconds.
func (w *csvWriter) moment() {
	day, us := w.pick(dates), w.r.Int64N(86_400_000_000)
	w.buf = fmt.Appendf(w.buf, "%s %02d:%02d:%02d.%06d,", day, us/3_600_000_000, us/60_000_000%60, us/1_000_000%60, us%1_000_000)
}

// wideColumns declares an id and 59 columns of mixed types.
func wideColumns() string {
	columns := "id bigint NOT NULL"
	n := 0
	for _, k := range wideKinds {
		for range k.count {
			n++
			columns += fmt.Sprintf(", c%02d %s", n, k.kind)
		}
	}
	return columns
}

// wide writes n rows as CSV: a fifth of the values are null.
func wide(out io.Writer, n int64) error {
	w := newCSVWriter(out, 2)
	for id := range n {
		w.number(id + 1)
		for _, k := range wideKinds {
			for range k.count {
				if w.r.IntN(5) == 0 {
					w.buf = append(w.buf, ',')
				} else {
					k.write(w)
				}
			}
		}
		w.line()
	}
	w.flush()
	return w.err
}
