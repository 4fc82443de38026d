package watch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
)

// summary is all that the tracker keeps of some incidents and connections, in words
// that do not depend on when and how often it was killed on the way.
func (w *world) summary(incidents []store.Incident, connections []string) string {
	w.t.Helper()
	var b strings.Builder
	var ids []string
	for _, i := range incidents {
		ids = append(ids, i.ID)
		parts, err := w.store.ConnectionsOf(w.t.Context(), []string{i.ID})
		w.check(err)
		fmt.Fprintf(&b, "#%d %s %s %s, %d failures, %d connections of %d, reopened %d, %s down: %s\n", i.Number, i.State, i.Severity, i.Code, i.Failures, i.Connections, len(parts),
			i.Reopened, i.Downtime, w.timeline(&i))
	}
	for _, d := range w.deliveries() {
		if slices.Contains(ids, d.IncidentID) {
			fmt.Fprintf(&b, "%s %s\n", d.Kind, d.Key)
		}
	}
	tickets, err := w.store.TicketsOf(w.t.Context(), ids)
	w.check(err)
	for _, t := range tickets {
		fmt.Fprintf(&b, "ticket of %s in %s: %s\n", t.IncidentID, t.TrackerID[:4], t.State)
	}
	for _, id := range connections {
		parts, _, err := w.store.ListHealthHistory(w.t.Context(), id, time.Time{}, time.Time{}, store.Page{})
		w.check(err)
		for _, p := range parts {
			fmt.Fprintf(&b, "%s %s from %s to %s\n", id, p.Health, p.From.Sub(w.began), p.To.Sub(w.began))
		}
	}
	return b.String()
}

// trouble is a story with everything that leaves the house: a ticket, a comment, an
// escalation, its end, and its return. do is called after each of its parts.
func (w *world) trouble(cs []*store.Connection, do func()) {
	w.ok(cs...)
	do()
	w.advance(time.Hour)
	w.fail(cs[0])
	do()
	w.advance(48 * time.Hour)
	do()
	w.advance(time.Hour)
	w.fail(cs[1:]...)
	w.fail(cs...)
	do()
	w.advance(25 * time.Hour)
	do()
	w.ok(cs...)
	w.ok(cs...)
	do()
	w.advance(24 * time.Hour)
	w.fail(cs[0], cs[0])
	do()
}

// TestKilledAnywhere kills the service at each of its steps, before the commit and
// after it. The one that goes on has in the end all that one would have that was
// never killed, and nothing twice.
func TestKilledAnywhere(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.tracker()
		w.check(w.store.CreateChannel(t.Context(), &store.Channel{Name: "page", Kind: "webhook", Enabled: true, Config: json.RawMessage(`{}`)}))
		names, want := map[string]bool{}, ""
		for n := 0; ; n++ {
			w.began = w.now()
			cs := w.connectTo(fmt.Sprint("shop", n), 6)
			f := &fuse{n: n}
			c := w.config
			c.Step = f.at
			w.service = watch.New(c)
			w.check(w.store.ReleaseLease(t.Context(), "health", w.config.Name))
			w.trouble(cs, func() { w.survive(f) })
			have := w.neutral(cs)
			if n == 0 {
				want = have
				for _, part := range []string{watch.CreateTicket, watch.CommentTicket, watch.CloseTicket, watch.ReopenTicket, watch.TellEscalation, watch.TellEnd} {
					if !strings.Contains(want, part) {
						t.Fatalf("the story lacks %s:\n%s", part, want)
					}
				}
			}
			if have != want {
				t.Fatalf("killed at step %d, %v:\n%s\nwant\n%s", n, f.names, have, want)
			}
			maps.Copy(names, f.names)
			if n > 0 && len(f.names) == 0 {
				break
			}
			w.remove(cs)
		}
		for _, step := range []string{"told", "health", "incidents", "timeline", "outbox", "events", "cursor", "kept", "committed"} {
			if !names[step] {
				t.Errorf("nobody was killed at %q", step)
			}
		}
	})
}

// remove deletes the connections, so that the next story begins as the first.
func (w *world) remove(cs []*store.Connection) {
	w.t.Helper()
	for _, c := range cs {
		w.check(w.store.DeleteConnection(w.t.Context(), c.ID, 0))
		w.event("connection.delete", c, "", map[string]string{"id": c.ID})
	}
	w.pass(8 * 24 * time.Hour)
}

// survive settles; when the service is killed, another one goes on, and where it
// only could not keep what it had worked out, which is so for each other step, itself.
func (w *world) survive(f *fuse) {
	w.t.Helper()
	for range 100 {
		more, err := w.service.Look(w.t.Context())
		if errors.Is(err, errKilled) {
			again := f.n%2 == 0
			if f.dead, f.n = false, -1; again {
				continue
			}
			c := w.config
			c.Name, c.Step = "the next", f.at
			w.service = watch.New(c)
			w.check(w.store.ReleaseLease(w.t.Context(), "health", "one"))
			continue
		}
		w.check(err)
		if !more {
			return
		}
	}
	w.t.Fatal("the service does not come to an end")
}

// neutral is the summary of these connections, with names in place of ids, and times
// since the story began.
func (w *world) neutral(cs []*store.Connection) string {
	w.t.Helper()
	var names, mine []string
	for n, c := range cs {
		names = append(names, c.ID, fmt.Sprint("con", n))
		mine = append(mine, c.ID)
	}
	incidents := w.incidentsOf(mine)
	for n, i := range incidents {
		names = append(names, i.ID, fmt.Sprint("inc", n), fmt.Sprintf("#%d ", i.Number), fmt.Sprintf("#%d ", n))
	}
	for _, d := range w.deliveries() {
		names = append(names, d.Target, d.Target[:4])
	}
	lines := strings.Split(strings.NewReplacer(names...).Replace(w.summary(incidents, mine)), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func (w *world) incidentsOf(connections []string) (mine []store.Incident) {
	w.t.Helper()
	w.check(store.Each(func(p store.Page) ([]store.Incident, string, error) {
		return w.store.ListIncidents(w.t.Context(), store.IncidentFilter{Among: connections}, p)
	}, func(i *store.Incident) error { mine = append(mine, *i); return nil }))
	slices.Reverse(mine)
	return mine
}

// TestTwoBelieveToLead lets two services work at the same events, one of them held
// up at each of its steps until the other one is done.
func TestTwoBelieveToLead(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.tracker()
		cs := w.connect(40)
		w.settle()
		for n, step := range []string{"told", "health", "outbox", "cursor", "kept", "committed"} {
			c := w.config
			reached, open := make(chan struct{}), make(chan struct{})
			once := sync.Once{}
			c.Name, c.Step = fmt.Sprint("frozen ", n), func(name string) error {
				if name == step {
					once.Do(func() { close(reached); <-open })
				}
				return nil
			}
			frozen := watch.New(c)
			w.advance(time.Minute)
			w.ended(store.Failed, &store.Failure{Class: "bug", Code: fmt.Sprint("shop_bug_", n), Message: "x"}, cs[n*5:n*5+5]...)
			w.check(w.store.ReleaseLease(t.Context(), "health", w.config.Name))
			done := make(chan error, 1)
			go func() { _, err := frozen.Look(t.Context()); done <- err }()
			<-reached
			if step == "committed" { // before, it holds the lock, and the other one waits for it
				w.advance(time.Minute)
				w.settle()
			}
			other := make(chan error, 1)
			if step != "committed" {
				w.advance(time.Minute)
				go func() { _, err := w.service.Look(t.Context()); other <- err }()
			} else {
				other <- nil
			}
			close(open)
			for _, ended := range []chan error{done, other} {
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
			}
			w.advance(time.Minute)
			w.settle()
			if have := len(w.incidents()); have != n+1 {
				t.Fatalf("%s: %d incidents, want %d", step, have, n+1)
			}
			if i := w.incidents()[n]; i.Failures != 5 || i.Connections != 5 || w.timeline(&i) != "opened severity joined joined joined joined" && strings.Count(w.timeline(&i), "joined") != 4 {
				t.Errorf("%s: %+v, %s", step, i, w.timeline(&i))
			}
		}
	})
}

// TestPeopleAndTheServiceAtOnce lets people decide while the service works: nothing
// of either is lost.
func TestPeopleAndTheServiceAtOnce(t *testing.T) {
	dialects(t, func(t *testing.T, w *world) {
		w.tracker()
		cs := w.connect(30)
		w.fail(cs...)
		w.settle()
		var shared string
		for _, i := range w.incidents() {
			if !i.State.Over() {
				shared = i.ID
			}
		}
		var both sync.WaitGroup
		const notes = 20
		both.Go(func() {
			for n := range notes {
				err := w.store.Transact(t.Context(), func(tx *store.Store) error {
					_, err := w.service.Decide(t.Context(), tx, store.Decision{Kind: store.Comment, IncidentID: shared, Text: fmt.Sprint("note ", n), ActorID: "usr_ann"})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
		both.Go(func() {
			for range notes {
				w.fail(cs[0])
				if _, err := w.service.Look(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		both.Wait()
		w.settle()
		i, err := w.store.Incident(t.Context(), shared)
		w.check(err)
		if have := strings.Count(w.timeline(i), "noted"); have != notes || i.Failures != 30+notes {
			t.Errorf("%d notes, %d failures; want %d, %d", have, i.Failures, notes, 30+notes)
		}
	})
}

// TestWhateverIsKept: after any story, in any batches and with any kills, the store
// has for each incident one ticket, and each key once.
func TestWhateverIsKept(t *testing.T) {
	dialectsNamed(t, "any", func(t *testing.T, fresh func() *world) {
		w := fresh()
		defer w.close()
		w.tracker()
		cs := w.connect(8)
		rapid.Check(t, func(r *rapid.T) {
			f := &fuse{n: rapid.IntRange(1, 40).Draw(r, "killed at")}
			c := w.config
			c.Batch, c.Step = rapid.IntRange(1, 20).Draw(r, "batch"), f.at
			w.service = watch.New(c)
			for range rapid.IntRange(1, 6).Draw(r, "parts") {
				some := cs[:rapid.IntRange(1, len(cs)).Draw(r, "of")]
				if rapid.Bool().Draw(r, "well") {
					w.ok(some...)
				} else {
					w.fail(some...)
				}
				w.advance(rapid.SampledFrom([]time.Duration{time.Minute, 6 * time.Hour, 49 * time.Hour}).Draw(r, "pause"))
				w.survive(f)
			}
			w.settleWith(watch.New(w.config))
			created, in := map[string]bool{}, map[string]int64{}
			for _, d := range w.deliveries() {
				if d.Kind == watch.CreateTicket && created[d.IncidentID] {
					r.Fatalf("two tickets for %s", d.IncidentID)
				}
				created[d.IncidentID] = created[d.IncidentID] || d.Kind == watch.CreateTicket
			}
			for _, i := range w.incidents() {
				if filed := !i.FiledAt.IsZero(); filed != created[i.ID] {
					r.Fatalf("#%d was filed: %v; posted: %v", i.Number, filed, created[i.ID])
				}
				var kept health.Incident
				w.check(json.Unmarshal(i.Memory, &kept))
				for _, id := range kept.Active() {
					if kept.Under() && in[id] != 0 {
						r.Fatalf("%s is in #%d and #%d", id, in[id], i.Number)
					}
					in[id] = i.Number
				}
			}
			for _, c := range cs {
				if h := w.health(c); !h.FailingSince.IsZero() && in[c.ID] == 0 {
					r.Fatalf("%s fails, and is in no incident", c.ID)
				}
			}
		})
	})
}
