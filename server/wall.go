package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/health/wall"
)

// Wall is the digest of all failing connections.
type Wall struct {
	At          time.Time   `json:"at" example:"2026-11-21T14:00:00Z" doc:"When it was made."`
	Total       int         `json:"total" example:"200" doc:"Connections that are not paused."`
	Failing     int         `json:"failing" example:"20" doc:"Those that are not healthy."`
	Down        int         `json:"down" example:"3" doc:"Of them down: failing past their threshold."`
	NeedsAction int         `json:"needs_action" example:"5" doc:"Of them waiting for a person."`
	Degraded    int         `json:"degraded" example:"12" doc:"Of them failing or late, within their threshold."`
	Shared      []WallCause `json:"shared" doc:"Causes of several connections, the worst first."`
	Single      []WallCause `json:"single" doc:"Causes of one each, the worst first."`
}

// WallCause is connections that fail for the same reason.
type WallCause struct {
	Incident    *WallIncident    `json:"incident,omitempty" doc:"The incident; missing: none yet."`
	Connections []WallConnection `json:"connections" doc:"The worst first."`
}

// WallIncident is an incident on the wall.
type WallIncident struct {
	Number       int64        `json:"number" example:"42" doc:"Its number."`
	Title        string       `json:"title" example:"shop: the API refuses the sign-in" doc:"What it is about."`
	Severity     string       `json:"severity" example:"sev2" doc:"sev1 is the worst."`
	OpenedAt     time.Time    `json:"opened_at" example:"2026-11-19T14:00:00Z" doc:"The first failure."`
	DueAt        time.Time    `json:"due_at,omitzero" example:"2026-12-12T14:00:00Z" doc:"Until when it is to be resolved."`
	Assignee     string       `json:"assignee,omitempty" example:"ana@example.com" doc:"Who is to see to it."`
	Acknowledged bool         `json:"acknowledged" example:"true" doc:"Whether somebody has said that they see to it."`
	URL          string       `json:"url,omitempty" example:"https://sluice.example/incidents/42" doc:"Its page."`
	Tickets      []WallTicket `json:"tickets,omitempty" doc:"Where it was filed."`
}

// WallTicket is a ticket on the wall.
type WallTicket struct {
	Key string `json:"key" example:"OPS-7" doc:"As the tracker calls it."`
	URL string `json:"url,omitempty" example:"https://tracker.example/OPS-7" doc:"For people."`
}

// WallConnection is a connection on the wall.
type WallConnection struct {
	ID            string    `json:"id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"The connection."`
	Name          string    `json:"name" example:"shop to warehouse" doc:"Its name."`
	Team          string    `json:"team,omitempty" example:"growth" doc:"Its team."`
	Connector     string    `json:"connector" example:"shop" doc:"Its source's kind."`
	Health        string    `json:"health" enum:"healthy,degraded,down,needs_action,unmeasured" example:"down" doc:"How it is."`
	Since         time.Time `json:"since,omitzero" example:"2026-11-19T14:00:00Z" doc:"Since when it fails, or is late."`
	LastSuccessAt time.Time `json:"last_success_at,omitzero" example:"2026-11-19T13:45:00Z" doc:"Its latest success."`
	Code          string    `json:"code,omitempty" example:"shop_auth" doc:"Code of the failure."`
	Reason        string    `json:"reason" example:"the sign-in was refused" doc:"In words."`
	Hint          string    `json:"hint,omitempty" example:"give a new token" doc:"What to do."`
	URL           string    `json:"url,omitempty" example:"https://sluice.example/connections/con_01hx5k2m8q4z7w9c3v6b" doc:"Its page."`
	RunbookURL    string    `json:"runbook_url,omitempty" example:"https://sluice.example/runbooks/shop-auth" doc:"What to do, at length."`
}

func viewWall(w *wall.Wall) Wall {
	return Wall{At: w.At, Total: w.Total, Failing: w.Failing, Down: w.Down, NeedsAction: w.NeedsAction, Degraded: w.Degraded, Shared: viewCauses(w.Shared), Single: viewCauses(w.Single)}
}

func viewCauses(all []wall.Cause) []WallCause {
	out := make([]WallCause, len(all))
	for i, c := range all {
		out[i].Connections = make([]WallConnection, len(c.Connections))
		for n, v := range c.Connections {
			out[i].Connections[n] = WallConnection{v.ID, v.Name, v.Team, v.Connector, v.Health, v.Since, v.LastSuccess, v.Code, v.Reason, v.Hint, v.URL, v.RunbookURL}
		}
		if c.Incident == nil {
			continue
		}
		v := &WallIncident{Number: c.Incident.Number, Title: c.Incident.Title, Severity: c.Incident.Severity, OpenedAt: c.Incident.Opened, DueAt: c.Incident.Due,
			Assignee: c.Incident.Assignee, Acknowledged: c.Incident.Acked, URL: c.Incident.URL}
		for _, t := range c.Incident.Tickets {
			v.Tickets = append(v.Tickets, WallTicket(t))
		}
		out[i].Incident = v
	}
	return out
}

// WallMessage is the digest as it is sent.
type WallMessage struct {
	Subject string `json:"subject" example:"Sluice: 5 of 200 connections in trouble, 3 down" doc:"The line of numbers."`
	HTML    string `json:"html" example:"<html></html>" doc:"For mail programs: nothing is loaded from elsewhere."`
	Plain   string `json:"plain" example:"3 down, 2 in need of action" doc:"For those that show no HTML."`
}

func wallRoutes(s *server, api huma.API) {
	const tag, root = "Wall", "/api/v1/wall"
	register(s, api, route{id: "get-wall", method: http.MethodGet, path: root, tag: tag, summary: "Get the wall",
		doc: "Answers the digest of all failing connections: shared causes first, and the worst first."}, s.getWall)
	register(s, api, route{id: "get-wall-message", method: http.MethodGet, path: root + "/message", tag: tag, summary: "Get the wall as it is sent",
		doc: "Answers the digest as HTML and as plain text. The HTML alone is at /wall.html."}, s.getWallMessage)
	register(s, api, route{id: "get-wall-settings", method: http.MethodGet, path: root + "/settings", tag: tag, summary: "Get the settings of the wall",
		doc: "Answers when the digest is sent, and where to."}, s.getWallSettings)
	register(s, api, route{id: "put-wall-settings", method: http.MethodPut, path: root + "/settings", tag: tag, summary: "Set the settings of the wall",
		doc: "Replaces when the digest is sent, and where to."}, s.putWallSettings)
	register(s, api, route{id: "send-wall", method: http.MethodPost, path: root + "/send", tag: tag, summary: "Send the wall now",
		doc: "Sends the digest now to where its settings say."}, s.sendWall)
}

func (s *server) getWall(ctx context.Context, _ *struct{}) (*Plain[Wall], error) {
	w, _, err := s.Control.Wall(ctx)
	if err != nil {
		return nil, err
	}
	return &Plain[Wall]{Body: viewWall(&w)}, nil
}

func (s *server) wallMessage(ctx context.Context) (wall.Message, error) {
	w, zone, err := s.Control.Wall(ctx)
	if err != nil {
		return wall.Message{}, err
	}
	return wall.Render(w, zone, "")
}

func (s *server) getWallMessage(ctx context.Context, _ *struct{}) (*Plain[WallMessage], error) {
	m, err := s.wallMessage(ctx)
	if err != nil {
		return nil, err
	}
	return &Plain[WallMessage]{Body: WallMessage(m)}, nil
}

// wallPage shows the digest as it is sent. Its styles are in place, as mail programs
// want them; it loads nothing.
func (s *server) wallPage(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()
	m, err := s.wallMessage(ctx)
	if err != nil {
		s.write(w, r, s.explained(ctx, err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	_, _ = w.Write([]byte(m.HTML)) // the client has gone: nobody is left to tell
}

func (s *server) getWallSettings(ctx context.Context, in *struct{ IfNoneMatch }) (*Tagged[control.WallSpec], error) {
	spec, version, err := s.Control.WallSettings(ctx)
	if err != nil {
		return nil, err
	}
	return tagged(spec, version, in.IfNoneMatch)
}

func (s *server) putWallSettings(ctx context.Context, in *struct {
	IfMatch
	Body control.WallSpec `example:"{\"zone\":\"Europe/Berlin\",\"times\":[\"08:00\",\"16:00\"],\"quiet\":true,\"channels\":[]}"`
}) (*Tagged[control.WallSpec], error) {
	return replaced(in.IfMatch, func(version int64) (control.WallSpec, int64, error) {
		return s.Control.PutWallSettings(ctx, actorOf(ctx), version, in.Body)
	})
}

// Sent says how many deliveries were made.
type Sent struct {
	Deliveries int `json:"deliveries" example:"2" doc:"How many deliveries were posted: one for each channel of the settings."`
}

func (s *server) sendWall(ctx context.Context, _ *struct{ IdempotencyKey }) (*Plain[Sent], error) {
	n, err := s.Control.SendWall(ctx, actorOf(ctx))
	if err != nil {
		return nil, err
	}
	return &Plain[Sent]{Body: Sent{n}}, nil
}
