package github

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// maxRuns is the number of runs that GitHub lists of one window, at most.
const maxRuns = 1000

// actionsBegan is before the first workflow run that there can be.
var actionsBegan = time.Date(2018, 1, 1, 0, 0, 0, 0, time.UTC)

var (
	fieldCreated = rest.NewField("created_at")
	fieldStatus  = rest.NewField("status")
)

func (s *source) runEndpoint() rest.Endpoint {
	e := s.of(rest.Table("workflow_runs", "id", runColumns), "Runs of GitHub Actions workflows: "+docs+"actions/workflow-runs", "actions/runs", "")
	e.Omit = append([]string{"repository"}, omitRun...)
	e.Incremental = &rest.Incremental{Field: "created_at", Order: rest.Descending, Start: s.start}
	e.Read = s.readRuns
	return e
}

// runReader reads the workflow runs of a repository, window by window. Of a
// Position, At is the time of creation up to which all runs were seen, and Mark
// that of the oldest one that was not complete then.
type runReader struct {
	rest.SliceRead
	at   time.Time
	open time.Time // of the oldest incomplete run of this read; zero: none
}

func (s *source) readRuns(ctx context.Context, r rest.SliceRead) error {
	p := r.Feed.Position(r.Slice.Name)
	read := &runReader{SliceRead: r, at: parseTime(p.At)}
	from := actionsBegan
	if !s.start.IsZero() {
		from = s.start
	}
	if !read.at.IsZero() {
		from = later(from, read.at.Add(-time.Duration(s.config.RunsLookback)))
	}
	if open := parseTime(p.Mark); !open.IsZero() && open.Before(from) {
		from = open
	}
	return read.windows(ctx, from.Truncate(time.Second))
}

func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// windows reads from one time on. A window with more runs than GitHub lists is
// halved; the last one has no upper end, so that no clock is trusted.
func (r *runReader) windows(ctx context.Context, from time.Time) error {
	until := time.Time{}
	for {
		tooMany, err := r.window(ctx, from, until)
		if err != nil {
			return err
		}
		if tooMany {
			if until.IsZero() {
				until = r.Client.ServerTime().Truncate(time.Second)
			}
			half := until.Sub(from).Truncate(2*time.Second) / 2
			if half < time.Second {
				return sluice.Errorf(sluice.Data, "github_too_many_runs", "list workflow runs of "+r.Slice.Name,
					"leave workflow_runs out for this repository", "GitHub lists no more than %d of the runs of one second, %s", maxRuns, from)
			}
			until = from.Add(half)
			continue
		}
		if err := r.moved(ctx, until); err != nil || until.IsZero() {
			return err
		}
		// The next window may be twice as long: times with few runs are soon past.
		length := 2 * until.Sub(from)
		from = until.Add(time.Second)
		if until = from.Add(length); until.After(r.Client.ServerTime()) {
			until = time.Time{}
		}
	}
}

// moved saves how far the read has come; a zero time is its end. Until then,
// runs after it that were open before are not seen yet, so that the next read
// begins there at the latest.
func (r *runReader) moved(ctx context.Context, until time.Time) error {
	open, p := r.open, rest.Position{}
	if until.IsZero() {
		p.Done = r.Full
	} else {
		if r.at.Before(until) {
			r.at = until
		}
		if open.IsZero() {
			open = until
		}
	}
	if !r.at.IsZero() {
		p.At = r.at.Format(time.RFC3339)
	}
	if !open.IsZero() {
		p.Mark = open.Format(time.RFC3339)
	}
	return r.Move(ctx, p)
}

// maxRereads is how often a window is read again in which runs were deleted, and
// others so moved from one page to the one before.
const maxRereads = 3

// window reads the runs created from one second to another, both included.
func (r *runReader) window(ctx context.Context, from, until time.Time) (tooMany bool, err error) {
	created := ">=" + from.Format(time.RFC3339)
	if !until.IsZero() {
		created = from.Format(time.RFC3339) + ".." + until.Format(time.RFC3339)
	}
	w := rest.Walk{Records: "workflow_runs", Capture: []string{"total_count"}, Paging: rest.LinkPages{}, Request: rest.Request{
		URL: repositoryURL(r.Slice, "actions/runs"), Query: url.Values{"created": {created}, "per_page": {"100"}}}}
	for range maxRereads {
		missing := 0
		if tooMany, missing, err = r.walk(ctx, w); err != nil || tooMany || missing <= 0 {
			return tooMany, err
		}
	}
	return false, nil
}

// walk reads a window once and returns how many runs less came than were there at
// the end.
func (r *runReader) walk(ctx context.Context, w rest.Walk) (tooMany bool, missing int, err error) {
	ids := map[string]struct{}{}
	id := rest.NewField("id")
	for page, err := range r.Client.Pages(ctx, w) {
		if err != nil {
			return false, 0, err
		}
		total, err := strconv.Atoi(page.Text("total_count"))
		if err == nil && total > maxRuns {
			return true, 0, nil
		}
		err = r.Feed.Send(ctx, r.Slice.Name, func(add rest.Adder) error {
			return page.Records(func(record []byte) error {
				ids[id.Text(record)] = struct{}{}
				r.note(record)
				return add(record, r.Slice.Fields...)
			})
		})
		if err != nil {
			return false, 0, err
		}
		missing = total - len(ids)
	}
	return false, missing, nil
}

// note remembers the newest run and the oldest that is not complete.
func (r *runReader) note(record []byte) {
	created := parseTime(fieldCreated.Text(record))
	if created.IsZero() {
		return
	}
	r.at = later(r.at, created)
	if fieldStatus.Text(record) != "completed" && (r.open.IsZero() || created.Before(r.open)) {
		r.open = created
	}
}
