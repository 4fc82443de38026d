package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func TestSyncThroughItsLife(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		y := &store.Sync{ConnectionID: c.ID, Trigger: store.ByHand, Kind: store.ManualSync, Region: "eu", Host: "h", DestinationID: c.DestinationID,
			RequestedBy: "usr_1", Resync: []sluice.TableName{{Schema: "a", Name: "b"}}}
		created, err := x.Enqueue(x.ctx, y, store.Event{Type: "sync.queued"})
		x.must(err)
		got, err := x.Sync(x.ctx, y.ID)
		x.must(err)
		if !created || !reflect.DeepEqual(got, y) || y.State != store.Queued || !y.DueAt.Equal(x.Now()) {
			t.Fatalf("created %t\ngot  %+v\nwant %+v", created, got, y)
		}
		other := &store.Sync{ConnectionID: c.ID}
		created, err = x.Enqueue(x.ctx, other)
		x.must(err)
		if created || other.ID != y.ID || other.RequestedBy != "usr_1" {
			t.Fatalf("a second open sync: %t, %+v", created, other)
		}
		_, err = x.Enqueue(x.ctx, &store.Sync{ConnectionID: "con_none"})
		x.is(err, store.ErrNotFound)

		status := func() store.Status {
			t.Helper()
			c, err := x.Connection(x.ctx, c.ID)
			x.must(err)
			return c.Status
		}
		if s := status(); s.State != store.QueuedRun || s.LastSyncID != y.ID {
			t.Fatalf("%+v", s)
		}

		// First attempt: counts, then fails.
		started := x.Add(time.Second)
		a := x.claim(y)
		if s := status(); s.State != store.Syncing || s.Epoch != 1 || a.Epoch != 1 || a.N != 1 {
			t.Fatalf("%+v, %+v", s, a)
		}
		one := store.StreamCounters{Stream: sluice.TableName{Name: "s"}, Table: sluice.TableName{Schema: "raw", Name: "s"}, Phase: "reading", Rows: 10, Bytes: 100, Committed: 8,
			Counts: sluice.Counts{Extracted: 8, Rejected: 1, Filtered: 2, Loaded: 5, Deleted: 1}, Changes: 1, Loads: 1, StartedAt: started}
		x.must(x.RecordProgress(x.ctx, a, []store.StreamCounters{one}))
		one.Rows, one.Committed = 12, 10 // counters are since the attempt's start
		two := one
		two.Stream.Name, two.Committed = "t", 5
		x.must(x.RecordProgress(x.ctx, a, []store.StreamCounters{one, two}))
		failure := &store.Failure{Class: "transient", Code: "c", Message: "m", Retryable: true}
		retry := x.Add(time.Minute).Add(10 * time.Second)
		x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Failed, Error: failure, State: store.Retrying, RetryAt: retry}))
		got, err = x.Sync(x.ctx, y.ID)
		x.must(err)
		if got.State != store.Retrying || got.Outcome != "" || got.Rows != 15 || got.Rejected != 2 || got.Attempts != 1 || !got.RetryAt.Equal(retry) || !got.StartedAt.Equal(started) ||
			!got.EndedAt.IsZero() || !reflect.DeepEqual(got.Error, failure) {
			t.Fatalf("%+v", got)
		}
		if s := status(); s.State != store.QueuedRun || s.LastFailure != nil {
			t.Fatalf("%+v", s)
		}

		// Second attempt: succeeds.
		ended := x.Add(time.Minute)
		b := x.claim(got)
		x.is(x.RecordProgress(x.ctx, a, []store.StreamCounters{one}), sluice.ErrFenced)
		one.Committed, one.Phase, one.Counts = 1, "done", sluice.Counts{Extracted: 1, Loaded: 1}
		x.must(x.FinishAttempt(x.ctx, b, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.SucceededWithWarnings, Warnings: 2, Counters: []store.StreamCounters{one},
			Status: func(s *store.Status) { s.NextRunAt = ended.Add(time.Hour) }, Events: []store.Event{{Type: "sync.ended", SyncID: y.ID, ConnectionID: c.ID}}}))
		got, err = x.Sync(x.ctx, y.ID)
		x.must(err)
		if got.State != store.Ended || got.Outcome != store.SucceededWithWarnings || got.Rows != 16 || got.Attempts != 2 || got.Epoch != 2 || got.Warnings != 2 || !got.EndedAt.Equal(ended) || got.Error != nil {
			t.Fatalf("%+v", got)
		}
		if s := status(); s.State != store.Scheduled || !s.LastSuccessAt.Equal(ended) || s.LastOutcome != store.SucceededWithWarnings || !s.NextRunAt.Equal(ended.Add(time.Hour)) {
			t.Fatalf("%+v", s)
		}
		streams, err := x.SyncStreams(x.ctx, y.ID)
		x.must(err)
		if len(streams) != 2 || streams[0].Committed != 11 || streams[0].Rows != 24 || streams[0].Phase != "done" || streams[0].Counts.Loaded != 6 || !streams[0].StartedAt.Equal(started) {
			t.Errorf("%+v", streams)
		}
		attempts, err := x.Attempts(x.ctx, y.ID)
		x.must(err)
		if len(attempts) != 2 || attempts[0].Outcome != store.Failed || attempts[0].Rows != 15 || attempts[1].Rows != 1 || !reflect.DeepEqual(attempts[0].Error, failure) {
			t.Errorf("%+v", attempts)
		}
		stats, err := x.Stats(x.ctx, c.ID)
		x.must(err)
		if len(stats) != 2 || stats[0].Rows != 5 || stats[0].LastSync != y.ID || stats[0].Table.Schema != "raw" {
			t.Errorf("%+v", stats)
		}
		events, err := x.EventsAfter(x.ctx, 0, store.EventFilter{SyncID: y.ID}, 10)
		x.must(err)
		if len(events) != 2 || events[0].Type != "sync.queued" || events[1].Type != "sync.ended" {
			t.Errorf("%+v", events)
		}
		_, err = x.OpenSync(x.ctx, c.ID)
		x.is(err, store.ErrNotFound)
		if list, _, err := x.ListSyncs(x.ctx, store.SyncFilter{Open: true}, store.Page{}); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestOneClaimWins is the proof of "one run per connection" in the store.
func TestOneClaimWins(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		y := x.queue(c.ID)
		for round := 1; round <= 5; round++ {
			var mu sync.Mutex
			var won []*store.Attempt
			together(8, func(i int) {
				a, err := x.ClaimSync(x.ctx, store.Claim{SyncID: y.ID, Attempt: round, WorkerID: fmt.Sprint("wrk_", i), Lease: time.Minute})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					won = append(won, a)
				case !errors.Is(err, store.ErrClaimed):
					t.Errorf("claim: %v", err)
				}
			})
			if len(won) != 1 || won[0].Epoch != int64(round) {
				t.Fatalf("round %d: %d claims won: %+v", round, len(won), won)
			}
			x.must(x.FinishAttempt(x.ctx, won[0], store.End{Outcome: store.HandedOver, State: store.Queued}))
		}
		_, err := x.ClaimSync(x.ctx, store.Claim{SyncID: y.ID, Attempt: 5})
		x.is(err, store.ErrClaimed) // an old job
		_, err = x.ClaimSync(x.ctx, store.Claim{SyncID: "syn_none", Attempt: 1})
		x.is(err, store.ErrNotFound)
	})
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func TestOneOpenSyncPerConnection(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		var mu sync.Mutex
		created, ids := 0, map[string]bool{}
		together(8, func(i int) {
			y := &store.Sync{ConnectionID: c.ID}
			var ok bool
			var err error
			if i%2 == 0 {
				ok, err = x.Enqueue(x.ctx, y)
			} else {
				var n int
				n, err = x.EnqueueAll(x.ctx, []*store.Sync{y})
				ok = n == 1
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
			}
			if ok {
				created++
			}
			if y.ID != "" {
				ids[y.ID] = true
			}
		})
		if created != 1 || len(ids) != 1 {
			t.Errorf("%d created, ids %v", created, ids)
		}
	})
}

func TestEnqueueAll(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src, dst := x.source("s"), x.destination("d")
		var syncs []*store.Sync
		for i := range 250 {
			c := x.connect(fmt.Sprint("c", i), src.ID, dst.ID)
			syncs = append(syncs, &store.Sync{ConnectionID: c.ID, Kind: store.IncrementalSync, DueAt: x.Now().Add(time.Duration(i) * time.Second)})
		}
		x.queue(syncs[7].ConnectionID)
		syncs = append(syncs, &store.Sync{ConnectionID: "con_none"}, &store.Sync{ConnectionID: syncs[0].ConnectionID})
		n, err := x.EnqueueAll(x.ctx, syncs)
		x.must(err)
		if n != 249 || syncs[7].ID != "" || syncs[250].ID != "" || syncs[251].ID != "" || syncs[0].ID == "" {
			t.Fatalf("%d queued: %+v", n, syncs[0])
		}
		got, err := x.Sync(x.ctx, syncs[9].ID)
		x.must(err)
		if !reflect.DeepEqual(got, syncs[9]) {
			t.Errorf("got  %+v\nwant %+v", got, syncs[9])
		}
		c, err := x.Connection(x.ctx, got.ConnectionID)
		x.must(err)
		if c.Status.State != store.QueuedRun || c.Status.LastSyncID != got.ID {
			t.Errorf("%+v", c.Status)
		}
	})
}

func TestAdmission(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src, dst := x.source("s"), x.destination("d")
		var ids []string
		for i := range 4 {
			y := x.queue(x.connect(fmt.Sprint("c", i), src.ID, dst.ID).ID)
			ids = append(ids, y.ID)
			x.Add(time.Second)
		}
		names := func(syncs []store.Sync, err error) (s string) {
			x.must(err)
			for _, y := range syncs {
				for i, id := range ids {
					if id == y.ID {
						s += fmt.Sprint(i)
					}
				}
			}
			return s
		}
		check := func(what, got, want string) {
			t.Helper()
			if got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		stale := x.Now().Add(-time.Minute)
		check("waiting", names(x.WaitingSyncs(x.ctx, store.IncrementalSync, x.Now(), stale, 10)), "0123")
		check("kind", names(x.WaitingSyncs(x.ctx, store.ManualSync, x.Now(), stale, 10)), "")
		admitted, err := x.Admit(x.ctx, ids[:2], x.Now(), stale)
		x.must(err)
		if len(admitted) != 2 {
			t.Fatal(admitted)
		}
		if again, err := x.Admit(x.ctx, ids[:3], x.Now(), stale); err != nil || len(again) != 1 || again[0] != ids[2] {
			t.Errorf("admitted twice: %v, %v", again, err)
		}
		check("not admitted", names(x.WaitingSyncs(x.ctx, store.IncrementalSync, x.Now(), stale, 10)), "3")
		check("active", names(x.ActiveSyncs(x.ctx, stale)), "012")
		x.must(x.Withdraw(x.ctx, ids[2:3]))
		check("withdrawn", names(x.ActiveSyncs(x.ctx, stale)), "01")
		a := x.claim(&store.Sync{ID: ids[0]})
		now := x.Add(2 * time.Minute)
		stale = now.Add(-time.Minute)
		check("never claimed", names(x.WaitingSyncs(x.ctx, store.IncrementalSync, now, stale, 10)), "123")
		check("running stays", names(x.ActiveSyncs(x.ctx, stale)), "0")
		depth, err := x.Queue(x.ctx)
		x.must(err)
		if q := depth[""]; q.Running != 1 || q.Waiting != 3 || !q.Oldest.Equal(newClock().Now().Add(time.Second)) {
			t.Errorf("%+v", depth)
		}
		x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Failed, State: store.Retrying, RetryAt: now.Add(time.Minute)}))
		check("retries later", names(x.WaitingSyncs(x.ctx, store.IncrementalSync, now, stale, 10)), "123")
		check("retries", names(x.WaitingSyncs(x.ctx, store.IncrementalSync, now.Add(time.Minute), stale, 10)), "0123")
	})
}

func TestLease(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		y := x.queue(c.ID)
		a := x.claim(y)
		now := x.Add(30 * time.Second)
		beat, err := x.Heartbeat(x.ctx, a, time.Minute)
		x.must(err)
		if beat.CancelRequested || !beat.LeaseUntil.Equal(now.Add(time.Minute)) {
			t.Errorf("%+v", beat)
		}
		now = x.Add(time.Minute)
		if lost, err := x.ExpiredAttempts(x.ctx, now, 10); err != nil || len(lost) != 0 {
			t.Errorf("%+v, %v", lost, err)
		}
		end := store.End{Outcome: store.Lost, State: store.Queued, Error: &store.Failure{Code: "worker_lost"}}
		x.is(x.ExpireAttempt(x.ctx, a, now, end), sluice.ErrFenced) // not yet
		now = x.Add(time.Second)
		lost, err := x.ExpiredAttempts(x.ctx, now, 10)
		x.must(err)
		if len(lost) != 1 || lost[0].N != 1 || lost[0].SyncID != y.ID || lost[0].ConnectionID != c.ID {
			t.Fatalf("%+v", lost)
		}
		x.must(x.ExpireAttempt(x.ctx, &lost[0], now, end))
		x.is(x.ExpireAttempt(x.ctx, &lost[0], now, end), sluice.ErrFenced)

		// The frozen worker wakes up.
		_, err = x.Heartbeat(x.ctx, a, time.Minute)
		x.is(err, sluice.ErrFenced)
		x.is(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded}), sluice.ErrFenced)
		x.is(x.RecordProgress(x.ctx, a, []store.StreamCounters{{Stream: sluice.TableName{Name: "s"}}}), sluice.ErrFenced)
		x.is(x.RaiseEpoch(x.ctx, a, 9), sluice.ErrFenced)
		x.is(x.Journal(c.ID, y.ID).Prepare(x.ctx, sluice.Load{ID: "l", Epoch: a.Epoch}), sluice.ErrFenced)

		got, err := x.Sync(x.ctx, y.ID)
		x.must(err)
		if got.State != store.Queued || got.Attempts != 1 || got.Error.Code != "worker_lost" {
			t.Fatalf("%+v", got)
		}
		b := x.claim(got)
		if b.Epoch != 3 || b.N != 2 { // expiry takes an epoch too
			t.Errorf("%+v", b)
		}
		x.must(x.RaiseEpoch(x.ctx, b, 9))
		if got, err := x.Connection(x.ctx, c.ID); err != nil || b.Epoch != 9 || got.Status.Epoch != 9 {
			t.Errorf("%+v, %v", got.Status, err)
		}
		_, err = x.Heartbeat(x.ctx, b, time.Minute)
		x.must(err)
	})
}

// TestLeaseRace lets heartbeats, expiry and the finish of an attempt meet: exactly
// one end is counted.
func TestLeaseRace(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		for round := range 10 {
			y := x.queue(c.ID)
			a := x.claim(y)
			now := x.Add(2 * time.Minute)
			var mu sync.Mutex
			ends := 0
			together(3, func(i int) {
				var err error
				mine := *a
				switch i {
				case 0:
					_, err = x.Heartbeat(x.ctx, &mine, 0)
					if errors.Is(err, sluice.ErrFenced) {
						err = nil
					}
					if err != nil {
						t.Error(err)
					}
					return
				case 1:
					err = x.ExpireAttempt(x.ctx, &mine, now, store.End{Outcome: store.Lost, State: store.Ended, SyncOutcome: store.Failed})
				case 2:
					err = x.FinishAttempt(x.ctx, &mine, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded})
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					ends++
				} else if !errors.Is(err, sluice.ErrFenced) {
					t.Error(err)
				}
			})
			if ends != 1 {
				t.Fatalf("round %d: the attempt ended %d times", round, ends)
			}
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		end := store.End{Outcome: store.HandedOver, State: store.Queued}
		get := func(id string) *store.Sync {
			t.Helper()
			y, err := x.Sync(x.ctx, id)
			x.must(err)
			return y
		}
		cancel := func(y *store.Sync, restart bool) *store.Sync {
			t.Helper()
			got, err := x.RequestCancel(x.ctx, y.ID, restart, "usr_2")
			x.must(err)
			return got
		}

		// Queued: ended at once.
		y := cancel(x.queue(c.ID), false)
		if y.State != store.Ended || y.Outcome != store.OutcomeCancelled {
			t.Errorf("%+v", y)
		}
		if again := cancel(y, false); !reflect.DeepEqual(again, y) {
			t.Errorf("cancelled twice: %+v", again)
		}
		if c, err := x.Connection(x.ctx, c.ID); err != nil || c.Status.State != store.Scheduled || c.Status.LastOutcome != store.OutcomeCancelled {
			t.Errorf("%+v, %v", c.Status, err)
		}

		// Running: the worker is asked, and its sync is not queued again.
		y = x.queue(c.ID)
		a := x.claim(y)
		if y = cancel(y, false); y.State != store.Running || !y.CancelRequested || y.RestartRequested {
			t.Errorf("%+v", y)
		}
		if b, err := x.Heartbeat(x.ctx, a, time.Minute); err != nil || !b.CancelRequested || b.RestartRequested {
			t.Errorf("%+v, %v", b, err)
		}
		if y = cancel(y, true); y.RestartRequested {
			t.Error("a restart took a cancel back")
		}
		x.must(x.FinishAttempt(x.ctx, a, end))
		if y = get(y.ID); y.State != store.Ended || y.Outcome != store.OutcomeCancelled {
			t.Errorf("%+v", y)
		}

		// Restart: queued again.
		y = x.queue(c.ID)
		a = x.claim(y)
		if y = cancel(y, true); !y.CancelRequested || !y.RestartRequested {
			t.Errorf("%+v", y)
		}
		x.must(x.FinishAttempt(x.ctx, a, end))
		if y = get(y.ID); y.State != store.Queued || y.CancelRequested || y.RestartRequested {
			t.Errorf("%+v", y)
		}
		a = x.claim(y)
		x.must(x.FinishAttempt(x.ctx, a, store.End{State: store.Retrying, RetryAt: x.Now().Add(time.Hour)}))
		if y = cancel(y, true); y.State != store.Retrying || !y.RetryAt.IsZero() {
			t.Errorf("restart of a retry: %+v", y)
		}
		x.is(x.EndQueued(x.ctx, "syn_none", store.End{}), store.ErrNotFound)
		x.must(x.EndQueued(x.ctx, y.ID, store.End{SyncOutcome: store.Failed, Error: &store.Failure{Code: "no_region"}}))
		x.is(x.EndQueued(x.ctx, y.ID, store.End{SyncOutcome: store.Failed}), store.ErrClaimed)
		if c, err := x.Connection(x.ctx, c.ID); err != nil || c.Status.LastFailure.Code != "no_region" || c.Status.FailuresInRow != 1 {
			t.Errorf("%+v, %v", c.Status, err)
		}
		_, err := x.RequestCancel(x.ctx, "syn_none", false, "")
		x.is(err, store.ErrNotFound)
	})
}
