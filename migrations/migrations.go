// Package migrations holds the schema of the metadata store as the steps that
// lead to it: one folder for each dialect, with the same versions, tables and
// columns in both, which the tests of package store check.
package migrations
