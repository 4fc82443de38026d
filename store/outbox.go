package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sluicehq/sluice"
)

// DeliveryState says what has become of a delivery.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting   DeliveryState = "waiting" // its time has not come, or somebody is at it
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryFailed    DeliveryState = "failed"  // given up
	DeliveryDropped   DeliveryState = "dropped" // no longer wanted
)

// A Delivery is something that leaves the house: a change of a ticket, a
// notification, a digest. It is made in the transaction of what it tells of, so that
// none is lost, and its Key keeps it from being made twice.
type Delivery struct {
	ID         string
	Seq        int64  // the order of their making
	Key        string // unique
	Kind       string // ticket.create, alert.fired, wall, …
	Target     string // id of a tracker or channel
	Lane       string // those of one lane go out in the order of their making; "": none
	IncidentID string
	AlertID    string
	Payload    json.RawMessage
	State      DeliveryState
	Attempts   int
	NextAt     time.Time
	ClaimedBy  string
	Until      time.Time // of the claim
	Claim      int64     // counts claims, and fences them
	LastError  *Failure
	Answer     json.RawMessage // of the other side
	CreatedAt  time.Time
	EndedAt    time.Time
}

const deliveryColumns = "id, key, kind, target, lane, incident_id, alert_id, payload, state, attempts, next_at, claimed_by, claimed_until, claim, last_error, answer, " +
	"created_at, ended_at"

func scanDelivery(row scanner, d *Delivery) error {
	return row(&d.Seq, &d.ID, &d.Key, &d.Kind, &d.Target, &d.Lane, &d.IncidentID, &d.AlertID, intoRaw(&d.Payload), &d.State, &d.Attempts, intoTime(&d.NextAt),
		&d.ClaimedBy, intoTime(&d.Until), &d.Claim, intoJSON(&d.LastError), intoRaw(&d.Answer), intoTime(&d.CreatedAt), intoTime(&d.EndedAt))
}

// Post keeps deliveries, in order, except those
// whose Key is there already, and returns how many it has kept. It fills in empty ids;
// a zero NextAt becomes now.
func (s *Store) Post(ctx context.Context, deliveries ...*Delivery) (kept int, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		kept = 0
		now := s.Now()
		for _, d := range deliveries {
			next := d.NextAt
			if next.IsZero() {
				next = now
			}
			id := d.ID
			if id == "" {
				id = NewID(DeliveryID, now)
			}
			n, err := x.exec(ctx, "INSERT INTO outbox ("+deliveryColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'waiting', 0, ?, '', 0, 0, '', '', ?, 0) ON CONFLICT (key) DO NOTHING",
				id, d.Key, d.Kind, d.Target, d.Lane, d.IncidentID, d.AlertID, string(d.Payload), micros(next), micros(now))
			if err != nil {
				return err
			}
			if n == 1 {
				d.ID, d.State, d.NextAt, d.CreatedAt = id, DeliveryWaiting, whole(next), now
				kept++
			}
		}
		return nil
	})
	return kept, failed("post deliveries", err)
}

// ClaimDeliveries returns up to limit deliveries whose time has come by now, the
// longest due first, which nobody else gets for as long as lease lasts. Of a lane only
// the first that waits is to be had.
func (s *Store) ClaimDeliveries(ctx context.Context, by string, now time.Time, lease time.Duration, limit int) (claimed []Delivery, err error) {
	skip := ""
	if s.dialect == postgres {
		skip = " FOR UPDATE SKIP LOCKED"
	}
	err = s.change(ctx, durable, func(x *txn) error {
		ids, err := all(ctx, x.conn, func(row scanner, id *int64) error { return row(id) }, "SELECT o.seq FROM outbox o WHERE o.state = 'waiting' AND o.next_at <= ? AND "+
			"o.claimed_until <= ? AND (o.lane = '' OR NOT EXISTS (SELECT 1 FROM outbox e WHERE e.lane = o.lane AND e.state = 'waiting' AND e.seq < o.seq)) "+
			"ORDER BY o.next_at, o.seq LIMIT ?"+skip, micros(now), micros(now), limit)
		claimed = nil
		for _, seq := range ids {
			if err != nil {
				break
			}
			var d *Delivery
			d, err = first(ctx, x.conn, scanDelivery, "UPDATE outbox SET claimed_by = ?, claimed_until = ?, claim = claim + 1, attempts = attempts + 1 WHERE seq = ? RETURNING seq, "+deliveryColumns,
				by, micros(now.Add(lease)), seq)
			if err == nil {
				claimed = append(claimed, *d)
			}
		}
		return err
	})
	return claimed, failed("claim deliveries", err)
}

// A DeliveryEnd is what has become of an attempt to deliver.
type DeliveryEnd struct {
	State  DeliveryState // DeliveryWaiting: it is tried again at NextAt
	NextAt time.Time
	Error  *Failure
	Answer json.RawMessage
}

// EndDelivery keeps what has become of the attempt that d was claimed for, or
// returns sluice.ErrFenced where somebody else has claimed it since, or it has ended.
func (s *Store) EndDelivery(ctx context.Context, d *Delivery, e DeliveryEnd) error {
	err := s.change(ctx, durable, func(x *txn) error {
		ended := int64(0)
		if e.State != DeliveryWaiting {
			ended = micros(s.Now())
		}
		n, err := x.exec(ctx, "UPDATE outbox SET state = ?, next_at = ?, claimed_by = '', claimed_until = 0, last_error = ?, answer = ?, ended_at = ? "+
			"WHERE id = ? AND claim = ? AND state = 'waiting' AND claimed_by <> ''", string(e.State), micros(e.NextAt), toJSON(e.Error), string(e.Answer), ended, d.ID, d.Claim)
		if err == nil && n == 0 {
			err = sluice.ErrFenced
		}
		return err
	})
	return failed("end a delivery", err)
}

// RetryDelivery makes a delivery that has failed, was dropped or waits for its next
// attempt be tried at once, and returns it. One that was delivered is ErrConflict.
func (s *Store) RetryDelivery(ctx context.Context, id string) (*Delivery, error) {
	return s.turn(ctx, "retry a delivery", id, "UPDATE outbox SET state = 'waiting', next_at = ?, attempts = CASE WHEN state = 'waiting' THEN attempts ELSE 0 END, ended_at = 0 "+
		"WHERE id = ? AND state <> 'delivered'")
}

// DropDelivery gives up a delivery that waits and that nobody is at, and returns
// it. ErrConflict where somebody is, or where it was delivered.
func (s *Store) DropDelivery(ctx context.Context, id string) (*Delivery, error) {
	return s.turn(ctx, "drop a delivery", id, "UPDATE outbox SET state = 'dropped', ended_at = ? WHERE id = ? AND (state = 'waiting' AND claimed_by = '' OR state IN ('failed', 'dropped'))")
}

// turn runs an UPDATE with the time and the id.
func (s *Store) turn(ctx context.Context, op, id, query string) (d *Delivery, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, query, micros(s.Now()), id)
		if err != nil {
			return err
		}
		d, err = first(ctx, x.conn, scanDelivery, "SELECT seq, "+deliveryColumns+" FROM outbox WHERE id = ?", id)
		if err == nil && n == 0 {
			err = ErrConflict
		}
		return err
	})
	if err != nil {
		return nil, failed(op, err)
	}
	return d, nil
}

// Delivery returns the delivery of that id, or ErrNotFound.
func (s *Store) Delivery(ctx context.Context, id string) (*Delivery, error) {
	d, err := first(ctx, s.reader(), scanDelivery, "SELECT seq, "+deliveryColumns+" FROM outbox WHERE id = ?", id)
	return d, failed("get delivery", err)
}

// NextDelivery returns when the next of those that wait is due, claimed or not;
// zero: none.
func (s *Store) NextDelivery(ctx context.Context) (at time.Time, err error) {
	err = s.reader().one(ctx, "SELECT next_at FROM outbox WHERE state = 'waiting' ORDER BY next_at, seq LIMIT 1", nil, func(row scanner) error { return row(intoTime(&at)) })
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return at, failed("look for deliveries", err)
}

// A DeliveryFilter narrows ListDeliveries; zero fields let everything through.
type DeliveryFilter struct {
	State      DeliveryState
	Kind       string
	Target     string
	IncidentID string
	AlertID    string
}

var deliveryList = list[Delivery]{op: "list deliveries", columns: "seq, " + deliveryColumns, from: "outbox", id: "seq", number: true, sort: "-created",
	sorts: map[string]column{"created": {name: "seq", number: true}}, scan: scanDelivery}

// ListDeliveries lists the latest first; Sort: created.
func (s *Store) ListDeliveries(ctx context.Context, f DeliveryFilter, p Page) (items []Delivery, next string, err error) {
	var w where
	w.is("state", string(f.State))
	w.is("kind", f.Kind)
	w.is("target", f.Target)
	w.is("incident_id", f.IncidentID)
	w.is("alert_id", f.AlertID)
	return deliveryList.page(ctx, s.reader(), w, p)
}
