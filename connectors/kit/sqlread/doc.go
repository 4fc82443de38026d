// Package sqlread is what sources that read SQL databases share: which tables
// the user means, and how a large table is read in stretches by several readers
// and carried on after a kill.
package sqlread
