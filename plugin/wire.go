package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// ContractVersion is the version of the contracts and of the protocol. A host
// refuses plugins of another one.
const ContractVersion = 1

// handshake tells a plugin that it was started by a host, and not by hand. It
// is no secret and protects nothing.
var handshake = goplugin.HandshakeConfig{
	ProtocolVersion: ContractVersion,
	MagicCookieKey:  "SLUICE_PLUGIN", MagicCookieValue: "connector",
}

const (
	serviceName = "sluice.plugin.v1.Plugin"
	pluginName  = "sluice"

	callKey     = "sluice-call"     // request metadata: a number by which a call is cancelled
	deadlineKey = "sluice-deadline" // request metadata: when the call's context ends, RFC 3339
)

func fullMethod(name string) string { return "/" + serviceName + "/" + name }

// The unary methods.
const (
	methodInfo     = "Info"
	methodOpen     = "Open"
	methodCheck    = "Check"
	methodDiscover = "Discover"
	methodAck      = "Ack"
	methodBegin    = "Begin"
	methodDescribe = "Describe"
	methodAlter    = "Alter"
	methodMerge    = "Merge"
	methodClose    = "Close"
	methodCancel   = "Cancel"
)

// The streaming methods.
const (
	methodRead  = "Read"
	methodStage = "Stage"
	methodQuery = "Query"
)

// Kind says what a plugin offers under a name.
type Kind string

const (
	KindSource      Kind = "source"
	KindDestination Kind = "destination"
)

// Info is what a plugin says of itself.
type Info struct {
	Contract int       `json:"contract"` // ContractVersion that it was built with
	Version  string    `json:"version"`  // of its module; "(devel)" for local builds
	Offers   []Offered `json:"offers"`
}

// Offered is one connector or destination of a plugin.
type Offered struct {
	Kind   Kind            `json:"kind"`
	Name   string          `json:"name"`
	Title  string          `json:"title"`
	Config json.RawMessage `json:"config"` // JSON Schema of the configuration
}

// Find returns what is offered under that kind and name.
func (i Info) Find(kind Kind, name string) (Offered, bool) {
	for _, o := range i.Offers {
		if o.Kind == kind && o.Name == name {
			return o, true
		}
	}
	return Offered{}, false
}

type openRequest struct {
	Kind      Kind            `json:"kind"`
	Name      string          `json:"name"`
	Config    json.RawMessage `json:"config,omitempty"`
	LogLevel  int             `json:"logLevel"`
	Egress    egress.Policy   `json:"egress"`
	SocketDir string          `json:"socketDir"` // removed by the plugin when its host dies
	// Shared: the host has given the plugin memory to send rows through, and
	// understands frameSlot.
	Shared bool `json:"shared,omitempty"`
}

type openReply struct {
	Acker   bool          `json:"acker,omitempty"`
	Querier bool          `json:"querier,omitempty"`
	Traits  sluice.Traits `json:"traits"`
}

// position is an entry of a State; cursors travel as bytes, unchanged.
type position struct {
	Lane   sluice.Lane `json:"lane"`
	Cursor []byte      `json:"cursor"`
}

func packState(s sluice.State) []position {
	list := make([]position, 0, len(s))
	for lane, c := range s {
		list = append(list, position{lane, c})
	}
	return list
}

func unpackState(list []position) sluice.State {
	s := make(sluice.State, len(list))
	for _, p := range list {
		s[p.Lane] = p.Cursor
	}
	return s
}

type readRequest struct {
	Selections []sluice.Selection `json:"selections"`
	State      []position         `json:"state"`
	MaxParts   int                `json:"maxParts"`
	Follow     bool               `json:"follow,omitempty"`
}

type laneFrame struct {
	Queue uint32 `json:"queue"`
}

type checkpointFrame struct {
	Queue uint32 `json:"queue"`
	position
}

type rejectFrame struct {
	Queue    uint32          `json:"queue"`
	Rejected sluice.Rejected `json:"rejected"`
}

type segmentFrame struct {
	Load    sluice.LoadID    `json:"load"`
	Seq     int              `json:"seq"`
	Target  sluice.Target    `json:"target"`
	Table   *sluice.Table    `json:"table"`
	Mode    sluice.WriteMode `json:"mode"`
	Inserts bool             `json:"inserts,omitempty"`
	Nested  bool             `json:"nested,omitempty"`
}

type alterRequest struct {
	Load    sluice.LoadID   `json:"load"`
	Target  sluice.Target   `json:"target"`
	Changes []sluice.Change `json:"changes"`
}

// queryFrame is the columns, a row, or the end of an answer to a query.
type queryFrame struct {
	Columns *[]string  `json:"columns,omitempty"`
	Row     *[]*string `json:"row,omitempty"`
	Error   *fault     `json:"error,omitempty"`
}

// reply is the body of every unary answer, and of a frameEnd.
type reply struct {
	Error  *fault          `json:"error,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// marshal writes JSON without the escapes meant for HTML, so that what people
// wrote stays as it is.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// fault is an error on the wire.
type fault struct {
	Text  string   `json:"text"`
	Error *typed   `json:"error,omitempty"` // the *sluice.Error in the chain
	Is    []string `json:"is,omitempty"`    // names of well-known errors in the chain
}

type typed struct {
	Class      sluice.Class     `json:"class"`
	Code       string           `json:"code"`
	Stream     sluice.TableName `json:"stream"`
	Op         string           `json:"op,omitempty"`
	Hint       string           `json:"hint,omitempty"`
	RetryAfter time.Duration    `json:"retryAfter,omitempty"`
	Text       string           `json:"text"`
}

// wellKnown are the errors that errors.Is still finds on the other side.
var wellKnown = []struct {
	name string
	err  error
}{
	{"not_found", sluice.ErrNotFound}, {"fenced", sluice.ErrFenced}, {"staged_lost", sluice.ErrStagedLost},
	{"canceled", context.Canceled}, {"deadline", context.DeadlineExceeded},
	{"unexpected_eof", io.ErrUnexpectedEOF}, {"eof", io.EOF},
}

func toFault(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{Text: err.Error()}
	for _, w := range wellKnown {
		if errors.Is(err, w.err) {
			f.Is = append(f.Is, w.name)
		}
	}
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		f.Error = &typed{Class: e.Class, Code: e.Code, Stream: e.Stream, Op: e.Op, Hint: e.Hint, RetryAfter: e.RetryAfter, Text: e.Err.Error()}
	}
	return f
}

// remoteError is an error of the other process: its text, and what it wraps.
type remoteError struct {
	text  string
	wraps []error
}

func (e *remoteError) Error() string   { return e.text }
func (e *remoteError) Unwrap() []error { return e.wraps }

// err returns the error that f describes, with every text passed through mask.
func (f *fault) err(mask func(string) string) error {
	if f == nil {
		return nil
	}
	var known []error
	for _, name := range f.Is {
		for _, w := range wellKnown {
			if w.name == name {
				known = append(known, w.err)
			}
		}
	}
	text := mask(f.Text)
	if f.Error == nil {
		if len(known) == 1 && known[0].Error() == text {
			return known[0]
		}
		return &remoteError{text, known}
	}
	t := f.Error
	e := &sluice.Error{Class: t.Class, Code: t.Code, Stream: t.Stream, Op: mask(t.Op), Hint: mask(t.Hint), RetryAfter: t.RetryAfter,
		Err: &remoteError{mask(t.Text), known}}
	if e.Error() == text {
		return e
	}
	return &remoteError{text, []error{e}}
}
