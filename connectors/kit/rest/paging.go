package rest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Paging says how an API hands out long lists. Implementations are values
// without state, so that one can serve many walks.
type Paging interface {
	// Start turns a request for a list into the one for its first page.
	Start(Request) Request
	// Next returns the request for the page after p; false where p is the last.
	Next(p *Page) (Request, bool, error)
	// Paths lists the values of the body that Next asks the page for.
	Paths() []string
}

// SinglePage is the Paging of lists that come whole.
type SinglePage struct{}

func (SinglePage) Start(r Request) Request           { return r }
func (SinglePage) Next(*Page) (Request, bool, error) { return Request{}, false, nil }
func (SinglePage) Paths() []string                   { return nil }

// Size asks for pages of N records by the query parameter Param; zero: the API
// decides.
type Size struct {
	Param string
	N     int
}

func (s Size) set(r Request) Request {
	if s.Param == "" || s.N <= 0 {
		return r
	}
	return r.With(s.Param, strconv.Itoa(s.N))
}

// LinkPages follows the Link header's rel="next" (RFC 8288).
type LinkPages struct{ Size Size }

// Start asks for the page size.
func (l LinkPages) Start(r Request) Request { return l.Size.set(r) }

// Next follows the link; it is relative to the page's address.
func (l LinkPages) Next(p *Page) (Request, bool, error) {
	next := linkTo(p.Header.Values("Link"), "next")
	return p.follow(next)
}

// Paths lists nothing.
func (l LinkPages) Paths() []string { return nil }

// follow returns the request for an address that a page names.
func (p *Page) follow(address string) (Request, bool, error) {
	if address == "" {
		return Request{}, false, nil
	}
	here, err := p.client.resolve(p.Request)
	if err != nil {
		return Request{}, false, err
	}
	to, err := here.Parse(address)
	if err != nil {
		return Request{}, false, fmt.Errorf("the next page's address is malformed: %w", err)
	}
	r := p.Request
	r.URL, r.Query, r.ETag = to.String(), nil, ""
	return r, true, nil
}

// linkTo returns the target of the first link with the relation.
func linkTo(headers []string, relation string) string {
	for _, h := range headers {
		for h != "" {
			from := strings.IndexByte(h, '<')
			to := strings.IndexByte(h, '>')
			if from < 0 || to < from {
				break
			}
			target := h[from+1 : to]
			params := h[to+1:]
			if h = ""; strings.Contains(params, ",") {
				end := strings.Index(params, "<")
				if end >= 0 {
					params, h = params[:end], params[end:]
				}
			}
			for param := range strings.SplitSeq(strings.TrimRight(params, ", "), ";") {
				k, v, _ := strings.Cut(strings.TrimSpace(param), "=")
				v = strings.Trim(v, `" ,`)
				if strings.EqualFold(k, "rel") && contains(strings.Fields(v), relation) {
					return target
				}
			}
		}
	}
	return ""
}

func contains(words []string, word string) bool {
	for _, w := range words {
		if strings.EqualFold(w, word) {
			return true
		}
	}
	return false
}

// TokenPages follows a token, or a whole address, that stands in each answer.
type TokenPages struct {
	Path  string // of the token, or the next page's address, in the body: "meta.next"
	Param string // query parameter for the token; "": the value at Path is an address
	More  string // path of a truth value that says whether there is a next page; "": a token says so
	Size  Size
}

// Start asks for the page size.
func (t TokenPages) Start(r Request) Request { return t.Size.set(r) }

// Next sends the token along.
func (t TokenPages) Next(p *Page) (Request, bool, error) {
	token := p.Text(t.Path)
	if token == "" || token == "false" || t.More != "" && p.Text(t.More) != "true" {
		return Request{}, false, nil
	}
	if t.Param == "" {
		return p.follow(token)
	}
	r := p.Request.With(t.Param, token)
	r.ETag = ""
	return r, true, nil
}

// Paths lists the token and the truth value.
func (t TokenPages) Paths() []string { return paths(t.Path, t.More) }

func paths(all ...string) (given []string) {
	for _, p := range all {
		if p != "" {
			given = append(given, p)
		}
	}
	return given
}

// An End says how a list without a next link ends: at an empty page, which costs
// a request more; or, where the API says so, earlier.
type End struct {
	Total string // path of the number of all records; "": not told
	More  string // path of a truth value
	Short bool   // a page with fewer records than asked for is the last, always
}

// reached reports whether p, with done records up to and with it, is the last
// page.
func (e End) reached(p *Page, done int, size Size) bool {
	if p.Len() == 0 {
		return true
	}
	if e.More != "" && p.Text(e.More) == "false" {
		return true
	}
	if total, err := strconv.Atoi(p.Text(e.Total)); err == nil && done >= total {
		return true
	}
	return e.Short && p.Len() < size.N
}

// NumberedPages counts pages.
type NumberedPages struct {
	Param string
	First int // number of the first page, mostly 0 or 1
	Size  Size
	End   End
}

// Start asks for the first page.
func (n NumberedPages) Start(r Request) Request {
	return n.Size.set(r.With(n.Param, strconv.Itoa(n.First)))
}

// Next asks for the page after.
func (n NumberedPages) Next(p *Page) (Request, bool, error) {
	number, err := strconv.Atoi(p.param(n.Param))
	if err != nil {
		return Request{}, false, fmt.Errorf("the page has no number: %w", err)
	}
	if number++; n.End.reached(p, p.before+p.Len(), n.Size) {
		return Request{}, false, nil
	}
	r := p.Request.With(n.Param, strconv.Itoa(number))
	r.ETag = ""
	return r, true, nil
}

// Paths lists those of End.
func (n NumberedPages) Paths() []string { return paths(n.End.Total, n.End.More) }

// Offsets counts records.
type Offsets struct {
	Param string
	Size  Size
	End   End
}

// Start asks for the first records.
func (o Offsets) Start(r Request) Request { return o.Size.set(r.With(o.Param, "0")) }

// Next skips as many records as came: APIs may send fewer than asked for.
func (o Offsets) Next(p *Page) (Request, bool, error) {
	offset, err := strconv.Atoi(p.param(o.Param))
	if err != nil {
		return Request{}, false, fmt.Errorf("the page has no offset: %w", err)
	}
	if offset += p.Len(); o.End.reached(p, offset, o.Size) {
		return Request{}, false, nil
	}
	r := p.Request.With(o.Param, strconv.Itoa(offset))
	r.ETag = ""
	return r, true, nil
}

// Paths lists those of End.
func (o Offsets) Paths() []string { return paths(o.End.Total, o.End.More) }

// Keyset asks for the records after the last one, by its key. It neither skips
// nor repeats records where the list changes while it is read.
type Keyset struct {
	Param string // query parameter: records after this key
	Field string // path of the key in a record
	Size  Size
	End   End
}

// Start asks for the page size.
func (k Keyset) Start(r Request) Request { return k.Size.set(r) }

// Next asks for what follows the page's last record.
func (k Keyset) Next(p *Page) (Request, bool, error) {
	if k.End.reached(p, p.before+p.Len(), k.Size) {
		return Request{}, false, nil
	}
	key := NewField(k.Field).Text(p.Last())
	if key == "" {
		return Request{}, false, fmt.Errorf("the page's last record has no %s", k.Field)
	}
	r := p.Request.With(k.Param, key)
	r.ETag = ""
	return r, true, nil
}

// Paths lists those of End.
func (k Keyset) Paths() []string { return paths(k.End.Total, k.End.More) }

// param returns a query parameter of the page's request.
func (p *Page) param(name string) string {
	if v := p.Request.Query.Get(name); v != "" {
		return v
	}
	u, err := url.Parse(p.Request.URL)
	if err != nil {
		return ""
	}
	return u.Query().Get(name)
}
