package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// stall is how long a server may send nothing before it is asked again.
const stall = 2 * time.Minute

// A Client fetches files by HTTP. It is safe for concurrent use.
type Client struct {
	http    *http.Client
	policy  egress.Policy
	retries func() backoff.BackOff
}

// NewClient returns a Client that connects to, and reads, only what the policy allows,
// follows up to ten redirects, never goes from https to http, and tries for about
// two minutes before it gives up.
func NewClient(p egress.Policy) *Client {
	transport := egress.NewTransport(p, func(t *http.Transport) {
		t.DisableCompression = true // what is stored is what is read
		t.ResponseHeaderTimeout = time.Minute
	})
	return &Client{
		policy: p,
		http:   &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		retries: func() backoff.BackOff {
			b := backoff.NewExponentialBackOff()
			b.MaxElapsedTime = 2 * time.Minute
			return b
		},
	}
}

var (
	errRedirect = errors.New("the server redirects from https to http, or too often")
	errLocation = errors.New("the server redirects to an address that is not valid")
)

func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 10 || via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errRedirect
	}
	return nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// get opens a URL, from a byte on where it is the one with that etag.
func (c *Client) get(ctx context.Context, f File, authorization string, from int64, etag string) (*http.Response, error) {
	var response *http.Response
	attempt := func() error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.location, nil)
		if err != nil {
			return backoff.Permanent(sluice.Errorf(sluice.Config, "file_url", "fetch "+f.Name, "give a whole address, such as https://example.com/data.csv", "the address is not valid"))
		}
		request.Header.Set("User-Agent", "sluice")
		request.Header.Set("Accept-Encoding", "identity") // none at all means any
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		if from > 0 {
			request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
			request.Header.Set("If-Range", etag)
		}
		r, err := c.http.Do(request)
		if err != nil {
			return networkError(ctx, f, err)
		}
		if r.StatusCode == http.StatusOK || r.StatusCode == http.StatusPartialContent && from > 0 {
			if e := encodingError(f, r); e != nil {
				_ = r.Body.Close()
				return backoff.Permanent(e)
			}
			response = r
			return nil
		}
		_ = r.Body.Close()
		if from > 0 && r.StatusCode == http.StatusRequestedRangeNotSatisfiable {
			return backoff.Permanent(changedBehind(f, from))
		}
		return retryLater(ctx, statusError(f, r))
	}
	err := backoff.Retry(attempt, backoff.WithContext(c.retries(), ctx))
	return response, err
}

// retryLater makes errors final that asking again does not cure, and waits
// where the server says for how long.
func retryLater(ctx context.Context, e *sluice.Error) error {
	if !e.Retryable() || e.RetryAfter > 30*time.Second {
		return backoff.Permanent(e)
	}
	if e.RetryAfter > 0 {
		select {
		case <-ctx.Done():
			return backoff.Permanent(ctx.Err())
		case <-time.After(e.RetryAfter):
		}
	}
	return e
}

// changedBehind is the error of a file that is not any more the one whose first
// bytes were read.
func changedBehind(f File, at int64) *sluice.Error {
	return sluice.Errorf(sluice.Transient, "file_network", fmt.Sprintf("fetch %s, after %d bytes", f.Name, at),
		"the next attempt reads it from the start, or says that it changed", "the file changed while it was read, or the server cannot send the rest of it")
}

// isRest reports whether a response holds the rest of a file, from a byte on.
// Servers that know nothing of If-Range, and caches, send parts of other files.
func isRest(r *http.Response, from int64, etag string) bool {
	if r.StatusCode != http.StatusPartialContent {
		return false
	}
	if now := r.Header.Get("ETag"); now != "" && now != etag {
		return false
	}
	return strings.HasPrefix(r.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", from))
}

// networkError is an error without a response. The cause of http.Client holds
// the address, and with it maybe a secret: only what is below it is kept.
func networkError(ctx context.Context, f File, err error) error {
	if ctx.Err() != nil {
		return backoff.Permanent(ctx.Err())
	}
	if denied, ok := errors.AsType[*sluice.Error](err); ok {
		return backoff.Permanent(denied) // by the outbound policy
	}
	e := &sluice.Error{Class: sluice.Transient, Code: "file_network", Op: "fetch " + f.Name, Err: errors.Unwrap(err), Hint: "see whether the address is right and can be reached from this machine"}
	if e.Err == nil {
		e.Err = errors.New("the request failed")
	}
	if strings.HasPrefix(e.Err.Error(), "failed to parse Location header") {
		e.Err = errLocation // the cause spells the address out, with what is signed in it
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	if errors.Is(e, errRedirect) || errors.Is(e, errLocation) || isDNS && dns.IsNotFound {
		e.Class = sluice.Config
		return backoff.Permanent(e)
	}
	return e
}

func statusError(f File, r *http.Response) *sluice.Error {
	e := sluice.Errorf(sluice.Config, "file_http", "fetch "+f.Name, "open the address in a browser to see what the server says", "the server answers %s", r.Status)
	switch s := r.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusProxyAuthRequired:
		e.Class, e.Code, e.Hint = sluice.Auth, "file_http_auth", "set authorization to what the server wants, such as \"Bearer …\""
	case s == http.StatusForbidden:
		e.Class, e.Code, e.Hint = sluice.Auth, "file_http_forbidden", "the credentials, or a signed address, are not good for this file or have expired"
	case s == http.StatusNotFound || s == http.StatusGone:
		e.Code, e.Hint = "file_not_found", "correct the address: the server has no such file"
	case s == http.StatusTooManyRequests:
		e.Class, e.Code, e.Hint = sluice.Throttled, "file_http_throttled", "the server asks to be asked less often; sync less often"
		e.RetryAfter = retryAfter(r)
	case s >= 500 || s == http.StatusRequestTimeout:
		e.Class, e.Code, e.Hint = sluice.Transient, "file_http_server", "the server has trouble; it is tried again"
		e.RetryAfter = retryAfter(r)
	}
	return e
}

// encodingError refuses what a server compressed in a way that nobody asked for
// and Open does not find out by itself.
func encodingError(f File, r *http.Response) *sluice.Error {
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "br", "deflate", "compress":
		return sluice.Errorf(sluice.Config, "file_http_encoding", "fetch "+f.Name, "have the server send the file as it is, or with gzip or zstd",
			"the server sends the file with the encoding %q", encoding)
	}
	return nil
}

func retryAfter(r *http.Response) time.Duration {
	v := r.Header.Get("Retry-After")
	if n, err := strconv.Atoi(v); err == nil && n >= 0 {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

// A body reads a response and asks for the rest of it where the connection
// breaks and the server can send parts.
type body struct {
	ctx           context.Context
	cancel        context.CancelFunc
	client        *Client
	file          File
	authorization string
	response      *http.Response
	watch         *time.Timer
	etag          string
	resumable     bool
	at            int64
	failures      int
}

func (c *Client) open(ctx context.Context, f File, authorization string) (*body, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := c.get(ctx, f, authorization, 0, "") //nolint:bodyclose // body.Close closes it
	if err != nil {
		cancel()
		return nil, err
	}
	b := &body{ctx: ctx, cancel: cancel, client: c, file: f, authorization: authorization, response: r, watch: time.AfterFunc(stall, cancel)}
	b.watch.Stop()
	b.etag = r.Header.Get("ETag")
	b.resumable = r.Header.Get("Accept-Ranges") == "bytes" && len(b.etag) > 2 && b.etag[0] == '"'
	return b, nil
}

// fingerprint is empty where the server does not tell whether the file changed.
func (b *body) fingerprint() string {
	h := b.response.Header
	if b.etag != "" {
		return b.etag
	}
	if m := h.Get("Last-Modified"); m != "" {
		return m + "-" + h.Get("Content-Length")
	}
	return ""
}

func (b *body) modified() int64 {
	if t, err := http.ParseTime(b.response.Header.Get("Last-Modified")); err == nil {
		return t.UnixMicro()
	}
	return 0
}

func (b *body) Read(p []byte) (int, error) {
	for {
		b.watch.Reset(stall)
		n, err := b.response.Body.Read(p)
		b.watch.Stop() // a slow reader is no stalled server
		b.at += int64(n)
		if n > 0 || err == nil {
			b.failures = 0
			return n, nil
		}
		if err == io.EOF {
			return 0, err
		}
		if err := b.again(err); err != nil {
			return 0, err
		}
	}
}

// again asks for the rest of the file.
func (b *body) again(cause error) error {
	failed := &sluice.Error{Class: sluice.Transient, Code: "file_network", Op: fmt.Sprintf("fetch %s, after %d bytes", b.file.Name, b.at), Err: cause,
		Hint: "the connection broke, and the server cannot send the rest of the file: the next attempt fetches it from its beginning"}
	if b.resumable {
		failed.Hint = "the connection broke again and again: the next attempt fetches the file from its beginning"
	}
	if b.ctx.Err() != nil {
		failed.Err = fmt.Errorf("nothing came for %v, or the read was ended: %w", stall, cause)
		return failed
	}
	if b.failures++; !b.resumable || b.failures > 5 {
		return failed
	}
	_ = b.response.Body.Close()
	r, err := b.client.get(b.ctx, b.file, b.authorization, b.at, b.etag) //nolint:bodyclose // body.Close closes it
	if err != nil {
		return err
	}
	b.response = r
	if !isRest(r, b.at, b.etag) {
		return changedBehind(b.file, b.at)
	}
	return nil
}

func (b *body) Close() error {
	b.watch.Stop()
	b.cancel()
	return b.response.Body.Close()
}
