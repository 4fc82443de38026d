package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

const (
	heartbeat    = 15 * time.Second // how often a silent stream shows that it lives
	slowClient   = 10 * time.Second // a write that takes longer ends the stream; the client resumes
	streamsAtAll = 1000             // streams that one server holds open
	streamLife   = 15 * time.Minute // then the client resumes, and its permission is looked at again
)

// Resume is embedded by the inputs of streams.
type Resume struct {
	LastEventID string `header:"Last-Event-ID" example:"4711" doc:"The id of the last event that the client has seen; the stream goes on with the one after it. Browsers send it by themselves."`
	After       int64  `query:"after" minimum:"0" example:"4711" doc:"The same as Last-Event-ID, for clients that cannot set headers. The header wins."`
	From        string `query:"from" enum:"start,now" default:"now" example:"start" doc:"Where a stream without an id begins: with the oldest event that is kept, or with what comes next."`
}

// position returns the id after which the stream goes on; ok is false where the
// client named none.
func (r Resume) position() (id int64, ok bool, err error) {
	if r.LastEventID == "" {
		return r.After, r.After > 0 || r.From == "start", nil
	}
	id, err = strconv.ParseInt(r.LastEventID, 10, 64)
	if err != nil || id < 0 {
		p := problem(http.StatusBadRequest, "bad_event_id", "the Last-Event-ID is not an id of this stream", "send the id of an event, or none")
		p.Errors = []FieldError{{Location: "header.Last-Event-ID", Message: "not an event id"}}
		return 0, false, p
	}
	return id, true, nil
}

// message is one server-sent event.
type message struct {
	id   int64
	name string
	data any
}

// A feed sends messages to a stream, oldest first, until its context ends or
// there will never be any more. send blocks until the message is on its way.
type feed func(ctx context.Context, send func(message) error) error

// stream writes a feed as server-sent events until the client goes, is too
// slow, the feed ends, or the server shuts down. It keeps no events of its own:
// a client that reads slowly makes the feed read the store slowly, and what it
// has not read when it is cut off it gets by its Last-Event-ID.
func (s *server) stream(hc huma.Context, read feed) {
	_, w := humachi.Unwrap(hc)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	hc.SetStatus(http.StatusOK)
	s.metrics.streams.Inc()
	defer s.metrics.streams.Dec()

	ctx, cancel := context.WithTimeout(hc.Context(), streamLife)
	defer cancel()
	out := eventWriter{w: w, control: http.NewResponseController(w)}
	defer func() { _ = out.control.SetWriteDeadline(time.Time{}) }() // the connection may go on to other requests
	if err := out.write(": sluice\nretry: 2000\n\n"); err != nil {
		return
	}
	msgs, ended := make(chan message), make(chan error, 1)
	go func() {
		ended <- read(ctx, func(m message) error {
			select {
			case msgs <- m:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	if !s.pump(ctx, out, msgs, ended) {
		cancel()
		<-ended // the feed is done with the store before the request is over
	}
}

// pump writes messages and heartbeats until the stream is over, and reports
// whether the feed has ended.
func (s *server) pump(ctx context.Context, out eventWriter, msgs <-chan message, ended <-chan error) bool {
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	for {
		select {
		case m := <-msgs:
			if err := out.event(m); err != nil {
				return false
			}
		case <-beat.C:
			if err := out.write(": still here\n\n"); err != nil {
				return false
			}
		case err := <-ended:
			switch {
			case err == nil:
				_ = out.event(message{name: "end", data: struct{}{}})
			case ctx.Err() == nil:
				_ = out.event(message{name: "error", data: problemOf(err)})
			}
			return true
		case <-ctx.Done():
			return false
		case <-s.closing:
			return false
		}
	}
}

// eventWriter writes events, each within slowClient.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (e eventWriter) event(m message) error {
	data, err := json.Marshal(m.data)
	if err != nil {
		return fmt.Errorf("event %s: %w", m.name, err)
	}
	text := make([]byte, 0, len(data)+64)
	if m.id > 0 {
		text = fmt.Appendf(text, "id: %d\n", m.id)
	}
	text = fmt.Appendf(text, "event: %s\ndata: %s\n\n", m.name, data)
	return e.write(string(text))
}

func (e eventWriter) write(text string) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(slowClient)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("event stream: %w", err)
	}
	if _, err := e.w.Write([]byte(text)); err != nil {
		return fmt.Errorf("event stream: %w", err)
	}
	if err := e.control.Flush(); err != nil {
		return fmt.Errorf("event stream: %w", err)
	}
	return nil
}
