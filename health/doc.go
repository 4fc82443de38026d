// Package health knows how every connection is, groups failures by their cause, and
// decides which tickets are filed, commented, closed and reopened.
//
// It is pure: a Tracker is the world in memory, told of facts (a sync failed, a
// connection was paused, time has passed) and of people's decisions (acknowledge,
// merge, split). It answers with effects: what has changed, for the timeline, and
// what is to leave the house. It does no I/O, reads no clock, and what it answers
// depends on nothing but the facts and their order; a fact that it has seen already
// (by its Seq) has no effect. Package health/watch feeds it from the store and keeps
// what it says; health/fleet drives it over a simulated fleet.
//
// # Words
//
// A connection fails from its first failed sync until its next success; only
// time in which it was not paused counts. It is down when it has failed for
// longer than its threshold. The cause of a failure is what connections share
// that fail for the same reason; its key is the incident's. An incident gathers
// all connections with its cause; it is filed, once, when one of them is down.
package health
