package server

import (
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

func viewSchedule(s store.Schedule) control.ScheduleSpec {
	return control.ScheduleSpec{Every: shortDuration(s.Every), Cron: s.Cron, Zone: s.Zone, Manual: s.Kind == store.Manual}
}

// shortDuration writes 6h rather than 6h0m0s, and nothing for zero.
func shortDuration(d time.Duration) string {
	text := durationText(d)
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Status is what the scheduler knows of a connection.
type Status struct {
	SetupState     string    `json:"setup_state" enum:"incomplete,connected,broken" example:"connected" doc:"Whether source and destination are ready."`
	SyncState      string    `json:"sync_state" enum:"scheduled,queued,syncing,rescheduled,paused" example:"scheduled" doc:"What the connection is doing."`
	Freshness      string    `json:"freshness" enum:"on_schedule,delayed" example:"on_schedule" doc:"Its last success against its objective."`
	RescheduledFor time.Time `json:"rescheduled_for,omitzero" example:"2026-11-21T15:00:00Z" doc:"When the quota that it waits for is there again."`
	DelayedAt      time.Time `json:"delayed_at,omitzero" example:"2026-11-22T02:07:20Z" doc:"Since when it is delayed; where it is not, when it will be unless a sync succeeds before."`
	NextRunAt      time.Time `json:"next_run_at,omitzero" example:"2026-11-21T20:07:13Z" doc:"When it runs next by its schedule."`
	Waiting        string    `json:"waiting,omitempty" example:"no worker in region eu" doc:"Why its queued sync waits."`
	LastSyncID     string    `json:"last_sync_id,omitempty" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"Its latest sync."`
	LastOutcome    string    `json:"last_outcome,omitempty" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled" example:"succeeded" doc:"How the latest sync that has ended did so."`
	LastSuccessAt  time.Time `json:"last_success_at,omitzero" example:"2026-11-21T14:07:20Z" doc:"When a sync last succeeded."`
	LastFailure    *Failure  `json:"last_failure,omitempty" doc:"Of the latest sync, when it failed."`
	FailuresInRow  int       `json:"failures_in_row" example:"0" doc:"Syncs that failed since the last success."`
}

func (s *server) viewStatus(t *store.Status, k store.Kinds) Status {
	return Status{SetupState: string(t.Setup), SyncState: string(t.State), Freshness: string(t.Freshness), RescheduledFor: t.RescheduledFor,
		DelayedAt: t.DelayedAt, NextRunAt: t.NextRunAt, Waiting: t.Waiting, LastSyncID: t.LastSyncID, LastOutcome: string(t.LastOutcome),
		LastSuccessAt: t.LastSuccessAt, LastFailure: s.viewFailure(t.LastFailure, k), FailuresInRow: t.FailuresInRow}
}

// Connection is one source, one destination, chosen streams and a schedule. Its
// streams have a list of their own.
type Connection struct {
	ID              string               `json:"id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Name            string               `json:"name" example:"shop to warehouse" doc:"Unique among connections, whatever the case of its letters."`
	SourceID        string               `json:"source_id" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"The source."`
	SourceName      string               `json:"source_name" example:"shop" doc:"The source's name."`
	Connector       string               `json:"connector" example:"shop" doc:"The source's kind."`
	DestinationID   string               `json:"destination_id" example:"dst_01hx5k2m8q4z7w9c3v6b" doc:"The destination."`
	DestinationName string               `json:"destination_name" example:"warehouse" doc:"The destination's name."`
	DestinationKind string               `json:"destination_kind" example:"duckdb" doc:"The destination's kind."`
	Schema          string               `json:"schema" example:"shop" doc:"The schema of the destination in which tables land."`
	Labels          map[string]string    `json:"labels,omitempty" example:"{\"env\":\"prod\"}" doc:"Labels of your own, to filter by."`
	Team            string               `json:"team" example:"sales" doc:"Who looks after it."`
	Schedule        control.ScheduleSpec `json:"schedule" example:"{\"every\":\"6h\"}" doc:"When it runs: one of every, cron and manual."`
	Windows         []control.WindowSpec `json:"windows,omitempty" doc:"Times in which it must not run."`
	DependsOn       []string             `json:"depends_on,omitempty" example:"[\"con_01hx5k2m8q4z7w9c3v6a\"]" doc:"Connections after whose success it runs."`
	Names           string               `json:"names" enum:"normalized,source" example:"normalized" doc:"Names of tables and columns: by rule, or as the source has them."`
	Drift           string               `json:"drift" enum:"allow_all,allow_columns,block_all" example:"allow_all" doc:"What new streams and columns of the source do: come in, only columns come in, or wait for approval."`
	OnLost          string               `json:"on_lost" enum:"ask,resync" example:"ask" doc:"What happens when the source no longer knows the position: a plan waits for approval, or the streams are read anew."`
	Nested          string               `json:"nested" enum:"json,tables" example:"json" doc:"What becomes of nested arrays of streams that do not say."`
	Limits          control.LimitsSpec   `json:"limits" doc:"Bounds of its syncs; what is left out is by default."`
	Freshness       string               `json:"freshness" example:"12h" doc:"Its objective: how old the last success may be. Empty: twice the schedule's period."`
	Paused          bool                 `json:"paused" example:"false" doc:"Whether it is kept from running."`
	AllStreams      bool                 `json:"all_streams" example:"true" doc:"Whether streams without settings are replicated too."`
	SelectedStreams int64                `json:"selected_streams" example:"12" doc:"How many streams with settings are selected."`
	Status          Status               `json:"status" doc:"What it is doing, and how it fares."`
	Health          string               `json:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"healthy" doc:"How it is: degraded: failing or late, within its threshold; down: failing past it; needs_action: only a person can help; unmeasured: paused, or nothing is known yet."`
	HealthSince     time.Time            `json:"health_since,omitzero" example:"2026-11-21T12:00:00Z" doc:"Since when it is so."`
	HealthReason    string               `json:"health_reason" example:"the last sync succeeded" doc:"Why, in words."`
	IncidentID      string               `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident under way that it is in."`
	IncidentNumber  int64                `json:"incident_number,omitempty" example:"42" doc:"Its number."`
	LastSync        *Sync                `json:"last_sync,omitempty" doc:"Its latest sync."`
	CreatedBy       string               `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt       time.Time            `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt       time.Time            `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When its settings were last changed."`
}

func (s *server) viewConnection(r *store.ConnectionRow) Connection {
	kinds := store.Kinds{Source: r.Connector, Destination: r.DestinationKind}
	c := Connection{ID: r.ID, Name: r.Name, SourceID: r.SourceID, SourceName: r.SourceName, Connector: r.Connector,
		DestinationID: r.DestinationID, DestinationName: r.DestinationName, DestinationKind: r.DestinationKind,
		Schema: r.Schema, Labels: r.Labels, Team: r.Team, Schedule: viewSchedule(r.Schedule), DependsOn: r.DependsOn,
		Names: r.Names, Drift: r.Drift, OnLost: r.OnLost, Nested: r.Nested, Limits: control.LimitsSpec(r.Limits),
		Freshness: shortDuration(r.Connection.Freshness), Paused: r.Paused, AllStreams: r.AllStreams, SelectedStreams: r.SelectedStreams,
		Status: s.viewStatus(&r.Status, kinds), CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
	h := s.viewHealth(r)
	c.Health, c.HealthSince, c.HealthReason, c.IncidentID, c.IncidentNumber = h.Health, h.Since, h.Reason, h.IncidentID, h.IncidentNumber
	if c.Names == "" {
		c.Names = "normalized"
	}
	for _, w := range r.Windows {
		c.Windows = append(c.Windows, control.WindowSpec(w))
	}
	if r.LastSync != nil {
		y := s.viewSync(r.LastSync, kinds)
		c.LastSync = &y
	}
	return c
}

// ConnectionChange is a connection after a change.
type ConnectionChange struct {
	Connection
	Notes []string `json:"notes,omitempty" example:"[\"rows that are loaded keep their column email; re-sync the stream to hash it in them\"]" doc:"What the change means for rows that are loaded."`
}

// StreamName names a stream.
type StreamName struct {
	Namespace string `json:"namespace" example:"public" doc:"The schema of the source in which the stream is; empty where it has none."`
	Name      string `json:"name" example:"orders" doc:"The stream's name there."`
}

func viewName(n sluice.TableName) StreamName { return StreamName{Namespace: n.Schema, Name: n.Name} }

// Sync is one run of a connection.
type Sync struct {
	ID              string       `json:"id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	ConnectionID    string       `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Trigger         string       `json:"trigger" enum:"schedule,manual,dependency,retry,resync" example:"schedule" doc:"What started it."`
	Kind            string       `json:"kind" enum:"manual,incremental,historical" example:"incremental" doc:"Its place in the queue: manual first, then incremental by lateness, then historical."`
	State           string       `json:"state" enum:"queued,running,retrying,ended" example:"ended" doc:"Where it is."`
	Outcome         string       `json:"outcome,omitempty" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled" example:"succeeded" doc:"How it ended."`
	Region          string       `json:"region" example:"eu" doc:"The region of the workers that may run it; empty: any."`
	WorkerID        string       `json:"worker_id,omitempty" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"The worker that has it, or had it last."`
	Attempts        int          `json:"attempts" example:"1" doc:"How often a worker tried."`
	DueAt           time.Time    `json:"due_at,omitzero" example:"2026-11-21T14:07:13Z" doc:"When it was due."`
	QueuedAt        time.Time    `json:"queued_at" example:"2026-11-21T14:07:13Z" doc:"When it came into the queue."`
	StartedAt       time.Time    `json:"started_at,omitzero" example:"2026-11-21T14:07:14Z" doc:"When its first attempt began."`
	EndedAt         time.Time    `json:"ended_at,omitzero" example:"2026-11-21T14:07:20Z" doc:"When it ended."`
	RetryAt         time.Time    `json:"retry_at,omitzero" example:"2026-11-21T14:17:00Z" doc:"When the next attempt may begin."`
	CancelRequested bool         `json:"cancel_requested" example:"false" doc:"Whether someone asked for its end."`
	RequestedBy     string       `json:"requested_by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who asked for it; missing for the scheduler."`
	Resync          []StreamName `json:"resync,omitempty" doc:"Streams that are read anew; one with an empty name: all."`
	Rows            int64        `json:"rows" example:"1250" doc:"Rows committed."`
	Bytes           int64        `json:"bytes" example:"98304" doc:"Bytes read."`
	Rejected        int64        `json:"rejected" example:"0" doc:"Records that could not be loaded; they are kept in the destination."`
	Deleted         int64        `json:"deleted" example:"3" doc:"Rows deleted."`
	SchemaChanges   int64        `json:"schema_changes" example:"1" doc:"Changes to tables in the destination."`
	Warnings        int64        `json:"warnings" example:"0" doc:"Warnings in its log."`
	LogLines        int64        `json:"log_lines" example:"42" doc:"Lines of its log; not all are kept."`
	Error           *Failure     `json:"error,omitempty" doc:"Why it failed."`
}

func (s *server) viewSync(y *store.Sync, k store.Kinds) Sync {
	v := Sync{ID: y.ID, ConnectionID: y.ConnectionID, Trigger: string(y.Trigger), Kind: string(y.Kind), State: string(y.State),
		Outcome: string(y.Outcome), Region: y.Region, WorkerID: y.WorkerID, Attempts: y.Attempts, DueAt: y.DueAt, QueuedAt: y.QueuedAt,
		StartedAt: y.StartedAt, EndedAt: y.EndedAt, RetryAt: y.RetryAt, CancelRequested: y.CancelRequested, RequestedBy: y.RequestedBy,
		Rows: y.Rows, Bytes: y.Bytes, Rejected: y.Rejected, Deleted: y.Deleted, SchemaChanges: y.Changes, Warnings: y.Warnings,
		LogLines: y.LogLines, Error: s.viewFailure(y.Error, k)}
	for _, n := range y.Resync {
		v.Resync = append(v.Resync, viewName(n))
	}
	return v
}
