package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func position(stream string, part int, epoch, seq int64) sluice.Position {
	return sluice.Position{Lane: sluice.Lane{Stream: sluice.TableName{Name: stream}, Part: part}, Cursor: json.RawMessage(fmt.Sprintf(`{"at":%d}`, seq)), Epoch: epoch, Seq: seq}
}

func load(id string, epoch, seq int64, positions ...sluice.Position) sluice.Load {
	return sluice.Load{ID: sluice.LoadID(id), Connection: "c", Epoch: epoch, Seq: seq, At: time.Unix(1, 0).UTC(), Positions: positions,
		Tables: []sluice.TableLoad{{Target: sluice.Target{Name: sluice.TableName{Name: "t"}}, Mode: sluice.Merge, Parts: []sluice.Staged{{Seq: 1, Ref: "r"}}}}}
}

// running returns a connection with a running attempt and its journal.
func (x *fixture) running(name string) (*store.Connection, *store.Sync, *store.Attempt, *store.Journal) {
	c := x.connection(name)
	y := x.queue(c.ID)
	return c, y, x.claim(y), x.Journal(c.ID, y.ID)
}

func TestJournal(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c, y, a, j := x.running("c")
		one, two := load("c/1/1", 1, 1, position("s", 0, 1, 1)), load("c/1/2", 1, 2, position("s", 0, 1, 2), position("t", 0, 1, 2))
		x.must(j.Prepare(x.ctx, one))
		x.must(j.Prepare(x.ctx, one)) // repeated after a lost answer
		x.must(j.Prepare(x.ctx, two))
		pending, err := j.Pending(x.ctx)
		x.must(err)
		if !reflect.DeepEqual(pending, []sluice.Load{one, two}) {
			t.Fatalf("got  %+v\nwant %+v", pending, []sluice.Load{one, two})
		}
		x.must(j.Commit(x.ctx, one))
		at := x.Add(time.Second)
		x.must(j.Commit(x.ctx, two))
		x.must(j.Commit(x.ctx, two))
		states, err := x.States(x.ctx, c.ID)
		x.must(err)
		if len(states) != 2 || !reflect.DeepEqual(states[0].Positions, two.Positions[:1]) || states[0].LoadID != "c/1/2" || states[0].SyncID != y.ID || !states[0].Current || !states[0].At.Equal(at) {
			t.Fatalf("%+v", states)
		}
		history, _, err := x.StateHistory(x.ctx, c.ID, &sluice.TableName{Name: "s"}, store.Page{})
		x.must(err)
		if len(history) != 2 || history[0].LoadID != "c/1/2" || !history[0].Current || history[1].Current {
			t.Fatalf("%+v", history)
		}

		// What was prepared and not committed is finished by the next run, with its epoch.
		three := load("c/1/3", 1, 3, position("s", 0, 1, 3))
		x.must(j.Prepare(x.ctx, three))
		four := load("c/1/4", 1, 4, position("s", 0, 1, 4))
		x.must(j.Prepare(x.ctx, four))
		x.must(x.FinishAttempt(x.ctx, a, store.End{Outcome: store.Failed, State: store.Queued}))
		x.must(j.Drop(x.ctx, four)) // nobody else has claimed yet
		y, err = x.Sync(x.ctx, y.ID)
		x.must(err)
		b := x.claim(y)
		x.is(j.Commit(x.ctx, three), sluice.ErrFenced)
		x.is(j.Drop(x.ctx, three), sluice.ErrFenced)
		x.is(j.Prepare(x.ctx, load("c/1/5", 1, 5)), sluice.ErrFenced)
		next := x.Journal(c.ID, y.ID)
		pending, err = next.Pending(x.ctx)
		x.must(err)
		if len(pending) != 1 || pending[0].ID != "c/1/3" {
			t.Fatalf("%+v", pending)
		}
		pending[0].Epoch = b.Epoch
		x.must(next.Commit(x.ctx, pending[0]))
		states, err = x.States(x.ctx, c.ID)
		x.must(err)
		if string(states[0].Positions[0].Cursor) != `{"at":3}` {
			t.Errorf("%+v", states[0])
		}
	})
}

func TestPartsOfAState(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c, _, _, j := x.running("c")
		commit := func(seq int64, positions ...sluice.Position) {
			t.Helper()
			l := load(fmt.Sprint("c/1/", seq), 1, seq, positions...)
			x.must(j.Prepare(x.ctx, l))
			x.must(j.Commit(x.ctx, l))
		}
		check := func(want ...sluice.Position) {
			t.Helper()
			states, err := x.States(x.ctx, c.ID)
			x.must(err)
			if len(states) != 1 || !reflect.DeepEqual(states[0].Positions, want) {
				t.Fatalf("got  %+v\nwant %+v", states, want)
			}
		}
		p2, p1 := position("s", 2, 1, 2), position("s", 1, 1, 1)
		commit(2, p2)
		commit(1, p1)
		check(p1, p2)
		commit(3, position("s", 1, 1, 3))
		commit(4, position("s", 2, 1, 1)) // of an earlier load that was committed later
		check(position("s", 1, 1, 3), p2)
		commit(5, position("s", 0, 1, 5)) // retires its parts
		check(position("s", 0, 1, 5))
		commit(6, sluice.Position{Lane: sluice.SharedLane, Cursor: json.RawMessage(`1`), Epoch: 1, Seq: 6})
		if states, err := x.States(x.ctx, c.ID); err != nil || len(states) != 2 || states[0].Stream != (sluice.TableName{}) {
			t.Errorf("%+v, %v", states, err)
		}
	})
}

// TestFencedJournal lets two runs of a connection write at once, the second of
// which has taken over: after its claim nothing of the first comes in.
func TestFencedJournal(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c, y, a, j := x.running("c")
		var wg sync.WaitGroup
		fenced := make(chan int64, 1)
		wg.Go(func() { // the worker that does not know that it is lost
			for seq := int64(1); ; seq++ {
				l := load(fmt.Sprint("c/1/", seq), a.Epoch, seq, position("s", 0, a.Epoch, seq))
				err := j.Prepare(x.ctx, l)
				if err == nil {
					err = j.Commit(x.ctx, l)
				}
				if errors.Is(err, sluice.ErrFenced) {
					fenced <- seq
					return
				} else if err != nil {
					t.Error(err)
					fenced <- seq
					return
				}
			}
		})
		now := x.Add(2 * time.Minute)
		x.must(x.ExpireAttempt(x.ctx, a, now, store.End{Outcome: store.Lost, State: store.Queued}))
		y, err := x.Sync(x.ctx, y.ID)
		x.must(err)
		b := x.claim(y)
		before, err := x.States(x.ctx, c.ID)
		x.must(err)
		<-fenced
		wg.Wait()
		after, err := x.States(x.ctx, c.ID)
		x.must(err)
		if !reflect.DeepEqual(before, after) {
			t.Errorf("the lost worker moved the state from %+v to %+v", before, after)
		}
		x.must(x.Journal(c.ID, y.ID).Prepare(x.ctx, load("c/3/1", b.Epoch, 1)))
	})
}

func TestRestoreAndReset(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c, _, a, j := x.running("c")
		for seq := int64(1); seq <= 3; seq++ {
			l := load(fmt.Sprint("c/1/", seq), 1, seq, position("s", 0, 1, seq), position("t", 0, 1, seq))
			x.must(j.Prepare(x.ctx, l))
			x.must(j.Commit(x.ctx, l))
		}
		s := sluice.TableName{Name: "s"}
		history, _, err := x.StateHistory(x.ctx, c.ID, &s, store.Page{})
		x.must(err)
		_, err = x.RestoreState(x.ctx, c.ID, history[2].ID, "usr_1")
		x.code(err, store.CodeInUse)
		x.code(x.ResetStates(x.ctx, c.ID, []sluice.TableName{s}, "usr_1"), store.CodeInUse)
		x.must(x.FinishAttempt(x.ctx, a, store.End{State: store.Ended, SyncOutcome: store.Succeeded}))

		made, err := x.RestoreState(x.ctx, c.ID, history[2].ID, "usr_1")
		x.must(err)
		got, err := x.StateEntry(x.ctx, c.ID, made.ID)
		x.must(err)
		if !reflect.DeepEqual(got, made) || string(got.Positions[0].Cursor) != `{"at":1}` || got.RestoredFrom != history[2].ID || got.By != "usr_1" || !got.Current {
			t.Fatalf("got  %+v\nwant %+v", got, made)
		}
		x.must(x.ResetStates(x.ctx, c.ID, []sluice.TableName{s}, "usr_2"))
		states, err := x.States(x.ctx, c.ID)
		x.must(err)
		if len(states) != 2 || states[0].Positions != nil || states[0].By != "usr_2" || states[1].LoadID != "c/1/3" {
			t.Errorf("%+v", states)
		}
		_, err = x.RestoreState(x.ctx, c.ID, 999, "usr_1")
		x.is(err, store.ErrNotFound)
		_, err = x.StateEntry(x.ctx, "con_other", made.ID)
		x.is(err, store.ErrNotFound)

		x.must(x.AdoptStates(x.ctx, c.ID, []sluice.Position{position("t", 0, 9, 9), position("u", 2, 9, 9), position("u", 1, 9, 8)}))
		states, err = x.States(x.ctx, c.ID)
		x.must(err)
		if len(states) != 3 || states[1].LoadID != "c/1/3" || len(states[2].Positions) != 2 {
			t.Errorf("%+v", states)
		}
	})
}

func TestLog(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		y := x.queue(x.connection("c").ID)
		total := store.LogFirst + store.LogLast + 750
		for from := 1; from <= total; from += 250 {
			lines := make([]store.LogLine, 250)
			for i := range lines {
				lines[i] = store.LogLine{At: x.Now(), Level: []string{"info", "warn"}[i%2], Stream: "s", Message: fmt.Sprint("Line ", from+i), Attrs: json.RawMessage(`{"a":1}`)}
			}
			x.must(x.AppendLog(x.ctx, y.ID, lines))
			if lines[249].Seq != int64(from+249) {
				t.Fatalf("%+v", lines[249])
			}
		}
		var seqs []int64
		for after := int64(0); ; {
			lines, err := x.Log(x.ctx, y.ID, after, store.LogFilter{}, 1000)
			x.must(err)
			if len(lines) == 0 {
				break
			}
			for _, l := range lines {
				seqs = append(seqs, l.Seq)
			}
			after = seqs[len(seqs)-1]
		}
		if len(seqs) != store.LogFirst+store.LogLast || seqs[store.LogFirst-1] != store.LogFirst || seqs[store.LogFirst] != int64(total-store.LogLast+1) || !slices.IsSorted(seqs) {
			t.Errorf("%d lines are kept; after the first %d comes %d", len(seqs), store.LogFirst, seqs[store.LogFirst])
		}
		tail, err := x.LogTail(x.ctx, y.ID, 2)
		x.must(err)
		if len(tail) != 2 || tail[1].Seq != int64(total) || tail[1].Message != fmt.Sprint("Line ", total) || string(tail[1].Attrs) != `{"a":1}` || tail[1].Level != "warn" {
			t.Errorf("%+v", tail)
		}
		found, err := x.Log(x.ctx, y.ID, 0, store.LogFilter{Levels: []string{"warn"}, Search: "LINE 99", Stream: "s"}, 3)
		x.must(err)
		if len(found) != 3 || found[0].Seq != 990 {
			t.Errorf("%+v", found)
		}
		odd := []store.LogLine{{Level: "info", Message: "nul \x00 and \xff " + string(make([]byte, 2*store.LogLineSize))}}
		x.must(x.AppendLog(x.ctx, y.ID, odd))
		tail, err = x.LogTail(x.ctx, y.ID, 1)
		x.must(err)
		if tail[0].Message[:12] != "nul \uFFFD and " {
			t.Errorf("%q", tail[0].Message[:20])
		}
		if got, err := x.Sync(x.ctx, y.ID); err != nil || got.LogLines != int64(total+1) {
			t.Errorf("%+v, %v", got, err)
		}
		x.is(x.AppendLog(x.ctx, "syn_none", odd), store.ErrNotFound)
	})
}
