package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluicehq/sluice"
)

// Response is an answer. Its body is complete in memory, or, where it is larger
// than the client's Buffer, its beginning is and the rest is still to come.
type Response struct {
	Status int
	Header http.Header

	request Request
	client  *Client
	body    []byte
	more    io.ReadCloser // nil: body is all
	buffer  *[]byte       // of the pool
}

// NotModified reports that the answer is the one whose ETag the request named.
func (r *Response) NotModified() bool { return r.Status == http.StatusNotModified }

// Close gives the body up. It must be called once, and nothing of the body used
// after it.
func (r *Response) Close() {
	if r.more != nil {
		r.more.Close()
	}
	if r.buffer != nil && cap(r.body) <= int(r.client.o.Buffer)+1 {
		*r.buffer = r.body[:0]
		buffers.Put(r.buffer)
	}
	r.body, r.buffer, r.more = nil, nil, nil
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Bytes returns the whole body, which must not be larger than the Buffer; it is
// valid until Close.
func (r *Response) Bytes() ([]byte, error) {
	if r.more != nil {
		return nil, r.client.fault(sluice.Data, "response_too_large", r.request, "ask for smaller pages", fmt.Errorf("the answer is larger than %d bytes", r.client.o.Buffer))
	}
	return r.body, nil
}

// receive turns an HTTP answer into a Response or an error. It owns cancel.
func (c *Client) receive(ctx context.Context, cancel context.CancelFunc, r Request, resp *http.Response) (*Response, error) {
	out := &Response{Status: resp.StatusCode, Header: resp.Header, request: r, client: c}
	body := &stallReader{body: resp.Body, cancel: cancel, stall: c.o.Stall, left: c.o.MaxBody}
	body.timer = time.AfterFunc(c.o.Stall, func() { body.stalled.Store(true); cancel() })
	if err := out.fill(body); err != nil {
		_ = body.Close()
		out.Close()
		return nil, c.networkError(ctx, r, err)
	}
	if out.more == nil {
		_ = body.Close()
	}
	if err := out.check(); err != nil {
		out.Close()
		return nil, err
	}
	return out, nil
}

// fill reads the body up to the Buffer.
func (r *Response) fill(body io.ReadCloser) error {
	limit := int(r.client.o.Buffer)
	r.buffer = buffers.Get().(*[]byte)
	r.body = (*r.buffer)[:0]
	for len(r.body) < limit {
		if len(r.body) == cap(r.body) {
			grown := make([]byte, len(r.body), min(limit, max(64<<10, 2*cap(r.body))))
			copy(grown, r.body)
			r.body = grown
		}
		n, err := body.Read(r.body[len(r.body):min(cap(r.body), limit)])
		r.body = r.body[:len(r.body)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	r.more = body
	return nil
}

func (r *Response) check() error {
	c := r.client
	if r.Status >= 200 && r.Status < 300 {
		return r.checkJSON()
	}
	if r.NotModified() && r.request.ETag != "" {
		return nil
	}
	for _, s := range r.request.Accept {
		if s == r.Status {
			return nil
		}
	}
	return c.statusError(r)
}

// checkJSON refuses answers that are no JSON, such as a login page, and those
// that visibly end too early.
func (r *Response) checkJSON() error {
	body := bytes.TrimSpace(r.body)
	if len(body) == 0 {
		return nil
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); body[0] == '<' || kind == "text/html" {
		return r.client.fault(sluice.Config, "not_json", r.request,
			"check base_url, and that no login page or proxy stands before the API", errors.New("the server answered with an HTML page, not JSON"))
	}
	last := body[len(body)-1]
	opened := body[0] == '{' && last != '}' || body[0] == '[' && last != ']'
	if opened && r.more == nil {
		return r.client.fault(sluice.Transient, "truncated", r.request, hintLater, errors.New("the answer ends in the middle"))
	}
	if body[0] != '{' && body[0] != '[' {
		return r.client.fault(sluice.Config, "not_json", r.request, "check base_url",
			fmt.Errorf("the server answered with %s, not a JSON object or array", strings.TrimSpace("text of type "+r.Header.Get("Content-Type"))))
	}
	return nil
}

// Truncated and stalled bodies end in these errors.
var (
	errStalled = errors.New("the server stopped sending in the middle of its answer")
	errTooBig  = errors.New("the answer is larger than allowed")
)

// stallReader ends a body that pauses for too long or grows too large.
type stallReader struct {
	body    io.ReadCloser
	cancel  context.CancelFunc
	timer   *time.Timer
	stall   time.Duration
	left    int64
	stalled atomic.Bool
}

func (s *stallReader) Read(p []byte) (int, error) {
	s.timer.Reset(s.stall)
	n, err := s.body.Read(p)
	if s.left -= int64(n); s.left < 0 {
		return 0, errTooBig
	}
	if err != nil && err != io.EOF && s.stalled.Load() {
		err = errStalled
	}
	return n, err
}

func (s *stallReader) Close() error {
	s.timer.Stop()
	s.cancel()
	return s.body.Close()
}

// readLimited reads all of a small body.
func readLimited(r io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errTooBig
	}
	return b, err
}
