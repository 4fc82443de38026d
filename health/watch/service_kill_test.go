package watch_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// The variables that make the test binary a process that tracks and delivers, to be
// killed: the address of the store, by how many seconds its clock is ahead, and the
// step at which it stops and says so.
const (
	tracksAt    = "SLUICE_TRACK_KILL_TEST"
	tracksAhead = "SLUICE_TRACK_KILL_AHEAD"
	tracksUntil = "SLUICE_TRACK_KILL_STEP"
)

// TestKilledTrackers kills processes that track health and deliver, with SIGKILL: one
// in the middle of each step from the first failure to the ticket, and one for each
// ticket system while that has made the ticket and does not answer. In the end each
// incident has one ticket in each system.
func TestKilledTrackers(t *testing.T) {
	if url := os.Getenv(tracksAt); url != "" {
		trackUntilKilled(t, url)
		return
	}
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		w.micros.Store(time.Now().UnixMicro())
		github, hook := trackertest.StartGitHub(t), trackertest.StartWebhook(t)
		systems := []func(string) []trackertest.Ticket{github.Tickets, hook.Tickets}
		w.check(w.store.CreateTracker(t.Context(), &store.Tracker{Name: "github", Kind: "github", Enabled: true, Config: github.Config()}))
		w.check(w.store.CreateTracker(t.Context(), &store.Tracker{Name: "hook", Kind: "webhook", Enabled: true, Config: hook.Config()}))
		w.set(watch.PolicyKey, health.Policy{Threshold: health.Threshold{Failures: 1}})
		w.fail(w.connect(3)...)
		for _, step := range []string{"told", "health", "incidents", "timeline", "outbox", "events", "cursor", "kept", "committed", "claimed", "sent", "keep"} {
			w.killTracker(url, step)
		}
		w.fail(w.connectTo("store", 2)...) // another cause
		for _, s := range []*outwardtest.Server{github.Server, hook.Server} {
			s.Next(outwardtest.AcceptedHang)
		}
		w.killTracker(url, "hang", github.Server, hook.Server)
		w.killTracker(url, "end")

		filed := w.incidents()
		if len(filed) != 5 || len(w.tickets()) != 15 {
			t.Errorf("%d incidents, %d tickets", len(filed), len(w.tickets()))
		}
		for _, i := range filed {
			for _, tickets := range systems {
				if all := tickets(i.ID); len(all) != 1 {
					t.Errorf("#%d has %d tickets: %+v", i.Number, len(all), all)
				}
			}
		}
		for _, d := range w.deliveries() {
			if d.State != store.DeliveryDelivered {
				t.Errorf("%s to %s is %s: %+v", d.Kind, d.Target, d.State, d.LastError)
			}
		}
	})
}

// killTracker starts a process and kills it: at a step; with "hang", when each of the
// systems has a request that it does not answer; with "end", when nothing is left to
// be done. The clock goes on until the claims of the dead are over.
func (w *world) killTracker(url, until string, hanging ...*outwardtest.Server) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKilledTrackers$", "-test.count=1")
	cmd.Env = append(os.Environ(), tracksAt+"="+url, tracksAhead+"="+strconv.Itoa(int(time.Until(w.now())/time.Second)), tracksUntil+"="+until)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	w.check(err)
	w.check(cmd.Start())
	switch until {
	case "hang":
		for _, s := range hanging {
			w.until(ctx, func() bool { return s.Hanging() > 0 })
		}
	case "end":
		w.until(ctx, w.nothingLeft)
	default:
		line, err := bufio.NewReader(said).ReadString('\n')
		if err != nil || line != until+"\n" {
			w.t.Errorf("a process that was to stop at %s: %q, %v", until, line, err)
		}
	}
	w.check(cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	w.advance(4 * time.Minute)
}

func (w *world) until(ctx context.Context, so func() bool) {
	w.t.Helper()
	for !so() {
		select {
		case <-ctx.Done():
			w.t.Fatalf("it has not come to that; the deliveries: %+v", w.deliveries())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// nothingLeft reports whether each incident has its tickets, and all was delivered.
func (w *world) nothingLeft() bool {
	all := w.deliveries()
	for i := range all {
		if all[i].State == store.DeliveryWaiting {
			return false
		}
	}
	return len(all) == 10
}

// trackUntilKilled is the process that is killed.
func trackUntilKilled(t *testing.T, url string) {
	s := openAhead(t, url, tracksAhead)
	step := func(name string) error {
		if name == os.Getenv(tracksUntil) {
			fmt.Println(name)
			select {} // until it is killed
		}
		return nil
	}
	name := fmt.Sprint("process ", os.Getpid())
	d := watch.NewDeliverer(watch.DelivererConfig{Store: s, Name: name, Links: openLinks{}, Poll: 5 * time.Millisecond, Pace: map[string]time.Duration{}, Step: step})
	watch.New(watch.Config{Store: s, Name: name, Tick: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler), Step: step, Beside: []func(context.Context){d.Run}}).Run(t.Context())
}
