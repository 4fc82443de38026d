package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// A Page asks for a part of a list. The zero Page is the first DefaultLimit
// items in the list's own order.
type Page struct {
	Limit  int    // at most this many; 0: DefaultLimit; above MaxLimit: MaxLimit
	Cursor string // what the page before returned as next; "": from the start
	// Sort is the field to sort by, "-" in front for descending. "" is the list's
	// own order. The words that each list knows are said with its method.
	// A Cursor goes with the Sort that it was made with.
	Sort string
}

// Bounds of Page.Limit.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// list is a kind of list: what it selects and how it can be sorted. Items come
// in the order of one column and, among equal ones, of the id, so that the place
// after any item can be found again by an index (keyset pagination).
type list[T any] struct {
	op      string // for errors: "list sources"
	columns string
	from    string
	id      string            // a column that is not the same for two items
	number  bool              // id is a number
	sorts   map[string]column // by the words of Page.Sort; the id's own is ""
	sort    string            // the default, as in Page.Sort
	scan    func(scanner, *T) error
}

// column is something to sort by.
type column struct {
	name   string
	number bool
	id     string // the list's id as another column has it; "": as the list's own
}

// where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

// is adds column = value unless value is "".
func (w *where) is(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

// like adds that a folded column holds the text, unless that is "".
func (w *where) like(column, text string) {
	if text = fold(text); text != "" {
		w.add(column+` LIKE ? ESCAPE '\'`, holds(text))
	}
}

// among adds that the column is in ids, unless ids is nil.
func (w *where) among(d dialect, column string, ids []string) {
	if ids != nil {
		w.add(d.among(column), listed(ids))
	}
}

// labels adds that the column of labels has all of them.
func (w *where) labels(d dialect, column string, labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		w.add(d.label(column), key, labels[key])
	}
}

// sql is the WHERE clause, or "".
func (w *where) sql() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// place is the last item of a page, as its cursor holds it.
type place struct {
	Sort string          `json:"s"`
	Key  json.RawMessage `json:"k"`
	ID   json.RawMessage `json:"i"`
}

// page returns a page of the items that w lets through, and the cursor of the
// next one, "" if there is none.
func (l *list[T]) page(ctx context.Context, c conn, w where, p Page) (items []T, next string, err error) {
	q, err := l.query(&w, p)
	if err != nil {
		return nil, "", err
	}
	var last place
	err = c.each(ctx, q.text, w.args, func(row scanner) error {
		if len(items) == q.limit { // the one too many shows that there is more
			next, err = last.cursor()
			return err
		}
		var v T
		key, id := slot(q.by.number), slot(l.number)
		if err := l.scan(func(dest ...any) error { return row(append(dest, key, id)...) }, &v); err != nil {
			return err
		}
		items = append(items, v)
		last = place{Sort: q.word, Key: rawOf(key), ID: rawOf(id)}
		return nil
	})
	if err != nil {
		return nil, "", failed(l.op, err)
	}
	return items, next, nil
}

// pageQuery is the query of a page.
type pageQuery struct {
	text  string
	word  string // as in Page.Sort
	by    column
	limit int
}

func (l *list[T]) query(w *where, p Page) (pageQuery, error) {
	q := pageQuery{word: p.Sort, limit: p.Limit}
	if q.word == "" {
		q.word = l.sort
	}
	name, descending := strings.CutPrefix(q.word, "-")
	by, known := l.sorts[name]
	if !known {
		return q, sluice.Errorf(sluice.Config, CodeSortInvalid, l.op, "sort by one of: "+strings.Join(slices.Sorted(maps.Keys(l.sorts)), ", ")+"; - in front reverses the order",
			"the list cannot be sorted by %q", name)
	}
	q.by = by
	if q.by.id == "" {
		q.by.id = l.id
	}
	if q.limit <= 0 {
		q.limit = DefaultLimit
	}
	q.limit = min(q.limit, MaxLimit)
	compare, order := ">", ""
	if descending {
		compare, order = "<", " DESC"
	}
	if p.Cursor != "" {
		key, id, err := l.after(p.Cursor, q)
		if err != nil {
			return q, err
		}
		w.add("("+q.by.name+", "+q.by.id+") "+compare+" (?, ?)", key, id)
	}
	q.text = "SELECT " + l.columns + ", " + q.by.name + ", " + q.by.id + " FROM " + l.from + w.sql() +
		" ORDER BY " + q.by.name + order + ", " + q.by.id + order + fmt.Sprintf(" LIMIT %d", q.limit+1)
	return q, nil
}

// after reads a cursor.
func (l *list[T]) after(cursor string, q pageQuery) (key, id any, err error) {
	var at place
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err == nil && at.Sort != q.word {
		err = fmt.Errorf("it is of the order %q", at.Sort)
	}
	k, i := slot(q.by.number), slot(l.number)
	if err == nil {
		if err = json.Unmarshal(at.Key, k); err == nil {
			err = json.Unmarshal(at.ID, i)
		}
	}
	if err != nil {
		return nil, nil, &sluice.Error{Class: sluice.Config, Code: CodeCursorInvalid, Op: l.op, Err: fmt.Errorf("the cursor is not of this list: %w", err),
			Hint: "begin again without a cursor, and pass on the one that each page returns, with the same sort"}
	}
	return valueOf(k), valueOf(i), nil
}

func (p place) cursor() (string, error) {
	text, err := json.Marshal(p)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// slot is where a value of a column to sort by goes.
func slot(number bool) any {
	if number {
		return new(int64)
	}
	return new(string)
}

func valueOf(slot any) any {
	switch v := slot.(type) {
	case *int64:
		return *v
	case *string:
		return *v
	}
	return nil
}

func rawOf(slot any) json.RawMessage {
	text, _ := json.Marshal(slot) // a number or a string
	return text
}

// Each calls do for everything that list returns, page by page, until an error
// of either, which it returns.
func Each[T any](list func(Page) ([]T, string, error), do func(*T) error) error {
	for page := (Page{Limit: MaxLimit}); ; {
		items, next, err := list(page)
		if err != nil {
			return err
		}
		for i := range items {
			if err := do(&items[i]); err != nil {
				return err
			}
		}
		if page.Cursor = next; next == "" {
			return nil
		}
	}
}
