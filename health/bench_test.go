package health_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health"
)

// BenchmarkFleet is a quarter of a year of 2,000 connections that sync four times a
// day, one in a hundred times without success.
func BenchmarkFleet(b *testing.B) {
	for b.Loop() {
		t := health.New(health.Policy{})
		ids := make([]string, 2000)
		for i := range ids {
			ids[i] = fmt.Sprintf("con_%04d", i)
			t.Observe(health.Fact{At: begin, Kind: health.Seen, Subject: subject(ids[i], fmt.Sprint("c", i%20))})
		}
		facts := 0
		for step := range 360 {
			now := begin.Add(time.Duration(step) * 6 * time.Hour)
			for i, id := range ids {
				f := health.Fact{At: now.Add(time.Duration(i) * time.Second), Kind: health.Succeeded, Connection: id}
				if (i+step*7)%100 == 0 || i < 150 && step > 100 && step < 200 {
					f.Kind, f.Failure = health.Failed, &unparsed
				}
				t.Observe(f)
				facts++
			}
		}
		b.ReportMetric(float64(facts), "facts")
	}
}
