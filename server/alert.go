package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// AlertRule says when an alert fires.
type AlertRule struct {
	ID string `json:"id" example:"rul_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	control.RuleSpec
	CreatedBy string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt time.Time `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When it was last changed."`
}

func viewRule(r *store.AlertRule) (AlertRule, error) {
	spec, err := control.RuleSpecOf(r)
	return AlertRule{ID: r.ID, RuleSpec: spec, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}, err
}

// Silence keeps alerts from being told.
type Silence struct {
	ID string `json:"id" example:"sil_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	control.SilenceSpec
	CreatedBy string    `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who set it."`
	CreatedAt time.Time `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was set."`
	UpdatedAt time.Time `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When it was last changed."`
}

func viewSilence(v *store.Silence) Silence {
	return Silence{ID: v.ID, SilenceSpec: control.SilenceSpecOf(v), CreatedBy: v.CreatedBy, CreatedAt: v.CreatedAt, UpdatedAt: v.UpdatedAt}
}

// Alert is one firing of a rule for a subject.
type Alert struct {
	ID            string            `json:"id" example:"alr_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	RuleID        string            `json:"rule_id" example:"rul_01hx5k2m8q4z7w9c3v6b" doc:"The rule."`
	Subject       string            `json:"subject" example:"connector postgres" doc:"What fires: a connection, a region, a worker, or a part of the fleet."`
	State         string            `json:"state" enum:"firing,resolved" example:"firing" doc:"Whether it still fires."`
	Severity      string            `json:"severity" enum:"sev1,sev2,sev3,sev4," example:"sev2" doc:"sev1 is the worst."`
	Team          string            `json:"team,omitempty" example:"growth" doc:"The team that it is of."`
	Labels        map[string]string `json:"labels,omitempty" example:"{\"connector\":\"postgres\"}" doc:"By which it is routed, grouped and silenced."`
	ConnectionID  string            `json:"connection_id,omitempty" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection that it is about."`
	IncidentID    string            `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident that it is about."`
	Summary       string            `json:"summary" example:"14 of 120 connections of postgres fail" doc:"In a line."`
	Data          JSONObject        `json:"data,omitempty" example:"{\"value\":14}" doc:"What was measured."`
	Since         time.Time         `json:"since" example:"2026-11-21T14:00:00Z" doc:"Since when it fires."`
	ResolvedAt    time.Time         `json:"resolved_at,omitzero" example:"2026-11-21T16:00:00Z" doc:"When it ceased to."`
	NotifiedAt    time.Time         `json:"notified_at,omitzero" example:"2026-11-21T14:01:00Z" doc:"When somebody was last told."`
	Notifications int               `json:"notifications" example:"1" doc:"How often somebody was told."`
	SilencedBy    string            `json:"silenced_by,omitempty" example:"sil_01hx5k2m8q4z7w9c3v6b" doc:"The silence that keeps it from being told."`
}

func viewAlert(a *store.Alert) Alert {
	return Alert{ID: a.ID, RuleID: a.RuleID, Subject: a.Subject, State: string(a.State), Severity: a.Severity, Team: a.Team, Labels: a.Labels, ConnectionID: a.ConnectionID,
		IncidentID: a.IncidentID, Summary: a.Summary, Data: JSONObject(a.Data), Since: a.Since, ResolvedAt: a.ResolvedAt, NotifiedAt: a.NotifiedAt, Notifications: a.Notifications, SilencedBy: a.SilencedBy}
}

type RuleID struct {
	Rule string `path:"rule" maxLength:"64" example:"rul_01hx5k2m8q4z7w9c3v6b" doc:"Id of the rule."`
}

type SilenceID struct {
	Silence string `path:"silence" maxLength:"64" example:"sil_01hx5k2m8q4z7w9c3v6b" doc:"Id of the silence."`
}

func alertRoutes(s *server, api huma.API) {
	const tag = "Alerts"
	register(s, api, route{id: "list-alerts", method: http.MethodGet, path: "/api/v1/alerts", tag: tag, summary: "List alerts",
		doc: "Lists the alerts that fire and those that did, the latest first. Who may not see all connections sees those about the ones that they may."}, s.listAlerts)
	register(s, api, route{id: "get-alert", method: http.MethodGet, path: "/api/v1/alerts/{alert}", tag: tag, summary: "Get an alert",
		doc: "Answers one alert."}, s.getAlert)

	const rules, rule = "/api/v1/alert-rules", "/api/v1/alert-rules/{rule}"
	register(s, api, route{id: "list-alert-rules", method: http.MethodGet, path: rules, tag: tag, summary: "List alert rules",
		doc: "Lists the rules, by name unless asked for otherwise."}, s.listRules)
	register(s, api, route{id: "create-alert-rule", method: http.MethodPost, path: rules, tag: tag, summary: "Create an alert rule", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new rule, which counts at once."}, s.createRule)
	register(s, api, route{id: "get-alert-rule", method: http.MethodGet, path: rule, tag: tag, summary: "Get an alert rule",
		doc: "Answers one rule."}, s.getRule)
	register(s, api, route{id: "update-alert-rule", method: http.MethodPatch, path: rule, tag: tag, summary: "Change an alert rule",
		doc: "Changes what is given."}, s.updateRule)
	register(s, api, route{id: "delete-alert-rule", method: http.MethodDelete, path: rule, tag: tag, summary: "Delete an alert rule",
		doc: "Deletes a rule. Its alerts end."}, s.deleteRule)
	register(s, api, route{id: "get-alert-routes", method: http.MethodGet, path: "/api/v1/alert-routes", tag: tag, summary: "Get the routes of alerts",
		doc: "Answers which channels are told of which alerts, where the rule does not say."}, s.getRoutes)
	register(s, api, route{id: "put-alert-routes", method: http.MethodPut, path: "/api/v1/alert-routes", tag: tag, summary: "Set the routes of alerts",
		doc: "Replaces all routes."}, s.putRoutes)

	const silences, silence = "/api/v1/silences", "/api/v1/silences/{silence}"
	register(s, api, route{id: "list-silences", method: http.MethodGet, path: silences, tag: tag, summary: "List silences",
		doc: "Lists silences and maintenance windows that are not over, the latest first."}, s.listSilences)
	register(s, api, route{id: "create-silence", method: http.MethodPost, path: silences, tag: tag, summary: "Create a silence", status: http.StatusCreated,
		doc: "Keeps alerts from being told for a time, or in hours that come back. What has changed until its end is told then."}, s.createSilence)
	register(s, api, route{id: "get-silence", method: http.MethodGet, path: silence, tag: tag, summary: "Get a silence",
		doc: "Answers one silence."}, s.getSilence)
	register(s, api, route{id: "update-silence", method: http.MethodPatch, path: silence, tag: tag, summary: "Change a silence",
		doc: "Changes what is given."}, s.updateSilence)
	register(s, api, route{id: "delete-silence", method: http.MethodDelete, path: silence, tag: tag, summary: "Delete a silence",
		doc: "Deletes a silence, which ends it."}, s.deleteSilence)
}

func (s *server) listAlerts(ctx context.Context, in *struct {
	Paging
	State        string `query:"state" enum:"firing,resolved" example:"firing" doc:"Only in this state."`
	RuleID       string `query:"rule_id" example:"rul_01hx5k2m8q4z7w9c3v6b" doc:"Only of this rule."`
	Severity     string `query:"severity" enum:"sev1,sev2,sev3,sev4" example:"sev1" doc:"Only of this severity."`
	Team         string `query:"team" example:"growth" doc:"Only of this team."`
	ConnectionID string `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only about this connection."`
	IncidentID   string `query:"incident_id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"Only about this incident."`
	Sort         string `query:"sort" enum:"since,-since" default:"-since" example:"-since" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[Alert]], error) {
	f := store.AlertFilter{State: store.AlertState(in.State), RuleID: in.RuleID, Severity: in.Severity, Team: in.Team, ConnectionID: in.ConnectionID, IncidentID: in.IncidentID, Among: among(ctx)}
	items, next, err := s.Store.ListAlerts(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewAlert), nil
}

func (s *server) getAlert(ctx context.Context, in *struct {
	Alert string `path:"alert" maxLength:"64" example:"alr_01hx5k2m8q4z7w9c3v6b" doc:"Id of the alert."`
}) (*Plain[Alert], error) {
	a, err := s.Store.Alert(ctx, in.Alert)
	if err != nil {
		return nil, err
	}
	if !seen(ctx, a.ConnectionID) {
		return nil, store.ErrNotFound
	}
	return &Plain[Alert]{Body: viewAlert(a)}, nil
}

func (s *server) listRules(ctx context.Context, in *listLinks) (*Plain[Page[AlertRule]], error) {
	items, next, err := s.Store.ListRules(ctx, in.filter(), in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	v := Page[AlertRule]{Items: make([]AlertRule, len(items)), Next: next}
	for i := range items {
		if v.Items[i], err = viewRule(&items[i]); err != nil {
			return nil, err
		}
	}
	return &Plain[Page[AlertRule]]{Body: v}, nil
}

func (s *server) createRule(ctx context.Context, in *struct {
	IdempotencyKey
	Body control.RuleSpec `example:"{\"name\":\"too many fail\",\"kind\":\"failing_share\",\"above\":0.1,\"at_least\":3,\"by\":\"connector\",\"for\":\"10m\",\"severity\":\"sev2\"}"`
}) (*Created[AlertRule], error) {
	r, err := s.Control.CreateRule(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	v, err := viewRule(r)
	if err != nil {
		return nil, err
	}
	return created(v, r.Version, "/api/v1/alert-rules/"+r.ID), nil
}

func taggedRule(r *store.AlertRule, held IfNoneMatch, err error) (*Tagged[AlertRule], error) {
	if err != nil {
		return nil, err
	}
	v, err := viewRule(r)
	if err != nil {
		return nil, err
	}
	return tagged(v, r.Version, held)
}

func (s *server) getRule(ctx context.Context, in *struct {
	RuleID
	IfNoneMatch
}) (*Tagged[AlertRule], error) {
	r, err := s.Store.Rule(ctx, in.Rule)
	return taggedRule(r, in.IfNoneMatch, err)
}

func (s *server) updateRule(ctx context.Context, in *struct {
	RuleID
	IfMatch
	Body Patch[control.RuleSpec] `example:"{\"above\":0.2}"`
}) (*Tagged[AlertRule], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	r, err := s.Control.PatchRule(ctx, actorOf(ctx), in.Rule, version, in.Body.text)
	return taggedRule(r, IfNoneMatch{}, err)
}

func (s *server) deleteRule(ctx context.Context, in *struct {
	RuleID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteRule(ctx, actorOf(ctx), in.Rule, version)
}

func (s *server) getRoutes(ctx context.Context, in *struct{ IfNoneMatch }) (*Tagged[control.RoutesSpec], error) {
	spec, version, err := s.Control.Routes(ctx)
	if err != nil {
		return nil, err
	}
	return tagged(spec, version, in.IfNoneMatch)
}

func (s *server) putRoutes(ctx context.Context, in *struct {
	IfMatch
	Body control.RoutesSpec `example:"{\"routes\":[{\"name\":\"all\",\"channels\":[],\"group_by\":[\"team\"]}]}"`
}) (*Tagged[control.RoutesSpec], error) {
	return replaced(in.IfMatch, func(version int64) (control.RoutesSpec, int64, error) {
		return s.Control.PutRoutes(ctx, actorOf(ctx), version, in.Body)
	})
}

func (s *server) listSilences(ctx context.Context, in *struct {
	Paging
	Kind  string `query:"kind" enum:"silence,maintenance" example:"maintenance" doc:"Only of this kind."`
	Ended bool   `query:"ended" example:"true" doc:"Whether those that are over are listed, too."`
	Sort  string `query:"sort" enum:"created,-created" default:"-created" example:"-created" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[Silence]], error) {
	items, next, err := s.Store.ListSilences(ctx, store.SilenceKind(in.Kind), in.Ended, s.now(), in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewSilence), nil
}

func (s *server) createSilence(ctx context.Context, in *struct {
	IdempotencyKey
	Body control.SilenceSpec `example:"{\"kind\":\"maintenance\",\"reason\":\"the warehouse is patched\",\"match\":[{\"label\":\"team\",\"is\":[\"growth\"]}],\"weekly\":{\"days\":[\"sat\"],\"from\":\"22:00\",\"to\":\"04:00\",\"zone\":\"Europe/Berlin\"}}"`
}) (*Created[Silence], error) {
	v, err := s.Control.CreateSilence(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return created(viewSilence(v), v.Version, "/api/v1/silences/"+v.ID), nil
}

func (s *server) getSilence(ctx context.Context, in *struct {
	SilenceID
	IfNoneMatch
}) (*Tagged[Silence], error) {
	v, err := s.Store.Silence(ctx, in.Silence)
	if err != nil {
		return nil, err
	}
	return tagged(viewSilence(v), v.Version, in.IfNoneMatch)
}

func (s *server) updateSilence(ctx context.Context, in *struct {
	SilenceID
	IfMatch
	Body Patch[control.SilenceSpec] `example:"{\"reason\":\"the warehouse is patched, and moves\"}"`
}) (*Tagged[Silence], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	v, err := s.Control.PatchSilence(ctx, actorOf(ctx), in.Silence, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return tagged(viewSilence(v), v.Version, IfNoneMatch{})
}

func (s *server) deleteSilence(ctx context.Context, in *struct {
	SilenceID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteSilence(ctx, actorOf(ctx), in.Silence, version)
}
