package server

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

// Delivery is something that leaves the house: a change of a ticket, a
// notification, a digest.
type Delivery struct {
	ID         string     `json:"id" example:"dlv_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Kind       string     `json:"kind" example:"ticket.create" doc:"What it is."`
	Target     string     `json:"target" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"The tracker or channel that it goes to."`
	State      string     `json:"state" enum:"waiting,delivered,failed,dropped" example:"delivered" doc:"waiting: its time has not come, or it is tried again; failed: given up; dropped: no longer wanted."`
	IncidentID string     `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident that it is about."`
	AlertID    string     `json:"alert_id,omitempty" example:"alr_01hx5k2m8q4z7w9c3v6b" doc:"The alert that it is about."`
	Attempts   int        `json:"attempts" example:"1" doc:"How often it was tried."`
	NextAt     time.Time  `json:"next_at,omitzero" example:"2026-11-21T14:05:00Z" doc:"When it is tried next, while it waits."`
	LastError  *Failure   `json:"last_error,omitempty" doc:"Why the latest attempt failed."`
	Answer     JSONObject `json:"answer,omitempty" example:"{\"key\":\"OPS-7\"}" doc:"What the other side answered."`
	Payload    JSONObject `json:"payload,omitempty" example:"{\"title\":\"shop: the API refuses the sign-in\"}" doc:"What is sent; lists leave it out."`
	CreatedAt  time.Time  `json:"created_at" example:"2026-11-21T14:00:00Z" doc:"When it was made."`
	EndedAt    time.Time  `json:"ended_at,omitzero" example:"2026-11-21T14:00:01Z" doc:"When it was delivered or given up."`
}

func (s *server) viewDelivery(d *store.Delivery) Delivery {
	v := Delivery{ID: d.ID, Kind: d.Kind, Target: d.Target, State: string(d.State), IncidentID: d.IncidentID, AlertID: d.AlertID, Attempts: d.Attempts,
		LastError: s.viewFailure(d.LastError, store.Kinds{}), Answer: objectOf(d.Answer), CreatedAt: d.CreatedAt, EndedAt: d.EndedAt}
	if d.State == store.DeliveryWaiting {
		v.NextAt = d.NextAt
	}
	return v
}

// objectOf is raw as an object: what is none goes into one.
func objectOf(raw json.RawMessage) JSONObject {
	if len(raw) == 0 || raw[0] == '{' {
		return JSONObject(raw)
	}
	return JSONObject(`{"value":` + string(raw) + `}`)
}

type DeliveryID struct {
	Delivery string `path:"delivery" maxLength:"64" example:"dlv_01hx5k2m8q4z7w9c3v6b" doc:"Id of the delivery."`
}

func deliveryRoutes(s *server, api huma.API) {
	const tag, root, one = "Deliveries", "/api/v1/deliveries", "/api/v1/deliveries/{delivery}"
	register(s, api, route{id: "list-deliveries", method: http.MethodGet, path: root, tag: tag, summary: "List deliveries",
		doc: "Lists what was, or is to be, sent to trackers and channels, the latest first."}, s.listDeliveries)
	register(s, api, route{id: "get-delivery", method: http.MethodGet, path: one, tag: tag, summary: "Get a delivery",
		doc: "Answers one delivery with what is sent."}, s.getDelivery)
	register(s, api, route{id: "retry-delivery", method: http.MethodPost, path: one + "/retry", tag: tag, summary: "Retry a delivery",
		doc: "Tries a delivery at once that has failed, was dropped, or waits for its next attempt."}, s.retryDelivery)
}

func (s *server) listDeliveries(ctx context.Context, in *struct {
	Paging
	State      string `query:"state" enum:"waiting,delivered,failed,dropped" example:"failed" doc:"Only in this state."`
	Kind       string `query:"kind" maxLength:"64" example:"ticket.create" doc:"Only of this kind."`
	Target     string `query:"target" maxLength:"64" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"Only to this tracker or channel."`
	IncidentID string `query:"incident_id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"Only about this incident."`
	AlertID    string `query:"alert_id" example:"alr_01hx5k2m8q4z7w9c3v6b" doc:"Only about this alert."`
	Sort       string `query:"sort" enum:"created,-created" default:"-created" example:"-created" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[Delivery]], error) {
	f := store.DeliveryFilter{State: store.DeliveryState(in.State), Kind: in.Kind, Target: in.Target, IncidentID: in.IncidentID, AlertID: in.AlertID}
	items, next, err := s.Store.ListDeliveries(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewDelivery), nil
}

func (s *server) oneDelivery(d *store.Delivery, err error) (*Plain[Delivery], error) {
	if err != nil {
		return nil, err
	}
	v := s.viewDelivery(d)
	v.Payload = objectOf(d.Payload)
	return &Plain[Delivery]{Body: v}, nil
}

func (s *server) getDelivery(ctx context.Context, in *struct{ DeliveryID }) (*Plain[Delivery], error) {
	return s.oneDelivery(s.Store.Delivery(ctx, in.Delivery))
}

func (s *server) retryDelivery(ctx context.Context, in *struct {
	DeliveryID
	IdempotencyKey
}) (*Plain[Delivery], error) {
	return s.oneDelivery(s.Control.RetryDelivery(ctx, actorOf(ctx), in.Delivery))
}
