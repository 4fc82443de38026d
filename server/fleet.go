package server

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// alive is how long after a sign of life a worker counts as living.
const alive = time.Minute

func (s *server) viewWorker(w *store.Worker) Worker {
	return Worker{ID: w.ID, Region: w.Region, Version: w.Version, Host: w.Host, Capacity: w.Capacity, Running: w.Running, Draining: w.Draining,
		Alive: w.SeenAt.After(s.Store.Now().Add(-alive)), StartedAt: w.StartedAt, SeenAt: w.SeenAt}
}

// Regions are the places in which syncs run.
type Regions struct {
	Items []Region `json:"items" doc:"By name."`
}

// Queue is what waits.
type Queue struct {
	Waiting int64    `json:"waiting" example:"3" doc:"Syncs in the queue."`
	Running int64    `json:"running" example:"8" doc:"Syncs that run."`
	Regions []Region `json:"regions" doc:"The same by region."`
	Next    []Sync   `json:"next" doc:"The first of those that wait, by their kind, as they are admitted: manual, incremental, historical."`
}

func fleetRoutes(s *server, api huma.API) {
	const tag = "Fleet"
	register(s, api, route{id: "list-regions", method: http.MethodGet, path: "/api/v1/regions", tag: tag, summary: "List regions",
		doc: "Lists the regions that workers, waiting syncs, sources or destinations name."}, s.listRegions)
	register(s, api, route{id: "list-workers", method: http.MethodGet, path: "/api/v1/workers", tag: tag, summary: "List workers",
		doc: "Lists the processes that run syncs, by region unless asked for otherwise."}, s.listWorkers)
	register(s, api, route{id: "get-worker", method: http.MethodGet, path: "/api/v1/workers/{worker}", tag: tag, summary: "Get a worker",
		doc: "Answers one worker."}, s.getWorker)
	register(s, api, route{id: "get-queue", method: http.MethodGet, path: "/api/v1/queue", tag: tag, summary: "Get the queue",
		doc: "Answers how many syncs wait and run, by region, and which come first."}, s.getQueue)
}

// regions gathers what is known of regions.
func (s *server) regions(ctx context.Context) ([]Region, error) {
	byName := map[string]*Region{}
	at := func(name string) *Region {
		if byName[name] == nil {
			byName[name] = &Region{Name: name}
		}
		return byName[name]
	}
	workers, err := s.Store.LiveWorkers(ctx, s.Store.Now().Add(-alive))
	if err != nil {
		return nil, err
	}
	for _, w := range workers {
		r := at(w.Region)
		r.Workers++
		r.Capacity += w.Capacity
	}
	queue, err := s.Store.Queue(ctx)
	if err != nil {
		return nil, err
	}
	for name, depth := range queue {
		r := at(name)
		r.Running, r.Waiting, r.OldestDueAt = depth.Running, depth.Waiting, depth.Oldest
	}
	out := make([]Region, 0, len(byName))
	for _, r := range byName {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Region) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *server) listRegions(ctx context.Context, _ *struct{}) (*Plain[Regions], error) {
	regions, err := s.regions(ctx)
	if err != nil {
		return nil, err
	}
	return &Plain[Regions]{Body: Regions{Items: regions}}, nil
}

func (s *server) listWorkers(ctx context.Context, in *struct {
	Paging
	Region string `query:"region" example:"eu" doc:"Only of this region."`
	Sort   string `query:"sort" enum:"region,-region,seen,-seen,started,-started" default:"region" example:"region" doc:"The order; - in front: descending."`
}) (*Plain[Page[Worker]], error) {
	items, next, err := s.Store.ListWorkers(ctx, in.Region, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewWorker), nil
}

func (s *server) getWorker(ctx context.Context, in *struct {
	Worker string `path:"worker" maxLength:"64" example:"wrk_01hx5k2m8q4z7w9c3v6b" doc:"Id of the worker."`
}) (*Plain[Worker], error) {
	w, err := s.Store.Worker(ctx, in.Worker)
	if err != nil {
		return nil, err
	}
	return &Plain[Worker]{Body: s.viewWorker(w)}, nil
}

// queueShown is how many waiting syncs of each kind the queue shows.
const queueShown = 20

func (s *server) getQueue(ctx context.Context, _ *struct{}) (*Plain[Queue], error) {
	regions, err := s.regions(ctx)
	if err != nil {
		return nil, err
	}
	q := Queue{Regions: regions, Next: []Sync{}}
	for _, r := range regions {
		q.Waiting += r.Waiting
		q.Running += r.Running
	}
	now := s.Store.Now()
	for _, kind := range []store.SyncKind{store.ManualSync, store.IncrementalSync, store.HistoricalSync} {
		waiting, err := s.Store.WaitingSyncs(ctx, kind, now, now.Add(-alive), queueShown)
		if err != nil {
			return nil, err
		}
		kinds, err := kindsOf(ctx, s, waiting, failureOfSync)
		if err != nil {
			return nil, err
		}
		for i := range waiting {
			q.Next = append(q.Next, s.viewSync(&waiting[i], kinds[waiting[i].ConnectionID]))
		}
	}
	return &Plain[Queue]{Body: q}, nil
}
