package store_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/store"
)

// incident makes one that is open.
func (x *fixture) incident(title string) *store.Incident {
	x.t.Helper()
	i := &store.Incident{Title: title, State: store.IncidentOpen, Severity: "sev4", Connector: "shop", Code: "shop_auth", FirstSeen: x.Now(), LastSeen: x.Now()}
	x.must(x.CreateIncident(x.ctx, i))
	return i
}

func TestIncident(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		now := x.Now()
		want := &store.Incident{Fingerprint: "fp", Scope: "source", Subject: "src_1", State: store.IncidentOpen, Severity: "sev2", Title: "Shop refuses", Connector: "shop", ConnectorVersion: "1.2",
			Code: "shop_auth", Class: "auth", Stream: "orders", Op: "read", Template: "refused for *", Sample: &store.Failure{Class: "auth", Code: "shop_auth", Message: "refused for 7"}, Team: "a",
			Labels: map[string]string{"env": "prod"}, Connections: 2, Failures: 3, FirstSeen: now, LastSeen: now, FiledAt: now, DueAt: now.Add(time.Hour), Downtime: time.Minute,
			ConnectionDowntime: 2 * time.Minute, Memory: []byte(`{"keys":["fp"]}`)}
		x.must(x.CreateIncident(x.ctx, want))
		if want.ID == "" || want.Number != 1 || want.Version != 1 {
			t.Fatalf("%+v", want)
		}
		got, err := x.IncidentByNumber(x.ctx, 1)
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		numbered := &store.Incident{ID: "inc_numbered", Number: 7, Title: "of a number"}
		x.must(x.CreateIncident(x.ctx, numbered))
		x.is(x.CreateIncident(x.ctx, &store.Incident{Number: 7}), store.ErrConflict)
		if next := x.incident("next"); next.Number != 8 {
			t.Errorf("number %d after 7", next.Number)
		}
		if c, err := x.HealthCursor(x.ctx); err != nil || c.Incidents != 8 {
			t.Errorf("%+v, %v", c, err)
		}

		stale := *got
		at := x.Add(time.Hour)
		got.LastSeen, got.Failures, got.Connections = at, 9, 4
		x.must(x.SaveIncident(x.ctx, got))
		if got.Version != 1 || !got.UpdatedAt.Equal(at) {
			t.Errorf("what is only seen raised the version to %d", got.Version)
		}
		got.State, got.AcknowledgedAt, got.AcknowledgedBy = store.IncidentAcknowledged, at, "usr_1"
		x.must(x.SaveIncident(x.ctx, got))
		if got.Version != 2 {
			t.Errorf("version %d", got.Version)
		}
		x.is(x.SaveIncident(x.ctx, &stale), store.ErrConflict)
		x.is(x.SaveIncident(x.ctx, &store.Incident{ID: "inc_none"}), store.ErrNotFound)
		again, err := x.Incident(x.ctx, got.ID)
		x.must(err)
		if !reflect.DeepEqual(got, again) {
			t.Errorf("got  %+v\nwant %+v", again, got)
		}
		some, err := x.Incidents(x.ctx, []string{numbered.ID, got.ID, "inc_none"})
		x.must(err)
		if len(some) != 2 || some[0].ID != got.ID {
			t.Errorf("%+v", some)
		}
	})
}

func TestIncidentLists(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		a, b, old, merged := x.incident("A fault"), x.incident("b"), x.incident("old"), x.incident("merged")
		a.Team, a.Assignee, a.DueAt, a.FiledAt, a.Labels, a.Severity, a.Class = "t", "ann", x.Now().Add(time.Hour), x.Now(), map[string]string{"env": "prod"}, "sev1", "auth"
		b.State, b.Connector, b.Code = store.IncidentAcknowledged, "postgres", "postgres_connect"
		resolved := x.Now()
		old.State, old.ResolvedAt = store.IncidentResolved, resolved
		merged.State, merged.ResolvedAt, merged.MergedInto = store.IncidentMerged, resolved, a.ID
		for _, i := range []*store.Incident{a, b, old, merged} {
			x.must(x.SaveIncident(x.ctx, i))
		}
		x.must(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{{IncidentID: a.ID, ConnectionID: c.ID, JoinedAt: x.Now()}, {IncidentID: old.ID, ConnectionID: c.ID, LeftAt: x.Now()}}))
		for name, c := range map[string]struct {
			f    store.IncidentFilter
			want []*store.Incident
		}{
			"all":        {store.IncidentFilter{}, []*store.Incident{merged, old, b, a}},
			"open":       {store.IncidentFilter{Open: true}, []*store.Incident{b, a}},
			"state":      {store.IncidentFilter{State: store.IncidentMerged}, []*store.Incident{merged}},
			"severity":   {store.IncidentFilter{Severity: "sev1"}, []*store.Incident{a}},
			"connector":  {store.IncidentFilter{Connector: "postgres"}, []*store.Incident{b}},
			"team":       {store.IncidentFilter{Team: "t"}, []*store.Incident{a}},
			"assignee":   {store.IncidentFilter{Assignee: "ann"}, []*store.Incident{a}},
			"code":       {store.IncidentFilter{Code: "postgres_connect"}, []*store.Incident{b}},
			"class":      {store.IncidentFilter{Class: "auth"}, []*store.Incident{a}},
			"connection": {store.IncidentFilter{ConnectionID: c.ID}, []*store.Incident{old, a}},
			"among":      {store.IncidentFilter{Among: []string{c.ID}, Open: true}, []*store.Incident{a}},
			"among none": {store.IncidentFilter{Among: []string{}}, nil},
			"filed":      {store.IncidentFilter{Filed: true}, []*store.Incident{a}},
			"due":        {store.IncidentFilter{DueBefore: x.Now().Add(2 * time.Hour)}, []*store.Incident{a}},
			"search":     {store.IncidentFilter{Search: "a FAU"}, []*store.Incident{a}},
			"label":      {store.IncidentFilter{Labels: map[string]string{"env": "prod"}}, []*store.Incident{a}},
		} {
			got, _, err := x.ListIncidents(x.ctx, c.f, store.Page{})
			x.must(err)
			if !slices.EqualFunc(got, c.want, func(i store.Incident, w *store.Incident) bool { return i.ID == w.ID }) {
				t.Errorf("%s: %d incidents: %+v", name, len(got), got)
			}
		}
		recent, err := x.RecentIncidents(x.ctx, resolved)
		x.must(err)
		if len(recent) != 3 || recent[0].ID != a.ID || recent[2].ID != old.ID {
			t.Errorf("%+v", recent)
		}
		if later, err := x.RecentIncidents(x.ctx, resolved.Add(1)); err != nil || len(later) != 3 {
			t.Errorf("nanoseconds count: %d, %v", len(later), err)
		}
		counts, err := x.CountIncidents(x.ctx)
		x.must(err)
		if !reflect.DeepEqual(counts, map[store.IncidentState]int64{store.IncidentOpen: 1, store.IncidentAcknowledged: 1, store.IncidentResolved: 1, store.IncidentMerged: 1}) {
			t.Errorf("%v", counts)
		}
	})
}

func TestIncidentParts(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		i, c := x.incident("i"), x.connection("c")
		part := store.IncidentConnection{IncidentID: i.ID, ConnectionID: c.ID, JoinedAt: x.Now(), FailingSince: x.Now(), LastFailedAt: x.Now(), Failures: 1,
			LastError: &store.Failure{Code: "shop_auth"}, LastSyncID: "syn_1"}
		gone := store.IncidentConnection{IncidentID: i.ID, ConnectionID: "con_gone", JoinedAt: x.Now().Add(time.Second)}
		x.must(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{part, gone}))
		part.Failures = 2
		x.must(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{part}))
		x.code(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{{IncidentID: "inc_none", ConnectionID: c.ID}}), store.CodeReference)
		part.Name, part.Connector = "c", "shop"
		got, _, err := x.ListIncidentConnections(x.ctx, store.IncidentConnectionFilter{IncidentID: i.ID}, store.Page{})
		x.must(err)
		if want := []store.IncidentConnection{part, gone}; !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		if of, err := x.ConnectionsOf(x.ctx, []string{i.ID, "x"}); err != nil || !reflect.DeepEqual(of, got) {
			t.Errorf("%+v, %v", of, err)
		}
		at := x.Add(time.Minute)
		x.must(x.DeleteConnection(x.ctx, c.ID, 0))
		left, _, err := x.ListIncidentConnections(x.ctx, store.IncidentConnectionFilter{ConnectionID: c.ID}, store.Page{})
		x.must(err)
		if len(left) != 1 || !left[0].LeftAt.Equal(at) || left[0].Name != "" {
			t.Errorf("a connection that was deleted is still in: %+v", left)
		}
		if in, _, err := x.ListIncidentConnections(x.ctx, store.IncidentConnectionFilter{IncidentID: i.ID, In: true, Among: []string{c.ID, gone.ConnectionID}}, store.Page{}); err != nil ||
			len(in) != 1 {
			t.Errorf("%+v, %v", in, err)
		}

		events := []store.IncidentEvent{{IncidentID: i.ID, Kind: "opened"}, {IncidentID: i.ID, Kind: "joined", ConnectionID: c.ID, At: at},
			{IncidentID: i.ID, Kind: "commented", ActorID: "usr_1", ActorName: "Ann", Message: "looking", Data: []byte(`{"a":1}`)}}
		x.must(x.AppendIncidentEvents(x.ctx, events...))
		x.code(x.AppendIncidentEvents(x.ctx, store.IncidentEvent{IncidentID: "inc_none", Kind: "opened"}), store.CodeReference)
		line, next, err := x.ListIncidentEvents(x.ctx, i.ID, "", nil, store.Page{Limit: 2})
		x.must(err)
		rest, _, err := x.ListIncidentEvents(x.ctx, i.ID, "", nil, store.Page{Limit: 2, Cursor: next})
		x.must(err)
		if len(line) != 2 || line[0].Kind != "opened" || !line[0].At.Equal(at) || len(rest) != 1 || rest[0].Message != "looking" || string(rest[0].Data) != `{"a":1}` {
			t.Errorf("%+v, %+v", line, rest)
		}
		if other, _, err := x.ListIncidentEvents(x.ctx, i.ID, "", []string{"con_other"}, store.Page{}); err != nil || len(other) != 2 {
			t.Errorf("%+v, %v", other, err)
		}
	})
}

func TestReview(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		i := x.incident("i")
		_, err := x.Review(x.ctx, i.ID)
		x.is(err, store.ErrNotFound)
		due := x.Now().Add(48 * time.Hour)
		r := &store.Review{IncidentID: i.ID, Happened: "it stopped", Cause: "a password", Impact: "none", Lessons: "rotate", Author: "usr_1",
			Actions: []store.ActionItem{{What: "rotate", Owner: "ann", DueAt: due}, {What: "write it down"}}}
		x.must(x.SaveReview(x.ctx, r))
		got, err := x.Review(x.ctx, i.ID)
		x.must(err)
		if r.Version != 1 || !reflect.DeepEqual(got, r) {
			t.Fatalf("got  %+v\nwant %+v", got, r)
		}
		x.code(x.SaveReview(x.ctx, &store.Review{IncidentID: "inc_none"}), store.CodeReference)
		x.is(x.SaveReview(x.ctx, &store.Review{IncidentID: i.ID}), store.ErrConflict)

		open, err := x.DueActions(x.ctx, due.Add(1000), 10)
		x.must(err)
		if len(open) != 1 || open[0].What != "rotate" || open[0].N != 1 || open[0].IncidentID != i.ID {
			t.Fatalf("%+v", open)
		}
		if none, err := x.DueActions(x.ctx, due, 10); err != nil || len(none) != 0 {
			t.Errorf("%+v, %v", none, err)
		}
		x.must(x.RemindAction(x.ctx, i.ID, 1, x.Now()))
		r.Actions[1].DoneAt = x.Now()
		slices.Reverse(r.Actions)
		x.must(x.SaveReview(x.ctx, r))
		if r.Version != 2 || !r.Actions[1].RemindedAt.Equal(x.Now()) {
			t.Errorf("%+v", r)
		}
		r.Actions[1].DoneAt = x.Now()
		x.must(x.SaveReview(x.ctx, r))
		if none, err := x.DueActions(x.ctx, due.Add(1000), 10); err != nil || len(none) != 0 {
			t.Errorf("%+v, %v", none, err)
		}
	})
}

func TestTicket(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		i, c := x.incident("i"), x.connection("c")
		made := make([]bool, 4)
		ids := make([]string, 4)
		together(len(made), func(n int) {
			v := &store.Ticket{IncidentID: i.ID, TrackerID: "trk_1", State: store.TicketPending}
			var err error
			if made[n], err = x.CreateTicket(x.ctx, v); err != nil {
				t.Error(err)
			}
			ids[n] = v.ID
		})
		slices.Sort(ids)
		if n := len(slices.Compact(ids)); n != 1 || !slices.Contains(made, true) {
			t.Fatalf("%d tickets of one incident in one tracker", n)
		}
		v, err := x.Ticket(x.ctx, ids[0])
		x.must(err)
		v.ExternalKey, v.URL, v.State, v.OpenedAt, v.CommentedAt, v.Reopened = "7", "https://tracker.example/7", store.TicketOpen, x.Now(), x.Now(), 1
		v.Problem = &store.Failure{Code: "x"}
		x.must(x.SaveTicket(x.ctx, v))
		got, err := x.TicketOf(x.ctx, i.ID, "trk_1")
		x.must(err)
		if !reflect.DeepEqual(got, v) {
			t.Errorf("got  %+v\nwant %+v", got, v)
		}
		x.is(x.SaveTicket(x.ctx, &store.Ticket{ID: "tkt_none"}), store.ErrNotFound)
		_, err = x.CreateTicket(x.ctx, &store.Ticket{IncidentID: "inc_none", TrackerID: "trk_1"})
		x.code(err, store.CodeReference)
		_, err = x.CreateTicket(x.ctx, &store.Ticket{IncidentID: i.ID, TrackerID: store.InternalTracker, State: store.TicketOpen})
		x.must(err)
		x.must(x.SaveIncidentConnections(x.ctx, []store.IncidentConnection{{IncidentID: i.ID, ConnectionID: c.ID}}))
		for want, f := range map[int][]store.TicketFilter{2: {{}, {IncidentID: i.ID}, {State: store.TicketOpen}, {Among: []string{c.ID}}}, 1: {{TrackerID: "trk_1"}}, 0: {{Among: []string{}}, {State: store.TicketClosed}}} {
			for _, f := range f {
				if items, _, err := x.ListTickets(x.ctx, f, store.Page{}); err != nil || len(items) != want {
					t.Errorf("%+v: %d tickets, want %d, %v", f, len(items), want, err)
				}
			}
		}
		if of, err := x.TicketsOf(x.ctx, []string{i.ID}); err != nil || len(of) != 2 || of[0].TrackerID != store.InternalTracker {
			t.Errorf("%+v, %v", of, err)
		}

		tracker := &store.Tracker{ID: "trk_1", Name: "GitHub", Kind: "github"}
		x.must(x.CreateTracker(x.ctx, tracker))
		x.code(x.DeleteTracker(x.ctx, tracker.ID, 0, false), store.CodeInUse)
		x.must(x.DeleteTracker(x.ctx, tracker.ID, 0, true))
	})
}
