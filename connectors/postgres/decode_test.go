package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
)

// everyWire is a column of each way to decode.
func everyWire() []column {
	var cols []column
	for i, name := range []string{"bool", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "money", "date", "time",
		"timestamptz", "text", "char", "bytea", "jsonb", "uuid", "numeric"} {
		c := column{name: fmt.Sprint("c", i), typeName: name, system: true, typtype: 'b', typmod: -1}
		if i == 7 {
			c.typmod = 20<<16 + 4 + 4
		}
		c.resolve(typeOptions{moneyScale: 2})
		cols = append(cols, c)
	}
	return cols
}

// FuzzCopy feeds any bytes, cut anywhere: the decoder ends with an error or with
// batches that Arrow finds valid, and where it is cut makes no difference.
func FuzzCopy(f *testing.F) {
	var seed []byte
	seed = append(seed, copyHeader...)
	seed = append(seed, make([]byte, 8)...)
	seed = append(seed, 0, 18)
	for _, v := range [][]byte{{1}, {0, 1}, {0, 0, 0, 1}, make([]byte, 8), {0, 0, 0, 1}, make([]byte, 4), make([]byte, 8),
		{0, 2, 0, 0, 0, 0, 0, 2, 0, 3, 0x13, 0x88}, make([]byte, 8), {0x7f, 0xff, 0xff, 0xff}, make([]byte, 8), make([]byte, 8),
		[]byte("text"), {0xff}, {0}, []byte("\x01{}"), make([]byte, 16), {0, 1, 0xff, 0xfe, 0x40, 0, 0, 6, 0, 7}} {
		seed = appendField(seed, v)
	}
	null := append([]byte{0, 18}, bytes.Repeat([]byte{0xff}, 4*18)...)
	f.Add(append(append(bytes.Clone(seed), null...), 0xff, 0xff), uint16(7))
	f.Add(append(seed, null...), uint16(1))
	f.Add([]byte(copyHeader), uint16(3))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		whole, wholeErr := decodeAll(t, data, len(data)+1)
		parts, partsErr := decodeAll(t, data, int(cut)+1)
		if whole != parts || (wholeErr == nil) != (partsErr == nil) {
			t.Fatalf("cut every %d bytes: %q, %v; whole: %q, %v", cut, parts, partsErr, whole, wholeErr)
		}
		bulk, bulkErr := decodeMessages(t, messages(data))
		if whole != bulk || (wholeErr == nil) != (bulkErr == nil) {
			t.Fatalf("in messages: %q, %v; whole: %q, %v", bulk, bulkErr, whole, wholeErr)
		}
	})
}

// Rows of any values come out the same whether they are decoded in bulk or not.
func TestBulkChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		data := append([]byte(copyHeader), make([]byte, 8)...)
		odd := rapid.IntRange(0, 100).Draw(t, "odd")
		for range rapid.IntRange(0, 60).Draw(t, "rows") {
			data = append(data, 0, 18)
			for i, c := range everyWire() {
				switch kind := rapid.IntRange(0, 99).Draw(t, "kind"); {
				case kind < 10:
					data = appendField(data, nil)
				case kind < 10+odd/50:
					data = appendField(data, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "any"))
				default:
					data = appendField(data, fitting(t, i, c))
				}
			}
		}
		whole, wholeErr := decodeAll(t, data, len(data)+1)
		bulk, bulkErr := decodeMessages(t, messages(data))
		if whole != bulk || (wholeErr == nil) != (bulkErr == nil) {
			t.Fatalf("in messages: %q, %v; whole: %q, %v", bulk, bulkErr, whole, wholeErr)
		}
	})
}

// fitting returns a value that a column of everyWire holds, most of the time.
func fitting(t *rapid.T, i int, c column) []byte {
	exactly := func(n int) []byte { return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value") }
	switch c.wire {
	case wireBool:
		return exactly(1)
	case wireUUID:
		return exactly(16)
	case wireJSONB:
		return append([]byte{1}, exactly(2)...)
	case wireDecimal, wireNumericText:
		scale := rapid.IntRange(0, 6).Draw(t, "scale")
		return numericWire(big.NewInt(rapid.Int64().Draw(t, "number")), scale)
	case wireText, wireBytes, wireCheckedText:
		return []byte(rapid.StringN(0, 50, 80).Draw(t, "text"))
	}
	return exactly(wireWidth[c.wire])
}

// messages cuts a COPY stream into messages as the server does: the header with
// the first row, then a row each. What is no row comes as it is.
func messages(data []byte) []byte {
	var out []byte
	head := 0
	if n, err := header(data); err == nil {
		head = n
	}
	for len(data) > 0 {
		n, err := rowEnd(data[head:], len(everyWire()))
		if err != nil {
			n = len(data) - head
		}
		n += head
		out = binary.BigEndian.AppendUint32(append(out, 'd'), uint32(n+4))
		out = append(out, data[:n]...)
		data, head = data[n:], 0
	}
	return out
}

// decodeMessages decodes messages as a lane does.
func decodeMessages(t rapid.TB, data []byte) (string, error) {
	var text strings.Builder
	d := newDecoder(everyWire(), []string{"c2"}, 200, &recycler{})
	defer takeTexts(t, d, &text)
	for len(data) > 0 {
		n := d.bulk(data)
		data = data[n:]
		if d.full() {
			takeTexts(t, d, &text)
		}
		if n > 0 || len(data) == 0 {
			continue
		}
		size := 1 + int(binary.BigEndian.Uint32(data[1:]))
		for body := data[messageHead:size]; len(body) > 0; {
			n, err := d.write(body)
			if err != nil {
				takeTexts(t, d, &text)
				return text.String(), err
			}
			body = body[n:]
			if d.full() {
				takeTexts(t, d, &text)
			}
		}
		data = data[size:]
	}
	takeTexts(t, d, &text)
	return text.String(), nil
}

// takeTexts checks the batch at hand and writes its rows.
func takeTexts(t rapid.TB, d *decoder, text *strings.Builder) {
	rows := d.take()
	if rows == nil {
		return
	}
	for i, c := range rows.Columns() {
		check := array.ValidateFull
		if d.cols[i].wire == wireText || d.cols[i].wire == wireJSONB {
			check = array.Validate // that it is UTF-8 is the server's word
		}
		if err := check(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range rowTexts(rows) {
		text.WriteString(row + "\n")
	}
	rows.Release()
}

// decodeAll decodes data in pieces of that size.
func decodeAll(t rapid.TB, data []byte, size int) (string, error) {
	var text strings.Builder
	d := newDecoder(everyWire(), []string{"c2"}, 200, &recycler{})
	take := func() { takeTexts(t, d, &text) }
	defer take()
	for len(data) > 0 {
		piece := data[:min(size, len(data))]
		n, err := d.write(piece)
		if err != nil {
			take()
			return text.String(), err
		}
		data = data[n:]
		if d.full() {
			take()
		}
	}
	take()
	return text.String(), nil
}

// FuzzCursor feeds any cursor: it is refused with an error or makes sense.
func FuzzCursor(f *testing.F) {
	f.Add([]byte(`{"kind":"refresh","heaps":[[1,2]],"done":[[0,0,5,10,700]]}`))
	f.Add([]byte(`{"kind":"incremental","column":"at","value":"x","raw":"AA==","seen":"AAAAAAAAAAA=","columns":["a"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		name := streamNamed("a", "b").Name
		state, err := readState(sluice.State{{Stream: name}: data}, name)
		if err != nil || len(data) == 0 {
			return
		}
		c := state[0]
		again, err := readState(sluice.State{{Stream: name}: c.marshal()}, name)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if second := again[0]; !bytes.Equal(second.marshal(), c.marshal()) {
			t.Fatalf("%s became %s", c.marshal(), second.marshal())
		}
	})
}

// Numbers of any shape come out as they are, as text and as decimals.
func TestNumericIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		precision := int32(rapid.IntRange(1, 38).Draw(t, "precision"))
		scale := int32(rapid.IntRange(0, int(precision)).Draw(t, "scale"))
		digits := rapid.StringMatching(fmt.Sprintf("[0-9]{1,%d}", precision)).Draw(t, "digits")
		negative := rapid.Bool().Draw(t, "negative")
		unscaled, _ := new(big.Int).SetString(digits, 10)
		if negative {
			unscaled.Neg(unscaled)
		}
		n, ok := parseNumeric(numericWire(unscaled, int(scale)))
		if !ok {
			t.Fatal("not well formed")
		}
		got, ok := n.decimal(precision, scale)
		if !ok || got.BigInt().Cmp(unscaled) != 0 {
			t.Fatalf("%s became %s, %v", unscaled, got.BigInt(), ok)
		}
		if want := got.ToString(scale); string(n.appendText(nil)) != want {
			t.Fatalf("text %s, want %s", n.appendText(nil), want)
		}
		if _, ok := n.decimal(precision, scale); precision > 1 && ok && unscaled.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision-1)), nil)) >= 0 {
			if _, fits := n.decimal(precision-1, min(scale, precision-1)); fits && scale <= precision-1 {
				t.Fatalf("%s fits one digit fewer", unscaled)
			}
		}
	})
}

// numericWire writes unscaled / 10^scale in PostgreSQL's binary form.
func numericWire(unscaled *big.Int, scale int) []byte {
	digits := new(big.Int).Abs(unscaled).String()
	digits = strings.Repeat("0", max(0, scale+1-len(digits))) + digits
	whole, fraction := digits[:len(digits)-scale], digits[len(digits)-scale:]
	whole = strings.Repeat("0", (4-len(whole)%4)%4) + whole
	fraction += strings.Repeat("0", (4-len(fraction)%4)%4)
	weight, all := len(whole)/4-1, whole+fraction
	for strings.HasPrefix(all, "0000") {
		all, weight = all[4:], weight-1
	}
	for strings.HasSuffix(all, "0000") {
		all = all[:len(all)-4]
	}
	sign := uint16(0)
	if unscaled.Sign() < 0 {
		sign = numericNegative
	}
	if all == "" {
		weight = 0
	}
	b := binary.BigEndian.AppendUint16(nil, uint16(len(all)/4))
	b = binary.BigEndian.AppendUint16(b, uint16(int16(weight)))
	b = binary.BigEndian.AppendUint16(b, sign)
	b = binary.BigEndian.AppendUint16(b, uint16(scale))
	for ; all != ""; all = all[4:] {
		var d uint16
		_, _ = fmt.Sscanf(all[:4], "%d", &d)
		b = binary.BigEndian.AppendUint16(b, d)
	}
	return b
}
