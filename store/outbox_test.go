package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func (x *fixture) post(deliveries ...*store.Delivery) int {
	x.t.Helper()
	n, err := x.Post(x.ctx, deliveries...)
	x.must(err)
	return n
}

func (x *fixture) claimDeliveries(limit int) []store.Delivery {
	x.t.Helper()
	got, err := x.ClaimDeliveries(x.ctx, "w", x.Now(), time.Minute, limit)
	x.must(err)
	return got
}

func keys(deliveries []store.Delivery) (all []string) {
	for _, d := range deliveries {
		all = append(all, d.Key)
	}
	return all
}

func TestOutbox(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		d := &store.Delivery{Key: "inc_1:create", Kind: "ticket.create", Target: "trk_1", Lane: "inc_1:trk_1", IncidentID: "inc_1", AlertID: "alr_1", Payload: []byte(`{"a":1}`)}
		again := &store.Delivery{Key: d.Key, Kind: "ticket.create"}
		if n := x.post(d, again); n != 1 || d.ID == "" || again.ID != "" {
			t.Fatalf("%d kept", n)
		}
		later := x.Now().Add(time.Hour)
		x.post(&store.Delivery{Key: "inc_1:comment", Lane: d.Lane, Target: "trk_1"}, &store.Delivery{Key: "late", NextAt: later}, &store.Delivery{Key: "free"})
		if at, err := x.NextDelivery(x.ctx); err != nil || !at.Equal(x.Now()) {
			t.Errorf("%v, %v", at, err)
		}
		got := x.claimDeliveries(10)
		if !slices.Equal(keys(got), []string{d.Key, "free"}) || got[0].Attempts != 1 || got[0].Claim != 1 || got[0].ClaimedBy != "w" || string(got[0].Payload) != `{"a":1}` {
			t.Fatalf("%+v", got)
		}
		if more := x.claimDeliveries(10); len(more) != 0 {
			t.Errorf("claimed twice: %v", keys(more))
		}

		// A crash: the claim runs out, somebody else gets it, and the first must not say what became of it.
		x.Add(time.Minute)
		second := x.claimDeliveries(1)
		if len(second) != 1 || second[0].Claim != 2 || second[0].Attempts != 2 {
			t.Fatalf("%+v", second)
		}
		x.is(x.EndDelivery(x.ctx, &got[0], store.DeliveryEnd{State: store.DeliveryDelivered}), sluice.ErrFenced)
		retry := x.Now().Add(10 * time.Second)
		failure := &store.Failure{Code: "tracker_unreachable"}
		x.must(x.EndDelivery(x.ctx, &second[0], store.DeliveryEnd{State: store.DeliveryWaiting, NextAt: retry, Error: failure}))
		x.is(x.EndDelivery(x.ctx, &second[0], store.DeliveryEnd{State: store.DeliveryDelivered}), sluice.ErrFenced)
		if more := x.claimDeliveries(10); !slices.Equal(keys(more), []string{"free"}) {
			t.Errorf("what follows in a lane has overtaken: %v", keys(more))
		}
		x.Add(10 * time.Second)
		third := x.claimDeliveries(1)
		x.must(x.EndDelivery(x.ctx, &third[0], store.DeliveryEnd{State: store.DeliveryDelivered, Answer: []byte(`{"key":"7"}`)}))
		done, err := x.Delivery(x.ctx, d.ID)
		x.must(err)
		if done.State != store.DeliveryDelivered || !done.EndedAt.Equal(x.Now()) || string(done.Answer) != `{"key":"7"}` || done.ClaimedBy != "" || done.Attempts != 3 || done.LastError != nil {
			t.Errorf("%+v", done)
		}
		if next := x.claimDeliveries(10); !slices.Equal(keys(next), []string{"inc_1:comment"}) {
			t.Errorf("%v", keys(next))
		}
	})
}

func TestOutboxByHand(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		d := &store.Delivery{Key: "a", Target: "chn_1", Kind: "alert.fired", AlertID: "alr_1"}
		x.post(d, &store.Delivery{Key: "b", Target: "chn_2", Kind: "wall", IncidentID: "inc_2", NextAt: x.Now().Add(time.Hour)})
		claimed := x.claimDeliveries(1)
		_, err := x.DropDelivery(x.ctx, d.ID)
		x.is(err, store.ErrConflict)
		x.must(x.EndDelivery(x.ctx, &claimed[0], store.DeliveryEnd{State: store.DeliveryFailed, Error: &store.Failure{Code: "refused"}}))
		if got := x.claimDeliveries(5); len(got) != 0 {
			t.Errorf("%v", keys(got))
		}
		got, err := x.RetryDelivery(x.ctx, d.ID)
		x.must(err)
		if got.State != store.DeliveryWaiting || got.Attempts != 0 || !got.NextAt.Equal(x.Now()) || !got.EndedAt.IsZero() || got.LastError.Code != "refused" {
			t.Errorf("%+v", got)
		}
		got, err = x.DropDelivery(x.ctx, d.ID)
		x.must(err)
		if got.State != store.DeliveryDropped || got.EndedAt.IsZero() {
			t.Errorf("%+v", got)
		}
		_, err = x.RetryDelivery(x.ctx, d.ID)
		x.must(err)
		again := x.claimDeliveries(1)
		x.must(x.EndDelivery(x.ctx, &again[0], store.DeliveryEnd{State: store.DeliveryDelivered}))
		_, err = x.RetryDelivery(x.ctx, d.ID)
		x.is(err, store.ErrConflict)
		_, err = x.RetryDelivery(x.ctx, "dlv_none")
		x.is(err, store.ErrNotFound)
		for want, filters := range map[int][]store.DeliveryFilter{2: {{}}, 1: {{State: store.DeliveryDelivered}, {Kind: "wall"}, {Target: "chn_1"}, {IncidentID: "inc_2"}, {AlertID: "alr_1"}}, 0: {{State: store.DeliveryFailed}}} {
			for _, f := range filters {
				if items, _, err := x.ListDeliveries(x.ctx, f, store.Page{}); err != nil || len(items) != want {
					t.Errorf("%+v: %d, want %d; %v", f, len(items), want, err)
				}
			}
		}
	})
}

// TestOutboxDeliversOnceInOrder: several workers, some of which die, deliver each
// once, and those of a lane in order.
func TestOutboxDeliversOnceInOrder(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		const lanes, each = 3, 8
		var all []*store.Delivery
		for n := range each {
			for lane := range lanes {
				all = append(all, &store.Delivery{Key: fmt.Sprint(lane, "/", n), Lane: fmt.Sprint("lane", lane)})
			}
		}
		x.post(all...)
		var mu sync.Mutex
		var delivered []string
		together(3, func(w int) {
			for n := 0; n < 200; n++ {
				mu.Lock()
				over := len(delivered) == len(all)
				mu.Unlock()
				if over {
					return
				}
				got, err := x.ClaimDeliveries(x.ctx, fmt.Sprint("w", w), x.Now(), time.Minute, 2)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range got {
					if (n+i+w)%5 == 0 { // dies, and its claim runs out
						x.Add(time.Minute)
						continue
					}
					mu.Lock()
					if err := x.EndDelivery(x.ctx, &got[i], store.DeliveryEnd{State: store.DeliveryDelivered}); err == nil {
						delivered = append(delivered, got[i].Key)
					}
					mu.Unlock()
				}
			}
		})
		if len(delivered) != len(all) {
			t.Fatalf("%d of %d were delivered: %v", len(delivered), len(all), delivered)
		}
		for lane := range lanes {
			n := 0
			for _, key := range delivered {
				if key == fmt.Sprint(lane, "/", n) {
					n++
				}
			}
			if n != each {
				t.Errorf("lane %d is out of order: %v", lane, delivered)
			}
		}
	})
}

func TestDocuments(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		match := store.Match{Teams: []string{"a"}, Connectors: []string{"shop"}, Connections: []string{"con_1"}, Destinations: []string{"duckdb"}, Regions: []string{"eu"}, Severities: []string{"sev1"},
			Rules: []string{"rul_1"}, Labels: map[string]string{"env": "prod"}}
		tracker := &store.Tracker{Name: "GitHub", Kind: "github", Enabled: true, Config: []byte(`{"repository":"a/b"}`), Secrets: map[string]string{"token": "sealed"}, Match: match, CreatedBy: "usr_1"}
		x.must(x.CreateTracker(x.ctx, tracker))
		got, err := x.Tracker(x.ctx, tracker.ID)
		x.must(err)
		if tracker.Version != 1 || !reflect.DeepEqual(got, tracker) {
			t.Fatalf("got  %+v\nwant %+v", got, tracker)
		}
		x.code(x.CreateTracker(x.ctx, &store.Tracker{Name: "github "}), store.CodeNameTaken)
		x.must(x.CreateTracker(x.ctx, &store.Tracker{Name: "Jira", Kind: "jira"}))
		stale := *got
		x.Add(time.Minute)
		got.Name, got.Enabled, got.CreatedBy, got.Secrets = "Hub", false, "someone else", nil
		x.must(x.UpdateTracker(x.ctx, got))
		if got.Version != 2 || got.CreatedBy != "usr_1" || !got.UpdatedAt.Equal(x.Now()) || got.CreatedAt.Equal(x.Now()) {
			t.Errorf("%+v", got)
		}
		if again, err := x.Tracker(x.ctx, got.ID); err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("got  %+v\nwant %+v, %v", again, got, err)
		}
		x.is(x.UpdateTracker(x.ctx, &stale), store.ErrConflict)
		x.is(x.UpdateTracker(x.ctx, &store.Tracker{ID: "trk_none"}), store.ErrNotFound)
		got.Name = "JIRA"
		x.code(x.UpdateTracker(x.ctx, got), store.CodeNameTaken)
		if items, _, err := x.ListTrackers(x.ctx, store.DocumentFilter{Kind: "jira", Search: "ir"}, store.Page{}); err != nil || len(items) != 1 || items[0].Name != "Jira" {
			t.Errorf("%+v, %v", items, err)
		}
		if items, err := x.Trackers(x.ctx); err != nil || len(items) != 2 {
			t.Errorf("%+v, %v", items, err)
		}
		x.is(x.DeleteTracker(x.ctx, got.ID, 1, false), store.ErrConflict)
		x.must(x.DeleteTracker(x.ctx, got.ID, 2, false))
		x.is(x.DeleteTracker(x.ctx, got.ID, 0, false), store.ErrNotFound)

		channel := &store.Channel{Name: "Slack", Kind: "slack", Enabled: true, Config: []byte(`{}`), Match: match}
		x.must(x.CreateChannel(x.ctx, channel))
		channel.Enabled = false
		x.must(x.UpdateChannel(x.ctx, channel))
		if got, err := x.Channel(x.ctx, channel.ID); err != nil || !reflect.DeepEqual(got, channel) {
			t.Errorf("%+v, %v", got, err)
		}
		rule := &store.AlertRule{Name: "Down", Kind: "connection_health", Enabled: true, Config: []byte(`{"health":"down"}`), Match: match, Severity: "sev1", Channels: []string{channel.ID}}
		x.must(x.CreateRule(x.ctx, rule))
		rule.Severity = "sev2"
		x.must(x.UpdateRule(x.ctx, rule))
		if got, err := x.Rule(x.ctx, rule.ID); err != nil || !reflect.DeepEqual(got, rule) {
			t.Errorf("%+v, %v", got, err)
		}
		rota := &store.Rota{Name: "EU", Enabled: true, Plan: []byte(`{"people":[]}`), Match: match}
		x.must(x.CreateRota(x.ctx, rota))
		rota.Plan = []byte(`{"people":[{"id":"ann"}]}`)
		x.must(x.UpdateRota(x.ctx, rota))
		if got, err := x.Rota(x.ctx, rota.ID); err != nil || !reflect.DeepEqual(got, rota) {
			t.Errorf("%+v, %v", got, err)
		}
		for what, f := range map[string]func() (int, error){
			"channels": func() (int, error) { v, err := x.Channels(x.ctx); return len(v), err },
			"channels.": func() (int, error) {
				v, _, err := x.ListChannels(x.ctx, store.DocumentFilter{}, store.Page{})
				return len(v), err
			},
			"rules": func() (int, error) { v, err := x.Rules(x.ctx); return len(v), err },
			"rules.": func() (int, error) {
				v, _, err := x.ListRules(x.ctx, store.DocumentFilter{}, store.Page{Sort: "-created"})
				return len(v), err
			},
			"rotas":  func() (int, error) { v, err := x.Rotas(x.ctx); return len(v), err },
			"rotas.": func() (int, error) { v, _, err := x.ListRotas(x.ctx, "e", store.Page{}); return len(v), err },
		} {
			if n, err := f(); n != 1 || err != nil {
				t.Errorf("%d %s, %v", n, what, err)
			}
		}
		x.must(x.DeleteChannel(x.ctx, channel.ID, 2))
		x.must(x.DeleteRule(x.ctx, rule.ID, 0))
		x.must(x.DeleteRota(x.ctx, rota.ID, 0))
		_, err = x.Channel(x.ctx, channel.ID)
		x.is(err, store.ErrNotFound)
	})
}

func TestSilences(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		now := x.Now()
		once := &store.Silence{Kind: store.PlainSilence, Reason: "moving house", StartsAt: now, EndsAt: now.Add(time.Hour), Match: []store.Matcher{{Label: "team", Is: []string{"a*"}, Not: true}}}
		weekly := &store.Silence{Kind: store.Maintenance, Reason: "patches", StartsAt: now, Weekly: &store.Weekly{Days: []string{"sat"}, From: "22:00", To: "04:00", Zone: "Europe/Berlin"}}
		x.must(x.CreateSilence(x.ctx, once))
		x.must(x.CreateSilence(x.ctx, weekly))
		weekly.Reason = "more patches"
		x.must(x.UpdateSilence(x.ctx, weekly))
		got, err := x.Silence(x.ctx, weekly.ID)
		x.must(err)
		if !reflect.DeepEqual(got, weekly) {
			t.Errorf("got  %+v\nwant %+v", got, weekly)
		}
		at := x.Add(time.Hour)
		for want, f := range map[int]func() ([]store.Silence, error){
			2: func() ([]store.Silence, error) {
				v, _, err := x.ListSilences(x.ctx, "", true, at, store.Page{})
				return v, err
			},
			1: func() ([]store.Silence, error) { return x.SilencesAt(x.ctx, at) },
		} {
			if got, err := f(); err != nil || len(got) != want {
				t.Errorf("%+v, want %d; %v", got, want, err)
			}
		}
		if got, _, err := x.ListSilences(x.ctx, store.PlainSilence, false, at, store.Page{}); err != nil || len(got) != 0 {
			t.Errorf("%+v, %v", got, err)
		}
		again, err := x.Silence(x.ctx, once.ID)
		x.must(err)
		if !reflect.DeepEqual(again, once) {
			t.Errorf("got  %+v\nwant %+v", again, once)
		}
		x.must(x.DeleteSilence(x.ctx, once.ID, 1))
	})
}

func TestAlerts(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		a := &store.Alert{RuleID: "rul_1", Subject: "con_1", State: store.AlertFiring, Severity: "sev2", Team: "t", Labels: map[string]string{"env": "prod"}, ConnectionID: "con_1", IncidentID: "inc_1",
			Summary: "down", Data: []byte(`{"a":1}`), Since: x.Now(), NotifiedAt: x.Now(), Notifications: 1, SilencedBy: "sil_1", Memory: []byte(`{"b":2}`)}
		fleet := &store.Alert{RuleID: "rul_2", Subject: "fleet", State: store.AlertFiring, Since: x.Now()}
		x.must(x.SaveAlerts(x.ctx, a, fleet))
		got, err := x.Alert(x.ctx, a.ID)
		x.must(err)
		if !reflect.DeepEqual(got.Data, a.Data) || got.Notifications != 1 || got.SilencedBy != "sil_1" || got.Labels["env"] != "prod" || string(got.Memory) != `{"b":2}` || !got.Since.Equal(a.Since) {
			t.Errorf("%+v", got)
		}
		x.is(x.SaveAlerts(x.ctx, &store.Alert{RuleID: "rul_1", Subject: "con_1", State: store.AlertFiring}), store.ErrConflict)
		x.Add(time.Minute)
		a.State, a.ResolvedAt = store.AlertResolved, x.Now()
		x.must(x.SaveAlerts(x.ctx, a))
		x.must(x.SaveAlerts(x.ctx, &store.Alert{RuleID: "rul_1", Subject: "con_1", State: store.AlertFiring, Since: x.Now(), ConnectionID: "con_1"}))
		if firing, err := x.FiringAlerts(x.ctx); err != nil || len(firing) != 2 || firing[0].ID != fleet.ID {
			t.Errorf("%+v, %v", firing, err)
		}
		for want, filters := range map[int][]store.AlertFilter{3: {{}}, 2: {{State: store.AlertFiring}, {RuleID: "rul_1"}, {ConnectionID: "con_1"}, {Among: []string{"con_1"}}},
			1: {{State: store.AlertResolved}, {Severity: "sev2"}, {Team: "t"}, {IncidentID: "inc_1"}}, 0: {{Among: []string{}}}} {
			for _, f := range filters {
				if items, _, err := x.ListAlerts(x.ctx, f, store.Page{}); err != nil || len(items) != want {
					t.Errorf("%+v: %d, want %d; %v", f, len(items), want, err)
				}
			}
		}
	})
}
