package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/rota"
	"github.com/sluicehq/sluice/store"
)

// seen reports whether the caller may see what is about a connection, or about
// none.
func seen(ctx context.Context, connectionID string) bool {
	every, ids := access.Reach(principalOf(ctx), access.Read)
	return every || connectionID != "" && slices.Contains(ids, connectionID)
}

// Rota is who is on call, and when.
type Rota struct {
	ID string `json:"id" example:"rot_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	control.RotaSpec
	CreatedBy string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt time.Time `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When it was last changed."`
}

func viewRota(r *store.Rota) (Rota, error) {
	spec, err := control.RotaSpecOf(r)
	return Rota{ID: r.ID, RotaSpec: spec, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}, err
}

// Shift is a time in which somebody is on call.
type Shift struct {
	Level  string    `json:"level" example:"first" doc:"The level."`
	Layer  string    `json:"layer,omitempty" example:"europe" doc:"The layer; missing: an override, or nobody."`
	Person string    `json:"person,omitempty" example:"ana@example.com" doc:"Who is on call; missing: nobody."`
	Why    string    `json:"why,omitempty" enum:"turn,substitute,override,cover" example:"turn" doc:"turn: theirs; substitute: whose turn it is has a holiday; cover: nobody else is there, and full cover is promised."`
	From   time.Time `json:"from,omitzero" example:"2026-11-16T08:00:00Z" doc:"When it begins."`
	To     time.Time `json:"to,omitzero" example:"2026-11-23T08:00:00Z" doc:"When it ends; missing: nothing changes within a year."`
}

func viewShifts(all []rota.Shift) []Shift {
	out := make([]Shift, len(all))
	for i, s := range all {
		out[i] = Shift{Level: s.Level, Layer: s.Layer, Person: s.Person, Why: string(s.Why), From: s.From, To: s.To}
	}
	return out
}

// Shifts are what a rota makes of a time.
type Shifts struct {
	Shifts []Shift `json:"shifts" doc:"Who is on call, by the begin of their shifts."`
	Gaps   []Shift `json:"gaps" doc:"When nobody of a level is."`
}

// OnCall is who is on call by one rota.
type OnCall struct {
	RotaID string  `json:"rota_id" example:"rot_01hx5k2m8q4z7w9c3v6b" doc:"The rota."`
	Rota   string  `json:"rota" example:"follow the sun" doc:"Its name."`
	Now    []Shift `json:"now" doc:"Who is on call, level by level, in the order in which they are called."`
	Next   []Shift `json:"next" doc:"Who follows."`
}

// OnCalls is who is on call by all rotas.
type OnCalls struct {
	At    time.Time `json:"at" example:"2026-11-21T14:00:00Z" doc:"The instant."`
	Items []OnCall  `json:"items" doc:"By rota, in the order of their making: the first that is for an incident counts."`
}

type RotaID struct {
	Rota string `path:"rota" maxLength:"64" example:"rot_01hx5k2m8q4z7w9c3v6b" doc:"Id of the rota."`
}

// RotaPreview is a plan to be looked at.
type RotaPreview struct {
	Plan control.RotaPlan `json:"plan" doc:"The plan."`
	From time.Time        `json:"from" example:"2026-11-16T00:00:00Z" doc:"The beginning."`
	To   time.Time        `json:"to" example:"2026-11-30T00:00:00Z" doc:"The end, at most 120 days later."`
}

func rotaRoutes(s *server, api huma.API) {
	const tag, root, one = "On call", "/api/v1/rotas", "/api/v1/rotas/{rota}"
	register(s, api, route{id: "get-on-call", method: http.MethodGet, path: "/api/v1/on-call", tag: tag, summary: "Get who is on call",
		doc: "Answers who is on call, and who follows, by every enabled rota."}, s.getOnCall)
	register(s, api, route{id: "list-rotas", method: http.MethodGet, path: root, tag: tag, summary: "List rotas",
		doc: "Lists the rotas, by name unless asked for otherwise."}, s.listRotas)
	register(s, api, route{id: "create-rota", method: http.MethodPost, path: root, tag: tag, summary: "Create a rota", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new rota, by which incidents are assigned at once."}, s.createRota)
	register(s, api, route{id: "get-rota", method: http.MethodGet, path: one, tag: tag, summary: "Get a rota",
		doc: "Answers one rota with its plan."}, s.getRota)
	register(s, api, route{id: "update-rota", method: http.MethodPatch, path: one, tag: tag, summary: "Change a rota",
		doc: "Changes what is given. Lists, those of people, levels, overrides and holidays too, are replaced whole."}, s.updateRota)
	register(s, api, route{id: "delete-rota", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a rota",
		doc: "Deletes a rota. Incidents stay with whom they are assigned to."}, s.deleteRota)
	register(s, api, route{id: "list-shifts", method: http.MethodGet, path: one + "/shifts", tag: tag, summary: "List the shifts of a rota",
		doc: "Lists who is on call, and when nobody is, over a period of at most 120 days."}, s.listShifts)
	register(s, api, route{id: "preview-rota", method: http.MethodPost, path: "/api/v1/rota-previews", tag: tag, summary: "Preview a rota",
		doc: "Answers the shifts of a plan that need not be kept."}, s.previewRota)
}

func (s *server) getOnCall(ctx context.Context, in *struct {
	At time.Time `query:"at" example:"2026-11-21T14:00:00Z" doc:"The instant; without it, now."`
}) (*Plain[OnCalls], error) {
	at := in.At.UTC()
	if in.At.IsZero() {
		at = s.now().UTC()
	}
	all, err := s.Control.OnCall(ctx, at)
	if err != nil {
		return nil, err
	}
	v := OnCalls{At: at, Items: []OnCall{}}
	for _, o := range all {
		v.Items = append(v.Items, OnCall{RotaID: o.Rota.ID, Rota: o.Rota.Name, Now: viewShifts(o.Now), Next: viewShifts(o.Next)})
	}
	return &Plain[OnCalls]{Body: v}, nil
}

func (s *server) listRotas(ctx context.Context, in *struct {
	Paging
	Search string `query:"search" maxLength:"200" example:"sun" doc:"Only with this in the name, whatever the case."`
	Sort   string `query:"sort" enum:"name,-name,created,-created" default:"name" example:"name" doc:"The order; - in front: descending."`
}) (*Plain[Page[Rota]], error) {
	items, next, err := s.Store.ListRotas(ctx, in.Search, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	v := Page[Rota]{Items: make([]Rota, len(items)), Next: next}
	for i := range items {
		if v.Items[i], err = viewRota(&items[i]); err != nil {
			return nil, err
		}
	}
	return &Plain[Page[Rota]]{Body: v}, nil
}

func (s *server) createRota(ctx context.Context, in *struct {
	IdempotencyKey
	Body control.RotaSpec `example:"{\"name\":\"follow the sun\",\"plan\":{\"people\":[{\"id\":\"ana@example.com\",\"zone\":\"Europe/Berlin\"},{\"id\":\"ben@example.com\",\"zone\":\"America/New_York\"}],\"levels\":[{\"name\":\"first\",\"full_cover\":true,\"layers\":[{\"name\":\"all\",\"zone\":\"Europe/Berlin\",\"people\":[\"ana@example.com\",\"ben@example.com\"],\"start\":\"2026-01-05\",\"handover\":\"09:00\",\"turn\":\"weekly\"}]}]}}"`
}) (*Created[Rota], error) {
	r, err := s.Control.CreateRota(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	v, err := viewRota(r)
	if err != nil {
		return nil, err
	}
	return created(v, r.Version, "/api/v1/rotas/"+r.ID), nil
}

func taggedRota(r *store.Rota, held IfNoneMatch, err error) (*Tagged[Rota], error) {
	if err != nil {
		return nil, err
	}
	v, err := viewRota(r)
	if err != nil {
		return nil, err
	}
	return tagged(v, r.Version, held)
}

func (s *server) getRota(ctx context.Context, in *struct {
	RotaID
	IfNoneMatch
}) (*Tagged[Rota], error) {
	r, err := s.Store.Rota(ctx, in.Rota)
	return taggedRota(r, in.IfNoneMatch, err)
}

func (s *server) updateRota(ctx context.Context, in *struct {
	RotaID
	IfMatch
	Body Patch[control.RotaSpec] `example:"{\"enabled\":false}"`
}) (*Tagged[Rota], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	r, err := s.Control.PatchRota(ctx, actorOf(ctx), in.Rota, version, in.Body.text)
	return taggedRota(r, IfNoneMatch{}, err)
}

func (s *server) deleteRota(ctx context.Context, in *struct {
	RotaID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteRota(ctx, actorOf(ctx), in.Rota, version)
}

func (s *server) listShifts(ctx context.Context, in *struct {
	RotaID
	From time.Time `query:"from" example:"2026-11-16T00:00:00Z" doc:"The beginning; without it, now."`
	To   time.Time `query:"to" example:"2026-11-30T00:00:00Z" doc:"The end; without it, 14 days after the beginning."`
}) (*Plain[Shifts], error) {
	from, to := in.From.UTC(), in.To.UTC()
	if in.From.IsZero() {
		from = s.now().UTC()
	}
	if in.To.IsZero() {
		to = from.Add(14 * 24 * time.Hour)
	}
	return shiftsOf(s.Control.RotaShifts(ctx, in.Rota, from, to))
}

func shiftsOf(made *control.Shifts, err error) (*Plain[Shifts], error) {
	if err != nil {
		return nil, err
	}
	return &Plain[Shifts]{Body: Shifts{Shifts: viewShifts(made.Shifts), Gaps: viewShifts(made.Gaps)}}, nil
}

func (s *server) previewRota(_ context.Context, in *struct {
	Body RotaPreview `example:"{\"plan\":{\"people\":[{\"id\":\"ana@example.com\",\"zone\":\"Europe/Berlin\"},{\"id\":\"ben@example.com\",\"zone\":\"America/New_York\"}],\"levels\":[{\"name\":\"first\",\"full_cover\":true,\"layers\":[{\"name\":\"all\",\"zone\":\"Europe/Berlin\",\"people\":[\"ana@example.com\",\"ben@example.com\"],\"start\":\"2026-01-05\",\"handover\":\"09:00\",\"turn\":\"weekly\"}]}]},\"from\":\"2026-11-16T00:00:00Z\",\"to\":\"2026-11-30T00:00:00Z\"}"`
}) (*Plain[Shifts], error) {
	return shiftsOf(s.Control.PreviewRota(in.Body.Plan, in.Body.From.UTC(), in.Body.To.UTC()))
}
