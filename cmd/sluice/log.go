package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/sluicehq/sluice/connectors/kit/rest"
)

func (a *app) setLog() {
	h := &logHandler{app: a, shown: slog.LevelWarn}
	if a.verbose {
		h.shown = slog.LevelDebug
	}
	slog.SetDefault(slog.New(h))
}

// A logHandler shows log records to people, and counts the requests that
// connectors repeat.
type logHandler struct {
	app   *app
	shown slog.Level
	attrs []slog.Attr
}

// Enabled implements slog.Handler. Information is wanted always: it is counted.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= min(h.shown, slog.LevelInfo)
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	if r.Message == rest.RetryMessage {
		h.app.repeated.Add(1)
	}
	if r.Level < h.shown {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", strings.ToLower(r.Level.String()), visible(r.Message))
	show := func(at slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%s", at.Key, visible(fmt.Sprint(at.Value.Resolve())))
		return true
	}
	for _, at := range h.attrs {
		show(at)
	}
	r.Attrs(show)
	h.app.note(b.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := *h
	own.attrs = append(append([]slog.Attr(nil), h.attrs...), attrs...)
	return &own
}

// WithGroup implements slog.Handler; groups are not shown.
func (h *logHandler) WithGroup(string) slog.Handler { return h }
