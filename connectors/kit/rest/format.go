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
	per := map[Format]time.Duration{RFC3339: time.Microsecond, Date: 24 * time.Hour, Unix: time.Second, UnixMilli: time.Millisecond}[f]
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
