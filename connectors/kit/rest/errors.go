package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/mask"
)

const hintLater = "nothing needs to be done; the sync is tried again"

// op names a request for people: its method and path, without its query, which
// may hold secrets.
func (c *Client) op(r Request) string {
	path, _, _ := strings.Cut(r.URL, "?")
	if u, err := url.Parse(path); err == nil && u.IsAbs() {
		path = u.Path
	}
	return or(r.Method, http.MethodGet) + " " + path
}

// fault returns an error of the client; code gets the connector's prefix.
func (c *Client) fault(class sluice.Class, code string, r Request, hint string, err error) *sluice.Error {
	return &sluice.Error{Class: class, Code: c.o.Name + "_" + code, Op: c.op(r), Hint: hint, Err: c.redactError(err)}
}

// networkError classes what the transport or the reading of a body returned.
func (c *Client) networkError(ctx context.Context, r Request, err error) error {
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return e // of Auth.Apply, or of the outbound policy
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text has the whole address
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errTimeout):
		err = cause
	case errors.Is(err, errTooBig):
		return c.fault(sluice.Data, "response_too_large", r, "ask for smaller pages", err)
	case errors.Is(err, errRedirects):
		return c.fault(sluice.Config, "redirects", r, "check base_url", err)
	case isTLS(err):
		return c.fault(sluice.Config, "tls", r, "check base_url and the certificates; an internal authority's certificate can be given in the configuration", err)
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return c.fault(sluice.Config, "unknown_host", r, "check the host name in base_url", fmt.Errorf("no such host: %s", d.Name))
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil && errors.Is(err, syscall.ECONNREFUSED) {
		return c.refused(r, op.Addr.String())
	}
	return c.fault(sluice.Transient, "network", r, hintLater, err)
}

func (c *Client) refused(r Request, address string) error {
	hint := "check base_url and that the server is running; the sync is tried again"
	if c.o.Hint != nil {
		hint = or(c.o.Hint(0, "connection refused"), hint)
	}
	return c.fault(sluice.Transient, "network", r, hint, fmt.Errorf("nothing listens at %s: %w", address, syscall.ECONNREFUSED))
}

func isTLS(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return certificate || record
}

// statusError classes an answer that is an error.
func (c *Client) statusError(r *Response) error {
	message := c.redact(apiMessage(r.body))
	class, hint := classOf(r, message, c)
	e := c.fault(class, fmt.Sprintf("http_%d", r.Status), r.request, hint, refusal{statusText(r.Status, message), r.Status, message})
	e.RetryAfter = c.comeBack(class, r.Header)
	if c.o.Hint != nil {
		e.Hint = or(c.o.Hint(r.Status, message), e.Hint)
	}
	return e
}

// comeBack returns how long an answer asks to wait where its class lets it be
// asked for again; 0: it names no time.
func (c *Client) comeBack(class sluice.Class, h http.Header) time.Duration {
	now := c.o.Clock.Now()
	if class != sluice.Throttled && class != sluice.Transient {
		return 0
	}
	if wait, ok := retryAfter(h, now); ok {
		return wait
	}
	if until, ok := exhausted(h, now); ok {
		return until.Sub(now)
	}
	return 0
}

// refusal is the cause of an error that an answer's status makes.
type refusal struct {
	error
	status  int
	message string
}

// Refused returns the status and the API's message of the answer that err stands
// for; 0 where it stands for none, or for that of a token endpoint.
func Refused(err error) (status int, message string) {
	r, _ := errors.AsType[refusal](err)
	return r.status, r.message
}

func classOf(r *Response, message string, c *Client) (sluice.Class, string) {
	switch {
	case r.Status == http.StatusTooManyRequests || r.Status == http.StatusForbidden && limited(r, message, c):
		return sluice.Throttled, "the sync goes on by itself when the limit resets"
	case r.Status == http.StatusUnauthorized:
		return sluice.Auth, "the API refuses the credentials; give new ones"
	case r.Status == http.StatusForbidden:
		return sluice.Auth, "the credentials lack the right to read this; grant it, or leave the stream out"
	case r.Status == http.StatusNotFound || r.Status == http.StatusGone:
		return sluice.Config, "it does not exist, or the credentials may not see it; check the names in the configuration"
	case r.Status == http.StatusUnavailableForLegalReasons:
		return sluice.Config, "it is withheld for legal reasons; leave it out"
	case r.Status == http.StatusRequestTimeout, r.Status == http.StatusTooEarly,
		r.Status >= 500 && r.Status != http.StatusNotImplemented && r.Status != http.StatusHTTPVersionNotSupported:
		return sluice.Transient, hintLater
	}
	return sluice.Config, "the API does not accept this request; check the configuration"
}

// limited tells a 403 that is a rate limit from one that is a missing right.
func limited(r *Response, message string, c *Client) bool {
	if r.Header.Get("Retry-After") != "" || strings.Contains(strings.ToLower(message), "rate limit") {
		return true
	}
	_, ok := exhausted(r.Header, c.o.Clock.Now())
	return ok
}

func statusText(status int, message string) error {
	text := strings.ToLower(http.StatusText(status))
	if message == "" {
		return fmt.Errorf("the API answered %d %s", status, text)
	}
	return fmt.Errorf("the API answered %d %s: %s", status, text, message)
}

// maxMessage is the number of bytes of an API's message that are kept.
const maxMessage = 300

// apiMessage finds the sentence for people in an error's body, in the places
// where APIs put it.
func apiMessage(body []byte) string {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' {
		return ""
	}
	var b struct {
		Message     string          `json:"message"`
		Description string          `json:"error_description"`
		Detail      string          `json:"detail"`
		Title       string          `json:"title"`
		Error       json.RawMessage `json:"error"`
		Errors      json.RawMessage `json:"errors"`
	}
	// Fields of another kind than expected are left out; the others are kept.
	_ = json.Unmarshal(body, &b)
	for _, s := range []string{b.Message, b.Description, nested(b.Error), b.Detail, b.Title, nested(b.Errors)} {
		if s != "" {
			return clip(s)
		}
	}
	return ""
}

// nested reads a message that is a text, an object with a message, or a list of
// either.
func nested(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(raw, &object) == nil {
		return object.Message
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 && len(list[0]) > 0 && list[0][0] != '[' {
		return nested(list[0])
	}
	return ""
}

func clip(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}

// redact removes the client's secrets from a text of the API.
func (c *Client) redact(s string) string { return mask.New(c.o.Auth.Secrets()...).Text(s) }

// redactError keeps err's chain where its text holds no secret.
func (c *Client) redactError(err error) error { return mask.New(c.o.Auth.Secrets()...).Error(err) }
