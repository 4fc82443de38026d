package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// RetryMessage is the message of the log record, of level Info, that is written
// each time a request is about to be made again. Hosts count them.
const RetryMessage = "retrying request"

// Options says how a Client talks to its API. Name and BaseURL are required;
// what is zero gets the default named with it.
type Options struct {
	Name    string // of the connector; prefix of error codes, which have underscores for its dashes
	BaseURL string // http or https; credentials and Header go to this origin only
	Auth    Auth   // nil: none
	Header  http.Header
	Agent   string // User-Agent; "sluice"
	TLS     *tls.Config

	Limiter      *Limiter      // shared by all requests; nil: one without a rate, of 8 requests at once
	MaxWait      time.Duration // longest wait for a rate limit inside a sync; 15 minutes
	ThrottleWait time.Duration // wait after a 429 that names no time, doubled each time; 1 s
	MaxElapsed   time.Duration // after it a request that keeps failing is given up; 5 minutes (15 s where nothing ever listened)
	Timeout      time.Duration // of one attempt, answer included; 5 minutes
	Stall        time.Duration // longest silence of the server; 1 minute

	Buffer  int64 // bytes of an answer that are held at once; larger ones are streamed; 4 MiB
	MaxBody int64 // bytes of an answer, unpacked, at most; 1 GiB

	// Hint returns the remedy for a refused request, "" for the kit's own. Status 0
	// is a connection that was refused.
	Hint func(status int, message string) string

	Clock     Clock             // nil: the real one
	Egress    egress.Policy     // where it may connect to; from the context that the source is opened with
	Transport http.RoundTripper // nil: one of its own, with TLS, that keeps to Egress
}

// Clock tells the time and waits. Sleep returns ctx's error when ctx ends first.
type Clock interface {
	Now() time.Time
	Sleep(ctx context.Context, d time.Duration) error
}

// Client sends requests to one API. It is safe for concurrent use.
type Client struct {
	o    Options
	base *url.URL
	http *http.Client
	skew atomic.Int64 // nanoseconds that the server's clock is ahead of ours
	met  atomic.Bool  // the server has answered before

	vain     atomic.Int64 // Unix time, in nanoseconds, when new credentials did not help against a 403; 0: never
	refusing atomic.Int64 // Unix time, in nanoseconds, since when nothing listens; 0: it did, or was not tried
}

// ServerTime is the time by the server's clock, as far as its answers tell.
func (c *Client) ServerTime() time.Time {
	return c.o.Clock.Now().Add(time.Duration(c.skew.Load()))
}

// NewClient checks o and returns its Client; it does no I/O. Its error has class
// Config.
func NewClient(o Options) (*Client, error) {
	o.Name = strings.ReplaceAll(o.Name, "-", "_")
	base, err := url.Parse(o.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, sluice.Errorf(sluice.Config, o.Name+"_base_url", "configuration",
			"give an address such as https://api.example.com", "the base URL is not an http or https address")
	}
	if base.User != nil {
		return nil, sluice.Errorf(sluice.Config, o.Name+"_base_url", "configuration",
			"give credentials in their own fields", "the base URL contains credentials")
	}
	o = o.withDefaults()
	c := &Client{o: o, base: base}
	c.http = &http.Client{Transport: &originTransport{c}, CheckRedirect: limitRedirects}
	if b, ok := o.Auth.(interface{ bind(*Client) }); ok {
		b.bind(c)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	o.MaxWait = or(o.MaxWait, 15*time.Minute)
	o.ThrottleWait = or(o.ThrottleWait, time.Second)
	o.MaxElapsed = or(o.MaxElapsed, 5*time.Minute)
	o.Timeout = or(o.Timeout, 5*time.Minute)
	o.Stall = or(o.Stall, time.Minute)
	o.Buffer = or(o.Buffer, 4<<20)
	o.MaxBody = or(o.MaxBody, 1<<30)
	o.Agent = or(o.Agent, "sluice")
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.Limiter == nil {
		o.Limiter = NewLimiter(0, 8)
	}
	if o.Transport == nil {
		o.Transport = egress.NewTransport(o.Egress, func(t *http.Transport) {
			t.TLSClientConfig, t.MaxIdleConnsPerHost, t.ReadBufferSize = o.TLS, 16, 64<<10
			t.ResponseHeaderTimeout = o.Stall
		})
	}
	if o.Auth == nil {
		o.Auth = noAuth{}
	}
	return o
}

func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Close closes idle connections, and saves what credentials have left to save.
func (c *Client) Close() {
	if a, ok := c.o.Auth.(interface{ close() }); ok {
		a.close()
	}
	c.http.CloseIdleConnections()
}

// Request is what is asked of the API.
type Request struct {
	Method string // "": GET. Requests are repeated on failure: they must only read
	URL    string // a path below the base URL, or an absolute address of the same origin
	Query  url.Values
	Header http.Header
	Body   []byte
	ETag   string // of the copy that is known; an unchanged answer then comes as NotModified
	Accept []int  // statuses besides 2xx that are answers, not errors
}

// With returns a copy of r with the query parameter set; "" removes it.
func (r Request) With(param, value string) Request {
	q := maps.Clone(r.Query)
	if q == nil {
		q = url.Values{}
	}
	if q.Del(param); value != "" {
		q.Set(param, value)
	}
	r.Query = q
	return r
}

// resolve returns the whole address of r.
func (c *Client) resolve(r Request) (*url.URL, error) {
	ref, err := url.Parse(r.URL)
	if err != nil {
		return nil, fmt.Errorf("address of the request: %w", err)
	}
	u := ref
	if !ref.IsAbs() {
		u = c.base.JoinPath(ref.EscapedPath())
		u.RawQuery = ref.RawQuery
	}
	if !sameOrigin(u, c.base) {
		return nil, fmt.Errorf("the API names an address on another host, %s", u.Host)
	}
	if len(r.Query) > 0 {
		q := u.Query()
		maps.Copy(q, r.Query)
		u.RawQuery = q.Encode()
	}
	return u, nil
}

// Do sends r until it is answered and returns the answer, which the caller must
// Close. Failures of the network and of the server are retried with growing,
// jittered pauses; rate limits are waited for, up to MaxWait, and are then a
// Throttled error; credentials that expired are renewed once. Its errors are
// *sluice.Error, or ctx's.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	u, err := c.resolve(r)
	if err != nil {
		return nil, c.fault(sluice.Config, "foreign_address", r, "check base_url: it must be the address that the API itself uses in its answers", err)
	}
	attempt := &attempts{client: c, request: r}
	attempt.retry = c.backOff(attempt)
	for {
		resp, err := attempt.try(ctx, u)
		if err == nil {
			return resp, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", c.op(r), context.Cause(ctx))
		}
		if err := attempt.again(ctx, err); err != nil {
			return nil, err
		}
	}
}

// attempts decides what follows a failed attempt of one request.
type attempts struct {
	client  *Client
	request Request
	retry   *backoff.ExponentialBackOff
	waited  time.Duration // after answers that named a rate limit
	held    time.Duration // by the limiter
	renewed bool
}

// Now is the time by which a request that fails is given up: what it waits for
// rate limits does not count.
func (a *attempts) Now() time.Time { return a.client.o.Clock.Now().Add(-a.held) }

// try sends the request once, when the limiter lets it.
func (a *attempts) try(ctx context.Context, u *url.URL) (*Response, error) {
	c := a.client
	asked := c.o.Clock.Now()
	free, err := c.o.Limiter.acquire(ctx, c)
	if err != nil {
		return nil, err
	}
	defer free()
	a.held += c.o.Clock.Now().Sub(asked)
	return c.try(ctx, a.request, u)
}

// again returns nil, after a wait, when the request is to be sent again.
func (a *attempts) again(ctx context.Context, err error) error {
	e := sluice.AsError(err)
	switch e.Class {
	case sluice.Throttled:
		return a.throttled(ctx, e)
	case sluice.Transient:
		wait := a.retry.NextBackOff()
		if wait == backoff.Stop || a.client.stranger(err, wait) {
			return err
		}
		if e.RetryAfter > a.client.o.MaxWait {
			e.Class = sluice.Throttled
			return err
		}
		slog.Info(RetryMessage, "connector", a.client.o.Name, "request", e.Op, "cause", e.Code)
		return a.client.o.Clock.Sleep(ctx, max(wait, e.RetryAfter))
	case sluice.Auth:
		if status, _ := Refused(err); status == http.StatusForbidden && a.client.futile(a.renewed) {
			return err
		}
		if a.renewed {
			return err
		}
		a.renewed = true
		ok, renewErr := a.client.o.Auth.Renew(ctx)
		if renewErr != nil {
			return renewErr
		}
		if ok {
			return nil
		}
	}
	return err
}

// maxFutile is how long after new credentials did not help against a 403 others
// are believed at once: many slices may be forbidden.
const maxFutile = 10 * time.Minute

// futile reports whether new credentials are of no use against a 403; renewed
// says that they were just tried.
func (c *Client) futile(renewed bool) bool {
	now := c.o.Clock.Now().UnixNano()
	if renewed {
		c.vain.Store(now)
	}
	return now-c.vain.Load() < int64(maxFutile)
}

// maxFirstContact is how long a server that has never answered, and at whose
// address nothing listens, is tried, over all requests of a client: more likely
// the address is wrong, or the server was not started, than that it is back in a
// moment.
const maxFirstContact = 15 * time.Second

// stranger reports whether err, and a wait that would follow, are past that time.
func (c *Client) stranger(err error, wait time.Duration) bool {
	if c.met.Load() || !errors.Is(err, syscall.ECONNREFUSED) {
		return false
	}
	now := c.o.Clock.Now().UnixNano()
	c.refusing.CompareAndSwap(0, now)
	return now+int64(wait)-c.refusing.Load() > int64(maxFirstContact)
}

func (a *attempts) throttled(ctx context.Context, e *sluice.Error) error {
	if e.RetryAfter == 0 {
		e.RetryAfter = min(a.client.o.ThrottleWait+a.waited, 15*time.Minute)
	}
	if a.waited += e.RetryAfter; a.waited > a.client.o.MaxWait {
		return e
	}
	a.client.o.Limiter.Pause(a.client.o.Clock.Now().Add(e.RetryAfter))
	return ctx.Err()
}

func (c *Client) backOff(clock backoff.Clock) *backoff.ExponentialBackOff {
	return backoff.NewExponentialBackOff(backoff.WithInitialInterval(500*time.Millisecond), backoff.WithMultiplier(2),
		backoff.WithMaxInterval(30*time.Second), backoff.WithMaxElapsedTime(c.o.MaxElapsed), backoff.WithClockProvider(clock))
}

// try sends r once. A body that is not complete, as far as that can be seen, is a
// Transient error.
func (c *Client) try(ctx context.Context, r Request, u *url.URL) (*Response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	req, err := c.newRequest(ctx, r, u)
	if err != nil {
		cancel()
		return nil, err
	}
	resp, err := c.http.Do(req) //nolint:bodyclose // receive closes it, or Response.Close
	if err != nil {
		defer cancel()
		return nil, c.networkError(ctx, r, err)
	}
	c.met.Store(true)
	now := c.o.Clock.Now()
	c.skew.Store(int64(serverTime(resp.Header, now).Sub(now)))
	c.o.Limiter.observe(resp.Header, now)
	return c.receive(ctx, cancel, r, resp)
}

var errTimeout = errors.New("the server did not finish its answer in time")

func (c *Client) newRequest(ctx context.Context, r Request, u *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, or(r.Method, http.MethodGet), u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, c.fault(sluice.Config, "request", r, "check base_url", err)
	}
	if len(r.Body) == 0 {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	}
	maps.Copy(req.Header, r.Header)
	req.Header.Set("User-Agent", c.o.Agent)
	if req.Header.Get("Accept") == "" && c.o.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	if r.ETag != "" {
		req.Header.Set("If-None-Match", r.ETag)
	}
	return req, nil
}

// originTransport adds credentials and the default header, hop by hop and only
// to requests for the client's own origin, so that no redirect carries them away.
type originTransport struct{ c *Client }

func (t *originTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !sameOrigin(req.URL, t.c.base) {
		return t.c.o.Transport.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	for k, v := range t.c.o.Header {
		if _, set := req.Header[k]; !set {
			req.Header[k] = v
		}
	}
	if err := t.c.o.Auth.Apply(req.Context(), req); err != nil {
		return nil, err
	}
	return t.c.o.Transport.RoundTrip(req)
}

// CloseIdleConnections passes the call of http.Client on.
func (t *originTransport) CloseIdleConnections() {
	if i, ok := t.c.o.Transport.(interface{ CloseIdleConnections() }); ok {
		i.CloseIdleConnections()
	}
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && portOf(a) == portOf(b)
}

func portOf(u *url.URL) string {
	return or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

var errRedirects = errors.New("stopped after 10 redirects")

func limitRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errRedirects
	}
	return nil
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
