package store

import (
	"context"
	"encoding/json"
	"time"
)

// A Plan is what a destructive action would do, shown before it is done.
type Plan struct {
	ID           string
	Action       string // "resync", …
	ConnectionID string
	ObjectID     string // what it is about; the connection, or a source or destination
	Request      json.RawMessage
	Effects      json.RawMessage // what will be re-read and rewritten, for people
	Fingerprint  string          // of what it was made from; it is void when that has changed
	CreatedBy    string
	CreatedAt    time.Time
	ExpiresAt    time.Time
	UsedAt       time.Time
	UsedBy       string
}

const planColumns = "id, action, connection_id, object_id, request, effects, fingerprint, created_by, created_at, expires_at, used_at, used_by"

func scanPlan(row scanner, p *Plan) error {
	return row(&p.ID, &p.Action, &p.ConnectionID, &p.ObjectID, intoRaw(&p.Request), intoRaw(&p.Effects), &p.Fingerprint, &p.CreatedBy,
		intoTime(&p.CreatedAt), intoTime(&p.ExpiresAt), intoTime(&p.UsedAt), &p.UsedBy)
}

func (c conn) plan(ctx context.Context, id string) (*Plan, error) {
	return first(ctx, c, scanPlan, "SELECT "+planColumns+" FROM plans WHERE id = ?", id)
}

// CreatePlan keeps p. It fills ID if empty, and CreatedAt.
func (s *Store) CreatePlan(ctx context.Context, p *Plan) error {
	made := *p
	made.CreatedAt = s.Now()
	if made.ID == "" {
		made.ID = NewID(PlanID, made.CreatedAt)
	}
	err := s.change(ctx, durable, func(x *txn) error {
		return x.insert(ctx, "plans", planColumns, "", [][]any{{made.ID, made.Action, made.ConnectionID, made.ObjectID, string(made.Request), string(made.Effects),
			made.Fingerprint, made.CreatedBy, micros(made.CreatedAt), micros(made.ExpiresAt), int64(0), ""}})
	})
	if err == nil {
		*p = made
	}
	return failed("create plan", err)
}

// Plan returns the plan of that id, or ErrNotFound.
func (s *Store) Plan(ctx context.Context, id string) (*Plan, error) {
	p, err := s.reader().plan(ctx, id)
	return p, failed("get plan", err)
}

// UsePlan marks the plan as used: of several callers one gets it, the others
// ErrUsed. ErrNotFound, ErrExpired.
func (s *Store) UsePlan(ctx context.Context, id, by string) (*Plan, error) {
	var p *Plan
	err := s.change(ctx, durable, func(x *txn) error {
		now := micros(s.Now())
		n, err := x.exec(ctx, "UPDATE plans SET used_at = ?, used_by = ? WHERE id = ? AND used_at = 0 AND expires_at > ?", now, by, id, now)
		if err != nil {
			return err
		}
		if p, err = x.plan(ctx, id); err != nil {
			return err
		}
		switch {
		case n == 1:
			return nil
		case !p.UsedAt.IsZero():
			return ErrUsed
		}
		return ErrExpired
	})
	if err != nil {
		return nil, failed("use plan", err)
	}
	return p, nil
}

var planList = list[Plan]{op: "list plans", columns: planColumns, from: "plans", id: "id", sort: "-", sorts: map[string]column{"": {name: "id"}}, scan: scanPlan}

// ListPlans lists a connection's plans, or all for "", the latest first. Sort: none.
func (s *Store) ListPlans(ctx context.Context, connectionID string, p Page) (items []Plan, next string, err error) {
	var w where
	w.is("connection_id", connectionID)
	return planList.page(ctx, s.reader(), w, p)
}
