package jsonarrow

import "time"

// moment is a date, a time of day or both, as ISO 8601 writes them.
type moment struct {
	days             int64 // since 1970-01-01
	micros           int64 // since midnight
	offset           int64 // of the zone, in microseconds
	hasDate, hasTime bool
	hasZone          bool
}

// parseMoment reads 2006-01-02, 15:04:05[.999999] or both with a T or a blank
// between them, and after a time of day an optional Z, ±07, ±0700 or ±07:00.
// Digits past the microsecond must be zero: nothing is cut off. Seconds may be
// left out. Years are 1 to 9999.
func parseMoment(b []byte) (m moment, ok bool) {
	if len(b) >= 10 && b[4] == '-' && b[7] == '-' {
		if m.days, ok = parseDate(b[:10]); !ok {
			return m, false
		}
		m.hasDate = true
		if b = b[10:]; len(b) == 0 {
			return m, true
		}
		if b[0]|0x20 != 't' && b[0] != ' ' {
			return m, false
		}
		b = b[1:]
	}
	m.hasTime = true
	if m.micros, b, ok = parseClock(b); !ok {
		return m, false
	}
	if len(b) > 0 {
		m.hasZone = true
		m.offset, ok = parseZone(b)
	}
	return m, ok
}

func two(b []byte, limit int64) (int64, bool) {
	if len(b) < 2 || b[0]-'0' > 9 || b[1]-'0' > 9 {
		return 0, false
	}
	n := int64(b[0]-'0')*10 + int64(b[1]-'0')
	return n, n < limit
}

var monthDays = [...]int64{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

func parseDate(b []byte) (int64, bool) {
	century, ok1 := two(b, 100)
	year, ok2 := two(b[2:], 100)
	month, ok3 := two(b[5:], 13)
	day, ok4 := two(b[8:], 32)
	if !ok1 || !ok2 || !ok3 || !ok4 || month == 0 || day == 0 {
		return 0, false
	}
	if year += century * 100; year == 0 {
		return 0, false // not every system has it
	}
	last := monthDays[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		last = 29
	}
	return daysFromCivil(year, month, day), day <= last
}

// daysFromCivil counts the days since 1970-01-01 in the Gregorian calendar; the
// year starts in March, so that the leap day ends it.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	return 365*year + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 719469
}

func parseClock(b []byte) (micros int64, rest []byte, ok bool) {
	hour, ok := two(b, 24)
	if !ok || len(b) < 5 || b[2] != ':' {
		return 0, b, false
	}
	minute, ok := two(b[3:], 60)
	if !ok {
		return 0, b, false
	}
	micros, b = (hour*60+minute)*60e6, b[5:]
	if len(b) == 0 || b[0] != ':' {
		return micros, b, true
	}
	second, ok := two(b[1:], 60)
	if !ok {
		return 0, b, false
	}
	micros, b = micros+second*1e6, b[3:]
	if len(b) == 0 || b[0] != '.' {
		return micros, b, true
	}
	unit, i := int64(1e5), 1
	for ; i < len(b) && b[i]-'0' < 10; i++ {
		if unit == 0 && b[i] != '0' {
			return 0, b, false
		}
		micros += int64(b[i]-'0') * unit
		unit /= 10
	}
	return micros, b[i:], i > 1
}

func parseZone(b []byte) (int64, bool) {
	if len(b) == 1 && b[0]|0x20 == 'z' {
		return 0, true
	}
	if b[0] != '+' && b[0] != '-' || len(b) < 3 {
		return 0, false
	}
	hours, ok := two(b[1:], 24)
	minutes := int64(0)
	if rest := b[3:]; ok && len(rest) > 0 {
		if rest[0] == ':' {
			rest = rest[1:]
		}
		minutes, ok = two(rest, 60)
		ok = ok && len(rest) == 2
	}
	offset := (hours*60 + minutes) * 60e6
	if b[0] == '-' {
		offset = -offset
	}
	return offset, ok
}

const dayMicros = 24 * 60 * 60 * 1e6

// The canonical texts, which a column has that is widened to string.

func appendDate(dst []byte, days int64) []byte {
	return time.Unix(days*86400, 0).UTC().AppendFormat(dst, "2006-01-02")
}

func appendTime(dst []byte, micros int64) []byte {
	return time.UnixMicro(micros).UTC().AppendFormat(dst, "15:04:05.999999")
}

func appendTimestamp(dst []byte, micros int64, zone bool) []byte {
	dst = time.UnixMicro(micros).UTC().AppendFormat(dst, "2006-01-02 15:04:05.999999")
	if zone {
		dst = append(dst, "+00"...)
	}
	return dst
}
