package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// PolicyKey is the setting that holds the rules, a health.Policy as JSON.
const PolicyKey = "health.policy"

// A world is the tracker in memory, and what of it is kept.
type world struct {
	*Service
	tracker       *health.Tracker
	cursor        store.HealthCursor
	policyVersion int64
	seq           int64                   // the latest event that was taken, or passed over
	kept          map[string]keptIncident // by id
	effects       []health.Effect         // to be kept
	told          []health.Effect         // that were kept last
}

// keptIncident is what of an incident is in the store.
type keptIncident struct {
	version int64
	created time.Time
	members []health.Member
}

// memory is what the cursor remembers besides.
type memory struct {
	Now    time.Time         `json:"now"`
	Number int64             `json:"number"`
	Bad    map[string]string `json:"bad,omitempty"`
	Mark   string            `json:"mark"` // tells this change from any other that would have had the same revision
}

// policy returns the rules and the version of their setting, 0 for none.
func (s *Service) policy(ctx context.Context, from *store.Store) (p health.Policy, version int64, err error) {
	kept, err := from.Setting(ctx, PolicyKey)
	if errors.Is(err, store.ErrNotFound) {
		return p, 0, nil
	}
	if err != nil {
		return p, 0, err
	}
	if err := json.Unmarshal(kept.Value, &p); err != nil {
		return p, 0, fmt.Errorf("read the rules of the health tracker: %w", err)
	}
	return p, kept.Version, nil
}

// load reads the world from the store, in the transaction that has locked the
// cursor.
func (s *Service) load(ctx context.Context, tx *store.Store, c *store.HealthCursor) (*world, error) {
	w := &world{Service: s, cursor: *c, seq: c.EventID, kept: map[string]keptIncident{}}
	policy, version, err := s.policy(ctx, tx)
	if err != nil {
		return nil, err
	}
	w.policyVersion = version
	var m memory
	if len(c.Memory) > 0 {
		if err := json.Unmarshal(c.Memory, &m); err != nil {
			return nil, fmt.Errorf("read what the health tracker remembers: %w", err)
		}
	}
	snapshot := health.Snapshot{Seq: c.EventID, Now: m.Now, Number: m.Number, Bad: m.Bad}
	err = tx.AllHealth(ctx, func(h *store.ConnectionHealth) error {
		var have health.Connection
		if err := json.Unmarshal(h.Memory, &have); err != nil {
			return fmt.Errorf("read the health of %s: %w", h.ConnectionID, err)
		}
		snapshot.Connections = append(snapshot.Connections, have)
		return nil
	})
	if err != nil {
		return nil, err
	}
	recent, err := tx.RecentIncidents(ctx, s.Store.Now().Add(-policyReopen(policy)))
	if err != nil {
		return nil, err
	}
	for i := range recent {
		var have health.Incident
		if err := json.Unmarshal(recent[i].Memory, &have); err != nil {
			return nil, fmt.Errorf("read incident %d: %w", recent[i].Number, err)
		}
		snapshot.Incidents = append(snapshot.Incidents, have)
		w.kept[have.ID] = keptIncident{recent[i].Version, recent[i].CreatedAt, have.Members}
	}
	w.tracker = health.Load(policy, snapshot)
	return w, nil
}

func policyReopen(p health.Policy) time.Duration {
	if p.Reopen > 0 {
		return p.Reopen
	}
	return health.DefaultPolicy().Reopen
}

// meet tells the tracker of connections that are there and that it does not know,
// or knows otherwise, and of those that are gone: before the first start, and while
// events were pruned that nobody has read.
func (w *world) meet(ctx context.Context, tx *store.Store) error {
	known := w.tracker.Connections()
	before := make(map[string]health.Subject, len(known))
	for i := range known {
		before[known[i].ID] = known[i].Subject
	}
	at, err := w.met(ctx, tx)
	if err != nil {
		return err
	}
	err = store.Each(func(p store.Page) ([]store.ConnectionRow, string, error) {
		return tx.ListConnections(ctx, store.ConnectionFilter{}, p)
	}, func(c *store.ConnectionRow) error {
		s := w.subject(c)
		if was, there := before[s.ID]; !there || !reflect.DeepEqual(was, s) {
			w.observe(health.Fact{At: at, Kind: health.Seen, Subject: &s})
			if !there {
				if err := w.acquaint(ctx, tx, c, at); err != nil {
					return err
				}
			}
		}
		delete(before, s.ID)
		return nil
	})
	if err != nil {
		return err
	}
	for i := range known {
		if _, gone := before[known[i].ID]; gone {
			w.observe(health.Fact{At: at, Kind: health.Removed, Connection: known[i].ID})
		}
	}
	return nil
}

// met is the time of what meet tells: not now, where events wait that were before.
func (w *world) met(ctx context.Context, tx *store.Store) (time.Time, error) {
	if at := w.tracker.Now(); !at.IsZero() {
		return at, nil
	}
	first, err := tx.EventsAfter(ctx, 0, store.EventFilter{}, 1)
	if err != nil || len(first) == 0 {
		return w.Store.Now(), err
	}
	return first[0].At, nil
}

// acquaint tells how a connection was when the tracker first met it, unless the
// events that wait will.
func (w *world) acquaint(ctx context.Context, tx *store.Store, c *store.ConnectionRow, at time.Time) error {
	if c.Status.LastFailure == nil && c.Status.LastSuccessAt.IsZero() {
		return nil
	}
	waiting, err := tx.EventsAfter(ctx, w.seq, store.EventFilter{ConnectionID: c.ID, Types: []string{"sync.ended"}}, 1)
	if err != nil || len(waiting) > 0 {
		return err
	}
	if last := c.Status.LastFailure; last != nil && c.Status.FailuresInRow > 0 {
		w.observe(health.Fact{At: at, Kind: health.Failed, Connection: c.ID, Failure: failureOf(last, false), Sync: c.Status.LastSyncID})
		return nil
	}
	w.observe(health.Fact{At: at, Kind: health.Succeeded, Connection: c.ID})
	return nil
}

func (w *world) observe(f health.Fact) { w.effects = append(w.effects, w.tracker.Observe(f)...) }

// subject is a connection as the tracker knows it.
func (w *world) subject(c *store.ConnectionRow) health.Subject {
	labels := c.Labels
	if len(labels) == 0 {
		labels = nil
	}
	return health.Subject{ID: c.ID, Name: c.Name, Source: c.SourceID, Destination: c.DestinationID, Connector: c.Connector, Version: w.Version(c.Connector, false),
		Kind: c.DestinationKind, KindVersion: w.Version(c.DestinationKind, true), Team: c.Team, Labels: labels, Paused: c.Paused,
		SourceName: c.SourceName, DestinationName: c.DestinationName}
}
