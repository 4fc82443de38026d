package scheduler

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/sluicehq/sluice"
)

// A Ticket says that a sync was admitted: some worker of its region may claim it.
// It may be lost, doubled or come late; only the claim counts.
type Ticket struct {
	Sync  string `json:"sync"`
	Place int    `json:"place"` // how often the sync was admitted, from 1
}

// Kind implements river.JobArgs.
func (Ticket) Kind() string { return "sync" }

// A Queue carries tickets from the leader to workers. It is safe for concurrent
// use.
type Queue interface {
	// Put hands over tickets to the workers of a region.
	Put(ctx context.Context, region string, tickets []Ticket) error
	// Start takes tickets of a region from now on, and calls work for each, at most
	// places at once. The context of work never ends.
	Start(ctx context.Context, region string, places int, work func(context.Context, Ticket)) error
	// Stop takes no more tickets and waits until every call of work has returned,
	// or ctx ends. It may be repeated.
	Stop(ctx context.Context) error
	// Close frees everything. Stop must have been called where Start was.
	Close() error
}

// Times of River's loops. Tickets come by notification; polls are for those lost.
const (
	fetchCooldown = 10 * time.Millisecond
	fetchPoll     = time.Second
	keepTickets   = 10 * time.Minute // that were used
	stuckTickets  = 24 * time.Hour   // whose worker was killed
)

// OpenQueue opens River's tables at url, which is that of the store: a PostgreSQL
// database is shared with it; beside an SQLite file `x.db` the queue has one of
// its own, `x-queue.db`, so that neither waits for the other's writers. That file
// may be lost: the leader admits again what nobody claims.
func OpenQueue(ctx context.Context, url string, log *slog.Logger) (Queue, error) {
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return openSQLite(ctx, queueFile(path), log)
	}
	return openPostgres(ctx, url, log)
}

func queueFile(path string) string {
	path, _, _ = strings.Cut(path, "?")
	if base, ok := strings.CutSuffix(path, ".db"); ok {
		return base + "-queue.db"
	}
	return path + "-queue.db"
}

func openSQLite(ctx context.Context, path string, log *slog.Logger) (Queue, error) {
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, queueError(err)
	}
	db.SetMaxOpenConns(1)
	driver := riversqlite.New(db)
	if err := migrate(ctx, driver, log); err != nil {
		return nil, errors.Join(queueError(err), db.Close())
	}
	return newQueue(driver, log, db.Close)
}

func openPostgres(ctx context.Context, url string, log *slog.Logger) (Queue, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, queueError(errors.New("the URL cannot be read")) // its text may hold a password
	}
	config.MaxConns = 6
	config.ConnConfig.RuntimeParams["application_name"] = "sluice queue"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, queueError(err)
	}
	driver := riverpgxv5.New(pool)
	if err := migrateLocked(ctx, pool, driver, log); err != nil {
		pool.Close()
		return nil, queueError(err)
	}
	return newQueue(driver, log, func() error { pool.Close(); return nil })
}

// migrateLocked lets one process at a time migrate.
func migrateLocked(ctx context.Context, pool *pgxpool.Pool, driver riverdriver.Driver[pgx.Tx], log *slog.Logger) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	const lock = "SELECT pg_advisory_lock(hashtextextended('sluice queue', 0))"
	if _, err := conn.Exec(ctx, lock); err != nil {
		return err
	}
	err = migrate(ctx, driver, log)
	_, uerr := conn.Exec(ctx, strings.Replace(lock, "advisory_lock", "advisory_unlock", 1))
	return errors.Join(err, uerr)
}

func migrate[Tx any](ctx context.Context, driver riverdriver.Driver[Tx], log *slog.Logger) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: riverLog(log)})
	if err == nil {
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func queueError(err error) error {
	return &sluice.Error{Class: sluice.Transient, Code: "queue_unavailable", Op: "open the queue", Err: err,
		Hint: "see whether the database of the platform is up, its disk has space, and its user may create tables"}
}

// riverQueue is River on one of its drivers.
type riverQueue[Tx any] struct {
	driver riverdriver.Driver[Tx]
	log    *slog.Logger
	close  func() error

	mu    sync.Mutex
	puts  *river.Client[Tx]
	works *river.Client[Tx] // nil before Start
}

func newQueue[Tx any](driver riverdriver.Driver[Tx], log *slog.Logger, closeDB func() error) (Queue, error) {
	q := &riverQueue[Tx]{driver: driver, log: riverLog(log), close: closeDB}
	var err error
	if q.puts, err = river.NewClient(driver, q.config()); err != nil {
		return nil, errors.Join(queueError(err), closeDB())
	}
	return q, nil
}

// riverLog keeps what River tells of its own affairs out of the log: only
// warnings are the operator's.
func riverLog(log *slog.Logger) *slog.Logger { return slog.New(atLeast{log.Handler(), slog.LevelWarn}) }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}
func (h atLeast) WithAttrs(a []slog.Attr) slog.Handler {
	return atLeast{h.Handler.WithAttrs(a), h.level}
}
func (h atLeast) WithGroup(n string) slog.Handler { return atLeast{h.Handler.WithGroup(n), h.level} }

func (q *riverQueue[Tx]) config() *river.Config {
	return &river.Config{Logger: q.log, MaxAttempts: 1, JobTimeout: -1, RescueStuckJobsAfter: stuckTickets,
		FetchCooldown: fetchCooldown, FetchPollInterval: fetchPoll, SkipUnknownJobCheck: true,
		CompletedJobRetentionPeriod: keepTickets, CancelledJobRetentionPeriod: keepTickets, DiscardedJobRetentionPeriod: keepTickets}
}

// ticketWorker lets River call a function.
type ticketWorker struct {
	river.WorkerDefaults[Ticket]
	work func(context.Context, Ticket)
}

// Work implements river.Worker. Whatever became of the sync, the ticket is used.
func (w *ticketWorker) Work(ctx context.Context, job *river.Job[Ticket]) error {
	w.work(ctx, job.Args)
	return nil
}

// Start implements Queue.
func (q *riverQueue[Tx]) Start(ctx context.Context, region string, places int, work func(context.Context, Ticket)) error {
	config := q.config()
	config.Workers = river.NewWorkers()
	river.AddWorker(config.Workers, &ticketWorker{work: work})
	config.Queues = map[string]river.QueueConfig{queueName(region): {MaxWorkers: places}}
	client, err := river.NewClient(q.driver, config)
	if err != nil {
		return fmt.Errorf("take tickets: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("take tickets: %w", err)
	}
	// Where River cannot listen, it hears of what its own client puts.
	q.mu.Lock()
	defer q.mu.Unlock()
	q.works, q.puts = client, client
	return nil
}

// Stop implements Queue.
func (q *riverQueue[Tx]) Stop(ctx context.Context) error {
	q.mu.Lock()
	client := q.works
	q.mu.Unlock()
	if client == nil {
		return nil
	}
	return client.Stop(ctx)
}

// Close implements Queue.
func (q *riverQueue[Tx]) Close() error { return q.close() }

// Put implements Queue.
func (q *riverQueue[Tx]) Put(ctx context.Context, region string, tickets []Ticket) error {
	if len(tickets) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(tickets))
	for i, t := range tickets {
		params[i] = river.InsertManyParams{Args: t, InsertOpts: &river.InsertOpts{Queue: queueName(region)}}
	}
	q.mu.Lock()
	client := q.puts
	q.mu.Unlock()
	// Not InsertManyFast: on SQLite, v0.31.0 panics after it (it looks for the
	// queue of jobs that it did not return).
	if _, err := client.InsertMany(ctx, params); err != nil {
		return fmt.Errorf("hand over %d syncs to region %s: %w", len(tickets), region, err)
	}
	return nil
}

var notInQueueNames = regexp.MustCompile(`[^a-zA-Z0-9]+`)

// queueName returns the name of a region's queue: River allows letters, digits,
// and single signs between them, 128 in all. Where a region's name must be
// changed for that, a hash keeps it apart from others.
func queueName(region string) string {
	name := strings.Trim(notInQueueNames.ReplaceAllString(region, "-"), "-")
	name = name[:min(len(name), 80)]
	if name != region {
		name = fmt.Sprintf("%s-%x", name, sha256.Sum256([]byte(region)))[:len(name)+17]
	}
	return "region_" + strings.TrimLeft(name, "-")
}
