package store

import (
	"context"
	"strconv"
	"time"
)

// Totals are what syncs that ended in some time did, counted by outcome.
type Totals struct {
	Succeeded, Warned, Failed, Rescheduled, Cancelled int64

	Rows  int64         // committed
	Bytes int64         // read
	Took  time.Duration // from their starts to their ends, together
}

// A Day is a connection's Totals of a day, of UTC.
type Day struct {
	Start time.Time
	Totals
}

// An Hour is the Totals of an hour.
type Hour struct {
	Start time.Time
	Totals
}

// A Mark is what a strip shows of a day.
type Mark byte

// The marks, the worst last.
const (
	NoSync        Mark = '-'
	AllSucceeded  Mark = 's'
	OnlyCancelled Mark = 'c' // or cancelled before they began
	SomeWarned    Mark = 'w'
	SomeWaited    Mark = 'r' // rescheduled, and nothing succeeded
	SomeFailed    Mark = 'p' // others succeeded
	AllFailed     Mark = 'f'
)

func totalsOf(y *Sync, o Outcome, now time.Time) (t Totals) {
	switch o {
	case Succeeded:
		t.Succeeded = 1
	case SucceededWithWarnings:
		t.Warned = 1
	case Failed:
		t.Failed = 1
	case OutcomeRescheduled:
		t.Rescheduled = 1
	case OutcomeCancelled:
		t.Cancelled = 1
	}
	t.Rows, t.Bytes = y.Rows, y.Bytes
	if !y.StartedAt.IsZero() {
		t.Took = max(now.Sub(y.StartedAt), 0)
	}
	return t
}

func (t Totals) add(o Totals) Totals {
	return Totals{t.Succeeded + o.Succeeded, t.Warned + o.Warned, t.Failed + o.Failed, t.Rescheduled + o.Rescheduled, t.Cancelled + o.Cancelled,
		t.Rows + o.Rows, t.Bytes + o.Bytes, t.Took + o.Took}
}

const totalsColumns = "succeeded, warned, failed, rescheduled, cancelled, rows_committed, bytes_read, took"

func (t *Totals) targets() []any {
	return []any{&t.Succeeded, &t.Warned, &t.Failed, &t.Rescheduled, &t.Cancelled, &t.Rows, &t.Bytes, durationScanner{&t.Took}}
}

func (t Totals) values() []any {
	return []any{t.Succeeded, t.Warned, t.Failed, t.Rescheduled, t.Cancelled, t.Rows, t.Bytes, t.Took.Microseconds()}
}

// adding is what an INSERT of totals does to those that there are.
func adding(table, key string) string {
	return "ON CONFLICT (" + key + ") DO UPDATE SET succeeded = " + table + ".succeeded + excluded.succeeded, warned = " + table + ".warned + excluded.warned, " +
		"failed = " + table + ".failed + excluded.failed, rescheduled = " + table + ".rescheduled + excluded.rescheduled, " +
		"cancelled = " + table + ".cancelled + excluded.cancelled, rows_committed = " + table + ".rows_committed + excluded.rows_committed, " +
		"bytes_read = " + table + ".bytes_read + excluded.bytes_read, took = " + table + ".took + excluded.took"
}

var addingDays, addingHours = adding("connection_days", "day, connection_id"), adding("fleet_hours", "hour")

func dayOf(t time.Time) int64  { return t.Unix() / (24 * 60 * 60) }
func hourOf(t time.Time) int64 { return t.Unix() / (60 * 60) }

func startOfDay(day int64) time.Time   { return time.Unix(day*24*60*60, 0).UTC() }
func startOfHour(hour int64) time.Time { return time.Unix(hour*60*60, 0).UTC() }

// rollUp adds a sync that ends to the sums of its connection and of the fleet,
// and makes it the last one of its connection that has ended.
func (x *txn) rollUp(ctx context.Context, y *Sync, t *Status, o Outcome, now time.Time) error {
	sums := totalsOf(y, o, now)
	t.EndedSyncID, t.EndedAt, t.EndedRows, t.EndedTook = y.ID, now, sums.Rows, sums.Took
	if x.hours == nil {
		x.hours = map[int64]Totals{}
	}
	x.hours[hourOf(now)] = x.hours[hourOf(now)].add(sums)
	return x.insert(ctx, "connection_days", "day, connection_id, "+totalsColumns, addingDays, [][]any{append([]any{dayOf(now), y.ConnectionID}, sums.values()...)})
}

// addHours adds what the transaction ended to the fleet's hours.
func (x *txn) addHours(ctx context.Context) error {
	rows := make([][]any, 0, len(x.hours))
	for hour, sums := range x.hours {
		rows = append(rows, append([]any{hour}, sums.values()...))
	}
	return x.insert(ctx, "fleet_hours", "hour, "+totalsColumns, addingHours, rows)
}

// ConnectionDays returns a connection's days from the one of from until that of
// until, both included, oldest first; days without a sync that ended are left out.
func (s *Store) ConnectionDays(ctx context.Context, id string, from, until time.Time) ([]Day, error) {
	scan := func(row scanner, d *Day) error {
		var day int64
		err := row(append([]any{&day}, d.targets()...)...)
		d.Start = startOfDay(day)
		return err
	}
	// Each day is looked up by the key, which begins with it.
	items, err := all(ctx, s.reader(), scan, "SELECT day, "+totalsColumns+" FROM connection_days WHERE connection_id = ? AND "+s.dialect.amongNumbers("day")+" ORDER BY day",
		id, numbers(dayOf(from), dayOf(until)))
	return items, failed("list a connection's days", err)
}

// maxDays bounds the days that one query looks up.
const maxDays = 1000

// numbers is the argument of amongNumbers for those from first to last, at most
// the last maxDays.
func numbers(first, last int64) string {
	list := []byte{'['}
	for n := max(first, last-maxDays); n <= last; n++ {
		list = append(strconv.AppendInt(list, n, 10), ',')
	}
	return string(append(list[:max(1, len(list)-1)], ']'))
}

// amongNumbers is among for a column of numbers.
func (d dialect) amongNumbers(column string) string {
	if d == sqlite {
		return column + " IN (SELECT value FROM json_each(?))"
	}
	return column + " = ANY (ARRAY(SELECT json_array_elements_text(?::json)::bigint))"
}

// markOf is the Mark of a day in SQL, as the character's number.
const markOf = "CASE WHEN failed > 0 AND succeeded + warned = 0 THEN 102 WHEN failed > 0 THEN 112 WHEN rescheduled > 0 AND succeeded + warned = 0 THEN 114 " +
	"WHEN warned > 0 THEN 119 WHEN succeeded > 0 THEN 115 ELSE 99 END"

// Marks calls do for each connection and day from from's until until's on which
// a sync ended, by day. among: ids of connections; nil: all; empty: none.
func (s *Store) Marks(ctx context.Context, from, until time.Time, among []string, do func(day time.Time, connectionID string, m Mark)) error {
	var w where
	w.add("day >= ? AND day <= ?", dayOf(from), dayOf(until))
	w.among(s.dialect, "connection_id", among)
	err := s.reader().each(ctx, "SELECT day, connection_id, "+markOf+" FROM connection_days"+w.sql()+" ORDER BY day", w.args, func(row scanner) error {
		var day, mark int64
		var id string
		err := row(&day, &id, &mark)
		do(startOfDay(day), id, Mark(mark))
		return err
	})
	return failed("list the fleet's days", err)
}

// FleetHours returns the hours from that of from until that of until, both
// included, oldest first; hours in which no sync ended are left out. With among, ids
// of connections, it counts only their syncs that are still kept.
func (s *Store) FleetHours(ctx context.Context, from, until time.Time, among []string) ([]Hour, error) {
	query, args := "SELECT hour, "+totalsColumns+" FROM fleet_hours WHERE hour >= ? AND hour <= ? ORDER BY hour", []any{hourOf(from), hourOf(until)}
	if among != nil {
		const hour = "ended_at / 3600000000"
		count := func(o Outcome) string { return ", sum(CASE WHEN outcome = '" + string(o) + "' THEN 1 ELSE 0 END)" }
		query = "SELECT " + hour + count(Succeeded) + count(SucceededWithWarnings) + count(Failed) + count(OutcomeRescheduled) + count(OutcomeCancelled) +
			", CAST(sum(rows_committed) AS bigint), CAST(sum(bytes_read) AS bigint), CAST(sum(CASE WHEN started_at > 0 THEN ended_at - started_at ELSE 0 END) AS bigint) FROM syncs WHERE ended_at >= ? AND ended_at < ? AND " +
			s.dialect.among("connection_id") + " GROUP BY " + hour + " ORDER BY 1"
		args = []any{micros(startOfHour(hourOf(from))), micros(startOfHour(hourOf(until) + 1)), listed(among)}
	}
	scan := func(row scanner, h *Hour) error {
		var hour int64
		err := row(append([]any{&hour}, h.targets()...)...)
		h.Start = startOfHour(hour)
		return err
	}
	items, err := all(ctx, s.reader(), scan, query, args...)
	return items, failed("list the fleet's hours", err)
}

// daysOf deletes a connection's days, which the key finds day by day.
func (p *pruning) daysOf(ctx context.Context, id string) error {
	for day := dayOf(p.now); ; day -= maxDays {
		var oldest int64
		if err := p.reader().value(ctx, &oldest, "SELECT coalesce(min(day), 0) FROM connection_days"); err != nil {
			return err
		}
		if oldest == 0 || day < oldest {
			return nil
		}
		n, err := p.do(ctx, "DELETE FROM connection_days WHERE connection_id = ? AND "+p.dialect.amongNumbers("day"), id, numbers(max(oldest, day-maxDays), day))
		if err != nil {
			return err
		}
		if n > 0 {
			p.pruned["connection_days"] += n
		}
	}
}
