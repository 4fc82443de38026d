package server

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/access"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// IncidentID is embedded by the inputs of operations on an incident.
type IncidentID struct {
	Incident string `path:"incident" maxLength:"64" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"Id of the incident, or its number."`
}

type listIncidents struct {
	Paging
	State        string    `query:"state" enum:"under_way,open,acknowledged,resolved,merged" example:"under_way" doc:"Only in this state; under_way: open or acknowledged."`
	Severity     string    `query:"severity" enum:"sev1,sev2,sev3,sev4" example:"sev1" doc:"Only of this severity."`
	Connector    string    `query:"connector" example:"postgres" doc:"Only of this connector or kind of destination."`
	Team         string    `query:"team" example:"growth" doc:"Only of this team."`
	Assignee     string    `query:"assignee" example:"ana@example.com" doc:"Only assigned to them."`
	ConnectionID string    `query:"connection_id" example:"con_01hx5k2m8q4z7w9c3v6b" doc:"Only that this connection is or was in."`
	Code         string    `query:"code" example:"shop_auth" doc:"Only of failures with this code."`
	Class        string    `query:"class" enum:"bug,transient,throttled,config,auth,blocked,lost,data,cancelled" example:"auth" doc:"Only of failures of this class."`
	Filed        bool      `query:"filed" example:"true" doc:"Only those that have tickets."`
	DueBefore    time.Time `query:"due_before" example:"2026-12-01T00:00:00Z" doc:"Only those due before this time."`
	Search       string    `query:"search" maxLength:"200" example:"sign-in" doc:"Only with this in the title, whatever the case."`
	Label        []string  `query:"label,explode" maxItems:"10" example:"[\"env=prod\"]" doc:"Only with this label, key=value; may be given several times, and then all must be there."`
	Sort         string    `query:"sort" enum:"number,-number,severity,-severity,first_seen,-first_seen,last_seen,-last_seen,due,-due,connections,-connections" default:"-number" example:"severity" doc:"The order; - in front: descending."`
}

// IncidentChange is what people change of an incident.
type IncidentChange struct {
	Severity *string    `json:"severity,omitempty" enum:"sev1,sev2,sev3,sev4," example:"sev2" doc:"The severity; empty: it follows the reach again."`
	Assignee *string    `json:"assignee,omitempty" maxLength:"200" example:"ana@example.com" doc:"Who is to see to it; empty: nobody."`
	DueAt    *time.Time `json:"due_at,omitempty" example:"2026-12-12T14:00:00Z" doc:"Until when it is to be resolved."`
	Title    *string    `json:"title,omitempty" maxLength:"800" example:"the shop refuses the sign-in" doc:"What it is about, in a line."`
}

type patchIncident struct {
	IncidentID
	IfMatch
	Body IncidentChange
}

type actOnIncident struct {
	IncidentID
	IdempotencyKey
	IfMatch
}

// Note is a text of a person.
type Note struct {
	Text string `json:"text" minLength:"1" maxLength:"20000" example:"the vendor knows, and works on it" doc:"In Markdown."`
}

type commentOnIncident struct {
	IncidentID
	IdempotencyKey
	IfMatch
	Body Note
}

// Resolution says why an incident is over.
type Resolution struct {
	Text string `json:"text,omitempty" maxLength:"20000" example:"the source is no longer needed" doc:"Why, in Markdown."`
}

type resolveIncident struct {
	IncidentID
	IdempotencyKey
	IfMatch
	Body Resolution
}

// Merging names the incident that goes on.
type Merging struct {
	Into string `json:"into" minLength:"1" maxLength:"64" example:"inc_01hx5k2m8q4z7w9c3v6c" doc:"Id or number of the incident that goes on for both."`
}

type mergeIncident struct {
	IncidentID
	IdempotencyKey
	IfMatch
	Body Merging
}

// Splitting names the connections that get an incident of their own.
type Splitting struct {
	Connections []string `json:"connections" minItems:"1" maxItems:"10000" example:"[\"con_01hx5k2m8q4z7w9c3v6b\"]" doc:"Ids of some of its connections."`
}

type splitIncident struct {
	IncidentID
	IdempotencyKey
	IfMatch
	Body Splitting
}

func incidentRoutes(s *server, api huma.API) {
	const tag, root, one = "Incidents", "/api/v1/incidents", "/api/v1/incidents/{incident}"
	register(s, api, route{id: "list-incidents", method: http.MethodGet, path: root, tag: tag, summary: "List incidents",
		doc: "Lists incidents, the latest first unless asked for otherwise. Who may not see all connections sees the incidents of those that they may."}, s.listIncidents)
	register(s, api, route{id: "get-incident", method: http.MethodGet, path: one, tag: tag, summary: "Get an incident",
		doc: "Answers one incident. Its connections, timeline, tickets and review have lists of their own."}, s.getIncident)
	register(s, api, route{id: "update-incident", method: http.MethodPatch, path: one, tag: tag, summary: "Change an incident",
		doc: "Changes severity, assignee, due date or title: what is given."}, s.updateIncident)
	register(s, api, route{id: "acknowledge-incident", method: http.MethodPost, path: one + "/acknowledge", tag: tag, summary: "Acknowledge an incident",
		doc: "Says that somebody sees to it: it no longer escalates for not being heard."}, s.acknowledgeIncident)
	register(s, api, route{id: "comment-on-incident", method: http.MethodPost, path: one + "/comments", tag: tag, summary: "Comment on an incident",
		doc: "Adds to the timeline, and to the tickets."}, s.commentOnIncident)
	register(s, api, route{id: "resolve-incident", method: http.MethodPost, path: one + "/resolve", tag: tag, summary: "Resolve an incident",
		doc: "Ends it by hand. A connection that fails again for the same cause opens it again."}, s.resolveIncident)
	register(s, api, route{id: "merge-incident", method: http.MethodPost, path: one + "/merge", tag: tag, summary: "Merge an incident into another",
		doc: "Makes it a part of another one, for good, and answers that one."}, s.mergeIncident)
	register(s, api, route{id: "split-incident", method: http.MethodPost, path: one + "/split", tag: tag, summary: "Split an incident", status: http.StatusCreated,
		doc: "Makes an incident of its own of some of its connections, and answers that one. It is not merged by itself."}, s.splitIncident)
	register(s, api, route{id: "list-incident-connections", method: http.MethodGet, path: one + "/connections", tag: tag, summary: "List the connections of an incident",
		doc: "Lists the connections that are or were in it, in the order in which they joined."}, s.listIncidentConnections)
	register(s, api, route{id: "list-incident-events", method: http.MethodGet, path: one + "/timeline", tag: tag, summary: "List the timeline of an incident",
		doc: "Lists what has happened, in order."}, s.listIncidentEvents)
	register(s, api, route{id: "get-incident-review", method: http.MethodGet, path: one + "/review", tag: tag, summary: "Get the review of an incident",
		doc: "Answers what was learned from it; 404 while nobody has written it."}, s.getReview)
	register(s, api, route{id: "put-incident-review", method: http.MethodPut, path: one + "/review", tag: tag, summary: "Write the review of an incident",
		doc: "Keeps the review with its action items, in place of what there is. Who owns an action item is reminded as its due date nears."}, s.putReview)
	register(s, api, route{id: "list-tickets", method: http.MethodGet, path: "/api/v1/tickets", tag: tag, summary: "List tickets",
		doc: "Lists the tickets of incidents, the latest first."}, s.listTickets)
	register(s, api, route{id: "get-ticket", method: http.MethodGet, path: "/api/v1/tickets/{ticket}", tag: tag, summary: "Get a ticket",
		doc: "Answers what is known of one ticket."}, s.getTicket)
}

func (s *server) listIncidents(ctx context.Context, in *listIncidents) (*Plain[Page[Incident]], error) {
	labels, err := labelsOf(in.Label)
	if err != nil {
		return nil, err
	}
	f := store.IncidentFilter{Severity: in.Severity, Connector: in.Connector, Team: in.Team, Assignee: in.Assignee, ConnectionID: in.ConnectionID, Code: in.Code, Class: in.Class,
		Filed: in.Filed, DueBefore: in.DueBefore, Search: in.Search, Labels: labels, Among: among(ctx)}
	if f.Open = in.State == "under_way"; !f.Open {
		f.State = store.IncidentState(in.State)
	}
	items, next, err := s.Store.ListIncidents(ctx, f, in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewIncident), nil
}

// incident returns the incident of an id or number, if the caller may see one of
// its connections.
func (s *server) incident(ctx context.Context, ref string) (*store.Incident, error) {
	var i *store.Incident
	number, err := strconv.ParseInt(ref, 10, 64)
	if err == nil {
		i, err = s.Store.IncidentByNumber(ctx, number)
	} else {
		i, err = s.Store.Incident(ctx, ref)
	}
	if err != nil {
		return nil, err
	}
	if ids := among(ctx); ids != nil {
		mine, _, err := s.Store.ListIncidentConnections(ctx, store.IncidentConnectionFilter{IncidentID: i.ID, Among: ids}, store.Page{Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(mine) == 0 {
			return nil, store.ErrNotFound
		}
	}
	return i, nil
}

// incidentToRun is incident for who wants to change it: they must be allowed to run
// each of its connections.
func (s *server) incidentToRun(ctx context.Context, ref string) (*store.Incident, error) {
	i, err := s.incident(ctx, ref)
	if err != nil {
		return nil, err
	}
	every, ids := access.Reach(principalOf(ctx), access.Run)
	if every {
		return i, nil
	}
	err = store.Each(func(p store.Page) ([]store.IncidentConnection, string, error) {
		return s.Store.ListIncidentConnections(ctx, store.IncidentConnectionFilter{IncidentID: i.ID, In: true}, p)
	}, func(p *store.IncidentConnection) error {
		if !slices.Contains(ids, p.ConnectionID) {
			return access.Forbidden(access.Run)
		}
		return nil
	})
	return i, err
}

func (s *server) getIncident(ctx context.Context, in *struct {
	IncidentID
	IfNoneMatch
}) (*Tagged[Incident], error) {
	i, err := s.incident(ctx, in.Incident)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewIncident(i), i.Version, in.IfNoneMatch)
}

// decide makes decisions about an incident, and answers it as it is then.
func (s *server) decide(ctx context.Context, id IncidentID, m IfMatch, decisions ...store.Decision) (*Tagged[Incident], error) {
	version, err := m.version()
	if err != nil {
		return nil, err
	}
	i, err := s.incidentToRun(ctx, id.Incident)
	if err != nil {
		return nil, err
	}
	after, err := s.Control.Decide(ctx, actorOf(ctx), i.ID, version, decisions...)
	if err != nil {
		return nil, err
	}
	return tagged(s.viewIncident(after), after.Version, IfNoneMatch{})
}

func (s *server) updateIncident(ctx context.Context, in *patchIncident) (*Tagged[Incident], error) {
	var all []store.Decision
	if b := in.Body.Severity; b != nil {
		all = append(all, store.Decision{Kind: store.Weigh, Severity: *b})
	}
	if b := in.Body.Assignee; b != nil {
		all = append(all, store.Decision{Kind: store.Assign, Assignee: *b})
	}
	if b := in.Body.DueAt; b != nil {
		all = append(all, store.Decision{Kind: store.SetDue, Due: *b})
	}
	if b := in.Body.Title; b != nil {
		all = append(all, store.Decision{Kind: store.Retitle, Title: *b})
	}
	return s.decide(ctx, in.IncidentID, in.IfMatch, all...)
}

func (s *server) acknowledgeIncident(ctx context.Context, in *actOnIncident) (*Tagged[Incident], error) {
	return s.decide(ctx, in.IncidentID, in.IfMatch, store.Decision{Kind: store.Acknowledge})
}

func (s *server) commentOnIncident(ctx context.Context, in *commentOnIncident) (*Tagged[Incident], error) {
	return s.decide(ctx, in.IncidentID, in.IfMatch, store.Decision{Kind: store.Comment, Text: in.Body.Text})
}

func (s *server) resolveIncident(ctx context.Context, in *resolveIncident) (*Tagged[Incident], error) {
	return s.decide(ctx, in.IncidentID, in.IfMatch, store.Decision{Kind: store.Resolve, Text: in.Body.Text})
}

func (s *server) mergeIncident(ctx context.Context, in *mergeIncident) (*Tagged[Incident], error) {
	if _, err := s.incidentToRun(ctx, in.Incident); err != nil { // first, so that it is said which is not there
		return nil, err
	}
	into, err := s.incidentToRun(ctx, in.Body.Into)
	if err != nil {
		return nil, invalid("body.into", "names no incident", "give the id or the number of an incident that is under way")
	}
	return s.decide(ctx, in.IncidentID, in.IfMatch, store.Decision{Kind: store.Merge, Into: into.ID})
}

func (s *server) splitIncident(ctx context.Context, in *splitIncident) (*Created[Incident], error) {
	v, err := s.decide(ctx, in.IncidentID, in.IfMatch, store.Decision{Kind: store.Split, Connections: in.Body.Connections})
	if err != nil {
		return nil, err
	}
	return &Created[Incident]{ETag: v.ETag, Location: "/api/v1/incidents/" + v.Body.ID, Body: v.Body}, nil
}

func (s *server) listIncidentConnections(ctx context.Context, in *struct {
	IncidentID
	Paging
	In bool `query:"in" example:"true" doc:"Only that are in it now."`
}) (*Plain[Page[IncidentConnection]], error) {
	i, err := s.incident(ctx, in.Incident)
	if err != nil {
		return nil, err
	}
	items, next, err := s.Store.ListIncidentConnections(ctx, store.IncidentConnectionFilter{IncidentID: i.ID, In: in.In, Among: among(ctx)}, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewIncidentConnection), nil
}

func (s *server) listIncidentEvents(ctx context.Context, in *struct {
	IncidentID
	Paging
	Kind string `query:"kind" maxLength:"64" example:"commented" doc:"Only of this kind."`
	Sort string `query:"sort" enum:"at,-at" default:"at" example:"-at" doc:"The order; - in front: the latest first."`
}) (*Plain[Page[IncidentEvent]], error) {
	i, err := s.incident(ctx, in.Incident)
	if err != nil {
		return nil, err
	}
	items, next, err := s.Store.ListIncidentEvents(ctx, i.ID, in.Kind, among(ctx), in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewIncidentEvent), nil
}

func (s *server) getReview(ctx context.Context, in *struct {
	IncidentID
	IfNoneMatch
}) (*Tagged[Review], error) {
	i, err := s.incident(ctx, in.Incident)
	if err != nil {
		return nil, err
	}
	r, err := s.Store.Review(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	return tagged(viewReview(r), r.Version, in.IfNoneMatch)
}

func (s *server) putReview(ctx context.Context, in *struct {
	IncidentID
	IfMatch
	Body control.ReviewSpec
}) (*Tagged[Review], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	i, err := s.incidentToRun(ctx, in.Incident)
	if err != nil {
		return nil, err
	}
	r, err := s.Control.PutReview(ctx, actorOf(ctx), i.ID, version, in.Body)
	if err != nil {
		return nil, err
	}
	return tagged(viewReview(r), r.Version, IfNoneMatch{})
}

func (s *server) listTickets(ctx context.Context, in *struct {
	Paging
	IncidentID string `query:"incident_id" example:"inc_01hx5k2m8q4z7w9c3v6b" doc:"Only of this incident."`
	TrackerID  string `query:"tracker_id" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"Only in this tracker; internal: those that are kept here alone."`
	State      string `query:"state" enum:"pending,open,closed,failed" example:"open" doc:"Only in this state."`
}) (*Plain[Page[Ticket]], error) {
	f := store.TicketFilter{IncidentID: in.IncidentID, TrackerID: in.TrackerID, State: store.TicketState(in.State), Among: among(ctx)}
	items, next, err := s.Store.ListTickets(ctx, f, in.page(""))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, s.viewTicket), nil
}

func (s *server) getTicket(ctx context.Context, in *struct {
	Ticket string `path:"ticket" maxLength:"64" example:"tkt_01hx5k2m8q4z7w9c3v6b" doc:"Id of the ticket."`
}) (*Plain[Ticket], error) {
	t, err := s.Store.Ticket(ctx, in.Ticket)
	if err == nil {
		_, err = s.incident(ctx, t.IncidentID)
	}
	if err != nil {
		return nil, err
	}
	return &Plain[Ticket]{Body: s.viewTicket(t)}, nil
}
