package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/store"
)

// refuse keeps the schema changes out of streams that someone rejected: not what was
// approved later, nor what the table, by its latest shape, has come to have by another
// policy.
func (r *running) refuse(ctx context.Context, streams []pipeline.Stream, rejected, approved []store.DriftEvent, shapes map[sluice.TableName]*sluice.Table) error {
	for _, d := range rejected {
		i := slices.IndexFunc(streams, func(s pipeline.Stream) bool { return s.Selection.Stream.Name == d.Stream })
		if i < 0 {
			continue
		}
		no := pipeline.Refusal{Changes: changesOf(&d), Nested: d.Before == nil && d.After == nil, At: d.DecidedAt}
		no.Changes = slices.DeleteFunc(no.Changes, func(c sluice.Change) bool {
			return c.Add != nil && shapes[d.Stream] != nil && shapes[d.Stream].Column(c.Add.Name) != nil ||
				slices.ContainsFunc(approved, func(a store.DriftEvent) bool {
					return a.Stream == d.Stream && a.DecidedAt.After(d.DecidedAt) &&
						slices.ContainsFunc(changesOf(&a), func(o sluice.Change) bool { return o.String() == c.String() })
				})
		})
		if len(no.Changes) == 0 && !no.Nested {
			continue
		}
		by, err := r.decider(ctx, d.DecidedBy)
		if err != nil {
			return err
		}
		no.By = by
		streams[i].Refused = append(streams[i].Refused, no)
		r.rec.log.Info("a rejected schema change stays out", "stream", d.Stream.String(), "changes", changeText(no.Changes), "by", by)
	}
	return nil
}

// changesOf returns what a drift is about: one column, where it names one.
func changesOf(d *store.DriftEvent) []sluice.Change {
	if d.Before == nil || d.After == nil {
		return nil
	}
	return slices.DeleteFunc(sluice.Diff(d.Before, d.After), func(c sluice.Change) bool {
		_, column := kindOf(c)
		return d.Column != "" && column != d.Column
	})
}

func changeText(changes []sluice.Change) string {
	all := make([]string, len(changes))
	for i, c := range changes {
		all[i] = c.String()
	}
	return cmp.Or(strings.Join(all, ", "), "of nested tables")
}

// decider returns who decided on a drift, as people know them: a user's or token's
// name; the id of one that is no more.
func (r *running) decider(ctx context.Context, id string) (string, error) {
	u, err := r.worker.Store.User(ctx, id)
	if err == nil {
		return cmp.Or(u.Name, u.Email, id), nil
	}
	if errors.Is(err, store.ErrNotFound) {
		var t *store.Token
		if t, err = r.worker.Store.Token(ctx, id); err == nil {
			return "token " + cmp.Or(t.Name, id), nil
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return id, nil
	}
	return "", fmt.Errorf("read who decided on a schema change: %w", err)
}
