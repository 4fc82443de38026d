package store

import (
	"context"
	"encoding/json"
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

// AppendLog appends lines and gives them numbers.
func (s *Store) AppendLog(ctx context.Context, syncID string, lines []LogLine) error { return errSoon }

// A LogFilter narrows Log; zero fields let everything through.
type LogFilter struct {
	Stream string
	Levels []string
	Search string // part of the message, whatever the case
}

// Log returns up to limit lines after seq, in order.
func (s *Store) Log(ctx context.Context, syncID string, after int64, f LogFilter, limit int) ([]LogLine, error) {
	return nil, errSoon
}

// LogTail returns the last n lines, in order.
func (s *Store) LogTail(ctx context.Context, syncID string, n int) ([]LogLine, error) {
	return nil, errSoon
}
