package alert

import (
	"fmt"
	"testing"
	"time"
)

// BenchmarkEvaluate is one look at 10,000 connections, of which failing in a
// hundred fail, by a rule of each kind.
func BenchmarkEvaluate(b *testing.B) {
	for _, failing := range []int{0, 1, 50} {
		b.Run(fmt.Sprintf("%d%% failing", failing), func(b *testing.B) {
			plan := Plan{Channels: []string{"mail"}, Routes: []Route{{Name: "all", Channels: []string{"mail"}, Rhythm: Rhythm{GroupBy: []string{"rule", "team"}}}}}
			for _, r := range []Rule{{Kind: ConnectionHealth, States: []string{"down"}}, {Kind: FreshnessDelayed}, {Kind: FailingCount, Above: 100}, {Kind: FailingShare, Above: .1, By: "connector"},
				{Kind: OldestDelay, Age: time.Hour, By: "team"}, {Kind: ErrorBudgetBurn, Window: 24 * time.Hour, Objective: .99, Above: 10, By: "connector"},
				{Kind: QueueDepth, Above: 5}, {Kind: RegionWithoutWorkers}} {
				r.ID, r.Name = string(r.Kind), string(r.Kind)
				plan.Rules = append(plan.Rules, r)
			}
			policy, err := New(plan)
			if err != nil {
				b.Fatal(err)
			}
			snap := &Snapshot{}
			for i := range 10_000 {
				c := Connection{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Connector: fmt.Sprint("c", i%20), Team: fmt.Sprint("t", i%8), Health: "healthy", Since: start}
				if i%100 < failing {
					c.Health, c.Failing, c.Outages = "down", true, []Span{{From: start}}
				}
				snap.Connections = append(snap.Connections, c)
			}
			var s State
			now := start
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(15 * time.Second)
				policy.Evaluate(&s, snap, now)
			}
		})
	}
}
