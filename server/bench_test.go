package server_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/store"
)

// BenchmarkAt10000Connections measures lists and details at the size that the
// aims are for. It reports the latency within which 99 of 100 requests were
// answered, network apart.
func BenchmarkAt10000Connections(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { benchAt10000(b, newPlatform(b)) })
	b.Run("postgres", func(b *testing.B) { benchAt10000(b, newPlatformAt(b, pgtest.Shared(b).NewDatabase(b))) })
}

func benchAt10000(b *testing.B, p *platform) {
	b.Helper()
	p.people()
	_, _, first := p.seed()
	seedConnections(b, p, first, 10_000)
	second := page2(b, p)
	for _, c := range []struct{ name, path string }{
		{"list", "/api/v1/connections"},
		{"second page", "/api/v1/connections?cursor=" + second},
		{"by last success", "/api/v1/connections?sort=-last_success"},
		{"search", "/api/v1/connections?search=17"},
		{"filtered", "/api/v1/connections?freshness=on_schedule&sync_state=scheduled&sort=next_run"},
		{"500 at once", "/api/v1/connections?limit=500"},
		{"detail", "/api/v1/connections/" + first},
		{"syncs", "/api/v1/syncs"},
		{"events", "/api/v1/events/history"},
		{"system", "/api/v1/system"},
		{"fleet", "/api/v1/fleet"},
		{"fleet of one", "/api/v1/fleet?id=" + first},
		{"fleet days", "/api/v1/fleet/days"},
		{"fleet hours", "/api/v1/fleet/hours"},
		{"timeline", "/api/v1/connections/" + first + "/timeline"},
	} {
		b.Run(c.name, func(b *testing.B) {
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, c.path, http.NoBody)
				r.Header.Set("Authorization", "Bearer "+p.tokens["viewer"])
				r.Header.Set("Accept-Encoding", "gzip")
				w := httptest.NewRecorder()
				start := time.Now()
				p.server.ServeHTTP(w, r)
				took = append(took, time.Since(start))
				if w.Code != http.StatusOK {
					b.Fatalf("%d %s", w.Code, w.Body)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

func page2(b *testing.B, p *platform) string {
	b.Helper()
	next, _ := p.do(request{method: "GET", path: "/api/v1/connections", token: p.tokens["viewer"]}).json(b)["next"].(string)
	return next
}

// seedConnections copies a connection n times, each with a sync in the queue.
func seedConnections(b *testing.B, p *platform, first string, n int) {
	b.Helper()
	like, err := p.store.Connection(b.Context(), first)
	if err != nil {
		b.Fatal(err)
	}
	for done := 0; done < n; done += 500 {
		err := p.store.Transact(b.Context(), func(tx *store.Store) error {
			for i := range 500 {
				c := *like
				c.ID, c.Name, c.Version = "", fmt.Sprintf("connection %d", done+i), 0
				if err := tx.CreateConnection(b.Context(), &c); err != nil {
					return err
				}
				y := store.Sync{ConnectionID: c.ID, DestinationID: c.DestinationID, Trigger: store.BySchedule, Kind: store.IncrementalSync, DueAt: tx.Now()}
				if _, err := tx.Enqueue(b.Context(), &y, store.Event{Type: "sync.queued", ConnectionID: c.ID}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
