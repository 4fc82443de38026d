package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// maxCompared bounds the streams of a connection that are compared with the
// source's catalogue at each run.
const maxCompared = 200

// removed keeps, as drift, the columns that the source offered when it was
// discovered and no longer does. They stay in the destination and turn null.
func (r *recorder) removed(ctx context.Context, c *store.Connection, streams []pipeline.Stream) error {
	if len(streams) > maxCompared {
		return nil
	}
	for i := range streams {
		now := &streams[i].Selection.Stream.Table
		if len(now.Columns) == 0 {
			continue
		}
		before, err := r.store.CatalogueStream(ctx, c.SourceID, now.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return fmt.Errorf("read the catalogue: %w", err)
		}
		gone := slices.DeleteFunc(slices.Clone(before.Stream.Columns), func(col sluice.Column) bool {
			return now.Column(col.Name) != nil || leftOut(c, now.Name, col.Name)
		})
		if len(gone) > 0 {
			if err := r.tellRemoved(ctx, before, now, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// leftOut reports whether the connection does not want a column.
func leftOut(c *store.Connection, stream sluice.TableName, column string) bool {
	for i := range c.Streams {
		if s := &c.Streams[i]; s.TableName() == stream || s.Namespace == "" && s.Name == stream.String() {
			return slices.ContainsFunc(s.Columns, func(rule store.ColumnRule) bool { return rule.Name == column && rule.Action == store.Exclude })
		}
	}
	return false
}

// tellRemoved keeps the columns that were not kept as removed since the source was
// discovered.
func (r *recorder) tellRemoved(ctx context.Context, before *store.CatalogueEntry, now *sluice.Table, gone []sluice.Column) error {
	known, _, err := r.store.ListDrift(ctx, store.DriftFilter{ConnectionID: r.hold.attempt.ConnectionID, Stream: &now.Name}, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return fmt.Errorf("read the schema changes: %w", err)
	}
	for _, col := range gone {
		told := slices.ContainsFunc(known, func(d store.DriftEvent) bool {
			return d.Kind == columnRemoved && d.Column == col.Name && d.At.After(before.SeenAt)
		})
		if told {
			continue
		}
		r.log.Warn("the source no longer has a column; it stays in the destination", "stream", now.Name.String(), "column", col.Name)
		if err := r.record(ctx, store.DriftEvent{Stream: now.Name, Kind: columnRemoved, Column: col.Name, Before: &before.Stream.Table, After: now}); err != nil {
			return err
		}
	}
	return nil
}

const columnRemoved = "column_removed"
