package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/memsource"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestAConnectionRunsAtOnceAndThenOncePerPeriod(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 10, nil)
		worker := w.worker(nil)
		w.settle(worker)
		w.wantRows(c, 10)
		s := w.status(c)
		if s.State != store.Scheduled || s.Setup != store.Connected || s.LastOutcome != store.Succeeded || s.Freshness != store.OnSchedule || s.LastSuccessAt != w.clock.now() {
			t.Errorf("status: %+v", s)
		}
		if wait := s.NextRunAt.Sub(w.clock.now()); wait <= 0 || wait > time.Hour {
			t.Errorf("next run in %s", wait)
		}
		for range 5 {
			w.clock.advance(30 * time.Minute)
			w.settle(worker)
		}
		syncs := w.syncs(c)
		if n := len(syncs); n != 3 && n != 4 || syncs[0].Kind != store.HistoricalSync || syncs[1].Kind != store.IncrementalSync {
			t.Errorf("%d syncs in 2.5 hours: %s", n, w.outcomes(c))
		}
		w.wantRows(c, 10)
	})
}

func TestTheEventsOfASync(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 4, nil)
		w.settle(w.worker(nil))
		events, err := w.store.EventsAfter(t.Context(), 0, store.EventFilter{ConnectionID: c.ID}, 100)
		w.check(err)
		var types []string
		for _, e := range events {
			types = append(types, e.Type)
			if e.SyncID != w.syncs(c)[0].ID {
				t.Errorf("%s is of sync %q", e.Type, e.SyncID)
			}
		}
		if have := strings.Join(types, " "); have != "sync.queued sync.started sync.ended" {
			t.Errorf("events: %s", have)
		}
		lines, err := w.store.LogTail(t.Context(), events[0].SyncID, 100)
		w.check(err)
		var log []string
		for _, l := range lines {
			log = append(log, l.Message)
		}
		if have := strings.Join(log, "; "); !strings.HasPrefix(have, "the sync begins; ") || !strings.Contains(have, "the stream is up to date") || !strings.HasSuffix(have, "; the sync ended") {
			t.Errorf("log: %s", have)
		}
	})
}

// TestTheSourcesCountIsKept at each sync, and not only at the first, when everything is
// read.
func TestTheSourcesCountIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		for _, rows := range []int{3, 5, 4} {
			src := memsource.Numbers("t", rows)
			src.Streams[0].RowCount = int64(rows)
			w.sources[c.ID] = func() sluice.Source { return src }
			w.settle(worker)
			w.clock.advance(time.Hour)
			stats, err := w.store.Stats(t.Context(), c.ID)
			w.check(err)
			if len(stats) != 1 || stats[0].Estimate != int64(rows) {
				t.Errorf("%d rows: %+v", rows, stats)
			}
		}
	})
}
