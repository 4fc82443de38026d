package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/rota"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/store"
)

// From the first failure to the closed ticket and its return, as the store has it.
func TestFromAFailureToAClosedTicket(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		tracker := w.tracker()
		c := w.connect(1)[0]
		w.ok(c)
		w.settle()
		if h := w.health(c); h.Health != store.Healthy {
			t.Fatalf("%+v", h)
		}
		w.advance(time.Hour)
		w.fail(c)
		w.settle()
		h := w.health(c)
		if h.Health != store.NeedsAction || !h.FailingSince.Equal(w.now()) || h.IncidentID == "" || !strings.Contains(h.Reason, "the token was refused") {
			t.Fatalf("%+v", h)
		}
		if n := len(w.tickets()); n != 0 {
			t.Fatalf("%d tickets after the first failure", n)
		}
		for range 7 {
			w.advance(6 * time.Hour)
			w.fail(c)
			w.settle()
		}
		w.pass(6*time.Hour - time.Second)
		if n := len(w.tickets()); n != 0 {
			t.Fatalf("%d tickets before the threshold", n)
		}
		w.pass(time.Second)
		i := w.incidents()[0]
		if i.FiledAt.IsZero() || !i.DueAt.Equal(i.FiledAt.Add(21*24*time.Hour)) || i.Connections != 1 || i.Team != "sales" || i.Code != "shop_token" || i.Number != 1 {
			t.Errorf("%+v", i)
		}
		if n := len(w.tickets()); n != 2 {
			t.Fatalf("%d tickets, want the internal one and the tracker's", n)
		}
		w.advance(time.Hour)
		w.ok(c)
		w.settle()
		w.advance(6 * time.Hour)
		w.ok(c)
		w.settle()
		if i = w.incidents()[0]; i.State != store.IncidentResolved || i.Downtime != 49*time.Hour {
			t.Errorf("%s after %s", i.State, i.Downtime)
		}
		w.advance(24 * time.Hour)
		w.fail(c)
		w.settle()
		if i = w.incidents()[0]; i.State != store.IncidentOpen || i.Reopened != 1 || len(w.incidents()) != 1 {
			t.Errorf("%+v", i)
		}
		var kinds []string
		for _, d := range w.deliveries() {
			kinds = append(kinds, d.Kind)
			if d.Target != tracker.ID || d.Lane != "ticket/"+i.ID+"/"+tracker.ID || d.IncidentID != i.ID {
				t.Errorf("%+v", d)
			}
		}
		if have := strings.Join(kinds, " "); have != "ticket.create ticket.close ticket.reopen" {
			t.Errorf("deliveries: %s", have)
		}
		if have := w.timeline(&i); have != "opened filed left resolved closed reopened joined ticket_reopened" {
			t.Errorf("the timeline: %s", have)
		}
		parts, _, err := w.store.ListHealthHistory(t.Context(), c.ID, time.Time{}, time.Time{}, store.Page{Sort: "from"})
		w.check(err)
		var path []string
		for _, p := range parts {
			path = append(path, string(p.Health))
		}
		if have := strings.Join(path, " "); have != "healthy needs_action down healthy needs_action" && have != "unmeasured healthy needs_action down healthy needs_action" {
			t.Errorf("the history: %s", have)
		}
	})
}

// What many batches, restarts and other processes have worked out is what one has
// that was told of all at once.
func TestBatchesAndRestartsChangeNothing(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.tracker()
		w.config.Batch = 3
		w.service = watch.New(w.config)
		cs := w.connect(20)
		w.ok(cs...)
		for n := range 12 {
			w.advance(6 * time.Hour)
			w.fail(cs[:8]...)
			w.ok(cs[8:]...)
			if n%3 == 0 {
				w.config.Name = fmt.Sprint("process ", n)
				w.config.Batch = 1 + n
				w.advance(time.Minute) // past the lease
				w.service = watch.New(w.config)
			}
			w.settle()
		}
		all := w.incidents()
		merged, open := 0, 0
		for _, i := range all {
			switch i.State {
			case store.IncidentMerged:
				merged++
			case store.IncidentOpen:
				open++
				if i.Connections != 8 || i.Scope != "connector" || i.Severity != "sev2" {
					t.Errorf("%+v", i)
				}
			}
		}
		if open != 1 || merged != 4 {
			t.Errorf("%d open, %d merged, of %d", open, merged, len(all))
		}
		if n := len(w.deliveries()); n < 1 || w.deliveries()[0].Kind != watch.CreateTicket {
			t.Errorf("%d deliveries", n)
		}
		for _, d := range w.deliveries()[1:] {
			if d.Kind == watch.CreateTicket {
				t.Errorf("a second ticket: %+v", d)
			}
		}
	})
}

// A backlog is read to its end before time passes: what has recovered in it is not
// down.
func TestABacklogIsReadBeforeTimePasses(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.config.Batch = 2
		w.service = watch.New(w.config)
		cs := w.connect(5)
		w.settle()
		w.advance(time.Hour)
		w.fail(cs...)
		w.advance(47 * time.Hour)
		w.ok(cs...)
		w.advance(30 * 24 * time.Hour)
		w.settle()
		for _, c := range cs {
			if h := w.health(c); h.Health != store.Healthy {
				t.Errorf("%+v", h)
			}
		}
		if n := len(w.tickets()); n != 0 {
			t.Errorf("%d tickets", n)
		}
	})
}

// A person's decision lets no time pass before what has happened in it is read.
func TestADecisionDoesNotOvertakeABacklog(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		c := w.connect(1)[0]
		w.fail(c)
		w.settle()
		w.advance(47 * time.Hour)
		w.ok(c)
		w.advance(30 * 24 * time.Hour)
		if _, err := w.decide(store.Decision{Kind: store.Acknowledge, IncidentID: w.incidents()[0].ID, ActorID: "usr_ann"}); err != nil {
			t.Fatal(err)
		}
		w.settle()
		if h := w.health(c); h.Health != store.Healthy || len(w.tickets()) != 0 {
			t.Errorf("%+v, %d tickets", h, len(w.tickets()))
		}
	})
}

func TestWhatIsNoFailure(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		c := w.connect(1)[0]
		w.ok(c)
		quota := store.Failure{Class: "throttled", Code: "shop_rate_limit", Message: "the quota is used up"}
		w.ended(store.OutcomeRescheduled, &quota, c)
		w.ended(store.OutcomeCancelled, nil, c)
		w.ended(store.Lost, nil, c) // lost with its worker, and cancelled
		w.settle()
		if h := w.health(c); h.Health != store.Healthy || len(w.incidents()) != 0 {
			t.Fatalf("%+v", h)
		}
		gone := store.Failure{Class: "transient", Code: "worker_lost", Message: "the worker was not heard of"}
		w.ended(store.Lost, &gone, c)
		w.settle()
		if h := w.health(c); h.Health != store.Degraded || len(w.incidents()) != 1 {
			t.Errorf("%+v", h)
		}
	})
}

func TestConnectionsComeChangeAndGo(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		cs := w.connect(2)
		w.fail(cs...)
		w.settle()
		_, err := w.store.SetPaused(t.Context(), cs[0].ID, true)
		w.check(err)
		w.event("connection.pause", cs[0], "", map[string]string{"id": cs[0].ID})
		w.settle()
		if h := w.health(cs[0]); h.Health != store.Unmeasured || h.IncidentID != "" {
			t.Errorf("paused: %+v", h)
		}
		w.check(w.store.SetSourceSetup(t.Context(), cs[0].SourceID, store.Broken, &refused, w.now()))
		w.event("source.checked", nil, "", map[string]string{"id": cs[0].SourceID, "setup_state": "broken"})
		_, err = w.store.SetPaused(t.Context(), cs[0].ID, false)
		w.check(err)
		w.event("connection.resume", cs[0], "", map[string]string{"id": cs[0].ID})
		w.settle()
		if h := w.health(cs[0]); h.Health != store.NeedsAction || !strings.Contains(h.Reason, refused.Message) {
			t.Errorf("its source is broken: %+v", h)
		}
		w.check(w.store.SetSourceSetup(t.Context(), cs[0].SourceID, store.Incomplete, nil, w.now()))
		w.event("source.update", nil, "", map[string]string{"id": cs[0].SourceID})
		w.settle()
		if h := w.health(cs[0]); h.Health == store.NeedsAction {
			t.Errorf("its source was changed: %+v", h)
		}
		w.event("source.checked", nil, "", map[string]string{"id": cs[0].SourceID, "setup_state": "connected"})
		w.event("connection.delayed", cs[0], "", nil)
		w.settle()
		if h := w.health(cs[0]); h.Health != store.Degraded {
			t.Errorf("late: %+v", h)
		}
		w.event("connection.on_schedule", cs[0], "", nil)
		w.settle()
		if h := w.health(cs[0]); h.Health == store.Degraded {
			t.Errorf("no longer late: %+v", h)
		}
		w.check(w.store.DeleteConnection(t.Context(), cs[1].ID, 0))
		w.event("connection.delete", cs[1], "", map[string]string{"id": cs[1].ID})
		w.settle()
		if _, err := w.store.ConnectionHealth(t.Context(), cs[1].ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("it was deleted: %v", err)
		}
		for _, i := range w.incidents() {
			if !i.State.Over() {
				t.Errorf("%+v", i)
			}
		}
	})
}

// Connections whose events were pruned, or are older than the tracker, are met.
func TestTheFirstStart(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		cs := w.connect(3)
		w.check(w.store.UpdateStatus(t.Context(), cs[1].ID, func(s *store.Status) error { s.LastSuccessAt = w.now(); return nil }))
		w.check(w.store.UpdateStatus(t.Context(), cs[2].ID, func(s *store.Status) error {
			s.FailuresInRow, s.LastFailure = 2, &store.Failure{Class: "auth", Code: "shop_token", Message: "refused", At: w.now()}
			return nil
		}))
		w.advance(time.Hour)
		_, err := w.store.Prune(t.Context(), store.Retention{Events: time.Minute}, w.now())
		w.check(err)
		w.settle()
		for n, want := range []store.Health{store.Unmeasured, store.Healthy, store.NeedsAction} {
			if h := w.health(cs[n]); h.Health != want {
				t.Errorf("%+v, want %s", h, want)
			}
		}
	})
}

// What cannot be read is passed over: the rest goes on.
func TestOneBadEventOrRotaStopsNothing(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.check(w.store.CreateRota(t.Context(), &store.Rota{Name: "broken", Enabled: true, Plan: json.RawMessage(`{"levels": [{}]}`)}))
		w.rota("ann")
		c := w.connect(1)[0]
		w.check(w.store.AppendEvents(t.Context(), store.Event{Type: "sync.ended", ConnectionID: c.ID, Data: json.RawMessage(`[]`)},
			store.Event{Type: "source.checked"}, store.Event{Type: "sync.ended", ConnectionID: "con_gone", Data: json.RawMessage(`{"outcome": "succeeded"}`)}))
		w.fail(c)
		w.pass(48 * time.Hour)
		if i := w.incidents()[0]; i.Assignee != "ann" || i.FiledAt.IsZero() {
			t.Errorf("%+v", i)
		}
	})
}

// A connection that nobody has told of is met with its first sync.
func TestAConnectionThatWasMadeUnseen(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.connect(1)
		w.settle()
		src := &store.Source{Name: "unseen", Connector: "shop"}
		w.check(w.store.CreateSource(t.Context(), src))
		c := &store.Connection{Name: "unseen", SourceID: src.ID, DestinationID: w.target.ID, Schedule: store.Schedule{Kind: store.Manual}}
		w.check(w.store.CreateConnection(t.Context(), c))
		w.fail(c)
		w.settle()
		if h := w.health(c); h.Health != store.NeedsAction {
			t.Errorf("%+v", h)
		}
	})
}

func TestRulesAreASetting(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		c := w.connect(1)[0]
		w.fail(c)
		w.pass(time.Hour)
		if h := w.health(c); h.Health != store.NeedsAction {
			t.Fatalf("%+v", h)
		}
		raw, err := json.Marshal(health.Policy{Threshold: health.Threshold{For: 30 * time.Minute}})
		w.check(err)
		w.check(w.store.SetSetting(t.Context(), &store.Setting{Key: watch.PolicyKey, Value: raw}))
		w.settle()
		if h := w.health(c); h.Health != store.Down || len(w.tickets()) != 1 {
			t.Errorf("%+v, %d tickets", h, len(w.tickets()))
		}
	})
}

func TestDecisions(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		bug := store.Failure{Class: "bug", Code: "shop_protocol", Message: "unknown field"}
		cs := w.connect(4)
		w.ended(store.Failed, &bug, cs...)
		w.settle()
		id := w.incidents()[0].ID
		ann := store.Decision{IncidentID: id, ActorID: "usr_ann", ActorName: "Ann"}
		d := ann
		d.Kind = store.Acknowledge
		i, err := w.decide(d)
		if err != nil || i.State != store.IncidentAcknowledged || i.AcknowledgedBy != "usr_ann" {
			t.Fatalf("%+v, %v", i, err)
		}
		d = ann
		d.Kind, d.Connections = store.Split, []string{cs[0].ID, cs[1].ID}
		made, err := w.decide(d)
		if err != nil || made.ID == id || made.Connections != 2 {
			t.Fatalf("%+v, %v", made, err)
		}
		d = ann
		d.Kind, d.IncidentID, d.Into = store.Merge, made.ID, id
		if i, err = w.decide(d); err != nil || i.ID != id || i.Connections != 4 {
			t.Fatalf("%+v, %v", i, err)
		}
		d = ann
		d.Kind, d.Severity = store.Weigh, "sev1"
		if i, err = w.decide(d); err != nil || i.Severity != "sev1" || !i.SeveritySet {
			t.Fatalf("%+v, %v", i, err)
		}
		d.Kind, d.Severity = store.Weigh, "sev7"
		if _, err = w.decide(d); !errors.Is(err, health.ErrSeverity) {
			t.Errorf("%v", err)
		}
		d.IncidentID, d.Kind = made.ID, store.Acknowledge
		if _, err = w.decide(d); !errors.Is(err, health.ErrUnknown) {
			t.Errorf("it is a part of another one: %v", err)
		}
		w.pass(48 * time.Hour) // the service, which had it in memory, sees what was decided
		if i, err = w.store.Incident(t.Context(), id); err != nil || i.FiledAt.IsZero() || i.Severity != "sev1" || i.State != store.IncidentAcknowledged {
			t.Errorf("%+v, %v", i, err)
		}
		d = ann
		d.Kind, d.Text = store.Resolve, "fixed upstream"
		if i, err = w.decide(d); err != nil || i.State != store.IncidentResolved || i.ResolvedBy != "usr_ann" {
			t.Errorf("%+v, %v", i, err)
		}
		entries, _, err := w.store.ListIncidentEvents(t.Context(), id, "acknowledged", nil, store.Page{})
		if err != nil || len(entries) != 1 || entries[0].ActorID != "usr_ann" || entries[0].ActorName != "Ann" {
			t.Errorf("%+v, %v", entries, err)
		}
	})
}

func (w *world) rota(people ...string) {
	w.t.Helper()
	plan := rota.Plan{}
	for n, p := range people {
		plan.People = append(plan.People, rota.Person{ID: p, Name: p, Zone: "UTC"})
		plan.Levels = append(plan.Levels, rota.Level{Name: fmt.Sprint("level ", n), Layers: []rota.Layer{{Name: "all", Zone: "UTC", People: []string{p}, Start: "2026-01-05", Handover: "09:00", Turn: rota.Daily}}})
	}
	raw, err := json.Marshal(plan)
	w.check(err)
	w.check(w.store.CreateRota(w.t.Context(), &store.Rota{Name: "all", Enabled: true, Plan: raw}))
}

// Who is on call gets it; when nobody acknowledges, the next level does, and the
// channels are told.
func TestTheRotaAndEscalation(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.rota("ann", "bob")
		tracker := w.tracker()
		page := &store.Channel{Name: "page", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`)}
		w.check(w.store.CreateChannel(t.Context(), page))
		other := &store.Channel{Name: "others", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`), Match: store.Match{Teams: []string{"finance"}}}
		w.check(w.store.CreateChannel(t.Context(), other))
		c := w.connect(1)[0]
		w.fail(c)
		w.pass(48 * time.Hour)
		if i := w.incidents()[0]; i.Assignee != "ann" {
			t.Fatalf("assigned to %q", i.Assignee)
		}
		w.pass(24 * time.Hour) // of sev4
		if i := w.incidents()[0]; i.Assignee != "bob" || i.Level != 1 {
			t.Errorf("level %d, assigned to %q", i.Level, i.Assignee)
		}
		w.pass(24 * time.Hour) // there is no third level: the last one stays
		if i := w.incidents()[0]; i.Assignee != "bob" || i.Level != 2 {
			t.Errorf("level %d, assigned to %q", i.Level, i.Assignee)
		}
		w.ok(c, c)
		w.settle()
		var kinds []string
		for _, d := range w.deliveries() {
			target := map[string]string{tracker.ID: "tracker", page.ID: "page", other.ID: "other"}[d.Target]
			kinds = append(kinds, d.Kind+"→"+target)
		}
		want := "ticket.create→tracker ticket.comment→tracker incident.escalation→page ticket.comment→tracker incident.escalation→page ticket.close→tracker incident.resolved→page"
		if have := strings.Join(kinds, " "); have != want {
			t.Errorf("have %s\nwant %s", have, want)
		}
		for _, d := range w.deliveries() {
			if d.Kind != watch.TellEscalation {
				continue
			}
			var m watch.Message
			w.check(json.Unmarshal(d.Payload, &m))
			if m.State != channel.Firing || m.Link != "https://sluice.example.com/incidents/1" || !strings.Contains(m.Body, "nobody has acknowledged it") || m.Runbook == "" {
				t.Errorf("%+v", m)
			}
		}
	})
}

// The ticket says what who must fix it needs to know, and no secret.
func TestTheEvidence(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.config.Secrets = func(context.Context, string, string) *mask.Masker { return mask.New("hunter22-secret") }
		version := "v1.3"
		w.config.Version = func(kind string, destination bool) string { return version }
		w.service = watch.New(w.config)
		w.rota("ann")
		w.tracker()
		c := w.connect(1)[0]
		w.run(c, store.Succeeded, 500, nil)
		w.settle()
		w.advance(time.Hour)
		version = "v1.4"
		w.event("connection.update", c, "", map[string]string{"id": c.ID})
		w.check(w.store.RecordDrift(t.Context(), &store.DriftEvent{ConnectionID: c.ID, Stream: sluice.TableName{Schema: "public", Name: "orders"}, Kind: "column_added", Column: "total_v2", State: store.DriftApplied}))
		for range 3 {
			w.run(c, store.Failed, 0, &refused)
			w.settle()
			w.advance(6 * time.Hour)
		}
		w.pass(48 * time.Hour)
		if len(w.deliveries()) != 1 {
			t.Fatalf("%+v", w.deliveries())
		}
		var d watch.Draft
		w.check(json.Unmarshal(w.deliveries()[0].Payload, &d))
		for _, want := range []string{"the token was refused (401)", "give a new token", "`shop_token` (auth)", "shop v1.4", "Last change of its connector:** from v1.3 to v1.4 at 2026-03-02 13:00 UTC", "First seen:** 2026-03-02 13:00 UTC", "Last seen:** 2026-03-03 01:00 UTC",
			"Last success:** 2026-03-02 12:00 UTC", "Rows not delivered:** about 1500 (3 syncs, of 500 rows each as a rule)", "column added total_v2 of public.orders", "ERROR the stream failed attempt=2 code=shop_token error=token *** was refused",
			"Assigned to:** ann", "Reach:** the source shop 001", "https://sluice.example.com/runbooks/", "[orders 001](https://sluice.example.com/connections/" + c.ID + ")", "[Incident #1 in Sluice](https://sluice.example.com/incidents/1)"} {
			if !strings.Contains(d.Body, want) {
				t.Errorf("the ticket lacks %q:\n%s", want, d.Body)
			}
		}
		if strings.Contains(d.Body, "hunter22") {
			t.Errorf("the ticket holds a secret:\n%s", d.Body)
		}
		i := w.incidents()[0]
		if !d.At.Equal(i.FiledAt) {
			t.Errorf("it was filed at %s, and says %s", i.FiledAt, d.At)
		}
		if d.Marker.ID != i.ID || d.Link != "https://sluice.example.com/incidents/1" || d.Fields.Assignee != "ann" || d.Fields.Team != "sales" || !strings.HasPrefix(d.Title, "[sev4] shop 001: shop_token") {
			t.Errorf("%+v", d)
		}
	})
}

// TestTheTimelineSpeaks: each entry says by itself what has happened.
func TestTheTimelineSpeaks(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		cs := w.connect(1)
		other := &store.Connection{Name: "invoices", SourceID: cs[0].SourceID, DestinationID: w.target.ID, Schedule: store.Schedule{Kind: store.Manual}}
		w.check(w.store.CreateConnection(t.Context(), other))
		w.event("connection.create", other, "", map[string]string{"id": other.ID})
		w.fail(cs[0], other)
		w.settle()
		id := w.incidents()[0].ID
		for _, d := range []store.Decision{{Kind: store.Assign, Assignee: "bob"}, {Kind: store.Retitle, Title: "no entry"}, {Kind: store.SetDue, Due: noon.Add(24 * time.Hour)}, {Kind: store.Resolve}} {
			d.IncidentID, d.ActorID = id, "usr_ann"
			_, err := w.decide(d)
			w.check(err)
		}
		entries, _, err := w.store.ListIncidentEvents(t.Context(), id, "", nil, store.Page{Limit: 100})
		w.check(err)
		said := map[string]bool{}
		for _, e := range entries {
			said[e.Message] = true
		}
		for _, want := range []string{"connection invoices has joined", "the severity went from sev4 to sev3", "assigned to bob", "renamed to no entry", "it is due 2026-03-03 12:00 UTC",
			"connection invoices has left: it was ended by hand", "it was ended by hand"} {
			if !said[want] {
				t.Errorf("nothing says %q: %v", want, said)
			}
		}
	})
}

// TestATicketSaysWhoEndedIt is of what is resolved by hand, without a word why.
func TestATicketSaysWhoEndedIt(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.tracker()
		w.fail(w.connect(1)...)
		w.settle()
		w.pass(48 * time.Hour)
		_, err := w.decide(store.Decision{IncidentID: w.incidents()[0].ID, Kind: store.Resolve, ActorID: "usr_ann", ActorName: "Ann"})
		w.check(err)
		var n watch.Note
		all := w.deliveries()
		w.check(json.Unmarshal(all[len(all)-1].Payload, &n))
		if n.Body != "It is over: it was ended by hand (Ann). Data was down for 2 days 0 hours.\n" {
			t.Errorf("%q", n.Body)
		}
	})
}

// TestNoSecretLeavesWithATicket is of errors that hold what a connection keeps
// secret, which should have been masked before: nothing that is sent of an incident,
// to trackers and channels, holds it.
func TestNoSecretLeavesWithATicket(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.config.Secrets = func(context.Context, string, string) *mask.Masker { return mask.New("hunter22-secret") }
		w.service = watch.New(w.config)
		w.rota("ann")
		w.tracker()
		w.check(w.store.CreateChannel(t.Context(), &store.Channel{Name: "page", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`)}))
		told := refused
		told.Message, told.Hint, told.Cause = "the token hunter22-secret was refused", "do not use hunter22-secret", "hunter22-secret is old"
		c := w.connect(1)[0]
		w.run(c, store.Failed, 0, &told)
		w.settle()
		w.pass(48 * time.Hour)
		i := w.incidents()[0]
		for _, d := range []store.Decision{{Kind: store.Comment, Text: "is it hunter22-secret?"}, {Kind: store.Retitle, Title: "hunter22-secret"}} {
			d.IncidentID, d.ActorID, d.ActorName = i.ID, "usr_ann", "Ann"
			_, err := w.decide(d)
			w.check(err)
		}
		w.pass(25 * time.Hour) // it escalates
		w.ok(c, c)
		w.settle()
		w.run(c, store.Failed, 0, &told)
		w.run(c, store.Failed, 0, &told)
		w.settle()
		kinds := map[string]bool{}
		for _, d := range w.deliveries() {
			kinds[d.Kind] = true
			if strings.Contains(string(d.Payload), "hunter22") {
				t.Errorf("%s tells a secret: %s", d.Kind, d.Payload)
			}
		}
		for _, kind := range []string{watch.CreateTicket, watch.CommentTicket, watch.CloseTicket, watch.ReopenTicket, watch.TellEscalation, watch.TellEnd} {
			if !kinds[kind] {
				t.Errorf("the story lacks %s", kind)
			}
		}
	})
}

// run makes a sync that ends so, with a log that holds a secret.
func (w *world) run(c *store.Connection, outcome store.Outcome, rows int64, f *store.Failure) {
	w.t.Helper()
	ctx := w.t.Context()
	y := &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync}
	_, err := w.store.Enqueue(ctx, y)
	w.check(err)
	a, err := w.store.ClaimSync(ctx, store.Claim{SyncID: y.ID, Attempt: 1, WorkerID: "wrk_1", Lease: time.Minute})
	w.check(err)
	w.check(w.store.AppendLog(ctx, y.ID, []store.LogLine{{At: w.now(), Level: "error", Message: "the stream failed",
		Attrs: json.RawMessage(`{"error":"token hunter22-secret was refused","code":"shop_token","attempt":2}`)}}))
	raw, err := json.Marshal(map[string]any{"attempt": 1, "outcome": outcome, "state": "ended", "rows": rows, "error": f})
	w.check(err)
	w.check(w.store.FinishAttempt(ctx, a, store.End{Outcome: outcome, SyncOutcome: outcome, State: store.Ended, Error: f,
		Counters: []store.StreamCounters{{Stream: sluice.TableName{Name: "orders"}, Rows: rows, Committed: rows, Counts: sluice.Counts{Loaded: rows}}},
		Events:   []store.Event{{Type: "sync.ended", ConnectionID: c.ID, SyncID: y.ID, Data: raw}}}))
}
