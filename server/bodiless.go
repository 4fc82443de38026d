package server

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// maxUnexpected is how much of a body that nobody wants is looked at, in bytes.
const maxUnexpected = 64 << 10

// bodiless refuses a body where the operation takes none: what stands in it would
// be passed over, and the client would believe that it counts. An empty object is
// none.
func (s *server) bodiless(ctx huma.Context, next func(huma.Context)) {
	r, w := humachi.Unwrap(ctx)
	if r.Body == nil || r.Body == http.NoBody {
		next(ctx)
		return
	}
	infoOf(ctx.Context()).readWithin(bodyTimeout)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxUnexpected))
	if err != nil {
		s.refuse(ctx, unread(err))
		return
	}
	infoOf(ctx.Context()).readWithin(0)
	if p := unexpected(ctx.Operation(), body); p != nil {
		s.refuse(ctx, p)
		return
	}
	r.Body = http.NoBody
	next(ctx)
}

// unexpected is the problem of a body that an operation does not take.
func unexpected(op *huma.Operation, body []byte) *Problem {
	body = bytes.TrimSpace(body)
	var fields map[string]json.RawMessage
	if len(body) == 0 || json.Unmarshal(body, &fields) == nil && len(fields) == 0 {
		return nil
	}
	p := problem(http.StatusUnprocessableEntity, "invalid_request", "the operation takes no body", "send none; what the operation takes goes into its path and query, as /api/docs says")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		e := FieldError{Location: "body." + name, Message: "unexpected property"}
		if slices.ContainsFunc(op.Parameters, func(q *huma.Param) bool { return q.In == "query" && q.Name == name }) {
			e.Message += "; it is a parameter of the query: ?" + name + "=…"
		}
		p.Errors = append(p.Errors, e)
	}
	if p.Errors == nil {
		p.Errors = []FieldError{{Location: "body", Message: "unexpected"}}
	}
	return p
}
