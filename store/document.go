package store

import (
	"context"
	"time"
)

// A Match says which things a rule, tracker, channel, silence or rota is about. A
// thing must be in each list that is not empty, and have all labels; the empty Match
// takes everything.
type Match struct {
	Teams        []string          `json:"teams,omitempty"`
	Connectors   []string          `json:"connectors,omitempty"`
	Connections  []string          `json:"connections,omitempty"` // ids
	Destinations []string          `json:"destinations,omitempty"`
	Regions      []string          `json:"regions,omitempty"`
	Severities   []string          `json:"severities,omitempty"`
	Rules        []string          `json:"rules,omitempty"` // ids of alert rules
	Labels       map[string]string `json:"labels,omitempty"`
}

// document is what trackers, channels, rules, silences and rotas have in common: made
// by people, under a version.
type document struct {
	id, createdBy    *string
	version          *int64
	created, updated *time.Time
	name             string // "": it has none
}

// documents is a table of T.
type documents[T any] struct {
	what    string // for messages
	prefix  string
	columns string // after those of the document
	named   bool
	list    list[T]
	doc     func(*T) document
	values  func(*T) []any
	unused  func(ctx context.Context, x *txn, id string) error // an error: it cannot be deleted; nil: it always can
}

const documentColumns = "id, created_by, version, created_at, updated_at, "

// documentTable makes a table; columns begins with name where named.
func documentTable[T any](table, what, prefix, columns string, named bool, doc func(*T) document, values, targets func(*T) []any) documents[T] {
	t := documents[T]{what: what, prefix: prefix, columns: columns, named: named, doc: doc, values: values,
		list: list[T]{op: "list " + what + "s", columns: documentColumns + columns, from: table, id: "id", sort: "-created", sorts: map[string]column{"created": {name: "id"}}}}
	if named {
		t.list.sort, t.list.sorts["name"] = "name", column{name: "name_key"}
	}
	t.list.scan = func(row scanner, v *T) error {
		d := doc(v)
		return row(append([]any{d.id, d.createdBy, d.version, intoTime(d.created), intoTime(d.updated)}, targets(v)...)...)
	}
	return t
}

// row is v as it is kept, with its columns.
func (t *documents[T]) row(v *T) (columns string, values []any) {
	d := t.doc(v)
	columns, values = documentColumns+t.columns, append([]any{*d.id, *d.createdBy, *d.version, micros(*d.created), micros(*d.updated)}, t.values(v)...)
	if t.named {
		columns, values = columns+", name_key", append(values, fold(d.name))
	}
	return columns, values
}

func (t *documents[T]) create(ctx context.Context, s *Store, v *T) error {
	made := *v
	d, now := t.doc(&made), s.Now()
	if *d.id == "" {
		*d.id = NewID(t.prefix, now)
	}
	*d.version, *d.created, *d.updated = 1, now, now
	columns, values := t.row(&made)
	err := s.change(ctx, durable, func(x *txn) error { return x.insert(ctx, t.list.from, columns, "", [][]any{values}) })
	if doubled(err) {
		return taken(t.what, d.name)
	}
	if err == nil {
		*v = made
	}
	return failed("create "+t.what, err)
}

func (t *documents[T]) update(ctx context.Context, s *Store, v *T) error {
	made := *v
	d := t.doc(&made)
	err := s.change(ctx, durable, func(x *txn) error {
		made = *v
		before, err := first(ctx, x.conn, t.list.scan, "SELECT "+t.list.columns+" FROM "+t.list.from+" WHERE id = ?"+s.dialect.lock(), *d.id)
		if err != nil {
			return err
		}
		b := t.doc(before)
		if *b.version != *d.version {
			return ErrConflict
		}
		*d.createdBy, *d.created, *d.updated = *b.createdBy, *b.created, s.Now()
		*d.version++
		columns, values := t.row(&made)
		return x.insert(ctx, t.list.from, columns, "ON CONFLICT (id) DO UPDATE SET "+excluded(columns), [][]any{values})
	})
	if doubled(err) {
		return taken(t.what, d.name)
	}
	if err == nil {
		*v = made
	}
	return failed("update "+t.what, err)
}

func (t *documents[T]) get(ctx context.Context, s *Store, column, value string) (*T, error) {
	v, err := first(ctx, s.reader(), t.list.scan, "SELECT "+t.list.columns+" FROM "+t.list.from+" WHERE "+column+" = ?", value)
	return v, failed("get "+t.what, err)
}

func (t *documents[T]) all(ctx context.Context, s *Store) ([]T, error) {
	items, err := all(ctx, s.reader(), t.list.scan, "SELECT "+t.list.columns+" FROM "+t.list.from+" ORDER BY id")
	return items, failed(t.list.op, err)
}

func (t *documents[T]) delete(ctx context.Context, s *Store, id string, version int64) error {
	err := s.change(ctx, durable, func(x *txn) error {
		if t.unused != nil {
			if err := t.unused(ctx, x, id); err != nil {
				return err
			}
		}
		n, err := x.exec(ctx, "DELETE FROM "+t.list.from+" WHERE id = ? AND (version = ? OR ? = 0)", id, version, version)
		if err == nil && n == 0 {
			err = x.conflict(ctx, t.list.from, id)
		}
		return err
	})
	return failed("delete "+t.what, err)
}

// A DocumentFilter narrows lists of what people set up for the health tracker; zero
// fields let everything through.
type DocumentFilter struct {
	Kind   string
	Search string // part of the name, whatever the case
}

func (t *documents[T]) page(ctx context.Context, s *Store, f DocumentFilter, p Page) ([]T, string, error) {
	var w where
	w.is("kind", f.Kind)
	if t.named {
		w.like("name_key", f.Search)
	}
	return t.list.page(ctx, s.reader(), w, p)
}
