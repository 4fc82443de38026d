package server

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// EndKind is a kind of tracker or channel.
type EndKind struct {
	Name   string     `json:"name" example:"webhook" doc:"As trackers and channels name their kind."`
	Title  string     `json:"title" example:"Webhook" doc:"For people."`
	Config JSONObject `json:"config" example:"{\"type\":\"object\"}" doc:"JSON Schema of the configuration."`
}

// EndKinds are all kinds.
type EndKinds struct {
	Items []EndKind `json:"items" doc:"In the order in which they are offered."`
}

// End is a tracker of tickets, or a channel of notifications.
type End struct {
	ID        string            `json:"id" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"The id."`
	Name      string            `json:"name" example:"ops" doc:"Unique among objects of the kind, whatever the case of its letters."`
	Kind      string            `json:"kind" example:"webhook" doc:"What it is."`
	Enabled   bool              `json:"enabled" example:"true" doc:"Whether anything is sent to it."`
	Config    JSONObject        `json:"config" example:"{\"url\":\"https://hooks.example/sluice\"}" doc:"The configuration without its secrets; the kind's schema says what its fields mean."`
	Secrets   []SecretField     `json:"secrets" doc:"The secrets that are set."`
	Match     control.MatchSpec `json:"match" doc:"The incidents, and of a channel the alerts, that it gets."`
	CreatedBy string            `json:"created_by" example:"usr_01hx5k2m8q4z7w9c3v6b" doc:"Who made it."`
	CreatedAt time.Time         `json:"created_at" example:"2026-11-20T09:00:00Z" doc:"When it was made."`
	UpdatedAt time.Time         `json:"updated_at" example:"2026-11-21T13:00:00Z" doc:"When it was last changed."`
}

func viewTracker(t *store.Tracker) End {
	return End{ID: t.ID, Name: t.Name, Kind: t.Kind, Enabled: t.Enabled, Config: JSONObject(t.Config), Secrets: viewSecrets(t.Secrets), Match: control.MatchOf(t.Match),
		CreatedBy: t.CreatedBy, CreatedAt: t.CreatedAt, UpdatedAt: t.UpdatedAt}
}

func viewChannel(c *store.Channel) End {
	return End{ID: c.ID, Name: c.Name, Kind: c.Kind, Enabled: c.Enabled, Config: JSONObject(c.Config), Secrets: viewSecrets(c.Secrets), Match: control.MatchOf(c.Match),
		CreatedBy: c.CreatedBy, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt}
}

// Trial is what came out of a test.
type Trial struct {
	OK           bool     `json:"ok" example:"true" doc:"Whether it went well."`
	Receipt      string   `json:"receipt,omitempty" example:"202 Accepted" doc:"What the other side answered."`
	Problem      *Failure `json:"problem,omitempty" doc:"Why it failed."`
	Milliseconds int64    `json:"milliseconds" example:"180" doc:"How long it took."`
}

func (s *server) viewTrial(t *control.Trial, err error) (*Plain[Trial], error) {
	if err != nil {
		return nil, err
	}
	return &Plain[Trial]{Body: Trial{OK: t.OK, Receipt: t.Receipt, Problem: s.viewFailure(t.Problem, store.Kinds{}), Milliseconds: t.Took.Milliseconds()}}, nil
}

type listLinks struct {
	Paging
	Kind   string `query:"kind" example:"webhook" doc:"Only of this kind."`
	Search string `query:"search" maxLength:"200" example:"ops" doc:"Only with this in the name, whatever the case."`
	Sort   string `query:"sort" enum:"name,-name,created,-created" default:"name" example:"name" doc:"The order; - in front: descending."`
}

func (l listLinks) filter() store.DocumentFilter {
	return store.DocumentFilter{Kind: l.Kind, Search: l.Search}
}

type TrackerID struct {
	Tracker string `path:"tracker" maxLength:"64" example:"trk_01hx5k2m8q4z7w9c3v6b" doc:"Id of the tracker."`
}

type ChannelID struct {
	Channel string `path:"channel" maxLength:"64" example:"chn_01hx5k2m8q4z7w9c3v6b" doc:"Id of the channel."`
}

type createLink struct {
	IdempotencyKey
	Body control.LinkSpec `example:"{\"name\":\"ops\",\"kind\":\"webhook\",\"config\":{\"url\":\"https://hooks.example/sluice\",\"secret\":\"${env:SLUICE_SECRET_HOOK}\"}}"`
}

func trackerRoutes(s *server, api huma.API) {
	const tag, root, one = "Trackers", "/api/v1/trackers", "/api/v1/trackers/{tracker}"
	register(s, api, route{id: "list-tracker-kinds", method: http.MethodGet, path: "/api/v1/tracker-kinds", tag: tag, summary: "List kinds of trackers",
		doc: "Lists the ticket systems that incidents can be filed to, with the JSON Schemas of their settings."}, s.listTrackerKinds)
	register(s, api, route{id: "list-trackers", method: http.MethodGet, path: root, tag: tag, summary: "List trackers",
		doc: "Lists the trackers to which tickets are filed, beside those that Sluice keeps itself."}, s.listTrackers)
	register(s, api, route{id: "create-tracker", method: http.MethodPost, path: root, tag: tag, summary: "Create a tracker", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new tracker. Incidents that are filed from now on go to it, too; test it first."}, s.createTracker)
	register(s, api, route{id: "get-tracker", method: http.MethodGet, path: one, tag: tag, summary: "Get a tracker",
		doc: "Answers one tracker, without its secrets."}, s.getTracker)
	register(s, api, route{id: "update-tracker", method: http.MethodPatch, path: one, tag: tag, summary: "Change a tracker",
		doc: "Changes what is given. A secret that is given replaces the one that is kept."}, s.updateTracker)
	register(s, api, route{id: "delete-tracker", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a tracker",
		doc: "Deletes a tracker in which no tickets are open, or with force: then nothing is heard of those any more."}, s.deleteTracker)
	register(s, api, route{id: "test-tracker", method: http.MethodPost, path: one + "/test", tag: tag, summary: "Test a tracker",
		doc: "Asks the system whether the credentials and names are good for tickets. It makes none."}, s.testTracker)
}

func (s *server) listTrackerKinds(context.Context, *struct{}) (*Plain[EndKinds], error) {
	v := EndKinds{Items: []EndKind{}}
	for _, d := range s.Control.TrackerKinds() {
		v.Items = append(v.Items, EndKind{d.Name, d.Title, JSONObject(d.Config)})
	}
	return &Plain[EndKinds]{Body: v}, nil
}

func (s *server) listTrackers(ctx context.Context, in *listLinks) (*Plain[Page[End]], error) {
	items, next, err := s.Store.ListTrackers(ctx, in.filter(), in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewTracker), nil
}

func (s *server) createTracker(ctx context.Context, in *createLink) (*Created[End], error) {
	t, err := s.Control.CreateTracker(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return created(viewTracker(t), t.Version, "/api/v1/trackers/"+t.ID), nil
}

func (s *server) getTracker(ctx context.Context, in *struct {
	TrackerID
	IfNoneMatch
}) (*Tagged[End], error) {
	t, err := s.Store.Tracker(ctx, in.Tracker)
	if err != nil {
		return nil, err
	}
	return tagged(viewTracker(t), t.Version, in.IfNoneMatch)
}

func (s *server) updateTracker(ctx context.Context, in *struct {
	TrackerID
	IfMatch
	Body Patch[control.LinkSpec] `example:"{\"enabled\":false}"`
}) (*Tagged[End], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	t, err := s.Control.PatchTracker(ctx, actorOf(ctx), in.Tracker, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return tagged(viewTracker(t), t.Version, IfNoneMatch{})
}

func (s *server) deleteTracker(ctx context.Context, in *struct {
	TrackerID
	IfMatch
	Force bool `query:"force" example:"true" doc:"Whether it is deleted though tickets are open in it."`
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteTracker(ctx, actorOf(ctx), in.Tracker, version, in.Force)
}

func (s *server) testTracker(ctx context.Context, in *struct {
	TrackerID
	IdempotencyKey
}) (*Plain[Trial], error) {
	return s.viewTrial(s.Control.TestTracker(ctx, actorOf(ctx), in.Tracker))
}

func channelRoutes(s *server, api huma.API) {
	const tag, root, one = "Channels", "/api/v1/channels", "/api/v1/channels/{channel}"
	register(s, api, route{id: "list-channel-kinds", method: http.MethodGet, path: "/api/v1/channel-kinds", tag: tag, summary: "List kinds of channels",
		doc: "Lists the ways in which people are told, with the JSON Schemas of their settings."}, s.listChannelKinds)
	register(s, api, route{id: "list-channels", method: http.MethodGet, path: root, tag: tag, summary: "List channels",
		doc: "Lists the channels, by name unless asked for otherwise."}, s.listChannels)
	register(s, api, route{id: "create-channel", method: http.MethodPost, path: root, tag: tag, summary: "Create a channel", status: http.StatusCreated, answers: []int{409},
		doc: "Keeps a new channel. Alerts go to it by the rules that name it, by the routes or, while there are none, by its match; reminders and escalations by its match; the wall where its settings name it."}, s.createChannel)
	register(s, api, route{id: "get-channel", method: http.MethodGet, path: one, tag: tag, summary: "Get a channel",
		doc: "Answers one channel, without its secrets."}, s.getChannel)
	register(s, api, route{id: "update-channel", method: http.MethodPatch, path: one, tag: tag, summary: "Change a channel",
		doc: "Changes what is given. A secret that is given replaces the one that is kept."}, s.updateChannel)
	register(s, api, route{id: "delete-channel", method: http.MethodDelete, path: one, tag: tag, summary: "Delete a channel",
		doc: "Deletes a channel. Rules and routes that name it go on without it."}, s.deleteChannel)
	register(s, api, route{id: "test-channel", method: http.MethodPost, path: one + "/test", tag: tag, summary: "Send a test to a channel",
		doc: "Sends a notification that says that it is a test."}, s.testChannel)
}

func (s *server) listChannelKinds(context.Context, *struct{}) (*Plain[EndKinds], error) {
	v := EndKinds{Items: []EndKind{}}
	for _, d := range s.Control.ChannelKinds() {
		v.Items = append(v.Items, EndKind{d.Name, d.Title, JSONObject(d.Config)})
	}
	return &Plain[EndKinds]{Body: v}, nil
}

func (s *server) listChannels(ctx context.Context, in *listLinks) (*Plain[Page[End]], error) {
	items, next, err := s.Store.ListChannels(ctx, in.filter(), in.page(in.Sort))
	if err != nil {
		return nil, err
	}
	return pageOf(items, next, viewChannel), nil
}

func (s *server) createChannel(ctx context.Context, in *createLink) (*Created[End], error) {
	c, err := s.Control.CreateChannel(ctx, actorOf(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return created(viewChannel(c), c.Version, "/api/v1/channels/"+c.ID), nil
}

func (s *server) getChannel(ctx context.Context, in *struct {
	ChannelID
	IfNoneMatch
}) (*Tagged[End], error) {
	c, err := s.Store.Channel(ctx, in.Channel)
	if err != nil {
		return nil, err
	}
	return tagged(viewChannel(c), c.Version, in.IfNoneMatch)
}

func (s *server) updateChannel(ctx context.Context, in *struct {
	ChannelID
	IfMatch
	Body Patch[control.LinkSpec] `example:"{\"enabled\":false}"`
}) (*Tagged[End], error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	c, err := s.Control.PatchChannel(ctx, actorOf(ctx), in.Channel, version, in.Body.text)
	if err != nil {
		return nil, err
	}
	return tagged(viewChannel(c), c.Version, IfNoneMatch{})
}

func (s *server) deleteChannel(ctx context.Context, in *struct {
	ChannelID
	IfMatch
}) (*Nothing, error) {
	version, err := in.version()
	if err != nil {
		return nil, err
	}
	return &Nothing{}, s.Control.DeleteChannel(ctx, actorOf(ctx), in.Channel, version)
}

func (s *server) testChannel(ctx context.Context, in *struct {
	ChannelID
	IdempotencyKey
}) (*Plain[Trial], error) {
	return s.viewTrial(s.Control.TestChannel(ctx, actorOf(ctx), in.Channel))
}
