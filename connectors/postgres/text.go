package postgres

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// valueText returns a value that the buffer holds as text, for messages.
func (b *buffer) valueText(row int) string {
	if b.isNull(row) {
		return "null"
	}
	at := b.values[row*max(b.width, 0):]
	switch b.wire {
	case wireBool:
		return strconv.FormatBool(b.values[row>>3]&(1<<(row&7)) != 0)
	case wireInt2:
		return strconv.Itoa(int(int16(binary.LittleEndian.Uint16(at))))
	case wireInt4:
		return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(at))))
	case wireInt8, wireOID:
		return strconv.FormatInt(int64(binary.LittleEndian.Uint64(at)), 10)
	case wireFloat4:
		return strconv.FormatFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(at))), 'g', -1, 32)
	case wireFloat8:
		return strconv.FormatFloat(math.Float64frombits(binary.LittleEndian.Uint64(at)), 'g', -1, 64)
	case wireDecimal, wireMoney:
		return decimal128.New(int64(binary.LittleEndian.Uint64(at[8:])), binary.LittleEndian.Uint64(at)).ToString(b.logical.Scale)
	case wireDate:
		return dateText(int64(int32(binary.LittleEndian.Uint32(at))) - epochDays)
	case wireTime:
		return timeText(int64(binary.LittleEndian.Uint64(at)))
	case wireTimestamp:
		return timestampText(int64(binary.LittleEndian.Uint64(at)) - epochMicros)
	case wireBytes:
		return base64.StdEncoding.EncodeToString(b.text(row))
	}
	return string(b.text(row))
}

// fieldText returns a field of the wire as text that PostgreSQL reads back as
// the same value; false for kinds that cannot be cursors.
func (c *column) fieldText(p []byte) (string, bool) {
	if n := wireWidth[c.wire]; n > 0 && len(p) != n {
		return "", false
	}
	switch c.wire {
	case wireInt2:
		return strconv.Itoa(int(int16(binary.BigEndian.Uint16(p)))), true
	case wireInt4:
		return strconv.Itoa(int(int32(binary.BigEndian.Uint32(p)))), true
	case wireInt8:
		return strconv.FormatInt(int64(binary.BigEndian.Uint64(p)), 10), true
	case wireOID:
		return strconv.FormatUint(uint64(binary.BigEndian.Uint32(p)), 10), true
	case wireDate:
		return dateText(int64(int32(binary.BigEndian.Uint32(p)))), true
	case wireTimestamp:
		return timestampText(int64(binary.BigEndian.Uint64(p))), true
	case wireNumericText, wireDecimal:
		n, ok := parseNumeric(p)
		return string(n.appendText(nil)), ok
	case wireText:
		return string(p), true
	case wireUUID:
		return string(appendUUID(nil, p)), len(p) == 16
	}
	return "", false
}

// dateText writes days since 2000-01-01 as PostgreSQL does.
func dateText(days int64) string {
	y, m, d := civil(days)
	return era(y, fmt.Sprintf("-%02d-%02d", m, d))
}

// timestampText writes microseconds since 2000-01-01 as PostgreSQL does, without
// a zone.
func timestampText(micros int64) string {
	days := micros / (86400 * 1_000_000)
	if micros%(86400*1_000_000) < 0 {
		days--
	}
	y, m, d := civil(days)
	return era(y, fmt.Sprintf("-%02d-%02d %s", m, d, timeText(micros-days*86400*1_000_000)))
}

// civil returns the date that many days after 2000-01-01.
func civil(days int64) (int, time.Month, int) {
	return time.Unix((days+epochDays)*86400, 0).UTC().Date()
}

// era writes a year, of which there is none before 1 but 1 BC.
func era(year int, rest string) string {
	if year <= 0 {
		return fmt.Sprintf("%04d%s BC", 1-year, rest)
	}
	return fmt.Sprintf("%04d%s", year, rest)
}

func timeText(micros int64) string {
	seconds := micros / 1_000_000
	text := fmt.Sprintf("%02d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if fraction := micros % 1_000_000; fraction != 0 {
		text += fmt.Sprintf(".%06d", fraction)
	}
	return text
}
