package scheduler_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store"
)

// BenchmarkPlatform measures what scheduling costs, with 10,000 connections whose
// sources have nothing new: syncs a minute when all are due at once, the time
// from due to started at a rate that the platform can keep, and its processor time
// and resident memory (of all in one process, the test's own included) when
// nothing is due. One run of each database: `-benchtime 1x`.
func BenchmarkPlatform(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		benchPlatform(b, "sqlite:"+filepath.Join(b.TempDir(), "sluice.db"), 1)
	})
	b.Run("postgres", func(b *testing.B) { benchPlatform(b, pgtest.Shared(b).NewDatabase(b), 2) })
}

const (
	benchConnections = 10_000
	benchBurst       = 3000 // due at once
	benchRate        = 15   // due per second
	benchSteady      = 20 * time.Second
	benchIdle        = 10 * time.Second
)

func benchPlatform(b *testing.B, url string, workers int) {
	w := newWorldAt(b, url, 0)
	ids := w.connectMany(benchConnections)
	q, err := scheduler.OpenQueue(b.Context(), url, quiet)
	w.check(err)
	defer q.Close()
	leader := scheduler.NewLeader(scheduler.LeaderConfig{Store: w.store, Queue: q, Name: "bench", Log: quiet, Prune: -1})
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { leader.Run(ctx) })
	for i := range workers {
		wq, kick := q, leader.Kick
		if i > 0 { // as in another process
			wq, err = scheduler.OpenQueue(b.Context(), url, quiet)
			w.check(err)
			defer wq.Close()
			kick = nil
		}
		worker := scheduler.NewWorker(scheduler.WorkerConfig{Store: w.store, Queue: wq, Runner: &runner{w, func(string) error { return nil }}, Log: quiet, Places: 16, Ended: kick})
		loops.Go(func() {
			if err := worker.Run(ctx); err != nil {
				b.Error(err)
			}
		})
	}
	defer loops.Wait()
	defer cancel()
	w.due(ids[:benchBurst], time.Now(), 0) // the first syncs have a load each
	w.awaitEnded(benchBurst)

	started := time.Now()
	w.due(ids[:benchBurst], started, 0)
	w.awaitEnded(2 * benchBurst)
	took := time.Since(started)
	b.ReportMetric(float64(benchBurst)/took.Minutes(), "syncs/min")

	n := int(benchSteady.Seconds()) * benchRate
	from := time.Now().Add(time.Second)
	w.due(ids[:n], from, time.Second/benchRate)
	w.awaitEnded(2*benchBurst + n)
	var waits []time.Duration
	for _, id := range ids[:n] {
		y, _, err := w.store.ListSyncs(b.Context(), store.SyncFilter{ConnectionID: id}, store.Page{Limit: 1})
		w.check(err)
		waits = append(waits, y[0].StartedAt.Sub(y[0].DueAt))
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[n/2].Milliseconds()), "start-p50-ms")
	b.ReportMetric(float64(waits[n*99/100].Milliseconds()), "start-p99-ms")

	before := cpu()
	<-time.After(benchIdle) // what is measured is the time in which nothing happens
	b.ReportMetric(100*(cpu()-before).Seconds()/benchIdle.Seconds(), "idle-cpu-%")
	b.ReportMetric(resident(b), "MiB")
	b.ReportMetric(0, "ns/op")
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// connectMany makes connections that are next due in a day.
func (w *world) connectMany(n int) []string {
	w.t.Helper()
	ids := make([]string, 0, n)
	src := memsource.Numbers("t", 0)
	for from := 0; from < n; from += 500 {
		made := make([]string, 0, 500)
		w.check(w.store.Transact(context.Background(), func(tx *store.Store) error {
			made = made[:0]
			next := map[string]time.Time{}
			for i := from; i < min(n, from+500); i++ {
				c := &store.Connection{Name: fmt.Sprint("c", i), SourceID: w.source.ID, DestinationID: w.target.ID, AllStreams: true, OnLost: "resync", Drift: "allow_all",
					Schedule: store.Schedule{Kind: store.Interval, Every: 24 * time.Hour}}
				if err := tx.CreateConnection(context.Background(), c); err != nil {
					return err
				}
				made = append(made, c.ID)
				next[c.ID] = time.Now().Add(24 * time.Hour)
			}
			return tx.SetNextRuns(context.Background(), next)
		}))
		ids = append(ids, made...)
	}
	for _, id := range ids {
		w.warehouses[id], w.mode[id], w.read[id] = newWarehouse(), sluice.Append, sluice.Incremental
		w.sources[id] = func() sluice.Source { return src }
	}
	return ids
}

// due makes connections due one after another.
func (w *world) due(ids []string, from time.Time, apart time.Duration) {
	w.t.Helper()
	next := map[string]time.Time{}
	for i, id := range ids {
		next[id] = from.Add(time.Duration(i) * apart)
	}
	w.check(w.store.SetNextRuns(context.Background(), next))
}

// awaitEnded waits until so many syncs have ended in all.
func (w *world) awaitEnded(n int) {
	w.t.Helper()
	seen := 0
	for _, err := range w.store.Watch(context.Background(), 0, store.EventFilter{Types: []string{scheduler.EventEnded}}) {
		w.check(err)
		if seen++; seen == n {
			return
		}
	}
}

// resident returns the size of this process in MiB.
func resident(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}
