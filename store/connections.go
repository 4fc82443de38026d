package store

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/sluicehq/sluice"
)

const (
	connectionColumns = "c.id, c.name, c.source_id, c.destination_id, c.schema_name, c.labels, c.team, c.schedule, c.windows, " +
		"coalesce((SELECT @AGG@ FROM dependencies d WHERE d.connection_id = c.id), ''), c.names, c.drift, c.on_lost, c.nested, c.limits, c.objective, " +
		"c.paused, c.all_streams, c.selected_streams, c.created_by, c.version, c.created_at, c.updated_at"
	statusColumns = "t.setup, t.state, t.rescheduled_for, t.next_run_at, t.last_sync_id, t.last_outcome, t.last_success_at, t.last_failure, " +
		"t.freshness, t.delayed_at, t.waiting, t.failures, t.epoch, t.ended_sync_id, t.ended_at, t.ended_rows, t.ended_took"
	connectionTables = "connections c JOIN connection_status t ON t.connection_id = c.id"
)

// columns of connections, and of their status, in the words of the dialect.
func (d dialect) connectionColumns() string {
	aggregate := "group_concat(d.depends_on, ',')"
	if d == postgres {
		aggregate = "string_agg(d.depends_on, ',')"
	}
	return strings.Replace(connectionColumns, "@AGG@", aggregate, 1) + ", " + statusColumns
}

// connectionTargets are where the columns of connectionColumns go.
func connectionTargets(c *ConnectionRow, dependsOn *string) []any {
	return append([]any{&c.ID, &c.Name, &c.SourceID, &c.DestinationID, &c.Schema, intoJSON(&c.Labels), &c.Team, intoJSON(&c.Schedule), intoJSON(&c.Windows),
		dependsOn, &c.Names, &c.Drift, &c.OnLost, &c.Nested, intoJSON(&c.Limits), durationScanner{&c.Freshness},
		&c.Paused, &c.AllStreams, &c.SelectedStreams, &c.CreatedBy, &c.Version, intoTime(&c.CreatedAt), intoTime(&c.UpdatedAt)}, statusTargets(&c.Status)...)
}

func statusTargets(t *Status) []any {
	return []any{&t.Setup, &t.State, intoTime(&t.RescheduledFor), intoTime(&t.NextRunAt), &t.LastSyncID, &t.LastOutcome, intoTime(&t.LastSuccessAt),
		intoJSON(&t.LastFailure), &t.Freshness, intoTime(&t.DelayedAt), &t.Waiting, &t.FailuresInRow, &t.Epoch,
		&t.EndedSyncID, intoTime(&t.EndedAt), &t.EndedRows, durationScanner{&t.EndedTook}}
}

func splitIDs(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func scanConnection(row scanner, c *Connection) error {
	var r ConnectionRow
	var dependsOn string
	if err := row(connectionTargets(&r, &dependsOn)...); err != nil {
		return err
	}
	*c = r.Connection
	c.DependsOn = splitIDs(dependsOn)
	return nil
}

// CreateConnection keeps c with its streams. It fills ID if empty, Version, the
// times and the Status of a new connection: epoch 0, no next run, state
// scheduled or paused, on_schedule, Setup as given or incomplete. A name that is
// taken is a CodeNameTaken error, a source, destination or dependency that does not
// exist CodeReference.
func (s *Store) CreateConnection(ctx context.Context, c *Connection) error {
	now := s.Now()
	made := *c
	if made.ID == "" {
		made.ID = NewID(ConnectionID, now)
	}
	made.Version, made.CreatedAt, made.UpdatedAt = 1, now, now
	made.Status = Status{Setup: c.Status.Setup, State: restState(c.Paused), Freshness: OnSchedule}
	if made.Status.Setup == "" {
		made.Status.Setup = Incomplete
	}
	err := s.change(ctx, durable, func(x *txn) error {
		if err := x.insertConnection(ctx, &made); err != nil {
			return err
		}
		if err := x.insert(ctx, "connection_status", "connection_id, paused, planned, open, setup, state, rescheduled_for, next_run_at, last_sync_id, "+
			"last_outcome, last_success_at, last_failure, freshness, delayed_at, waiting, failures, epoch", "",
			[][]any{{made.ID, made.Paused, planned(&made), false, string(made.Status.Setup), string(made.Status.State), int64(0), int64(0), "", "", int64(0), "",
				string(OnSchedule), int64(0), "", int64(0), int64(0)}}); err != nil {
			return err
		}
		if err := x.setDependencies(ctx, &made); err != nil {
			return err
		}
		return x.insertStreams(ctx, made.ID, made.Streams)
	})
	if err == nil {
		*c = made
	}
	return savedConnection("create connection", c, err)
}

// savedConnection says what an error means for who saves a connection.
func savedConnection(op string, c *Connection, err error) error {
	switch {
	case doubled(err):
		return taken("connection", c.Name)
	case dangling(err):
		return missing("connection")
	}
	return failed(op, err)
}

// restState is the state of a connection that has no open sync.
func restState(paused bool) RunState {
	if paused {
		return PausedRun
	}
	return Scheduled
}

// planned reports whether the scheduler has to work out when c runs next.
func planned(c *Connection) bool { return c.Schedule.Kind != Manual }

func (x *txn) insertConnection(ctx context.Context, c *Connection) error {
	return x.insert(ctx, "connections", "id, name, name_key, source_id, destination_id, schema_name, labels, team, schedule_kind, schedule, windows, names, "+
		"drift, on_lost, nested, limits, objective, paused, all_streams, selected_streams, created_by, version, created_at, updated_at", "",
		[][]any{{c.ID, c.Name, fold(c.Name), c.SourceID, c.DestinationID, c.Schema, toJSON(labelled(c.Labels)), c.Team, string(c.Schedule.Kind), toJSON(c.Schedule),
			toJSON(c.Windows), c.Names, c.Drift, c.OnLost, c.Nested, toJSON(c.Limits), c.Freshness.Microseconds(), c.Paused, c.AllStreams, selected(c.Streams),
			c.CreatedBy, c.Version, micros(c.CreatedAt), micros(c.UpdatedAt)}})
}

func selected(streams []Stream) (n int64) {
	for i := range streams {
		if streams[i].Selected {
			n++
		}
	}
	return n
}

func (x *txn) setDependencies(ctx context.Context, c *Connection) error {
	if _, err := x.exec(ctx, "DELETE FROM dependencies WHERE connection_id = ?", c.ID); err != nil {
		return err
	}
	rows := make([][]any, len(c.DependsOn))
	for i, on := range c.DependsOn {
		rows[i] = []any{c.ID, on}
	}
	return x.insert(ctx, "dependencies", "connection_id, depends_on", "ON CONFLICT DO NOTHING", rows)
}

const streamColumns = "namespace, name, selected, read_mode, write_mode, cursor_column, primary_key, table_name, nested, columns"

func scanStream(row scanner, v *Stream) error {
	return row(&v.Namespace, &v.Name, &v.Selected, &v.Mode, &v.Write, &v.Cursor, intoJSON(&v.PrimaryKey), &v.Table, &v.Nested, intoJSON(&v.Columns))
}

// insertStreams keeps the settings of streams, in place of those that there are.
func (x *txn) insertStreams(ctx context.Context, id string, streams []Stream) error {
	rows := make([][]any, len(streams))
	for i, v := range streams {
		rows[i] = []any{id, v.Namespace, v.Name, v.Selected, string(v.Mode), string(v.Write), v.Cursor, toJSON(v.PrimaryKey), v.Table, v.Nested, toJSON(v.Columns),
			fold(v.TableName().String())}
	}
	return x.insert(ctx, "streams", "connection_id, "+streamColumns+", name_key", "ON CONFLICT (connection_id, namespace, name) DO UPDATE SET "+
		"selected = excluded.selected, read_mode = excluded.read_mode, write_mode = excluded.write_mode, cursor_column = excluded.cursor_column, "+
		"primary_key = excluded.primary_key, table_name = excluded.table_name, nested = excluded.nested, columns = excluded.columns", rows)
}

// Connection returns the connection of that id with its streams, or ErrNotFound.
func (s *Store) Connection(ctx context.Context, id string) (*Connection, error) {
	return s.connection(ctx, "c.id = ?", id)
}

// ConnectionByName returns the connection of that name, whatever the case, or
// ErrNotFound.
func (s *Store) ConnectionByName(ctx context.Context, name string) (*Connection, error) {
	return s.connection(ctx, "c.name_key = ?", fold(name))
}

func (s *Store) connection(ctx context.Context, condition string, arg any) (*Connection, error) {
	r := s.reader()
	c, err := first(ctx, r, scanConnection, "SELECT "+s.dialect.connectionColumns()+" FROM "+connectionTables+" WHERE "+condition, arg)
	if err == nil {
		c.Streams, err = r.streams(ctx, c.ID)
	}
	if err != nil {
		return nil, failed("get connection", err)
	}
	return c, nil
}

func (c conn) streams(ctx context.Context, id string) ([]Stream, error) {
	return all(ctx, c, scanStream, "SELECT "+streamColumns+" FROM streams WHERE connection_id = ? ORDER BY namespace, name", id)
}

// UpdateConnection replaces settings and streams if the version is still
// c.Version, else it returns ErrConflict. It sets c.Version and UpdatedAt; Status
// stays, save that NextRunAt is cleared where Schedule, Windows or Paused changed,
// and State follows Paused. CreatedBy stays.
func (s *Store) UpdateConnection(ctx context.Context, c *Connection) error {
	now := s.Now()
	err := s.change(ctx, durable, func(x *txn) error {
		before, err := first(ctx, x.conn, scanConnection, "SELECT "+s.dialect.connectionColumns()+" FROM "+connectionTables+" WHERE c.id = ?"+s.dialect.lock(), c.ID)
		if err != nil {
			return err
		}
		if before.Version != c.Version {
			return ErrConflict
		}
		if err := x.updateConnection(ctx, c, before, micros(now)); err != nil {
			return err
		}
		if err := x.setDependencies(ctx, c); err != nil {
			return err
		}
		return x.replaceStreams(ctx, c)
	})
	if err == nil {
		c.Version, c.UpdatedAt = c.Version+1, now
	}
	return savedConnection("update connection", c, err)
}

func (x *txn) updateConnection(ctx context.Context, c, before *Connection, now int64) error {
	n, err := x.exec(ctx, "UPDATE connections SET name = ?, name_key = ?, source_id = ?, destination_id = ?, schema_name = ?, labels = ?, team = ?, "+
		"schedule_kind = ?, schedule = ?, windows = ?, names = ?, drift = ?, on_lost = ?, nested = ?, limits = ?, objective = ?, paused = ?, all_streams = ?, "+
		"selected_streams = ?, version = version + 1, updated_at = ? WHERE id = ? AND version = ?",
		c.Name, fold(c.Name), c.SourceID, c.DestinationID, c.Schema, toJSON(labelled(c.Labels)), c.Team,
		string(c.Schedule.Kind), toJSON(c.Schedule), toJSON(c.Windows), c.Names, c.Drift, c.OnLost, c.Nested, toJSON(c.Limits), c.Freshness.Microseconds(),
		c.Paused, c.AllStreams, selected(c.Streams), now, c.ID, c.Version)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrConflict
	}
	if !reflect.DeepEqual(c.Windows, before.Windows) { // a queued sync may wait for the end of one that is gone; the worker looks again
		if _, err := x.exec(ctx, "UPDATE syncs SET retry_at = 0, updated_at = ? WHERE connection_id = ? AND state = 'queued' AND retry_at > ?", now, c.ID, now); err != nil {
			return err
		}
	}
	if _, err := x.exec(ctx, "UPDATE connection_status SET unaimed = (unaimed OR ?), rev = rev + 1 WHERE connection_id = ?",
		c.Schedule != before.Schedule || c.Freshness != before.Freshness, c.ID); err != nil {
		return err
	}
	if c.Schedule != before.Schedule || c.Paused != before.Paused || !reflect.DeepEqual(c.Windows, before.Windows) {
		return x.replan(ctx, c.ID, c.Paused, planned(c))
	}
	return nil
}

// replan makes the next run of a connection to be worked out again.
func (x *txn) replan(ctx context.Context, id string, paused, planned bool) error {
	_, err := x.exec(ctx, "UPDATE connection_status SET paused = ?, planned = ?, next_run_at = 0, rev = rev + 1, "+
		"state = CASE WHEN open THEN state WHEN ? THEN 'paused' WHEN state = 'paused' THEN 'scheduled' ELSE state END WHERE connection_id = ?",
		paused, planned, paused, id)
	return err
}

func (x *txn) replaceStreams(ctx context.Context, c *Connection) error {
	have, err := x.streams(ctx, c.ID)
	if err != nil {
		return err
	}
	before := make(map[sluice.TableName]*Stream, len(have))
	for i := range have {
		before[have[i].TableName()] = &have[i]
	}
	var changed []Stream
	for _, v := range c.Streams {
		if b := before[v.TableName()]; b == nil || !reflect.DeepEqual(*b, v) {
			changed = append(changed, v)
		}
		delete(before, v.TableName())
	}
	for name := range before {
		if _, err := x.exec(ctx, "DELETE FROM streams WHERE connection_id = ? AND namespace = ? AND name = ?", c.ID, name.Schema, name.Name); err != nil {
			return err
		}
	}
	return x.insertStreams(ctx, c.ID, changed)
}

// UpdateStreams changes or adds the settings of some streams and leaves the
// others; version is the connection's, 0 for whatever it is. It returns the
// connection's new version, or ErrConflict.
func (s *Store) UpdateStreams(ctx context.Context, id string, version int64, streams []Stream) (int64, error) {
	err := s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE connections SET version = version + 1, updated_at = ? WHERE id = ? AND (version = ? OR ? = 0)",
			micros(s.Now()), id, version, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return x.conflict(ctx, "connections", id)
		}
		if err := x.insertStreams(ctx, id, streams); err != nil {
			return err
		}
		if _, err := x.exec(ctx, "UPDATE connections SET selected_streams = (SELECT count(*) FROM streams WHERE connection_id = ? AND selected) WHERE id = ?", id, id); err != nil {
			return err
		}
		return x.value(ctx, &version, "SELECT version FROM connections WHERE id = ?", id)
	})
	return version, failed("update streams", err)
}

// SetPaused pauses or resumes a connection and returns its new version. Pausing
// does not end a running sync. Repeating it changes nothing.
func (s *Store) SetPaused(ctx context.Context, id string, paused bool) (version int64, err error) {
	err = s.change(ctx, durable, func(x *txn) error {
		n, err := x.exec(ctx, "UPDATE connections SET paused = ?, version = version + 1, updated_at = ? WHERE id = ? AND paused <> ?", paused, micros(s.Now()), id, paused)
		if err != nil {
			return err
		}
		var kind ScheduleKind
		if err := x.one(ctx, "SELECT version, schedule_kind FROM connections WHERE id = ?", []any{id}, func(row scanner) error { return row(&version, &kind) }); err != nil || n == 0 {
			return err
		}
		return x.replan(ctx, id, paused, kind != Manual)
	})
	return version, failed("pause or resume", err)
}

// DeleteConnection deletes the connection, with its streams, journal, current
// states and grants, if its version is still version (0: whatever it is). A queued
// sync of it is cancelled. While a sync of it runs or another connection depends
// on it, it returns a CodeInUse error. Its syncs, drifts and former states can be
// read until the next Prune; audit and events stay as long as others, and so does its
// part in incidents, which it leaves.
func (s *Store) DeleteConnection(ctx context.Context, id string, version int64) error {
	const op = "delete connection"
	err := s.change(ctx, durable, func(x *txn) error {
		if _, err := x.status(ctx, id); err != nil { // locks it against claims
			return err
		}
		if err := x.undisturbed(ctx, op, id); err != nil {
			return err
		}
		now := micros(s.Now())
		if _, err := x.exec(ctx, "UPDATE syncs SET state = 'ended', outcome = 'cancelled', ended_at = ?, updated_at = ? WHERE connection_id = ? AND state <> 'ended'", now, now, id); err != nil {
			return err
		}
		if _, err := x.exec(ctx, "UPDATE incident_connections SET left_at = ? WHERE connection_id = ? AND left_at = 0", now, id); err != nil {
			return err
		}
		n, err := x.exec(ctx, "DELETE FROM connections WHERE id = ? AND (version = ? OR ? = 0)", id, version, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return x.conflict(ctx, "connections", id)
		}
		return x.insert(ctx, "deleted_connections", "connection_id, at", "ON CONFLICT DO NOTHING", [][]any{{id, now}})
	})
	if dangling(err) {
		return inUse(op, "delete the dependency first", "another connection depends on it")
	}
	return failed(op, err)
}

// undisturbed reports as an error what speaks against deleting a connection.
func (x *txn) undisturbed(ctx context.Context, op, id string) error {
	var name string
	err := x.value(ctx, &name, "SELECT c.name FROM dependencies d JOIN connections c ON c.id = d.connection_id WHERE d.depends_on = ? ORDER BY c.name LIMIT 1", id)
	if err == nil {
		return inUse(op, "delete the dependency first", "the connection %q depends on it", name)
	}
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	return x.idle(ctx, op, id)
}

// idle is a CodeInUse error while a sync of the connection runs.
func (x *txn) idle(ctx context.Context, op, id string) error {
	var running string
	err := x.value(ctx, &running, "SELECT id FROM syncs WHERE connection_id = ? AND state = 'running' AND state <> 'ended'", id)
	if err == nil {
		return inUse(op, "cancel the sync first, or wait for its end", "the sync %s of it runs", running)
	}
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// The id comes from the table of the column, so that one index has both.
var connectionOrders = map[string]column{"name": {name: "c.name_key"}, "created": {name: "c.created_at", number: true}, "updated": {name: "c.updated_at", number: true},
	"last_success": {"t.last_success_at", true, "t.connection_id"}, "next_run": {"t.next_run_at", true, "t.connection_id"}, "state": {"t.state", false, "t.connection_id"}}

// sourceOf and destinationOf select a column of what a connection joins: not by a
// join, for which the database might give up the order of the page.
func sourceOf(column string) string {
	return ", (SELECT s." + column + " FROM sources s WHERE s.id = c.source_id)"
}

func destinationOf(column string) string {
	return ", (SELECT d." + column + " FROM destinations d WHERE d.id = c.destination_id)"
}

// connectionRows are connections as lists show them.
func connectionRows(d dialect) *list[ConnectionRow] {
	return &list[ConnectionRow]{op: "list connections", id: "c.id", sort: "name", sorts: connectionOrders, scan: scanConnectionRow,
		columns: d.connectionColumns() + sourceOf("name") + sourceOf("kind") + destinationOf("name") + destinationOf("kind"), from: connectionTables}
}

func scanConnectionRow(row scanner, r *ConnectionRow) error {
	var dependsOn string
	if err := row(append(connectionTargets(r, &dependsOn), &r.SourceName, &r.Connector, &r.DestinationName, &r.DestinationKind)...); err != nil {
		return err
	}
	r.DependsOn = splitIDs(dependsOn)
	return nil
}

// lowerASCII is lower of the database, where it knows A to Z only: always in SQLite,
// and with the collation "C" in PostgreSQL.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// ListConnections lists by name; Sort: name, created, updated, last_success,
// next_run, state.
func (s *Store) ListConnections(ctx context.Context, f ConnectionFilter, p Page) (items []ConnectionRow, next string, err error) {
	var w where
	w.is("c.source_id", f.SourceID)
	w.is("c.destination_id", f.DestinationID)
	w.is("t.state", string(f.State))
	w.is("t.setup", string(f.Setup))
	w.is("t.freshness", string(f.Freshness))
	w.is("t.last_outcome", string(f.Outcome))
	w.is("c.team", f.Team)
	w.like("c.name_key", f.Search)
	w.labels(s.dialect, "c.labels", f.Labels)
	w.among(s.dialect, "c.id", f.Among)
	if f.Tables != nil {
		names := make([]string, len(f.Tables))
		for i, name := range f.Tables {
			names[i] = lowerASCII(name)
		}
		w.add("c.id IN (SELECT connection_id FROM stream_stats WHERE "+s.dialect.among("lower(table_name)")+")", listed(names))
	}
	switch f.Health {
	case "":
	case Healthy:
		w.add("c.id NOT IN (SELECT connection_id FROM connection_health WHERE health <> 'healthy')")
	default:
		w.add("c.id IN (SELECT connection_id FROM connection_health WHERE health = ?)", string(f.Health))
	}
	if f.IncidentID != "" {
		w.add("c.id IN (SELECT connection_id FROM connection_health WHERE incident_id = ? AND incident_id <> '')", f.IncidentID)
	}
	items, next, err = connectionRows(s.dialect).page(ctx, s.reader(), w, p)
	if err == nil {
		err = failed("list connections", s.reader().annotate(ctx, items))
	}
	return items, next, err
}

// ConnectionRow is Connection as ListConnections shows it.
func (s *Store) ConnectionRow(ctx context.Context, id string) (*ConnectionRow, error) {
	l := connectionRows(s.dialect)
	row, err := first(ctx, s.reader(), l.scan, "SELECT "+l.columns+" FROM "+l.from+" WHERE c.id = ?", id)
	if err != nil {
		return nil, failed("get connection", err)
	}
	one := []ConnectionRow{*row}
	err = s.reader().annotate(ctx, one)
	return &one[0], failed("get connection", err)
}

// annotate fills in LastSync, Health and IncidentNumber.
func (c conn) annotate(ctx context.Context, rows []ConnectionRow) error {
	if err := c.lastSyncs(ctx, rows); err != nil {
		return err
	}
	return c.healthOf(ctx, rows)
}

// lastSyncs fills in LastSync.
func (c conn) lastSyncs(ctx context.Context, rows []ConnectionRow) error {
	at := map[string]*ConnectionRow{}
	var ids []string
	for i := range rows {
		if id := rows[i].Status.LastSyncID; id != "" {
			at[id] = &rows[i]
			ids = append(ids, id)
		}
	}
	if ids == nil {
		return nil
	}
	syncs, err := all(ctx, c, scanSync, "SELECT "+syncColumns+" FROM syncs WHERE "+c.dialect.among("id"), listed(ids))
	for i := range syncs {
		syncs[i].Resync = nil
		at[syncs[i].ID].LastSync = &syncs[i]
	}
	return err
}

var streamList = list[Stream]{op: "list streams", columns: streamColumns, from: "streams", id: "name", sort: "",
	sorts: map[string]column{"": {name: "namespace"}}, scan: scanStream}

// ListStreams lists the settings of a connection's streams by namespace and
// name; search is part of a name, whatever the case. Sort: none.
func (s *Store) ListStreams(ctx context.Context, id, search string, p Page) (items []Stream, next string, err error) {
	var w where
	w.add("connection_id = ?", id)
	w.like("name_key", search)
	return streamList.page(ctx, s.reader(), w, p)
}
