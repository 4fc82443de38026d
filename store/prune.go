package store

import (
	"context"
	"errors"
	"reflect"
	"time"
)

// Retention says for how long things are kept. Zero fields take the values of
// DefaultRetention.
type Retention struct {
	Syncs              time.Duration // since their end, with attempts, counters and logs
	SyncsPerConnection int           // at most, whatever their age; the latest are kept
	Logs               time.Duration // since the end of their sync
	States             time.Duration // former states of streams; the current ones stay
	StatesPerStream    int           // at most
	Events             time.Duration
	Audit              time.Duration
	Drift              time.Duration // drift events that wait for no decision, and that nobody rejected
	SchemasPerStream   int           // at most
	Operations         time.Duration // since their end; plans, one-time links and idempotency records since their expiry
	Tokens             time.Duration // since they expired or were revoked
	Workers            time.Duration // since they were last seen
	Health             time.Duration // history of health
	Incidents          time.Duration // since their end, with timelines, reviews and tickets
	Alerts             time.Duration // since their end; silences too
	Deliveries         time.Duration // since their end
	Days               time.Duration // sums by connection and day
	Hours              time.Duration // sums of the fleet by hour
}

// DefaultRetention returns the bounds that hold where nothing else is said.
func DefaultRetention() Retention {
	const day = 24 * time.Hour
	return Retention{Syncs: 90 * day, SyncsPerConnection: 5000, Logs: 14 * day, States: 30 * day, StatesPerStream: 200,
		Events: 7 * day, Audit: 400 * day, Drift: 180 * day, SchemasPerStream: 200, Operations: 7 * day, Tokens: 90 * day, Workers: day,
		Health: 400 * day, Incidents: 400 * day, Alerts: 90 * day, Deliveries: 90 * day, Days: 400 * day, Hours: 30 * day}
}

// withDefaults goes over the fields by reflection, so that none can be left out:
// what has no bound would be pruned at once.
func (r Retention) withDefaults() Retention {
	fields, defaults := reflect.ValueOf(&r).Elem(), reflect.ValueOf(DefaultRetention())
	for i := range fields.NumField() {
		if f := fields.Field(i); f.IsZero() {
			f.Set(defaults.Field(i))
		}
	}
	return r
}

// Pruned counts the rows that Prune deleted, by table; rows that hang on others
// are not counted.
type Pruned map[string]int64

// pruneRows is how many rows a transaction of Prune deletes: few enough that who
// waits for it, in SQLite everyone who writes, does not notice.
const pruneRows = 500

// pruning is a Prune under way.
type pruning struct {
	*Store
	retention Retention
	now       time.Time
	pruned    Pruned
}

// Prune deletes what is past its retention at now, in small transactions, so
// that nobody waits long for it. It may be run by several processes at once, and
// stopped at any time. What it has deleted when it fails it returns with the error.
func (s *Store) Prune(ctx context.Context, r Retention, now time.Time) (Pruned, error) {
	p := &pruning{Store: s, retention: r.withDefaults(), now: now, pruned: Pruned{}}
	for _, step := range []func(context.Context) error{p.deletedConnections, p.logs, p.syncs, p.excessSyncs, p.excessStates, p.oldStates,
		p.events, p.audit, p.excessSchemas, p.byTime, p.optimize} {
		if err := step(ctx); err != nil {
			return p.pruned, failed("prune the metadata store", err)
		}
	}
	return p.pruned, nil
}

// optimize lets SQLite look at how its tables have changed; PostgreSQL does so by
// itself.
func (p *pruning) optimize(ctx context.Context) error {
	if p.dialect != sqlite || p.tx != nil {
		return nil
	}
	_, err := p.writes.ExecContext(ctx, "PRAGMA optimize")
	return err
}

// before is the time before which what is kept for d is too old.
func (p *pruning) before(d time.Duration) int64 { return micros(p.now.Add(-d)) }

// batches runs a DELETE of at most pruneRows rows until there are no more.
func (p *pruning) batches(ctx context.Context, table, query string, args ...any) error {
	for {
		var n int64
		err := p.change(ctx, lazy, func(x *txn) (err error) {
			n, err = x.exec(ctx, query, args...)
			return err
		})
		if err != nil {
			return err
		}
		if n > 0 {
			p.pruned[table] += n
		}
		if n < pruneRows {
			return nil
		}
	}
}

// by deletes the rows of a table that a condition names, by their key.
func (p *pruning) by(ctx context.Context, table, key, condition string, args ...any) error {
	return p.batches(ctx, table, "DELETE FROM "+table+" WHERE ("+key+") IN (SELECT "+key+" FROM "+table+" WHERE "+condition+" LIMIT ?)", append(args, pruneRows)...)
}

// byTime deletes rows that an index finds by a time.
func (p *pruning) byTime(ctx context.Context) error {
	now := micros(p.now)
	ended := p.before(p.retention.Operations)
	for _, t := range []struct {
		table, key, condition string
		arg                   any
	}{
		{"drift_events", "id", "id < ? AND state NOT IN ('pending', 'rejected')", NewID(DriftID, p.now.Add(-p.retention.Drift))},
		{"operations", "id", "ended_at > 0 AND ended_at < ?", ended},
		{"plans", "id", "expires_at < ?", ended},
		{"one_times", "hash", "expires_at < ?", ended},
		{"idempotency", "scope, key", "expires_at < ?", now},
		{"counters", "key", "until_at < ?", now},
		{"sessions", "hash", "expires_at < ?", now},
		{"tokens", "id", "expires_at > 0 AND expires_at < ?", p.before(p.retention.Tokens)},
		{"tokens", "id", "revoked_at > 0 AND revoked_at < ?", p.before(p.retention.Tokens)},
		{"workers", "id", "seen_at < ?", p.before(p.retention.Workers)},
		{"health_history", "connection_id, from_at", "to_at < ?", p.before(p.retention.Health)},
		{"incidents", "id", "resolved_at > 0 AND resolved_at < ?", p.before(p.retention.Incidents)},
		{"alerts", "id", "resolved_at > 0 AND resolved_at < ?", p.before(p.retention.Alerts)},
		{"silences", "id", "ends_at < ?", p.before(p.retention.Alerts)},
		{"outbox", "seq", "ended_at > 0 AND ended_at < ?", p.before(p.retention.Deliveries)},
		{"connection_days", "day, connection_id", "day < ?", dayOf(p.now.Add(-p.retention.Days))},
		{"fleet_hours", "hour", "hour < ?", hourOf(p.now.Add(-p.retention.Hours))},
	} {
		if err := p.by(ctx, t.table, t.key, t.condition, t.arg); err != nil {
			return err
		}
	}
	return nil
}

// deletedConnections deletes what connections have left behind.
func (p *pruning) deletedConnections(ctx context.Context) error {
	for {
		var id string
		err := p.reader().value(ctx, &id, "SELECT connection_id FROM deleted_connections ORDER BY at LIMIT 1")
		if errors.Is(err, ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		for _, t := range []struct{ table, key string }{{"syncs", "id"}, {"state_history", "id"}, {"drift_events", "id"}, {"schema_versions", "connection_id, namespace, name, n"},
			{"health_history", "connection_id, from_at"}} {
			if err := p.by(ctx, t.table, t.key, "connection_id = ?", id); err != nil {
				return err
			}
		}
		if err := p.daysOf(ctx, id); err != nil {
			return err
		}
		if err := p.batches(ctx, "deleted_connections", "DELETE FROM deleted_connections WHERE connection_id = ?", id); err != nil {
			return err
		}
	}
}

func (p *pruning) logs(ctx context.Context) error {
	for {
		ids, err := all(ctx, p.reader(), func(row scanner, id *string) error { return row(id) },
			"SELECT id FROM syncs WHERE logged AND ended_at > 0 AND ended_at < ? ORDER BY ended_at LIMIT ?", p.before(p.retention.Logs), pruneRows)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := p.by(ctx, "sync_logs", "sync_id, seq", "sync_id = ?", id); err != nil {
				return err
			}
		}
		if _, err := p.do(ctx, "UPDATE syncs SET logged = false WHERE "+p.dialect.among("id"), listed(ids)); err != nil {
			return err
		}
	}
}

func (p *pruning) syncs(ctx context.Context) error {
	return p.by(ctx, "syncs", "id", "ended_at > 0 AND ended_at < ?", p.before(p.retention.Syncs))
}

// excessSyncs deletes the oldest syncs of connections that have too many.
func (p *pruning) excessSyncs(ctx context.Context) error {
	over, err := all(ctx, p.reader(), func(row scanner, id *string) error { return row(id) },
		"SELECT connection_id FROM syncs GROUP BY connection_id HAVING count(*) > ?", p.retention.SyncsPerConnection)
	if err != nil {
		return err
	}
	for _, id := range over {
		err := p.batches(ctx, "syncs", "DELETE FROM syncs WHERE state = 'ended' AND id IN (SELECT id FROM syncs WHERE connection_id = ? ORDER BY queued_at DESC, id DESC LIMIT ? OFFSET ?)",
			id, pruneRows, p.retention.SyncsPerConnection)
		if err != nil {
			return err
		}
	}
	return nil
}

// excessStates deletes the oldest former states of streams that have too many.
func (p *pruning) excessStates(ctx context.Context) error {
	type stream struct{ connection, namespace, name string }
	for {
		over, err := all(ctx, p.reader(), func(row scanner, s *stream) error { return row(&s.connection, &s.namespace, &s.name) },
			"SELECT connection_id, namespace, name FROM states WHERE kept > ? LIMIT ?", p.retention.StatesPerStream, pruneRows)
		if err != nil || len(over) == 0 {
			return err
		}
		for _, s := range over {
			err := p.by(ctx, "state_history", "id", "connection_id = ? AND namespace = ? AND name = ? AND id < coalesce((SELECT id FROM state_history "+
				"WHERE connection_id = ? AND namespace = ? AND name = ? ORDER BY id DESC LIMIT 1 OFFSET ?), 0)",
				s.connection, s.namespace, s.name, s.connection, s.namespace, s.name, p.retention.StatesPerStream-1)
			if err != nil {
				return err
			}
			if _, err := p.do(ctx, "UPDATE states SET kept = (SELECT count(*) FROM state_history h WHERE h.connection_id = states.connection_id "+
				"AND h.namespace = states.namespace AND h.name = states.name) WHERE connection_id = ? AND namespace = ? AND name = ?",
				s.connection, s.namespace, s.name); err != nil {
				return err
			}
		}
	}
}

// oldStates deletes former states by age, in the order of their ids, which is
// that of their times.
func (p *pruning) oldStates(ctx context.Context) error {
	limit := p.before(p.retention.States)
	for from := int64(0); ; {
		var to, oldest int64
		err := p.reader().one(ctx, "SELECT coalesce(max(id), 0), coalesce(min(at), 0) FROM (SELECT id, at FROM state_history WHERE id > ? ORDER BY id LIMIT ?) b",
			[]any{from, pruneRows}, func(row scanner) error { return row(&to, &oldest) })
		if err != nil || to == 0 || oldest >= limit {
			return err
		}
		n, err := p.do(ctx, "DELETE FROM state_history WHERE id > ? AND id <= ? AND at < ? AND NOT EXISTS (SELECT 1 FROM states c WHERE c.entry_id = state_history.id)",
			from, to, limit)
		if err != nil {
			return err
		}
		if n > 0 {
			p.pruned["state_history"] += n
		}
		from = to
	}
}

// events deletes old ones in the order of their ids, which is about that of their
// times: it stops at a batch that has young ones.
func (p *pruning) events(ctx context.Context) error {
	return p.batches(ctx, "events", "DELETE FROM events WHERE at < ? AND id IN (SELECT id FROM events ORDER BY id LIMIT ?)", p.before(p.retention.Events), pruneRows)
}

// audit moves the horizon, before which the triggers let entries go.
func (p *pruning) audit(ctx context.Context) error {
	limit := p.before(p.retention.Audit)
	if _, err := p.do(ctx, "UPDATE audit_horizon SET before_at = ?", limit); err != nil {
		return err
	}
	return p.by(ctx, "audit", "id", "at < ?", limit)
}

func (p *pruning) excessSchemas(ctx context.Context) error {
	type stream struct {
		connection, namespace, name string
		first                       int64 // to be kept
	}
	over, err := all(ctx, p.reader(), func(row scanner, s *stream) error { return row(&s.connection, &s.namespace, &s.name, &s.first) },
		"SELECT connection_id, namespace, name, max(n) - ? + 1 FROM schema_versions GROUP BY connection_id, namespace, name HAVING count(*) > ?",
		p.retention.SchemasPerStream, p.retention.SchemasPerStream)
	if err != nil {
		return err
	}
	for _, s := range over {
		if err := p.by(ctx, "schema_versions", "connection_id, namespace, name, n", "connection_id = ? AND namespace = ? AND name = ? AND n < ?",
			s.connection, s.namespace, s.name, s.first); err != nil {
			return err
		}
	}
	return nil
}
