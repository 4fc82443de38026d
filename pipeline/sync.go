// Package pipeline moves rows from a source to a destination:
//
//	read → normalize → seal at a checkpoint → evolve schema → stage → prepare → merge → commit → ack
//
// extract plans what is read, normalize gives rows their shape, stage holds them
// under the memory budget, transact makes them visible; this package holds the
// steps together. docs/architecture.md draws the picture, docs/invariants.md
// lists what is promised.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
	"github.com/sluicehq/sluice/pipeline/stage"
	"github.com/sluicehq/sluice/pipeline/transact"
)

// Drift says what a stream may change in the destination once its table exists.
type Drift string

// The policies of schema drift.
const (
	AllowAll     Drift = "allow_all"     // new streams and columns come in
	AllowColumns Drift = "allow_columns" // new columns come in
	BlockAll     Drift = "block_all"     // a change stops its stream, class blocked
)

// A Stream is one stream of a sync and how it lands.
type Stream struct {
	Selection    sluice.Selection
	Table        sluice.TableName // a destination name
	Mode         sluice.WriteMode
	DefaultMode  bool // nobody chose Mode: it goes by how the stream is read and whether it has a key
	NestedTables bool // objects are flattened, arrays become child tables
	SourceNames  bool // column names are kept verbatim
	Drift        Drift
	Refused      []Refusal // changes that must not come in
	Resync       bool      // start a new full read, whatever the state
	Mask         Mask      // columns that are left out or hashed
}

// A Refusal is a change of a stream's tables that someone rejected. Columns that it
// adds are left out of the rows, and the stream goes on; any other change holds the
// stream up.
type Refusal struct {
	Changes []sluice.Change // of the stream's own table
	Nested  bool            // it is of tables of nested arrays, whichever
	By      string          // who rejected it, as people know them
	At      time.Time
}

// refused returns the columns that refusals leave out of the rows.
func (s *Stream) refused() (columns []string) {
	for _, r := range s.Refused {
		for _, c := range r.Changes {
			if c.Add != nil {
				columns = append(columns, c.Add.Name)
			}
		}
	}
	return columns
}

// Mask takes columns out of a stream's rows and hashes others, before anything
// else sees them.
type Mask = normalize.Mask

// Limits bound a sync. Zero fields take the defaults.
type Limits struct {
	Streams      int                              // streams read at once; default 4
	Parts        int                              // parts of one stream read at once; default half the processors, from 1 to 4
	MemoryBytes  int64                            // of rows in memory, in this process; default 24 MiB
	WindowBytes  int64                            // a window is sealed at the first checkpoint past it; default the destination's wish, or 32 MiB
	WindowRows   int64                            // likewise; default 2,000,000
	WindowTime   time.Duration                    // likewise; default 15 s
	SpillDir     string                           // default: the system's temporary folder
	MaxRejected  int64                            // rejected records that end the sync; default 10,000
	Tries        int                              // tries in a row that fail before any cursor moves; default 5
	Stall        time.Duration                    // without any progress until a read is ended and tried again; default 30 min
	DrainTimeout time.Duration                    // from Drain to the end of reads without a checkpoint; default 8 s
	Backoff      func(failures int) time.Duration // pause after the n-th failure in a row, from 1; default Backoff
}

// Config is what a Sync needs.
type Config struct {
	Connection  string
	Owner       string // see sluice.Run
	Run         string // id of the run
	Epoch       int64  // 0: the destination's ledger gives it
	Open        func(ctx context.Context) (sluice.Source, error)
	Destination sluice.Destination
	Journal     transact.Journal // nil: transact.LedgerOnly
	Streams     []Stream
	Limits      Limits
	Observe     func(Event)      // may be nil; called from several goroutines at once, and must return soon
	Drain       <-chan struct{}  // when closed, streams end at their next checkpoint; may be nil
	Now         func() time.Time // nil: time.Now
}

// A Sync is one run of a connection.
type Sync struct {
	Config
	budget   *stage.Budget
	streams  []*streamRun
	clock    clock
	seq      atomic.Int64
	epoch    int64 // of the round before; 0: none
	rejected atomic.Int64
	moved    atomic.Int64 // cursors that moved, and reads that were completed

	claims sync.Mutex
	owners map[sluice.TableName]*streamRun // of tables, by the names that the destination tells apart
}

// ErrInterrupted is returned by Run when Drain ended it: all that was committed
// stays, and the next run goes on from there.
var ErrInterrupted = errors.New("interrupted at a checkpoint")

// New returns a Sync that is ready to Run once.
func New(c Config) *Sync {
	c.Limits.setDefaults(c.Destination.Traits())
	if c.Journal == nil {
		c.Journal = transact.LedgerOnly{}
	}
	if c.Observe == nil {
		c.Observe = func(Event) {}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Sync{Config: c, budget: stage.NewBudget(c.Limits.MemoryBytes), clock: clock{now: c.Now}, epoch: c.Epoch, owners: map[sluice.TableName]*streamRun{}}
	for i := range c.Streams {
		st := newStreamRun(s, &c.Streams[i])
		s.streams = append(s.streams, st)
		if name := s.distinct(st.spec.Table); s.owners[name] == nil {
			s.owners[name] = st
		}
	}
	return s
}

// distinct returns the form of a name that is the same for names that the
// destination does not tell apart.
func (s *Sync) distinct(name sluice.TableName) sluice.TableName {
	if s.Destination.Traits().IgnoresCase {
		return sluice.TableName{Schema: normalize.FoldCase(name.Schema), Name: normalize.FoldCase(name.Name)}
	}
	return name
}

// claim gives the table to the stream, which fails where another one has it: a
// table of something nested may be named like a stream's.
func (s *Sync) claim(st *streamRun, name sluice.TableName) error {
	s.claims.Lock()
	defer s.claims.Unlock()
	key := s.distinct(name)
	owner := s.owners[key]
	if owner == nil {
		s.owners[key] = st
		return nil
	}
	if owner == st {
		return nil
	}
	err := sluice.Errorf(sluice.Config, "name_collision", "choose tables", "give one of the streams a table of its own with `table:`",
		"streams %s and %s would both fill table %s", owner.spec.Selection.Stream.Name, st.spec.Selection.Stream.Name, name)
	err.Stream = st.spec.Selection.Stream.Name
	return err
}

func (l *Limits) setDefaults(t sluice.Traits) {
	l.Streams = orDefault(l.Streams, 4)
	// Two cores are busy with one reader and one writer: a second reader would only
	// take turns with them.
	l.Parts = orDefault(l.Parts, min(max(runtime.NumCPU()/2, 1), 4))
	l.MemoryBytes = orDefault(l.MemoryBytes, 24<<20)
	l.WindowBytes = orDefault(l.WindowBytes, orDefault(t.WindowBytes, 32<<20))
	l.WindowRows = orDefault(l.WindowRows, 2_000_000)
	l.WindowTime = orDefault(l.WindowTime, 15*time.Second)
	l.MaxRejected = orDefault(l.MaxRejected, 10_000)
	l.Tries = orDefault(l.Tries, 5)
	l.Stall = orDefault(l.Stall, 30*time.Minute)
	l.DrainTimeout = orDefault(l.DrainTimeout, 8*time.Second)
	if l.Backoff == nil {
		l.Backoff = Backoff
	}
}

func orDefault[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Backoff returns the pause after the n-th failure in a row: 10 s × 3ⁿ⁻¹, at most
// 30 minutes, with full jitter.
func Backoff(failures int) time.Duration {
	limit := 10 * time.Second
	for range min(failures-1, 10) {
		limit *= 3
	}
	return rand.N(min(limit, 30*time.Minute))
}

// Progress returns every stream's counters now. It may be called at any time.
func (s *Sync) Progress() []Progress {
	all := make([]Progress, len(s.streams))
	for i, st := range s.streams {
		all[i] = st.meter.snapshot()
	}
	return all
}

// Rejected returns how many records were rejected so far.
func (s *Sync) Rejected() int64 { return s.rejected.Load() }

// PeakBytes returns the most bytes of rows that were in memory at once.
func (s *Sync) PeakBytes() int64 {
	_, peak := s.budget.Used()
	return peak
}

// Run brings the destination up to date. Killed at any instant, the next Run
// finishes what was prepared and reads again what was not (invariant 7). Streams
// that fail for a passing reason are tried again; one stream's failure does not
// stop the others. It returns nil when every stream is up to date, ErrInterrupted
// after Drain, and else the failures joined; Progress tells them apart.
func (s *Sync) Run(ctx context.Context) (err error) {
	ctx, span := tracer.Start(ctx, "sync", trace.WithAttributes(attribute.String("sluice.connection", s.Connection), attribute.String("sluice.run", s.Config.Run)))
	defer func() { endSpan(span, err) }()
	for p := (patience{}); ; {
		before := s.moved.Load()
		err := s.round(ctx)
		if s.moved.Load() > before {
			p = patience{}
		}
		wait, again := s.next(ctx, err, &p)
		if !again {
			return s.outcome(ctx, err)
		}
		if !s.pause(ctx, wait) {
			return s.outcome(ctx, nil)
		}
	}
}

// round tries every stream that is not settled yet, once. Its error is one that
// concerns them all.
func (s *Sync) round(ctx context.Context) error {
	pending, err := s.Journal.Pending(ctx)
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	// A further round keeps the epoch of the first: another run that has taken
	// over since then must not be fenced by a try of this one.
	run := sluice.Run{Connection: s.Connection, Owner: s.Owner, ID: s.Config.Run, Epoch: s.epoch}
	for _, m := range pending {
		s.passSeq(m.Seq)
		run.Pending = append(run.Pending, m.ID)
		for _, p := range m.Positions {
			run.Refreshes = append(run.Refreshes, p.Refresh)
		}
	}
	ledger, err := s.begin(ctx, run)
	if err != nil {
		return err
	}
	s.epoch = ledger.Epoch
	s.clock.pass(ledger.Positions)
	for _, p := range ledger.Positions {
		s.passSeq(p.Seq)
	}
	for _, st := range s.streams {
		st.completed(ledger.Positions)
	}
	source, err := s.Open(ctx)
	if err != nil {
		return fmt.Errorf("open the source: %w", err)
	}
	err = s.read(ctx, source, ledger)
	if cerr := source.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("close the source: %w", cerr)
	}
	return err
}

// begin takes the epoch and finishes what was prepared before, so that the
// ledger it returns holds everything that counts.
func (s *Sync) begin(ctx context.Context, run sluice.Run) (sluice.Ledger, error) {
	ledger, err := s.Destination.Begin(ctx, run)
	if err != nil {
		return ledger, fmt.Errorf("open the ledger: %w", err)
	}
	if len(run.Pending) == 0 {
		return ledger, nil
	}
	if err := transact.Recover(ctx, s.Destination, s.Journal, ledger.Epoch); err != nil {
		return ledger, fmt.Errorf("finish the run before: %w", err)
	}
	before := ledger.Positions
	run.Epoch, run.Pending, run.Refreshes = ledger.Epoch, nil, nil
	if ledger, err = s.Destination.Begin(ctx, run); err != nil {
		return ledger, fmt.Errorf("open the ledger: %w", err)
	}
	for _, st := range s.streams {
		st.recovered(before, ledger.Positions)
	}
	return ledger, nil
}

// read reads all unsettled streams, at most Limits.Streams at once.
func (s *Sync) read(ctx context.Context, source sluice.Source, ledger sluice.Ledger) error {
	if err := ack(ctx, source, committed(ledger.Positions)); err != nil {
		return err
	}
	byStream := map[sluice.TableName][]sluice.Position{} // the shared log's have no name
	for _, p := range ledger.Positions {
		byStream[p.Lane.Stream] = append(byStream[p.Lane.Stream], p)
	}
	places := make(chan struct{}, s.Limits.Streams)
	pool := make(chan struct{}, max(1, s.Destination.Traits().StageParallel))
	var wg sync.WaitGroup
	for _, streams := range s.groups() {
		g := newGroup(s, source, ledger.Epoch, positionsOf(streams, byStream), streams, pool)
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		case <-s.Drain:
		}
		if ctx.Err() != nil || s.draining() {
			break
		}
		wg.Go(func() {
			defer func() { <-places }()
			g.run(ctx)
		})
	}
	wg.Wait()
	return nil //nolint:nilerr // that ctx ended is for outcome to say
}

// positionsOf returns the positions of streams that are read together: each
// group works with its own only, since a ledger may hold thousands.
func positionsOf(streams []*streamRun, byStream map[sluice.TableName][]sluice.Position) []sluice.Position {
	positions := slices.Clone(byStream[sluice.SharedLane.Stream])
	for _, st := range streams {
		positions = append(positions, byStream[st.spec.Selection.Stream.Name]...)
	}
	return positions
}

// maxBundle is how many small streams are read together, at most.
const maxBundle = 16

// groups returns the streams that are not settled, together where one Read reads
// them: those that share a log, and small ones, shared out among all places.
func (s *Sync) groups() [][]*streamRun {
	var groups [][]*streamRun
	var log, small []*streamRun
	for _, st := range s.streams {
		switch {
		case st.settled():
		case st.spec.Selection.Mode == sluice.CDC:
			log = append(log, st)
		case st.small():
			small = append(small, st)
		default:
			groups = append(groups, []*streamRun{st})
		}
	}
	if len(log) > 0 {
		groups = append(groups, log)
	}
	return slices.AppendSeq(groups, slices.Chunk(small, min(max((len(small)+s.Limits.Streams-1)/s.Limits.Streams, 1), maxBundle)))
}

func (s *Sync) draining() bool {
	select {
	case <-s.Drain:
		return true
	default:
		return false
	}
}

func (s *Sync) nextLoad(epoch int64) sluice.LoadID {
	return sluice.LoadID(fmt.Sprintf("%s/%d/%d", s.Connection, epoch, s.seq.Add(1)))
}

// passSeq makes the numbers of all further loads larger than that of one in the
// ledger or the journal, which may be of this epoch.
func (s *Sync) passSeq(seq int64) {
	for have := s.seq.Load(); have < seq && !s.seq.CompareAndSwap(have, seq); have = s.seq.Load() {
	}
}

// committed returns the state that positions hold.
func committed(positions []sluice.Position) sluice.State {
	state := sluice.State{}
	for _, p := range positions {
		if p.Cursor != nil {
			state[p.Lane] = slices.Clone(p.Cursor)
		}
	}
	return state
}

// ack lets the source free what is durable. It is repeated at every start: a
// kill between commit and ack leaves it owed, and with no further rows it would
// be owed for ever (invariant 2).
func ack(ctx context.Context, source sluice.Source, state sluice.State) error {
	a, ok := source.(sluice.Acker)
	if !ok || len(state) == 0 {
		return nil
	}
	if err := a.Ack(ctx, state); err != nil {
		return fmt.Errorf("acknowledge the committed state: %w", err)
	}
	return nil
}
