// Package watch runs the health tracker on the store: it reads what has happened
// from the events, in the order of their ids, tells package health, and keeps what
// follows: health and its history, incidents with their timelines, and, in the
// outbox, what is to leave the house.
//
// All that follows from a batch of events is kept in one transaction, with the
// cursor of the events moved on by compare-and-set. So a crash at any point, or two
// processes that both believe to lead, neither lose nor double anything: whoever
// comes second finds the cursor moved, drops what it has worked out, and begins
// again from what is kept. A lease only spares the others the work.
//
// What people decide goes the same way, in any process (Service.Decide): it loads
// the tracker in its transaction, applies the decision, and moves the revision.
package watch
