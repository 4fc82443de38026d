// Package scheduler decides when syncs run, and runs them.
//
// A leader, one per database, makes syncs that are due, admits queued ones under
// the limits, and hands them to workers through River. A worker claims a sync by
// compare-and-set, runs it with the pipeline under an epoch and a lease that it
// extends, and records how it ended; what follows from that is decided by pure
// functions: Timing.Next and Blackouts.Until when, Admit what, Decide what then.
//
// One run per connection is kept by the epoch alone (invariant 6): every claim
// takes a new one, the journal checks it in the transaction of each prepare and
// commit, and the destination's ledger in that of each merge. Leases only decide
// how soon a lost run is taken over. docs/scheduler.md has the whole story.
package scheduler
