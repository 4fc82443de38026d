package files

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
)

func twoDigits(b []byte) (int, bool) {
	t, o := b[0]-'0', b[1]-'0'
	return int(t)*10 + int(o), t <= 9 && o <= 9
}

var monthDays = [13]uint32{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// parseDate reads YYYY-MM-DD, the years 0001 to 9999, as days since 1970.
func parseDate(b []byte) (days int32, ok bool) {
	y, m, d, ok := datePattern(b)
	if !ok || !isDay(y, m, d) {
		return 0, false
	}
	return civilDays(y, m, d), true
}

func isDay(y, m, d uint32) bool {
	return m-1 < 12 && d-1 < 31 && y > 0 && (d <= 28 || d <= monthDays[m] || m == 2 && d == 29 && leap(y))
}

func leap(y uint32) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

// civilDays counts days since 1970-01-01 in the proleptic Gregorian calendar, of
// the years from 1 on.
func civilDays(y, m, d uint32) int32 {
	if m <= 2 {
		y--
		m += 12
	}
	century := y / 100
	return int32(365*y+y/4-century+century/4+(153*(m-3)+2)/5+d) - 719469
}

// parseTime reads HH:MM:SS with up to six digits of a fraction, and zeros after
// them, as microseconds since midnight.
func parseTime(b []byte) (int64, bool) {
	if len(b) < 8 || b[5] != ':' {
		return 0, false
	}
	us, rest, ok := clock(b)
	return us, ok && len(rest) == 0
}

// clock reads HH:MM[:SS[.fraction]] and returns what follows.
func clock(b []byte) (us int64, rest []byte, ok bool) {
	if len(b) < 5 || b[2] != ':' {
		return 0, b, false
	}
	h, ok1 := twoDigits(b)
	m, ok2 := twoDigits(b[3:])
	if !ok1 || !ok2 || h > 23 || m > 59 {
		return 0, b, false
	}
	us = int64(h*3600+m*60) * microsPerSecond
	if len(b) < 8 || b[5] != ':' {
		return us, b[5:], true
	}
	s, ok3 := twoDigits(b[6:])
	if !ok3 || s > 59 {
		return 0, b, false
	}
	us += int64(s) * microsPerSecond
	b = b[8:]
	if len(b) == 0 || b[0] != '.' {
		return us, b, true
	}
	i, unit := 1, int64(microsPerSecond/10)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		if unit == 0 && b[i] != '0' {
			return 0, b, false
		}
		us += int64(b[i]-'0') * unit
		unit /= 10
	}
	return us, b[i:], i > 1
}

// parseTimestamp reads a date, a T or a space, and a time, as microseconds since
// 1970; zone says that it ended in Z, UTC or an offset, which is applied.
func parseTimestamp(b []byte) (us int64, zone, ok bool) {
	if len(b) < 16 || b[10] != ' ' && b[10] != 'T' {
		return 0, false, false
	}
	days, ok := parseDate(b[:10])
	if !ok {
		return 0, false, false
	}
	us, rest, ok := clock(b[11:])
	if !ok {
		return 0, false, false
	}
	us += int64(days) * microsPerDay
	if len(rest) == 0 {
		return us, false, true
	}
	offset, ok := parseOffset(rest)
	us -= offset
	return us, true, ok && us >= minMicros && us <= maxMicros
}

// The instants of the years 0001 to 9999.
var (
	minMicros = int64(civilDays(1, 1, 1)) * microsPerDay
	maxMicros = (int64(civilDays(9999, 12, 31))+1)*microsPerDay - 1
)

// parseOffset reads Z, UTC, +HH, +HHMM or +HH:MM as microseconds.
func parseOffset(b []byte) (int64, bool) {
	switch text(b) {
	case "Z", "UTC", " UTC":
		return 0, true
	}
	if b[0] == ' ' && len(b) > 1 {
		b = b[1:]
	}
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok := twoDigits(b[1:])
	m := 0
	switch {
	case len(b) == 5:
		var ok2 bool
		m, ok2 = twoDigits(b[3:])
		ok = ok && ok2
	case len(b) == 6 && b[3] == ':':
		var ok2 bool
		m, ok2 = twoDigits(b[4:])
		ok = ok && ok2
	case len(b) != 3:
		return 0, false
	}
	if !ok || h > 15 || m > 59 {
		return 0, false
	}
	us := int64(h*3600+m*60) * microsPerSecond
	if b[0] == '-' {
		us = -us
	}
	return us, true
}
