package duckdb

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/sluicehq/sluice"
)

// What a load adds to a table stays in memory until a checkpoint writes it into the
// file, however few rows it is, and counts against memory_limit. DuckDB makes a
// checkpoint when its log is long enough and a commit finds nobody else writing:
// the rows of a thousand small tables are no long log, and with several loads under
// way somebody always writes. So there is one when they take a share of the limit,
// for which new loads wait until those under way have ended.
const (
	strewnColumn = 16 << 10 // bytes that a column of few rows takes, as measured with DuckDB 1.5
	strewnPart   = 4        // of the limit
	aloneAfter   = 5 * time.Second
	everyone     = math.MaxInt32
)

// strew counts what a load brought to tables, and has it written where that is due.
// Where it cannot be, the limit grows with it.
func (db *database) strew(ctx context.Context, l sluice.Load) {
	db.mu.Lock()
	for _, t := range l.Tables {
		if len(t.Parts) > 0 {
			db.strewn += int64(len(t.Table.Columns)) * strewnColumn
		}
	}
	due := db.strewn >= db.gathers
	db.mu.Unlock()
	if due {
		if err := db.gather(ctx); err != nil {
			slog.Debug("duckdb: rows of small tables stay in memory for now", "error", err)
		}
	}
	db.makeRoom(0)
}

// gather writes what is strewn into the file, once no load is under way. It waits
// for these a while, and then only for more to write.
func (db *database) gather(ctx context.Context) error {
	done, err := db.alone(ctx)
	if err == nil {
		defer done()
	}
	db.mu.Lock()
	due := db.strewn >= db.gathers // else someone else has done it
	db.mu.Unlock()
	if err == nil && due {
		err = db.checkpoint(context.WithoutCancel(ctx)) // which DuckDB does not get over being ended
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if err == nil && due {
		db.strewn = 0
	}
	db.gathers = db.strewn + db.limit/strewnPart
	return err
}

// alone waits for the loads under way to end, but not for long, and keeps others from
// beginning until done is called.
func (db *database) alone(ctx context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, db.patience)
	defer cancel()
	if err := db.writers.Acquire(ctx, everyone); err != nil {
		return nil, err
	}
	if err := db.merging.lock(ctx); err != nil {
		db.writers.Release(everyone)
		return nil, err
	}
	return func() {
		db.merging.unlock()
		db.writers.Release(everyone)
	}, nil
}
