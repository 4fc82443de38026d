package store

import (
	"context"
	"errors"
	"time"
)

// InternalTracker is the TrackerID of tickets that are kept here alone.
const InternalTracker = "internal"

// TicketState says where a ticket stands in its tracker, as far as is known.
type TicketState string

// The states of a ticket.
const (
	TicketPending TicketState = "pending" // is to be created; the outbox has it
	TicketOpen    TicketState = "open"
	TicketClosed  TicketState = "closed"
	TicketFailed  TicketState = "failed" // the tracker refused it, as Problem says
)

// A Ticket is an incident's in one tracker: there is one at most.
type Ticket struct {
	ID          string
	IncidentID  string
	TrackerID   string
	ExternalKey string // as the tracker calls it; "": not known yet
	URL         string
	State       TicketState
	Problem     *Failure // why it could not be created or changed
	Reopened    int
	CommentedAt time.Time
	OpenedAt    time.Time
	ClosedAt    time.Time
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

const ticketColumns = "id, incident_id, tracker_id, external_key, url, state, problem, reopened, commented_at, opened_at, closed_at, created_at, updated_at"

func scanTicket(row scanner, t *Ticket) error {
	return row(&t.ID, &t.IncidentID, &t.TrackerID, &t.ExternalKey, &t.URL, &t.State, intoJSON(&t.Problem), &t.Reopened, intoTime(&t.CommentedAt),
		intoTime(&t.OpenedAt), intoTime(&t.ClosedAt), intoTime(&t.CreatedAt), intoTime(&t.UpdatedAt))
}

func (t *Ticket) values() []any {
	return []any{t.ID, t.IncidentID, t.TrackerID, t.ExternalKey, t.URL, string(t.State), toJSON(t.Problem), t.Reopened, micros(t.CommentedAt),
		micros(t.OpenedAt), micros(t.ClosedAt), micros(t.CreatedAt), micros(t.UpdatedAt)}
}

// CreateTicket keeps t, unless its incident has a ticket in the tracker already:
// then it fills t with that one and returns false. It fills ID if empty, and the
// times. An incident that does not exist is a CodeReference error.
func (s *Store) CreateTicket(ctx context.Context, t *Ticket) (created bool, err error) {
	var made Ticket
	err = s.change(ctx, durable, func(x *txn) error {
		made = *t
		made.CreatedAt = s.Now()
		made.UpdatedAt = made.CreatedAt
		if made.ID == "" {
			made.ID = NewID(TicketID, made.CreatedAt)
		}
		n, err := x.exec(ctx, "INSERT INTO tickets ("+ticketColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (incident_id, tracker_id) DO NOTHING", made.values()...)
		if created = n == 1; err != nil || created {
			return err
		}
		have, err := first(ctx, x.conn, scanTicket, "SELECT "+ticketColumns+" FROM tickets WHERE incident_id = ? AND tracker_id = ?", t.IncidentID, t.TrackerID)
		if err == nil {
			made = *have
		}
		return err
	})
	if dangling(err) {
		return false, missing("ticket")
	}
	if err == nil {
		*t = made
	}
	return created, failed("create ticket", err)
}

// SaveTicket replaces what is known of the ticket; IncidentID, TrackerID and
// CreatedAt stay. ErrNotFound.
func (s *Store) SaveTicket(ctx context.Context, t *Ticket) error {
	now := s.Now()
	n, err := s.do(ctx, "UPDATE tickets SET external_key = ?, url = ?, state = ?, problem = ?, reopened = ?, commented_at = ?, opened_at = ?, closed_at = ?, updated_at = ? WHERE id = ?",
		t.ExternalKey, t.URL, string(t.State), toJSON(t.Problem), t.Reopened, micros(t.CommentedAt), micros(t.OpenedAt), micros(t.ClosedAt), micros(now), t.ID)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err == nil {
		t.UpdatedAt = now
	}
	return failed("save ticket", err)
}

// Ticket returns the ticket of that id, or ErrNotFound.
func (s *Store) Ticket(ctx context.Context, id string) (*Ticket, error) {
	t, err := first(ctx, s.reader(), scanTicket, "SELECT "+ticketColumns+" FROM tickets WHERE id = ?", id)
	return t, failed("get ticket", err)
}

// TicketOf returns an incident's ticket in a tracker, or ErrNotFound.
func (s *Store) TicketOf(ctx context.Context, incidentID, trackerID string) (*Ticket, error) {
	t, err := first(ctx, s.reader(), scanTicket, "SELECT "+ticketColumns+" FROM tickets WHERE incident_id = ? AND tracker_id = ?", incidentID, trackerID)
	return t, failed("get ticket", err)
}

// TicketsOf returns the tickets of incidents, by incident and tracker.
func (s *Store) TicketsOf(ctx context.Context, incidents []string) ([]Ticket, error) {
	items, err := all(ctx, s.reader(), scanTicket, "SELECT "+ticketColumns+" FROM tickets WHERE "+s.dialect.among("incident_id")+" ORDER BY incident_id, tracker_id", listed(incidents))
	return items, failed("get tickets", err)
}

// A TicketFilter narrows ListTickets; zero fields let everything through.
type TicketFilter struct {
	IncidentID string
	TrackerID  string
	State      TicketState
	Among      []string // ids of connections, of which one is or was in the incident; nil: all; empty: none
}

var ticketList = list[Ticket]{op: "list tickets", columns: ticketColumns, from: "tickets", id: "id", sort: "-", sorts: map[string]column{"": {name: "id"}}, scan: scanTicket}

// ListTickets lists the latest first. Sort: none.
func (s *Store) ListTickets(ctx context.Context, f TicketFilter, p Page) (items []Ticket, next string, err error) {
	var w where
	w.is("incident_id", f.IncidentID)
	w.is("tracker_id", f.TrackerID)
	w.is("state", string(f.State))
	if f.Among != nil {
		w.add("incident_id IN (SELECT incident_id FROM incident_connections WHERE "+s.dialect.among("connection_id")+")", listed(f.Among))
	}
	return ticketList.page(ctx, s.reader(), w, p)
}

// hasTickets reports whether tickets are open in a tracker.
func (x *txn) hasTickets(ctx context.Context, tracker string) (bool, error) {
	var one int64
	err := x.value(ctx, &one, "SELECT 1 FROM tickets WHERE tracker_id = ? AND state IN ('open', 'pending') LIMIT 1", tracker)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
