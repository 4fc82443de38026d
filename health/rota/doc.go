// Package rota says who is on call, now and at any other time: a pure function of
// a plan and an instant. It reads no clock.
//
// A plan has levels: the first is called first, the ones above when nobody
// acknowledges, managers last. Each level has layers; of the layers that are open
// at an instant, the first counts. A layer has people who take turns, a day or a
// week (or several) each, handing over at a time of day in the layer's zone, and
// hours in which it is open. So the sun is followed: one layer for each part of the
// world, open in its daytime, with a layer that is always open below them.
//
// Who is on a holiday, a day in their own zone, is stood in for by the next of the
// layer who is not, and where all of them are off, by the next layer. Overrides
// come before all that.
//
// A level that promises full cover has somebody at every instant from the start of
// its first layer on: where nobody is left, holidays are worked, and where no layer
// is open, the first one that has started stays on.
//
// Times of day are those that clocks on the wall show. One that a change of the
// clocks skips is the instant of the change; one that comes twice is the first.
package rota

import "time"

// A Plan is what people write. It may come from JSON or YAML of the same names.
type Plan struct {
	People    []Person   `json:"people" yaml:"people"`
	Levels    []Level    `json:"levels" yaml:"levels"` // the first is called first
	Overrides []Override `json:"overrides,omitempty" yaml:"overrides,omitempty"`
	Holidays  []Holiday  `json:"holidays,omitempty" yaml:"holidays,omitempty"`
}

// A Person can be on call.
type Person struct {
	ID   string `json:"id" yaml:"id"`
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	Zone string `json:"zone" yaml:"zone"` // where their days begin and end: Europe/Berlin
}

// A Level is one step of the escalation: at most one person of it is on call.
type Level struct {
	Name      string  `json:"name" yaml:"name"`
	FullCover bool    `json:"full_cover,omitempty" yaml:"full_cover,omitempty"` // somebody at every instant
	Layers    []Layer `json:"layers" yaml:"layers"`                             // the first that is open counts
}

// A Layer is people who take turns.
type Layer struct {
	Name     string   `json:"name" yaml:"name"`
	Zone     string   `json:"zone" yaml:"zone"`                       // of all its times
	People   []string `json:"people" yaml:"people"`                   // ids, in order; one may come several times
	Start    string   `json:"start" yaml:"start"`                     // the first turn's day: 2026-01-05. Nobody before
	Handover string   `json:"handover" yaml:"handover"`               // when turns begin and end: 09:00
	Turn     Turn     `json:"turn" yaml:"turn"`                       // how long one lasts
	Every    int      `json:"every,omitempty" yaml:"every,omitempty"` // that many days or weeks; 0 is 1
	Hours    []Hours  `json:"hours,omitempty" yaml:"hours,omitempty"` // when it is open; none: always
}

// Turn is the unit of turns: Daily or Weekly. Weekly ones begin on the weekday of
// the layer's Start.
type Turn string

// The units of turns.
const (
	Daily  Turn = "daily"
	Weekly Turn = "weekly"
)

// Hours are a part of each week. Where To is not after From, they end on the next
// day; where both are the same, they are 24 hours.
type Hours struct {
	Days []string `json:"days,omitempty" yaml:"days,omitempty"` // mon … sun, on which they begin; none: all
	From string   `json:"from" yaml:"from"`                     // 08:00
	To   string   `json:"to" yaml:"to"`                         // 17:00, or 24:00
}

// An Override puts a person in a level's place from one instant to another, the
// latter excluded. Of several at once, the last in the plan counts.
type Override struct {
	Level  string    `json:"level" yaml:"level"`
	Person string    `json:"person" yaml:"person"`
	From   time.Time `json:"from" yaml:"from"`
	To     time.Time `json:"to" yaml:"to"`
	Reason string    `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// A Holiday is days off, whole days in the zone of each of its people. Days without
// a year, such as 12-25, come each year; 02-29 in leap years only.
type Holiday struct {
	Name   string   `json:"name" yaml:"name"`
	People []string `json:"people,omitempty" yaml:"people,omitempty"` // none: all
	First  string   `json:"first" yaml:"first"`                       // 2026-12-24, or 12-24
	Last   string   `json:"last,omitempty" yaml:"last,omitempty"`     // included; left out: First
}

// Why says how somebody came to be on call.
type Why string

// The reasons.
const (
	Nobody     Why = ""           // nobody is on call
	InTurn     Why = "turn"       // it is their turn
	Substitute Why = "substitute" // whose turn it is has a holiday
	Overriding Why = "override"
	Covering   Why = "cover" // outside of the layer's hours, or on a holiday: full cover is promised
)

// A Duty is who is on call in a level at an instant.
type Duty struct {
	Level  string `json:"level"`
	Layer  string `json:"layer,omitempty"` // empty for overrides
	Person string `json:"person,omitempty"`
	Why    Why    `json:"why,omitempty"`
}

// A Shift is a Duty with its time, To excluded.
type Shift struct {
	Duty
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}
