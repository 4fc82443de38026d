package server

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// ConnectionID is embedded by the inputs of operations on a connection.
type ConnectionID struct {
	Connection string `path:"connection" maxLength:"64" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Id of the connection."`
}

type listConnections struct {
	Paging
	SourceID      string   `query:"source_id" example:"src_01hx5k2m8q4z7w9c3v6b" doc:"Only from this source."`
	DestinationID string   `query:"destination_id" example:"dst_01hx5k2m8q4z7w9c3v6b" doc:"Only into this destination."`
	SyncState     string   `query:"sync_state" enum:"scheduled,queued,syncing,rescheduled,paused" example:"syncing" doc:"Only in this state."`
	SetupState    string   `query:"setup_state" enum:"incomplete,connected,broken" example:"broken" doc:"Only with this state of the set-up."`
	Freshness     string   `query:"freshness" enum:"on_schedule,delayed" example:"delayed" doc:"Only with this freshness."`
	LastOutcome   string   `query:"last_outcome" enum:"succeeded,succeeded_with_warnings,failed,rescheduled,cancelled" example:"failed" doc:"Only whose last sync ended so."`
	Health        string   `query:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"down" doc:"Only that are so."`
	IncidentID    string   `query:"incident_id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"Only that are in this incident, which is under way."`
	Team          string   `query:"team" example:"sales" doc:"Only of this team."`
	Search        string   `query:"search" maxLength:"200" example:"shop" doc:"Only with this in the name, whatever the case."`
	Label         []string `query:"label,explode" maxItems:"10" example:"[\"env=prod\"]" doc:"Only with this label, key=value; may be given several times, and then all must be there."`
	Sort          string   `query:"sort" enum:"name,-name,created,-created,updated,-updated,last_success,-last_success,next_run,-next_run,state,-state" default:"name" example:"name" doc:"The order; - in front: descending."`
}

type createConnection struct {
	IdempotencyKey
	Body control.ConnectionSpec `example:"{\"name\":\"shop to warehouse\",\"source\":\"shop\",\"destination\":\"warehouse\",\"schema\":\"shop\",\"schedule\":{\"every\":\"15m\"}}"`
}

type actOnConnection struct {
	ConnectionID
	IdempotencyKey
}

type syncNow struct {
	ConnectionID
	IdempotencyKey
	Force bool `query:"force" example:"true" doc:"Whether a sync that runs is ended at its next safe point and started again. Without it, a sync that is open is answered as it is."`
}

// Started is what became of the wish for a sync.
type Started struct {
	Sync      Sync   `json:"sync" doc:"The sync: new, or the one that was open already."`
	Queued    bool   `json:"queued" example:"true" doc:"Whether it is new."`
	Restarted bool   `json:"restarted" example:"false" doc:"Whether a running one ends at its next checkpoint and starts again."`
	Message   string `json:"message" example:"The sync is queued." doc:"What was done, for people."`
}

func connectionRoutes(s *server, api huma.API) {
	const tag, root, one = "Connections", "/api/v1/connections", "/api/v1/connections/{connection}"
	register(s, api, route{id: "list-connections", method: http.MethodGet, path: root, tag: tag, summary: "List connections",
		doc: "Lists connections with their status and last sync, by name unless asked for otherwise."}, s.listConnections)
	register(s, api, route{id: "create-connection", method: http.MethodPost, path: root, tag: tag, summary: "Create a connection", status: http.StatusCreated, answers: []int{409},
		doc: "Joins a source with a destination. It runs by its schedule as soon as both have been checked."}, s.createConnection)
	register(s, api, route{id: "get-connection", method: http.MethodGet, path: one, tag: tag, summary: "Get a connection",
		doc: "Answers one connection with its status and last sync."}, s.getConnection)
	register(s, api, route{id: "update-connection", method: http.MethodPatch, path: one, tag: tag, summary: "Change a connection",
		doc: "Changes what is given. Lists, that of streams too, are replaced whole; update-streams changes single streams."}, s.updateConnection)
	register(s, api, route{id: "delete-connection", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a connection",
		doc: "Deletes a connection with its state and history. Its tables stay in the destination: plan-delete removes them too."}, s.deleteConnection)
	register(s, api, route{id: "pause-connection", method: http.MethodPost, path: one + "/pause", tag: tag, summary: "Pause a connection",
		doc: "Keeps it from running by its schedule. A sync that runs goes on to its end."}, s.pauseConnection)
	register(s, api, route{id: "resume-connection", method: http.MethodPost, path: one + "/resume", tag: tag, summary: "Resume a connection",
		doc: "Lets it run by its schedule again."}, s.resumeConnection)
	register(s, api, route{id: "sync-connection", method: http.MethodPost, path: one + "/sync", tag: tag, summary: "Sync now", status: http.StatusAccepted,
		doc: "Queues a sync in front of all that are queued by schedule."}, s.syncConnection)
	register(s, api, route{id: "cancel-connection", method: http.MethodPost, path: one + "/cancel", tag: tag, summary: "Cancel the open sync",
		doc: "Ends the connection's open sync within 10 seconds and leaves a state from which the next one goes on."}, s.cancelConnection)
}

func (s *server) listConnections(ctx context.Context, in *listConnections) (*Plain[Page[Connection]], error) {
	labels, err := labelsOf(in.Label)
	if err != nil {
		return nil, err
	}
	f := store.ConnectionFilter{SourceID: in.SourceID, DestinationID: in.DestinationID, State: store.RunState(in.SyncState),
		Setup: store.SetupState(in.SetupState), Freshness: store.Freshness(in.Freshness), Outcome: store.Outcome(in.LastOutcome),
		Health: store.Health(in.Health), IncidentID: in.IncidentID, Team: in.Team, Search: in.Search, Labels: labels, Among: among(ctx)}
	items, next, err := s.Store.ListConnections(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewConnection), nil
}

// connection reads a connection as it is answered.
func (s *server) connection(ctx context.Context, id string) (Connection, int64, error) {
	row, err := s.Store.ConnectionRow(ctx, id)
	if err != nil {
		return Connection{}, 0, err
	}
	return s.viewConnection(row), row.Version, nil
}

func (s *server) createConnection(ctx context.Context, in *createConnection) (*Created[Connection], error) {
	con, err := s.Control.CreateConnection(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	v, version, err := s.connection(ctx, con.ID)
	if err != nil {
		return nil, err
	}
	return created(v, version, "/api/v1/connections/"+con.ID), nil
}

func (s *server) getConnection(ctx context.Context, in *struct {
	ConnectionID
	IfNoneMatch
}) (*Tagged[Connection], error) {
	v, version, err := s.connection(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	return tagged(v, version, in.IfNoneMatch)
}

func (s *server) updateConnection(ctx context.Context, in *struct {
	ConnectionID
	IfMatch
	Body Patch[control.ConnectionSpec] `example:"{\"schedule\":{\"every\":\"5m\"},\"freshness\":\"1h\"}"`
}) (*Tagged[ConnectionChange], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	_, notes, err := s.Control.PatchConnection(ctx, actorOf(ctx), in.Connection, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return s.changed(ctx, in.Connection, notes)
}

// changed answers a connection after a change of it.
func (s *server) changed(ctx context.Context, id string, notes []string) (*Tagged[ConnectionChange], error) {
	v, version, err := s.connection(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Tagged[ConnectionChange]{ETag: etag(version, v), Body: ConnectionChange{Connection: v, Notes: notes}}, nil
}

func (s *server) deleteConnection(ctx context.Context, in *struct {
	ConnectionID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteConnection(ctx, actorOf(ctx), in.Connection, version)
}

func (s *server) pauseConnection(ctx context.Context, in *actOnConnection) (*Tagged[Connection], error) {
	_, err := s.Control.Pause(ctx, actorOf(ctx), in.Connection)
	return s.acted(ctx, in.Connection, err)
}

func (s *server) resumeConnection(ctx context.Context, in *actOnConnection) (*Tagged[Connection], error) {
	_, err := s.Control.Resume(ctx, actorOf(ctx), in.Connection)
	return s.acted(ctx, in.Connection, err)
}

// acted answers a connection after an action on it.
func (s *server) acted(ctx context.Context, id string, err error) (*Tagged[Connection], error) {
	if err != nil {
		return nil, err
	}
	v, version, err := s.connection(ctx, id)
	if err != nil {
		return nil, err
	}
	return tagged(v, version, IfNoneMatch{})
}

func (s *server) syncConnection(ctx context.Context, in *syncNow) (*Plain[Started], error) {
	start, err := s.Control.SyncNow(ctx, actorOf(ctx), in.Connection, in.Force)
	if err != nil {
		return nil, err
	}
	v, err := s.oneSync(ctx, start.Sync)
	if err != nil {
		return nil, err
	}
	return &Plain[Started]{Body: Started{Sync: v.Body, Queued: start.Queued, Restarted: start.Restarted, Message: start.Message}}, nil
}

func (s *server) cancelConnection(ctx context.Context, in *actOnConnection) (*Plain[Sync], error) {
	y, err := s.Control.CancelOpen(ctx, actorOf(ctx), in.Connection)
	if err != nil {
		return nil, err
	}
	return s.oneSync(ctx, y)
}
