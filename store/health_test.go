package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// history returns the parts of a connection's history, the first first.
func (x *fixture) history(id string) []store.HealthPart {
	x.t.Helper()
	parts, _, err := x.ListHealthHistory(x.ctx, id, time.Time{}, time.Time{}, store.Page{Sort: "from"})
	x.must(err)
	return parts
}

func TestHealth(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		start := x.Now()
		_, err := x.ConnectionHealth(x.ctx, c.ID)
		x.is(err, store.ErrNotFound)
		h := store.ConnectionHealth{ConnectionID: c.ID, Health: store.Healthy, Since: start, Reason: "all is well", LastSuccessAt: start, Successes: 3, Memory: []byte(`{"a":1}`)}
		gone := store.ConnectionHealth{ConnectionID: "con_gone", Health: store.Down, Since: start}
		x.must(x.SaveHealth(x.ctx, []store.ConnectionHealth{h, gone}))
		got, err := x.ConnectionHealth(x.ctx, c.ID)
		x.must(err)
		h.UpdatedAt = x.Now()
		if !reflect.DeepEqual(*got, h) {
			t.Fatalf("got  %+v\nwant %+v", *got, h)
		}

		failure := store.FailureOf(&sluice.Error{Class: sluice.Auth, Code: "shop_auth", Hint: "new key", Err: fmt.Errorf("refused")})
		at := x.Add(time.Hour)
		h.Health, h.Since, h.Reason, h.FailingSince, h.Failure, h.Failures, h.Fingerprint, h.IncidentID = store.NeedsAction, at, "refused", at, failure, 1, "fp", "inc_1"
		// In between, it was degraded for a minute, and for no time at all needed action.
		x.must(x.SaveHealth(x.ctx, []store.ConnectionHealth{h}, store.HealthPart{ConnectionID: c.ID, Health: store.Degraded, From: at.Add(-time.Minute), Reason: "late"},
			store.HealthPart{ConnectionID: c.ID, Health: store.Down, From: at}, store.HealthPart{ConnectionID: "con_gone", Health: store.Down, From: at}))
		h.Reason, h.IncidentID = "still refused", "inc_2"
		x.must(x.SaveHealth(x.ctx, []store.ConnectionHealth{h}))
		want := []store.HealthPart{{c.ID, store.Healthy, start, at.Add(-time.Minute), "all is well", ""}, {c.ID, store.Degraded, at.Add(-time.Minute), at, "late", ""},
			{c.ID, store.NeedsAction, at, time.Time{}, "still refused", "inc_2"}}
		if parts := x.history(c.ID); !reflect.DeepEqual(parts, want) {
			t.Fatalf("got  %+v\nwant %+v", parts, want)
		}
		if parts := x.history("con_gone"); len(parts) != 0 {
			t.Errorf("%+v", parts)
		}
		of, err := x.HealthOf(x.ctx, []string{c.ID, "con_gone"})
		x.must(err)
		h.UpdatedAt = x.Now()
		if len(of) != 1 || !reflect.DeepEqual(of[c.ID], h) {
			t.Errorf("got  %+v\nwant %+v", of[c.ID], h)
		}

		other := x.connection("other")
		counts, err := x.CountHealth(x.ctx, nil)
		x.must(err)
		if !reflect.DeepEqual(counts, map[store.Health]int64{store.NeedsAction: 1, store.Healthy: 1}) {
			t.Errorf("%v", counts)
		}
		for name, f := range map[string]struct {
			store.ConnectionFilter
			want []string
		}{
			"all":      {store.ConnectionFilter{}, []string{c.ID, other.ID}},
			"healthy":  {store.ConnectionFilter{Health: store.Healthy}, []string{other.ID}},
			"needs":    {store.ConnectionFilter{Health: store.NeedsAction}, []string{c.ID}},
			"incident": {store.ConnectionFilter{IncidentID: "inc_2"}, []string{c.ID}},
			"down":     {store.ConnectionFilter{Health: store.Down}, nil},
		} {
			rows, _, err := x.ListConnections(x.ctx, f.ConnectionFilter, store.Page{})
			x.must(err)
			var ids []string
			for _, r := range rows {
				ids = append(ids, r.ID)
				if (r.Health != nil) != (r.ID == c.ID) || r.Health != nil && (r.Health.Reason != "still refused" || r.Health.Memory != nil) {
					t.Errorf("%s: %+v", name, r.Health)
				}
			}
			if !slices.Equal(ids, f.want) {
				t.Errorf("%s: %v", name, ids)
			}
		}
		listed, _, err := x.ListHealth(x.ctx, store.HealthFilter{Unhealthy: true, Among: []string{c.ID}}, store.Page{})
		x.must(err)
		n := 0
		x.must(x.AllHealth(x.ctx, func(*store.ConnectionHealth) error { n++; return nil }))
		if len(listed) != 1 || n != 1 {
			t.Errorf("%d listed, %d in all", len(listed), n)
		}

		x.must(x.DeleteConnection(x.ctx, c.ID, 0))
		_, err = x.ConnectionHealth(x.ctx, c.ID)
		x.is(err, store.ErrNotFound)
		if _, err := x.Prune(x.ctx, store.Retention{}, x.Now()); err != nil || len(x.history(c.ID)) != 0 {
			t.Errorf("%v, %+v", err, x.history(c.ID))
		}
	})
}

// TestReportHealth compares the report with a sum over minutes.
func TestReportHealth(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		start := x.Now()
		kinds := []store.Health{store.Healthy, store.Degraded, store.Down, store.NeedsAction, store.Unmeasured}
		var ids []string
		teams := map[string]string{}
		for i := range 4 {
			c := &store.Connection{Name: fmt.Sprint("c", i), SourceID: x.source(fmt.Sprint("s", i)).ID, DestinationID: x.destination(fmt.Sprint("d", i)).ID, Team: []string{"", "a"}[i%2]}
			x.must(x.CreateConnection(x.ctx, c))
			ids = append(ids, c.ID)
			teams[c.ID] = c.Team
		}
		minutes := map[string][]store.Health{} // of each connection
		const length = 300
		x.Add(length * time.Minute)
		for i, id := range ids[:3] { // the last one was never seen
			var parts []store.HealthPart
			for m := 10 * i; m < length; {
				h := kinds[(m*7+i)%len(kinds)]
				parts = append(parts, store.HealthPart{ConnectionID: id, Health: h, From: start.Add(time.Duration(m) * time.Minute)})
				for n := 1 + (m*13+i)%29; n > 0; n-- {
					minutes[id] = append(minutes[id], h)
					m++
				}
			}
			minutes[id] = append(make([]store.Health, 10*i), minutes[id]...) // not seen yet
			last := parts[len(parts)-1]
			x.must(x.SaveHealth(x.ctx, []store.ConnectionHealth{{ConnectionID: id, Health: last.Health, Since: last.From}}, parts...))
		}
		groups := map[store.HealthGroup]func(string) string{store.ByConnection: func(id string) string { return id }, store.ByConnector: func(string) string { return "shop" },
			store.ByTeam: func(id string) string { return teams[id] }, store.ByAll: func(string) string { return "" }}
		rapid.Check(t, func(r *rapid.T) {
			from := rapid.IntRange(0, length-1).Draw(r, "from")
			to := rapid.IntRange(from+1, length+50).Draw(r, "to")
			by := rapid.SampledFrom([]store.HealthGroup{store.ByConnection, store.ByConnector, store.ByTeam, store.ByAll}).Draw(r, "by")
			got, err := x.ReportHealth(x.ctx, by, store.HealthReportFilter{}, start.Add(time.Duration(from)*time.Minute), start.Add(time.Duration(to)*time.Minute))
			if err != nil {
				r.Fatal(err)
			}
			want := map[string]*store.HealthReport{}
			for _, id := range ids[:3] {
				seen := false
				for m := from; m < min(to, length); m++ {
					h := minutes[id][m]
					if h == "" {
						continue
					}
					key := groups[by](id)
					if want[key] == nil {
						want[key] = &store.HealthReport{Key: key, Parts: map[store.Health]time.Duration{}}
					}
					if !seen {
						want[key].Connections++
					}
					seen = true
					want[key].Parts[h] += time.Minute
				}
			}
			if len(got) != len(want) {
				r.Fatalf("%d groups, want %d", len(got), len(want))
			}
			for i, g := range got {
				w := want[g.Key]
				if w == nil || w.Connections != g.Connections || !reflect.DeepEqual(w.Parts, g.Parts) || i > 0 && got[i-1].Key >= g.Key {
					r.Fatalf("by %s: got %+v, want %+v", by, g, w)
				}
				if g.Measured() < g.Downtime() || g.Uptime() < 0 || g.Uptime() > 1 {
					r.Fatalf("%+v", g)
				}
			}
		})
		for want, f := range map[int]store.HealthReportFilter{1: {ConnectionID: ids[1]}, 2: {Among: ids[1:]}, 3: {Connector: "shop"}, 0: {Team: "none"}} {
			if got, err := x.ReportHealth(x.ctx, store.ByConnection, f, start, x.Now()); err != nil || len(got) != want {
				t.Errorf("%+v: %d groups, %v", f, len(got), err)
			}
		}
		_, err := x.ReportHealth(x.ctx, "id; drop", store.HealthReportFilter{}, start, x.Now())
		x.code(err, "group_invalid")
	})
}

// TestHealthCursor: of two that have read the same, one keeps what it has decided,
// the other nothing.
func TestHealthCursor(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		begin, err := x.HealthCursor(x.ctx)
		x.must(err)
		errs := make([]error, 4)
		together(len(errs), func(n int) {
			errs[n] = x.Transact(x.ctx, func(tx *store.Store) error {
				if err := tx.SaveHealth(x.ctx, []store.ConnectionHealth{{ConnectionID: c.ID, Health: store.Down, Since: x.Now(), Failures: n + 1}}); err != nil {
					return err
				}
				move := *begin
				move.EventID, move.Memory = int64(n+1), []byte(`{}`)
				return tx.MoveHealthCursor(x.ctx, &move)
			})
		})
		won := 0
		for n, err := range errs {
			if err == nil {
				won = n + 1
			} else {
				x.is(err, store.ErrConflict)
			}
		}
		after, err := x.HealthCursor(x.ctx)
		x.must(err)
		h, err := x.ConnectionHealth(x.ctx, c.ID)
		x.must(err)
		if won == 0 || after.EventID != int64(won) || after.Revision != begin.Revision+1 || h.Failures != won || string(after.Memory) != "{}" {
			t.Errorf("%d has won; %+v, %+v", won, after, h)
		}
		x.must(x.Transact(x.ctx, func(tx *store.Store) error {
			c, err := tx.HealthCursor(x.ctx)
			if err != nil {
				return err
			}
			c.EventID = 99
			return tx.MoveHealthCursor(x.ctx, c)
		}))
	})
}
