package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// rowsOf are those of one segment of a bundle.
type rowsOf struct {
	table string
	ids   []int64
}

// small returns a segment of a few rows.
func small(table string, ids ...int64) rowsOf { return rowsOf{table, ids} }

// bundle makes a load that completes the reads of several tables, staged. All are
// promised before there are rows.
func (f *fixture) bundle(refresh string, segments ...rowsOf) sluice.Load {
	f.Helper()
	l := f.load(sluice.Append, "", true, true)
	l.Positions, l.Tables = nil, nil
	for _, s := range segments {
		f.inBundle(&l, refresh, s.table)
	}
	for _, s := range segments {
		f.add(&l, refresh, s)
	}
	return l
}

// named makes f.table one of that name, of the same columns.
func (f *fixture) named(name string) {
	table := *f.table
	table.Name.Name = name
	f.table = &table
}

// inBundle returns what the load does to a table, which it makes one of its own.
func (f *fixture) inBundle(l *sluice.Load, refresh, name string) *sluice.TableLoad {
	f.Helper()
	f.named(name)
	i := slices.IndexFunc(l.Tables, func(t sluice.TableLoad) bool { return t.Target.Name == f.table.Name })
	if i < 0 {
		target := sluice.Target{Name: f.table.Name, Refresh: refresh}
		f.alter("", target)
		l.Tables = append(l.Tables, sluice.TableLoad{Target: target, Table: f.table, Mode: sluice.Replace, Swap: true})
		l.Positions = append(l.Positions, sluice.Position{Lane: sluice.Lane{Stream: f.table.Name}, Refresh: refresh, Done: true})
		i = len(l.Tables) - 1
	}
	return &l.Tables[i]
}

// add stages a segment.
func (f *fixture) add(l *sluice.Load, refresh string, s rowsOf) {
	f.Helper()
	if t := f.inBundle(l, refresh, s.table); len(s.ids) > 0 {
		t.Parts = append(t.Parts, f.stage(*l, t.Target, sluice.Replace, true, s.ids))
		t.Counts.Extracted += int64(len(s.ids))
	}
}

// direct returns the load's transaction.
func (f *fixture) direct(l sluice.Load) *directTx { return f.d.(*destination).directOf(l.ID) }

// holds returns the tables whose rows the load holds.
func (f *fixture) holds(l sluice.Load) string {
	var names []string
	if t := f.direct(l); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, h := range t.held {
			names = append(names, h.target.Name.Name)
		}
	}
	return strings.Join(names, " ")
}

// content is the ids of each table of a bundle, in their order.
const content = `SELECT relname, (xpath('/row/ids/text()', query_to_xml(format('SELECT coalesce(string_agg(id::text, '','' ORDER BY id), ''-'') AS ids FROM %s', c.oid::regclass), false, true, '')))[1]::text,
	(SELECT count(*) FROM pg_index WHERE indrelid = c.oid)
	FROM pg_class c WHERE relnamespace = 'raw'::regnamespace AND relkind = 'r' AND relname <> 'people' ORDER BY 1`

// bundles are loads of several tables: how their rows come, and what is held then.
var bundles = map[string]struct {
	segments []rowsOf
	held     string
	want     string
}{
	// Keys that come twice are found by the index of their table, each by itself.
	"held": {[]rowsOf{small("a", 1, 2, 2), small("b", 3), small("c", 4, 4, 5), small("d"), small("e", 6, 6)}, "a b c e",
		"a 1,2 1\nb 3 1\nc 4,5 1\nd - 1\ne 6 1"},
	"more than is held": {[]rowsOf{small("a", 1, 1), {"b", many(1)}, small("c", 4, 4), small("d", 5)}, "a", "a 1 1\nb 5000 1\nc 4 1\nd 5 1"},
	"two segments":      {[]rowsOf{small("a", 1, 2), small("b", 3), small("a", 2, 7), small("c", 4), small("b", 3, 8)}, "b", "a 1,2,7 1\nb 3,8 1\nc 4 1"},
	"two and more":      {[]rowsOf{small("a", 1, 2), small("b", 3), {"c", many(1)}, small("a", 2, 7), {"c", many(5001)}}, "a b", "a 1,2,7 1\nb 3 1\nc 10000 1"},
}

// settled returns the content, with how many rows there are in the place of many ids.
func (f *fixture) settled() string {
	f.Helper()
	lines := strings.Split(f.query(content), "\n")
	for i, line := range lines {
		if words := strings.Fields(line); len(words) == 3 && len(words[1]) > 1000 {
			lines[i] = fmt.Sprint(words[0], " ", strings.Count(words[1], ",")+1, " ", words[2])
		}
	}
	return strings.Join(lines, "\n")
}

func (f *fixture) expectSettled(want string) {
	f.Helper()
	if got := f.settled(); got != want {
		f.Errorf("tables, their ids and indexes\n got %s\nwant %s", got, want)
	}
	f.expect(shadows, "0")
	if n := f.promises(); n > 0 {
		f.Errorf("%d promises outlive their tables", n)
	}
	d := f.d.(*destination)
	if open := d.directLoads(); len(open) > 0 {
		f.Errorf("loads %v have a transaction still", open)
	}
	for late := time.Now().Add(30 * time.Second); d.pool.Stat().AcquiredConns() > 0; { // one that was cut off is closed in the background
		if f.query("SELECT 1"); time.Now().After(late) {
			f.Fatalf("%d connections are not given back", d.pool.Stat().AcquiredConns())
		}
	}
}

// TestBundle: the tables of a load are made, and replaced by the next one, each with
// its rows, however few or many there are; so they are through a pooler.
func TestBundle(t *testing.T) {
	t.Parallel()
	for name, b := range bundles {
		for _, far := range []bool{false, true} {
			t.Run(fmt.Sprint(name, far), func(t *testing.T) {
				t.Parallel()
				f := newPromises(t)
				if far {
					f.d = openAt(t, pgtest.Shared(t).Pooler(t, f.url), "")
					t.Cleanup(func() { _ = f.d.Close() })
					f.begin()
					f.named("people")
					f.merge(f.load(sluice.Append, "", true, true, 1)) // the schema is known
				}
				for _, refresh := range []string{"1", "2", "3"} {
					l := f.bundle(refresh, b.segments...)
					if got := f.holds(l); got != b.held {
						t.Errorf("it holds the rows of %s; want %s", got, b.held)
					}
					counts, err := f.d.Merge(context.Background(), l)
					if err != nil {
						t.Fatal(err)
					}
					for i, table := range l.Tables {
						if counts[i].Loaded != table.Counts.Extracted {
							t.Errorf("%s: %+v of %d", table.Target.Name, counts[i], table.Counts.Extracted)
						}
					}
					f.expectSettled(b.want)
					again, err := f.d.Merge(context.Background(), l)
					if err != nil || !slices.Equal(again, counts) {
						t.Errorf("again %v, %v; was %v", again, err, counts)
					}
					if refresh == "1" { // on several of the tables, and on one another
						f.exec("CREATE VIEW raw.joined AS SELECT a.id FROM raw.a, raw.b; CREATE VIEW raw.over AS SELECT joined.id FROM raw.joined, raw.a")
					}
				}
				f.expectSettled(b.want)
				f.query("SELECT count(*) FROM raw.over")
			})
		}
	}
}

// TestBundleInTheWay: others make one of the tables while the load does, or take the
// schema away before it. Rows are there once then; those that a session has are lost,
// but not when they are read again.
func TestBundleInTheWay(t *testing.T) {
	t.Parallel()
	for name, b := range bundles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			l := f.bundle("1", b.segments...)
			open := f.direct(l).open()
			rival := f.session("BEGIN; CREATE TABLE raw.b (id bigint, name text)")
			err := f.mergeWhile(context.Background(), l, func() error {
				return simple(context.Background(), rival, "INSERT INTO raw.b VALUES (7, 'rival'); COMMIT")
			})
			if lost := errors.Is(err, sluice.ErrStagedLost); lost != open || !lost && err != nil {
				t.Errorf("merge: %v, with a session of its own: %t", err, open)
			}
			if open {
				clear(f.have)
				f.merge(f.bundle("1", b.segments...))
			}
			f.expectSettled(b.want)
		})
		t.Run(name+" cancelled", func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			l := f.bundle("1", b.segments...)
			open := f.direct(l).open()
			rival := f.session("BEGIN; CREATE TABLE raw.b (id bigint, name text)")
			ctx, cancel := context.WithCancel(context.Background())
			err := f.mergeWhile(ctx, l, func() error { cancel(); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("merge: %v", err)
			}
			// The server goes on with the load: it has all of it, and hears of no end.
			if err := simple(context.Background(), rival, "ROLLBACK"); err != nil {
				t.Fatal(err)
			}
			_, err = f.d.Merge(context.Background(), l)
			if open && errors.Is(err, sluice.ErrStagedLost) {
				f.begin()
				_, err = f.d.Merge(context.Background(), f.bundle("2", b.segments...))
			}
			if err != nil {
				t.Error(err)
			}
			f.begin()
			f.expectSettled(b.want)
		})
		t.Run(name+" no schema", func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			l := f.bundle("1", b.segments...)
			if f.direct(l).open() {
				return // the session keeps its table, and so the schema
			}
			f.exec("DROP SCHEMA raw CASCADE")
			f.merge(l)
			f.expectSettled(b.want)
		})
	}
}

const waiting = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.datname = current_database() AND NOT l.granted"

// mergeWhile merges, and runs then as soon as the merge waits for a lock.
func (f *fixture) mergeWhile(ctx context.Context, l sluice.Load, then func() error) error {
	f.Helper()
	merged := make(chan error, 1)
	go func() {
		_, err := f.d.Merge(ctx, l)
		merged <- err
	}()
	for f.query(waiting) == "0" {
		select {
		case err := <-merged:
			f.Fatalf("it did not wait: %v", err)
		default:
		}
	}
	if err := then(); err != nil {
		f.Fatal(err)
	}
	return <-merged
}

// TestBundleInterrupted: wherever a load of several tables is cut off, it is merged
// whole, or fails, or is lost; when it is read again after that, all is there once.
func TestBundleInterrupted(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(context.Background())
	end()
	for _, name := range []string{"held", "two and more"} {
		b := bundles[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			refresh := 0
			for what, cut := range map[string]func(l *sluice.Load, next rowsOf) error{
				"sessions ended": func(*sluice.Load, rowsOf) error {
					f.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'sluice%'")
					return nil
				},
				"stage cancelled": func(l *sluice.Load, next rowsOf) error {
					if len(next.ids) == 0 {
						return nil
					}
					table := f.inBundle(l, l.Tables[0].Target.Refresh, next.table)
					_, err := f.tryStage(ended, *l, table.Target, sluice.Replace, true, next.ids)
					if err == nil {
						err = sluice.ErrStagedLost // it did not look, and has rows twice now
					}
					return err
				},
				"merge cancelled": func(l *sluice.Load, _ rowsOf) error {
					_, err := f.d.Merge(ended, *l)
					return err
				},
				"change cancelled": func(l *sluice.Load, _ rowsOf) error {
					target := l.Tables[0].Target
					if _, err := f.d.Describe(context.Background(), target); err != nil {
						return err
					}
					err := f.d.Alter(ended, l.ID, target, []sluice.Change{{Add: &sluice.Column{Name: "more", Type: sluice.T(sluice.Bool), Nullable: true}}})
					if err == nil {
						t.Error("a cancelled change is made")
					}
					return nil // others go on
				},
				"pending": func(l *sluice.Load, _ rowsOf) error {
					ledger, err := f.d.Begin(context.Background(), sluice.Run{Connection: "c", Owner: "o", ID: "r", Epoch: f.epoch, Pending: []sluice.LoadID{l.ID}, Refreshes: []string{l.Tables[0].Target.Refresh}})
					f.epoch, l.Epoch = ledger.Epoch, ledger.Epoch
					return err
				},
			} {
				for at := range len(b.segments) + 1 {
					refresh++
					f.begin()
					try := func() error {
						l := f.bundle(fmt.Sprint(refresh), promisesOnly(b.segments)...)
						for i, s := range b.segments {
							if i == at {
								if err := cut(&l, s); err != nil {
									return err
								}
							}
							table := f.inBundle(&l, l.Tables[0].Target.Refresh, s.table)
							if len(s.ids) == 0 {
								continue
							}
							staged, err := f.tryStage(context.Background(), l, table.Target, sluice.Replace, true, s.ids)
							if err != nil {
								return err
							}
							table.Parts, table.Counts.Extracted = append(table.Parts, staged), table.Counts.Extracted+staged.Rows
						}
						if at == len(b.segments) {
							if err := cut(&l, rowsOf{}); err != nil && !errors.Is(err, context.Canceled) {
								return err
							}
						}
						_, err := f.d.Merge(context.Background(), l)
						return err
					}
					err := try()
					if err != nil && !errors.Is(err, sluice.ErrStagedLost) && !errors.Is(err, context.Canceled) && sluice.ClassOf(err) != sluice.Transient {
						t.Errorf("%s at %d: %v", what, at, err)
					}
					for n := 0; err != nil; n++ { // the pool may have as many sessions that have ended
						if n == 40 {
							t.Fatalf("%s at %d: in the end %v", what, at, err)
						}
						f.begin()
						_, err = f.d.Merge(context.Background(), f.bundle(fmt.Sprint(refresh), b.segments...))
					}
					if got := f.settled(); got != b.want {
						t.Errorf("%s at %d:\n got %s\nwant %s", what, at, got, b.want)
					}
				}
			}
			f.expectSettled(b.want)
		})
	}
}

// promisesOnly returns the tables of the segments without their rows.
func promisesOnly(segments []rowsOf) (tables []rowsOf) {
	for _, s := range segments {
		tables = append(tables, small(s.table))
	}
	return tables
}

// TestBundleLetsReadersGoOn: a load that waits for the readers of one of its tables
// does not keep them from another meanwhile, where they would wait for each other.
func TestBundleLetsReadersGoOn(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	f.merge(f.bundle("1", small("a", 1), small("b", 2), small("c", 3)))
	reader := f.session("BEGIN; SELECT id FROM raw.b")
	if err := f.mergeWhile(context.Background(), f.bundle("2", small("a", 4), small("b", 5), small("c", 6)), func() error {
		return simple(context.Background(), reader, "SELECT id FROM raw.a; SELECT id FROM raw.c; COMMIT")
	}); err != nil {
		t.Fatal(err)
	}
	f.expectSettled("a 4 1\nb 5 1\nc 6 1")
}

// TestSwapLetsReadersOfViewsGoOn: they lock the view first, and so does the swap.
func TestSwapLetsReadersOfViewsGoOn(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	f.merge(f.bundle("1", small("a", 1)))
	f.exec("CREATE VIEW raw.v AS SELECT id FROM raw.a")
	holder, reader := f.session("BEGIN; SELECT id FROM raw.a"), f.session("")
	read := make(chan error, 1)
	if err := f.mergeWhile(context.Background(), f.bundle("2", small("a", 4)), func() error {
		go func() { read <- simple(context.Background(), reader, "SELECT id FROM raw.v") }()
		for len(read) == 0 && f.query(waiting) != "2" { // it may be let in before
			continue
		}
		return simple(context.Background(), holder, "COMMIT")
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	f.expect("SELECT id FROM raw.v", "4")
}

// TestBundleChanges: a table whose rows are held is changed within the load, while
// the rows of another are in its session; held again, and by another load.
func TestBundleChanges(t *testing.T) {
	t.Parallel()
	for name, segments := range map[string][]rowsOf{"held": {small("a", 1), small("b", 2)}, "open": {small("a", 1), {"c", many(1)}, small("b", 2)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			narrow := f.table.Columns
			l := f.bundle("1", segments...)
			for _, column := range []sluice.Column{{Name: "doc", Type: sluice.T(sluice.JSON), Nullable: true}, {Name: "id", Type: sluice.DecimalType(30, 0)}} {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				f.table.Columns = slices.Clone(narrow)
				f.named("a")
				wide := *f.table
				if wide.Columns = append(wide.Columns[:3:3], column); column.Name == "id" {
					wide.Columns = append([]sluice.Column{column}, narrow[1:]...)
				}
				target := l.Tables[0].Target
				changes := sluice.Diff(f.have[target], &wide)
				if err := f.d.Alter(ctx, l.ID, target, changes); err != nil {
					t.Fatal(err)
				}
				f.have[target] = sluice.Apply(f.have[target], changes)
				if column.Name == "doc" {
					f.table = &wide
					l.Tables[0].Parts = append(l.Tables[0].Parts, f.stageIn(ctx, l, target, sluice.Replace, true, []int64{7}))
					l.Tables[0].Counts.Extracted++
				}
			}
			l.Tables[0].Table = f.have[l.Tables[0].Target]
			l.Tables[0].Table.Key = []string{"id"}
			f.merge(l)
			f.expect("SELECT id, doc->>'a', pg_typeof(id)::text FROM raw.a ORDER BY id", "1 <nil> numeric\n7 1 numeric")
			f.expect("SELECT id FROM raw.b", "2")
			f.expect(shadows, "0")
		})
	}
}

// TestBundleRefused: where the server takes one of several tables in no case, none is
// there, and the rows are not offered again.
func TestBundleRefused(t *testing.T) {
	t.Parallel()
	for name, b := range bundles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newPromises(t)
			l := f.bundle("1", b.segments...)
			f.exec(`CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE ''raw.b\_%id_idx'' OR object_identity = ''raw.b_id_idx'') THEN RAISE ''not today''; END IF; END';
			CREATE EVENT TRIGGER no ON ddl_command_end WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION no()`)
			if _, err := f.d.Merge(context.Background(), l); err == nil || !strings.Contains(err.Error(), "build the index of the key: ERROR: not today") {
				t.Errorf("merge: %v", err)
			}
			f.exec("DROP EVENT TRIGGER no")
			if _, err := f.d.Merge(context.Background(), l); !errors.Is(err, sluice.ErrStagedLost) {
				t.Errorf("merge again: %v, want ErrStagedLost", err)
			}
			f.expect("SELECT count(*) FROM pg_class WHERE relnamespace = 'raw'::regnamespace AND relname IN ('a', 'b', 'c')", "0")
			f.begin()
			f.merge(f.bundle("2", b.segments...))
			f.expectSettled(b.want)
		})
	}
}

// TestBundleSaysWhatFailed: the end of the load comes before the locks, and its error
// is that of the load.
func TestBundleSaysWhatFailed(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	f.merge(f.bundle("1", small("a", 1), small("b", 2)))
	f.exec(`CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END'; CREATE TRIGGER no BEFORE INSERT ON _sluice.loads EXECUTE FUNCTION no()`)
	if _, err := f.d.Merge(context.Background(), f.bundle("2", small("a", 3), small("b", 4))); err == nil || !strings.Contains(err.Error(), "write the ledger: ERROR: not today") {
		t.Errorf("merge: %v", err)
	}
	f.exec("DROP TRIGGER no ON _sluice.loads")
	f.begin()
	f.merge(f.bundle("3", small("a", 3), small("b", 4)))
	f.expectSettled("a 3 1\nb 4 1")
}

// TestBundlesSideBySide: loads replace tables that views join with those of others,
// while people read: nobody is in a deadlock, or waits for ever.
func TestBundlesSideBySide(t *testing.T) {
	t.Parallel()
	f := newPromises(t)
	const lanes = 4
	lane := func(n int) (*fixture, []rowsOf) {
		own := *f
		own.have, own.seq, own.parts = map[sluice.Target]*sluice.Table{}, int64(n+1)*1000, (n+1)*1000
		return &own, []rowsOf{small(fmt.Sprint("a", n), 1, 2), small(fmt.Sprint("b", n), 3)}
	}
	for n := range lanes {
		own, segments := lane(n)
		own.merge(own.bundle("first", segments...))
	}
	for n := range lanes {
		f.exec(fmt.Sprintf("CREATE VIEW raw.v%[1]d AS SELECT a.id FROM raw.a%[1]d a, raw.b%[2]d; CREATE VIEW raw.w%[1]d AS SELECT v.id FROM raw.v%[1]d v, raw.b%[1]d", n, (n+1)%lanes))
	}
	ctx, end := context.WithCancel(context.Background())
	var readers, writers sync.WaitGroup
	for range 2 {
		conn := f.session("")
		readers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				read := fmt.Sprintf("BEGIN; SELECT * FROM raw.w%d; SELECT * FROM raw.b%d, raw.a%d; COMMIT", n%lanes, n*3%lanes, n%lanes)
				if err := simple(context.Background(), conn, read); err != nil {
					t.Errorf("read: %v", err)
					return
				}
			}
		})
	}
	for n := range lanes {
		writers.Go(func() {
			own, segments := lane(n + lanes)
			for i := range segments {
				segments[i].table = fmt.Sprint(segments[i].table[:1], n)
			}
			for refresh := range 4 {
				if _, err := f.d.Merge(ctx, own.bundle(fmt.Sprint(refresh), segments...)); err != nil {
					t.Errorf("merge: %v", err)
				}
			}
		})
	}
	writers.Wait()
	end()
	readers.Wait()
	f.expectSettled("a0 1,2 1\na1 1,2 1\na2 1,2 1\na3 1,2 1\nb0 3 1\nb1 3 1\nb2 3 1\nb3 3 1")
	f.expect("SELECT count(*) FROM raw.w3", "2")
}
