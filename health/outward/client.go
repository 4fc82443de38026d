package outward

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/internal/mask"
)

// Options say how a Client talks to one system.
type Options struct {
	System  string // for people: "GitHub"
	BaseURL string // http or https, without credentials
	Header  http.Header
	// Secrets are taken out of every error: what a system answers may repeat them.
	Secrets []string
	TLS     *tls.Config   // nil: the system's authorities
	Timeout time.Duration // of one request with its answer; 30 s
	Egress  egress.Policy
	Stay    bool // follow no redirect, not even to the same origin
	// Refusal looks at an answer that is no success and returns the error for it
	// where the system says more than its status; nil, or nil returned: by the status.
	Refusal func(*Answer) *sluice.Error
}

// Client sends single requests to one system. It is safe for concurrent use.
type Client struct {
	o      Options
	base   *url.URL
	http   *http.Client
	masker *mask.Masker
}

// Answer is what a system answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // at most maxBody
}

const (
	maxBody    = 8 << 20
	maxMessage = 300 // bytes of a system's message that are kept
)

// NewClient checks o and does no I/O. Its error has class Config.
func NewClient(o Options) (*Client, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, sluice.Errorf(sluice.Config, "delivery_address", "configuration of "+o.System,
			"give an address such as https://example.com", "the address is not one of http or https")
	}
	if base.User != nil {
		return nil, sluice.Errorf(sluice.Config, "delivery_address", "configuration of "+o.System,
			"give credentials in their own fields", "the address contains credentials")
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	c := &Client{o: o, base: base, masker: mask.New(o.Secrets...)}
	c.http = &http.Client{
		Transport: egress.NewTransport(o.Egress, func(t *http.Transport) {
			t.TLSClientConfig = o.TLS
			// A connection that is used once cannot answer with what was left of
			// the request before, and no request is silently sent a second time.
			t.DisableKeepAlives = true
		}),
		CheckRedirect: c.redirect,
	}
	return c, nil
}

// redirect follows within the same origin only: credentials and bodies go nowhere
// else, and a POST must not turn into a GET.
func (c *Client) redirect(r *http.Request, via []*http.Request) error {
	if c.o.Stay || len(via) >= 5 || r.URL.Scheme != c.base.Scheme || r.URL.Host != c.base.Host || r.Method != via[0].Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// Request is one request.
type Request struct {
	Op     string // what it is for, in errors: "comment on issue 7"
	Method string
	Path   string // below the base address, escaped; "": the base address itself
	Query  url.Values
	Header http.Header
	Body   any // []byte as it is, else JSON; nil: none
}

// Do sends r once. An answer of 2xx is decoded into out, unless that is nil. Other
// answers, and failures, are a *sluice.Error; Uncertain tells those after which the
// request may have been carried out.
func (c *Client) Do(ctx context.Context, r Request, out any) (*Answer, error) {
	body, err := encode(r.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: encode: %w", c.o.System, r.Op, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	defer cancel()
	sent := &atomic.Bool{} // the hook may run while the request is given up
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	req, err := c.request(ctx, r, body)
	if err != nil {
		return nil, c.fault(sluice.Config, "delivery_address", r.Op, "check the address", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.networkError(ctx, r.Op, err, sent.Load())
	}
	defer resp.Body.Close()
	a := &Answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, c.networkError(ctx, r.Op, err, true)
	}
	if a.Status < 200 || a.Status > 299 {
		return a, c.refused(a, r.Op)
	}
	if out != nil {
		if err := json.Unmarshal(a.Body, out); err != nil {
			return a, c.fault(sluice.Config, "delivery_answer", r.Op, "check the address: what answers there is not "+c.o.System, errors.New("the answer is not the JSON that was expected"))
		}
	}
	return a, nil
}

func encode(body any) ([]byte, error) {
	switch b := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return b, nil
	}
	return json.Marshal(body)
}

func (c *Client) request(ctx context.Context, r Request, body []byte) (*http.Request, error) {
	u := c.base
	if r.Path != "" {
		u = c.base.JoinPath(r.Path)
	}
	if len(r.Query) > 0 {
		with := *u
		with.RawQuery = r.Query.Encode()
		u = &with
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	} else {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	req.Header.Set("User-Agent", "sluice")
	req.Header.Set("Accept", "application/json")
	for _, h := range []http.Header{c.o.Header, r.Header} {
		for k, v := range h {
			req.Header[k] = v
		}
	}
	return req, nil
}

// Fault returns e as an error of this system while op was done; its cause then shows
// no secret.
func (c *Client) Fault(op string, e *sluice.Error) *sluice.Error {
	return c.fault(e.Class, e.Code, op, e.Hint, e.Err)
}

func (c *Client) fault(class sluice.Class, code, op, hint string, err error) *sluice.Error {
	return &sluice.Error{Class: class, Code: code, Op: c.o.System + ": " + op, Hint: hint, Err: c.masker.Error(err)}
}

var errTimeout = errors.New("it did not answer in time")

// An uncertainty marks an error after which the request may have been carried out.
type uncertainty struct{ error }

func (u uncertainty) Unwrap() error { return u.error }

// MarkUncertain marks err, so that Uncertain tells it.
func MarkUncertain(err error) error { return uncertainty{err} }

// Uncertain reports whether what failed with err may have been carried out all the
// same: the request had left, and what came back does not say. A ticket must then
// be searched for before one is made again.
func Uncertain(err error) bool {
	_, ok := errors.AsType[uncertainty](err)
	return ok || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

func (c *Client) networkError(ctx context.Context, op string, err error, sent bool) error {
	if e, ok := errors.AsType[*sluice.Error](err); ok {
		return &sluice.Error{Class: e.Class, Code: e.Code, Op: c.o.System + ": " + op, Hint: e.Hint, Err: c.masker.Error(e.Err)} // of the outbound policy
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // its text has the whole address, which may be a secret
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		err = cause
	} else if cause != nil && !sent {
		return fmt.Errorf("%s: %s: %w", c.o.System, op, cause)
	}
	if sent {
		e := c.fault(sluice.Transient, "delivery_unknown", op, "nothing needs to be done; before it is tried again, Sluice looks whether it arrived", err)
		e.Err = uncertainty{e.Err}
		return e
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	if certificate || record {
		return c.fault(sluice.Config, "delivery_tls", op, "check the address and the certificate; an internal authority's certificate can be given in the configuration", err)
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return c.fault(sluice.Config, "delivery_unknown_host", op, "check the host name in the address", fmt.Errorf("no such host: %s", d.Name))
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = errors.New("nothing listens at the address")
	}
	return c.fault(sluice.Transient, "delivery_network", op, "check the address and that the system is reachable from here; it is tried again", err)
}

// refused classes an answer that is no success.
func (c *Client) refused(a *Answer, op string) error {
	e := c.byStatus(a, op)
	if c.o.Refusal != nil {
		if other := c.o.Refusal(a); other != nil {
			e = other
			e.Op, e.Err = c.o.System+": "+op, c.masker.Error(e.Err)
		}
	}
	if wait, ok := RetryAfter(a.Header, time.Now()); ok && e.Retryable() && e.RetryAfter == 0 {
		e.RetryAfter = wait
	}
	if e.Class == sluice.Transient {
		e.Err = uncertainty{e.Err}
	}
	return e
}

func (c *Client) byStatus(a *Answer, op string) *sluice.Error {
	text := fmt.Errorf("it answered %d %s%s", a.Status, strings.ToLower(http.StatusText(a.Status)), c.masker.Text(Message(a.Body)))
	switch {
	case a.Status == http.StatusTooManyRequests:
		return c.fault(sluice.Throttled, "delivery_rate_limited", op, "nothing needs to be done; it is sent when the limit resets", text)
	case a.Status == http.StatusUnauthorized:
		return c.fault(sluice.Auth, "delivery_credentials", op, "the credentials are refused: give new ones", text)
	case a.Status == http.StatusForbidden:
		return c.fault(sluice.Auth, "delivery_forbidden", op, "the credentials lack the right to do this: grant it", text)
	case a.Status == http.StatusNotFound, a.Status == http.StatusGone:
		return c.fault(sluice.Config, "delivery_not_found", op, "it does not exist, or the credentials may not see it: check the names in the configuration", text)
	case a.Status == http.StatusRequestTimeout, a.Status == http.StatusTooEarly, a.Status == http.StatusConflict, a.Status >= 500:
		return c.fault(sluice.Transient, "delivery_server", op, "nothing needs to be done; it is tried again", text)
	case a.Status >= 300 && a.Status < 400:
		return c.fault(sluice.Config, "delivery_redirect", op, "give the address that it redirects to", text)
	}
	return c.fault(sluice.Config, "delivery_rejected", op, "it does not accept this: check the configuration", text)
}
