// Package alert decides who is told what, and when: rules over a snapshot of the
// installation, routes to channels, grouping, re-notification, silences. It is a
// reducer: Evaluate takes a plan, a state, a snapshot and an instant, changes the
// state, and returns what is to be sent. It reads no clock, does no I/O, and of the
// same arguments makes the same results; the state is plain data, to be kept as JSON.
//
// A rule holds for a subject (a connection, a region, a worker, a ticket, or a scope
// such as one team's connections). An alert is a rule and a subject. It is pending
// from when the rule holds, fires when it has held for the rule's For, and is resolved
// when it has not held for the rule's Clear: one that comes and goes faster than that
// is one alert. Firing alerts go to the channels of the rule, or of the routes that
// match their labels, and are told in groups, one notification for all of a group.
//
// To each group an alert is told as fired once, then as resolved once, and so on in
// turn, whatever comes between. While a silence or a maintenance window matches an
// alert nothing is told of it; what has changed until it ends is told then.
package alert

import "time"

// A Plan is what people set. It may come from JSON of the same names.
type Plan struct {
	Rules    []Rule    `json:"rules"`
	Routes   []Route   `json:"routes"` // the first that matches counts, and those after it if it says so
	Silences []Silence `json:"silences,omitempty"`
	Channels []string  `json:"channels"` // ids of those that can be sent to
}

// Kind says what a rule looks at.
type Kind string

// The kinds of rules, with what they are about and the settings that they need.
const (
	ConnectionHealth     Kind = "connection_health"      // a connection whose health is one of States
	FreshnessDelayed     Kind = "freshness_delayed"      // a connection past its freshness objective for Age
	FailingCount         Kind = "failing_count"          // a scope of which Above connections fail, or more
	FailingShare         Kind = "failing_share"          // a scope of whose connections the share Above fails, or more
	OldestDelay          Kind = "oldest_delay"           // a scope of which one is delayed for Age
	ErrorBudgetBurn      Kind = "error_budget_burn"      // a scope that loses its Objective's budget Above times too fast
	QueueDepth           Kind = "queue_depth"            // a region in which Above syncs wait, or more
	QueueAge             Kind = "queue_age"              // a region in which a sync has waited for Age
	WorkerLost           Kind = "worker_lost"            // a worker not heard of for Age
	RegionWithoutWorkers Kind = "region_without_workers" // a region with connections or waiting syncs, and no worker
	TicketDue            Kind = "ticket_due"             // an open incident that is due within Age, or overdue
)

// A Rule says what is worth telling. Durations of JSON are nanoseconds.
type Rule struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Kind     Kind          `json:"kind"`
	Disabled bool          `json:"disabled,omitempty"` // its alerts end at once
	Severity string        `json:"severity,omitempty"` // sev1 … sev4; "": the incident's where one is known, else sev3
	For      time.Duration `json:"for,omitempty"`      // how long it must hold
	Clear    time.Duration `json:"clear,omitempty"`    // how long it must not hold
	Filter   Filter        `json:"filter,omitzero"`

	States    []string      `json:"states,omitempty"`    // ConnectionHealth
	Above     float64       `json:"above,omitempty"`     // a number, a share of 0 … 1, or how many times too fast
	AtLeast   int           `json:"at_least,omitempty"`  // FailingShare: that many must fail, too, so that 1 of 1 is no alarm
	Age       time.Duration `json:"age,omitempty"`       //
	By        string        `json:"by,omitempty"`        // scopes: "" all in one | connector | team | region
	Objective float64       `json:"objective,omitempty"` // ErrorBudgetBurn: 0.995 promises 99.5 % of the time
	Window    time.Duration `json:"window,omitempty"`    // ErrorBudgetBurn: over which it is measured, and over a twelfth of it

	Channels []string `json:"channels,omitempty"` // none: as the routes say
}

// A Filter narrows a rule to some connections, and to the workers, queues and
// incidents that have the property; empty fields let everything through.
type Filter struct {
	Connections []string          `json:"connections,omitempty"` // ids
	Connectors  []string          `json:"connectors,omitempty"`
	Teams       []string          `json:"teams,omitempty"`
	Regions     []string          `json:"regions,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"` // all of them
}

// A Matcher compares one label of an alert: kind, rule, severity, team, connector,
// region, connection, destination, subject, or label.x for the connection's own label
// x. It matches if the value is one of Is, in which * stands for any text; with Not, if
// it is none.
type Matcher struct {
	Label string   `json:"label"`
	Is    []string `json:"is"`
	Not   bool     `json:"not,omitempty"`
}

// A Route says which channels are told of alerts that match all of its matchers, and
// in what rhythm.
type Route struct {
	Name     string    `json:"name"` // unique
	Match    []Matcher `json:"match,omitempty"`
	Channels []string  `json:"channels"`
	Continue bool      `json:"continue,omitempty"` // the routes after it are tried, too
	Rhythm
}

// A Rhythm is how a group is told. Zero fields have the defaults below.
type Rhythm struct {
	GroupBy       []string      `json:"group_by,omitempty"`       // labels; alerts alike in all of them are one group. None: rule
	GroupWait     time.Duration `json:"group_wait,omitempty"`     // from a group's first alert to its first notification
	GroupInterval time.Duration `json:"group_interval,omitempty"` // at least between two notifications of a group
	Repeat        time.Duration `json:"repeat,omitempty"`         // after which what still fires is told again; below 0: never
}

// The defaults of a Rhythm.
const (
	DefaultGroupWait     = 30 * time.Second
	DefaultGroupInterval = 5 * time.Minute
	DefaultRepeat        = 4 * time.Hour
)

// A Silence keeps alerts that match all of its matchers from being told, from From
// until Until; with Weekly, only in its hours: a maintenance window.
type Silence struct {
	ID     string    `json:"id"`
	Match  []Matcher `json:"match"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until,omitzero"` // zero: only with Weekly, for good
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"` // who set it
	Weekly *Weekly   `json:"weekly,omitempty"`
}

// A Weekly is hours that come back, as the clocks of a zone show them.
type Weekly struct {
	Days []string `json:"days,omitempty"` // mon … sun, of the beginning; none: every day
	From string   `json:"from"`           // 22:00
	To   string   `json:"to"`             // 04:00; not after From: of the next day
	Zone string   `json:"zone,omitempty"` // IANA name; "": UTC
}
