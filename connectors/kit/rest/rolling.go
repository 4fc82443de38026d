package rest

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"net/url"
)

// rolling asks for each page as the first one since the page before's last value.
// Where that would bring more than half of the page again, for records share a
// value, it pages on as the API does, until it can ask by value again; there it
// ends, for a crowd must be read again before the read goes on.
type rolling struct {
	paging Paging
	s      *sliceReader
	base   Request
}

func (r rolling) Start(q Request) Request { return r.paging.Start(q) }
func (r rolling) Paths() []string         { return r.paging.Paths() }

func (r rolling) Next(p *Page) (Request, bool, error) {
	next, more, err := r.paging.Next(p)
	if err != nil || !more {
		return next, more, err
	}
	since, ok := r.rolls(p)
	switch {
	case !ok:
		return next, true, nil
	case !r.first(p):
		return Request{}, false, nil
	}
	return r.paging.Start(r.base.With(r.s.inc.Since, since)), true, nil
}

// rolls returns the value that the page after p can be asked for with.
func (r rolling) rolls(p *Page) (since string, ok bool) {
	last, ok := r.value(p.Last())
	middle, known := r.value(p.middle())
	if !ok || !known {
		return "", false
	}
	since = r.s.sinceText(last)
	from, ok := r.s.inc.Format.parse(since)
	return since, ok && from > middle
}

func (r rolling) value(record []byte) (int64, bool) {
	return r.s.inc.Format.value(r.s.field.Raw(record))
}

// first reports whether p was asked for by value, and not as a page that follows.
func (r rolling) first(p *Page) bool {
	asked, err := p.client.resolve(p.Request)
	if err != nil {
		return false
	}
	start, err := p.client.resolve(r.paging.Start(r.base.With(r.s.inc.Since, p.param(r.s.inc.Since))))
	return err == nil && asked.Path == start.Path && canonical(asked) == canonical(start)
}

func canonical(u *url.URL) string { return u.Query().Encode() }

// A crowd is a part of a Rolling list that had to be paged through, for more than
// half a page shares a value. A record of it that changes, or goes, meanwhile moves
// all behind it up, and one from the page that comes to the page that was read: so
// a crowd is read again until it brings nothing new, before the cursor passes it.
type crowd struct {
	from   Request // for its first page
	known  map[Digest]struct{}
	limit  int64 // its highest value, of the first pass
	fresh  int   // records up to limit that came in this pass for the first time
	beyond bool  // records past limit came
	more   bool  // the list goes on behind it
}

const (
	maxCrowd  = 100_000 // records of a crowd that are told apart
	maxPasses = 5       // for APIs whose records are never the same twice
)

// add remembers a record and reports whether it is new to the crowd.
func (c *crowd) add(record []byte) bool {
	d := DigestOf(record)
	if _, again := c.known[d]; again {
		return false
	}
	if len(c.known) < maxCrowd {
		c.known[d] = struct{}{}
	}
	return true
}

func (c *crowd) count(v int64) {
	if v <= c.limit {
		c.fresh++
	} else {
		c.beyond = true
	}
}

// roll reads a Rolling list to its end.
func (s *sliceReader) roll(ctx context.Context, r Request) error {
	for {
		s.crowd = nil
		if err := s.pass(ctx, r, s.known); err != nil || s.crowd == nil {
			return err
		}
		c := s.crowd
		if c.limit = s.top; c.limit == nothing {
			return nil
		}
		if err := s.disperse(ctx, c); err != nil {
			return err
		}
		s.position.At = s.inc.Format.text(c.limit)
		s.position.Seen = s.remembered(c.limit)
		if !c.more && !c.beyond {
			return nil
		}
		if err := s.Move(ctx, s.position); err != nil {
			return err
		}
		r = s.since(c.limit)
	}
}

// disperse reads a crowd again until it is known to be complete.
func (s *sliceReader) disperse(ctx context.Context, c *crowd) error {
	for pass := 1; c.fresh > 0; pass++ {
		if pass == maxPasses {
			slog.Warn("records differ each time they are read", "connector", s.Client.o.Name, "stream", s.e.Table.Name.Name, "slice", s.Slice.Name)
			return nil
		}
		c.fresh, c.beyond = 0, false
		known := s.known
		if s.e.Conditional {
			known = maps.Clone(s.tags) // this pass writes them anew, while pages are fetched ahead
		}
		if err := s.pass(ctx, c.from, known); err != nil {
			return err
		}
	}
	return nil
}

// pass reads a Rolling list to its end, or to that of the first crowd in it.
func (s *sliceReader) pass(ctx context.Context, r Request, known map[string]Tag) error {
	w := s.list(r)
	paging := rolling{paging: w.Paging, s: s, base: r}
	w.Paging, w.Known = paging, known
	for page, err := range s.Client.Pages(ctx, w) {
		if err != nil {
			return err
		}
		s.enter(paging, page)
		stop, err := s.page(ctx, page)
		if err != nil || stop {
			return err
		}
	}
	return nil
}

// enter begins a crowd where the page after p cannot be asked for by value.
func (s *sliceReader) enter(r rolling, p *Page) {
	if p.NotModified {
		if s.crowd == nil && p.known.Next != "" {
			s.begin(p)
		}
		return
	}
	_, more, err := r.paging.Next(p)
	if _, ok := r.rolls(p); s.crowd == nil && (p.rest != nil || err == nil && more && !ok) {
		s.begin(p)
	}
	if s.crowd != nil {
		s.crowd.more = err == nil && more
	}
}

func (s *sliceReader) begin(p *Page) {
	s.crowd = &crowd{from: p.Request, known: map[Digest]struct{}{}, limit: math.MaxInt64}
	s.crowd.from.ETag = ""
}
