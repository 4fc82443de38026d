package github

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

var fieldSHA = rest.NewField("sha")

// commitEndpoint declares the list of all commits that a head reaches.
func (s *source) commitEndpoint() rest.Endpoint {
	e := s.of(rest.Table("commits", "repository sha", commitColumns), "Commits of the default branch: "+docs+"commits/commits", "commits", "")
	e.Derive = []rest.Derived{{Name: "message", Path: "commit.message"}, {Name: "authored_at", Path: "commit.author.date"},
		{Name: "committed_at", Path: "commit.committer.date"}}
	e.Omit = []string{"url", "comments_url"}
	e.Skip = append(e.Skip, http.StatusConflict) // an empty repository
	e.Incremental = &rest.Incremental{Order: rest.Whole}
	e.Read = s.readCommits(e)
	return e
}

// readCommits reads the commits that the default branch's head reaches and the
// head of the read before does not. Position.Mark holds that one and, of a read
// under way, the head that it reads up to: "base", or "base head".
func (s *source) readCommits(e rest.Endpoint) func(context.Context, rest.SliceRead) error {
	e.Read, e.Incremental, e.Resumable = nil, nil, true
	return func(ctx context.Context, r rest.SliceRead) error {
		p := r.Feed.Position(r.Slice.Name)
		base, head, _ := strings.Cut(p.Mark, " ")
		if r.Full {
			base = "-"
		}
		if p.Next == "" || head == "" {
			record, err := firstRecord(ctx, r.Client, rest.Walk{Request: rest.Request{
				URL: repositoryURL(r.Slice, "commits"), Query: url.Values{"per_page": {"1"}}, Accept: e.Skip}})
			newest := fieldSHA.Text(record)
			if err != nil || newest == "" || newest == base {
				return err
			}
			head = newest
			if base == "" {
				base = "-"
			}
			if err := r.Move(ctx, rest.Position{Mark: base + " " + head}); err != nil {
				return err
			}
		}
		return s.readRange(ctx, r, e, base, head)
	}
}

// readRange reads the commits that head reaches and base does not; "-" reaches
// none. Where GitHub no longer knows the base, after a forced push, all are read.
func (s *source) readRange(ctx context.Context, r rest.SliceRead, e rest.Endpoint, base, head string) error {
	done := func(p *rest.Position) { p.Mark = head }
	if base != "-" {
		compare := e
		compare.Request.URL = "repos/{owner}/{name}/compare/" + url.PathEscape(base+"..."+head)
		compare.Records, compare.Skip = "commits", nil
		compare.Paging = rest.NumberedPages{Param: "page", First: 1, Size: rest.Size{Param: "per_page", N: 100}, End: rest.End{Total: "total_commits"}}
		err := r.Declared(ctx, &compare, done)
		if e := sluice.AsError(err); err == nil || e.Code != "github_http_404" && e.Code != "github_page_expired" {
			return err
		}
		if err := r.Move(ctx, rest.Position{Mark: "- " + head}); err != nil {
			return err
		}
	}
	e.Request = e.Request.With("sha", head)
	if !s.start.IsZero() {
		e.Request = e.Request.With("since", s.start.UTC().Format(time.RFC3339))
	}
	return r.Declared(ctx, &e, done)
}
