// Package connectors lists the sources that are built in. A new one is a folder
// beside this file and a line in it.
package connectors

import (
	"github.com/sluicehq/sluice/connectors/file"
	"github.com/sluicehq/sluice/connectors/github"
	"github.com/sluicehq/sluice/connectors/postgres"
	"github.com/sluicehq/sluice/connectors/shop"
	"github.com/sluicehq/sluice/spec"
)

// Builtin returns every built-in connector, by name.
func Builtin() []spec.Connector {
	return []spec.Connector{
		file.Connector(),
		github.Connector(),
		postgres.Connector(),
		shop.Connector(),
	}
}
