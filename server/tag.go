package server

import (
	"encoding/json"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
)

// etag is the entity tag of an object: its version, which changes compare, and a
// hash of how it reads now, because states such as that of a check change
// without a version.
func etag(version int64, body any) string {
	h := fnv.New32a()
	_ = json.NewEncoder(h).Encode(body) // a hash takes everything; what cannot be encoded cannot be answered either
	return `"` + strconv.FormatInt(version, 10) + "-" + strconv.FormatUint(uint64(h.Sum32()), 36) + `"`
}

// IfMatch is embedded by the inputs of changes.
type IfMatch struct {
	IfMatch string `header:"If-Match" maxLength:"64" example:"\"7-1x2y3z\"" doc:"The ETag of the state that the change is meant for. When the object has changed since, the answer is 412 and nothing is done. Without it, or with *, the change is made to whatever is there."`
}

// version returns the wanted version, or 0 where any will do.
func (m IfMatch) version() (int64, error) {
	if m.IfMatch == "" || m.IfMatch == "*" {
		return 0, nil
	}
	text, quoted := strings.CutPrefix(m.IfMatch, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	text, _, _ = strings.Cut(text, "-")
	v, err := strconv.ParseInt(text, 10, 64)
	if !quoted || !closed || err != nil || v < 0 { // 0: of what nobody has set yet
		p := problem(http.StatusBadRequest, "bad_if_match", "the If-Match header is not an ETag of this API", "send the ETag header of an earlier answer, with its quotes, or *")
		p.Errors = []FieldError{{Location: "header.If-Match", Message: "not an ETag of this API"}}
		return 0, p
	}
	return v, nil
}

// IfNoneMatch is embedded by the inputs of reads of one object.
type IfNoneMatch struct {
	IfNoneMatch string `header:"If-None-Match" maxLength:"1024" example:"\"7-1x2y3z\"" doc:"An ETag that the client holds: when it is still current the answer is 304, without a body."`
}

// unchanged returns a 304 when the client holds tag already.
func (m IfNoneMatch) unchanged(tag string) error {
	for _, t := range strings.Split(m.IfNoneMatch, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return notModified{tag: tag}
		}
	}
	return nil
}

// notModified is a 304, which huma takes as an error with a status.
type notModified struct{ tag string }

func (notModified) Error() string  { return "not modified" }
func (notModified) GetStatus() int { return http.StatusNotModified }

func (n notModified) GetHeaders() http.Header { return http.Header{"Etag": {n.tag}} }

// Tagged is an answer of one object.
type Tagged[T any] struct {
	ETag string `header:"ETag" example:"\"7-1x2y3z\"" doc:"The state of the object, for If-Match and If-None-Match."`
	Body T
}

// Created is the answer to a creation.
type Created[T any] struct {
	ETag     string `header:"ETag" example:"\"1-1x2y3z\"" doc:"The state of the object, for If-Match and If-None-Match."`
	Location string `header:"Location" example:"/api/v1/sources/src_01hx5k2m8q4z7w9c3v6b" doc:"Where what was made can be read."`
	Body     T
}

// Plain is an answer without a version.
type Plain[T any] struct{ Body T }

// Nothing is an answer without a body.
type Nothing struct{}
