package server

import (
	"context"
	"strings"

	"github.com/sluicehq/sluice/store"
)

// tagged makes the answer of one object, or a 304 where the client has it.
func tagged[T any](view T, version int64, held IfNoneMatch) (*Tagged[T], error) {
	tag := etag(version, view)
	if err := held.unchanged(tag); err != nil {
		return nil, err
	}
	return &Tagged[T]{ETag: tag, Body: view}, nil
}

// replaced makes the answer of a setting that put keeps in the place of the
// version that the client holds.
func replaced[S any](m IfMatch, put func(version int64) (S, int64, error)) (*Tagged[S], error) {
	version, err := m.version()
	if err != nil {
		return nil, err
	}
	spec, version, err := put(version)
	if err != nil {
		return nil, err
	}
	return tagged(spec, version, IfNoneMatch{})
}

func created[T any](view T, version int64, location string) *Created[T] {
	return &Created[T]{ETag: etag(version, view), Location: location, Body: view}
}

// accepted is the answer to a request for work that takes longer.
type accepted struct {
	Location string `header:"Location" example:"/api/v1/operations/opr_01hx5k2m8q4z7w9c3v6b" doc:"Where its progress can be read."`
	Body     Operation
}

func (s *server) acceptedOf(ctx context.Context, o *store.Operation, err error) (*accepted, error) {
	if err != nil {
		return nil, err
	}
	v, err := s.oneOperation(ctx, o)
	if err != nil {
		return nil, err
	}
	return &accepted{Location: "/api/v1/operations/" + o.ID, Body: v.Body}, nil
}

// labelsOf reads filters of the form key=value.
func labelsOf(pairs []string) (map[string]string, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	labels := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, invalid("query.label", "must be key=value", "give the label's key and value, as label=env=prod")
		}
		labels[key] = value
	}
	return labels, nil
}
