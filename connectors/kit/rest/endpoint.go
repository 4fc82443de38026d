package rest

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

// Endpoint is one stream of an API, declared.
type Endpoint struct {
	// Table gives the name, the key and the columns whose types are known; fields
	// that are not declared come as they are found. Without columns all are found.
	Table sluice.Table
	Doc   string // for people: what the stream holds, or a link to the API's page on it
	// Request asks for the list. In its URL and query values {name} stands for a
	// value of the slice.
	Request Request
	Records string   // path of the list in the answer; "": the answer is the list
	Paging  Paging   // nil: SinglePage
	Omit    []string // fields of a record that are not worth a column
	// Derive adds fields to a record from places inside it, by name.
	Derive []Derived
	// Keep, where it is set, says which records are wanted.
	Keep func(record []byte) bool
	// Skip lists statuses that mean that a slice has nothing to read, and SkipIf, by
	// status and the API's message, further refusals that do. Such a slice is left
	// out with a warning, and keeps its position.
	Skip   []int
	SkipIf func(status int, message string) bool
	// Resumable promises that a page's address stays good and that its records
	// stay where they are when others are added: an interrupted read then goes on
	// at its page. (Tokens and keys are so; page numbers only of lists that grow
	// at their end.)
	Resumable bool
	// Conditional asks, in incremental reads, only for pages that changed, by
	// their ETags.
	Conditional bool
	// Incremental says how to read what is new; nil: full_refresh only.
	Incremental *Incremental
	// Slices lists the parts that the stream is read in, each with a position of
	// its own: the repositories whose issues are read. nil: one slice. One that the
	// API refuses does not keep the others from being read.
	Slices func(ctx context.Context, c *Client, yield func(Slice) error) error
	// Parallel is the number of slices read at once; 0: 1.
	Parallel int
	// Read, where it is set, reads a slice in place of what the fields above say.
	Read func(ctx context.Context, r SliceRead) error
}

// Derived is a field that is taken from a path of the record.
type Derived struct{ Name, Path string }

// Slice is a part of a stream.
type Slice struct {
	Name   string            // stable and unique within the stream
	Values map[string]string // for {name} in requests; escaped where they are put in
	Fields []rows.Field      // added to every record, such as the parent's key
}

// Order is how an API sorts records, by the cursor field.
type Order uint8

const (
	// Unordered lists are read whole; records older than the cursor are left out.
	Unordered Order = iota
	// Ascending lists can be resumed after each page.
	Ascending
	// Descending lists are read until a record older than the cursor comes. Records
	// that change meanwhile move to the front and hide none; but one that is deleted
	// moves another to a page that was read, so that lists which lose records want
	// tokens or keys for Paging, or another Order.
	Descending
	// Whole lists have no field that tells what changed: all records of pages that
	// changed are sent; see Endpoint.Conditional.
	Whole
)

// Incremental says how an API is asked for what is new.
type Incremental struct {
	Field  string // path of the cursor field in a record; its first name is the cursor column
	Format Format
	Order  Order
	Since  string // query parameter for the lower end; "": the API cannot filter
	Until  string // query parameter for the upper end, with Window
	// Exclusive: Since means after, not at or after.
	Exclusive bool
	// Rolling, with Ascending: every page is asked for as the first one since the
	// last value, so that records that change, and move, while the list is read
	// let no other one slip through between two pages. Pages that share a value are
	// read again until they bring nothing new.
	Rolling bool
	// Lookback is how far before the cursor an incremental read begins, for records
	// that turn up late.
	Lookback time.Duration
	// Window is the length of the slices of time that are asked for one after
	// another; 0: all at once. It needs Since, Until and Start.
	Window time.Duration
	// MaxWindow is the longest slice of time that the API accepts: where there are
	// no records, longer ones than Window are asked for; 0: of any length.
	MaxWindow time.Duration
	// Start is the lower end of the first read; zero: everything.
	Start time.Time
}

// NewSource returns the source of these endpoints. check is what Check asks for;
// it needs only an answer.
func NewSource(c *Client, check Request, endpoints ...Endpoint) (sluice.Source, error) {
	for _, e := range endpoints {
		if err := e.validate(); err != nil {
			return nil, fmt.Errorf("endpoint %s: %w", e.Table.Name, err)
		}
	}
	return &source{client: c, check: check, endpoints: endpoints}, nil
}

func (e *Endpoint) validate() error {
	i := e.Incremental
	switch {
	case e.Table.Name.Name == "":
		return fmt.Errorf("it has no name")
	case i == nil:
		return nil
	case i.Field == "" && i.Order != Whole:
		return fmt.Errorf("its Incremental has no Field")
	case i.Rolling && (i.Order != Ascending || i.Since == ""):
		return fmt.Errorf("Rolling needs an Ascending list and Since")
	case i.Window > 0 && (i.Since == "" || i.Until == "" || i.Start.IsZero() || i.Format == Number):
		return fmt.Errorf("Window needs Since, Until, Start and a Format of times")
	}
	return nil
}

// skips reports whether err is a refusal that means that there is nothing to read.
func (e *Endpoint) skips(err error) bool {
	status, message := Refused(err)
	return status != 0 && (slices.Contains(e.Skip, status) || e.SkipIf != nil && e.SkipIf(status, message))
}

// source reads declared endpoints.
type source struct {
	client    *Client
	check     Request
	endpoints []Endpoint
}

func (s *source) Check(ctx context.Context) error {
	resp, err := s.client.Do(ctx, s.check)
	if err == nil {
		resp.Close()
	}
	return err
}

func (s *source) Discover(context.Context) ([]sluice.Stream, error) {
	streams := make([]sluice.Stream, len(s.endpoints))
	for i := range s.endpoints {
		streams[i] = s.endpoints[i].stream()
	}
	return streams, nil
}

func (e *Endpoint) stream() sluice.Stream {
	s := sluice.Stream{Table: e.Table, Sampled: true, Modes: []sluice.ReadMode{sluice.FullRefresh}, Doc: e.Doc}
	if e.Incremental != nil {
		s.Modes = []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh}
		if e.Incremental.Field != "" {
			column, _, _ := strings.Cut(e.Incremental.Field, ".")
			s.Cursors = []string{column}
		}
	}
	return s
}

func (s *source) Close() error {
	s.client.Close()
	return nil
}

func (s *source) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	if len(req.Selections) != 1 {
		return sluice.Errorf(sluice.Bug, s.client.o.Name+"_selections", "read", "report this as a bug", "%d streams are to be read at once, not one", len(req.Selections))
	}
	for i := range s.endpoints {
		if e := &s.endpoints[i]; e.Table.Name == req.Selections[0].Stream.Name {
			return s.client.read(ctx, e, req, to)
		}
	}
	return sluice.Errorf(sluice.Config, s.client.o.Name+"_unknown_stream", "read", "run discover for the list of streams",
		"there is no stream %s", req.Selections[0].Stream.Name)
}

// fill puts the slice's values into the places of the request.
func (s Slice) fill(r Request) Request {
	if len(s.Values) == 0 {
		return r
	}
	r.URL = replacePlaces(r.URL, s.Values, url.PathEscape)
	filled := url.Values{}
	for k, all := range r.Query {
		for _, v := range all {
			filled.Add(k, replacePlaces(v, s.Values, func(v string) string { return v }))
		}
	}
	r.Query = filled
	return r
}

func replacePlaces(text string, values map[string]string, escape func(string) string) string {
	for name, v := range values {
		text = strings.ReplaceAll(text, "{"+name+"}", escape(v))
	}
	return text
}

// SlicesOf returns an Endpoint.Slices with a slice for each record of a parent
// list. values says at which path of the record each {name} is; the first of the
// sorted names that is given as name is the slice's name, and becomes the field
// name of every record.
func SlicesOf(parent Walk, name string, values map[string]string) func(context.Context, *Client, func(Slice) error) error {
	fields := make(map[string]Field, len(values))
	for n, path := range values {
		fields[n] = NewField(path)
	}
	return func(ctx context.Context, c *Client, yield func(Slice) error) error {
		for page, err := range c.Pages(ctx, parent) {
			if err != nil {
				return err
			}
			err := page.Records(func(record []byte) error {
				s := Slice{Values: map[string]string{}}
				for n, f := range fields {
					s.Values[n] = f.Text(record)
				}
				if s.Name = s.Values[name]; s.Name == "" {
					return nil
				}
				raw, err := rows.RawField(name, append([]byte(nil), fields[name].Raw(record)...))
				if err != nil {
					return err
				}
				s.Fields = []rows.Field{raw}
				return yield(s)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
}
