package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// PlanID is embedded by the inputs of operations on a plan.
type PlanID struct {
	Plan string `path:"plan" maxLength:"64" example:"pln_01hx5k2m8q4z7w9c3v6b" doc:"Id of the plan."`
}

// Plan is what a destructive action would do.
type Plan struct {
	ID           string    `json:"id" example:"pln_01hx5k2m8q4z7w9c3v6b" doc:"The id, for execute-plan."`
	Action       string    `json:"action" enum:"resync,restore,delete" example:"resync" doc:"What it is a plan of."`
	ConnectionID string    `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Effects      Effects   `json:"effects" doc:"What would be re-read and rewritten."`
	CreatedBy    string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt    time.Time `json:"created_at" example:"2026-11-21T14:00:00Z" doc:"When."`
	ExpiresAt    time.Time `json:"expires_at" example:"2026-11-21T14:15:00Z" doc:"Until when it can be executed."`
	UsedAt       time.Time `json:"used_at,omitzero" example:"2026-11-21T14:02:00Z" doc:"When it was executed."`
	UsedBy       string    `json:"used_by,omitempty" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who executed it."`
}

// Effects are what a plan would do, by the last known counts.
type Effects struct {
	Summary       string         `json:"summary" example:"Reads 2 streams anew: about 1,250 rows." doc:"In a sentence."`
	Streams       []StreamEffect `json:"streams" doc:"Stream by stream."`
	RowsRead      int64          `json:"rows_read" example:"1250" doc:"Rows to be read."`
	BytesRead     int64          `json:"bytes_read" example:"98304" doc:"Bytes to be read."`
	RowsRewritten int64          `json:"rows_rewritten" example:"1250" doc:"Rows to be replaced, merged again or dropped."`
	TablesDropped int64          `json:"tables_dropped" example:"0" doc:"Tables to be dropped."`
}

// StreamEffect is what a plan would do to one stream and its table.
type StreamEffect struct {
	Stream        string `json:"stream" example:"public.orders" doc:"The stream's full name."`
	Table         string `json:"table" example:"shop.orders" doc:"Its table; empty: nothing was loaded yet."`
	RowsRead      int64  `json:"rows_read" example:"1250" doc:"Rows to be read."`
	BytesRead     int64  `json:"bytes_read" example:"98304" doc:"Bytes to be read."`
	RowsRewritten int64  `json:"rows_rewritten" example:"1250" doc:"Rows to be replaced, merged again or dropped."`
	Effect        string `json:"effect" example:"all rows are read again and merged by key" doc:"What that means."`
}

func viewPlan(p *store.Plan) (Plan, error) {
	e, err := control.EffectsOf(p)
	if err != nil {
		return Plan{}, err
	}
	v := Plan{ID: p.ID, Action: p.Action, ConnectionID: p.ConnectionID, CreatedBy: p.CreatedBy, CreatedAt: p.CreatedAt, ExpiresAt: p.ExpiresAt,
		UsedAt: p.UsedAt, UsedBy: p.UsedBy, Effects: Effects{Summary: e.Summary, Streams: make([]StreamEffect, len(e.Streams)), RowsRead: e.RowsRead,
			BytesRead: e.BytesRead, RowsRewritten: e.RowsRewritten, TablesDropped: e.TablesDropped}}
	for i, s := range e.Streams {
		v.Effects.Streams[i] = StreamEffect(s)
	}
	return v, nil
}

// ResyncRequest says what to read anew.
type ResyncRequest struct {
	Streams []string `json:"streams,omitempty" maxItems:"10000" example:"[\"public.orders\"]" doc:"Full names of the streams; none: all that the connection syncs."`
}

// RestoreRequest says which state to restore.
type RestoreRequest struct {
	StateID int64 `json:"state_id" minimum:"1" example:"799" doc:"Id of a former state of a stream, from list-states."`
}

// Executed is what came of a plan.
type Executed struct {
	Message   string     `json:"message" example:"The re-sync is queued." doc:"What was done, for people."`
	Plan      Plan       `json:"plan" doc:"The plan, which is used now."`
	Sync      *Sync      `json:"sync,omitempty" doc:"The sync that was queued."`
	Operation *Operation `json:"operation,omitempty" doc:"The operation that does the rest."`
}

func planRoutes(s *server, api huma.API) {
	const tag, con, root = "Plans", "/api/v1/connections/{connection}", "/api/v1/plans"
	register(s, api, route{id: "plan-resync", method: http.MethodPost, path: con + "/resync", tag: tag, summary: "Plan a re-sync", status: http.StatusCreated,
		doc: "Answers what reading streams anew from the start would re-read and rewrite. Nothing is done before execute-plan."}, s.planResync)
	register(s, api, route{id: "plan-restore", method: http.MethodPost, path: con + "/restore", tag: tag, summary: "Plan to restore a state", status: http.StatusCreated,
		doc: "Answers what making a former state of a stream the current one would re-read and rewrite. Nothing is done before execute-plan."}, s.planRestore)
	register(s, api, route{id: "plan-delete", method: http.MethodPost, path: con + "/delete", tag: tag, summary: "Plan to delete a connection with its data", status: http.StatusCreated,
		doc: "Answers which tables would be dropped, with how many rows. Nothing is done before execute-plan."}, s.planDelete)
	register(s, api, route{id: "list-plans", method: http.MethodGet, path: root, tag: tag, summary: "List plans",
		doc: "Lists plans, of all connections or of one, the latest first."}, s.listPlans)
	register(s, api, route{id: "get-plan", method: http.MethodGet, path: root + "/{plan}", tag: tag, summary: "Get a plan", doc: "Answers one plan."}, s.getPlan)
	register(s, api, route{id: "execute-plan", method: http.MethodPost, path: root + "/{plan}/execute", tag: tag, summary: "Execute a plan", status: http.StatusAccepted,
		doc: "Does what a plan says, once. It is refused when the plan has expired, or what it was made from has changed."}, s.executePlan)
}

func plannedOf(p *store.Plan, err error) (*Created[Plan], error) {
	if err != nil {
		return nil, err
	}
	v, err := viewPlan(p)
	if err != nil {
		return nil, err
	}
	return created(v, 1, "/api/v1/plans/"+p.ID), nil
}

func (s *server) planResync(ctx context.Context, in *struct {
	ConnectionID
	IdempotencyKey
	Body ResyncRequest
}) (*Created[Plan], error) {
	return plannedOf(s.Control.PlanResync(ctx, actorOf(ctx), in.Connection, in.Body.Streams))
}

func (s *server) planRestore(ctx context.Context, in *struct {
	ConnectionID
	IdempotencyKey
	Body RestoreRequest
}) (*Created[Plan], error) {
	return plannedOf(s.Control.PlanRestore(ctx, actorOf(ctx), in.Connection, in.Body.StateID))
}

func (s *server) planDelete(ctx context.Context, in *actOnConnection) (*Created[Plan], error) {
	return plannedOf(s.Control.PlanDelete(ctx, actorOf(ctx), in.Connection))
}

func (s *server) listPlans(ctx context.Context, in *struct {
	Paging
	ConnectionID string `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only of this connection."`
}) (*Plain[Page[Plan]], error) {
	items, next, err := s.Store.ListPlans(ctx, in.ConnectionID, in.page(""))
	if err != nil {
		return nil, err
	}
	out := &Plain[Page[Plan]]{Body: Page[Plan]{Items: make([]Plan, len(items)), Next: next}}
	for i := range items {
		if out.Body.Items[i], err = viewPlan(&items[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *server) getPlan(ctx context.Context, in *struct{ PlanID }) (*Plain[Plan], error) {
	p, err := s.Store.Plan(ctx, in.Plan)
	if err != nil {
		return nil, err
	}
	v, err := viewPlan(p)
	if err != nil {
		return nil, err
	}
	return &Plain[Plan]{Body: v}, nil
}

func (s *server) executePlan(ctx context.Context, in *struct {
	PlanID
	IdempotencyKey
}) (*Plain[Executed], error) {
	done, err := s.Control.ExecutePlan(ctx, actorOf(ctx), in.Plan)
	if err != nil {
		return nil, err
	}
	v := Executed{Message: done.Message}
	if v.Plan, err = viewPlan(done.Plan); err != nil {
		return nil, err
	}
	if done.Sync != nil {
		y, err := s.oneSync(ctx, done.Sync)
		if err != nil {
			return nil, err
		}
		v.Sync = &y.Body
	}
	if done.Operation != nil {
		o, err := s.oneOperation(ctx, done.Operation)
		if err != nil {
			return nil, err
		}
		v.Operation = &o.Body
	}
	return &Plain[Executed]{Body: v}, nil
}
