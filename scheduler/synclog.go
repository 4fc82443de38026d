package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// Bounds of the lines of a sync that wait to be written.
const (
	logBuffer  = 1000
	logMessage = 4 << 10 // bytes of a message, and of an attribute's value
	logAttrs   = 24
)

// A syncLog collects the lines of one sync's log until they are written in a
// batch. It never blocks: past its bound lines are dropped and counted. It is safe
// for concurrent use.
type syncLog struct {
	secrets *mask.Masker
	now     func() time.Time

	mu      sync.Mutex
	lines   []store.LogLine
	dropped int
}

// take returns the lines that wait, and forgets them.
func (l *syncLog) take() []store.LogLine {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	if l.dropped > 0 {
		lines = append(lines, store.LogLine{At: l.now(), Level: "warn", Message: fmt.Sprintf("%d lines came too fast and are not kept", l.dropped)})
	}
	l.lines, l.dropped = nil, 0
	return lines
}

func (l *syncLog) add(line store.LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) >= logBuffer {
		l.dropped++
		return
	}
	l.lines = append(l.lines, line)
}

// logger returns a logger whose lines go to l, and nowhere else.
func (l *syncLog) logger() *slog.Logger { return slog.New(&logHandler{log: l}) }

// A logHandler is a slog.Handler of a syncLog.
type logHandler struct {
	log    *syncLog
	attrs  []slog.Attr
	prefix string // of groups
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelDebug
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	g := *h
	g.prefix += name + "."
	return &g
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	g := *h
	g.attrs = append([]slog.Attr(nil), h.attrs...)
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		g.attrs = append(g.attrs, a)
	}
	return &g
}

// Handle implements slog.Handler. The attribute "stream" becomes the line's
// stream.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	line := store.LogLine{At: r.Time.UTC().Truncate(time.Microsecond), Level: levelName(r.Level), Message: h.text(r.Message)}
	attrs := map[string]any{}
	add := func(a slog.Attr, prefix string) { h.attr(attrs, &line, a, prefix) }
	for _, a := range h.attrs {
		add(a, "")
	}
	r.Attrs(func(a slog.Attr) bool { add(a, h.prefix); return true })
	if len(attrs) > 0 {
		raw, err := json.Marshal(attrs)
		if err != nil {
			return fmt.Errorf("write a log line: %w", err)
		}
		line.Attrs = raw
	}
	h.log.add(line)
	return nil
}

func (h *logHandler) attr(to map[string]any, line *store.LogLine, a slog.Attr, prefix string) {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		for _, inner := range v.Group() {
			h.attr(to, line, inner, prefix+a.Key+".")
		}
	case prefix == "" && a.Key == "stream":
		line.Stream = h.text(v.String())
	case len(to) >= logAttrs || a.Key == "":
	case v.Kind() == slog.KindInt64:
		to[prefix+a.Key] = v.Int64()
	case v.Kind() == slog.KindUint64:
		to[prefix+a.Key] = v.Uint64()
	case v.Kind() == slog.KindBool:
		to[prefix+a.Key] = v.Bool()
	default:
		to[prefix+a.Key] = h.text(v.String())
	}
}

// text masks before it cuts: half a secret is not found.
func (h *logHandler) text(s string) string {
	s = strings.ToValidUTF8(h.log.secrets.Text(s), "\ufffd")
	if len(s) > logMessage {
		s = strings.ToValidUTF8(s[:logMessage], "") + "…"
	}
	return s
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
