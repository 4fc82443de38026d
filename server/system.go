package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// System is what this installation is and holds.
type System struct {
	Version       string           `json:"version" example:"1.4.0" doc:"Version of this server."`
	API           string           `json:"api" example:"v1" doc:"Version of the API."`
	Database      string           `json:"database" enum:"sqlite,postgres" example:"sqlite" doc:"What the metadata are kept in."`
	SchemaVersion int64            `json:"schema_version" example:"12" doc:"Version of the metadata's schema."`
	DatabaseBytes int64            `json:"database_bytes" example:"1048576" doc:"Size of the metadata."`
	Time          time.Time        `json:"time" example:"2026-11-21T14:00:00Z" doc:"The time by the store's clock, which schedules follow."`
	StartedAt     time.Time        `json:"started_at" example:"2026-11-21T09:00:00Z" doc:"When this server started."`
	PublicURL     string           `json:"public_url" example:"https://sluice.example.com" doc:"Where people reach it; empty where nobody said so."`
	Connections   map[string]int64 `json:"connections" example:"{\"scheduled\":12,\"paused\":1}" doc:"How many connections are in which sync_state."`
	QueueWaiting  int64            `json:"queue_waiting" example:"0" doc:"Syncs in the queue."`
	SyncsRunning  int64            `json:"syncs_running" example:"3" doc:"Syncs that run."`
	Workers       int              `json:"workers" example:"2" doc:"Live workers."`
}

// Setting is how the server was started.
type Setting struct {
	Name  string `json:"name" example:"max-syncs-per-host" doc:"The name, as the flag has it."`
	Value string `json:"value" example:"4" doc:"The value. Secrets are not among the settings."`
}

// Settings are how the server was started.
type Settings struct {
	Items []Setting `json:"items" doc:"In the order of the flags."`
}

func systemRoutes(s *server, api huma.API) {
	const tag = "System"
	register(s, api, route{id: "get-system", method: http.MethodGet, path: "/api/v1/system", tag: tag, summary: "Get the system", doc: "Answers what this installation is and holds."}, s.getSystem)
	register(s, api, route{id: "list-settings", method: http.MethodGet, path: "/api/v1/settings", tag: tag, summary: "List settings",
		doc: "Lists how this server was started. Settings are changed by flags and variables, not over the API."}, s.listSettings)
}

func (s *server) getSystem(ctx context.Context, _ *struct{}) (*Plain[System], error) {
	v := System{Version: s.Version, API: "v1", Database: s.Store.Dialect(), Time: s.Store.Now(), StartedAt: s.started, PublicURL: s.PublicURL,
		Connections: map[string]int64{}}
	var err error
	if v.SchemaVersion, err = s.Store.MigrationVersion(ctx); err != nil {
		return nil, err
	}
	if v.DatabaseBytes, err = s.Store.Size(ctx); err != nil {
		return nil, err
	}
	counts, err := s.Store.CountConnections(ctx)
	if err != nil {
		return nil, err
	}
	for state, n := range counts {
		v.Connections[string(state)] = n
	}
	regions, err := s.regions(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range regions {
		v.QueueWaiting += r.Waiting
		v.SyncsRunning += r.Running
		v.Workers += r.Workers
	}
	return &Plain[System]{Body: v}, nil
}

func (s *server) listSettings(context.Context, *struct{}) (*Plain[Settings], error) {
	items := s.Settings
	if items == nil {
		items = []Setting{}
	}
	return &Plain[Settings]{Body: Settings{Items: items}}, nil
}
