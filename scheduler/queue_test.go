package scheduler_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/scheduler"
	"github.com/sluicehq/sluice/store/storetest"
)

func TestATicketThatCannotBePutIsPutAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.connect("shop", 3, nil)
		worker := w.worker(nil)
		w.desk.fail = errors.New("the queue is away")
		if _, err := w.leader.Step(t.Context()); err == nil {
			t.Error("nobody is told")
		}
		w.desk.fail = nil
		w.settle(worker)
		w.wantRows(c, 3)
		// Lost on its way, it is put again after a while.
		w.clock.advance(time.Hour)
		w.step()
		if _, ok := w.desk.take(); !ok {
			t.Fatal("no ticket")
		}
		w.settle(worker)
		w.wantOutcomes(c, "ended/succeeded/1 queued//0", "at once")
		w.clock.advance(31 * time.Second)
		w.settle(worker)
		w.wantOutcomes(c, "ended/succeeded/1 ended/succeeded/1", "later")
	})
}

func TestNamesOfQueues(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{"default": "region_default", "eu": "region_eu", "eu-west-1": "region_eu-west-1"} {
		if have := scheduler.QueueName(region); have != want {
			t.Errorf("%s: %s", region, have)
		}
	}
	names := []string{scheduler.QueueName("eu west"), scheduler.QueueName("eu_west"), scheduler.QueueName("eu-west"), scheduler.QueueName("東"), scheduler.QueueName(""), scheduler.QueueName(strings.Repeat("x", 300))}
	for i, n := range names {
		if len(n) > 128 || slices.Contains(names[:i], n) {
			t.Errorf("%q of %q", n, names)
		}
	}
}

func TestAQueueThatCannotBeOpenedSaysSo(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://ada:s3cr3t-and-long@127.0.0.1:1/x", "postgres://ada:s3cr3t-and-long@bad host/x", "sqlite:/no/such/folder/sluice.db"} {
		_, err := scheduler.OpenQueue(t.Context(), url, quiet)
		e, ok := errors.AsType[*sluice.Error](err)
		if !ok || e.Code != "queue_unavailable" || e.Hint == "" || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for file, want := range map[string]string{"a/sluice.db": "a/sluice-queue.db", "a/sluice.db?x=1": "a/sluice-queue.db", "data": "data-queue.db"} {
		if have := scheduler.QueueFile(file); have != want {
			t.Errorf("%s: %s", file, have)
		}
	}
}
