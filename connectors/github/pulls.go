package github

import (
	"bytes"
	"context"
	"net/url"

	"github.com/sluicehq/sluice/connectors/kit/rest"
)

var fieldUpdated = rest.NewField("updated_at")

// pullEndpoint declares how pull requests are read again: newest change first,
// until one comes that is older than the cursor.
func (s *source) pullEndpoint() rest.Endpoint {
	e := s.of(rest.Table("pull_requests", "id", pullColumns), "Pull requests: "+docs+"pulls/pulls",
		"pulls", "state=all&sort=updated&direction=desc")
	e.Incremental = &rest.Incremental{Field: "updated_at", Order: rest.Descending, Start: s.start}
	e.Conditional, e.Omit = true, omitAddresses
	e.Read = s.readPulls(e)
	return e
}

// readPulls reads a repository's pull requests. The first read goes by creation,
// oldest first: new ones come at the end and none goes away, so that pages stay as
// they are and an interrupted read goes on at its page. What changes meanwhile has
// changed after the newest change that was seen before it began, and that is
// where the second read goes back to.
func (s *source) readPulls(e rest.Endpoint) func(context.Context, rest.SliceRead) error {
	e.Read = nil
	backfill := e
	backfill.Incremental, backfill.Conditional, backfill.Resumable = nil, false, true
	backfill.Request = e.Request.With("sort", "created").With("direction", "asc")
	if start := s.start.UTC().Format("2006-01-02T15:04:05Z"); !s.start.IsZero() {
		backfill.Keep = func(record []byte) bool { return fieldUpdated.Text(record) >= start }
	}
	return func(ctx context.Context, r rest.SliceRead) error {
		p := r.Feed.Position(r.Slice.Name)
		if p.At != "" && !r.Full {
			return r.Declared(ctx, &e, nil)
		}
		if p.Next == "" {
			newest, err := newestChange(ctx, r, e.Skip)
			if err != nil {
				return err
			}
			if err := r.Move(ctx, newest); err != nil {
				return err
			}
		}
		return r.Declared(ctx, &backfill, func(p *rest.Position) { p.At, p.Mark = p.Mark, "" })
	}
}

// newestChange returns a position whose Mark is when the repository's pull
// requests changed last, and which has seen that change; it is empty where there
// are none.
func newestChange(ctx context.Context, r rest.SliceRead, skip []int) (rest.Position, error) {
	request := rest.Request{URL: repositoryURL(r.Slice, "pulls"), Accept: skip,
		Query: url.Values{"state": {"all"}, "sort": {"updated"}, "direction": {"desc"}, "per_page": {"1"}}}
	record, err := firstRecord(ctx, r.Client, rest.Walk{Request: request})
	if err != nil || record == nil {
		return rest.Position{}, err
	}
	return rest.Position{Mark: fieldUpdated.Text(record), Seen: []rest.Digest{rest.DigestOf(record)}}, nil
}

func repositoryURL(s rest.Slice, list string) string {
	return "repos/" + url.PathEscape(s.Values["owner"]) + "/" + url.PathEscape(s.Values["name"]) + "/" + list
}

// firstRecord returns a copy of the first record of a list, or nil.
func firstRecord(ctx context.Context, c *rest.Client, w rest.Walk) (first []byte, err error) {
	for page, err := range c.Pages(ctx, w) {
		if err != nil {
			return nil, err
		}
		err := page.Records(func(record []byte) error {
			if first == nil {
				first = bytes.Clone(record)
			}
			return nil
		})
		return first, err
	}
	return nil, nil
}
