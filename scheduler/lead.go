package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// What a Leader does in a Step: each part reads by an index what is to be done
// now, so that its cost does not grow with the number of connections.

// batches bounds the batches of one kind in a step: what is left comes in the next
// one, so that new syncs are admitted in between.
const batches = 4

// lose ends an attempt whose worker was not heard of for its lease, and queues the
// sync again at once.
func (l *Leader) lose(ctx context.Context, a *store.Attempt, now time.Time) error {
	err := l.Store.Transact(ctx, func(tx *store.Store) error {
		y, err := tx.Sync(ctx, a.SyncID)
		if err != nil {
			return err
		}
		attempts, err := tx.Attempts(ctx, a.SyncID)
		if err != nil {
			return err
		}
		d, err := tx.DueOf(ctx, a.ConnectionID)
		if err != nil {
			return err
		}
		cause := sluice.Errorf(sluice.Transient, "worker_lost", "run the sync", "see in the worker's log, or the machine's, whether it was killed; out of memory is the usual cause",
			"the worker %s was not heard of for the whole of its lease", a.WorkerID)
		e := Ending{Errors: []*sluice.Error{cause}, Progress: a.Rows > 0}
		switch {
		case y.RestartRequested:
			e.Stopped = Restart
		case y.CancelRequested:
			e.Stopped = UserCancel
		}
		v := Decide(e, failuresBefore(attempts), l.Store.Now(), func(time.Duration) time.Duration { return 0 })
		if err := tx.ExpireAttempt(ctx, a, now, lostEnd(a, d, v, l.Store.Now())); err != nil {
			return err
		}
		if v.Outcome == "" {
			return nil
		}
		return follow(ctx, tx, a.ConnectionID, d.DependsOn, v.Outcome)
	})
	if errors.Is(err, sluice.ErrFenced) || errors.Is(err, store.ErrNotFound) { // it has ended since, or was deleted
		return nil
	}
	return err
}

func lostEnd(a *store.Attempt, d *store.Due, v Verdict, now time.Time) store.End {
	end := store.End{Outcome: store.Lost, State: store.Queued, Error: store.FailureOf(v.Cause)}
	kind := EventAttemptEnded
	if v.Outcome != "" {
		kind, end.State, end.SyncOutcome = EventEnded, store.Ended, v.Outcome
		a, _ := aimOf(d) // what is wrong with the schedule is said by the next run
		end.Status = func(s *store.Status) { settle(s, a, v, now) }
	}
	data := EndedData{Attempt: a.N, Outcome: end.Outcome, State: string(end.State), Rows: a.Rows, Error: end.Error}
	end.Events = []store.Event{event(kind, a.ConnectionID, a.SyncID, data)}
	return end
}

// plan works out when connections run next: those that are new, at once; those
// whose schedule was changed, at its next time.
func (l *Leader) plan(ctx context.Context, now time.Time) error {
	for range batches {
		unplanned, err := l.Store.UnplannedConnections(ctx, batch)
		if err != nil {
			return fmt.Errorf("look for new schedules: %w", err)
		}
		if len(unplanned) == 0 {
			return nil
		}
		if err := l.planAll(ctx, unplanned, now); err != nil {
			return err
		}
		if len(unplanned) < batch {
			return nil
		}
	}
	return nil
}

func (l *Leader) planAll(ctx context.Context, unplanned []store.Due, now time.Time) error {
	err := l.Store.Transact(ctx, func(tx *store.Store) error {
		for i := range unplanned {
			d := &unplanned[i]
			if err := tx.UpdateStatus(ctx, d.ConnectionID, func(s *store.Status) error { firstRun(s, d, now); return nil }); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the next runs: %w", err)
	}
	return nil
}

func firstRun(s *store.Status, d *store.Due, now time.Time) {
	a, err := aimOf(d)
	if err == nil {
		s.DelayedAt = a.delayedAt(s.LastSuccessAt, now)
	}
	if s.NextRunAt = a.timing.Next(d.ConnectionID, now); err != nil || d.Status.LastSyncID == "" { // a wrong schedule is said by the run
		s.NextRunAt = now
	} else if s.NextRunAt.IsZero() {
		s.NextRunAt = now.Add(LongestPeriod)
	}
}

// aim works out when connections are late: new ones, also those that are run by
// hand only, and those whose objective was changed, which counts at once.
func (l *Leader) aim(ctx context.Context, now time.Time) error {
	for range batches {
		some, err := l.Store.Unaimed(ctx)
		if err != nil || !some {
			return err //nolint:wrapcheck // it says what was done
		}
		full, err := l.aimSome(ctx, now)
		if err != nil {
			return fmt.Errorf("work out when connections are late: %w", err)
		}
		l.audited = time.Time{} // some may be late by now
		if !full {
			return nil
		}
	}
	return nil
}

func (l *Leader) aimSome(ctx context.Context, now time.Time) (full bool, err error) {
	err = l.Store.Transact(ctx, func(tx *store.Store) error {
		some, err := tx.TakeUnaimed(ctx, batch)
		if err != nil {
			return err
		}
		full = len(some) == batch
		for i := range some {
			if err := aimOne(ctx, tx, &some[i], now); err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	return full, err
}

// aimOne sets when a connection is late; one that no longer is becomes on time.
func aimOne(ctx context.Context, tx *store.Store, d *store.Due, now time.Time) error {
	a, err := aimOf(d)
	if err != nil {
		return nil //nolint:nilerr // a wrong schedule is said by the run
	}
	at := a.delayedAt(d.Status.LastSuccessAt, now)
	onTime := d.Status.Freshness == store.Delayed && (at.IsZero() || now.Before(at))
	if at.Equal(d.Status.DelayedAt) && !onTime {
		return nil
	}
	err = tx.UpdateStatus(ctx, d.ConnectionID, func(s *store.Status) error {
		s.DelayedAt = at
		if onTime {
			s.Freshness = store.OnSchedule
		}
		return nil
	})
	if err != nil || !onTime {
		return err
	}
	return tx.AppendEvents(ctx, event(EventOnSchedule, d.ConnectionID, "", map[string]any{"lastSuccessAt": d.Status.LastSuccessAt}))
}

// enqueue makes the syncs that are due.
func (l *Leader) enqueue(ctx context.Context, now time.Time) error {
	for range batches {
		due, err := l.Store.DueConnections(ctx, now, batch)
		if err != nil {
			return fmt.Errorf("look for what is due: %w", err)
		}
		if len(due) == 0 {
			return nil
		}
		if err := l.Store.Transact(ctx, func(tx *store.Store) error { return makeSyncs(ctx, tx, due, now) }); err != nil {
			return fmt.Errorf("queue what is due: %w", err)
		}
		if len(due) < batch {
			return nil
		}
	}
	return nil
}

func makeSyncs(ctx context.Context, tx *store.Store, due []store.Due, now time.Time) error {
	next := map[string]time.Time{}
	var syncs []*store.Sync
	for i := range due {
		d := &due[i]
		trigger := store.BySchedule
		if d.Status.State == store.Rescheduled {
			trigger = store.ByRetry
		}
		y := newSync(d, trigger, d.Status.NextRunAt, now)
		if y.RetryAt.After(now) { // in a window: due again at its end
			next[d.ConnectionID] = y.RetryAt
			continue
		}
		timing, err := TimingOf(d.Schedule)
		if err != nil {
			timing = Never
		}
		if next[d.ConnectionID] = timing.Next(d.ConnectionID, now); err != nil {
			next[d.ConnectionID] = now.Add(RecheckAfter)
		}
		syncs = append(syncs, y)
	}
	if _, err := tx.EnqueueAll(ctx, syncs); err != nil {
		return err
	}
	if err := tx.SetNextRuns(ctx, next); err != nil {
		return err
	}
	var events []store.Event
	for _, y := range syncs {
		if y.ID != "" {
			events = append(events, event(EventQueued, y.ConnectionID, y.ID, map[string]any{"trigger": y.Trigger, "kind": y.Kind}))
		}
	}
	return tx.AppendEvents(ctx, events...)
}

// audit marks connections that are late, those included whose first sync waits
// since before they were planned.
func (l *Leader) audit(ctx context.Context, now time.Time) error {
	if now.Sub(l.audited) < l.Audit && !now.Before(l.audited) {
		return nil
	}
	waiting, err := l.Store.UnplannedWaiting(ctx, batch)
	if err != nil {
		return fmt.Errorf("look for schedules of what waits: %w", err)
	}
	if err := l.planAll(ctx, waiting, now); err != nil {
		return err
	}
	silent, err := l.Store.SilentConnections(ctx, now, batch)
	if err != nil {
		return fmt.Errorf("look for late connections: %w", err)
	}
	for i := range silent {
		d := &silent[i]
		err := l.Store.Transact(ctx, func(tx *store.Store) error {
			if err := tx.UpdateStatus(ctx, d.ConnectionID, func(s *store.Status) error { s.Freshness = store.Delayed; return nil }); err != nil {
				return err
			}
			return tx.AppendEvents(ctx, event(EventDelayed, d.ConnectionID, "", map[string]any{"lastSuccessAt": d.Status.LastSuccessAt, "waiting": d.Status.Waiting}))
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("mark a late connection: %w", err)
		}
	}
	if len(silent) < batch && len(waiting) < batch {
		l.audited = now
	}
	return nil
}

// admit hands waiting syncs over to workers, and reports whether some still wait.
// While every place is taken it looks at the queue only to tell why they wait.
func (l *Leader) admit(ctx context.Context, now, stale time.Time) (busy bool, err error) {
	taken, free, err := l.occupancy(ctx, now, stale)
	if err != nil {
		return false, err
	}
	telling := now.Sub(l.toldAt) >= tellEvery || now.Before(l.toldAt)
	if free == 0 && !telling {
		return l.busy, nil
	}
	limit := batch
	if !telling {
		limit = min(batch, 4*free+32)
	}
	for ; ; limit *= 4 {
		waiting, full, err := l.waiting(ctx, now, stale, limit)
		if err != nil {
			return l.busy, err
		}
		queue := make([]Candidate, 0, len(waiting))
		for _, y := range waiting {
			queue = append(queue, candidate(y))
		}
		admitted, reasons := Admit(queue, taken, l.Caps, now)
		// Where the longest due are all held up by a limit of theirs, those behind them
		// must be seen.
		if full && free > 0 && len(admitted) == 0 && limit < maxWaiting {
			continue
		}
		l.busy = len(reasons) > 0
		if err := l.handOver(ctx, admitted, waiting, now, stale); err != nil {
			return l.busy, err
		}
		if telling {
			err = l.tell(ctx, reasonsByConnection(waiting, reasons, now), now)
		}
		return l.busy, err
	}
}

// maxWaiting bounds the syncs of a kind that are looked at in one step.
const maxWaiting = 64 * batch

// waiting returns the syncs that wait, by id, and whether there may be more.
func (l *Leader) waiting(ctx context.Context, now, stale time.Time, limit int) (all map[string]*store.Sync, full bool, err error) {
	all = map[string]*store.Sync{}
	for _, kind := range []store.SyncKind{store.ManualSync, store.IncrementalSync, store.HistoricalSync} {
		waiting, err := l.Store.WaitingSyncs(ctx, kind, now, stale, limit)
		if err != nil {
			return nil, false, fmt.Errorf("look for waiting syncs: %w", err)
		}
		full = full || len(waiting) >= limit
		for i := range waiting {
			all[waiting[i].ID] = &waiting[i]
		}
	}
	return all, full, nil
}

func candidate(y *store.Sync) Candidate {
	return Candidate{ID: y.ID, Region: orDefault(y.Region), Host: y.Host, Destination: y.DestinationID, Manual: y.Kind == store.ManualSync,
		Historical: historical(y), Due: y.DueAt}
}

func historical(y *store.Sync) bool { return y.Kind == store.HistoricalSync || len(y.Resync) > 0 }

func orDefault(region string) string {
	if region == "" {
		return DefaultRegion
	}
	return region
}

// occupancy returns what runs and is admitted, and how many places are free.
func (l *Leader) occupancy(ctx context.Context, now, stale time.Time) (o *Occupancy, free int, err error) {
	workers, err := l.Store.LiveWorkers(ctx, now.Add(-l.Silence))
	if err != nil {
		return nil, 0, fmt.Errorf("look for workers: %w", err)
	}
	active, err := l.Store.ActiveSyncs(ctx, stale)
	if err != nil {
		return nil, 0, fmt.Errorf("look for what runs: %w", err)
	}
	o = &Occupancy{Regions: map[string]Place{}, Hosts: map[string]int{}, Destinations: map[string]int{}}
	for i := range workers {
		if w := &workers[i]; !w.Draining {
			p := o.Regions[orDefault(w.Region)]
			p.Capacity += w.Capacity
			o.Regions[orDefault(w.Region)] = p
		}
	}
	for i := range active {
		y := &active[i]
		p := o.Regions[orDefault(y.Region)]
		p.Taken++
		if historical(y) {
			p.Historical++
		}
		o.Regions[orDefault(y.Region)] = p
		o.Hosts[y.Host]++
		o.Destinations[y.DestinationID]++
	}
	for _, p := range o.Regions {
		free += max(0, p.Capacity-p.Taken)
	}
	return o, free, nil
}

// handOver marks syncs as admitted and puts their tickets.
func (l *Leader) handOver(ctx context.Context, admitted []Candidate, waiting map[string]*store.Sync, now, stale time.Time) error {
	if len(admitted) == 0 {
		return nil
	}
	ids := make([]string, len(admitted))
	for i, c := range admitted {
		ids[i] = c.ID
	}
	marked, err := l.Store.Admit(ctx, ids, now, stale)
	if err != nil {
		return fmt.Errorf("admit syncs: %w", err)
	}
	tickets := map[string][]Ticket{}
	for _, id := range marked {
		y := waiting[id]
		tickets[orDefault(y.Region)] = append(tickets[orDefault(y.Region)], Ticket{Sync: id, Place: y.Attempts + 1})
	}
	for region, some := range tickets {
		if err := l.Queue.Put(ctx, region, some); err != nil {
			ids := make([]string, len(some))
			for i, t := range some {
				ids[i] = t.Sync
			}
			return errors.Join(err, l.Store.Withdraw(ctx, ids))
		}
	}
	return nil
}

// tellEvery is how often reasons for waiting are written, and for how long a sync
// waits before its reason is.
const tellEvery = 2 * time.Second

func reasonsByConnection(waiting map[string]*store.Sync, reasons map[string]string, now time.Time) map[string]string {
	by := make(map[string]string, len(reasons))
	for id, reason := range reasons {
		if y := waiting[id]; now.Sub(y.QueuedAt) >= tellEvery {
			by[y.ConnectionID] = reason
		}
	}
	return by
}

// tell keeps why connections wait, where that has changed. That they no longer do,
// the claim or end of their sync says.
func (l *Leader) tell(ctx context.Context, reasons map[string]string, now time.Time) error {
	changed := map[string]string{}
	for id, reason := range reasons {
		if l.told[id] != reason {
			changed[id] = reason
		}
	}
	l.toldAt = now
	if len(changed) > 0 {
		if err := l.Store.SetWaiting(ctx, changed); err != nil {
			return fmt.Errorf("keep why syncs wait: %w", err)
		}
	}
	l.told = reasons
	return nil
}
