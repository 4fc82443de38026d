package rest

import (
	"context"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/zeebo/xxh3"
	"golang.org/x/sync/errgroup"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

// SliceRead is what Endpoint.Read is given to read one slice.
type SliceRead struct {
	Client *Client
	Feed   *Feed
	Slice  Slice
	Full   bool // a full refresh
}

// Declared reads the slice as the endpoint declares it, from its position on: for
// an Endpoint.Read that is made of several such reads. last, where it is not nil,
// may change the position that the complete read ends with.
func (r SliceRead) Declared(ctx context.Context, e *Endpoint, last func(*Position)) error {
	s := newSliceReader(e, r, r.Feed.Position(r.Slice.Name))
	s.last = last
	return s.run(ctx)
}

// Move sets the slice's position without sending records.
func (r SliceRead) Move(ctx context.Context, p Position) error {
	return r.Feed.Add(ctx, r.Slice.Name, func(Adder) (Position, error) { return p, nil })
}

// read reads a stream: its slices, so many at once, into one feed.
func (c *Client) read(ctx context.Context, e *Endpoint, req sluice.ReadRequest, to sluice.Sink) error {
	o := rows.Options{Place: e.Table.Name.Name}
	sel := &req.Selections[0]
	o.Wants = func(field string) bool { return sel.Wants(field) && !slices.Contains(e.Omit, field) }
	if len(e.Table.Key) == 0 && e.Incremental == nil {
		o.Op = sluice.Insert
	}
	feed, err := NewFeed(c, req, o, to)
	if err != nil {
		return err
	}
	mode := sel.Mode
	if mode == sluice.FullRefresh && feed.Finished() {
		return feed.End(ctx, mode, nil, nil)
	}
	read, err := c.readSlices(ctx, e, feed, mode == sluice.FullRefresh)
	return feed.End(ctx, mode, read, err)
}

// readSlices reads the slices, so many at once. An error that concerns one of them
// alone is returned after the others are read; any other ends all at once.
func (c *Client) readSlices(ctx context.Context, e *Endpoint, feed *Feed, full bool) (names []string, err error) {
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(max(e.Parallel, 1))
	var first firstError
	var apart sliceError
	start := func(s Slice) error {
		if err := within.Err(); err != nil {
			return err
		}
		names = append(names, s.Name)
		group.Go(func() error {
			r := SliceRead{Client: c, Feed: feed, Slice: s, Full: full}
			err := c.readSlice(within, e, r)
			if e.skips(err) || ofOneSlice(err) {
				err = r.leave(within, e, err, &apart)
			}
			return first.keep(err)
		})
		return nil
	}
	if e.Slices == nil {
		err = start(Slice{})
	} else {
		err = e.Slices(within, c, start)
	}
	if waited := group.Wait(); waited != nil {
		return nil, first.err
	}
	if err == nil {
		err = apart.err
	}
	return names, err
}

// ofOneSlice reports whether err, of a slice, need not meet the others: the API
// refuses this request, or what it holds cannot be loaded.
func ofOneSlice(err error) bool {
	if err == nil {
		return false
	}
	status, _ := Refused(err)
	switch sluice.ClassOf(err) {
	case sluice.Data:
		return true
	case sluice.Auth, sluice.Config:
		return status != 0 && status != http.StatusUnauthorized
	}
	return false
}

// leave ends the reading of a slice after err, so that the others go on. It
// returns err where they cannot.
func (r SliceRead) leave(ctx context.Context, e *Endpoint, err error, apart *sliceError) error {
	if !r.Feed.leave(r.Slice.Name) {
		return err
	}
	log := slog.With("connector", r.Client.o.Name, "stream", e.Table.Name.Name, "slice", r.Slice.Name, "cause", err)
	p := r.Feed.Position(r.Slice.Name)
	if !e.skips(err) {
		log.Warn("a slice cannot be read; the others are")
		apart.keep(r.Slice.Name, err)
	} else {
		log.Warn("nothing to read")
		// It may be the page that is gone, and not what the slice stands for.
		p.Next, p.Top = "", ""
	}
	return r.Move(ctx, p)
}

// sliceError keeps, of the errors of slices, that of the first by name, so that
// one run tells the same as another.
type sliceError struct {
	mu   sync.Mutex
	name string
	err  error
}

func (f *sliceError) keep(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || name < f.name {
		f.name, f.err = name, err
	}
}

// firstError keeps the error that made the others: those that follow it are of
// the ended context.
type firstError struct {
	mu  sync.Mutex
	err error
}

func (f *firstError) keep(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
	return err
}

func (c *Client) readSlice(ctx context.Context, e *Endpoint, r SliceRead) error {
	position := r.Feed.Position(r.Slice.Name)
	if r.Full && position.Done {
		return nil
	}
	if e.Read != nil {
		return e.Read(ctx, r)
	}
	return newSliceReader(e, r, position).run(ctx)
}

// sliceReader reads one slice as its endpoint declares it.
type sliceReader struct {
	SliceRead
	e        *Endpoint
	inc      Incremental
	last     func(*Position)
	derived  []Field
	extra    []rows.Field // scratch
	field    Field
	position Position
	known    map[string]Tag // of the walk before
	tags     map[string]Tag // of this one
	seen     map[Digest]int64
	reach    int64 // how far before top a later read can bring records again
	floor    int64 // records below it are not wanted
	came     int   // records of the window
	crowd    *crowd
	top      int64 // highest value seen
}

const nothing = math.MinInt64

func newSliceReader(e *Endpoint, r SliceRead, p Position) *sliceReader {
	s := &sliceReader{SliceRead: r, e: e, position: p, floor: nothing, top: nothing, seen: map[Digest]int64{}, tags: map[string]Tag{}}
	if e.Incremental != nil {
		s.inc = *e.Incremental
		s.field = NewField(s.inc.Field)
		s.reach = s.inc.Format.span(s.inc.Lookback) + s.inc.Format.unit()
	} else {
		s.inc.Order = Whole
	}
	for _, d := range e.Derive {
		s.derived = append(s.derived, NewField(d.Path))
	}
	if !r.Full && e.Conditional {
		s.known = p.Tags
	}
	if v, ok := s.inc.Format.parse(p.Top); ok {
		s.top = v
	}
	at := s.at()
	if s.inc.Window == 0 || s.top == nothing {
		s.top = max(s.top, at)
	}
	for _, d := range p.Seen {
		s.seen[d] = at
	}
	return s
}

// at is the cursor as a number.
func (s *sliceReader) at() int64 {
	if v, ok := s.inc.Format.parse(s.position.At); ok {
		return v
	}
	return nothing
}

func (s *sliceReader) run(ctx context.Context) error {
	from := s.at()
	if from == nothing && !s.inc.Start.IsZero() {
		from = s.inc.Format.at(s.inc.Start)
	} else if from != nothing {
		from -= s.inc.Format.span(s.inc.Lookback)
	}
	if s.inc.Window > 0 {
		return s.windows(ctx, from)
	}
	s.floor = from
	read := s.walk
	if s.inc.Rolling {
		read = s.roll
	}
	if err := read(ctx, s.since(from)); err != nil {
		return err
	}
	return s.finish(ctx, max(s.at(), s.top), true)
}

// since returns the request for records from the given value on.
func (s *sliceReader) since(from int64) Request {
	r := s.Slice.fill(s.e.Request)
	r.Accept = append(slices.Clone(r.Accept), s.e.Skip...)
	if s.inc.Since != "" && from != nothing {
		r = r.With(s.inc.Since, s.sinceText(from))
	}
	return r
}

func (s *sliceReader) sinceText(from int64) string {
	if s.inc.Exclusive {
		from -= s.inc.Format.unit()
	}
	return s.inc.Format.text(from)
}

// windows reads one slice of time after another. A slice that has ended by the
// server's clock is complete, and moves the cursor to its end; the last one moves
// it back to the newest record. Where a slice is empty, the next one is twice as
// long, so that years without records take few requests; a long one that is not
// empty is halved and asked for again, as the API may cut long answers off.
func (s *sliceReader) windows(ctx context.Context, from int64) error {
	window := max(s.inc.Format.span(s.inc.Window), 1)
	longest := or(s.inc.Format.span(s.inc.MaxWindow), math.MaxInt64)
	for length := window; ; {
		until := from + length
		empty, err := s.window(ctx, from, until, length > window)
		if err != nil {
			return err
		}
		if length > window && !empty {
			length = max(length/2, window)
			continue
		}
		if until >= s.inc.Format.at(s.Client.ServerTime()) {
			return s.finish(ctx, s.newest(), true)
		}
		if err := s.finish(ctx, max(s.at(), until), false); err != nil {
			return err
		}
		if from = until; empty {
			length = max(min(2*length, longest), window)
		}
	}
}

// newest is the highest value that came, or, before any came, the cursor.
func (s *sliceReader) newest() int64 {
	if s.top != nothing {
		return s.top
	}
	return s.at()
}

// window reads a slice of time and reports whether it is empty. With only, it
// just looks.
func (s *sliceReader) window(ctx context.Context, from, until int64, only bool) (empty bool, err error) {
	s.floor = nothing
	r := s.since(from).With(s.inc.Until, s.inc.Format.text(until))
	if !only {
		s.came = 0
		err = s.walk(ctx, r)
		return s.came == 0, err
	}
	for page, err := range s.Client.Pages(ctx, s.list(r)) {
		if err != nil {
			return false, err
		}
		if page.Len() > 0 || page.rest != nil {
			return false, nil
		}
	}
	return true, nil
}

// finish moves the cursor after a complete walk; with last, the slice is read.
func (s *sliceReader) finish(ctx context.Context, at int64, last bool) error {
	p := s.position
	p.Next, p.Top, p.Done = "", "", last && s.Full
	if !last && s.top != nothing {
		p.Top = s.inc.Format.text(s.top)
	}
	if at != nothing {
		p.At = s.inc.Format.text(at)
	}
	if last {
		p.Tags = nil
		if s.e.Conditional && len(s.tags) <= maxTags {
			p.Tags = s.tags
		}
	}
	if s.inc.Order != Whole {
		p.Seen = s.remembered(at)
	}
	if last && s.last != nil {
		s.last(&p)
	}
	s.position = p
	return s.Move(ctx, p)
}

const (
	maxTags = 200  // pages of a slice whose ETags are kept
	maxSeen = 1000 // records of a slice that are remembered
)

// remembered drops what no later read brings again and returns the rest, or
// nothing where it is too much.
func (s *sliceReader) remembered(at int64) []Digest {
	if at == nothing {
		return nil
	}
	maps.DeleteFunc(s.seen, func(_ Digest, v int64) bool { return !s.near(v) })
	if len(s.seen) > maxSeen {
		return nil
	}
	all := slices.Collect(maps.Keys(s.seen))
	slices.SortFunc(all, func(a, b Digest) int {
		if a.hi != b.hi && a.hi < b.hi || a.hi == b.hi && a.lo < b.lo {
			return -1
		}
		return 1
	})
	return all
}

func (s *sliceReader) list(r Request) Walk {
	w := Walk{Request: r, Records: s.e.Records, Paging: s.e.Paging}
	if w.Paging == nil {
		w.Paging = SinglePage{}
	}
	return w
}

func (s *sliceReader) walk(ctx context.Context, r Request) error {
	w := s.list(r)
	w.Known = s.known
	if s.e.Resumable {
		w.Resume = s.position.Next
	}
	for page, err := range s.Client.Pages(ctx, w) {
		if err != nil {
			return s.expired(w, page, err)
		}
		w.Resume = ""
		stop, err := s.page(ctx, page)
		if err != nil || stop {
			return err
		}
	}
	return nil
}

// expired tells a resumed walk whose address the API no longer knows: the slice
// must be read again.
func (s *sliceReader) expired(w Walk, _ *Page, err error) error {
	e, ok := err.(*sluice.Error) //nolint:errorlint // one that something wraps is left as it is
	if !ok || w.Resume == "" || e.Class != sluice.Config || s.e.skips(err) {
		return err
	}
	lost := *e
	lost.Class, lost.Code = sluice.Lost, s.Client.o.Name+"_page_expired"
	lost.Hint = "the stream is read again from the start"
	return &lost
}

// page feeds one page and reports whether nothing that follows is wanted.
func (s *sliceReader) page(ctx context.Context, p *Page) (stop bool, err error) {
	if p.Skipped {
		return true, s.Client.statusError(p.resp)
	}
	p.tag(s.tags)
	fill := func(add Adder) error {
		return p.Records(func(record []byte) error {
			s.came++
			wanted, older := s.wanted(record)
			stop = stop || older && s.inc.Order == Descending
			if !wanted || s.e.Keep != nil && !s.e.Keep(record) {
				return nil
			}
			return add(record, s.fields(record)...)
		})
	}
	if !s.covers(p) {
		return stop, s.Feed.Send(ctx, s.Slice.Name, fill)
	}
	return stop, s.Feed.Add(ctx, s.Slice.Name, func(add Adder) (Position, error) {
		err := fill(add)
		s.after(p)
		return s.position, err
	})
}

// covers reports whether a position can say that the read has come to the end of
// this page, and not further.
func (s *sliceReader) covers(p *Page) bool {
	if s.crowd != nil {
		return false
	}
	if s.inc.Order == Ascending && s.inc.Window == 0 {
		_, ok := s.inc.Format.value(s.field.Raw(p.Last()))
		return ok && p.rest == nil
	}
	return s.e.Resumable && p.rest == nil && p.Resume() != ""
}

// fields returns what is added to a record; it is valid until the next call.
func (s *sliceReader) fields(record []byte) []rows.Field {
	s.extra = append(s.extra[:0], s.Slice.Fields...)
	for i, f := range s.derived {
		if raw := f.Raw(record); raw != nil {
			// A value that is not valid is told of with the record.
			if field, err := rows.RawField(s.e.Derive[i].Name, raw); err == nil {
				s.extra = append(s.extra, field)
			}
		}
	}
	return s.extra
}

// wanted reports whether a record is to be sent, and whether it is older than
// the cursor.
func (s *sliceReader) wanted(record []byte) (wanted, older bool) {
	if s.inc.Order == Whole {
		return true, false
	}
	v, ok := s.inc.Format.value(s.field.Raw(record))
	if s.crowd != nil && !s.crowd.add(record) {
		return false, false
	}
	wanted, older = s.judge(record, v, ok)
	if wanted && s.crowd != nil {
		s.crowd.count(v)
	}
	return wanted, older
}

func (s *sliceReader) judge(record []byte, v int64, ok bool) (wanted, older bool) {
	if !ok {
		return true, false // without a value it cannot be told: it is sent each time
	}
	if v < s.floor {
		return false, true
	}
	s.top = max(s.top, v)
	if !s.near(v) && len(s.seen) == 0 {
		return true, false
	}
	d := DigestOf(record)
	if _, again := s.seen[d]; again {
		return false, false
	}
	if s.near(v) {
		s.seen[d] = v
		s.prune()
	}
	return true, false
}

// near reports whether a later read, or page, can bring a record of this value
// again.
func (s *sliceReader) near(v int64) bool {
	return s.top == nothing || v >= s.top-s.reach
}

// prune keeps the memory of records small: of many equal values it forgets all,
// and records then come twice, which keys put right.
func (s *sliceReader) prune() {
	if len(s.seen) < 8*maxSeen {
		return
	}
	maps.DeleteFunc(s.seen, func(_ Digest, v int64) bool { return !s.near(v) })
	if len(s.seen) >= 4*maxSeen {
		clear(s.seen)
	}
}

// after moves the position past a page that it covers.
func (s *sliceReader) after(p *Page) {
	if s.inc.Order == Ascending && s.inc.Window == 0 {
		at := max(s.at(), s.top)
		s.position.At = s.inc.Format.text(at)
		s.position.Seen = s.remembered(at)
		return
	}
	s.position.Next = p.Resume()
	if s.top != nothing {
		s.position.Top = s.inc.Format.text(s.top)
	}
}

// address identifies a page among the tags of a walk.
func (p *Page) address() string { return addressOf(p.client, p.Request) }

func addressOf(c *Client, r Request) string {
	u, err := c.resolve(r)
	if err != nil {
		return ""
	}
	return strconv.FormatUint(xxh3.HashString(u.String()), 36)
}

// tag remembers the page for the next walk.
func (p *Page) tag(tags map[string]Tag) {
	if p.NotModified {
		tags[p.address()] = p.known
	} else if tag := p.ETag(); tag != "" {
		tags[p.address()] = Tag{ETag: tag, Next: p.Resume()}
	}
}
