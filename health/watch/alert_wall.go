package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/wall"
	"github.com/sluicehq/sluice/store"
)

// TellWall is the kind of deliveries of the wall; payload: Message.
const TellWall = "wall"

// WallKey is the setting that says when the wall is sent and where to, a
// WallSettings as JSON.
const WallKey = "health.wall"

// wallSentKey is the setting that remembers the latest wall.
const wallSentKey = "health.wall.sent"

// WallSettings say when the wall is sent, and where to.
type WallSettings struct {
	wall.Schedule
	Channels []string `json:"channels"` // ids
}

// wallSent is the latest wall that was sent at its time, or left out since nothing
// failed.
type wallSent struct {
	Key string    `json:"key"`
	At  time.Time `json:"at"`
}

// setting reads one; version is 0 where there is none.
func setting(ctx context.Context, from *store.Store, key string, into any) (version int64, changed time.Time, err error) {
	kept, err := from.Setting(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, time.Time{}, nil
	}
	if err == nil {
		err = json.Unmarshal(kept.Value, into)
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("read the setting %s: %w", key, err)
	}
	return kept.Version, kept.UpdatedAt, nil
}

// Wall returns the digest as it is now, from what is kept: any process may ask.
func (s *Service) Wall(ctx context.Context) (wall.Wall, error) {
	var sent wallSent
	if _, _, err := setting(ctx, s.Store, wallSentKey, &sent); err != nil {
		return wall.Wall{}, err
	}
	return s.wallOf(ctx, s.Store, sent.At)
}

// SendWall posts the digest in tx to all channels of its settings that are switched
// on, and returns how many deliveries that makes. key tells this sending from others.
func (s *Service) SendWall(ctx context.Context, tx *store.Store, key string) (posted int, err error) {
	var set WallSettings
	if _, _, err := setting(ctx, tx, WallKey, &set); err != nil {
		return 0, err
	}
	var sent wallSent
	if _, _, err := setting(ctx, tx, wallSentKey, &sent); err != nil {
		return 0, err
	}
	w, err := s.wallOf(ctx, tx, sent.At)
	if err != nil {
		return 0, err
	}
	return s.postWall(ctx, tx, &set, &w, key)
}

func (s *Service) postWall(ctx context.Context, tx *store.Store, set *WallSettings, w *wall.Wall, key string) (posted int, err error) {
	if err := s.guardWall(ctx, tx, w); err != nil {
		return 0, err
	}
	m, err := wall.Render(*w, set.Location(), "Sluice")
	if err != nil {
		return 0, err
	}
	channels, err := tx.Channels(ctx)
	if err != nil {
		return 0, err
	}
	for i := range channels {
		c := &channels[i]
		if !c.Enabled || !slices.Contains(set.Channels, c.ID) {
			continue
		}
		n := Message{Key: "wall/" + key + "/" + c.ID, State: channel.Notice, At: w.At, Title: m.Subject, Body: "```\n" + m.Plain + "```\n", Link: w.URL, Plain: m.Plain, HTML: m.HTML}
		raw, err := json.Marshal(n)
		if err != nil {
			return posted, err
		}
		kept, err := tx.Post(ctx, &store.Delivery{Key: n.Key, Kind: TellWall, Target: c.ID, Lane: "wall/" + c.ID, Payload: raw})
		if err != nil {
			return posted, err
		}
		posted += kept
	}
	return posted, nil
}

// guardWall takes the secrets of connections out of what the messages say of them.
func (s *Service) guardWall(ctx context.Context, tx *store.Store, w *wall.Wall) (failed error) {
	w.Shown(func(c *wall.Connection, i *wall.Incident) {
		have, err := tx.Connection(ctx, c.ID)
		if err != nil {
			if !errors.Is(err, store.ErrNotFound) {
				failed = err
			}
			return
		}
		if m := s.Secrets(ctx, have.SourceID, have.DestinationID); m != nil {
			c.Reason, c.Hint = m.Text(c.Reason), m.Text(c.Hint)
			if i != nil {
				i.Title = m.Text(i.Title)
			}
		}
	})
	return failed
}

// wallOf makes the digest of what is kept. since is when the one before was.
func (s *Service) wallOf(ctx context.Context, from *store.Store, since time.Time) (wall.Wall, error) {
	in := wall.Input{At: from.Now(), Recovered: -1, URL: s.page("wall")}
	incidents := map[string]int64{}
	open, err := s.wallIncidents(ctx, from, incidents)
	if err != nil {
		return wall.Wall{}, err
	}
	in.Incidents = open
	recovered := 0
	err = from.AllHealth(ctx, func(h *store.ConnectionHealth) error {
		if h.Health == store.Unmeasured {
			return nil
		}
		in.Total++
		if h.Health == store.Healthy {
			if h.Since.After(since) && !h.LastFailureAt.IsZero() {
				recovered++
			}
			return nil
		}
		c, err := s.wallConnection(h, incidents[h.IncidentID])
		in.Connections = append(in.Connections, c)
		return err
	})
	if !since.IsZero() {
		in.Recovered = recovered
	}
	return wall.New(in), err
}

func (s *Service) wallConnection(h *store.ConnectionHealth, incident int64) (wall.Connection, error) {
	var c health.Connection
	if err := json.Unmarshal(h.Memory, &c); err != nil {
		return wall.Connection{}, fmt.Errorf("read the health of %s: %w", h.ConnectionID, err)
	}
	made := wall.Connection{ID: h.ConnectionID, Name: c.Name, Team: c.Team, Connector: c.Connector, Health: string(h.Health), Since: h.Since, LastSuccess: h.LastSuccessAt,
		Reason: h.Reason, Incident: incident, URL: s.connectionURL(h.ConnectionID)}
	if !h.FailingSince.IsZero() {
		made.Since = h.FailingSince
	}
	if f := c.Failure; f != nil && c.Failing() {
		made.Code, made.Hint = f.Code, f.Hint
		if book, ok := s.Runbooks.For(c.Connector, f.Code); ok {
			made.RunbookURL = s.runbookURL(book.ID)
		}
	}
	return made, nil
}

// wallIncidents returns those that are under way, and puts their numbers into
// numbers, by id.
func (s *Service) wallIncidents(ctx context.Context, from *store.Store, numbers map[string]int64) (open []wall.Incident, err error) {
	var ids []string
	at := map[string]int{}
	err = store.Each(func(p store.Page) ([]store.Incident, string, error) {
		return from.ListIncidents(ctx, store.IncidentFilter{Open: true}, p)
	}, func(i *store.Incident) error {
		ids, at[i.ID], numbers[i.ID] = append(ids, i.ID), len(open), i.Number
		open = append(open, wall.Incident{Number: i.Number, Title: i.Title, Severity: i.Severity, Opened: i.FirstSeen, Due: i.DueAt, Assignee: i.Assignee, Acked: !i.AcknowledgedAt.IsZero(),
			URL: s.page("incidents", fmt.Sprint(i.Number))})
		return nil
	})
	if err != nil || len(ids) == 0 {
		return open, err
	}
	tickets, err := from.TicketsOf(ctx, ids)
	for i := range tickets {
		if t := &tickets[i]; t.TrackerID != store.InternalTracker && t.ExternalKey != "" {
			n := at[t.IncidentID]
			open[n].Tickets = append(open[n].Tickets, wall.Ticket{Key: t.ExternalKey, URL: t.URL})
		}
	}
	return open, err
}

// wallDue sends the wall at its times: each once, over restarts and two leaders.
// What was missed for long, as all servers were away, is not made up for, nor are
// times that somebody has set since they passed.
func (s *Service) wallDue(ctx context.Context, now time.Time) error {
	var set WallSettings
	version, changed, err := setting(ctx, s.Store, WallKey, &set)
	if err != nil || version == 0 || len(set.Times) == 0 {
		return err
	}
	var sent wallSent
	if _, _, err = setting(ctx, s.Store, wallSentKey, &sent); err != nil {
		return err
	}
	slot, due := set.Due(later(sent.At, changed.Add(-time.Microsecond)), now)
	if !due {
		return nil
	}
	return s.Store.Transact(ctx, func(tx *store.Store) error { return s.sendDue(ctx, tx, slot) })
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sendDue sends the wall of a slot, unless it was: whoever comes second finds the
// mark moved.
func (s *Service) sendDue(ctx context.Context, tx *store.Store, slot wall.Slot) error {
	var set WallSettings
	if _, _, err := setting(ctx, tx, WallKey, &set); err != nil {
		return err
	}
	var sent wallSent
	version, _, err := setting(ctx, tx, wallSentKey, &sent)
	if err != nil || !slot.At.After(sent.At) {
		return err
	}
	w, err := s.wallOf(ctx, tx, sent.At)
	if err != nil {
		return err
	}
	if err := s.Step("wall posted"); err != nil {
		return err
	}
	if !set.Quiet || w.Failing > 0 {
		if _, err := s.postWall(ctx, tx, &set, &w, slot.Key); err != nil {
			return err
		}
	}
	if err := s.Step("wall marked"); err != nil {
		return err
	}
	raw, err := json.Marshal(wallSent{slot.Key, slot.At})
	if err != nil {
		return err
	}
	return tx.SetSetting(ctx, &store.Setting{Key: wallSentKey, Value: raw, Version: version})
}
