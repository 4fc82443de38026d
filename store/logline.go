package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// A LogLine is a line of a sync's log. It holds no secrets: who writes it masks
// them.
type LogLine struct {
	Seq     int64 // from 1, by the store
	At      time.Time
	Level   string // debug | info | warn | error
	Stream  string
	Message string
	Attrs   json.RawMessage // an object, or none
}

// Bounds of a sync's log. The first and the last lines are kept; those between
// are dropped as more come.
const (
	LogFirst    = 1000
	LogLast     = 9000
	LogLineSize = 8 << 10 // bytes of a message or its attributes; more is cut off or left out
)

// AppendLog appends lines and gives them numbers, in lines too. ErrNotFound: no
// such sync.
func (s *Store) AppendLog(ctx context.Context, syncID string, lines []LogLine) error {
	if len(lines) == 0 {
		return nil
	}
	err := s.change(ctx, lazy, func(x *txn) error {
		var last int64
		err := x.value(ctx, &last, "UPDATE syncs SET log_lines = log_lines + ?, logged = true WHERE id = ? RETURNING log_lines", len(lines), syncID)
		if err != nil {
			return err
		}
		from := last - int64(len(lines))
		rows := make([][]any, len(lines))
		for i := range lines {
			l := &lines[i]
			l.Seq = from + int64(i) + 1
			if l.At.IsZero() {
				l.At = s.Now()
			}
			attrs := string(l.Attrs)
			if len(attrs) > LogLineSize {
				attrs = ""
			}
			rows[i] = []any{syncID, l.Seq, micros(l.At), l.Level, l.Stream, clip(l.Message, LogLineSize), attrs}
		}
		if err := x.insert(ctx, "sync_logs", "sync_id, seq, at, level, stream, message, attrs", "", rows); err != nil {
			return err
		}
		// What has fallen out of the last lines with these ones.
		_, err = x.exec(ctx, "DELETE FROM sync_logs WHERE sync_id = ? AND seq > ? AND seq <= ?", syncID, max(LogFirst, from-LogLast), last-LogLast)
		return err
	})
	return failed("append to a log", err)
}

// A LogFilter narrows Log; zero fields let everything through.
type LogFilter struct {
	Stream string
	Levels []string
	Search string // part of the message, whatever the case of ASCII letters
}

const logColumns = "sync_id, seq, at, level, stream, message, attrs"

func scanLog(row scanner, l *LogLine) error {
	var sync string
	return row(&sync, &l.Seq, intoTime(&l.At), &l.Level, &l.Stream, &l.Message, intoRaw(&l.Attrs))
}

// Log returns up to limit lines after seq, in order.
func (s *Store) Log(ctx context.Context, syncID string, after int64, f LogFilter, limit int) ([]LogLine, error) {
	var w where
	w.add("sync_id = ?", syncID)
	w.add("seq > ?", after)
	w.is("stream", f.Stream)
	w.among(s.dialect, "level", f.Levels)
	w.like("lower(message)", f.Search)
	lines, err := all(ctx, s.reader(), scanLog, "SELECT "+logColumns+" FROM sync_logs"+w.sql()+" ORDER BY seq LIMIT ?", append(w.args, limit)...)
	return lines, failed("read a log", err)
}

// LogTail returns the last n lines, in order.
func (s *Store) LogTail(ctx context.Context, syncID string, n int) ([]LogLine, error) {
	lines, err := all(ctx, s.reader(), scanLog, "SELECT "+logColumns+" FROM sync_logs WHERE sync_id = ? ORDER BY seq DESC LIMIT ?", syncID, n)
	slices.Reverse(lines)
	return lines, failed("read a log", err)
}
