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

// SaveCatalogue replaces what is known of a source's streams.
func (s *Store) SaveCatalogue(ctx context.Context, sourceID string, streams []sluice.Stream, at time.Time) error {
	return errSoon
}

// Catalogue lists the streams that a source offered, by schema and name; search
// is part of a name, whatever the case. Sort: none.
func (s *Store) Catalogue(ctx context.Context, sourceID, search string, p Page) (items []CatalogueEntry, next string, err error) {
	return nil, "", errSoon
}

// CatalogueStream returns one stream that a source offered, or ErrNotFound.
func (s *Store) CatalogueStream(ctx context.Context, sourceID string, name sluice.TableName) (*CatalogueEntry, error) {
	return nil, errSoon
}
