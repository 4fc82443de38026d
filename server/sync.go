package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// SyncID is embedded by the inputs of operations on a sync.
type SyncID struct {
	Sync string `path:"sync" maxLength:"64" example:"syn_01hx5k2m8q4z7w9c3v6b" doc:"Id of the sync."`
}

type listSyncs struct {
	Paging
	ConnectionID string    `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only of this connection."`
	State        string    `query:"state" enum:"queued,running,retrying,ended" example:"running" doc:"Only in this state."`
	Open         bool      `query:"open" example:"true" doc:"Only those that have not ended."`
	Outcome      string    `query:"outcome" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled" example:"failed" doc:"Only with this outcome."`
	Trigger      string    `query:"trigger" enum:"schedule,manual,dependency,retry,resync" example:"manual" doc:"Only started by this."`
	Kind         string    `query:"kind" enum:"manual,incremental,historical" example:"historical" doc:"Only of this kind."`
	WorkerID     string    `query:"worker_id" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"Only of this worker."`
	Since        time.Time `query:"since" example:"2026-11-21T00:00:00Z" doc:"Only queued at this time or after."`
	Until        time.Time `query:"until" example:"2026-11-22T00:00:00Z" doc:"Only queued before this time."`
	Sort         string    `query:"sort" enum:"queued,-queued,ended,-ended,rows,-rows" default:"-queued" example:"-queued" doc:"The order; - in front: descending."`
}

// LogFilter is embedded by the readers of a sync's log.
type LogFilter struct {
	Stream string   `query:"stream" example:"public.orders" doc:"Only lines about this stream."`
	Level  []string `query:"level" enum:"debug,info,warn,error" example:"[\"warn\",\"error\"]" doc:"Only lines of these levels, separated by commas."`
	Search string   `query:"search" maxLength:"200" example:"retry" doc:"Only lines with this in their message, whatever the case."`
}

func (f LogFilter) filter() store.LogFilter {
	return store.LogFilter{Stream: f.Stream, Levels: f.Level, Search: f.Search}
}

type readLog struct {
	SyncID
	LogFilter
	Limit int   `query:"limit" minimum:"1" maximum:"500" default:"200" example:"200" doc:"The most lines to answer."`
	After int64 `query:"after" minimum:"0" example:"42" doc:"The seq of the last line that is known already."`
	Tail  bool  `query:"tail" example:"true" doc:"The last lines of the whole log rather than the first; the other filters do not apply."`
}

// Log is a part of a sync's log.
type Log struct {
	Lines []LogLine `json:"lines" doc:"The lines, oldest first."`
	Next  int64     `json:"next" example:"42" doc:"What goes into after for the lines that follow."`
	More  bool      `json:"more" example:"false" doc:"Whether there are more lines now, or there may be because the sync has not ended."`
}

// SyncDetail is a sync with its attempts.
type SyncDetail struct {
	Sync
	History []Attempt `json:"history" doc:"Its attempts, in order."`
}

// SyncStreams are what a sync did, by stream.
type SyncStreams struct {
	Items []StreamCounters `json:"items" doc:"By name."`
}

func syncRoutes(s *server, api huma.API) {
	const tag, root, one = "Syncs", "/api/v1/syncs", "/api/v1/syncs/{sync}"
	register(s, api, route{id: "list-syncs", method: http.MethodGet, path: root, tag: tag, summary: "List syncs",
		doc: "Lists the runs of all connections, or of one, the latest first unless asked for otherwise."}, s.listSyncs)
	register(s, api, route{id: "get-sync", method: http.MethodGet, path: one, tag: tag, summary: "Get a sync",
		doc: "Answers one sync with its attempts and, where it failed, why."}, s.getSync)
	register(s, api, route{id: "list-sync-streams", method: http.MethodGet, path: one + "/streams", tag: tag, summary: "Get a sync's counters by stream",
		doc: "Answers what was read, loaded, rejected and deleted, by stream, while the sync runs and after it."}, s.listSyncStreams)
	register(s, api, route{id: "get-sync-log", method: http.MethodGet, path: one + "/log", tag: tag, summary: "Read a sync's log",
		doc: "Answers lines of the log. Of a very long log, lines in the middle are not kept."}, s.getSyncLog)
	register(s, api, route{id: "watch-sync-log", method: http.MethodGet, path: one + "/log/stream", tag: tag, summary: "Follow a sync's log", stream: true,
		sample: "id: 42\nevent: line\ndata: {\"seq\":42,\"at\":\"2026-11-21T14:07:15Z\",\"level\":\"info\",\"message\":\"load committed\",\"attrs\":{\"rows\":1250}}\n\nevent: end\ndata: {}\n\n",
		doc:    "Streams the lines of the log as server-sent events of the type line, those that there are and those that come, and ends with an event of the type end when the sync has ended. Resume by Last-Event-ID, which is the seq of a line."}, s.watchSyncLog)
	register(s, api, route{id: "cancel-sync", method: http.MethodPost, path: one + "/cancel", tag: tag, summary: "Cancel a sync",
		doc: "Ends a sync within 10 seconds and leaves a state from which the next one goes on. A sync that has ended is answered as it is."}, s.cancelSync)
}

func (s *server) listSyncs(ctx context.Context, in *listSyncs) (*Plain[Page[Sync]], error) {
	f := store.SyncFilter{ConnectionID: in.ConnectionID, State: store.SyncState(in.State), Open: in.Open, Outcome: store.Outcome(in.Outcome),
		Trigger: store.Trigger(in.Trigger), Kind: store.SyncKind(in.Kind), WorkerID: in.WorkerID, After: in.Since, Before: in.Until, Among: among(ctx)}
	items, next, err := s.Store.ListSyncs(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	kinds, err := kindsOf(ctx, s, items, failureOfSync)
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, func(y *store.Sync) Sync { return s.viewSync(y, kinds[y.ConnectionID]) }), nil
}

func (s *server) getSync(ctx context.Context, in *struct {
	SyncID
	IfNoneMatch
}) (*Tagged[SyncDetail], error) {
	y, err := s.Store.Sync(ctx, in.Sync)
	if err != nil {
		return nil, err
	}
	attempts, err := s.Store.Attempts(ctx, in.Sync)
	if err != nil {
		return nil, err
	}
	kinds, err := s.Store.Kinds(ctx, y.ConnectionID)
	if err != nil {
		return nil, err
	}
	k := kinds[y.ConnectionID]
	v := SyncDetail{Sync: s.viewSync(y, k), History: make([]Attempt, len(attempts))}
	for i := range attempts {
		v.History[i] = s.viewAttempt(&attempts[i], k)
	}
	return tagged(v, int64(len(attempts)+1), in.IfNoneMatch)
}

func (s *server) listSyncStreams(ctx context.Context, in *struct{ SyncID }) (*Plain[SyncStreams], error) {
	y, err := s.Store.Sync(ctx, in.Sync)
	if err != nil {
		return nil, err
	}
	counters, err := s.Store.SyncStreams(ctx, in.Sync)
	if err != nil {
		return nil, err
	}
	kinds, err := s.Store.Kinds(ctx, y.ConnectionID)
	if err != nil {
		return nil, err
	}
	v := SyncStreams{Items: make([]StreamCounters, len(counters))}
	for i, c := range counters {
		v.Items[i] = StreamCounters{Stream: viewName(c.Stream), Table: viewName(c.Table), Phase: c.Phase, Rows: c.Rows, Bytes: c.Bytes,
			Committed: c.Committed, Total: c.Total, Extracted: c.Counts.Extracted, Loaded: c.Counts.Loaded, Rejected: c.Counts.Rejected,
			Filtered: c.Counts.Filtered, Deleted: c.Counts.Deleted, Changes: c.Changes, Loads: c.Loads, StartedAt: c.StartedAt,
			EndedAt: c.EndedAt, Error: s.viewFailure(c.Error, kinds[y.ConnectionID])}
	}
	return &Plain[SyncStreams]{Body: v}, nil
}

func (s *server) getSyncLog(ctx context.Context, in *readLog) (*Plain[Log], error) {
	y, err := s.Store.Sync(ctx, in.Sync)
	if err != nil {
		return nil, err
	}
	var lines []store.LogLine
	if in.Tail {
		lines, err = s.Store.LogTail(ctx, in.Sync, in.Limit)
	} else {
		lines, err = s.Store.Log(ctx, in.Sync, in.After, in.filter(), in.Limit)
	}
	if err != nil {
		return nil, err
	}
	v := Log{Lines: make([]LogLine, len(lines)), Next: in.After, More: y.State != store.Ended || !in.Tail && len(lines) == in.Limit}
	for i := range lines {
		v.Lines[i] = viewLogLine(&lines[i])
		v.Next = lines[i].Seq
	}
	return &Plain[Log]{Body: v}, nil
}

// logPoll is how often a followed log is looked at, for the lines of workers in
// other processes.
const logPoll = 500 * time.Millisecond

func (s *server) watchSyncLog(ctx context.Context, in *struct {
	SyncID
	LogFilter
	Resume
}) (*huma.StreamResponse, error) {
	at, _, err := in.position()
	if err != nil {
		return nil, err
	}
	if _, err := s.Store.Sync(ctx, in.Sync); err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		s.stream(hc, func(ctx context.Context, send func(message) error) error {
			return s.followLog(ctx, in.Sync, at, in.filter(), send)
		})
	}}, nil
}

// followLog sends the lines after at until the sync has ended and all are sent.
func (s *server) followLog(ctx context.Context, sync string, at int64, f store.LogFilter, send func(message) error) error {
	tick := time.NewTicker(logPoll)
	defer tick.Stop()
	for {
		y, err := s.Store.Sync(ctx, sync) // before the lines: what is written after its end is not missed
		if err != nil {
			return err
		}
		lines, err := s.Store.Log(ctx, sync, at, f, store.MaxLimit)
		if err != nil {
			return err
		}
		for i := range lines {
			at = lines[i].Seq
			if err := send(message{id: at, name: "line", data: viewLogLine(&lines[i])}); err != nil {
				return err
			}
		}
		switch {
		case len(lines) == store.MaxLimit:
			continue
		case y.State == store.Ended:
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *server) cancelSync(ctx context.Context, in *struct {
	SyncID
	IdempotencyKey
}) (*Plain[Sync], error) {
	y, err := s.Control.CancelSync(ctx, actorOf(ctx), in.Sync)
	if err != nil {
		return nil, err
	}
	return s.oneSync(ctx, y)
}
