package health

import "github.com/sluicehq/sluice"

// A Cause is what failures have in common that have the same reason: the failure
// without what differs from one connection to the next.
type Cause struct {
	Side     Side         `json:"side"`
	Maker    string       `json:"maker"` // the connector, or the kind of destination, by Side
	Version  string       `json:"version,omitempty"`
	Code     string       `json:"code"`
	Class    sluice.Class `json:"class"`
	Stream   string       `json:"stream,omitempty"` // "" where the class is not about a stream
	Op       string       `json:"op,omitempty"`
	Template string       `json:"template"`
}
