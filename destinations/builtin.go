// Package destinations lists the destinations that are built in. A new one is a
// folder beside this file and a line in it.
package destinations

import (
	"github.com/sluicehq/sluice/destinations/duckdb"
	"github.com/sluicehq/sluice/destinations/postgres"
	"github.com/sluicehq/sluice/spec"
)

// Builtin returns every built-in destination, by name.
func Builtin() []spec.Destination {
	return []spec.Destination{
		duckdb.Destination(),
		postgres.Destination(),
	}
}
