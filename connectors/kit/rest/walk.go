package rest

import (
	"context"
	"errors"
	"iter"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// Walk is a list to be read page by page.
type Walk struct {
	Request Request
	Records string   // path of the list in the body; "": the body is the list, or one record
	Capture []string // further paths, for Page.Text
	Paging  Paging   // nil: SinglePage
	Resume  string   // from Page.Resume of an earlier walk: begin at that page
	// Known are the pages of an earlier walk: those that have not changed come as
	// NotModified, and the walk goes on to the page that followed them then.
	Known map[string]Tag
}

// Pages walks from page to page. While one is worked on, the next is fetched
// already, and its records found, in the background; no more than that. The walk
// ends after the first error. An API that sends the same page again, or asks for
// one that was read, gets an error instead of an endless walk.
func (c *Client) Pages(ctx context.Context, w Walk) iter.Seq2[*Page, error] {
	return func(yield func(*Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		b := &walker{client: c, walk: w, seen: map[uint64]struct{}{}}
		defer b.end(cancel)
		first, err := b.first()
		if err != nil {
			yield(nil, err)
			return
		}
		for b.ahead(ctx, first); b.coming != nil; {
			if !b.step(ctx, yield) {
				return
			}
		}
	}
}

// walker is the state of one walk.
type walker struct {
	client *Client
	walk   Walk
	layout *layout
	number int
	count  int // records so far
	coming chan fetched
	seen   map[uint64]struct{} // requests
	sum    uint64              // of the page before
}

type fetched struct {
	page *Page
	err  error
}

func (b *walker) first() (Request, error) {
	if b.walk.Paging == nil {
		b.walk.Paging = SinglePage{}
	}
	b.layout = newLayout(b.walk.Records, append(b.walk.Paging.Paths(), b.walk.Capture...))
	r := b.walk.Paging.Start(b.walk.Request)
	if b.walk.Resume != "" {
		r.URL, r.Query, r.ETag = b.walk.Resume, nil, ""
	}
	return r, b.visit(r)
}

// visit refuses to send a request twice.
func (b *walker) visit(r Request) error {
	u, err := b.client.resolve(r)
	if err != nil {
		return b.client.fault(sluice.Config, "foreign_address", r, "check base_url: it must be the address that the API itself uses in its answers", err)
	}
	id := xxh3.HashString(u.String() + "\x00" + string(r.Body))
	if _, again := b.seen[id]; again {
		return b.loop(r, "the API names a page as the next one that was read already")
	}
	b.seen[id] = struct{}{}
	return nil
}

func (b *walker) loop(r Request, text string) error {
	return b.client.fault(sluice.Data, "page_loop", r, "the API repeats itself without end; report it to its maker", errors.New(text))
}

// ahead fetches a page in the background.
func (b *walker) ahead(ctx context.Context, r Request) {
	b.number++
	number, to := b.number, make(chan fetched, 1)
	b.coming = to
	go func() {
		page, err := b.client.page(ctx, r, &b.walk, b.layout)
		if page != nil {
			page.Number = number
		}
		to <- fetched{page, err}
	}()
}

func (b *walker) end(cancel context.CancelFunc) {
	cancel()
	if b.coming != nil {
		if f := <-b.coming; f.page != nil {
			f.page.close()
		}
	}
}

// step hands one page over; false ends the walk.
func (b *walker) step(ctx context.Context, yield func(*Page, error) bool) bool {
	f := <-b.coming
	b.coming = nil
	if f.err != nil {
		yield(nil, f.err)
		return false
	}
	p := f.page
	defer p.close()
	p.before = b.count
	defer func() { b.count += p.count }()
	if p.count > 0 && p.sum != 0 && p.sum == b.sum {
		yield(nil, b.loop(p.Request, "the API sends the same page again and again"))
		return false
	}
	b.sum = p.sum
	if p.rest != nil {
		return b.large(ctx, p, yield)
	}
	err := b.prefetch(ctx, p)
	if !yield(p, nil) {
		return false
	}
	if err != nil {
		yield(nil, err)
	}
	return err == nil
}

// large is step for a page that is read while it is worked on.
func (b *walker) large(ctx context.Context, p *Page, yield func(*Page, error) bool) bool {
	if !yield(p, nil) {
		return false
	}
	err := p.Records(func([]byte) error { return nil })
	if err == nil {
		err = b.prefetch(ctx, p)
	}
	if err != nil {
		yield(nil, err)
	}
	return err == nil
}

func (b *walker) prefetch(ctx context.Context, p *Page) error {
	next, more, err := p.Next()
	if err == nil && more {
		err = b.visit(next)
	}
	if err == nil && more {
		b.ahead(ctx, next)
	}
	return err
}

// Next returns the request for the page after p; of a page too large to be held
// it is known after Records.
func (p *Page) Next() (Request, bool, error) {
	switch {
	case p.NotModified:
		return p.follow(p.known.Next)
	case p.Skipped:
		return Request{}, false, nil
	}
	r, more, err := p.walk.Paging.Next(p)
	if err != nil {
		return r, more, p.client.fault(sluice.Data, "paging", p.Request, "the API's answer cannot be followed; report it to its maker", err)
	}
	return r, more, nil
}

// Resume returns what Walk.Resume needs to begin after p, or "" after the last
// page. It holds no credentials.
func (p *Page) Resume() string {
	r, more, err := p.Next()
	if err != nil || !more {
		return ""
	}
	u, err := p.client.resolve(r)
	if err != nil {
		return ""
	}
	return u.String()
}

// maxRefetch is how often a page with a malformed body is asked for again.
const maxRefetch = 2

// page fetches a page and finds its records. A body that is broken off is
// fetched again, like a failed request.
func (c *Client) page(ctx context.Context, r Request, w *Walk, l *layout) (*Page, error) {
	known, ok := w.Known[addressOf(c, r)]
	if ok {
		r.ETag = known.ETag
	}
	for try := 0; ; try++ {
		resp, err := c.Do(ctx, r)
		if err != nil {
			return nil, err
		}
		p := &Page{Request: r, Header: resp.Header, NotModified: resp.NotModified(), Skipped: resp.Status >= 400, known: known, client: c, resp: resp, walk: w}
		if err = p.scan(l); err == nil {
			return p, nil
		}
		p.close()
		if sluice.ClassOf(err) != sluice.Transient || try == maxRefetch {
			return nil, err
		}
		if err := c.o.Clock.Sleep(ctx, c.backOff(c.o.Clock).NextBackOff()); err != nil {
			return nil, err
		}
	}
}
