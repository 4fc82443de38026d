package store_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func TestSchemas(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		shape := func(columns ...string) sluice.Table {
			v := sluice.Table{Name: sluice.TableName{Name: "t"}}
			for _, n := range columns {
				v.Columns = append(v.Columns, sluice.Column{Name: n, Type: sluice.DecimalType(10, 2), Nullable: true})
			}
			return v
		}
		add := func(stream string, v sluice.Table) bool {
			t.Helper()
			x.Add(time.Second)
			added, err := x.AddSchema(x.ctx, &store.SchemaVersion{ConnectionID: c.ID, Stream: sluice.TableName{Name: stream}, Table: v, SyncID: "syn_1"})
			x.must(err)
			return added
		}
		if !add("a", shape("x")) || add("a", shape("x")) || !add("a", shape("x", "y")) || !add("b", shape("x")) {
			t.Error("versions are kept where the shape is the same, or not where it is another")
		}
		current, err := x.CurrentSchemas(x.ctx, c.ID)
		x.must(err)
		if len(current) != 2 || current[0].N != 2 || !reflect.DeepEqual(current[0].Table, shape("x", "y")) || current[1].Stream.Name != "b" {
			t.Errorf("%+v", current)
		}
		history, _, err := x.Schemas(x.ctx, c.ID, &sluice.TableName{Name: "a"}, store.Page{})
		x.must(err)
		if len(history) != 2 || history[0].N != 2 || history[1].N != 1 {
			t.Errorf("%+v", history)
		}
		_, err = x.AddSchema(x.ctx, &store.SchemaVersion{ConnectionID: "con_none"})
		x.is(err, store.ErrNotFound)
	})
}

func TestDrift(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("c")
		after := &sluice.Table{Name: sluice.TableName{Name: "s"}, Columns: []sluice.Column{{Name: "x", Type: sluice.T(sluice.Date)}}}
		want := &store.DriftEvent{ConnectionID: c.ID, SyncID: "syn_1", Stream: sluice.TableName{Schema: "n", Name: "s"}, Kind: "column_added", Column: "x", After: after, State: store.DriftPending}
		x.must(x.RecordDrift(x.ctx, want))
		got, err := x.Drift(x.ctx, want.ID)
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		again := *want
		again.ID, again.SyncID = "", "syn_2"
		x.must(x.RecordDrift(x.ctx, &again))
		applied := *want
		applied.ID, applied.State = "", store.DriftApplied
		x.must(x.RecordDrift(x.ctx, &applied))
		pending, _, err := x.ListDrift(x.ctx, store.DriftFilter{ConnectionID: c.ID, State: store.DriftPending, Stream: &want.Stream}, store.Page{})
		x.must(err)
		if len(pending) != 1 || again.ID != want.ID || pending[0].SyncID != "syn_2" {
			t.Fatalf("%+v", pending)
		}
		at := x.Add(time.Minute)
		got, err = x.DecideDrift(x.ctx, want.ID, true, "usr_1")
		x.must(err)
		if got.State != store.DriftApproved || got.DecidedBy != "usr_1" || !got.DecidedAt.Equal(at) {
			t.Errorf("%+v", got)
		}
		_, err = x.DecideDrift(x.ctx, want.ID, true, "usr_2")
		x.must(err)
		_, err = x.DecideDrift(x.ctx, want.ID, false, "usr_2")
		x.is(err, store.ErrConflict)
		_, err = x.DecideDrift(x.ctx, "drf_none", false, "usr_2")
		x.is(err, store.ErrNotFound)
		later := *want
		later.ID, later.Column = "", "later"
		x.must(x.RecordDrift(x.ctx, &later))
		_, err = x.DecideDrift(x.ctx, later.ID, false, "usr_1")
		x.must(err)
		got, err = x.DecideDrift(x.ctx, later.ID, true, "usr_2") // after all
		x.must(err)
		if got.State != store.DriftApproved || got.DecidedBy != "usr_2" {
			t.Errorf("%+v", got)
		}
		all, _, err := x.ListDrift(x.ctx, store.DriftFilter{Among: []string{c.ID}}, store.Page{})
		x.must(err)
		if len(all) != 3 {
			t.Errorf("%+v", all)
		}
	})
}

func TestWorkers(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.Worker{Region: "eu", Version: "1", Host: "h", PID: 7, Capacity: 4, Queues: []string{"region_eu"}}
		x.must(x.RegisterWorker(x.ctx, want))
		got, err := x.Worker(x.ctx, want.ID)
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		since := x.Add(time.Minute)
		if live, err := x.LiveWorkers(x.ctx, since); err != nil || len(live) != 0 {
			t.Errorf("%+v, %v", live, err)
		}
		x.must(x.BeatWorker(x.ctx, want.ID, 3, true))
		live, err := x.LiveWorkers(x.ctx, since)
		x.must(err)
		if len(live) != 1 || live[0].Running != 3 || !live[0].Draining || !live[0].StartedAt.Equal(want.StartedAt) {
			t.Errorf("%+v", live)
		}
		x.must(x.RegisterWorker(x.ctx, want)) // anew
		if list, _, err := x.ListWorkers(x.ctx, "eu", store.Page{Sort: "-seen"}); err != nil || len(list) != 1 || list[0].Draining {
			t.Errorf("%+v, %v", list, err)
		}
		x.must(x.RemoveWorker(x.ctx, want.ID))
		x.must(x.RemoveWorker(x.ctx, want.ID))
		x.is(x.BeatWorker(x.ctx, want.ID, 0, false), store.ErrNotFound)
	})
}

func TestLeader(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		var won atomic.Int64
		together(6, func(i int) {
			_, mine, err := x.TakeLease(x.ctx, "leader", fmt.Sprint("w", i), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if mine {
				won.Add(1)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("%d leaders", won.Load())
		}
		l, mine, err := x.TakeLease(x.ctx, "leader", "other", time.Minute)
		x.must(err)
		if mine || l.Term != 1 || !l.Until.Equal(x.Now().Add(time.Minute)) {
			t.Errorf("%+v", l)
		}
		holder := l.Holder
		x.Add(30 * time.Second)
		if l, mine, err = x.TakeLease(x.ctx, "leader", holder, time.Minute); err != nil || !mine || l.Term != 1 || !l.Until.Equal(x.Now().Add(time.Minute)) {
			t.Errorf("%+v, %v", l, err)
		}
		x.must(x.ReleaseLease(x.ctx, "leader", "other")) // not its to give
		if l, mine, err = x.TakeLease(x.ctx, "leader", "other", time.Minute); err != nil || mine {
			t.Errorf("%+v, %v", l, err)
		}
		x.Add(time.Minute)
		if l, mine, err = x.TakeLease(x.ctx, "leader", "other", time.Minute); err != nil || !mine || l.Term != 2 {
			t.Errorf("%+v, %v", l, err)
		}
		x.must(x.ReleaseLease(x.ctx, "leader", "other"))
		if l, mine, err = x.TakeLease(x.ctx, "leader", holder, time.Minute); err != nil || !mine || l.Term != 3 {
			t.Errorf("%+v, %v", l, err)
		}
	})
}

func TestPlan(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.Plan{Action: "resync", ConnectionID: "con_1", ObjectID: "con_1", Request: []byte(`{"a":1}`), Effects: []byte(`{"rows":2}`), Fingerprint: "f", CreatedBy: "usr_1",
			ExpiresAt: x.Now().Add(time.Hour)}
		x.must(x.CreatePlan(x.ctx, want))
		got, err := x.Plan(x.ctx, want.ID)
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		var used atomic.Int64
		together(4, func(int) {
			if _, err := x.UsePlan(x.ctx, want.ID, "usr_2"); err == nil {
				used.Add(1)
			} else if !errors.Is(err, store.ErrUsed) {
				t.Error(err)
			}
		})
		if used.Load() != 1 {
			t.Errorf("used %d times", used.Load())
		}
		late := &store.Plan{ConnectionID: "con_1", ExpiresAt: x.Now().Add(time.Minute)}
		x.must(x.CreatePlan(x.ctx, late))
		x.Add(time.Minute)
		_, err = x.UsePlan(x.ctx, late.ID, "")
		x.is(err, store.ErrExpired)
		_, err = x.UsePlan(x.ctx, "pln_none", "")
		x.is(err, store.ErrNotFound)
		if all, _, err := x.ListPlans(x.ctx, "con_1", store.Page{}); err != nil || len(all) != 2 || all[1].UsedBy != "usr_2" && all[0].UsedBy != "usr_2" {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestOperation(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.Operation{Kind: "source.discover", ObjectID: "src_1", Total: 5, Message: "m", Owner: "o", CreatedBy: "usr_1"}
		x.must(x.CreateOperation(x.ctx, want))
		got, err := x.Operation(x.ctx, want.ID)
		x.must(err)
		if !reflect.DeepEqual(got, want) || got.State != store.OperationRunning {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		x.Add(time.Minute)
		cancel, err := x.ProgressOperation(x.ctx, want.ID, 3, 10_000, "reading")
		x.must(err)
		if got, err = x.CancelOperation(x.ctx, want.ID); err != nil || cancel || !got.CancelRequested || got.Done != 3 || got.Total != 10_000 || got.Message != "reading" {
			t.Errorf("%+v, %v", got, err)
		}
		if cancel, err = x.ProgressOperation(x.ctx, want.ID, 4, 10_000, ""); err != nil || !cancel {
			t.Errorf("%t, %v", cancel, err)
		}
		x.must(x.FinishOperation(x.ctx, want.ID, store.OperationFailed, nil, &store.Failure{Code: "c", Message: "m"}))
		x.is(x.FinishOperation(x.ctx, want.ID, store.OperationSucceeded, nil, nil), store.ErrConflict)
		_, err = x.ProgressOperation(x.ctx, want.ID, 5, 5, "")
		x.is(err, store.ErrConflict)
		_, err = x.ProgressOperation(x.ctx, "opr_none", 5, 5, "")
		x.is(err, store.ErrNotFound)
		_, err = x.CancelOperation(x.ctx, "opr_none")
		x.is(err, store.ErrNotFound)
		if got, err = x.CancelOperation(x.ctx, want.ID); err != nil || got.State != store.OperationFailed || got.Error.Code != "c" || !got.EndedAt.Equal(x.Now()) {
			t.Errorf("%+v, %v", got, err)
		}
		stale := &store.Operation{Kind: "k"}
		x.must(x.CreateOperation(x.ctx, stale))
		n, err := x.FailStaleOperations(x.ctx, x.Add(time.Minute), &store.Failure{Code: "server_gone"})
		x.must(err)
		if got, err = x.Operation(x.ctx, stale.ID); err != nil || n != 1 || got.Error.Code != "server_gone" {
			t.Errorf("%d, %+v, %v", n, got, err)
		}
		if all, _, err := x.ListOperations(x.ctx, "src_1", store.Page{}); err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

func TestIdempotency(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		r := &store.Idempotency{Scope: "usr_1", Key: "k", Request: "h", ExpiresAt: x.Now().Add(time.Hour)}
		var fresh atomic.Int64
		together(5, func(int) {
			earlier, err := x.BeginIdempotent(x.ctx, r)
			if err != nil || earlier != nil && (earlier.Done || earlier.Request != "h") {
				t.Errorf("%+v, %v", earlier, err)
			}
			if earlier == nil {
				fresh.Add(1)
			}
		})
		if fresh.Load() != 1 {
			t.Errorf("%d requests were let through", fresh.Load())
		}
		other := &store.Idempotency{Scope: "usr_2", Key: "k", ExpiresAt: r.ExpiresAt}
		if earlier, err := x.BeginIdempotent(x.ctx, other); err != nil || earlier != nil {
			t.Errorf("%+v, %v", earlier, err)
		}
		x.must(x.AbandonIdempotent(x.ctx, "usr_2", "k"))
		if earlier, err := x.BeginIdempotent(x.ctx, other); err != nil || earlier != nil {
			t.Errorf("%+v, %v", earlier, err)
		}
		r.Status, r.Header, r.Body = 201, []byte(`{"Location":"/x"}`), []byte{0, 0xff, 'x'}
		x.must(x.FinishIdempotent(x.ctx, r))
		x.must(x.AbandonIdempotent(x.ctx, "usr_1", "k")) // it is done: stays
		earlier, err := x.BeginIdempotent(x.ctx, r)
		x.must(err)
		if earlier == nil || !earlier.Done || earlier.Status != 201 || !reflect.DeepEqual(earlier.Body, r.Body) || string(earlier.Header) != string(r.Header) {
			t.Errorf("%+v", earlier)
		}
		r.ExpiresAt = x.Add(time.Hour).Add(time.Hour)
		if earlier, err := x.BeginIdempotent(x.ctx, r); err != nil || earlier != nil {
			t.Errorf("a key that has expired: %+v, %v", earlier, err)
		}
		x.is(x.FinishIdempotent(x.ctx, &store.Idempotency{Scope: "x"}), store.ErrNotFound)
	})
}

func TestSettings(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		v := &store.Setting{Key: "keys", Value: []byte(`{"a":1}`), UpdatedBy: "usr_1"}
		x.must(x.SetSetting(x.ctx, v))
		x.is(x.SetSetting(x.ctx, &store.Setting{Key: "keys", Value: []byte(`2`)}), store.ErrConflict)
		v.Value = []byte(`2`)
		x.must(x.SetSetting(x.ctx, v))
		got, err := x.Setting(x.ctx, "keys")
		x.must(err)
		if !reflect.DeepEqual(got, v) || v.Version != 2 {
			t.Errorf("got  %+v\nwant %+v", got, v)
		}
		v.Version = 1
		x.is(x.SetSetting(x.ctx, v), store.ErrConflict)
		if all, err := x.Settings(x.ctx); err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
		_, err = x.Setting(x.ctx, "none")
		x.is(err, store.ErrNotFound)
	})
}

func TestFailureOf(t *testing.T) {
	t.Parallel()
	if store.FailureOf(nil) != nil {
		t.Error("a failure of nothing")
	}
	cause := io.ErrUnexpectedEOF
	err := fmt.Errorf("sync: %w", &sluice.Error{Class: sluice.Throttled, Code: "shop_quota", Stream: sluice.TableName{Schema: "a", Name: "b"}, Op: "read", Hint: "wait",
		RetryAfter: time.Minute, Err: fmt.Errorf("page 3: %w", cause)})
	want := &store.Failure{Class: "throttled", Code: "shop_quota", Stream: "a.b", Op: "read", Hint: "wait", Message: "sync: read: page 3: unexpected EOF", Cause: "unexpected EOF",
		Retryable: true, RetryAfter: time.Minute}
	if got := store.FailureOf(err); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	long := store.FailureOf(errors.New(strings.Repeat("é", 5000)))
	if len(long.Message) > 4010 || !strings.HasSuffix(long.Message, "é…") || long.Class != "bug" {
		t.Errorf("%d bytes, %s", len(long.Message), long.Class)
	}
}
