package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// HealthSummary is how all connections are that the caller may see.
type HealthSummary struct {
	Connections HealthCounts   `json:"connections" doc:"Connections by health."`
	Incidents   IncidentCounts `json:"incidents" doc:"Incidents by state."`
	Alerts      int            `json:"alerts" example:"2" doc:"Alerts that fire; 0 for who may not see all connections."`
	Tracked     bool           `json:"tracked" example:"true" doc:"Whether the health tracker has read anything yet."`
	TrackedAt   time.Time      `json:"tracked_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"When it last changed something."`
}

// HealthCounts counts connections.
type HealthCounts struct {
	Healthy     int64 `json:"healthy" example:"180" doc:"Their last sync succeeded, in time."`
	Degraded    int64 `json:"degraded" example:"12" doc:"Failing or late, within their threshold."`
	Down        int64 `json:"down" example:"3" doc:"Failing past their threshold."`
	NeedsAction int64 `json:"needs_action" example:"5" doc:"Failing, and only a person can help."`
	Unmeasured  int64 `json:"unmeasured" example:"4" doc:"Paused, or nothing is known yet."`
}

func viewHealthCounts(n map[store.Health]int64) HealthCounts {
	return HealthCounts{Healthy: n[store.Healthy], Degraded: n[store.Degraded], Down: n[store.Down], NeedsAction: n[store.NeedsAction], Unmeasured: n[store.Unmeasured]}
}

// IncidentCounts counts incidents.
type IncidentCounts struct {
	Open         int64 `json:"open" example:"3" doc:"That nobody has acknowledged."`
	Acknowledged int64 `json:"acknowledged" example:"2" doc:"That somebody sees to."`
	Resolved     int64 `json:"resolved" example:"41" doc:"That are over and still kept."`
}

// ConnectionHealth is how a connection is.
type ConnectionHealth struct {
	ConnectionID   string       `json:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Health         string       `json:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"degraded" doc:"degraded: failing or late, within its threshold; down: failing past it; needs_action: only a person can help; unmeasured: paused, or nothing is known yet."`
	Since          time.Time    `json:"since,omitzero" example:"2026-11-21T12:00:00Z" doc:"Since when it is so."`
	Reason         string       `json:"reason" example:"the last 3 syncs failed: the sign-in was refused" doc:"Why, in words."`
	FailingSince   time.Time    `json:"failing_since,omitzero" example:"2026-11-21T12:00:00Z" doc:"Since when it fails; missing: it does not."`
	LastSuccessAt  time.Time    `json:"last_success_at,omitzero" example:"2026-11-21T11:45:00Z" doc:"Its latest success."`
	LastFailureAt  time.Time    `json:"last_failure_at,omitzero" example:"2026-11-21T14:00:00Z" doc:"Its latest failure."`
	Failures       int          `json:"failures" example:"3" doc:"Failures in a row."`
	Successes      int          `json:"successes" example:"0" doc:"Successes in a row."`
	Flapping       bool         `json:"flapping" example:"false" doc:"Whether it begins and ceases to fail again and again."`
	Failure        *Failure     `json:"failure,omitempty" doc:"The latest failure, while it fails."`
	Fingerprint    string       `json:"fingerprint,omitempty" example:"9f86d081884c7d65" doc:"Of the failure's cause."`
	IncidentID     string       `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident under way that it is in."`
	IncidentNumber int64        `json:"incident_number,omitempty" example:"42" doc:"Its number."`
	Report         *HealthShare `json:"report,omitempty" doc:"For how long it had which health, from from to to."`
}

func (s *server) viewHealth(row *store.ConnectionRow) ConnectionHealth {
	v := ConnectionHealth{ConnectionID: row.ID, Health: string(store.Healthy), Since: row.CreatedAt, Reason: "no sync has failed", LastSuccessAt: row.Status.LastSuccessAt}
	if h := row.Health; h != nil {
		v = ConnectionHealth{ConnectionID: row.ID, Health: string(h.Health), Since: h.Since, Reason: h.Reason, FailingSince: h.FailingSince, LastSuccessAt: h.LastSuccessAt,
			LastFailureAt: h.LastFailureAt, Failures: h.Failures, Successes: h.Successes, Flapping: h.Flapping, Fingerprint: h.Fingerprint,
			Failure: s.viewFailure(h.Failure, store.Kinds{Source: row.Connector, Destination: row.DestinationKind}), IncidentID: h.IncidentID, IncidentNumber: row.IncidentNumber}
	}
	return v
}

// HealthShare says for how long connections had which health.
type HealthShare struct {
	Uptime             float64 `json:"uptime" example:"0.9987" doc:"Share of the measured time in which they were healthy, from 0 to 1; 1 where nothing was measured."`
	MeasuredMinutes    float64 `json:"measured_minutes" example:"10080" doc:"Time in which their health was known, summed over the connections."`
	DowntimeMinutes    float64 `json:"downtime_minutes" example:"13.5" doc:"Data downtime: measured time in which data did not come as it should, whatever the reason."`
	DegradedMinutes    float64 `json:"degraded_minutes" example:"10" doc:"Of it degraded: failing or late, within their threshold."`
	DownMinutes        float64 `json:"down_minutes" example:"3.5" doc:"Of it down: failing past their threshold."`
	NeedsActionMinutes float64 `json:"needs_action_minutes" example:"0" doc:"Of it waiting for a person."`
}

func viewShare(r *store.HealthReport) HealthShare {
	return HealthShare{Uptime: r.Uptime(), MeasuredMinutes: r.Measured().Minutes(), DowntimeMinutes: r.Downtime().Minutes(), DegradedMinutes: r.Parts[store.Degraded].Minutes(),
		DownMinutes: r.Parts[store.Down].Minutes(), NeedsActionMinutes: r.Parts[store.NeedsAction].Minutes()}
}

// HealthGroup is a line of a report.
type HealthGroup struct {
	Key         string `json:"key" example:"postgres" doc:"Id of the connection, name of the connector or team; empty: of no team, or of all."`
	Name        string `json:"name" example:"postgres" doc:"For people."`
	Connections int64  `json:"connections" example:"12" doc:"Connections of it that were measured."`
	HealthShare
}

// HealthReport is what ReportHealth answers.
type HealthReport struct {
	By    string        `json:"by" enum:"connection,connector,team,all" example:"connector" doc:"What it is grouped by."`
	From  time.Time     `json:"from" example:"2026-11-14T00:00:00Z" doc:"Its beginning."`
	To    time.Time     `json:"to" example:"2026-11-21T00:00:00Z" doc:"Its end."`
	Items []HealthGroup `json:"items" doc:"The groups, by their keys."`
}

// HealthPart is a time in which a connection had one health.
type HealthPart struct {
	Health     string    `json:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"degraded" doc:"The health."`
	From       time.Time `json:"from" example:"2026-11-21T12:00:00Z" doc:"Since when."`
	To         time.Time `json:"to,omitzero" example:"2026-11-21T14:00:00Z" doc:"Until when; missing: it lasts."`
	Reason     string    `json:"reason" example:"the last 3 syncs failed: the sign-in was refused" doc:"Why, in words."`
	IncidentID string    `json:"incident_id,omitempty" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"The incident that it was in."`
}

func viewPart(p *store.HealthPart) HealthPart {
	return HealthPart{Health: string(p.Health), From: p.From, To: p.To, Reason: p.Reason, IncidentID: p.IncidentID}
}

// Period is embedded by what looks at a time.
type Period struct {
	From time.Time `query:"from" example:"2026-11-14T00:00:00Z" doc:"The beginning; without it, 7 days before the end."`
	To   time.Time `query:"to" example:"2026-11-21T00:00:00Z" doc:"The end; without it, now."`
}

// bounds returns the period, or why it is none.
func (p Period) bounds(now time.Time) (from, to time.Time, err error) {
	from, to = p.From.UTC(), p.To.UTC()
	if p.To.IsZero() {
		to = now.UTC()
	}
	if p.From.IsZero() {
		from = to.Add(-7 * 24 * time.Hour)
	}
	if !to.After(from) {
		return from, to, invalid("query.to", "is not after from", "choose a later time")
	}
	return from, to, nil
}

func trackRoutes(s *server, api huma.API) {
	const tag = "Health"
	register(s, api, route{id: "get-health", method: http.MethodGet, path: "/api/v1/health", tag: tag, summary: "Get the health of the fleet",
		doc: "Counts connections by health, incidents by state, and alerts that fire."}, s.getHealth)
	register(s, api, route{id: "get-health-report", method: http.MethodGet, path: "/api/v1/health/report", tag: tag, summary: "Report uptime and data downtime",
		doc: "Sums up, over any period for which the history is kept, for how long connections had which health, by connection, connector or team."}, s.reportHealth)
	register(s, api, route{id: "get-health-policy", method: http.MethodGet, path: "/api/v1/health/policy", tag: tag, summary: "Get the rules of the health tracker",
		doc: "Answers thresholds, due dates and escalation as they are set; what is missing is by default."}, s.getHealthPolicy)
	register(s, api, route{id: "put-health-policy", method: http.MethodPut, path: "/api/v1/health/policy", tag: tag, summary: "Set the rules of the health tracker",
		doc: "Replaces all rules. What they change of connections and incidents follows at once."}, s.putHealthPolicy)
	register(s, api, route{id: "get-connection-health", method: http.MethodGet, path: "/api/v1/connections/{connection}/health", tag: tag, summary: "Get the health of a connection",
		doc: "Answers how a connection is and why, and its uptime and data downtime over a period."}, s.getConnectionHealth)
	register(s, api, route{id: "list-connection-health-history", method: http.MethodGet, path: "/api/v1/connections/{connection}/health/history", tag: tag,
		summary: "List the history of a connection's health", doc: "Lists the times in which its health was the same, the latest first."}, s.listHealthHistory)
}

func (s *server) getHealth(ctx context.Context, _ *struct{}) (*Plain[HealthSummary], error) {
	ids := among(ctx)
	counts, err := s.Store.CountHealth(ctx, ids)
	if err != nil {
		return nil, err
	}
	v := HealthSummary{Connections: viewHealthCounts(counts)}
	if ids == nil {
		incidents, err := s.Store.CountIncidents(ctx)
		if err != nil {
			return nil, err
		}
		v.Incidents = IncidentCounts{Open: incidents[store.IncidentOpen], Acknowledged: incidents[store.IncidentAcknowledged], Resolved: incidents[store.IncidentResolved]}
		firing, err := s.Store.FiringAlerts(ctx)
		if err != nil {
			return nil, err
		}
		v.Alerts = len(firing)
	} else if v.Incidents, err = s.countIncidents(ctx, ids); err != nil {
		return nil, err
	}
	cursor, err := s.Store.HealthCursor(ctx)
	if err != nil {
		return nil, err
	}
	v.Tracked, v.TrackedAt = cursor.Revision > 0, cursor.UpdatedAt
	return &Plain[HealthSummary]{Body: v}, nil
}

// countIncidents counts those of some connections.
func (s *server) countIncidents(ctx context.Context, ids []string) (n IncidentCounts, err error) {
	err = store.Each(func(p store.Page) ([]store.Incident, string, error) {
		return s.Store.ListIncidents(ctx, store.IncidentFilter{Among: ids}, p)
	}, func(i *store.Incident) error {
		switch i.State {
		case store.IncidentOpen:
			n.Open++
		case store.IncidentAcknowledged:
			n.Acknowledged++
		case store.IncidentResolved:
			n.Resolved++
		case store.IncidentMerged:
		}
		return nil
	})
	return n, err
}

func (s *server) reportHealth(ctx context.Context, in *struct {
	Period
	By           string `query:"by" enum:"connection,connector,team,all" default:"connection" example:"team" doc:"What it is grouped by."`
	ConnectionID string `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only of this connection."`
	Connector    string `query:"connector" example:"postgres" doc:"Only of this connector."`
	Team         string `query:"team" example:"growth" doc:"Only of this team."`
}) (*Plain[HealthReport], error) {
	from, to, err := in.bounds(s.now())
	if err != nil {
		return nil, err
	}
	f := store.HealthReportFilter{ConnectionID: in.ConnectionID, Connector: in.Connector, Team: in.Team, Among: among(ctx)}
	groups, err := s.Store.ReportHealth(ctx, store.HealthGroup(in.By), f, from, to)
	if err != nil {
		return nil, err
	}
	v := HealthReport{By: in.By, From: from, To: to, Items: make([]HealthGroup, len(groups))}
	for i := range groups {
		g := &groups[i]
		v.Items[i] = HealthGroup{Key: g.Key, Name: g.Name, Connections: g.Connections, HealthShare: viewShare(g)}
	}
	return &Plain[HealthReport]{Body: v}, nil
}

func (s *server) getConnectionHealth(ctx context.Context, in *struct {
	ConnectionID
	Period
}) (*Plain[ConnectionHealth], error) {
	from, to, err := in.bounds(s.now())
	if err != nil {
		return nil, err
	}
	row, err := s.Store.ConnectionRow(ctx, in.Connection)
	if err != nil {
		return nil, err
	}
	groups, err := s.Store.ReportHealth(ctx, store.ByConnection, store.HealthReportFilter{ConnectionID: row.ID}, from, to)
	if err != nil {
		return nil, err
	}
	v, share := s.viewHealth(row), viewShare(&store.HealthReport{})
	if len(groups) > 0 {
		share = viewShare(&groups[0])
	}
	v.Report = &share
	return &Plain[ConnectionHealth]{Body: v}, nil
}

func (s *server) listHealthHistory(ctx context.Context, in *struct {
	ConnectionID
	Paging
	From time.Time `query:"from" example:"2026-11-14T00:00:00Z" doc:"Only what lasts until after this time."`
	To   time.Time `query:"to" example:"2026-11-21T00:00:00Z" doc:"Only what begins before this time."`
	Sort string    `query:"sort" enum:"from,-from" default:"-from" example:"-from" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[HealthPart]], error) {
	if _, err := s.Store.ConnectionRow(ctx, in.Connection); err != nil {
		return nil, err
	}
	items, next, err := s.Store.ListHealthHistory(ctx, in.Connection, in.From, in.To, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewPart), nil
}

func (s *server) getHealthPolicy(ctx context.Context, in *struct{ IfNoneMatch }) (*Tagged[control.HealthPolicySpec], error) {
	spec, version, err := s.Control.HealthPolicy(ctx)
	if err != nil {
		return nil, err
	}
	return tagged(spec, version, in.IfNoneMatch)
}

func (s *server) putHealthPolicy(ctx context.Context, in *struct {
	IfMatch
	Body control.HealthPolicySpec `example:"{\"down\":{\"after\":\"48h\",\"failures\":20},\"connectors\":{\"shop\":{\"after\":\"24h\"}},\"severities\":{\"sev1\":{\"after\":\"4h\"}},\"due\":\"14d\"}"`
}) (*Tagged[control.HealthPolicySpec], error) {
	return replaced(in.IfMatch, func(version int64) (control.HealthPolicySpec, int64, error) {
		return s.Control.PutHealthPolicy(ctx, actorOf(ctx), version, in.Body)
	})
}
