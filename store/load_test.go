package store_test

import (
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// fill makes a busy installation: connections with a sync each that is open for
// one in a hundred of them, and ended syncs, the latest at the clock's time.
func fill(t testing.TB, x *fixture, connections, syncs int) {
	t.Helper()
	db := raw(t, x.url)
	now := x.Now().UnixMicro()
	numbers := "generate_series(1::bigint, %d) AS g(i)"
	if x.Dialect() == "sqlite" {
		numbers = "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) SELECT i FROM g) AS g"
	}
	some := func(n int) string { return fmt.Sprintf(numbers, n) }
	con := "'con_' || (10000000 + i)"
	of := fmt.Sprintf("'con_' || (10000001 + (i %% %d))", connections)
	x.must(x.CreateSource(x.ctx, &store.Source{ID: "src_1", Name: "s"}))
	x.must(x.CreateDestination(x.ctx, &store.Destination{ID: "dst_1", Name: "d"}))
	exec := func(table, columns, values, from string) {
		t.Helper()
		run(t, db, "INSERT INTO "+table+" ("+columns+") SELECT "+values+" FROM "+from)
	}
	exec("connections", "id, name, name_key, source_id, destination_id, schema_name, labels, team, schedule_kind, schedule, windows, names, drift, on_lost, nested, limits, objective, paused, "+
		"all_streams, selected_streams, created_by, version, created_at, updated_at",
		fmt.Sprintf(`%s, 'Connection ' || i, 'connection ' || (i * 7919 %% 1000003), 'src_1', 'dst_1', 'raw', '{}', '', 'interval', '{"kind":"interval","every":300000000000}', '', '', '', '', '', '{}', 0, false, `+
			"true, 3, '', 1, %d + i, %d + i", con, now, now), some(connections))
	exec("connection_status", "connection_id, paused, planned, open, setup, state, rescheduled_for, next_run_at, last_sync_id, last_outcome, last_success_at, last_failure, freshness, delayed_at, "+
		"waiting, failures, epoch", fmt.Sprintf("%s, false, true, i %% 100 = 0, 'connected', CASE WHEN i %% 100 = 0 THEN 'queued' ELSE 'scheduled' END, 0, %d + i * 30000, '', 'succeeded', %d - i * 30000, '', 'on_schedule', %d + i * 60000, '', 0, 1",
		con, now, now, now), some(connections))
	exec("streams", "connection_id, namespace, name, name_key, selected, read_mode, write_mode, cursor_column, primary_key, table_name, nested, columns",
		fmt.Sprintf("%s, 'public', 't' || (i / %d), 't', true, '', '', '', '', '', '', ''", of, connections), some(3*connections))
	const columns = "id, connection_id, started_by, kind, state, outcome, region, host, destination_id, worker_id, attempts, epoch, due_at, queued_at, admitted_at, started_at, ended_at, retry_at, " +
		"cancel_requested, restart_requested, requested_by, resync, rows_committed, bytes_read, rejected, deleted, changes, warnings, log_lines, logged, error, updated_at"
	step := int64(30*24*time.Hour/time.Microsecond) / int64(syncs)
	exec("syncs", columns, fmt.Sprintf("'syn_' || (10000000 + i), %s, 'schedule', 'incremental', 'ended', CASE WHEN i %% 50 = 0 THEN 'failed' ELSE 'succeeded' END, '', 'h', 'dst_1', 'wrk_' || (i %% 7), "+
		"1, 1, %d + i * %d, %d + i * %d, 1, 1, %d + i * %d, 0, false, false, '', '', i, i, 0, 0, 0, 0, 0, i %% 10 = 0, '', 1", of, now-step*int64(syncs), step, now-step*int64(syncs), step, now-step*int64(syncs), step), some(syncs))
	exec("attempts", "sync_id, n, connection_id, worker_id, epoch, started_at, heartbeat_at, lease_until, ended_at, outcome, error, rows_committed, bytes_read, rejected, deleted, changes",
		"id, 1, connection_id, worker_id, 1, 1, 1, 1, ended_at, outcome, '', 1, 1, 0, 0, 0", "syncs WHERE state = 'ended'")
	exec("attempt_streams", "sync_id, n, namespace, name, table_schema, table_name, phase, rows_read, bytes_read, committed, total, extracted, rejected, filtered, loaded, deleted, changes, loads, "+
		"started_at, ended_at, error", "sync_id, n, '', 's', '', '', '', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ''", "attempts")
	exec("syncs", columns, fmt.Sprintf("'syn_x' || (10000000 + i), 'con_' || (10000000 + i * 100), 'schedule', CASE WHEN i %% 3 = 0 THEN 'historical' ELSE 'incremental' END, 'queued', '', '', 'h', 'dst_1', '', "+
		"0, 1, %d + i, %d + i, 0, 0, 0, 0, false, false, '', '', 0, 0, 0, 0, 0, 0, 0, false, '', 1", now, now), some(connections/100))
	exec("events", "at, type, connection_id, sync_id, data", fmt.Sprintf("%d + i, 't', %s, 'syn_' || (10000000 + i), ''", now, of), some(syncs/5))
	exec("audit", "at, actor_id, actor_name, action, object_type, object_id, object_name, before_value, after_value, ip, user_agent, request_id, outcome",
		fmt.Sprintf("%d + i, 'usr_' || (i %% 20), '', 'a.' || (i %% 10), 'connection', %s, '', '', '', '', '', '', ''", now, of), some(syncs/5))
	exec("state_history", "connection_id, namespace, name, positions, load_id, sync_id, at, restored_from, made_by", fmt.Sprintf("%s, '', 's', '', '', '', %d + i, 0, ''", of, now), some(syncs/5))
	exec("states", "connection_id, namespace, name, entry_id, kept", "connection_id, namespace, name, max(id), count(*)", "state_history GROUP BY connection_id, namespace, name")
	exec("sync_logs", "sync_id, seq, at, level, stream, message, attrs", fmt.Sprintf("'syn_' || (10000000 + 1 + i %% 100), 1 + i / 100, %d, 'info', '', 'm', ''", now), some(syncs/5))
	fillHealthRows(t, x, db, connections, syncs/5)
	run(t, db, "ANALYZE")
}

// fillHealthRows makes each connection a history, and incidents that are over, but one in a hundred.
func fillHealthRows(t testing.TB, x *fixture, db *sql.DB, connections, n int) {
	t.Helper()
	now := x.Now().UnixMicro()
	numbers := "generate_series(1::bigint, %d) AS g(i)"
	if x.Dialect() == "sqlite" {
		numbers = "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < %d) SELECT i FROM g) AS g"
	}
	some := func(n int) string { return fmt.Sprintf(numbers, n) }
	of := fmt.Sprintf("'con_' || (10000001 + (i %% %d))", connections)
	for _, statement := range []string{
		fmt.Sprintf("connection_health SELECT 'con_' || (10000000 + i), CASE WHEN i %% 50 = 0 THEN 'down' ELSE 'healthy' END, %d - i, '', 0, 0, 0, 0, 0, false, '', '', "+
			"CASE WHEN i %% 50 = 0 THEN 'inc_' || (10000000 + i) ELSE '' END, '', 0 FROM %s", now, some(connections)),
		fmt.Sprintf("health_history SELECT %s, %d - i * 1000, CASE WHEN i <= %d THEN 9223372036854775807 ELSE %d - i * 1000 + 500 END, 'healthy', '', '' FROM %s", of, now, connections, now, some(n)),
		fmt.Sprintf("incidents SELECT 'inc_' || (10000000 + i), i, 'fp' || (i %% 1000), 'source', '', CASE WHEN i %% 100 = 0 THEN 'open' ELSE 'resolved' END, 'sev' || (i %% 4), false, 't', 't', "+
			"'shop' || (i %% 20), '', '', '', '', '', '', '', 'team' || (i %% 50), '{}', 1, 1, %d + i, %d + i, 0, %d + i, 0, '', 'ann' || (i %% 50), 0, 0, 0, "+
			"CASE WHEN i %% 100 = 0 THEN 0 ELSE %d - i * 1000 END, '', 0, 0, 0, '', '', 1, 0, 0 FROM %s", now, now, now, now, some(n)),
		fmt.Sprintf("incident_connections SELECT 'inc_' || (10000000 + i), %s, %d + i, 0, 0, 0, 0, '', '' FROM %s", of, now, some(n)),
		fmt.Sprintf("incident_events (incident_id, at, kind, actor_id, actor_name, connection_id, message, data) SELECT 'inc_' || (10000000 + i), %d, 'opened', '', '', '', '', '' FROM %s", now, some(n)),
		fmt.Sprintf("tickets SELECT 'tkt_' || (10000000 + i), 'inc_' || (10000000 + i), 'internal', '', '', CASE WHEN i %% 100 = 0 THEN 'open' ELSE 'closed' END, '', 0, 0, 0, 0, 0, 0 FROM %s", some(n)),
		fmt.Sprintf("alerts SELECT 'alr_' || (10000000 + i), 'rul_' || (i %% 20), 'subject' || i, CASE WHEN i %% 100 = 0 THEN 'firing' ELSE 'resolved' END, '', '', '{}', %s, 'inc_' || (10000000 + i), '', '', "+
			"%d - i * 1000, CASE WHEN i %% 100 = 0 THEN 0 ELSE %d - i * 1000 END, 0, 0, '', '', 0 FROM %s", of, now, now, some(n)),
		fmt.Sprintf("outbox (id, key, kind, target, lane, incident_id, alert_id, payload, state, attempts, next_at, claimed_by, claimed_until, claim, last_error, answer, created_at, ended_at) "+
			"SELECT 'dlv_' || (10000000 + i), 'key' || i, 'k', 'chn_' || (i %% 20), 'lane' || (i %% 500), 'inc_' || (10000000 + i), 'alr_' || (10000000 + i), '', "+
			"CASE WHEN i %% 100 = 0 THEN 'waiting' ELSE 'delivered' END, 0, %d + i * 1000, '', 0, 0, '', '', 0, CASE WHEN i %% 100 = 0 THEN 0 ELSE %d - i * 1000 END FROM %s", now, now, some(n)),
	} {
		run(t, db, "INSERT INTO "+statement)
	}
}

// healthHot are what the health tracker does all the time, and its pages.
func healthHot(x *fixture, con string, now time.Time) map[string]func(*store.Store) error {
	const inc = "inc_10000500"
	hot := map[string]func(*store.Store) error{
		"save health": func(tx *store.Store) error {
			return tx.SaveHealth(x.ctx, []store.ConnectionHealth{{ConnectionID: con, Health: store.Down, Since: now}})
		},
		"health of": func(tx *store.Store) error { _, err := tx.HealthOf(x.ctx, []string{con}); return err },
		"unhealthy": func(tx *store.Store) error {
			_, _, err := tx.ListHealth(x.ctx, store.HealthFilter{Unhealthy: true}, store.Page{})
			return err
		},
		"of an incident": func(tx *store.Store) error {
			_, _, err := tx.ListHealth(x.ctx, store.HealthFilter{IncidentID: inc}, store.Page{})
			return err
		},
		"history": func(tx *store.Store) error {
			_, _, err := tx.ListHealthHistory(x.ctx, con, now.Add(-time.Hour), now, store.Page{})
			return err
		},
		"report of one": func(tx *store.Store) error {
			_, err := tx.ReportHealth(x.ctx, store.ByAll, store.HealthReportFilter{ConnectionID: con}, now.Add(-time.Hour), now)
			return err
		},
		"cursor":         func(tx *store.Store) error { _, err := tx.HealthCursor(x.ctx); return err },
		"recent":         func(tx *store.Store) error { _, err := tx.RecentIncidents(x.ctx, now.Add(-time.Second)); return err },
		"incident":       func(tx *store.Store) error { _, err := tx.IncidentByNumber(x.ctx, 7); return err },
		"connections in": func(tx *store.Store) error { _, err := tx.ConnectionsOf(x.ctx, []string{inc}); return err },
		"partaking": func(tx *store.Store) error {
			_, _, err := tx.ListIncidentConnections(x.ctx, store.IncidentConnectionFilter{IncidentID: inc}, store.Page{})
			return err
		},
		"timeline": func(tx *store.Store) error {
			_, _, err := tx.ListIncidentEvents(x.ctx, inc, "", nil, store.Page{})
			return err
		},
		"append timeline": func(tx *store.Store) error {
			return tx.AppendIncidentEvents(x.ctx, store.IncidentEvent{IncidentID: inc})
		},
		"ticket of":     func(tx *store.Store) error { _, err := tx.TicketsOf(x.ctx, []string{inc}); return err },
		"firing":        func(tx *store.Store) error { _, err := tx.FiringAlerts(x.ctx); return err },
		"post":          func(tx *store.Store) error { _, err := tx.Post(x.ctx, &store.Delivery{Key: "new"}); return err },
		"next delivery": func(tx *store.Store) error { _, err := tx.NextDelivery(x.ctx); return err },
		"claim deliveries": func(tx *store.Store) error {
			got, err := tx.ClaimDeliveries(x.ctx, "w", now.Add(time.Second), time.Minute, 5)
			if err == nil && len(got) > 0 {
				err = tx.EndDelivery(x.ctx, &got[0], store.DeliveryEnd{State: store.DeliveryDelivered})
			}
			return err
		},
		"save incident": func(tx *store.Store) error {
			i, err := tx.Incident(x.ctx, inc)
			if err == nil {
				err = tx.SaveIncident(x.ctx, i)
			}
			return err
		},
	}
	for name, f := range map[string]store.IncidentFilter{"": {}, "open": {Open: true}, "of a connector": {Connector: "shop3"}, "of a team": {Team: "team3"}, "of a person": {Assignee: "ann3"},
		"of a connection": {ConnectionID: con}, "among": {Among: []string{con}}} {
		hot["incidents "+name] = func(tx *store.Store) error { _, _, err := tx.ListIncidents(x.ctx, f, store.Page{Limit: 5}); return err }
	}
	for _, sort := range []string{"-number", "severity", "-last_seen", "first_seen", "due", "-connections"} {
		hot["incidents by "+sort] = func(tx *store.Store) error {
			_, _, err := tx.ListIncidents(x.ctx, store.IncidentFilter{}, store.Page{Sort: sort})
			return err
		}
	}
	for name, f := range map[string]store.DeliveryFilter{"waiting": {State: store.DeliveryWaiting}, "to": {Target: "chn_3"}, "of an incident": {IncidentID: inc}, "of an alert": {AlertID: "alr_10000500"}} {
		hot["deliveries "+name] = func(tx *store.Store) error {
			_, _, err := tx.ListDeliveries(x.ctx, f, store.Page{Limit: 5})
			return err
		}
	}
	for name, f := range map[string]store.AlertFilter{"": {}, "firing": {State: store.AlertFiring}, "of a rule": {RuleID: "rul_3"}, "of a connection": {ConnectionID: con}, "of an incident": {IncidentID: inc}} {
		hot["alerts "+name] = func(tx *store.Store) error { _, _, err := tx.ListAlerts(x.ctx, f, store.Page{Limit: 5}); return err }
	}
	return hot
}

func run(t testing.TB, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v: %.300s", err, statement)
	}
}

// large are the tables that grow with the installation: none of them is read from
// end to end by what the scheduler and the pages of lists do.
var large = []string{"connections", "connection_status", "streams", "syncs", "attempts", "attempt_streams", "sync_logs", "state_history", "states", "events", "audit",
	"connection_health", "health_history", "incidents", "incident_connections", "incident_events", "tickets", "alerts", "outbox"}

func TestNoFullScans(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a database")
	}
	each(t, func(t *testing.T, x *fixture) {
		fill(t, x, 10_000, 50_000)
		const con, old = "con_10000100", "syn_10000500"
		now := x.Now().Add(time.Second)
		stale := now.Add(-time.Minute)
		queued, err := x.OpenSync(x.ctx, con)
		x.must(err)
		running, err := x.OpenSync(x.ctx, "con_10000200")
		x.must(err)
		attempt := x.claim(running)
		journal := func(tx *store.Store) *store.Journal { return tx.Journal(attempt.ConnectionID, attempt.SyncID) }
		one := load("l", attempt.Epoch, 1, position("s", 0, 1, 1))
		x.must(journal(x.Store).Prepare(x.ctx, one))
		counters := []store.StreamCounters{{Stream: sluice.TableName{Name: "s"}, Rows: 1}}

		hot := map[string]func(tx *store.Store) error{
			"due":       func(tx *store.Store) error { _, err := tx.DueConnections(x.ctx, now, 100); return err },
			"unplanned": func(tx *store.Store) error { _, err := tx.UnplannedConnections(x.ctx, 100); return err },
			"silent":    func(tx *store.Store) error { _, err := tx.SilentConnections(x.ctx, now, 100); return err },
			"due of":    func(tx *store.Store) error { _, err := tx.DueOf(x.ctx, con); return err },
			"dependent": func(tx *store.Store) error { _, err := tx.Dependents(x.ctx, con); return err },
			"waiting": func(tx *store.Store) error {
				_, err := tx.WaitingSyncs(x.ctx, store.IncrementalSync, now, stale, 100)
				return err
			},
			"active":    func(tx *store.Store) error { _, err := tx.ActiveSyncs(x.ctx, stale); return err },
			"expired":   func(tx *store.Store) error { _, err := tx.ExpiredAttempts(x.ctx, now, 100); return err },
			"admit":     func(tx *store.Store) error { _, err := tx.Admit(x.ctx, []string{queued.ID}, now, stale); return err },
			"next runs": func(tx *store.Store) error { return tx.SetNextRuns(x.ctx, map[string]time.Time{con: now}) },
			"enqueue": func(tx *store.Store) error {
				_, err := tx.Enqueue(x.ctx, &store.Sync{ConnectionID: "con_10000001"}, store.Event{Type: "x"})
				return err
			},
			"enqueue all": func(tx *store.Store) error {
				_, err := tx.EnqueueAll(x.ctx, []*store.Sync{{ConnectionID: "con_10000002"}})
				return err
			},
			"claim": func(tx *store.Store) error {
				_, err := tx.ClaimSync(x.ctx, store.Claim{SyncID: queued.ID, Attempt: 1})
				return err
			},
			"heartbeat": func(tx *store.Store) error { _, err := tx.Heartbeat(x.ctx, attempt, time.Minute); return err },
			"progress":  func(tx *store.Store) error { return tx.RecordProgress(x.ctx, attempt, counters) },
			"finish": func(tx *store.Store) error {
				return tx.FinishAttempt(x.ctx, attempt, store.End{State: store.Ended, SyncOutcome: store.Failed, Counters: counters})
			},
			"cancel":     func(tx *store.Store) error { _, err := tx.RequestCancel(x.ctx, queued.ID, false, ""); return err },
			"prepare":    func(tx *store.Store) error { return journal(tx).Prepare(x.ctx, load("m", attempt.Epoch, 2)) },
			"commit":     func(tx *store.Store) error { return journal(tx).Commit(x.ctx, one) },
			"pending":    func(tx *store.Store) error { _, err := journal(tx).Pending(x.ctx); return err },
			"states":     func(tx *store.Store) error { _, err := tx.States(x.ctx, con); return err },
			"connection": func(tx *store.Store) error { _, err := tx.Connection(x.ctx, con); return err },
			"log":        func(tx *store.Store) error { _, err := tx.Log(x.ctx, old, 5, store.LogFilter{}, 100); return err },
			"log tail":   func(tx *store.Store) error { _, err := tx.LogTail(x.ctx, old, 100); return err },
			"append log": func(tx *store.Store) error {
				return tx.AppendLog(x.ctx, attempt.SyncID, []store.LogLine{{Message: "m"}})
			},
			"events": func(tx *store.Store) error {
				_, err := tx.EventsAfter(x.ctx, 9000, store.EventFilter{}, 100)
				return err
			},
			"last event": func(tx *store.Store) error { _, err := tx.LastEvent(x.ctx); return err },
			"streams":    func(tx *store.Store) error { _, _, err := tx.ListStreams(x.ctx, con, "", store.Page{}); return err },
		}
		for _, sort := range []string{"name", "created", "updated", "last_success", "next_run", "state", "-name", "-last_success"} {
			hot["connections by "+sort] = func(tx *store.Store) error {
				_, next, err := tx.ListConnections(x.ctx, store.ConnectionFilter{}, store.Page{Sort: sort})
				if err == nil {
					_, _, err = tx.ListConnections(x.ctx, store.ConnectionFilter{}, store.Page{Sort: sort, Cursor: next})
				}
				return err
			}
		}
		for name, f := range map[string]store.SyncFilter{"all": {}, "of a connection": {ConnectionID: con}, "failed": {Outcome: store.Failed}, "of a worker": {WorkerID: "wrk_3"},
			"since": {After: now.Add(-time.Hour)}, "open": {Open: true}, "running": {State: store.Running},
			"historical": {Kind: store.HistoricalSync}, "by hand": {Trigger: store.ByHand}} {
			hot["syncs "+name] = func(tx *store.Store) error {
				_, next, err := tx.ListSyncs(x.ctx, f, store.Page{Limit: 5})
				if err == nil && next != "" {
					_, _, err = tx.ListSyncs(x.ctx, f, store.Page{Limit: 5, Cursor: next})
				}
				return err
			}
		}
		hot["syncs by end"] = func(tx *store.Store) error {
			_, _, err := tx.ListSyncs(x.ctx, store.SyncFilter{}, store.Page{Sort: "-ended"})
			return err
		}
		for name, f := range map[string]store.AuditFilter{"all": {}, "actor": {ActorID: "usr_1"}, "object": {ObjectID: con}, "type": {ObjectType: "user"}, "action": {Action: "a.1"}} {
			hot["audit "+name] = func(tx *store.Store) error { _, _, err := tx.ListAudit(x.ctx, f, store.Page{}); return err }
		}
		maps.Copy(hot, healthHot(x, con, now))
		for name, f := range hot {
			statements, err := store.Explain(x.ctx, x.Store, f)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, s := range statements {
				if what := slow(s.Plan); what != "" {
					t.Errorf("%s: %s in\n%s\n%s", name, what, s.Query, s.Plan)
				}
			}
			if len(statements) == 0 {
				t.Errorf("%s ran nothing", name)
			}
		}
	})
}

// slow returns the line of a plan that reads a large table from end to end, or "".
func slow(plan string) string {
	for line := range strings.SplitSeq(plan, "\n") {
		for _, table := range large {
			line := strings.TrimSpace(line) + " "
			if strings.Contains(line, "Seq Scan on "+table+" ") || strings.HasPrefix(line, "SCAN ") && !strings.Contains(line, "USING") && scans(line, table) {
				return line
			}
		}
	}
	return ""
}

// TestOpenSyncsHaveAnIndexOfTheirOwn: a page of the few open syncs must not go
// through all that have ended.
func TestOpenSyncsHaveAnIndexOfTheirOwn(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		fill(t, x, 1000, 20_000)
		statements, err := store.Explain(x.ctx, x.Store, func(tx *store.Store) error {
			_, next, err := tx.ListSyncs(x.ctx, store.SyncFilter{Open: true}, store.Page{Limit: 5})
			if err == nil {
				_, _, err = tx.ListSyncs(x.ctx, store.SyncFilter{Open: true}, store.Page{Limit: 5, Cursor: next})
			}
			return err
		})
		x.must(err)
		for _, s := range statements {
			if !strings.Contains(s.Plan, "syncs_open") && !strings.Contains(s.Plan, "syncs_one_open") {
				t.Error(s.Plan)
			}
		}
	})
}

// scans reports whether a line of SQLite's is about a table, by its name or the
// alias that the queries give it.
func scans(line, table string) bool {
	alias := map[string]string{"connections": "c", "connection_status": "t", "state_history": "h", "states": "k", "outbox": "o", "health_history": "h", "incident_connections": "p"}[table]
	return strings.HasPrefix(line, "SCAN "+table+" ") || alias != "" && strings.HasPrefix(line, "SCAN "+alias+" ")
}
