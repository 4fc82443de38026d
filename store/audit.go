package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// An AuditEntry is who did what. Entries can be added and read; the database
// itself refuses to change them, and to delete them other than by Prune.
type AuditEntry struct {
	ID         int64
	At         time.Time
	ActorID    string // of a user or token; "": the system, or nobody known
	ActorName  string
	Action     string // "connection.update"
	ObjectType string // "connection"
	ObjectID   string
	ObjectName string
	Before     json.RawMessage // without secrets
	After      json.RawMessage // without secrets
	IP         string
	UserAgent  string
	RequestID  string
	Outcome    string // "done", or the code of the refusal
}

// AppendAudit keeps e and fills ID and, where zero, At. With Transact it is kept
// exactly if the change that it is about is.
func (s *Store) AppendAudit(ctx context.Context, e *AuditEntry) error {
	made := *e
	if made.At.IsZero() {
		made.At = s.Now()
	}
	made.At = whole(made.At)
	err := s.change(ctx, durable, func(x *txn) error {
		return x.value(ctx, &made.ID, "INSERT INTO audit (at, actor_id, actor_name, action, object_type, object_id, object_name, before_value, after_value, ip, user_agent, "+
			"request_id, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id", micros(made.At), made.ActorID, made.ActorName, made.Action, made.ObjectType,
			made.ObjectID, made.ObjectName, string(made.Before), string(made.After), made.IP, made.UserAgent, made.RequestID, made.Outcome)
	})
	if err == nil {
		*e = made
	}
	return failed("append to the audit log", err)
}

// An AuditFilter narrows ListAudit; zero fields let everything through.
type AuditFilter struct {
	ActorID    string
	Action     string // or a beginning: "connection."
	ObjectType string
	ObjectID   string
	After      time.Time // at or after
	Before     time.Time
}

var auditList = list[AuditEntry]{op: "list the audit log", from: "audit", id: "id", number: true, sort: "-at", sorts: map[string]column{"at": {name: "at", number: true}},
	columns: "id, at, actor_id, actor_name, action, object_type, object_id, object_name, before_value, after_value, ip, user_agent, request_id, outcome",
	scan: func(row scanner, e *AuditEntry) error {
		return row(&e.ID, intoTime(&e.At), &e.ActorID, &e.ActorName, &e.Action, &e.ObjectType, &e.ObjectID, &e.ObjectName, intoRaw(&e.Before), intoRaw(&e.After),
			&e.IP, &e.UserAgent, &e.RequestID, &e.Outcome)
	}}

// ListAudit lists the latest first; Sort: at.
func (s *Store) ListAudit(ctx context.Context, f AuditFilter, p Page) (items []AuditEntry, next string, err error) {
	var w where
	w.is("actor_id", f.ActorID)
	w.is("object_type", f.ObjectType)
	w.is("object_id", f.ObjectID)
	if strings.HasSuffix(f.Action, ".") {
		w.add("action >= ? AND action < ?", f.Action, strings.TrimSuffix(f.Action, ".")+"/") // the character after the point
	} else {
		w.is("action", f.Action)
	}
	if !f.After.IsZero() {
		w.add("at >= ?", micros(f.After))
	}
	if !f.Before.IsZero() {
		w.add("at < ?", micros(f.Before))
	}
	return auditList.page(ctx, s.reader(), w, p)
}
