package scheduler

import (
	"context"
	"log/slog"
	"time"

	"github.com/sluicehq/sluice/internal/mask"
	"github.com/sluicehq/sluice/pipeline/transact"
	"github.com/sluicehq/sluice/store"
)

// At lets a test see, and end, a worker at each of its own steps.
func (w *Worker) At(step func(string) error) { w.at = step }

// Journals lets a test come between the engine and its journal.
func (w *Worker) Journals(wrap func(transact.Journal) transact.Journal) { w.journals = wrap }

// Work is what a worker does with a ticket.
func (w *Worker) Work(t Ticket) { w.work(context.Background(), t) }

// Usurp makes the leader believe to hold the lease, as one does that was frozen.
func (l *Leader) Usurp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leading, l.asked = true, l.Store.Now()
	l.until = l.asked.Add(l.Lease)
}

// SyncLog is the log of a sync, whose lines Take returns.
type SyncLog struct{ log *syncLog }

func NewSyncLog(secrets *mask.Masker) (*SyncLog, *slog.Logger) {
	l := &syncLog{secrets: secrets, now: time.Now}
	return &SyncLog{l}, l.logger()
}

func (l *SyncLog) Take() []store.LogLine { return l.log.take() }

var QueueFile, QueueName = queueFile, queueName
