package alert

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFaultsNameTheFieldAndTheRemedy(t *testing.T) {
	t.Parallel()
	good := func() Plan {
		return Plan{Channels: []string{"mail"}, Rules: []Rule{downRule()}, Routes: []Route{{Name: "all", Channels: []string{"mail"}}},
			Silences: []Silence{{ID: "s", Match: []Matcher{{Label: "team", Is: []string{"a"}}}, From: start, Until: start.Add(time.Hour), Reason: "r"}}}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spoil func(*Plan)
		want  string
	}{
		{func(p *Plan) { p.Rules[0].ID = "" }, "rules[0].id: is missing"},
		{func(p *Plan) { p.Rules = append(p.Rules, p.Rules[0]) }, "rules[1].id: \"rul_1\" is taken"},
		{func(p *Plan) { p.Rules[0].Name = " " }, "rules[0].name: is missing: say"},
		{func(p *Plan) { p.Rules[0].Kind = "x" }, "rules[0].kind: \"x\" is none: choose one of connection_health"},
		{func(p *Plan) { p.Rules[0].States = nil }, "rules[0].states: is missing"},
		{func(p *Plan) { p.Rules[0].States[0] = "dead" }, "rules[0].states[0]: \"dead\" is none: choose one of healthy, degraded"},
		{func(p *Plan) { p.Rules[0].Severity = "high" }, "rules[0].severity: \"high\" is none: choose one of sev1"},
		{func(p *Plan) { p.Rules[0].For = -1 }, "rules[0].for: -1ns is out of range"},
		{func(p *Plan) { p.Rules[0].By = "moon" }, "rules[0].by: \"moon\" is none: choose one of empty, connector"},
		{func(p *Plan) { p.Rules[0].Channels = []string{"x"} }, "rules[0].channels[0]: there is no channel \"x\": make it first"},
		{func(p *Plan) { p.Rules[0].Kind, p.Rules[0].Above = FailingShare, 10 }, "rules[0].above: 10 is more than all: write a share"},
		{func(p *Plan) { p.Rules[0].Kind = QueueDepth }, "rules[0].above: is missing"},
		{func(p *Plan) { p.Rules[0].Kind, p.Rules[0].Objective = ErrorBudgetBurn, 1 }, "rules[0].objective: 1 leaves no budget"},
		{func(p *Plan) { p.Rules[0].Kind, p.Rules[0].Window = ErrorBudgetBurn, time.Minute }, "rules[0].window: 1m0s is too short"},
		{func(p *Plan) { p.Routes[0].Name = "" }, "routes[0].name: is missing"},
		{func(p *Plan) { p.Routes[0].Channels[0] = "y" }, "routes[0].channels[0]: there is no channel"},
		{func(p *Plan) { p.Routes[0].GroupBy = []string{"colour"} }, "routes[0].group_by[0]: \"colour\" is no label of alerts"},
		{func(p *Plan) { p.Routes[0].GroupInterval = -1 }, "routes[0].group_interval: -1ns is out of range"},
		{func(p *Plan) { p.Routes[0].Match = []Matcher{{Label: "team"}} }, "routes[0].match[0].is: is empty"},
		{func(p *Plan) { p.Silences[0].Match = nil }, "silences[0].match: is empty: say which"},
		{func(p *Plan) { p.Silences[0].Reason = "" }, "silences[0].reason: is missing"},
		{func(p *Plan) { p.Silences[0].Until = time.Time{} }, "silences[0].until: is missing: each silence ends"},
		{func(p *Plan) { p.Silences[0].Until = start }, "silences[0].until: is not after from"},
		{func(p *Plan) { p.Silences[0].Weekly = &Weekly{From: "9", To: "10:00"} }, "silences[0].weekly.from: \"9\" is no time of day"},
		{func(p *Plan) { p.Silences[0].Weekly = &Weekly{From: "09:00", To: "10:00", Zone: "Mars"} }, "silences[0].weekly.zone: \"Mars\" is no time zone"},
		{func(p *Plan) { p.Silences[0].Weekly = &Weekly{From: "09:00", To: "10:00", Days: []string{"Monday"}} }, "silences[0].weekly.days[0]: \"Monday\" is no day"},
	} {
		p := good()
		c.spoil(&p)
		_, err := New(p)
		var faults Faults
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	if err := (Silence{ID: "s"}).Check(); err == nil {
		t.Error("an empty silence passes")
	}
	if err := downRule().Check(nil); err != nil {
		t.Error(err)
	}
}

func TestMaintenanceWindows(t *testing.T) {
	t.Parallel()
	night := Silence{ID: "n", Match: []Matcher{{Label: "team", Is: []string{"*"}}}, From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Reason: "r",
		Weekly: &Weekly{Days: []string{"sat"}, From: "22:00", To: "04:00", Zone: "Europe/Berlin"}}
	p, err := New(Plan{Silences: []Silence{night}})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{
		"2026-01-03T20:59:59Z": false, "2026-01-03T21:00:00Z": true, "2026-01-04T02:59:59Z": true, "2026-01-04T03:00:00Z": false,
		"2026-01-04T22:00:00Z": false,                                                             // a Sunday
		"2026-03-28T21:00:00Z": true, "2026-03-29T01:59:59Z": true, "2026-03-29T02:00:00Z": false, // clocks go forward
		"2026-10-24T20:00:00Z": true, "2026-10-25T02:59:59Z": true, "2026-10-25T03:00:00Z": false, // and back
		"2025-12-27T22:00:00Z": false, // before it was set
	} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if _, got := p.muted(map[string]string{"team": "x"}, when); got != want {
			t.Errorf("at %s: %v", at, got)
		}
	}
}

func TestWindowsOfAWholeDay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Pacific/Chatham"}).Draw(t, "zone")
		at := start.Add(time.Duration(rapid.Int64Range(0, 366*24*3600).Draw(t, "second")) * time.Second)
		p, err := New(Plan{Silences: []Silence{{ID: "s", Reason: "r", From: start, Match: []Matcher{{Label: "rule", Is: []string{"*"}}}, Weekly: &Weekly{From: "12:00", To: "12:00", Zone: zone}}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, yes := p.muted(nil, at); !yes {
			t.Fatalf("%v is in no window", at)
		}
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, value string
		want           bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"a*b", "ab", true}, {"a*b", "a", false}, {"ab*ba", "aba", false},
		{"*", "", true}, {"*x*y*", "1x2y3", true}, {"*x*y*", "1y2x3", false}, {"", "", true}, {"", "a", false}, {"a.c", "abc", false},
	} {
		if got := like(c.pattern, c.value); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.value, got)
		}
	}
}
