package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// count writes a number with thousands apart: 1,234,567.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes a number of things: "1 row", "2,000 rows".
func plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(n) + " " + word + "s"
}

// size writes bytes in the largest unit that leaves at least 1: "1.5 MiB".
func size(n int64) string {
	const units = "KMGT"
	v, unit := float64(n), -1
	for v >= 1024 && unit < len(units)-1 {
		v /= 1024
		unit++
	}
	if unit < 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %ciB", v, units[unit])
}

// brief writes a duration with as many digits as matter: "0.05s", "4.2s", "3m07s".
func brief(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	d = d.Round(time.Second)
	if d < time.Hour {
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// rate returns n a second.
func rate(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(n) / d.Seconds())
}

// runeWidth returns how many places of a terminal r takes.
func runeWidth(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func textWidth(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// clip shortens s to at most most places, with an ellipsis where it does.
func clip(s string, most int) string {
	if len(s) <= most || textWidth(s) <= most {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > most-1 {
			return s[:i] + "…"
		}
	}
	return s
}

// visible makes a value safe to show on a terminal, in one line: what could move
// the cursor or change colours is written as an escape.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n':
			b.WriteString("⏎")
		case r == '\t' || r == '\u00a0':
			b.WriteByte(' ')
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r != '\r':
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// A table is lines of cells under titles, aligned.
type table struct {
	titles []string
	right  []bool // by column: numbers stand to the right
	lines  [][]string
}

// newTable returns a table with these titles; those that begin with > stand to
// the right.
func newTable(titles ...string) *table {
	t := &table{}
	for _, title := range titles {
		name, right := strings.CutPrefix(title, ">")
		t.titles, t.right = append(t.titles, name), append(t.right, right)
	}
	return t
}

func (t *table) add(cells ...string) { t.lines = append(t.lines, cells) }

// drop leaves out a column.
func (t *table) drop(title string) {
	for i, name := range t.titles {
		if name != title {
			continue
		}
		without := func(s []string) []string { return append(append([]string(nil), s[:i]...), s[i+1:]...) }
		t.titles = without(t.titles)
		t.right = append(append([]bool(nil), t.right[:i]...), t.right[i+1:]...)
		for n := range t.lines {
			t.lines[n] = without(t.lines[n])
		}
		return
	}
}

const gap = "  "

func (t *table) widths() []int {
	widths := make([]int, len(t.titles))
	for _, line := range append([][]string{t.titles}, t.lines...) {
		for i, cell := range line {
			widths[i] = max(widths[i], textWidth(cell))
		}
	}
	return widths
}

// width returns how many places the table takes.
func (t *table) width() int {
	total := -len(gap)
	for _, w := range t.widths() {
		total += w + len(gap)
	}
	return total
}

// text returns the lines of the table, the titles first; without trailing spaces.
func (t *table) text(s style) []string {
	widths := t.widths()
	lines := make([]string, 0, len(t.lines)+1)
	for n, cells := range append([][]string{t.titles}, t.lines...) {
		var b strings.Builder
		for i, cell := range cells {
			pad := strings.Repeat(" ", max(0, widths[i]-textWidth(cell)))
			if t.right[i] {
				cell, pad = pad+cell, ""
			}
			b.WriteString(cell + pad + gap)
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = s.dim(line)
		}
		lines = append(lines, line)
	}
	return lines
}

func (t *table) write(w io.Writer, s style) {
	for _, line := range t.text(s) {
		fmt.Fprintln(w, line)
	}
}

// A style colours text, where that is wanted.
type style bool

func (s style) paint(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string   { return s.paint("1", text) }
func (s style) dim(text string) string    { return s.paint("2", text) }
func (s style) red(text string) string    { return s.paint("31", text) }
func (s style) green(text string) string  { return s.paint("32", text) }
func (s style) yellow(text string) string { return s.paint("33", text) }

// terminal returns the terminal that w writes to, or nil.
func (a *app) terminal(w io.Writer) *os.File {
	if q, ok := w.(*quietWriter); ok {
		w = q.to
	}
	f, ok := w.(*os.File)
	if kind, _ := a.lookup("TERM"); !ok || kind == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// style returns how to write to w: in colours on a terminal, unless NO_COLOR is set.
func (a *app) style(w io.Writer) style {
	no, _ := a.lookup("NO_COLOR")
	return style(no == "" && a.terminal(w) != nil)
}

// screen returns the size of the terminal that w writes to; ok is false where it
// is none.
func (a *app) screen(w io.Writer) (columns, lines int, ok bool) {
	f := a.terminal(w)
	if f == nil {
		return 0, 0, false
	}
	columns, lines, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 20 {
		return 80, 24, true
	}
	return columns, lines, true
}
