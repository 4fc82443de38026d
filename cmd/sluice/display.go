package main

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
)

// A display shows a sync while it runs, and how it ended.
type display interface {
	start(*pipeline.Sync)
	event(pipeline.Event)
	// end shows the outcome, and returns err as the command is to return it.
	end(s *pipeline.Sync, err error, took time.Duration) error
}

// display returns what shows the sync of the pipeline file at path.
func (a *app) display(asJSON bool, path string) display {
	switch {
	case asJSON:
		return &jsonDisplay{app: a, out: json.NewEncoder(a.out)}
	case a.terminal(a.out) != nil:
		return &liveDisplay{app: a, path: path, stop: make(chan struct{})}
	}
	return &plainDisplay{app: a, path: path, stop: make(chan struct{})}
}

// settle turns how a sync ended, which was shown, into what the command returns.
func settle(s *pipeline.Sync, err error) error {
	switch {
	case err == nil && s.Rejected() > 0:
		return errRejected
	case err == nil:
		return nil
	case exitCode(err) == exitInterrupted:
		return errors.Join(errReported, pipeline.ErrInterrupted)
	}
	return errors.Join(errReported, err)
}

// outcome is a sync's end in the words of the platform.
func outcome(s *pipeline.Sync, err error) string {
	switch exitCode(err) {
	case exitDone:
		if s != nil && s.Rejected() > 0 {
			return "succeeded_with_warnings"
		}
		return "succeeded"
	case exitInterrupted:
		return "interrupted"
	}
	return "failed"
}

// jsonDisplay writes an object a line: events, and a summary at the end.
type jsonDisplay struct {
	app *app
	mu  sync.Mutex
	out *json.Encoder
}

type jsonError struct {
	Code      string       `json:"code"`
	Class     sluice.Class `json:"class"`
	Message   string       `json:"message"`
	Hint      string       `json:"hint,omitempty"`
	Retryable bool         `json:"retryable"`
}

func (a *app) jsonError(err error) *jsonError {
	if err == nil {
		return nil
	}
	if _, usage := errors.AsType[usageError](err); usage {
		return &jsonError{Code: "usage", Class: sluice.Config, Message: err.Error()}
	}
	e := sluice.AsError(err)
	return &jsonError{e.Code, e.Class, a.secrets.Text(err.Error()), e.Hint, e.Retryable()}
}

func (d *jsonDisplay) write(v any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.out.Encode(v)
}

func (d *jsonDisplay) start(*pipeline.Sync) {}

func (d *jsonDisplay) event(e pipeline.Event) {
	event := struct {
		pipeline.Event
		Error *jsonError `json:"error,omitempty"`
		Wait  float64    `json:"waitSeconds,omitempty"`
	}{Event: e, Wait: e.Wait.Seconds()}
	event.Event.Wait = 0
	if e.Err != nil {
		event.Error = d.app.jsonError(e.Err)
	}
	d.write(event)
}

// jsonSummary is the last line that --json writes for a sync.
type jsonSummary struct {
	Time          time.Time    `json:"time"`
	Event         string       `json:"event"` // "summary"
	Outcome       string       `json:"outcome"`
	ExitCode      int          `json:"exitCode"`
	Seconds       float64      `json:"seconds"`
	Rejected      int64        `json:"rejected"`
	Repeated      int64        `json:"requestsRepeated"`
	PeakOwn       int64        `json:"peakMemoryBytes,omitempty"`
	PeakConnector int64        `json:"peakConnectorMemoryBytes,omitempty"`
	Streams       []jsonStream `json:"streams"`
	Error         *jsonError   `json:"error,omitempty"`
}

type jsonStream struct {
	pipeline.Progress
	Error *jsonError `json:"error,omitempty"`
}

func (d *jsonDisplay) end(s *pipeline.Sync, err error, took time.Duration) error {
	result := settle(s, err)
	summary := jsonSummary{Time: time.Now(), Event: "summary", Outcome: outcome(s, err), ExitCode: exitCode(result), Seconds: took.Seconds(),
		Rejected: s.Rejected(), Repeated: d.app.repeated.Load(), PeakOwn: ownPeak(), PeakConnector: d.app.peaks.sum(),
		Streams: []jsonStream{}, Error: d.app.jsonError(err)}
	for _, p := range s.Progress() {
		stream := jsonStream{Progress: p}
		if p.Err != nil {
			stream.Error = d.app.jsonError(p.Err)
		}
		summary.Streams = append(summary.Streams, stream)
	}
	d.write(summary)
	return result
}

// reportJSON writes the summary of a sync that ended before it began, so that who
// reads the lines always finds one.
func (a *app) reportJSON(err error) error {
	if errors.Is(err, errReported) || errors.Is(err, errRejected) {
		return err
	}
	json.NewEncoder(a.out).Encode(jsonSummary{Time: time.Now(), Event: "summary", Outcome: outcome(nil, err), ExitCode: exitCode(err),
		Streams: []jsonStream{}, Error: a.jsonError(err)})
	return err
}
