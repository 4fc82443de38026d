package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func TestConnection(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		first := x.connection("first")
		want := &store.Connection{Name: "Orders", SourceID: first.SourceID, DestinationID: first.DestinationID, Schema: "raw", Labels: map[string]string{"a": "b"},
			Team: "t", Schedule: store.Schedule{Kind: store.Cron, Cron: "5 * * * *", Zone: "Europe/Berlin"},
			Windows: []store.Window{{Days: []string{"mon"}, From: "22:00", To: "02:00"}}, DependsOn: []string{first.ID}, Names: "source", Drift: "allow_all",
			OnLost: "ask", Nested: "json", Limits: store.Limits{Streams: 2, MaxRejected: 5}, Freshness: 90 * time.Minute, AllStreams: true, CreatedBy: "usr_1",
			Streams: []store.Stream{
				{Namespace: "public", Name: "a", Selected: true, Mode: sluice.Incremental, Write: sluice.Merge, Cursor: "at", PrimaryKey: []string{"id"}, Table: "x",
					Nested: "tables", Columns: []store.ColumnRule{{Name: "mail", Action: store.Hash}, {Name: "note", Action: store.Exclude}}},
				{Namespace: "public", Name: "b"}}}
		x.must(x.CreateConnection(x.ctx, want))
		got, err := x.ConnectionByName(x.ctx, "ORDERS")
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		if got.Status.State != store.Scheduled || got.Status.Setup != store.Incomplete || got.Status.Freshness != store.OnSchedule {
			t.Errorf("status %+v", got.Status)
		}
		x.code(x.CreateConnection(x.ctx, &store.Connection{Name: "orders", SourceID: first.SourceID, DestinationID: first.DestinationID}), store.CodeNameTaken)
		x.code(x.CreateConnection(x.ctx, &store.Connection{Name: "n", SourceID: "src_none", DestinationID: first.DestinationID}), store.CodeReference)
		x.code(x.CreateConnection(x.ctx, &store.Connection{Name: "n", SourceID: first.SourceID, DestinationID: first.DestinationID, DependsOn: []string{"con_none"}}), store.CodeReference)
		_, err = x.ConnectionByName(x.ctx, "n")
		x.is(err, store.ErrNotFound) // nothing of it was kept

		x.Add(time.Minute)
		stale := *got
		got.Name, got.DependsOn, got.Streams = "Sales", nil, []store.Stream{got.Streams[1], {Name: "c", Selected: true}}
		x.must(x.UpdateConnection(x.ctx, got))
		x.is(x.UpdateConnection(x.ctx, &stale), store.ErrConflict)
		again, err := x.Connection(x.ctx, got.ID)
		x.must(err)
		got.Streams = []store.Stream{{Name: "c", Selected: true}, {Namespace: "public", Name: "b"}} // by namespace and name
		if !reflect.DeepEqual(got, again) || again.Version != 2 || !again.UpdatedAt.Equal(x.Now()) {
			t.Fatalf("got  %+v\nwant %+v", again, got)
		}
		v, err := x.UpdateStreams(x.ctx, got.ID, 2, []store.Stream{{Namespace: "public", Name: "b", Selected: true}, {Name: "d", Selected: true}})
		x.must(err)
		_, err = x.UpdateStreams(x.ctx, got.ID, 2, nil)
		x.is(err, store.ErrConflict)
		row, err := x.ConnectionRow(x.ctx, got.ID)
		x.must(err)
		if v != 3 || row.Version != 3 || row.SelectedStreams != 3 || row.SourceName != "source of first" || row.Connector != "shop" || row.DestinationKind != "duckdb" || row.Streams != nil {
			t.Errorf("version %d, %+v", v, row)
		}
		found, _, err := x.ListStreams(x.ctx, got.ID, "PUBLIC.b", store.Page{})
		x.must(err)
		if len(found) != 1 || !found[0].Selected {
			t.Errorf("%+v", found)
		}
		x.is(x.DeleteConnection(x.ctx, got.ID, 1), store.ErrConflict)
		x.must(x.DeleteConnection(x.ctx, got.ID, 3))
		_, err = x.Connection(x.ctx, got.ID)
		x.is(err, store.ErrNotFound)
		x.is(x.UpdateConnection(x.ctx, got), store.ErrNotFound)
	})
}

func TestDeleteConnectionInUse(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		a := x.connection("a")
		b := x.connect("b", a.SourceID, a.DestinationID)
		b.DependsOn = []string{a.ID}
		x.must(x.UpdateConnection(x.ctx, b))
		x.code(x.DeleteConnection(x.ctx, a.ID, 0), store.CodeInUse)
		x.must(x.DeleteConnection(x.ctx, b.ID, 0))

		y := x.queue(a.ID)
		attempt := x.claim(y)
		x.code(x.DeleteConnection(x.ctx, a.ID, 0), store.CodeInUse)
		x.must(x.FinishAttempt(x.ctx, attempt, store.End{Outcome: store.HandedOver, State: store.Queued}))
		x.must(x.DeleteConnection(x.ctx, a.ID, 0))
		y, err := x.Sync(x.ctx, y.ID)
		x.must(err)
		if y.State != store.Ended || y.Outcome != store.OutcomeCancelled {
			t.Errorf("a queued sync of a deleted connection: %+v", y)
		}
		_, err = x.ClaimSync(x.ctx, store.Claim{SyncID: y.ID, Attempt: 2})
		x.is(err, store.ErrClaimed)
		x.is(x.DeleteConnection(x.ctx, a.ID, 0), store.ErrNotFound)
	})
}

func TestPause(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		x.must(x.SetNextRuns(x.ctx, map[string]time.Time{c.ID: x.Now()}))
		for range 2 { // the second time changes nothing
			v, err := x.SetPaused(x.ctx, c.ID, true)
			x.must(err)
			got, err := x.Connection(x.ctx, c.ID)
			x.must(err)
			if v != 2 || got.Version != 2 || !got.Paused || got.Status.State != store.PausedRun || !got.Status.NextRunAt.IsZero() {
				t.Fatalf("%d, %+v", v, got)
			}
		}
		if due, err := x.DueConnections(x.ctx, x.Now(), 10); err != nil || len(due) != 0 {
			t.Errorf("a paused connection is due: %v", err)
		}
		if un, err := x.UnplannedConnections(x.ctx, 10); err != nil || len(un) != 0 {
			t.Errorf("a paused connection is to be planned: %v", err)
		}
		_, err := x.SetPaused(x.ctx, c.ID, false)
		x.must(err)
		got, err := x.Connection(x.ctx, c.ID)
		x.must(err)
		if got.Status.State != store.Scheduled {
			t.Errorf("resumed: %+v", got.Status)
		}
		_, err = x.SetPaused(x.ctx, "con_none", true)
		x.is(err, store.ErrNotFound)

		// Paused while a sync runs, it is paused at its end.
		y := x.queue(c.ID)
		a := x.claim(y)
		_, err = x.SetPaused(x.ctx, c.ID, true)
		x.must(err)
		if got, err = x.Connection(x.ctx, c.ID); err != nil || got.Status.State != store.Syncing {
			t.Errorf("%+v, %v", got, err)
		}
		x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded}))
		if got, err = x.Connection(x.ctx, c.ID); err != nil || got.Status.State != store.PausedRun {
			t.Errorf("%+v, %v", got.Status, err)
		}
	})
}

func TestDue(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		a := x.connection("a")
		b := x.connect("b", a.SourceID, a.DestinationID)
		manual := x.connect("manual", a.SourceID, a.DestinationID)
		manual.Schedule = store.Schedule{Kind: store.Manual}
		manual.DependsOn = []string{a.ID}
		x.must(x.UpdateConnection(x.ctx, manual))

		un, err := x.UnplannedConnections(x.ctx, 10)
		x.must(err)
		if len(un) != 2 {
			t.Fatalf("%d connections to plan, want 2", len(un))
		}
		x.must(x.SetNextRuns(x.ctx, map[string]time.Time{a.ID: x.Now().Add(2 * time.Minute), b.ID: x.Now().Add(time.Minute)}))
		ids := func(due []store.Due, err error) string {
			x.must(err)
			var s string
			for _, d := range due {
				s += map[string]string{a.ID: "a", b.ID: "b", manual.ID: "m"}[d.ConnectionID]
			}
			return s
		}
		check := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		check("unplanned", ids(x.UnplannedConnections(x.ctx, 10)), "")
		check("early", ids(x.DueConnections(x.ctx, x.Now(), 10)), "")
		now := x.Add(time.Hour)
		check("due", ids(x.DueConnections(x.ctx, now, 10)), "ba")
		check("limit", ids(x.DueConnections(x.ctx, now, 1)), "b")
		check("dependents", ids(x.Dependents(x.ctx, a.ID)), "m")
		x.queue(b.ID)
		check("open", ids(x.DueConnections(x.ctx, now, 10)), "a")

		d, err := x.DueOf(x.ctx, a.ID)
		x.must(err)
		if d.SourceHost != "shop.example" || d.Schedule.Every != time.Hour || d.Status.NextRunAt.IsZero() || !d.CreatedAt.Equal(a.CreatedAt) {
			t.Errorf("%+v", d)
		}
		_, err = x.DueOf(x.ctx, "con_none")
		x.is(err, store.ErrNotFound)

		a, err = x.Connection(x.ctx, a.ID)
		x.must(err)
		a.Schedule.Every = time.Minute // a new schedule is planned anew
		x.must(x.UpdateConnection(x.ctx, a))
		check("changed", ids(x.UnplannedConnections(x.ctx, 10)), "a")
		check("changed, and none waits", ids(x.UnplannedWaiting(x.ctx, 10)), "")
		x.queue(a.ID)
		check("changed, and waits", ids(x.UnplannedConnections(x.ctx, 10))+ids(x.UnplannedWaiting(x.ctx, 10)), "a")

		x.must(x.UpdateStatus(x.ctx, a.ID, func(s *store.Status) error { s.DelayedAt = now.Add(time.Minute); return nil }))
		check("not silent", ids(x.SilentConnections(x.ctx, now, 10)), "")
		check("silent", ids(x.SilentConnections(x.ctx, now.Add(time.Minute), 10)), "a")
	})
}

// TestWindowsThatChangeFreeWhatWaitsForTheirEnd: the worker looks at the new ones.
func TestWindowsThatChangeFreeWhatWaitsForTheirEnd(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("a")
		c.Windows = []store.Window{{From: "08:00", To: "18:00", Zone: "UTC"}}
		x.must(x.UpdateConnection(x.ctx, c))
		_, err := x.Enqueue(x.ctx, &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync, RetryAt: x.Now().Add(time.Hour)})
		x.must(err)
		waiting := func() int {
			items, err := x.WaitingSyncs(x.ctx, store.ManualSync, x.Now(), x.Now().Add(-time.Minute), 10)
			x.must(err)
			return len(items)
		}
		c.Team = "other"
		x.must(x.UpdateConnection(x.ctx, c))
		if n := waiting(); n != 0 {
			t.Errorf("%d syncs may start in the window", n)
		}
		c.Windows = nil
		x.must(x.UpdateConnection(x.ctx, c))
		if n := waiting(); n != 1 {
			t.Errorf("%d syncs may start once the window is gone", n)
		}
	})
}

func TestUpdateStatus(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		want := store.Status{Setup: store.Broken, State: store.Rescheduled, RescheduledFor: x.Now().Add(time.Hour), NextRunAt: x.Now().Add(2 * time.Hour),
			LastOutcome: store.Failed, LastSuccessAt: x.Now(), LastFailure: &store.Failure{Class: "auth", Code: "c", Message: "m"}, Freshness: store.Delayed,
			DelayedAt: x.Now(), Waiting: "w", FailuresInRow: 3}
		x.must(x.UpdateStatus(x.ctx, c.ID, func(s *store.Status) error {
			*s = want
			s.Epoch, s.LastSyncID = 7, "syn_x" // not its to change
			return nil
		}))
		got, err := x.Connection(x.ctx, c.ID)
		x.must(err)
		if !reflect.DeepEqual(got.Status, want) {
			t.Fatalf("got  %+v\nwant %+v", got.Status, want)
		}
		refused := errors.New("no")
		if err := x.UpdateStatus(x.ctx, c.ID, func(s *store.Status) error { s.Waiting = "other"; return refused }); err != refused {
			t.Errorf("error %v", err)
		}
		x.must(x.SetWaiting(x.ctx, map[string]string{c.ID: "limit", "con_none": "x"}))
		if got, err = x.Connection(x.ctx, c.ID); err != nil || got.Status.Waiting != "limit" {
			t.Errorf("%+v, %v", got, err)
		}
		x.is(x.UpdateStatus(x.ctx, "con_none", func(*store.Status) error { return nil }), store.ErrNotFound)
		counts, err := x.CountConnections(x.ctx)
		x.must(err)
		if !reflect.DeepEqual(counts, map[store.RunState]int64{store.Rescheduled: 1}) {
			t.Error(counts)
		}
	})
}

func TestListConnections(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src, dst := x.source("s"), x.destination("d")
		var all []*store.Connection
		for i := range 5 {
			c := x.connect(fmt.Sprint("c", i), src.ID, dst.ID, store.Stream{Name: "a", Selected: i > 2})
			all = append(all, c)
		}
		other := x.connection("other")
		ran := x.run(all[1].ID, store.Failed)
		_, err := x.SetPaused(x.ctx, all[2].ID, true)
		x.must(err)
		for name, c := range map[string]struct {
			f    store.ConnectionFilter
			want int
		}{
			"all":    {store.ConnectionFilter{}, 6},
			"source": {store.ConnectionFilter{SourceID: src.ID}, 5},
			"dest":   {store.ConnectionFilter{DestinationID: other.DestinationID}, 1},
			"state":  {store.ConnectionFilter{State: store.PausedRun}, 1},
			"failed": {store.ConnectionFilter{Outcome: store.Failed}, 1},
			"setup":  {store.ConnectionFilter{Setup: store.Incomplete}, 6},
			"fresh":  {store.ConnectionFilter{Freshness: store.Delayed}, 0},
			"search": {store.ConnectionFilter{Search: "C"}, 5},
			"among":  {store.ConnectionFilter{Among: []string{other.ID, all[0].ID}}, 2},
			"none":   {store.ConnectionFilter{Among: []string{}}, 0},
		} {
			rows, _, err := x.ListConnections(x.ctx, c.f, store.Page{})
			x.must(err)
			if len(rows) != c.want {
				t.Errorf("%s: %d rows, want %d", name, len(rows), c.want)
			}
		}
		rows, _, err := x.ListConnections(x.ctx, store.ConnectionFilter{}, store.Page{Sort: "-name"})
		x.must(err)
		if rows[0].Name != "other" || rows[5].Name != "c0" || rows[1].SelectedStreams != 1 {
			t.Errorf("%+v", rows)
		}
		if last := rows[4].LastSync; last == nil || last.ID != ran.ID || last.Outcome != store.Failed || rows[3].LastSync != nil {
			t.Errorf("last syncs %+v, %+v", rows[4].LastSync, rows[3].LastSync)
		}
	})
}
