package store

import (
	"context"
	"encoding/json"
	"time"
)

// A Tracker is a system to which tickets are filed.
type Tracker struct {
	ID        string
	Name      string // unique, whatever the case of its letters
	Kind      string // github, jira, webhook
	Enabled   bool
	Config    json.RawMessage   // without its secrets
	Secrets   map[string]string // as in Source
	Match     Match             // the incidents that it gets
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

// A Channel is where notifications go.
type Channel struct {
	ID        string
	Name      string // unique, whatever the case of its letters
	Kind      string // smtp, slack, pagerduty, webhook
	Enabled   bool
	Config    json.RawMessage   // without its secrets
	Secrets   map[string]string // as in Source
	Match     Match             // the incidents that it hears of, and, while there are no routes, the alerts of rules that name no channels
	CreatedBy string
	Version   int64
	CreatedAt time.Time
	UpdatedAt time.Time
}

const linkColumns = "name, kind, enabled, config, secrets, matches"

var trackers = documentTable("ticket_trackers", "tracker", TrackerID, linkColumns, true,
	func(t *Tracker) document {
		return document{&t.ID, &t.CreatedBy, &t.Version, &t.CreatedAt, &t.UpdatedAt, t.Name}
	},
	func(t *Tracker) []any {
		return []any{t.Name, t.Kind, t.Enabled, string(t.Config), toJSON(t.Secrets), toJSON(t.Match)}
	},
	func(t *Tracker) []any {
		return []any{&t.Name, &t.Kind, &t.Enabled, intoRaw(&t.Config), intoJSON(&t.Secrets), intoJSON(&t.Match)}
	})

var channels = documentTable("channels", "channel", ChannelID, linkColumns, true,
	func(c *Channel) document {
		return document{&c.ID, &c.CreatedBy, &c.Version, &c.CreatedAt, &c.UpdatedAt, c.Name}
	},
	func(c *Channel) []any {
		return []any{c.Name, c.Kind, c.Enabled, string(c.Config), toJSON(c.Secrets), toJSON(c.Match)}
	},
	func(c *Channel) []any {
		return []any{&c.Name, &c.Kind, &c.Enabled, intoRaw(&c.Config), intoJSON(&c.Secrets), intoJSON(&c.Match)}
	})

// CreateTracker keeps t. It fills ID if empty, Version and the times. A taken name
// is a CodeNameTaken error.
func (s *Store) CreateTracker(ctx context.Context, t *Tracker) error {
	return trackers.create(ctx, s, t)
}

// UpdateTracker replaces the tracker if its version is still t.Version, else it
// returns ErrConflict. It sets t.Version and UpdatedAt; CreatedBy stays.
func (s *Store) UpdateTracker(ctx context.Context, t *Tracker) error {
	return trackers.update(ctx, s, t)
}

// Tracker returns the tracker of that id, or ErrNotFound.
func (s *Store) Tracker(ctx context.Context, id string) (*Tracker, error) {
	return trackers.get(ctx, s, "id", id)
}

// Trackers returns all of them, in the order of their making.
func (s *Store) Trackers(ctx context.Context) ([]Tracker, error) { return trackers.all(ctx, s) }

// ListTrackers lists by name; Sort: name, created.
func (s *Store) ListTrackers(ctx context.Context, f DocumentFilter, p Page) ([]Tracker, string, error) {
	return trackers.page(ctx, s, f, p)
}

// DeleteTracker deletes the tracker if its version is still version (0: whatever
// it is). While tickets are open in it, it returns a CodeInUse error, unless force: then
// nothing is heard of them any more.
func (s *Store) DeleteTracker(ctx context.Context, id string, version int64, force bool) error {
	t := trackers
	if !force {
		t.unused = func(ctx context.Context, x *txn, id string) error {
			used, err := x.hasTickets(ctx, id)
			if err == nil && used {
				err = inUse("delete tracker", "wait for their end, disable the tracker instead, or delete it with force", "tickets are open in it")
			}
			return err
		}
	}
	return t.delete(ctx, s, id, version)
}

// CreateChannel is CreateTracker for channels.
func (s *Store) CreateChannel(ctx context.Context, c *Channel) error {
	return channels.create(ctx, s, c)
}

// UpdateChannel is UpdateTracker for channels.
func (s *Store) UpdateChannel(ctx context.Context, c *Channel) error {
	return channels.update(ctx, s, c)
}

// Channel returns the channel of that id, or ErrNotFound.
func (s *Store) Channel(ctx context.Context, id string) (*Channel, error) {
	return channels.get(ctx, s, "id", id)
}

// Channels returns all of them, in the order of their making.
func (s *Store) Channels(ctx context.Context) ([]Channel, error) { return channels.all(ctx, s) }

// ListChannels lists by name; Sort: name, created.
func (s *Store) ListChannels(ctx context.Context, f DocumentFilter, p Page) ([]Channel, string, error) {
	return channels.page(ctx, s, f, p)
}

// DeleteChannel deletes the channel if its version is still version (0: whatever
// it is). Rules that name it go on without it.
func (s *Store) DeleteChannel(ctx context.Context, id string, version int64) error {
	return channels.delete(ctx, s, id, version)
}
