package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/sluicehq/sluice/store"
)

// IdempotencyKey is embedded by the inputs of creations and of actions.
type IdempotencyKey struct {
	IdempotencyKey string `header:"Idempotency-Key" minLength:"1" maxLength:"128" pattern:"^[!-~]+$" patternDescription:"printable ASCII without spaces" example:"7b1f6a52-create-shop" doc:"A name of this request that the client makes up. The same request with the same key within 24 hours is done once, and its repetition gets the first answer."`
}

const idempotencyKept = 24 * time.Hour

var plainKey = regexp.MustCompile(`^[!-~]{1,128}$`)

// idempotently makes op's handler run once per key and principal.
func (s *server) idempotently(secret bool) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		key := ctx.Header("Idempotency-Key")
		if !plainKey.MatchString(key) {
			next(ctx) // none, or one that the validation of parameters refuses
			return
		}
		r, w := humachi.Unwrap(ctx)
		infoOf(ctx.Context()).readWithin(bodyTimeout)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			s.refuse(ctx, unread(err))
			return
		}
		infoOf(ctx.Context()).readWithin(0)
		record := &store.Idempotency{Scope: infoOf(ctx.Context()).caller, Key: key, ExpiresAt: s.now().Add(idempotencyKept),
			Request: fingerprint(r.Method, r.URL.RequestURI(), ctx.Header("If-Match"), string(body))}
		earlier, err := s.Store.BeginIdempotent(ctx.Context(), record)
		switch {
		case err != nil:
			s.refuse(ctx, problemOf(err))
		case earlier != nil:
			s.replay(ctx, record, earlier)
		default:
			s.runOnce(ctx, next, record, body, secret)
		}
	}
}

// unread says why a body could not be read.
func unread(err error) *Problem {
	status, text := http.StatusBadRequest, "the request body ended early"
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		status, text = http.StatusRequestEntityTooLarge, "the request body is too large"
	} else if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		status, text = http.StatusRequestTimeout, "the request body took too long"
	}
	p := problem(status, humaCode(status), text, humaHint(status))
	p.cause = err
	return p
}

// runOnce runs the handler and keeps its answer. Answers that another try could
// change are not kept. The keeping goes on when the client has gone.
func (s *server) runOnce(ctx huma.Context, next func(huma.Context), record *store.Idempotency, body []byte, secret bool) {
	r, w := humachi.Unwrap(ctx)
	r = r.WithContext(ctx.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	done := false
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx.Context()), 5*time.Second)
		defer cancel()
		if err := s.keepAnswer(late, record, rec, done, secret); err != nil {
			s.log.ErrorContext(late, "idempotency record", "error", err)
		}
	}()
	next(humachi.NewContext(ctx.Operation(), r, rec))
	done = true
}

// keepAnswer keeps what a repetition gets. Of an answer with a secret it keeps
// only that there was one: status 0.
func (s *server) keepAnswer(ctx context.Context, record *store.Idempotency, rec *recorder, done, secret bool) error {
	if !done || rec.status >= 500 || rec.status == http.StatusTooManyRequests || rec.status == http.StatusRequestTimeout {
		return s.Store.AbandonIdempotent(ctx, record.Scope, record.Key)
	}
	header, err := json.Marshal(keptHeaders(rec.Header()))
	if err != nil {
		return fmt.Errorf("keep the answer: %w", err)
	}
	record.Done, record.Status, record.Header, record.Body = true, rec.status, header, rec.body.Bytes()
	if secret && rec.status < 300 {
		record.Status, record.Body = 0, nil
	}
	return s.Store.FinishIdempotent(ctx, record)
}

// replay answers a repetition.
func (s *server) replay(ctx huma.Context, now, earlier *store.Idempotency) {
	switch {
	case now.Request != earlier.Request:
		p := problem(http.StatusUnprocessableEntity, "idempotency_reused", "this Idempotency-Key was used for another request", "make up a new key for each request")
		p.Errors = []FieldError{{Location: "header.Idempotency-Key", Message: "used for another request"}}
		s.refuse(ctx, p)
	case !earlier.Done:
		p := problem(http.StatusConflict, "idempotency_pending", "the first request with this Idempotency-Key is still being worked on", "try again in a moment")
		p.retryAfter = time.Second
		s.refuse(ctx, p)
	case earlier.Status == 0:
		s.refuse(ctx, problem(http.StatusConflict, "secret_shown", "the first request with this Idempotency-Key succeeded, and its answer held a secret that is shown once", "revoke what was made and make it anew with another key"))
	default:
		var header http.Header
		if err := json.Unmarshal(earlier.Header, &header); err != nil {
			s.refuse(ctx, problemOf(fmt.Errorf("idempotency record: %w", err)))
			return
		}
		_, w := humachi.Unwrap(ctx)
		for name, values := range header {
			w.Header()[name] = values
		}
		w.Header().Set("Idempotency-Replayed", "true")
		ctx.SetStatus(earlier.Status)
		_, _ = ctx.BodyWriter().Write(earlier.Body) // the client has gone: nobody is left to tell
	}
}

// fingerprint hashes parts so that no two lists of parts give the same.
func fingerprint(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func keptHeaders(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"Content-Type", "Etag", "Location"} {
		if v := h.Values(name); len(v) > 0 {
			kept[name] = v
		}
	}
	return kept
}

// recorder writes through and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b) //nolint:wrapcheck // it is the writer's own
}

// Unwrap gives http.ResponseController the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
