package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A OneTime is something that can be used once: the owner's first link, an
// invitation, the state of a sign-in under way.
type OneTime struct {
	Hash      string // of the secret part
	Purpose   string
	UserID    string // "" where there is none yet
	Data      json.RawMessage
	CreatedAt time.Time
	ExpiresAt time.Time
	UsedAt    time.Time
}

const oneTimeColumns = "hash, purpose, user_id, data, created_at, expires_at, used_at"

func scanOneTime(row scanner, o *OneTime) error {
	return row(&o.Hash, &o.Purpose, &o.UserID, intoRaw(&o.Data), intoTime(&o.CreatedAt), intoTime(&o.ExpiresAt), intoTime(&o.UsedAt))
}

// CreateOneTime keeps o; all unused ones of the purpose and user go where alone is true.
func (s *Store) CreateOneTime(ctx context.Context, o *OneTime, alone bool) error {
	err := s.change(ctx, durable, func(x *txn) error {
		if alone {
			if _, err := x.exec(ctx, "DELETE FROM one_times WHERE purpose = ? AND user_id = ? AND used_at = 0", o.Purpose, o.UserID); err != nil {
				return err
			}
		}
		return x.insert(ctx, "one_times", oneTimeColumns, "", [][]any{{o.Hash, o.Purpose, o.UserID, string(o.Data), micros(o.CreatedAt), micros(o.ExpiresAt), int64(0)}})
	})
	return failed("create a one-time link", err)
}

// UseOneTime takes it for good: of several callers one gets it, the others
// ErrUsed. ErrNotFound: never there, or of another purpose; ErrExpired.
func (s *Store) UseOneTime(ctx context.Context, hash, purpose string, now time.Time) (*OneTime, error) {
	var o *OneTime
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE one_times SET used_at = ? WHERE hash = ? AND purpose = ? AND used_at = 0 AND expires_at > ?", micros(now), hash, purpose, micros(now))
		if err != nil {
			return err
		}
		if o, err = first(ctx, x.conn, scanOneTime, "SELECT "+oneTimeColumns+" FROM one_times WHERE hash = ? AND purpose = ?", hash, purpose); err != nil {
			return err
		}
		switch {
		case n == 1:
			return nil
		case !o.UsedAt.IsZero():
			return ErrUsed
		}
		return ErrExpired
	})
	if err != nil {
		return nil, failed("use a one-time link", err)
	}
	return o, nil
}

// Count adds one to the counter of key, which starts anew window after its first
// count, and returns what it counts and when it starts anew. It is shared by all
// servers.
func (s *Store) Count(ctx context.Context, key string, window time.Duration, now time.Time) (n int64, until time.Time, err error) {
	err = s.change(ctx, lazy, func(x *txn) error {
		return x.one(ctx, "INSERT INTO counters (key, n, until_at) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET "+
			"n = CASE WHEN counters.until_at <= ? THEN 1 ELSE counters.n + 1 END, "+
			"until_at = CASE WHEN counters.until_at <= ? THEN excluded.until_at ELSE counters.until_at END RETURNING n, until_at",
			[]any{key, micros(now.Add(window)), micros(now), micros(now)}, func(row scanner) error { return row(&n, intoTime(&until)) })
	})
	return n, until, failed("count", err)
}

// Counted returns the counter of key without counting.
func (s *Store) Counted(ctx context.Context, key string, now time.Time) (n int64, until time.Time, err error) {
	err = s.reader().one(ctx, "SELECT n, until_at FROM counters WHERE key = ? AND until_at > ?", []any{key, micros(now)}, func(row scanner) error { return row(&n, intoTime(&until)) })
	if errors.Is(err, ErrNotFound) {
		return 0, time.Time{}, nil
	}
	return n, until, failed("read a counter", err)
}

// ResetCount makes the counter of key 0.
func (s *Store) ResetCount(ctx context.Context, key string) error {
	_, err := s.do(ctx, "DELETE FROM counters WHERE key = ?", key)
	return failed("reset a counter", err)
}
