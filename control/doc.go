// Package control is what an operator may do: create, change and delete sources,
// destinations and connections, check and discover, sync, pause, cancel, re-sync,
// restore. Every rule is decided here, so that whoever offers these actions (the
// REST API, a command) only translates.
//
// Secrets are split off configurations before anything is stored, sealed, and
// opened only on their way into a connector. Every change is written with its
// audit entry and its event in one transaction. What destroys data is a plan
// first. Errors that a user can cause are *sluice.Error of class Config; where
// fields are at fault their cause is Faults, which names each by its path.
package control
