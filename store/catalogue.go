package store

import (
	"context"
	"time"

	"github.com/sluicehq/sluice"
)

// A CatalogueEntry is a stream that a source offered when it was last asked.
type CatalogueEntry struct {
	SourceID string
	Stream   sluice.Stream
	SeenAt   time.Time
}

// SaveCatalogue replaces what is known of a source's streams. ErrNotFound: no
// such source.
func (s *Store) SaveCatalogue(ctx context.Context, sourceID string, streams []sluice.Stream, at time.Time) error {
	rows := make([][]any, len(streams))
	for i := range streams {
		name := streams[i].Name
		rows[i] = []any{sourceID, name.Schema, name.Name, fold(name.String()), toJSON(&streams[i]), micros(at)}
	}
	err := s.change(ctx, durable, func(x *txn) error {
		if _, err := x.exec(ctx, "DELETE FROM catalogue WHERE source_id = ?", sourceID); err != nil {
			return err
		}
		return x.insert(ctx, "catalogue", "source_id, namespace, name, name_key, stream, seen_at", "", rows)
	})
	if dangling(err) {
		err = ErrNotFound
	}
	return failed("save the catalogue", err)
}

var catalogue = list[CatalogueEntry]{op: "list the catalogue", columns: catalogueColumns, from: "catalogue", id: "name",
	sort: "", sorts: map[string]column{"": {name: "namespace"}}, scan: scanCatalogue}

const catalogueColumns = "source_id, stream, seen_at"

func scanCatalogue(row scanner, e *CatalogueEntry) error {
	return row(&e.SourceID, intoJSON(&e.Stream), intoTime(&e.SeenAt))
}

// Catalogue lists the streams that a source offered, by schema and name; search
// is part of a name, whatever the case. Sort: none.
func (s *Store) Catalogue(ctx context.Context, sourceID, search string, p Page) (items []CatalogueEntry, next string, err error) {
	var w where
	w.add("source_id = ?", sourceID)
	w.like("name_key", search)
	return catalogue.page(ctx, s.reader(), w, p)
}

// CatalogueStream returns one stream that a source offered, or ErrNotFound.
func (s *Store) CatalogueStream(ctx context.Context, sourceID string, name sluice.TableName) (*CatalogueEntry, error) {
	e, err := first(ctx, s.reader(), scanCatalogue, "SELECT "+catalogueColumns+" FROM catalogue WHERE source_id = ? AND namespace = ? AND name = ?",
		sourceID, name.Schema, name.Name)
	return e, failed("get a stream of the catalogue", err)
}
