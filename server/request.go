package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	maxBody       = 4 << 20          // bytes of a request's body: settings of 10,000 streams
	maxAddress    = 8 << 10          // bytes of a request's path and query
	bodyTimeout   = 15 * time.Second // for a body to arrive
	answerTimeout = 30 * time.Second // for a handler to answer, streams apart
)

// info is what is known of a request; the frame makes it, the steps fill it.
type info struct {
	id        string
	client    netip.Addr // who asks, past the trusted proxies
	secure    bool       // the client's own connection is encrypted
	operation string     // the operation's id, or the route's name; bounded
	caller    string     // id of the principal
	request   *http.Request
	writer    http.ResponseWriter
	agent     string // the client's program, as it says
	ifMatch   bool   // the client named the state that it wants changed
}

type infoKey struct{}

func infoOf(ctx context.Context) *info {
	if i, ok := ctx.Value(infoKey{}).(*info); ok {
		return i
	}
	return &info{}
}

func requestID(ctx context.Context) string { return infoOf(ctx).id }

// frame is around every request: its id and its client, limits, headers, the
// access log, the metrics, and the answer to a panic.
func (s *server) frame(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.now()
		i := &info{id: strings.ToLower(rand.Text()[:12]), operation: "other", agent: r.UserAgent(), ifMatch: r.Header.Get("If-Match") != ""}
		i.client, i.secure = s.clientOf(r)
		r = r.WithContext(context.WithValue(r.Context(), infoKey{}, i))
		out := &counter{ResponseWriter: w}
		i.request, i.writer = r, out
		setHeaders(out.Header(), i)
		s.metrics.inFlight.Inc()
		defer func() {
			s.metrics.inFlight.Dec()
			if v := recover(); v != nil {
				s.recovered(out, r, v)
			}
			s.finished(r, i, out, s.now().Sub(start))
		}()
		if len(r.URL.RequestURI()) > maxAddress {
			s.write(out, r, problem(http.StatusRequestURITooLong, "address_too_long", "the path and query are too long", "send fewer or shorter parameters"))
			return
		}
		r.Body = http.MaxBytesReader(out, r.Body, maxBody+1)
		next.ServeHTTP(out, r)
	})
}

// readWithin bounds how long the body may take from now on; 0 lifts the bound,
// which else would end the handler, too. Not every writer can do it.
func (i *info) readWithin(d time.Duration) {
	if i.writer == nil {
		return
	}
	var until time.Time
	if d > 0 {
		until = time.Now().Add(d)
	}
	_ = http.NewResponseController(i.writer).SetReadDeadline(until)
}

// recovered answers a request whose handler panicked. A handler that ends by
// http.ErrAbortHandler wants no answer.
func (s *server) recovered(w *counter, r *http.Request, v any) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.log.ErrorContext(r.Context(), "request panicked", "request_id", requestID(r.Context()), "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	if w.status == 0 {
		s.write(w, r, problemOf(fmt.Errorf("panic: %v", v)))
	}
}

// finished counts and logs a request: reads that went well for those who look
// for them, changes for everyone, failures of the server as errors.
func (s *server) finished(r *http.Request, i *info, w *counter, took time.Duration) {
	status := w.status
	if status == 0 {
		status = http.StatusOK
	}
	s.metrics.observe(i.operation, r.Method, status, took)
	level := slog.LevelDebug
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		level = slog.LevelInfo
	}
	s.log.LogAttrs(r.Context(), level, "request", slog.String("request_id", i.id), slog.String("operation", i.operation),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status), slog.Int64("bytes", w.bytes),
		slog.Duration("took", took), slog.String("client", i.client.String()), slog.String("caller", i.caller))
}

// setHeaders says what a browser may do with answers: nothing.
func setHeaders(h http.Header, i *info) {
	h.Set("X-Request-Id", i.id)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("Cache-Control", "no-store")
	if i.secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// clientOf returns who sent the request, and whether over TLS. What proxies say
// counts only as far as they are trusted: the right-most address that is none of
// theirs is the client.
func (s *server) clientOf(r *http.Request) (client netip.Addr, secure bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	client, err = netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, r.TLS != nil
	}
	client, secure = client.Unmap(), r.TLS != nil
	if !s.trusted(client) {
		return client, secure
	}
	secure = secure || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		if client = a.Unmap(); !s.trusted(client) {
			break
		}
	}
	return client, secure
}

func (s *server) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(a) })
}

// counter remembers what was answered.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counter) WriteHeader(status int) {
	if c.status == 0 && status >= http.StatusOK {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err //nolint:wrapcheck // it is the writer's own
}

// Unwrap gives http.ResponseController the writer below.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
