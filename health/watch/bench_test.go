package watch_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// BenchmarkLook is a fleet of 10,000 connections, of which 500 end a sync between
// two looks, every tenth of them failing; and a person's decision, which loads all.
func BenchmarkLook(b *testing.B) {
	s, err := store.Open(b.Context(), "sqlite:"+filepath.Join(b.TempDir(), "sluice.db"), store.Options{})
	must(b, err)
	b.Cleanup(func() { must(b, s.Close()) })
	dst := &store.Destination{Name: "warehouse", Kind: "duckdb"}
	must(b, s.CreateDestination(b.Context(), dst))
	ids := make([]string, 10_000)
	must(b, s.Transact(b.Context(), func(tx *store.Store) error {
		for i := range ids {
			if i%10 == 0 {
				src := &store.Source{Name: fmt.Sprint("source ", i), Connector: fmt.Sprint("shop", i%200)}
				if err := tx.CreateSource(b.Context(), src); err != nil {
					return err
				}
				ids[i] = src.ID
			}
			c := &store.Connection{Name: fmt.Sprint("connection ", i), SourceID: ids[i-i%10], DestinationID: dst.ID, Schedule: store.Schedule{Kind: store.Manual}}
			if i%10 != 0 {
				c.SourceID = ids[i-i%10]
			}
			if err := tx.CreateConnection(b.Context(), c); err != nil {
				return err
			}
			defer func() { ids[i] = c.ID }()
		}
		return nil
	}))
	config := watch.Config{Store: s, Name: "one", Log: slog.New(slog.DiscardHandler)}
	service := watch.New(config)
	settle := func() {
		for more := true; more; {
			more, err = service.Look(b.Context())
			must(b, err)
		}
	}
	start := time.Now()
	settle()
	b.Logf("met %d connections in %s", len(ids), time.Since(start).Round(time.Millisecond))
	good, _ := json.Marshal(map[string]any{"outcome": store.Succeeded})
	bad, _ := json.Marshal(map[string]any{"outcome": store.Failed, "error": refused})
	at := 0
	tell := func() {
		events := make([]store.Event, 500)
		for i := range events {
			events[i] = store.Event{Type: "sync.ended", ConnectionID: ids[at%len(ids)], Data: good}
			if at%10 == 0 {
				events[i].Data = bad
			}
			at++
		}
		must(b, s.AppendEvents(b.Context(), events...))
	}
	for range 20 {
		tell()
	}
	settle()
	b.Run("batch of 500", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			tell()
			b.StartTimer()
			settle()
		}
	})
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			service = watch.New(config)
			must(b, s.ReleaseLease(b.Context(), "health", "one"))
			b.StartTimer()
			settle()
		}
	})
	open, _, err := s.ListIncidents(b.Context(), store.IncidentFilter{Open: true}, store.Page{Limit: 1})
	must(b, err)
	b.Run("decision", func(b *testing.B) {
		for b.Loop() {
			must(b, s.Transact(b.Context(), func(tx *store.Store) error {
				_, err := service.Decide(b.Context(), tx, store.Decision{Kind: store.Comment, IncidentID: open[0].ID, Text: "x", ActorID: "usr_ann"})
				return err
			}))
		}
	})
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
