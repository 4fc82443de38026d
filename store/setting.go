package store

import (
	"context"
	"encoding/json"
	"time"
)

// An Idempotency is a request that must have one effect, however often it comes.
type Idempotency struct {
	Scope     string // whose key it is
	Key       string
	Request   string // hash of method, path and body
	Done      bool
	Status    int
	Header    json.RawMessage
	Body      []byte
	CreatedAt time.Time
	ExpiresAt time.Time
}

const idempotencyColumns = "scope, key, request, done, status, header, body, created_at, expires_at"

func scanIdempotency(row scanner, r *Idempotency) error {
	return row(&r.Scope, &r.Key, &r.Request, &r.Done, &r.Status, intoRaw(&r.Header), &r.Body, intoTime(&r.CreatedAt), intoTime(&r.ExpiresAt))
}

// BeginIdempotent keeps r as under way and returns nil, or what is known of an
// earlier request with the key that has not expired: done, or under way.
func (s *Store) BeginIdempotent(ctx context.Context, r *Idempotency) (earlier *Idempotency, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		earlier = nil
		now := s.Now()
		if _, err := x.exec(ctx, "DELETE FROM idempotency WHERE scope = ? AND key = ? AND expires_at <= ?", r.Scope, r.Key, micros(now)); err != nil {
			return err
		}
		n, err := x.exec(ctx, "INSERT INTO idempotency ("+idempotencyColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (scope, key) DO NOTHING",
			r.Scope, r.Key, r.Request, false, 0, "", []byte{}, micros(now), micros(r.ExpiresAt))
		if err != nil || n == 1 {
			return err
		}
		earlier, err = first(ctx, x.conn, scanIdempotency, "SELECT "+idempotencyColumns+" FROM idempotency WHERE scope = ? AND key = ?", r.Scope, r.Key)
		return err
	})
	return earlier, failed("begin an idempotent request", err)
}

// FinishIdempotent keeps the answer to the request that BeginIdempotent began.
func (s *Store) FinishIdempotent(ctx context.Context, r *Idempotency) error {
	body := r.Body
	if body == nil {
		body = []byte{}
	}
	n, err := s.do(ctx, "UPDATE idempotency SET done = true, status = ?, header = ?, body = ? WHERE scope = ? AND key = ?", r.Status, string(r.Header), body, r.Scope, r.Key)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return failed("finish an idempotent request", err)
}

// AbandonIdempotent forgets a request that was begun and had no effect.
func (s *Store) AbandonIdempotent(ctx context.Context, scope, key string) error {
	_, err := s.do(ctx, "DELETE FROM idempotency WHERE scope = ? AND key = ? AND NOT done", scope, key)
	return failed("abandon an idempotent request", err)
}

// A Setting is a named value of the installation. Wrapped keys are kept so too.
type Setting struct {
	Key       string
	Value     json.RawMessage
	UpdatedBy string
	Version   int64
	UpdatedAt time.Time
}

const settingColumns = "key, value, updated_by, version, updated_at"

func scanSetting(row scanner, v *Setting) error {
	return row(&v.Key, intoRaw(&v.Value), &v.UpdatedBy, &v.Version, intoTime(&v.UpdatedAt))
}

// Setting returns the setting of that key, or ErrNotFound.
func (s *Store) Setting(ctx context.Context, key string) (*Setting, error) {
	v, err := first(ctx, s.reader(), scanSetting, "SELECT "+settingColumns+" FROM settings WHERE key = ?", key)
	return v, failed("get setting", err)
}

// SetSetting keeps v if the version is still v.Version (0: there is none yet),
// else it returns ErrConflict. It sets v.Version and UpdatedAt.
func (s *Store) SetSetting(ctx context.Context, v *Setting) error {
	now := s.Now()
	err := s.change(ctx, durable, func(x *txn) (err error) {
		var n int64
		if v.Version == 0 {
			n, err = x.exec(ctx, "INSERT INTO settings ("+settingColumns+") VALUES (?, ?, ?, 1, ?) ON CONFLICT (key) DO NOTHING", v.Key, string(v.Value), v.UpdatedBy, micros(now))
		} else {
			n, err = x.exec(ctx, "UPDATE settings SET value = ?, updated_by = ?, version = version + 1, updated_at = ? WHERE key = ? AND version = ?",
				string(v.Value), v.UpdatedBy, micros(now), v.Key, v.Version)
		}
		if err == nil && n == 0 {
			err = ErrConflict
		}
		return err
	})
	if err == nil {
		v.Version, v.UpdatedAt = v.Version+1, now
	}
	return failed("keep a setting", err)
}

// Settings returns all settings, by key.
func (s *Store) Settings(ctx context.Context) ([]Setting, error) {
	items, err := all(ctx, s.reader(), scanSetting, "SELECT "+settingColumns+" FROM settings ORDER BY key")
	return items, failed("list settings", err)
}
