package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/jackc/pgx/v5"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/destinationtest"
)

// A fixture is a run of one connection into a database of its own.
type fixture struct {
	testing.TB
	d     sluice.Destination
	url   string
	epoch int64
	seq   int64
	parts int // segments staged
	table *sluice.Table
	have  map[sluice.Target]*sluice.Table // as the engine has them: it describes a table once a run
}

func newFixture(t testing.TB, url, more string) *fixture {
	f := &fixture{TB: t, url: url, table: &sluice.Table{Name: sluice.TableName{Schema: "raw", Name: "people"}, Key: []string{"id"}, Columns: []sluice.Column{
		{Name: "id", Type: sluice.T(sluice.Int64)}, {Name: "name", Type: sluice.T(sluice.String), Nullable: true}, {Name: sluice.SyncedAtColumn, Type: sluice.T(sluice.TimestampTZ)}}}}
	first := openAt(t, url, more)
	t.Cleanup(func() { _ = first.Close() })
	f.d = first
	f.begin()
	return f
}

// restart begins a run in another process, as it were.
func (f *fixture) restart() {
	f.Helper()
	next := openAt(f, f.url, "")
	f.Cleanup(func() { _ = next.Close() })
	f.d = next
	f.begin()
}

func (f *fixture) begin() {
	f.Helper()
	l, err := f.d.Begin(context.Background(), sluice.Run{Connection: "c", Owner: "o", ID: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.epoch, f.seq, f.have = l.Epoch, 0, map[sluice.Target]*sluice.Table{}
}

// load makes a load of rows with the ids, staged.
func (f *fixture) load(mode sluice.WriteMode, refresh string, inserts, done bool, ids ...int64) sluice.Load {
	f.Helper()
	f.seq++
	at := time.Date(2026, 1, 1, int(f.epoch), int(f.seq), 0, 0, time.UTC)
	l := sluice.Load{ID: sluice.LoadID(fmt.Sprintf("c/%d/%d", f.epoch, f.seq)), Connection: "c", Run: "r", Epoch: f.epoch, Seq: f.seq, At: at,
		Positions: []sluice.Position{{Lane: sluice.Lane{Stream: f.table.Name}, Refresh: cmp.Or(refresh, "r"), Done: done}}}
	target := sluice.Target{Name: f.table.Name, Refresh: refresh}
	f.alter(l.ID, target)
	if len(ids) > 0 {
		l.Tables = []sluice.TableLoad{{Parts: []sluice.Staged{f.stage(l, target, mode, inserts, ids)}}}
	} else {
		l.Tables = make([]sluice.TableLoad, 1)
	}
	l.Tables[0].Target, l.Tables[0].Table, l.Tables[0].Mode, l.Tables[0].Swap = target, f.table, mode, refresh != "" && done
	l.Tables[0].Counts.Extracted = int64(len(ids))
	return l
}

// alter gives the target the columns of f.table.
func (f *fixture) alter(load sluice.LoadID, target sluice.Target) {
	f.Helper()
	have, known := f.have[target]
	if !known {
		var err error
		if have, err = f.d.Describe(context.Background(), target); err != nil && !isNotFound(err) {
			f.Fatal(err)
		}
	}
	changes := sluice.Diff(have, f.table)
	if err := f.d.Alter(context.Background(), load, target, changes); err != nil {
		f.Fatal(err)
	}
	f.have[target] = sluice.Apply(have, changes)
}

// stage stages rows with the ids as a segment of l.
func (f *fixture) stage(l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) sluice.Staged {
	f.Helper()
	return f.stageIn(context.Background(), l, target, mode, inserts, ids)
}

func (f *fixture) stageIn(ctx context.Context, l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) sluice.Staged {
	f.Helper()
	staged, err := f.tryStage(ctx, l, target, mode, inserts, ids)
	if err != nil {
		f.Fatal(err)
	}
	return staged
}

func (f *fixture) tryStage(ctx context.Context, l sluice.Load, target sluice.Target, mode sluice.WriteMode, inserts bool, ids []int64) (sluice.Staged, error) {
	f.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, f.table.Arrow())
	defer b.Release()
	for _, id := range ids {
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.StringBuilder).Append(fmt.Sprint("load ", f.epoch, "/", f.seq))
		if err := b.Field(2).AppendValueFromString(l.At.Format(time.RFC3339Nano)); err != nil {
			f.Fatal(err)
		}
		for i, other := range b.Fields()[3:] {
			if f.table.Columns[i+3].Type.Kind != sluice.JSON {
				other.AppendNull()
			} else if err := other.AppendValueFromString(`{"a":1}`); err != nil {
				f.Fatal(err)
			}
		}
	}
	r := b.NewRecordBatch()
	defer r.Release()
	s := segmentOf(f.table, r, 1)
	f.parts++
	s.Load, s.Seq, s.Target, s.Mode, s.Inserts = l.ID, f.parts, target, mode, inserts
	return f.d.Stage(ctx, s)
}

// many returns ids whose rows are more than a handle holds.
func many(from int64) []int64 {
	ids := make([]int64, 5000)
	for i := range ids {
		ids[i] = from + int64(i)
	}
	return ids
}

func (f *fixture) merge(l sluice.Load) {
	f.Helper()
	if _, err := f.d.Merge(context.Background(), l); err != nil {
		f.Fatal(err)
	}
}

// session runs statements in a session of its own, which stays until the test ends.
func (f *fixture) session(statements string) *pgx.Conn {
	f.Helper()
	conn := connect(f, f.url)
	f.Cleanup(func() { _ = conn.Close(context.Background()) })
	if err := simple(context.Background(), conn, statements); err != nil {
		f.Fatal(err)
	}
	return conn
}

// mergeAgain merges a load that the sessions' end does not lose.
func (f *fixture) mergeAgain(l sluice.Load) {
	f.Helper()
	var err error
	for range 10 { // the pool may have as many sessions that have ended
		if _, err = f.d.Merge(context.Background(), l); err == nil {
			return
		}
		if errors.Is(err, sluice.ErrStagedLost) || sluice.ClassOf(err) != sluice.Transient {
			break
		}
	}
	f.Fatal(err)
}

func (f *fixture) query(q string) string {
	f.Helper()
	rows, err := destinationtest.Query(f.d, q)
	if err != nil {
		f.Fatalf("%s: %v", q, err)
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, strings.Trim(fmt.Sprint(r), "[]"))
	}
	return strings.Join(lines, "\n")
}

func (f *fixture) exec(statements string) {
	f.Helper()
	run(f, f.url, statements)
}

func (f *fixture) expect(q, want string) {
	f.Helper()
	if got := f.query(q); got != want {
		f.Errorf("%s\n got %s\nwant %s", q, got, want)
	}
}

// tryLoad stages and merges rows with the ids.
func (f *fixture) tryLoad(mode sluice.WriteMode, refresh string, inserts bool, ids ...int64) error {
	f.Helper()
	l := f.load(mode, refresh, inserts, true)
	whole := f.table
	if mode == sluice.History { // whose versions the planner makes
		rows := *whole
		rows.Columns = rows.Columns[:3]
		f.table = &rows
	}
	staged, err := f.tryStage(context.Background(), l, l.Tables[0].Target, mode, inserts, ids)
	f.table = whole
	if err == nil {
		l.Tables[0].Parts, l.Tables[0].Counts.Extracted = []sluice.Staged{staged}, int64(len(ids))
		_, err = f.d.Merge(context.Background(), l)
	}
	return err
}
