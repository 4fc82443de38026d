package server

import (
	"time"

	"github.com/sluicehq/sluice/store"
)

// Attempt is one try of a worker at a sync.
type Attempt struct {
	Number      int       `json:"number" example:"1" doc:"From 1."`
	WorkerID    string    `json:"worker_id" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"The worker."`
	Epoch       int64     `json:"epoch" example:"17" doc:"The fencing number of the run."`
	StartedAt   time.Time `json:"started_at" example:"2026-11-21T14:07:14Z" doc:"When it began."`
	HeartbeatAt time.Time `json:"heartbeat_at,omitzero" example:"2026-11-21T14:07:19Z" doc:"When its worker last said that it lives."`
	LeaseUntil  time.Time `json:"lease_until,omitzero" example:"2026-11-21T14:08:19Z" doc:"When another worker may take over."`
	EndedAt     time.Time `json:"ended_at,omitzero" example:"2026-11-21T14:07:20Z" doc:"When it ended."`
	Outcome     string    `json:"outcome,omitempty" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled,lost,handed_over" example:"succeeded" doc:"How it ended. lost: its worker fell silent; handed_over: its worker was told to stop."`
	Rows        int64     `json:"rows" example:"1250" doc:"Rows committed."`
	Bytes       int64     `json:"bytes" example:"98304" doc:"Bytes read."`
	Error       *Failure  `json:"error,omitempty" doc:"Why it failed."`
}

func (s *server) viewAttempt(a *store.Attempt, k store.Kinds) Attempt {
	return Attempt{Number: a.N, WorkerID: a.WorkerID, Epoch: a.Epoch, StartedAt: a.StartedAt, HeartbeatAt: a.HeartbeatAt,
		LeaseUntil: a.LeaseUntil, EndedAt: a.EndedAt, Outcome: string(a.Outcome), Rows: a.Rows, Bytes: a.Bytes, Error: s.viewFailure(a.Error, k)}
}

// StreamCounters are what a sync did to a stream.
type StreamCounters struct {
	Stream    StreamName `json:"stream" doc:"The stream."`
	Table     StreamName `json:"table" doc:"Where it lands: namespace is the destination's schema."`
	Phase     string     `json:"phase" example:"done" doc:"What is being done."`
	Rows      int64      `json:"rows" example:"1250" doc:"Rows read."`
	Bytes     int64      `json:"bytes" example:"98304" doc:"Bytes read."`
	Committed int64      `json:"committed" example:"1250" doc:"Rows visible in the destination."`
	Total     int64      `json:"total" example:"1250" doc:"Rows expected by the source's estimate; 0: not known."`
	Extracted int64      `json:"extracted" example:"1250" doc:"Rows that the committed loads had extracted; always loaded + rejected + filtered."`
	Loaded    int64      `json:"loaded" example:"1250" doc:"Of these, rows loaded."`
	Rejected  int64      `json:"rejected" example:"0" doc:"Of these, records that could not be loaded."`
	Filtered  int64      `json:"filtered" example:"0" doc:"Of these, rows left out, superseded within their load for instance."`
	Deleted   int64      `json:"deleted" example:"3" doc:"Rows deleted."`
	Changes   int64      `json:"schema_changes" example:"0" doc:"Changes to the table."`
	Loads     int64      `json:"loads" example:"2" doc:"Loads committed."`
	StartedAt time.Time  `json:"started_at,omitzero" example:"2026-11-21T14:07:14Z" doc:"When its reading began."`
	EndedAt   time.Time  `json:"ended_at,omitzero" example:"2026-11-21T14:07:20Z" doc:"When it was done."`
	Error     *Failure   `json:"error,omitempty" doc:"Why it failed."`
}

// LogLine is a line of a sync's log.
type LogLine struct {
	Seq     int64      `json:"seq" example:"42" doc:"Its number, from 1. Numbers are missing where a long log was thinned in its middle."`
	At      time.Time  `json:"at" example:"2026-11-21T14:07:15Z" doc:"When."`
	Level   string     `json:"level" enum:"debug,info,warn,error" example:"info" doc:"How much it matters."`
	Stream  string     `json:"stream,omitempty" example:"public.orders" doc:"The stream that it is about."`
	Message string     `json:"message" example:"load committed" doc:"What happened."`
	Attrs   JSONObject `json:"attrs" example:"{\"rows\":1250}" doc:"The details."`
}

func viewLogLine(l *store.LogLine) LogLine {
	return LogLine{Seq: l.Seq, At: l.At, Level: l.Level, Stream: l.Stream, Message: l.Message, Attrs: JSONObject(l.Attrs)}
}

// Event is something that happened.
type Event struct {
	ID           int64      `json:"id" example:"4711" doc:"Grows with time: who has seen an id will see no smaller one come."`
	At           time.Time  `json:"at" example:"2026-11-21T14:07:14Z" doc:"When."`
	Type         string     `json:"type" example:"sync.started" doc:"What: the object's kind, a dot, and what happened to it."`
	ConnectionID string     `json:"connection_id,omitempty" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection that it is about."`
	SyncID       string     `json:"sync_id,omitempty" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"The sync that it is about."`
	Data         JSONObject `json:"data" example:"{}" doc:"The details."`
}

func viewEvent(e *store.Event) Event {
	return Event{ID: e.ID, At: e.At, Type: e.Type, ConnectionID: e.ConnectionID, SyncID: e.SyncID, Data: JSONObject(e.Data)}
}

// Operation is work that takes longer than a request.
type Operation struct {
	ID              string     `json:"id" example:"opr_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Kind            string     `json:"kind" example:"source.discover" doc:"What is done."`
	ObjectID        string     `json:"object_id,omitempty" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"What it is done to; missing for settings that are not kept yet."`
	State           string     `json:"state" enum:"running,succeeded,failed,cancelled" example:"running" doc:"Where it is."`
	Done            int64      `json:"done" example:"1200" doc:"How much of total is done."`
	Total           int64      `json:"total" example:"10000" doc:"How much there is to do; 0: not known yet."`
	Message         string     `json:"message" example:"reading the columns of public.orders" doc:"What it does now, for people."`
	Result          JSONObject `json:"result" example:"{\"streams\":42}" doc:"What came out; what it holds depends on the kind."`
	Error           *Failure   `json:"error,omitempty" doc:"Why it failed."`
	CancelRequested bool       `json:"cancel_requested" example:"false" doc:"Whether someone asked for its end."`
	CreatedBy       string     `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who asked for it."`
	CreatedAt       time.Time  `json:"created_at" example:"2026-11-21T14:00:00Z" doc:"When it began."`
	UpdatedAt       time.Time  `json:"updated_at" example:"2026-11-21T14:00:05Z" doc:"When it last said how far it is."`
	EndedAt         time.Time  `json:"ended_at,omitzero" example:"2026-11-21T14:00:30Z" doc:"When it ended."`
}

func (s *server) viewOperation(o *store.Operation, k store.Kinds) Operation {
	return Operation{ID: o.ID, Kind: o.Kind, ObjectID: o.ObjectID, State: string(o.State), Done: o.Done, Total: o.Total, Message: o.Message,
		Result: JSONObject(o.Result), Error: s.viewFailure(o.Error, k), CancelRequested: o.CancelRequested, CreatedBy: o.CreatedBy,
		CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt, EndedAt: o.EndedAt}
}

// Worker is a process that runs syncs.
type Worker struct {
	ID        string    `json:"id" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Region    string    `json:"region" example:"eu" doc:"The region whose syncs it runs; empty: the default region."`
	Version   string    `json:"version" example:"1.4.0" doc:"Its program's version."`
	Host      string    `json:"host" example:"worker-1" doc:"The machine's name."`
	Capacity  int       `json:"capacity" example:"8" doc:"Syncs that it runs at once."`
	Running   int       `json:"running" example:"3" doc:"Syncs that it runs now."`
	Draining  bool      `json:"draining" example:"false" doc:"Whether it takes no new work."`
	Alive     bool      `json:"alive" example:"true" doc:"Whether it was seen within the last minute."`
	StartedAt time.Time `json:"started_at" example:"2026-11-21T09:00:00Z" doc:"When it started."`
	SeenAt    time.Time `json:"seen_at" example:"2026-11-21T14:07:10Z" doc:"When it was last seen."`
}

// Region is a place in which syncs run.
type Region struct {
	Name        string    `json:"name" example:"eu" doc:"The name; empty: the default region."`
	Workers     int       `json:"workers" example:"2" doc:"Live workers."`
	Capacity    int       `json:"capacity" example:"16" doc:"Syncs that they can run at once."`
	Running     int64     `json:"running" example:"3" doc:"Syncs that run."`
	Waiting     int64     `json:"waiting" example:"0" doc:"Syncs in the queue."`
	OldestDueAt time.Time `json:"oldest_due_at,omitzero" example:"2026-11-21T14:07:13Z" doc:"Since when the longest-waiting sync is due."`
}
