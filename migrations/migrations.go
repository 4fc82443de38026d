// Package migrations holds the schema of the metadata store as the steps that
// lead to it: one folder for each dialect, with the same versions, tables and
// columns in both, which the tests of package store check. A step that was released is
// never changed; what is wrong with it is put right by the next one.
package migrations

import (
	"embed"
	"io/fs"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Of returns the steps of a dialect, "sqlite" or "postgres", for goose.
func Of(dialect string) (fs.FS, error) { return fs.Sub(files, dialect) }
