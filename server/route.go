package server

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// A route is an operation of the API.
type route struct {
	id      string // in kebab case; its row in the table of permissions has the same
	method  string
	path    string
	tag     string
	summary string
	doc     string
	status  int    // of success; 0: 200, or 204 without a body
	answers []int  // problems besides those that every operation of its kind has
	secret  bool   // its answer holds a secret that is shown once
	stream  bool   // answers for as long as the client listens
	sample  string // of what a stream sends
	loose   bool   // takes query parameters that it does not know: others write them
}

var tags = []*huma.Tag{
	{Name: "Sign-in", Description: "Who one is."},
	{Name: "Connectors", Description: "Kinds of sources and destinations, with the JSON Schemas of their settings."},
	{Name: "Sources", Description: "Configured connectors."},
	{Name: "Destinations", Description: "Configured destinations."},
	{Name: "Operations", Description: "Work that takes longer than a request: checks and discoveries."},
	{Name: "Connections", Description: "A source, a destination, streams and a schedule."},
	{Name: "Streams", Description: "What a connection replicates, and how."},
	{Name: "State", Description: "How far streams were read, now and formerly."},
	{Name: "Schema", Description: "Shapes of streams and their drift."},
	{Name: "Plans", Description: "What a destructive action would do, shown before it is done."},
	{Name: "Syncs", Description: "Runs of connections, with counters and logs."},
	{Name: "Events", Description: "What happens, live."},
	{Name: "Users", Description: "People with accounts."},
	{Name: "Tokens", Description: "API tokens."},
	{Name: "Grants", Description: "Roles for one connection."},
	{Name: "Audit", Description: "Who did what."},
	{Name: "Fleet", Description: "Regions, workers and the queue."},
	{Name: "Health", Description: "How connections are, and were: uptime and data downtime."},
	{Name: "Incidents", Description: "Causes of failures, with the connections that they hit."},
	{Name: "Trackers", Description: "Systems to which tickets are filed."},
	{Name: "Alerts", Description: "Rules, who is told of what they find, and when nobody is."},
	{Name: "Channels", Description: "Ways in which people are told."},
	{Name: "Deliveries", Description: "What leaves the house: tickets, notifications, digests."},
	{Name: "On call", Description: "Who is called, and when."},
	{Name: "Wall", Description: "The digest of all failing connections."},
	{Name: "Runbooks", Description: "What to do about failures, by their codes."},
	{Name: "System", Description: "The installation."},
}

// register adds an operation. A route without a permission is a mistake of the
// programmer, and stops the program at its start.
func register[I, O any](s *server, api huma.API, r route, handle func(context.Context, *I) (*O, error)) {
	rule, ok := permissions[r.id]
	if !ok {
		panic("server: operation " + r.id + " has no permission")
	}
	s.rules[r.id] = rule
	in := shapeOf(reflect.TypeFor[I]())
	op := huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Tags: []string{r.tag}, Summary: r.summary, Description: r.doc,
		DefaultStatus: r.status, MaxBodyBytes: maxBody, BodyReadTimeout: bodyTimeout, RejectUnknownQueryParameters: !r.loose,
		Responses:   responsesOf(r, in, rule),
		Security:    securityOf(rule),
		Extensions:  map[string]any{"x-permission": rule.words()},
		Middlewares: huma.Middlewares{s.limited(r), s.admitted(rule)},
	}
	if r.stream {
		op.Responses["200"] = &huma.Response{Description: "Server-sent events, until one side ends the stream.", Content: map[string]*huma.MediaType{
			"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}, Examples: one("events", r.sample)}}}
	}
	if !in.body && r.method != http.MethodGet {
		op.Middlewares = append(op.Middlewares, s.bodiless)
	}
	if in.once {
		op.Middlewares = append(op.Middlewares, s.idempotently(r.secret))
	}
	huma.Register(api, op, func(ctx context.Context, input *I) (*O, error) {
		if in.body {
			infoOf(ctx).readWithin(0)
		}
		out, err := handle(ctx, input)
		if err == nil {
			return out, nil
		}
		if nm, ok := errors.AsType[notModified](err); ok {
			return nil, nm
		}
		return nil, s.explained(ctx, err)
	})
}

// shape is what an operation takes.
type shape struct{ body, once, ifMatch, ifNoneMatch bool }

func shapeOf(input reflect.Type) (sh shape) {
	has := func(name string) bool {
		_, ok := input.FieldByName(name)
		return ok
	}
	return shape{body: has("Body"), once: has("IdempotencyKey"), ifMatch: has("IfMatch"), ifNoneMatch: has("IfNoneMatch")}
}

func securityOf(r rule) []map[string][]string {
	if r.public {
		return []map[string][]string{{}}
	}
	return []map[string][]string{{"token": {}}, {"session": {}}}
}

// explained makes the problem of a handler's error, and logs the cause where it
// is Sluice's own fault.
func (s *server) explained(ctx context.Context, err error) *Problem {
	p := *problemOf(err)
	p.Request = requestID(ctx)
	if r := infoOf(ctx).request; r != nil {
		p.Instance = r.URL.Path
	}
	if p.Status == http.StatusPreconditionFailed && !infoOf(ctx).ifMatch {
		p.Status, p.Title = http.StatusConflict, http.StatusText(http.StatusConflict) // nobody set a precondition
	}
	if p.Status >= http.StatusInternalServerError && ctx.Err() != context.Canceled {
		s.log.ErrorContext(ctx, "request failed", "request_id", p.Request, "operation", infoOf(ctx).operation, "error", err)
	}
	return &p
}

// limited names the operation for metrics and log, and bounds the time of its
// handler.
func (s *server) limited(r route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		infoOf(ctx.Context()).operation = r.id
		if r.stream {
			select {
			case s.streams <- struct{}{}:
				defer func() { <-s.streams }()
			default:
				p := problem(http.StatusServiceUnavailable, "too_many_streams", "this server holds as many streams as it can", "close streams that nobody watches, or try again later")
				p.retryAfter = 10 * time.Second
				s.refuse(ctx, p)
				return
			}
			next(ctx)
			return
		}
		limit, cancel := context.WithTimeout(ctx.Context(), answerTimeout)
		defer cancel()
		next(huma.WithContext(ctx, limit))
	}
}

// admitted lets only those through whom the rule allows.
func (s *server) admitted(rule rule) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		r, _ := humachi.Unwrap(hc)
		ctx, err := s.admit(r.WithContext(hc.Context()), rule, hc.Param)
		if err != nil {
			s.refuse(hc, problemOf(err))
			return
		}
		next(huma.WithContext(hc, ctx))
	}
}

// refuse answers with a problem instead of the handler.
func (s *server) refuse(ctx huma.Context, p *Problem) {
	r, w := humachi.Unwrap(ctx)
	s.write(w, r, p)
}

// reasons of refusals that are counted.
var counted = []string{"unauthenticated", "forbidden", "rate", "csrf"}

func (s *server) countRefusal(reason string) {
	if slices.Contains(counted, reason) {
		s.metrics.refused.WithLabelValues(reason).Inc()
	}
}
