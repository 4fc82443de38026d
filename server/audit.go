package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/store"
)

func auditRoutes(s *server, api huma.API) {
	register(s, api, route{id: "list-audit", method: http.MethodGet, path: "/api/v1/audit", tag: "Audit", summary: "List the audit log",
		doc: "Lists who did what, the latest first. Entries cannot be changed, nor deleted before their time."}, s.listAudit)
}

func (s *server) listAudit(ctx context.Context, in *struct {
	Paging
	ActorID    string    `query:"actor_id" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Only by this user or token."`
	Action     string    `query:"action" example:"connection." doc:"Only this action, or all that begin so."`
	ObjectType string    `query:"object_type" example:"connection" doc:"Only on objects of this kind."`
	ObjectID   string    `query:"object_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only on this object."`
	Since      time.Time `query:"since" example:"2026-11-21T00:00:00Z" doc:"Only at this time or after."`
	Until      time.Time `query:"until" example:"2026-11-22T00:00:00Z" doc:"Only before this time."`
	Sort       string    `query:"sort" enum:"at,-at" default:"-at" example:"-at" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[AuditEntry]], error) {
	f := store.AuditFilter{ActorID: in.ActorID, Action: in.Action, ObjectType: in.ObjectType, ObjectID: in.ObjectID, After: in.Since, Before: in.Until}
	items, next, err := s.Store.ListAudit(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewAudit), nil
}
