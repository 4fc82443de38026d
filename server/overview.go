package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// Fleet is all connections at once.
type Fleet struct {
	AsOfEvent int64      `json:"as_of_event" example:"4711" doc:"The rows hold at least what the events until this one tell: watch-events from here on (Last-Event-ID, or after; with 0, from=start) leaves no gap."`
	At        time.Time  `json:"at" example:"2026-11-21T14:07:15Z" doc:"The time of the answer, by the store's clock."`
	Items     []FleetRow `json:"items" doc:"In the order in which the connections were made."`

	raw [][]byte // the items as they are written
}

// FleetRow is a connection as lists of all of them show it.
type FleetRow struct {
	ID              string               `json:"id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection's id."`
	Name            string               `json:"name" example:"shop to warehouse" doc:"Its name."`
	SourceID        string               `json:"source_id" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"The source."`
	SourceName      string               `json:"source_name" example:"shop" doc:"The source's name."`
	Connector       string               `json:"connector" example:"shop" doc:"The source's kind."`
	DestinationID   string               `json:"destination_id" example:"dst_01hx5k2m8q4z7w9c3v6b" doc:"The destination."`
	DestinationName string               `json:"destination_name" example:"warehouse" doc:"The destination's name."`
	DestinationKind string               `json:"destination_kind" example:"duckdb" doc:"The destination's kind."`
	Team            string               `json:"team,omitempty" example:"sales" doc:"Who looks after it."`
	Labels          map[string]string    `json:"labels,omitempty" example:"{\"env\":\"prod\"}" doc:"Its labels."`
	Region          string               `json:"region,omitempty" example:"eu" doc:"The region in which it runs; missing: the default region."`
	Schedule        control.ScheduleSpec `json:"schedule" example:"{\"every\":\"6h\"}" doc:"When it runs."`
	Objective       string               `json:"objective,omitempty" example:"12h" doc:"How old the last success may be; missing: twice the schedule's period."`
	Paused          bool                 `json:"paused,omitempty" example:"false" doc:"Whether it is kept from running."`
	SetupState      string               `json:"setup_state" enum:"incomplete,connected,broken" example:"connected" doc:"Whether source and destination are ready."`
	SyncState       string               `json:"sync_state" enum:"scheduled,queued,syncing,rescheduled,paused" example:"syncing" doc:"What it is doing."`
	Waiting         string               `json:"waiting,omitempty" example:"no worker in region eu" doc:"Why its queued sync waits."`
	RescheduledFor  time.Time            `json:"rescheduled_for,omitzero" example:"2026-11-21T15:00:00Z" doc:"When the quota that it waits for is there again."`
	Freshness       string               `json:"freshness" enum:"on_schedule,delayed" example:"on_schedule" doc:"Its last success against its objective."`
	DelayedAt       time.Time            `json:"delayed_at,omitzero" example:"2026-11-22T02:07:20Z" doc:"Since when it is delayed; where it is not, when it will be unless a sync succeeds before."`
	NextRunAt       time.Time            `json:"next_run_at,omitzero" example:"2026-11-21T20:07:13Z" doc:"When it runs next by itself."`
	LastSync        *FleetLast           `json:"last_sync,omitempty" doc:"Its latest sync that has ended."`
	LastSuccessAt   time.Time            `json:"last_success_at,omitzero" example:"2026-11-21T14:07:20Z" doc:"When a sync last succeeded."`
	FailuresInRow   int                  `json:"failures_in_row,omitempty" example:"0" doc:"Syncs that failed since the last success."`
	Failure         *FleetFailure        `json:"failure,omitempty" doc:"Why its latest sync failed."`
	Sync            *FleetSync           `json:"sync,omitempty" doc:"Its open sync."`
	Health          *RowHealth           `json:"health,omitempty" doc:"How it is, where it is not healthy."`
}

// RowHealth is how a connection is that is not healthy.
type RowHealth struct {
	State      string    `json:"state" enum:"degraded,down,needs_action" example:"degraded" doc:"degraded: failing or late, within its threshold; down: past it; needs_action: someone must do something."`
	Since      time.Time `json:"since" example:"2026-11-21T12:00:00Z" doc:"Since when."`
	Reason     string    `json:"reason,omitempty" example:"2 syncs in a row failed: postgres_connect" doc:"Why; cut at 300 bytes."`
	Flapping   bool      `json:"flapping,omitempty" example:"false" doc:"Whether it changes to and fro."`
	IncidentID string    `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The open incident that it is in."`
}

// FleetLast is the latest sync of a connection that has ended.
type FleetLast struct {
	ID      string    `json:"id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Outcome string    `json:"outcome" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled" example:"succeeded" doc:"How it ended."`
	EndedAt time.Time `json:"ended_at" example:"2026-11-21T14:07:20Z" doc:"When."`
	Rows    int64     `json:"rows" example:"1250" doc:"Rows committed."`
	Seconds float64   `json:"seconds" example:"6.25" doc:"From its start to its end; 0: it never started."`
}

// FleetFailure is a Failure, shortened.
type FleetFailure struct {
	Class   string    `json:"class" enum:"bug,transient,throttled,config,auth,blocked,lost,data,cancelled" example:"auth" doc:"What the platform does about it."`
	Code    string    `json:"code" example:"postgres_connect" doc:"Stable name of the failure."`
	Message string    `json:"message" example:"connect: password authentication failed for user \"shop\"" doc:"What happened; cut at 300 bytes."`
	Stream  string    `json:"stream,omitempty" example:"public.orders" doc:"The stream that it is about."`
	At      time.Time `json:"at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When."`
	Runbook string    `json:"runbook,omitempty" example:"postgres-sign-in" doc:"Id of the runbook that says what to do."`
}

// FleetSync is an open sync.
type FleetSync struct {
	ID         string        `json:"id" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	State      string        `json:"state" enum:"queued,running,retrying" example:"running" doc:"Where it is."`
	Kind       string        `json:"kind" enum:"manual,incremental,historical" example:"incremental" doc:"Its place in the queue."`
	Trigger    string        `json:"trigger" enum:"schedule,manual,dependency,retry,resync" example:"schedule" doc:"What started it."`
	WorkerID   string        `json:"worker_id,omitempty" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"The worker that has it, or had it last."`
	Attempts   int           `json:"attempts,omitempty" example:"1" doc:"How often a worker tried."`
	DueAt      time.Time     `json:"due_at,omitzero" example:"2026-11-21T14:07:13Z" doc:"When it was due."`
	QueuedAt   time.Time     `json:"queued_at" example:"2026-11-21T14:07:13Z" doc:"When it came into the queue."`
	StartedAt  time.Time     `json:"started_at,omitzero" example:"2026-11-21T14:07:14Z" doc:"When its first attempt began."`
	RetryAt    time.Time     `json:"retry_at,omitzero" example:"2026-11-21T14:17:00Z" doc:"When its next attempt may begin."`
	Cancelling bool          `json:"cancelling,omitempty" example:"false" doc:"Whether someone asked for its end."`
	Progress   *SyncProgress `json:"progress,omitempty" doc:"How far it is; missing until it has said so."`
}

// SyncProgress is how far a sync is: the data of an event of the type
// sync.progress, of which its own time stands with the event.
type SyncProgress struct {
	At         time.Time        `json:"at,omitzero" example:"2026-11-21T14:07:15Z" doc:"When it said so."`
	Attempt    int              `json:"attempt" example:"1" doc:"Of which attempt the counters are."`
	Phase      string           `json:"phase" enum:"waiting,reading,finishing,retrying" example:"reading" doc:"What it is doing: reading while a stream at least is read, then finishing, while last loads are under way; retrying: all that is left waits for another try; waiting: nothing has begun."`
	Rows       int64            `json:"rows" example:"81250" doc:"Rows read."`
	Bytes      int64            `json:"bytes" example:"10485760" doc:"Bytes read, as held in memory."`
	Committed  int64            `json:"committed" example:"65536" doc:"Rows visible in the destination."`
	Total      int64            `json:"total,omitempty" example:"120000" doc:"Rows that are expected, by the source's estimates; missing where those of a stream are not known."`
	RowRate    float64          `json:"rows_per_second" example:"12500" doc:"Rows read a second, over the last ten seconds or so."`
	ByteRate   float64          `json:"bytes_per_second" example:"1310720" doc:"Bytes read a second, likewise."`
	Streams    int              `json:"streams" example:"12" doc:"Streams of the sync."`
	Done       int              `json:"done" example:"3" doc:"Those that are up to date."`
	Failed     int              `json:"failed" example:"0" doc:"Those that failed."`
	Moved      []StreamProgress `json:"moved,omitempty" doc:"The streams whose counters changed since the event before; at most 50, the busiest."`
	MovedTotal int              `json:"moved_total,omitempty" example:"2" doc:"How many streams changed, where moved does not name them all."`
}

// StreamProgress is how far a stream of a sync is.
type StreamProgress struct {
	Namespace string `json:"namespace,omitempty" example:"public" doc:"The schema of the source in which the stream is."`
	Name      string `json:"name" example:"orders" doc:"The stream's name there."`
	Phase     string `json:"phase" enum:"waiting,reading,finishing,retrying,done,failed,interrupted" example:"reading" doc:"What happens to it."`
	Rows      int64  `json:"rows" example:"81250" doc:"Rows read."`
	Bytes     int64  `json:"bytes" example:"10485760" doc:"Bytes read."`
	Committed int64  `json:"committed" example:"65536" doc:"Rows visible in the destination."`
	Total     int64  `json:"total,omitempty" example:"120000" doc:"Rows that are expected; missing where that is not known."`
}

// Totals are what syncs that ended in some time did.
type Totals struct {
	Succeeded   int64   `json:"succeeded" example:"40" doc:"Syncs that succeeded."`
	Warned      int64   `json:"succeeded_with_warnings" example:"1" doc:"Syncs that succeeded with warnings."`
	Failed      int64   `json:"failed" example:"2" doc:"Syncs that failed."`
	Rescheduled int64   `json:"rescheduled" example:"0" doc:"Syncs that were rescheduled for a quota."`
	Cancelled   int64   `json:"cancelled" example:"0" doc:"Syncs that were cancelled."`
	Rows        int64   `json:"rows" example:"125000" doc:"Rows that they committed."`
	Bytes       int64   `json:"bytes" example:"16777216" doc:"Bytes that they read."`
	Seconds     float64 `json:"seconds" example:"310.5" doc:"How long they ran, together."`
}

func viewTotals(t store.Totals) Totals {
	return Totals{Succeeded: t.Succeeded, Warned: t.Warned, Failed: t.Failed, Rescheduled: t.Rescheduled, Cancelled: t.Cancelled,
		Rows: t.Rows, Bytes: t.Bytes, Seconds: t.Took.Seconds()}
}

// Hour is what syncs that ended in an hour did.
type Hour struct {
	At time.Time `json:"at" example:"2026-11-21T14:00:00Z" doc:"The hour's beginning."`
	Totals
}

// Hours are the fleet's.
type Hours struct {
	Items []Hour `json:"items" doc:"Every hour asked for, oldest first; the last one is under way."`
}

// Day is what a connection's syncs that ended on a day did.
type Day struct {
	Date string `json:"date" format:"date" example:"2026-11-21" doc:"The day, of UTC."`
	Totals
}

// Days are a connection's.
type Days struct {
	Items []Day `json:"items" doc:"Every day asked for, oldest first; the last one is under way."`
}

// Strips are the days of many connections, a letter each.
type Strips struct {
	First  string            `json:"first" format:"date" example:"2026-10-23" doc:"The day of the strips' first letter, of UTC."`
	Days   int               `json:"days" example:"30" doc:"How many letters each strip has; the last one is today, under way."`
	Strips map[string]string `json:"strips" example:"{\"con_01hx5k2m8q4z7w9c3v6b\":\"---ssspssssssssssswssssssfffsss\"}" doc:"By connection. A letter says the worst of a day: - no sync ended, s all succeeded, w some with warnings, r only rescheduled for a quota, c only cancelled, p some failed and others succeeded, f all failed. Connections without a sync in all that time are left out."`
}

func overviewRoutes(s *server, api huma.API) {
	const tag = "Fleet"
	register(s, api, route{id: "get-fleet", method: http.MethodGet, path: "/api/v1/fleet", tag: tag, summary: "Get the fleet",
		doc: "Answers all connections that the caller may see, in one answer without pages: what a list or a wall of thousands shows of each. Fields without a value are left out. Read it once, keep it up to date by watch-events from as_of_event on, and read single rows anew with id."}, s.getFleet)
	register(s, api, route{id: "get-fleet-hours", method: http.MethodGet, path: "/api/v1/fleet/hours", tag: tag, summary: "Get the fleet's hours",
		doc: "Answers what the syncs that ended in each of the last hours did, of all connections that the caller may see."}, s.getFleetHours)
	register(s, api, route{id: "get-fleet-days", method: http.MethodGet, path: "/api/v1/fleet/days", tag: tag, summary: "Get strips of days",
		doc: "Answers how the last days went, for all connections that the caller may see: a letter for each day."}, s.getFleetDays)
	register(s, api, route{id: "get-connection-days", method: http.MethodGet, path: "/api/v1/connections/{connection}/days", tag: "Connections", summary: "Get a connection's days",
		doc: "Answers what a connection's syncs did, by day. Days are kept for 400 days, longer than the syncs themselves."}, s.getConnectionDays)
}

func (s *server) getFleetHours(ctx context.Context, in *struct {
	Hours int `query:"hours" minimum:"1" maximum:"720" default:"24" example:"24" doc:"How many hours, the one under way included."`
}) (*Plain[Hours], error) {
	last := s.Store.Now().Truncate(time.Hour)
	from := last.Add(-time.Duration(in.Hours-1) * time.Hour)
	found, err := s.Store.FleetHours(ctx, from, last, among(ctx))
	if err != nil {
		return nil, err
	}
	v := Hours{Items: make([]Hour, in.Hours)}
	for i := range v.Items {
		v.Items[i].At = from.Add(time.Duration(i) * time.Hour)
	}
	for _, h := range found {
		if i := int(h.Start.Sub(from) / time.Hour); i >= 0 && i < len(v.Items) {
			v.Items[i].Totals = viewTotals(h.Totals)
		}
	}
	return &Plain[Hours]{Body: v}, nil
}

const aDay = 24 * time.Hour

func (s *server) getConnectionDays(ctx context.Context, in *struct {
	ConnectionID
	Days int `query:"days" minimum:"1" maximum:"400" default:"90" example:"90" doc:"How many days, today included."`
}) (*Plain[Days], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	last := s.Store.Now().Truncate(aDay)
	from := last.Add(-time.Duration(in.Days-1) * aDay)
	found, err := s.Store.ConnectionDays(ctx, in.Connection, from, last)
	if err != nil {
		return nil, err
	}
	v := Days{Items: make([]Day, in.Days)}
	for i := range v.Items {
		v.Items[i].Date = from.Add(time.Duration(i) * aDay).Format(time.DateOnly)
	}
	for _, d := range found {
		if i := int(d.Start.Sub(from) / aDay); i >= 0 && i < len(v.Items) {
			v.Items[i].Totals = viewTotals(d.Totals)
		}
	}
	return &Plain[Days]{Body: v}, nil
}

func (s *server) getFleetDays(ctx context.Context, in *struct {
	Days int `query:"days" minimum:"1" maximum:"90" default:"30" example:"30" doc:"How many days, today included."`
}) (*Plain[Strips], error) {
	last := s.Store.Now().Truncate(aDay)
	from := last.Add(-time.Duration(in.Days-1) * aDay)
	strips, err := s.strips.read(ctx, s.Store, from, last, among(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[Strips]{Body: Strips{First: from.Format(time.DateOnly), Days: in.Days, Strips: strips}}, nil
}
