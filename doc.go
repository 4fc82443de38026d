// Package sluice is the vocabulary of the platform: what a source sends, what a
// destination accepts, and what is remembered in between.
//
// Words: a stream is a table or endpoint of a source; a table is where it lands;
// a batch is rows on their way; a checkpoint is a source's promise that a cursor
// covers every batch sent before it; a window is the batches between two
// commits; a segment is the rows of one window and table, staged in the
// destination; a load is the segments of a window, made visible together; the
// ledger is what the destination itself remembers of loads; an epoch is the
// fencing number of a run.
package sluice
