// Package fleet simulates an installation of thousands of connections over months
// and holds what the health tracker and the alerts do to what they should.
//
// A script, made from a seed, says what goes wrong when: credentials expire, a
// vendor is away for hours or changes its API for many, a source flaps, another gets
// slower and slower, a region loses its workers, a quota is used up, and syncs fail
// now and then for nothing. From it come the facts that a store would tell, in order,
// on a clock that is not the machine's. The tracker sees only these. The oracle sees
// only the script and what each sync came to; it works out by itself which causes
// deserve a ticket, and until when, and when that is to be closed. The report compares.
//
// Nothing reads a clock or does I/O, and the same options make the same report.
package fleet

import (
	"cmp"
	"fmt"
	"time"

	"github.com/sluicehq/sluice/health"
)

// Options say what is simulated. Zero fields have the defaults below.
type Options struct {
	Days        int // default 90
	Connections int // default 2,000
	Connectors  int // default 20
	Seed        uint64

	Policy health.Policy      // of the tracker
	Tamper func(*health.Fact) // changes facts before the tracker sees them; nil: nobody does
}

// Limits of a simulation.
const (
	minDays, maxDays               = 21, 730
	minConnections, maxConnections = 100, 50_000
	maxConnectors                  = 200
)

// whole returns o with its defaults, or says what is wrong with it.
func (o Options) whole() (Options, error) {
	o.Days, o.Connections = cmp.Or(o.Days, 90), cmp.Or(o.Connections, 2000)
	o.Connectors = cmp.Or(o.Connectors, min(20, max(4, o.Connections/50)))
	switch {
	case o.Days < minDays || o.Days > maxDays:
		return o, fmt.Errorf("days: %d is out of range: choose %d to %d", o.Days, minDays, maxDays)
	case o.Connections < minConnections || o.Connections > maxConnections:
		return o, fmt.Errorf("connections: %d is out of range: choose %d to %d", o.Connections, minConnections, maxConnections)
	case o.Connectors < 4 || o.Connectors > min(maxConnectors, o.Connections/10):
		return o, fmt.Errorf("connectors: %d is out of range: choose 4 to %d for that many connections", o.Connectors, min(maxConnectors, o.Connections/10))
	}
	return o, nil
}

// begin is when simulated time begins: a Monday.
var begin = time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// Run simulates and reports.
func Run(o Options) (*Report, error) {
	o, err := o.whole()
	if err != nil {
		return nil, fmt.Errorf("simulate a fleet: %w", err)
	}
	s := newScript(o)
	d, err := newDriver(o, s)
	if err != nil {
		return nil, fmt.Errorf("simulate a fleet: %w", err)
	}
	w := newWorld(s, d)
	w.run()
	return report(o, s, w, d), nil
}
