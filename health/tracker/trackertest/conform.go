// Package trackertest has ticket systems to test against, local servers that
// behave as the documentation of GitHub's and Jira's interfaces says and as the
// Standard Webhooks specification asks of receivers, and the tests that every Filer
// must pass.
package trackertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/tracker"
)

// Ticket is a ticket as the system sees it.
type Ticket struct {
	ID, Title, Body string
	Labels          []string
	Open            bool
	Comments        []string
}

// System is a ticket system with the Filer that files there.
type System struct {
	Filer   tracker.Filer
	Faults  *outwardtest.Server
	Tickets func(marker string) []Ticket
	Settled func()   // what was made can be found now; called where one would wait for Settle
	Secrets []string // must not show in errors
}

// Conform runs the tests that every Filer must pass; start returns a new system.
func Conform(t *testing.T, start func(t *testing.T) System) {
	t.Run("life of a ticket", func(t *testing.T) { t.Parallel(); life(t, start(t)) })
	for _, f := range outwardtest.All() {
		t.Run("one ticket/"+f.String(), func(t *testing.T) { t.Parallel(); once(t, start(t), f) })
	}
	t.Run("chaos", func(t *testing.T) { t.Parallel(); chaos(t, start) })
	t.Run("rate limit", func(t *testing.T) { t.Parallel(); limited(t, start(t)) })
}

// began is when all that the tests tell of began: what is sent again is the same.
var began = time.Now().Add(-time.Hour)

func draft(marker string) tracker.Draft {
	return tracker.Draft{Key: "dlv_" + marker, Marker: tracker.Marker{ID: marker, Since: began}, Labels: []string{"sev 2"},
		Title: "GitHub refuses\r\nthe token of 3 connections " + strings.Repeat("é", 300),
		Body:  "## What happened\n\nThe token is **refused**: `401`.\n\n- [orders](https://sluice.example.com/c/1)\n- invoices\n\n```\nGET /user\n401\n```\n\n| a | b |\n| - | - |\n"}
}

// longDraft is more than systems take.
func longDraft(marker string) tracker.Draft {
	d := draft(marker)
	d.Body += strings.Repeat("x y ", 30000)
	return d
}

func note(key, body string, again bool) tracker.Note {
	return tracker.Note{Key: key, Since: began, Body: body, Again: again}
}

func life(t *testing.T, s System) {
	ctx := t.Context()
	if err := s.Filer.Check(ctx); err != nil {
		t.Fatal("check: ", err)
	}
	if _, found, err := s.Filer.Find(ctx, tracker.Marker{ID: "inc_1", Since: began}); found || err != nil {
		t.Fatalf("found before it was made: %v, %v", found, err)
	}
	ticket, made, err := tracker.File(ctx, s.Filer, longDraft("inc_1"))
	if err != nil || !made || ticket.ID == "" || ticket.URL == "" {
		t.Fatalf("%+v, made %v, %v", ticket, made, err)
	}
	s.want(t, "inc_1", true, 0)
	s.Settled()
	again, _, err := tracker.File(ctx, s.Filer, longDraft("inc_1"))
	if err != nil || again.ID != ticket.ID || !again.Open {
		t.Fatalf("filed again: %+v, %v, want %s", again, err, ticket.ID)
	}
	other, _, err := tracker.File(ctx, s.Filer, draft("inc_11"))
	if err != nil || other.ID == ticket.ID {
		t.Fatalf("another incident: %+v, %v", other, err)
	}
	step := func(name string, err error, open bool, comments int) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.want(t, "inc_1", open, comments)
	}
	step("comment", s.Filer.Comment(ctx, ticket.ID, note("n1", "two more", false)), true, 1)
	step("same comment", s.Filer.Comment(ctx, ticket.ID, note("n1", "two more", true)), true, 1)
	step("other comment", s.Filer.Comment(ctx, ticket.ID, note("n2", "two more", true)), true, 2)
	step("close", s.Filer.Close(ctx, ticket.ID, note("n3", "all well", false)), false, 3)
	step("close again", s.Filer.Close(ctx, ticket.ID, note("n3", "all well", true)), false, 3)
	step("reopen", s.Filer.Reopen(ctx, ticket.ID, note("n4", "and again", false)), true, 4)
	step("reopen again", s.Filer.Reopen(ctx, ticket.ID, note("n4", "and again", true)), true, 4)
	step("close silently", s.Filer.Close(ctx, ticket.ID, note("n5", "", false)), false, 4)
	s.want(t, "inc_11", true, 0)
}

// want holds that there is one ticket, and what it is like.
func (s System) want(t *testing.T, marker string, open bool, comments int) {
	t.Helper()
	all := s.Tickets(marker)
	if len(all) != 1 {
		t.Fatalf("%d tickets of %s, want 1", len(all), marker)
	}
	got := all[0]
	if got.Open != open || len(got.Comments) != comments {
		t.Fatalf("ticket of %s: open %v with %d comments, want %v and %d: %q", marker, got.Open, len(got.Comments), open, comments, got.Comments)
	}
	if !strings.HasPrefix(got.Title, "GitHub refuses") || !strings.Contains(got.Body, "What happened") || !strings.Contains(got.Body, "401") {
		t.Errorf("title %q, body %.200q", got.Title, got.Body)
	}
}

// attempt tries until it succeeds, as the outbox does: when the outcome is uncertain,
// Settle passes before the next try. It returns how often it tried.
func (s System) attempt(t *testing.T, do func(ctx context.Context, again bool) error) int {
	t.Helper()
	for n := 1; ; n++ {
		// A server that hangs is given up soon; on a busy machine not too soon.
		ctx, cancel := context.WithTimeout(t.Context(), min(time.Duration(n)*100*time.Millisecond, 5*time.Second))
		err := do(ctx, n > 1)
		cancel()
		if err == nil {
			return n
		}
		s.harmless(t, err)
		if outward.Uncertain(err) {
			s.Settled()
		} else if e := sluice.AsError(err); !e.Retryable() {
			t.Fatalf("try %d: %v error: %v", n, e.Class, err)
		}
		if n > 200 {
			t.Fatalf("still failing: %v", err)
		}
	}
}

func (s System) harmless(t *testing.T, err error) {
	t.Helper()
	for _, secret := range s.Secrets {
		if e := sluice.AsError(err); strings.Contains(err.Error()+e.Hint+e.Op, secret) {
			t.Errorf("a secret shows: %v", err)
		}
	}
}

// once: whatever goes wrong, and however often the first call does, there is one
// ticket, with each comment once.
func once(t *testing.T, s System, f outwardtest.Fault) {
	for times := 1; times <= 3; times++ {
		marker := fmt.Sprintf("inc_f%d", times)
		fail := make([]outwardtest.Fault, times)
		for i := range fail {
			fail[i] = f
		}
		var ticket tracker.Ticket
		s.Faults.Next(fail...)
		s.attempt(t, func(ctx context.Context, _ bool) (err error) {
			ticket, _, err = tracker.File(ctx, s.Filer, draft(marker))
			return err
		})
		s.Faults.Next(fail...)
		s.attempt(t, func(ctx context.Context, again bool) error {
			return s.Filer.Comment(ctx, ticket.ID, note(marker+"_c", "more", again))
		})
		s.Faults.Next(fail...)
		s.attempt(t, func(ctx context.Context, again bool) error {
			return s.Filer.Close(ctx, ticket.ID, note(marker+"_d", "well", again))
		})
		s.Faults.Next(fail...)
		s.attempt(t, func(ctx context.Context, again bool) error {
			return s.Filer.Reopen(ctx, ticket.ID, note(marker+"_r", "not well", again))
		})
		s.Faults.Next()
		s.want(t, marker, true, 3)
	}
}

// chaos: a third of all requests goes wrong in some way, and who sends dies between
// its steps now and then.
func chaos(t *testing.T, start func(t *testing.T) System) {
	for seed := uint64(1); seed <= 5; seed++ {
		s := start(t)
		rng := rand.New(rand.NewPCG(seed, 2))
		s.Faults.Chaos(seed, 0.35)
		for i := range 4 {
			marker := fmt.Sprintf("inc_%d_%d", seed, i)
			var ticket tracker.Ticket
			s.attempt(t, func(ctx context.Context, _ bool) (err error) {
				ticket, _, err = tracker.File(ctx, s.Filer, draft(marker))
				if err == nil && rng.IntN(2) == 0 {
					return outward.MarkUncertain(sluice.Errorf(sluice.Transient, "test_died", "test", "", "died before it was written down"))
				}
				return err
			})
			s.attempt(t, func(ctx context.Context, again bool) error {
				return s.Filer.Close(ctx, ticket.ID, note(marker+"_d", "well", again))
			})
			s.want(t, marker, false, 1)
		}
	}
}

func limited(t *testing.T, s System) {
	s.Faults.Next(outwardtest.Limited)
	_, _, err := tracker.File(t.Context(), s.Filer, draft("inc_l"))
	if e := sluice.AsError(err); e == nil || e.Class != sluice.Throttled || e.RetryAfter != outwardtest.RetryAfter*time.Second {
		t.Fatalf("limited: %v after %v: %v", e.Class, e.RetryAfter, err)
	}
	if outward.Uncertain(err) || len(s.Tickets("inc_l")) != 0 {
		t.Error("a limit is not uncertain")
	}
}
