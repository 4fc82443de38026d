package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// Problem is the body of every answer that is not a success (RFC 9457). It never
// repeats a value that the client sent: values may be secrets.
type Problem struct {
	Type     string       `json:"type" format:"uri-reference" example:"/api/docs#problem-name_taken" doc:"Address of the page that explains the code."`
	Title    string       `json:"title" example:"Conflict" doc:"What the status means, in a few words."`
	Status   int          `json:"status" example:"409" doc:"The HTTP status, repeated."`
	Detail   string       `json:"detail" example:"a source named \"shop\" exists" doc:"What happened this time."`
	Code     string       `json:"code" example:"name_taken" doc:"Stable name of the problem, for programs."`
	Hint     string       `json:"hint,omitempty" example:"choose another name" doc:"What to do about it."`
	Instance string       `json:"instance,omitempty" format:"uri-reference" example:"/api/v1/sources" doc:"Path of the request."`
	Request  string       `json:"request_id,omitempty" example:"q3v5b2k7c4" doc:"Names the request in the server's log."`
	Errors   []FieldError `json:"errors,omitempty" doc:"What is wrong with which part of the request."`

	retryAfter time.Duration
	cause      error
}

// FieldError is one fault of a request and where it is.
type FieldError struct {
	Location string `json:"location" example:"body.config.url" doc:"Path of the faulty part: it starts with body, query, path or header."`
	Message  string `json:"message" example:"expected required property url to be present" doc:"What is wrong with it."`
	Code     string `json:"code,omitempty" example:"invalid" doc:"Stable name of the fault, where there is one."`
}

func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// Unwrap returns the error that the problem was made from, or nil.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus returns the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType makes the media type of a problem from that of a success, for huma.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders returns the headers that go with the problem, for huma.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(max(1, p.retryAfter.Round(time.Second)/time.Second))))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="sluice"`)
	}
	return h
}

func problem(status int, code, detail, hint string) *Problem {
	return &Problem{
		Type: "/api/docs#problem-" + code, Title: http.StatusText(status), Status: status,
		Code: code, Detail: detail, Hint: hint,
	}
}

// invalid is a problem of one part of the request.
func invalid(location, message, hint string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid_request", "the request is not valid", hint)
	p.Errors = []FieldError{{Location: location, Message: message}}
	return p
}

// statuses says which codes have another status than their class. Codes are
// part of the API; their statuses are kept in this one table.
var statuses = map[string]int{
	store.CodeNameTaken:         http.StatusConflict,
	store.CodeInUse:             http.StatusConflict,
	store.CodeCursorInvalid:     http.StatusBadRequest,
	store.CodeSortInvalid:       http.StatusBadRequest,
	store.CodeUnavailable:       http.StatusServiceUnavailable,
	control.CodeRegionForbidden: http.StatusForbidden,
	control.CodePlanUnfit:       http.StatusConflict,
	control.CodePlanExpired:     http.StatusConflict,
	control.CodePlanStale:       http.StatusConflict,
	control.CodeBusy:            http.StatusServiceUnavailable,
	control.CodeIncidentOver:    http.StatusConflict,
	control.CodeIncidentUnfit:   http.StatusConflict,
	control.CodeNotTracking:     http.StatusServiceUnavailable,
	"last_owner":                http.StatusConflict,
}

// marks are the errors of other packages that stand for a code of the API.
var marks = []struct {
	is                 error
	status             int
	code, detail, hint string
}{
	{store.ErrNotFound, http.StatusNotFound, "not_found", "there is no such object", "check the id; it may have been deleted"},
	{store.ErrConflict, http.StatusPreconditionFailed, "changed", "the object has changed since it was read", "read it again, and repeat the change"},
	{store.ErrUsed, http.StatusConflict, control.CodePlanUnfit, "it was used before", "make a new one"},
	{store.ErrExpired, http.StatusConflict, control.CodePlanExpired, "its time is over", "make a new one"},
}

// classStatus is the status of an error of a class whose code is in no table.
func classStatus(c sluice.Class) int {
	switch c {
	case sluice.Config, sluice.Data, sluice.Blocked, sluice.Lost:
		return http.StatusUnprocessableEntity
	case sluice.Auth:
		return http.StatusUnprocessableEntity // a connector's credentials, never the caller's
	case sluice.Transient:
		return http.StatusServiceUnavailable
	case sluice.Throttled:
		return http.StatusTooManyRequests
	case sluice.Cancelled:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// problemOf makes the answer of an error. An error of the platform itself is
// answered without its text, which is for the log alone.
func problemOf(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) {
		p := problem(http.StatusServiceUnavailable, "timeout", "the request took too long", "try again; ask for less at once")
		p.cause, p.retryAfter = err, time.Second
		return p
	}
	e, own := errors.AsType[*sluice.Error](err)
	if !own {
		for _, m := range marks {
			if errors.Is(err, m.is) {
				p := problem(m.status, m.code, m.detail, m.hint)
				p.cause = err
				return p
			}
		}
		e = sluice.AsError(err)
	}
	status := statusOf(e)
	if status == http.StatusInternalServerError {
		p := problem(status, "internal", "something went wrong in Sluice itself", "report it with the request_id, under which the server's log has the cause")
		p.cause = err
		return p
	}
	p := problem(status, e.Code, e.Error(), e.Hint)
	p.retryAfter, p.cause = e.RetryAfter, err
	if faults := control.FaultsOf(err); len(faults) > 0 {
		p.Detail = "the request is not valid"
		for _, f := range faults {
			p.Errors = append(p.Errors, FieldError{Location: "body." + f.Location, Message: f.Message})
		}
	}
	return p
}

func statusOf(e *sluice.Error) int {
	switch {
	case errors.Is(e, access.ErrUnauthenticated):
		return http.StatusUnauthorized
	case errors.Is(e, access.ErrForbidden):
		return http.StatusForbidden
	}
	if status, ok := statuses[e.Code]; ok {
		return status
	}
	return classStatus(e.Class)
}

var once sync.Once

// prepareHuma makes huma answer with Problem. huma keeps these as globals, so it
// happens once per process, before the first operation is registered.
func prepareHuma() {
	once.Do(func() {
		huma.DefaultArrayNullable = false
		huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
			return fromHuma(status, msg, errs)
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			p := fromHuma(status, msg, errs)
			u := ctx.URL()
			p.Instance, p.Request = u.Path, requestID(ctx.Context())
			return p
		}
	})
}

// fromHuma makes a problem of what huma itself finds.
func fromHuma(status int, msg string, errs []error) *Problem {
	for _, err := range errs {
		if p, ok := errors.AsType[*Problem](err); ok {
			return p
		}
	}
	if status >= http.StatusInternalServerError && len(errs) > 0 {
		return problemOf(errors.Join(errs...))
	}
	p := problem(status, humaCode(status), msg, humaHint(status))
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			detail := d.ErrorDetail()
			p.Errors = append(p.Errors, FieldError{Location: locationOf(detail.Location), Message: withoutValues(detail.Message)})
		} else if err != nil {
			p.Errors = append(p.Errors, FieldError{Location: "body", Message: withoutValues(err.Error())})
		}
	}
	return p
}

// locationOf turns huma's paths into the documented ones: body.streams[0].name.
func locationOf(path string) string {
	if path == "" {
		return "body"
	}
	return path
}

// withoutValues cuts what encoding/json quotes of the body.
func withoutValues(msg string) string {
	head, _, _ := strings.Cut(msg, " looking for beginning")
	if rest, found := strings.CutPrefix(head, "invalid character "); found {
		_, where, _ := strings.Cut(rest, "' ")
		return strings.TrimSpace("not valid JSON: unexpected character " + where)
	}
	return head
}

func humaCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "malformed_request"
	case http.StatusUnprocessableEntity:
		return "invalid_request"
	case http.StatusRequestEntityTooLarge:
		return "body_too_large"
	case http.StatusUnsupportedMediaType:
		return "wrong_content_type"
	case http.StatusNotAcceptable:
		return "not_acceptable"
	case http.StatusRequestTimeout:
		return "slow_request"
	default:
		return strings.ToLower(strings.ReplaceAll(http.StatusText(status), " ", "_"))
	}
}

func humaHint(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "send a JSON object as the API's document describes it"
	case http.StatusUnprocessableEntity:
		return "correct what errors names; /api/docs describes the request"
	case http.StatusRequestEntityTooLarge:
		return "send less at once"
	case http.StatusUnsupportedMediaType:
		return "send Content-Type: application/json"
	case http.StatusRequestTimeout:
		return "send the whole body within 15 seconds"
	default:
		return ""
	}
}
