package control

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// Discovered is the result of a discovery; the streams themselves are read page
// by page from the store's Catalogue.
type Discovered struct {
	Streams int64    `json:"streams"`
	Added   int64    `json:"added"`
	Removed int64    `json:"removed"`
	Changed int64    `json:"changed"`
	Names   []string `json:"names,omitempty"` // of the first that were added, removed or changed
	Drifts  int64    `json:"drifts"`          // changes that connections were told of
}

const mostNames = 50 // in a Discovered

// DiscoverSource starts the listing of the streams that a source offers. What is
// found replaces what was known; every connection of the source gets the
// differences that concern it as drift, under its policy.
func (c *Control) DiscoverSource(ctx context.Context, who Actor, id string) (*store.Operation, error) {
	s, err := c.store.Source(ctx, id)
	if err != nil {
		return nil, err
	}
	o, openErr := c.sourceToOpen(ctx, s)
	return c.start(ctx, who, job{kind: OpDiscoverSource, object: id, limit: c.o.ListTime, masker: o.masker,
		do: func(ctx context.Context, progress func(int64, int64, string)) (any, func(context.Context, *store.Store, *store.Failure) error, error) {
			if openErr != nil {
				return nil, c.keepSource(s, openErr), openErr
			}
			streams, err := listStreams(ctx, o, progress)
			if err != nil {
				return nil, c.keepSource(s, err), err
			}
			found, err := c.keepStreams(ctx, s.ID, streams, progress)
			return found, c.keepSource(s, err), err
		}})
}

func listStreams(ctx context.Context, o opened[sluice.Source], progress func(int64, int64, string)) ([]sluice.Stream, error) {
	src, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = src.Close() }()
	progress(0, 0, "listing")
	streams, err := src.Discover(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range streams {
		name := streams[i].Name.String()
		if names[name] {
			return nil, sluice.Errorf(sluice.Bug, "source_protocol", "discover", "this is a bug in the connector; please report it", "stream %s is listed twice", name)
		}
		names[name] = true
	}
	progress(0, int64(len(streams)), "keeping")
	return streams, nil
}

// keepStreams replaces what is known of a source, and tells its connections.
func (c *Control) keepStreams(ctx context.Context, sourceID string, streams []sluice.Stream, progress func(int64, int64, string)) (Discovered, error) {
	before, err := c.offered(ctx, sourceID)
	if err != nil {
		return Discovered{}, err
	}
	changes, found := compare(before, streams)
	if err := c.store.SaveCatalogue(ctx, sourceID, streams, c.store.Now()); err != nil {
		return found, err
	}
	progress(int64(len(streams)), int64(len(streams)), "telling connections")
	if len(before) == 0 || len(changes) == 0 {
		return found, nil // a first discovery is no drift
	}
	err = c.eachConnection(ctx, store.ConnectionFilter{SourceID: sourceID}, func(r *store.ConnectionRow) error {
		n, err := c.tell(ctx, r.ID, changes)
		found.Drifts += n
		return err
	})
	return found, err
}

// streamChange is how what a source offers of one stream changed; nil: nothing.
type streamChange struct{ before, after *sluice.Stream }

// compare returns the streams that were added, removed or changed, by name.
func compare(before catalogue, now []sluice.Stream) ([]streamChange, Discovered) {
	found := Discovered{Streams: int64(len(now))}
	var changes []streamChange
	seen := make(map[string]bool, len(now))
	for i := range now {
		name := now[i].Name.String()
		seen[name] = true
		was := before[name]
		switch {
		case was == nil:
			found.Added++
		case !sameShape(was, &now[i]):
			found.Changed++
		default:
			continue
		}
		changes = append(changes, streamChange{was, &now[i]})
	}
	for name, was := range before {
		if !seen[name] {
			found.Removed++
			changes = append(changes, streamChange{was, nil})
		}
	}
	slices.SortFunc(changes, func(a, b streamChange) int { return compareNames(a.name(), b.name()) })
	for _, ch := range changes[:min(len(changes), mostNames)] {
		found.Names = append(found.Names, ch.name().String())
	}
	return changes, found
}

func compareNames(a, b sluice.TableName) int {
	switch {
	case a == b:
		return 0
	case a.String() < b.String():
		return -1
	}
	return 1
}

func (ch streamChange) name() sluice.TableName {
	if ch.after != nil {
		return ch.after.Name
	}
	return ch.before.Name
}

// sameShape reports whether two streams have the same columns and key. Streams
// whose shape is inferred have none here.
func sameShape(a, b *sluice.Stream) bool {
	if len(a.Columns) == 0 || len(b.Columns) == 0 {
		return true
	}
	return slices.Equal(a.Columns, b.Columns) && slices.Equal(a.Key, b.Key)
}

// The kinds of drift that discovery finds.
const (
	driftStreamAdded   = "stream_added"
	driftStreamRemoved = "stream_removed"
	driftColumnAdded   = "column_added"
	driftColumnRemoved = "column_removed"
	driftType          = "type_changed"
	driftNullable      = "nullable_changed"
	driftKey           = "key_changed"
)

// drift is one change of a stream.
type drift struct{ kind, column string }

// drifts lists what changed in a stream.
func (ch streamChange) drifts() (all []drift) {
	switch {
	case ch.before == nil:
		return []drift{{driftStreamAdded, ""}}
	case ch.after == nil:
		return []drift{{driftStreamRemoved, ""}}
	}
	for _, now := range ch.after.Columns {
		was := ch.before.Column(now.Name)
		switch {
		case was == nil:
			all = append(all, drift{driftColumnAdded, now.Name})
		case was.Type != now.Type:
			all = append(all, drift{driftType, now.Name})
		case was.Nullable != now.Nullable:
			all = append(all, drift{driftNullable, now.Name})
		}
	}
	for _, was := range ch.before.Columns {
		if ch.after.Column(was.Name) == nil {
			all = append(all, drift{driftColumnRemoved, was.Name})
		}
	}
	if !slices.Equal(ch.before.Key, ch.after.Key) {
		all = append(all, drift{driftKey, ""})
	}
	return all
}

// stateUnder says what becomes of a drift under a connection's policy. What goes
// away never waits for anyone: nothing is dropped, columns turn null.
func (d drift) stateUnder(policy string) store.DriftState {
	switch d.kind {
	case driftStreamRemoved, driftColumnRemoved, driftNullable, driftKey:
		return store.DriftApplied
	case driftStreamAdded:
		if policy != allowAll {
			return store.DriftPending
		}
	default:
		if policy == blockAll {
			return store.DriftPending
		}
	}
	return store.DriftApplied
}

// told reports whether a drift is kept when it is found. What comes in by policy
// is kept by the sync that brings it in, with the shapes before and after; here
// it is what a sync cannot see, or must not do by itself.
func (d drift) told(policy string) bool {
	switch d.kind {
	case driftStreamRemoved, driftColumnRemoved, driftKey:
		return true
	}
	return d.stateUnder(policy) == store.DriftPending
}

// tell keeps the drifts that concern a connection, and returns how many.
func (c *Control) tell(ctx context.Context, connectionID string, changes []streamChange) (n int64, err error) {
	con, err := c.store.Connection(ctx, connectionID)
	if err != nil {
		return 0, err
	}
	for _, ch := range changes {
		drifts := concerning(con, ch)
		if len(drifts) == 0 {
			continue
		}
		err := c.store.Transact(ctx, func(tx *store.Store) error { return c.keepDrifts(ctx, tx, con, ch, drifts) })
		if err != nil {
			return n, fmt.Errorf("keep the drift of %s: %w", ch.name(), err)
		}
		n += int64(len(drifts))
	}
	return n, nil
}

// concerning returns the drifts of a change that matter to a connection: of
// streams that it syncs, without columns that it leaves out.
func concerning(con *store.Connection, ch streamChange) (out []drift) {
	if !selected(con, ch.name()) {
		return nil
	}
	var excluded []string
	if s := settingsOf(con, ch.name()); s != nil {
		excluded = StreamSpecOf(s).Exclude
	}
	for _, d := range ch.drifts() {
		if d.told(con.Drift) && (d.column == "" || !slices.Contains(excluded, d.column)) {
			out = append(out, d)
		}
	}
	return out
}

func (c *Control) keepDrifts(ctx context.Context, tx *store.Store, con *store.Connection, ch streamChange, drifts []drift) error {
	for _, d := range drifts {
		event := store.DriftEvent{ConnectionID: con.ID, Stream: ch.name(), Kind: d.kind, Column: d.column, State: d.stateUnder(con.Drift)}
		if ch.before != nil {
			event.Before = &ch.before.Table
		}
		if ch.after != nil {
			event.After = &ch.after.Table
		}
		if err := tx.RecordDrift(ctx, &event); err != nil {
			return err
		}
		data := map[string]string{"id": event.ID, "stream": ch.name().String(), "kind": d.kind, "column": d.column, "state": string(event.State)}
		if err := tx.AppendEvents(ctx, store.Event{Type: "connection.drift", ConnectionID: con.ID, Data: encode(data)}); err != nil {
			return err
		}
	}
	return nil
}

// The policies of drift that matter here.
const (
	allowAll = "allow_all"
	blockAll = "block_all"
)
