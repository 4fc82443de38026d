package server

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
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

	DatabaseVersion string          `json:"database_version" example:"3.51.0" doc:"Version of the database."`
	GoVersion       string          `json:"go_version" example:"go1.26.0" doc:"What the server was built with."`
	WorkerVersions  map[string]int  `json:"worker_versions" example:"{\"1.4.0\":2}" doc:"How many live workers have which version."`
	Queue           []QueueDepth    `json:"queue" doc:"Open syncs by region and kind."`
	Disk            *Disk           `json:"disk,omitempty" doc:"The file system of the server's data folder; missing where it has none."`
	EncryptionKeys  []EncryptionKey `json:"encryption_keys,omitempty" doc:"The data keys of secrets, oldest first; for who may see settings."`
	KeyReplaced     bool            `json:"encryption_key_replaced,omitempty" example:"false" doc:"The encryption key was replaced while this server ran: it must be started again with the new one; for who may see settings."`
}

// QueueDepth is how many syncs of a kind are open in a region.
type QueueDepth struct {
	Region      string    `json:"region" example:"eu" doc:"The region; empty: any."`
	Kind        string    `json:"kind" enum:"manual,incremental,historical" example:"incremental" doc:"The kind of sync."`
	Waiting     int64     `json:"waiting" example:"0" doc:"Those in the queue."`
	Running     int64     `json:"running" example:"3" doc:"Those that run."`
	OldestDueAt time.Time `json:"oldest_due_at,omitzero" example:"2026-11-21T14:07:13Z" doc:"Since when the longest-waiting one is due."`
}

// Disk is a file system.
type Disk struct {
	TotalBytes int64 `json:"total_bytes" example:"107374182400" doc:"Its size."`
	FreeBytes  int64 `json:"free_bytes" example:"53687091200" doc:"What is free for Sluice."`
}

// EncryptionKey is a data key of secrets.
type EncryptionKey struct {
	ID        string    `json:"id" example:"1842371203" doc:"Its number."`
	CreatedAt time.Time `json:"created_at" example:"2026-08-01T09:00:00Z" doc:"When it was made."`
	Seals     bool      `json:"seals" example:"true" doc:"Whether new secrets are sealed with it; the others only open what they sealed."`
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
	if err := s.inside(ctx, &v); err != nil {
		return nil, err
	}
	return &Plain[System]{Body: v}, nil
}

// inside fills in what is of interest to those who run the installation.
func (s *server) inside(ctx context.Context, v *System) (err error) {
	v.GoVersion, v.WorkerVersions, v.Queue = runtime.Version(), map[string]int{}, []QueueDepth{}
	if v.DatabaseVersion, err = s.Store.DatabaseVersion(ctx); err != nil {
		return err
	}
	workers, err := s.Store.LiveWorkers(ctx, s.Store.Now().Add(-alive))
	if err != nil {
		return err
	}
	for _, w := range workers {
		v.WorkerVersions[w.Version]++
	}
	depths, err := s.Store.QueueByKind(ctx)
	if err != nil {
		return err
	}
	for _, d := range depths {
		v.Queue = append(v.Queue, QueueDepth{Region: d.Region, Kind: string(d.Kind), Waiting: d.Waiting, Running: d.Running, OldestDueAt: d.Oldest})
	}
	if s.DataDir != "" {
		total, free, err := disk(s.DataDir)
		if err != nil {
			return fmt.Errorf("measure the data folder: %w", err)
		}
		v.Disk = &Disk{TotalBytes: total, FreeBytes: free}
	}
	if !access.Can(principalOf(ctx), access.Inspect, "") {
		return nil
	}
	keys, err := s.Control.KeyState()
	for _, k := range keys.Keys {
		v.EncryptionKeys = append(v.EncryptionKeys, EncryptionKey{ID: strconv.FormatUint(uint64(k.ID), 10), CreatedAt: k.CreatedAt, Seals: k.Primary})
	}
	v.KeyReplaced = keys.Replaced
	return err
}

func (s *server) listSettings(context.Context, *struct{}) (*Plain[Settings], error) {
	items := s.Settings
	if items == nil {
		items = []Setting{}
	}
	return &Plain[Settings]{Body: Settings{Items: items}}, nil
}
