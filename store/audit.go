package store

import (
	"context"
	"encoding/json"
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
func (s *Store) AppendAudit(ctx context.Context, e *AuditEntry) error { return errSoon }

// An AuditFilter narrows ListAudit; zero fields let everything through.
type AuditFilter struct {
	ActorID    string
	Action     string // or a beginning: "connection."
	ObjectType string
	ObjectID   string
	After      time.Time // at or after
	Before     time.Time
}

// ListAudit lists the latest first; Sort: at.
func (s *Store) ListAudit(ctx context.Context, f AuditFilter, p Page) (items []AuditEntry, next string, err error) {
	return nil, "", errSoon
}
