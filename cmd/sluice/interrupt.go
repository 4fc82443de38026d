package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupts is what SIGINT and SIGTERM do to a command.
type interrupts struct {
	// now ends with the first signal: for all that has no checkpoint to wait for.
	now context.Context
	// hard ends with the second signal, or with the first one while drainable is
	// false.
	hard context.Context
	// drain is closed by the first signal.
	drain chan struct{}

	drainable atomic.Bool
	stop      func()
}

// grace is how long a command may take to end after it was told to end at once.
// Cutting it short is safe: what is not committed is read again.
const grace = 5 * time.Second

// interrupts listens to signals until stop is called.
func (a *app) interrupts(parent context.Context) *interrupts {
	i := &interrupts{drain: make(chan struct{})}
	var cancelNow, cancelHard context.CancelFunc
	i.hard, cancelHard = context.WithCancel(parent)
	i.now, cancelNow = context.WithCancel(i.hard)
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	i.stop = func() { signal.Stop(signals); cancelNow(); cancelHard() }
	done := i.hard.Done()
	go func() {
		select {
		case <-signals:
		case <-done:
			return
		}
		close(i.drain)
		cancelNow()
		if i.drainable.Load() {
			a.note("Ending at the next checkpoint. Ctrl-C again ends at once.")
			select {
			case <-signals:
			case <-done:
				return
			}
		}
		cancelHard()
		a.endSoon(signals)
	}()
	return i
}

// endSoon ends the process with the next signal, or when it has not ended by
// itself in time.
func (a *app) endSoon(signals <-chan os.Signal) {
	late := time.NewTimer(grace)
	defer late.Stop()
	select {
	case <-signals:
	case <-late.C:
	}
	a.exit(exitInterrupted)
}
