package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// post puts into the outbox what is to leave the house. The keys of effects are
// theirs alone, so nothing is posted twice.
func (w *world) post(ctx context.Context, tx *store.Store, effects []health.Effect, by actor) error {
	for n := range effects {
		e := &effects[n]
		if !e.Kind.Outward() {
			continue
		}
		i, err := w.incident(ctx, tx, e.Incident)
		if err != nil {
			return err
		}
		p := &posting{world: w, tx: tx, effect: e, incident: i, by: by}
		if err := p.tickets(ctx); err != nil {
			return err
		}
		if err := p.messages(ctx); err != nil {
			return err
		}
	}
	return nil
}

// incident returns one that the tracker may have let go already.
func (w *world) incident(ctx context.Context, tx *store.Store, id string) (*health.Incident, error) {
	if i, ok := w.tracker.Incident(id); ok {
		return &i, nil
	}
	row, err := tx.Incident(ctx, id)
	if err != nil {
		return nil, err
	}
	var i health.Incident
	if err := json.Unmarshal(row.Memory, &i); err != nil {
		return nil, fmt.Errorf("read incident %d: %w", row.Number, err)
	}
	return &i, nil
}

// A posting is one effect on its way out.
type posting struct {
	*world
	tx       *store.Store
	effect   *health.Effect
	incident *health.Incident
	by       actor
	masker   *mask.Masker // of the incident's connections, once it was needed
}

// maxGuarded is how many of an incident's connections give their secrets to guard.
const maxGuarded = 200

// guard takes the secrets of the incident's connections out of texts that leave the
// house: the last guard, as errors and logs are masked where they are kept. Of an
// incident with very many connections it knows the one that fails the longest, whose
// log is quoted, and those that failed last, whose error is.
func (p *posting) guard(ctx context.Context, texts ...*string) {
	if p.masker == nil {
		p.masker = mask.New(p.secrets(ctx)...)
	}
	for _, text := range texts {
		*text = p.masker.Text(*text)
	}
}

func (p *posting) secrets(ctx context.Context) (all []string) {
	members := slices.Clone(p.incident.Members)
	slices.SortStableFunc(members, func(a, b health.Member) int { return b.LastFailed.Compare(a.LastFailed) })
	known := map[[2]string]bool{}
	add := func(c *health.Connection) {
		if ends := [2]string{c.Source, c.Destination}; !known[ends] && len(known) < maxGuarded {
			known[ends] = true
			all = append(all, p.Secrets(ctx, c.Source, c.Destination).Secrets()...)
		}
	}
	if worst := p.worst(); worst != nil {
		add(worst)
	}
	for i := range members {
		if c, ok := p.tracker.Connection(members[i].Connection); ok {
			add(&c)
		}
	}
	return all
}

// tickets posts what the effect means for the incident's tickets, and keeps how
// the internal one is.
func (p *posting) tickets(ctx context.Context) error {
	if p.effect.Kind == health.FileTicket {
		return p.file(ctx)
	}
	have, err := p.tx.TicketsOf(ctx, []string{p.incident.ID})
	if err != nil {
		return err
	}
	note := Note{Since: p.effect.At.Add(-clockSkew), Body: p.note()}
	p.guard(ctx, &note.Body)
	for i := range have {
		t := &have[i]
		if t.TrackerID == store.InternalTracker {
			if err := p.internal(ctx, t); err != nil {
				return err
			}
			continue
		}
		note.Key = p.effect.Key + "/" + t.TrackerID
		if err := p.deliver(ctx, ticketKinds[p.effect.Kind], t.TrackerID, lane(t), note.Key, note); err != nil {
			return err
		}
	}
	return nil
}

// ticketKinds are what effects are for a ticket: a reminder is a comment.
var ticketKinds = map[health.EffectKind]string{health.CommentTicket: CommentTicket, health.CloseTicket: CloseTicket, health.ReopenTicket: ReopenTicket,
	health.Remind: CommentTicket, health.Escalate: CommentTicket}

func lane(t *store.Ticket) string { return "ticket/" + t.IncidentID + "/" + t.TrackerID }

// internal keeps how the ticket is that is kept here alone.
func (p *posting) internal(ctx context.Context, t *store.Ticket) error {
	switch p.effect.Kind {
	case health.CloseTicket:
		t.State, t.ClosedAt = store.TicketClosed, p.effect.At
	case health.ReopenTicket:
		t.State, t.Reopened = store.TicketOpen, t.Reopened+1
	case health.CommentTicket, health.Remind, health.Escalate:
		t.CommentedAt = p.effect.At
	default:
		return nil
	}
	return p.tx.SaveTicket(ctx, t)
}

// file makes the tickets, one for each tracker that the incident is for, and one
// that is kept here.
func (p *posting) file(ctx context.Context) error {
	own := &store.Ticket{IncidentID: p.incident.ID, TrackerID: store.InternalTracker, ExternalKey: fmt.Sprintf("#%d", p.incident.Number), URL: p.incidentURL(p.incident),
		State: store.TicketOpen, OpenedAt: p.effect.At}
	if _, err := p.tx.CreateTicket(ctx, own); err != nil {
		return err
	}
	trackers, err := p.tx.Trackers(ctx)
	if err != nil {
		return err
	}
	var draft *Draft
	for k := range trackers {
		if !trackers[k].Enabled || !p.fits(&trackers[k].Match, p.incident) {
			continue
		}
		t := &store.Ticket{IncidentID: p.incident.ID, TrackerID: trackers[k].ID, State: store.TicketPending}
		if created, err := p.tx.CreateTicket(ctx, t); err != nil {
			return err
		} else if !created {
			continue
		}
		if draft == nil {
			if draft, err = p.draft(ctx); err != nil {
				return err
			}
		}
		draft.Key = p.effect.Key + "/" + t.TrackerID
		if err := p.deliver(ctx, CreateTicket, t.TrackerID, lane(t), draft.Key, draft); err != nil {
			return err
		}
	}
	return nil
}

func (p *posting) deliver(ctx context.Context, kind, target, lane, key string, payload any) error {
	raw, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	_, err = p.tx.Post(ctx, &store.Delivery{Key: key, Kind: kind, Target: target, Lane: lane, IncidentID: p.incident.ID, Payload: raw})
	return err
}

// messages tells the channels that the incident is for of what needs a person now,
// and those that were told, of its end.
func (p *posting) messages(ctx context.Context) error {
	kind, state := "", channel.Firing
	switch p.effect.Kind {
	case health.Remind:
		kind = TellReminder
	case health.Escalate:
		kind = TellEscalation
	case health.CloseTicket:
		kind, state = TellEnd, channel.Resolved
	default:
		return nil
	}
	channels, err := p.tx.Channels(ctx)
	if err != nil {
		return err
	}
	var heard map[string]bool
	if kind == TellEnd {
		if heard, err = p.heard(ctx); err != nil {
			return err
		}
	}
	m := p.message(state)
	p.guard(ctx, &m.Title, &m.Body)
	for i := range channels {
		c := &channels[i]
		if !c.Enabled || heard != nil && !heard[c.ID] || heard == nil && !p.fits(&c.Match, p.incident) {
			continue
		}
		m.Key = p.effect.Key + "/" + c.ID
		if err := p.deliver(ctx, kind, c.ID, "incident/"+p.incident.ID+"/"+c.ID, m.Key, m); err != nil {
			return err
		}
	}
	return nil
}

// heard returns the channels that were told of the incident, by id.
func (p *posting) heard(ctx context.Context) (map[string]bool, error) {
	channels := map[string]bool{}
	for _, kind := range []string{TellReminder, TellEscalation} {
		err := store.Each(func(page store.Page) ([]store.Delivery, string, error) {
			return p.tx.ListDeliveries(ctx, store.DeliveryFilter{IncidentID: p.incident.ID, Kind: kind}, page)
		}, func(d *store.Delivery) error { channels[d.Target] = true; return nil })
		if err != nil {
			return nil, err
		}
	}
	return channels, nil
}

func (p *posting) message(state channel.State) Message {
	i := p.incident
	m := Message{Thread: i.ID, State: state, Severity: string(i.Severity), At: p.effect.At, Title: fmt.Sprintf("#%d %s", i.Number, i.Title), Body: p.note(),
		Link: p.incidentURL(i), Source: i.Cause.Maker,
		Facts: []channel.Fact{{Name: "Connections", Value: fmt.Sprint(len(i.Active()))}, {Name: "First seen", Value: stamp(i.Opened)}, {Name: "Last seen", Value: stamp(i.LastSeen)}}}
	if i.Assignee != "" {
		m.Facts = append(m.Facts, channel.Fact{Name: "Assigned to", Value: i.Assignee})
	}
	if !i.Due.IsZero() {
		m.Facts = append(m.Facts, channel.Fact{Name: "Due", Value: stamp(i.Due)})
	}
	if book, ok := p.Runbooks.For(i.Cause.Maker, i.Cause.Code); ok {
		m.Runbook = p.runbookURL(book.ID)
	}
	return m
}

// note is what a comment says.
func (p *posting) note() string {
	e := p.effect
	var b strings.Builder
	switch e.Kind {
	case health.CommentTicket:
		p.comment(&b)
	case health.CloseTicket:
		if e.Other != "" {
			b.WriteString("This has the same cause as another incident, and became a part of it: " + e.Text + ".\n")
			if i, ok := p.tracker.Incident(e.Other); ok {
				fmt.Fprintf(&b, "\nIt goes on as %s.\n", p.link(&i))
			}
			break
		}
		why := cmp.Or(sentence(e.Text), "it was ended by hand")
		if e.Actor != "" {
			why += " (" + p.who() + ")"
		}
		fmt.Fprintf(&b, "It is over: %s. Data was down for %s.\n", why, span(e.Downtime))
	case health.ReopenTicket:
		fmt.Fprintf(&b, "It is back, for the %s time, with %s.\n\n%s\n", ordinal(p.incident.Reopened), plural(len(e.Connections), "connection"), quote(p.incident.Sample.Message))
	case health.Remind:
		fmt.Fprintf(&b, "A reminder: %s (due %s).\n", e.Text, stamp(e.Due))
	case health.Escalate:
		fmt.Fprintf(&b, "It was escalated to level %d, since %s.\n", e.Level+1, e.Text)
	default:
	}
	if p.incident.Assignee != "" && e.Kind != health.CloseTicket {
		fmt.Fprintf(&b, "\nAssigned to %s.\n", p.incident.Assignee)
	}
	return b.String()
}

// who is the person whose doing the effect is, by name where that is known.
func (p *posting) who() string {
	if p.effect.Actor == p.by.id {
		return cmp.Or(p.by.name, p.by.id)
	}
	return p.effect.Actor
}

func (p *posting) comment(b *strings.Builder) {
	e := p.effect
	if e.Text != "" {
		fmt.Fprintf(b, "%s says:\n\n%s\n", p.who(), e.Text)
		return
	}
	if len(e.Connections) > 0 {
		verb := "have joined"
		if len(e.Connections) == 1 {
			verb = "has joined"
		}
		fmt.Fprintf(b, "%s %s:\n\n", plural(len(e.Connections), "connection"), verb)
		p.list(b, e.Connections)
	}
	if e.Count > 0 {
		fmt.Fprintf(b, "\n%s since the last comment, the latest at %s.\n", plural(e.Count, "further failure"), stamp(p.incident.LastSeen))
	}
}
