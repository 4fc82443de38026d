package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// BenchmarkStore measures what the scheduler and the API do most, at 10,000
// connections and 1,000,000 syncs.
func BenchmarkStore(b *testing.B) {
	for _, d := range storetest.Dialects {
		b.Run(d, func(b *testing.B) {
			x := open(b, storetest.URL(b, d))
			fill(b, x, 10_000, 1_000_000)
			benchmark(b, x)
		})
	}
}

func benchmark(b *testing.B, x *fixture) {
	now := x.Now().Add(time.Second)
	stale := now.Add(-time.Minute)
	some := func() string { return fmt.Sprint("con_", 10_000_001+rand.IntN(10_000)) }
	next := 0
	free := func() string { // a connection without an open sync
		for next++; next%100 == 0; next++ {
		}
		return fmt.Sprint("con_", 10_000_000+next%10_000)
	}
	cycle := func() error {
		y := &store.Sync{ConnectionID: free(), Kind: store.IncrementalSync}
		if _, err := x.Enqueue(x.ctx, y, store.Event{Type: "sync.queued"}); err != nil {
			return err
		}
		if _, err := x.Admit(x.ctx, []string{y.ID}, now, stale); err != nil {
			return err
		}
		a, err := x.ClaimSync(x.ctx, store.Claim{SyncID: y.ID, Attempt: y.Attempts + 1, WorkerID: "w", Lease: time.Minute})
		if err != nil {
			return err
		}
		return x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Succeeded, State: store.Ended, SyncOutcome: store.Succeeded,
			Counters: []store.StreamCounters{{Stream: sluice.TableName{Name: "s"}, Rows: 1}}, Events: []store.Event{{Type: "sync.ended"}}})
	}
	running := &store.Sync{ConnectionID: "con_10009999"}
	if _, err := x.Enqueue(x.ctx, running); err != nil {
		b.Fatal(err)
	}
	attempt := x.claim(running)
	journal, seq := x.Journal(attempt.ConnectionID, attempt.SyncID), int64(0)
	lines := make([]store.LogLine, 100)
	for i := range lines {
		lines[i] = store.LogLine{Level: "info", Message: "a line of usual length, as syncs write them to their logs"}
	}
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"list connections", func() error {
			_, _, err := x.ListConnections(x.ctx, store.ConnectionFilter{}, store.Page{})
			return err
		}},
		{"list connections by last success", func() error {
			_, _, err := x.ListConnections(x.ctx, store.ConnectionFilter{}, store.Page{Sort: "-last_success"})
			return err
		}},
		{"search connections", func() error {
			_, _, err := x.ListConnections(x.ctx, store.ConnectionFilter{Search: "999"}, store.Page{})
			return err
		}},
		{"get connection", func() error { _, err := x.Connection(x.ctx, some()); return err }},
		{"list syncs", func() error { _, _, err := x.ListSyncs(x.ctx, store.SyncFilter{}, store.Page{}); return err }},
		{"list syncs of a connection", func() error {
			_, _, err := x.ListSyncs(x.ctx, store.SyncFilter{ConnectionID: some()}, store.Page{})
			return err
		}},
		{"list failed syncs", func() error {
			_, _, err := x.ListSyncs(x.ctx, store.SyncFilter{Outcome: store.Failed}, store.Page{})
			return err
		}},
		{"due connections", func() error { _, err := x.DueConnections(x.ctx, now, 100); return err }},
		{"waiting syncs", func() error { _, err := x.WaitingSyncs(x.ctx, store.IncrementalSync, now, stale, 100); return err }},
		{"active syncs", func() error { _, err := x.ActiveSyncs(x.ctx, stale); return err }},
		{"heartbeat", func() error { _, err := x.Heartbeat(x.ctx, attempt, time.Minute); return err }},
		{"prepare and commit", func() error {
			seq++
			l := load(fmt.Sprint("l", seq), attempt.Epoch, seq, position("s", 0, attempt.Epoch, seq))
			if err := journal.Prepare(x.ctx, l); err != nil {
				return err
			}
			return journal.Commit(x.ctx, l)
		}},
		{"append 100 log lines", func() error { return x.AppendLog(x.ctx, running.ID, lines) }},
		{"a sync from queue to end", cycle},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
