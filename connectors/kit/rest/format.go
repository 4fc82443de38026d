package rest

import (
	"strconv"
	"time"
)

// Format is how an API writes cursor values.
type Format uint8

const (
	RFC3339 Format = iota // 2026-01-31T12:00:00Z, with or without a fraction and another zone
	Date                  // 2026-01-31
	Unix                  // seconds
	UnixMilli
	Number // a whole number that grows
)

// parse returns the value as a number that sorts: microseconds for RFC3339, days
// for Date, else as it stands.
func (f Format) parse(text string) (int64, bool) {
	switch f {
	case RFC3339:
		t, err := time.Parse(time.RFC3339, text)
		return t.UnixMicro(), err == nil
	case Date:
		t, err := time.Parse(time.DateOnly, text)
		return t.Unix() / 86400, err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// value is parse of a field's JSON. What most APIs write, such as
// "2026-01-31T12:00:00.123Z", takes no memory.
func (f Format) value(raw []byte) (int64, bool) {
	if n := len(raw); f == RFC3339 && n >= len(`"2026-01-31T12:00:00Z"`) && raw[n-2] == 'Z' {
		v, ok := secondsOf(raw[1:20])
		micros, whole := microsOf(raw[20 : n-2])
		if ok && whole {
			return v*1e6 + micros, true
		}
	}
	return f.parse(text(raw))
}

// microsOf reads a fraction of a second such as .123, or nothing; false: leave
// it to package time.
func microsOf(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 || len(b) > 10 {
		return 0, false
	}
	micros, unit := int64(0), int64(100_000)
	for _, c := range b[1:] {
		if c -= '0'; c > 9 {
			return 0, false
		}
		micros += int64(c) * unit
		unit /= 10
	}
	return micros, true
}

// secondsOf reads 2026-01-31T12:00:00; false: leave it to package time.
func secondsOf(b []byte) (int64, bool) {
	const shape = "0000-00-00T00:00:00"
	for i := range shape {
		if c := b[i]; shape[i] == '0' && c-'0' > 9 || shape[i] != '0' && c != shape[i] {
			return 0, false
		}
	}
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	month, day, hour, minute, second := two(5), two(8), two(11), two(14), two(17)
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(two(0)*100+two(2), time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t.Unix(), t.Day() == day
}

// text writes what parse returned.
func (f Format) text(v int64) string {
	switch f {
	case RFC3339:
		return time.UnixMicro(v).UTC().Format(time.RFC3339Nano)
	case Date:
		return time.Unix(v*86400, 0).UTC().Format(time.DateOnly)
	}
	return strconv.FormatInt(v, 10)
}

// unit is the step between two values, in parse's numbers: a second for RFC3339,
// as most APIs write no fractions.
func (f Format) unit() int64 {
	if f == RFC3339 {
		return 1e6
	}
	return 1
}

// span turns a duration into parse's numbers, rounded up; of Number there is none.
func (f Format) span(d time.Duration) int64 {
	var per time.Duration
	switch f {
	case RFC3339:
		per = time.Microsecond
	case Date:
		per = 24 * time.Hour
	case Unix:
		per = time.Second
	case UnixMilli:
		per = time.Millisecond
	}
	if per == 0 || d <= 0 {
		return 0
	}
	return int64((d + per - 1) / per)
}

// at turns a time into parse's numbers.
func (f Format) at(t time.Time) int64 {
	switch f {
	case RFC3339:
		return t.UnixMicro()
	case Date:
		return t.Unix() / 86400
	case UnixMilli:
		return t.UnixMilli()
	}
	return t.Unix()
}
