package health_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

func TestStates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := "con_a"
	w.observe(health.Fact{Kind: health.Seen, Subject: subject(id, "shop")})
	w.wantHealth(id, health.Unmeasured)
	w.ok(id)
	w.wantHealth(id, health.Healthy)
	w.observe(health.Fact{Kind: health.Delayed, Connection: id})
	w.wantHealth(id, health.Degraded)
	w.pass(100 * time.Hour)
	w.wantHealth(id, health.Degraded) // late, but it does not fail
	w.observe(health.Fact{Kind: health.OnTime, Connection: id})
	w.wantHealth(id, health.Healthy)
	w.observe(health.Fact{Kind: health.Delayed, Connection: id})
	w.ok(id)
	w.wantHealth(id, health.Healthy)
	w.pass(7 * time.Hour)
	w.fail(away, id)
	w.wantHealth(id, health.Degraded)
	w.fail(refused, id)
	w.wantHealth(id, health.NeedsAction)
	w.pass(48*time.Hour - time.Second)
	w.wantHealth(id, health.NeedsAction)
	w.pass(time.Second)
	w.wantHealth(id, health.Down)
	w.observe(health.Fact{Kind: health.Paused, Connection: id})
	w.wantHealth(id, health.Unmeasured)
	w.observe(health.Fact{Kind: health.Resumed, Connection: id})
	w.wantHealth(id, health.Healthy) // until it is known better
	w.fail(away, id)
	w.wantHealth(id, health.Degraded) // the clock began anew
}

func TestTheSetUpIsCheckedBetweenSyncs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 2)
	w.observe(health.Fact{Kind: health.SetupBad, Endpoint: "src_" + ids[0], Reason: "the token was refused"})
	w.wantHealth(ids[0], health.NeedsAction)
	w.wantHealth(ids[1], health.Healthy)
	if c, _ := w.Connection(ids[0]); !strings.Contains(c.Reason, "the token was refused") {
		t.Errorf("the reason does not say why: %q", c.Reason)
	}
	w.observe(health.Fact{Kind: health.SetupGood, Endpoint: "src_" + ids[0]})
	w.wantHealth(ids[0], health.Healthy)
	w.observe(health.Fact{Kind: health.SetupBad, Endpoint: "dst_" + ids[1], Reason: "no such database"})
	w.wantHealth(ids[1], health.NeedsAction)
	w.ok(ids[1]) // it works after all
	w.wantHealth(ids[1], health.Healthy)
}

func TestAStreamThatWaitsForApprovalIsAnOpenFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	blocked := health.Failure{Class: sluice.Blocked, Code: "schema_change_blocked", Stream: "orders", Message: "a column was added", Approval: true}
	w.observe(health.Fact{Kind: health.Succeeded, Connection: id, Failure: &blocked})
	w.wantHealth(id, health.NeedsAction)
	if c, _ := w.Connection(id); !c.LastSuccess.Equal(w.now) || c.Incident == "" {
		t.Errorf("%+v", c)
	}
	w.ok(id)
	w.wantHealth(id, health.Healthy)
}

// The story of one connection: no ticket before the threshold, one after it,
// comments, its end after two successes with the downtime, and its return.
func TestTheStoryOfATicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	opened := w.fail(refused, id)
	if have := kinds(opened); have != "opened" {
		t.Errorf("the first failure: %s", have)
	}
	w.every(6*time.Hour, 42*time.Hour, func() { w.fail(refused, id) })
	if n := count(w.all, health.FileTicket); n != 0 {
		t.Fatalf("%d tickets before the threshold", n)
	}
	effects := w.pass(6 * time.Hour)
	filed := one(t, effects, health.FileTicket)
	if !filed.At.Equal(begin.Add(48*time.Hour)) || !slices.Equal(filed.Connections, []string{id}) || !filed.Due.Equal(filed.At.Add(21*day)) {
		t.Errorf("filed: %+v", filed)
	}
	if a := one(t, effects, health.Assign); a.Level != 0 {
		t.Errorf("assign: %+v", a)
	}
	before := len(w.all)
	w.every(6*time.Hour, 3*day, func() { w.fail(refused, id) })
	if n := count(w.all[before:], health.CommentTicket); n < 2 || n > 3 {
		t.Errorf("%d comments in three days of failures, want one a day", n)
	}
	if have := kinds(w.ok(id)); have != "" {
		t.Errorf("after one success: %s", have)
	}
	w.wantHealth(id, health.Healthy)
	down := w.now.Sub(begin)
	w.pass(6 * time.Hour)
	effects = w.ok(id)
	if have := kinds(effects); have != "resolved closed" {
		t.Fatalf("after two successes: %s", have)
	}
	if closed := one(t, effects, health.CloseTicket); closed.Downtime != down {
		t.Errorf("closed after %s, want %s", closed.Downtime, down)
	}
	w.pass(5 * day)
	if have := kinds(w.fail(refused, id)); have != "reopened ticket_reopened assign" { // only a person can help
		t.Errorf("it is back: %s", have)
	}
	w.ok(id, id)
	w.pass(8 * day)
	if have := kinds(w.fail(refused, id)); have != "opened" {
		t.Errorf("it is back after more than a week: %s", have)
	}
}

func TestABlipAfterTheEndDoesNotOpenTheTicketAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{Threshold: health.Threshold{Failures: 3}})
	id := w.connect("shop", 1)[0]
	w.fail(away, id, id, id)
	w.pass(12 * time.Hour)
	w.ok(id, id)
	w.pass(12 * time.Hour)
	if have := kinds(w.fail(away, id)); have != "reopened" {
		t.Errorf("the first failure: %s", have)
	}
	w.pass(time.Hour)
	if have := kinds(w.fail(away, id)); have != "ticket_reopened assign" {
		t.Errorf("the second failure: %s", have)
	}
	if n := count(w.all, health.FileTicket); n != 1 {
		t.Errorf("%d tickets", n)
	}
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy health.Policy
		own    health.Threshold
		down   time.Duration // failing since
		fails  int
	}{
		"default":                         {down: 48 * time.Hour},
		"of the installation":             {policy: health.Policy{Threshold: health.Threshold{For: 3 * time.Hour}}, down: 3 * time.Hour},
		"of the connector":                {policy: health.Policy{Connectors: map[string]health.Threshold{"shop": {For: time.Hour}}}, down: time.Hour},
		"of another connector":            {policy: health.Policy{Connectors: map[string]health.Threshold{"github": {For: time.Hour}}}, down: 48 * time.Hour},
		"of the severity":                 {policy: health.Policy{Severities: map[health.Severity]health.Threshold{health.Sev4: {For: 2 * time.Hour}}}, down: 2 * time.Hour},
		"of the connection":               {policy: health.Policy{Connectors: map[string]health.Threshold{"shop": {For: time.Hour}}}, own: health.Threshold{For: 5 * time.Hour}, down: 5 * time.Hour},
		"of the connection, in the rules": {policy: health.Policy{Connections: map[string]health.Threshold{"con_a": {For: 4 * time.Hour}}, Connectors: map[string]health.Threshold{"shop": {For: time.Hour}}}, down: 4 * time.Hour},
		"failures in a row":               {own: health.Threshold{Failures: 3}, fails: 3},
		"failures or time, time first":    {own: health.Threshold{Failures: 3, For: time.Minute}, down: time.Minute},
		"failures or time, counts first":  {own: health.Threshold{Failures: 2, For: 100 * time.Hour}, fails: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.policy)
			s := subject("con_a", "shop")
			s.Threshold = c.own
			w.observe(health.Fact{Kind: health.Seen, Subject: s})
			if c.fails > 0 {
				for n := range c.fails {
					if w.wantHealth("con_a", []health.State{health.Unmeasured, health.Degraded}[min(n, 1)]); t.Failed() {
						return
					}
					w.fail(away, "con_a")
				}
				w.wantHealth("con_a", health.Down)
				return
			}
			w.fail(away, "con_a")
			w.pass(c.down - time.Millisecond)
			w.wantHealth("con_a", health.Degraded)
			w.pass(time.Millisecond)
			w.wantHealth("con_a", health.Down)
			one(t, w.all, health.FileTicket)
		})
	}
}

// A severity's threshold counts from when the incident has it.
func TestASharedCauseIsFiledSoonerWhereSetSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{Severities: map[health.Severity]health.Threshold{health.Sev1: {For: time.Hour}}})
	ids := w.connect("shop", 20)
	w.fail(away, ids...)
	w.pass(time.Hour)
	filed := one(t, w.all, health.FileTicket)
	if filed.Severity != health.Sev1 || len(filed.Connections) != 20 {
		t.Errorf("%+v", filed)
	}
}

func TestOnePasswordAndAVendorsOutageAreToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 50)
	others := w.connect("mail", 50)
	w.fail(refused, ids[0])
	w.pass(3 * time.Hour)
	w.fail(refused, ids[1])
	w.pass(3 * time.Hour)
	if open := w.under(); len(open) != 2 || open[0].Scope.Kind != health.OfSource || open[0].Severity != health.Sev4 {
		t.Fatalf("two passwords: %+v", open)
	}
	w.fail(away, ids[10:40]...)
	open := w.under()
	if len(open) != 3 {
		t.Fatalf("%d incidents, want two passwords and one outage", len(open))
	}
	outage := open[2]
	if outage.Scope != (health.Scope{Kind: health.OfConnector, ID: "shop"}) || len(outage.Active()) != 30 || outage.Severity != health.Sev1 {
		t.Errorf("the outage: %s, %d connections, %s", outage.Scope, len(outage.Active()), outage.Severity)
	}
	w.fail(away, others[0]) // of another connector: another cause
	if n := len(w.under()); n != 4 {
		t.Errorf("%d incidents, want four", n)
	}
	w.pass(3 * time.Hour)
	w.ok(ids[10:40]...)
	w.ok(ids[10:40]...)
	w.ok(others[0], others[0])
	if n := len(w.under()); n != 2 {
		t.Errorf("%d incidents after the outage, want the two passwords", n)
	}
	w.pass(day)
	w.fail(away, ids[12])
	if i := w.under()[2]; i.Scope.Kind != health.OfSource || i.Number == outage.Number {
		t.Errorf("one blip after the outage: %s of #%d", i.Scope, i.Number)
	}
}

// Three of a hundred are not a tenth, and three months are no day.
func TestWhatIsNotShared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 100)
	w.fail(refused, ids[:9]...)
	if n := len(w.under()); n != 9 {
		t.Errorf("%d incidents of nine of a hundred", n)
	}
	small := w.connect("mail", 4)
	w.fail(refused, small...)
	if n := len(w.under()); n != 13 {
		t.Errorf("%d incidents: four are too few to be many", n)
	}
	slow := w.connect("crm", 20)
	for _, id := range slow {
		w.fail(refused, id)
		w.pass(25 * time.Hour)
	}
	if n := len(w.under()); n != 33 {
		t.Errorf("%d incidents: one a day is no common cause", n)
	}
	two := w.connect("erp", 10)
	for n, id := range two { // of three sources
		s := subject(id, "erp")
		s.Source = "src_" + string(rune('a'+n/4))
		w.observe(health.Fact{Kind: health.Seen, Subject: s})
	}
	w.fail(refused, two[8])
	w.pass(25 * time.Hour)
	w.fail(refused, two[:8]...)
	if n := len(w.under()); n != 36 {
		t.Errorf("%d incidents: two sources are not three, however many connections they have", n)
	}
	w.fail(refused, ids[9])
	if n := len(w.under()); n != 37 {
		t.Errorf("%d incidents: the first nine were hit long before", n)
	}
}

func TestABugIsOneCauseAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 100)
	for n, id := range ids[:3] {
		f := unparsed
		f.Message = strings.Replace(f.Message, "4711", []string{"1", "22", "333"}[n], 1)
		w.fail(f, id)
	}
	if i := w.only(); len(i.Active()) != 3 || i.Severity != health.Sev3 || i.Cause.Template != "unknown field <text> in record <n>" {
		t.Errorf("%+v", i)
	}
	other := unparsed
	other.Stream = "customers"
	w.fail(other, ids[4])
	if n := len(w.under()); n != 2 {
		t.Errorf("%d incidents: another stream is another cause", n)
	}
}

func TestADestinationsTroubleIsOneCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	for n, connector := range []string{"shop", "mail", "crm"} {
		s := subject("con_"+connector, connector)
		s.Destination = "dst_one"
		w.observe(health.Fact{Kind: health.Seen, Subject: s})
		w.fail(health.Failure{Class: sluice.Config, Code: "duckdb_path", Op: "open /data/x" + string(rune('0'+n)), Message: "no such folder"}, s.ID)
	}
	if i := w.only(); i.Scope != (health.Scope{Kind: health.OfDestination, ID: "dst_one"}) || len(i.Active()) != 3 {
		t.Errorf("%s with %v", i.Scope, i.Active())
	}
}

// Tickets of single causes that turn out to be one: the first is widened, and the
// others are closed as parts of it.
func TestTicketsOfOneCauseBecomeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{Threshold: health.Threshold{For: time.Hour}})
	ids := w.connect("shop", 10)
	for _, id := range ids[:4] {
		w.fail(refused, id)
		w.pass(2 * time.Hour)
	}
	if n := count(w.all, health.FileTicket); n != 4 {
		t.Fatalf("%d tickets", n)
	}
	effects := w.fail(refused, ids[4])
	if have := kinds(effects); !strings.HasPrefix(have, "opened shared merged closed merged closed merged closed merged") {
		t.Errorf("the fifth: %s", have)
	}
	i := w.only()
	if i.Number != 1 || !i.TicketOpen || len(i.Active()) != 5 {
		t.Errorf("%+v", i)
	}
	for _, e := range effects {
		if e.Kind == health.CloseTicket && e.Other != i.ID {
			t.Errorf("closed, but not as a part of #1: %+v", e)
		}
	}
	c := one(t, effects, health.CommentTicket)
	if !slices.Equal(c.Connections, ids[1:5]) {
		t.Errorf("the comment names %v", c.Connections)
	}
}

func TestFlapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	w.every(30*time.Minute, 12*time.Hour, func() { w.fail(away, id); w.pass(15 * time.Minute); w.ok(id) })
	before := len(w.all)
	w.every(30*time.Minute, 12*time.Hour, func() { w.fail(away, id); w.pass(15 * time.Minute); w.ok(id, id) })
	if have := kinds(w.all[before:]); have != "" {
		t.Errorf("an incident of one that flaps: %s", have)
	}
	if n := count(w.all[before:], health.HealthChanged); n != 0 {
		t.Errorf("the health of one that flaps changed %d times", n)
	}
	w.wantHealth(id, health.Degraded)
	if c, _ := w.Connection(id); !c.Flapping {
		t.Errorf("%+v", c)
	}
	w.every(30*time.Minute, 6*time.Hour, func() { w.ok(id) })
	w.wantHealth(id, health.Healthy)
	if n := len(w.under()); n != 0 {
		t.Error("it has calmed down, and its incident is under way")
	}
	if n := count(w.all, health.FileTicket); n != 0 {
		t.Errorf("%d tickets", n)
	}
}

// One failure for another reason is chance; two in a row are another cause.
func TestAnotherCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	w.fail(refused, id)
	for range 5 {
		w.pass(6 * time.Hour)
		w.fail(away, id)
		w.pass(6 * time.Hour)
		w.fail(refused, id)
	}
	one(t, w.all, health.IncidentOpened)
	w.fail(away, id)
	if have := kinds(w.fail(away, id)); !strings.HasPrefix(have, "resolved closed opened filed") {
		t.Errorf("the second failure for another reason: %s", have)
	}
	if i := w.only(); i.Cause.Code != away.Code || i.Number != 2 {
		t.Errorf("%+v", i)
	}
}

func TestAnUpgradeDoesNotFileAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	w.fail(unparsed, id)
	w.pass(50 * time.Hour)
	s := subject(id, "shop")
	s.Version = "v2"
	w.observe(health.Fact{Kind: health.Seen, Subject: s})
	if c, _ := w.Connection(id); !c.Upgraded.Equal(w.now) || c.OldVersion != "" {
		t.Errorf("%+v", c)
	}
	w.every(time.Hour, 60*time.Hour, func() { w.fail(unparsed, id) })
	one(t, w.all, health.FileTicket)
	one(t, w.all, health.IncidentOpened)
}

func TestPausedAndDeletedConnectionsLeave(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 2)
	w.fail(unparsed, ids...)
	w.pass(50 * time.Hour)
	w.observe(health.Fact{Kind: health.Paused, Connection: ids[0]})
	if i := w.only(); !slices.Equal(i.Active(), ids[1:]) {
		t.Errorf("%v", i.Active())
	}
	w.fail(unparsed, ids[0]) // what ran when it was paused
	effects := w.observe(health.Fact{Kind: health.Removed, Connection: ids[1]})
	if c := one(t, effects, health.CloseTicket); c.Text != "it was deleted" || c.Downtime != 50*time.Hour {
		t.Errorf("%+v", c)
	}
	if _, ok := w.Connection(ids[1]); ok {
		t.Error("it was deleted")
	}
}

// TestAPastDueDateIsToldOnce: neither a date of long ago nor rules that would have
// reminded often flood anybody.
func TestAPastDueDateIsToldOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	w.fail(refused, w.connect("shop", 1)...)
	w.pass(48 * time.Hour)
	id := w.only().ID
	count := func(effects []health.Effect, err error) (n int) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range append(w.keep(effects), w.pass(time.Minute)...) {
			if e.Kind == health.Remind || e.Kind == health.Escalate {
				n++
			}
		}
		return n
	}
	if n := count(w.SetDue(id, w.now.AddDate(-20, 0, 0), "ann", w.now)); n != 1 {
		t.Errorf("told %d times of what is overdue for years", n)
	}
	if n := count(w.SetPolicy(health.Policy{Overdue: time.Hour}, w.now), nil); n > 1 {
		t.Errorf("told %d times when the rules changed", n)
	}
	if n := count(w.pass(time.Hour), nil); n != 1 {
		t.Errorf("told %d times in an hour", n)
	}
}

func TestDueDates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{Threshold: health.Threshold{Failures: 1}})
	id := w.connect("shop", 1)[0]
	w.fail(refused, id)
	i := w.only()
	_, err := w.Acknowledge(i.ID, "ann", w.now)
	if err != nil {
		t.Fatal(err)
	}
	due := i.Due.Sub(w.now)
	if due != 21*day {
		t.Fatalf("due in %s", due)
	}
	for _, step := range []struct {
		left  time.Duration
		kind  health.EffectKind
		level int
		text  string
	}{{7 * day, health.Remind, 0, "7 days"}, {3 * day, health.Escalate, 1, "3 days"}, {day, health.Escalate, 2, "24 h"}, {0, health.Remind, 2, "overdue"}, {-7 * day, health.Remind, 2, "overdue"}} {
		at := i.Due.Add(-step.left)
		if effects := w.pass(at.Add(-time.Second).Sub(w.now)); kinds(effects) != "" {
			t.Fatalf("before %s are left: %s", step.left, kinds(effects))
		}
		e := one(t, w.pass(time.Second), step.kind)
		if e.Level != step.level || !strings.Contains(e.Text, step.text) || !e.At.Equal(at) {
			t.Errorf("%s are left: %+v", step.left, e)
		}
	}
	effects, err := w.SetDue(i.ID, w.now.Add(30*day), "ann", w.now)
	if err != nil || kinds(effects) != "due" {
		t.Errorf("%s, %v", kinds(effects), err)
	}
	if e := one(t, w.pass(23*day), health.Remind); !e.Due.Equal(w.now.Add(7 * day)) {
		t.Errorf("%+v", e)
	}
}

func TestWhatNobodyAcknowledgesEscalates(t *testing.T) {
	t.Parallel()
	policy := health.Policy{Threshold: health.Threshold{Failures: 1}, Acknowledge: map[health.Severity]time.Duration{health.Sev4: time.Hour}}
	w := newWorld(t, policy)
	ids := w.connect("shop", 2)
	w.fail(refused, ids[0])
	i := w.only()
	if _, err := w.Assign(i.ID, "ann", "", w.now); err != nil {
		t.Fatal(err)
	}
	effects := w.pass(time.Hour)
	if kinds(effects) != "assign escalated" || one(t, effects, health.Assign).Level != 1 {
		t.Errorf("after an hour: %+v", effects)
	}
	if effects := w.pass(time.Hour); one(t, effects, health.Assign).Level != 2 {
		t.Errorf("after two hours: %+v", effects)
	}
	if effects := w.pass(day); kinds(effects) != "" {
		t.Errorf("beyond the last level: %s", kinds(effects))
	}
	w.fail(refused, ids[1])
	second := w.under()[1]
	if _, err := w.Acknowledge(second.ID, "bob", w.now); err != nil {
		t.Fatal(err)
	}
	if effects := w.pass(day); kinds(effects) != "" {
		t.Errorf("acknowledged: %s", kinds(effects))
	}
	if i, _ := w.Incident(second.ID); i.State != health.Acknowledged || i.AckedBy != "bob" {
		t.Errorf("%+v", i)
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	ids := w.connect("shop", 4)
	w.fail(unparsed, ids...)
	i := w.only()
	if i.Severity != health.Sev3 {
		t.Fatalf("%s", i.Severity)
	}
	if _, err := w.SetSeverity(i.ID, health.Sev1, "ann", w.now); err != nil {
		t.Fatal(err)
	}
	made, _, err := w.Split(i.ID, ids[:2], "ann", w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.fail(unparsed, ids...)
	old, _ := w.Incident(i.ID)
	own, _ := w.Incident(made)
	if !slices.Equal(old.Active(), ids[2:]) || !slices.Equal(own.Active(), ids[:2]) || old.Severity != health.Sev1 || own.Severity != health.Sev3 {
		t.Fatalf("%+v\n%+v", old, own)
	}
	w.ok(ids[:2]...)
	w.ok(ids[:2]...)
	w.pass(time.Hour)
	w.fail(unparsed, ids[0])
	if c, _ := w.Connection(ids[0]); c.Incident != made {
		t.Errorf("it is in %s, want what was split off", c.Incident)
	}
	effects, err := w.Merge(i.ID, made, "ann", w.now)
	if err != nil || kinds(effects) != "merged" {
		t.Errorf("%s, %v", kinds(effects), err)
	}
	w.fail(unparsed, ids[1], ids[0])
	if i := w.only(); !slices.Equal(i.Active(), ids) {
		t.Errorf("after the merge: %v", i.Active())
	}
	for want, do := range map[error]func() error{
		health.ErrUnknown:  func() error { _, err := w.Acknowledge("inc_none", "ann", w.now); return err },
		health.ErrSame:     func() error { _, err := w.Merge(i.ID, i.ID, "ann", w.now); return err },
		health.ErrWhole:    func() error { _, _, err := w.Split(i.ID, ids, "ann", w.now); return err },
		health.ErrNotIn:    func() error { _, _, err := w.Split(i.ID, []string{"con_x"}, "ann", w.now); return err },
		health.ErrSeverity: func() error { _, err := w.SetSeverity(i.ID, "sev9", "ann", w.now); return err },
	} {
		if err := do(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestWhatIsResolvedByHandComesBackWithTheNextFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{Threshold: health.Threshold{Failures: 1}})
	ids := w.connect("shop", 2)
	w.fail(unparsed, ids...)
	i := w.only()
	if effects, err := w.Comment(i.ID, "it is the vendor", "ann", w.now); err != nil || one(t, effects, health.CommentTicket).Text != "it is the vendor" {
		t.Errorf("%s, %v", kinds(effects), err)
	}
	if _, err := w.Retitle(i.ID, "orders have a new field", "ann", w.now); err != nil {
		t.Fatal(err)
	}
	effects, err := w.Resolve(i.ID, "fixed upstream", "ann", w.now)
	if err != nil || kinds(effects) != "resolved closed" || one(t, effects, health.CloseTicket).Actor != "ann" {
		t.Fatalf("%s, %v", kinds(effects), err)
	}
	w.wantHealth(ids[0], health.Down) // it still fails
	w.ok(ids[1])
	w.pass(time.Hour)
	if have := kinds(w.fail(unparsed, ids[0])); !strings.HasPrefix(have, "reopened ticket_reopened") {
		t.Errorf("the next failure: %s", have)
	}
	if i := w.only(); !slices.Equal(i.Active(), ids[:1]) || i.Title != "orders have a new field" || i.ResolvedBy != "" {
		t.Errorf("%+v", i)
	}
}

func TestTheSnapshotGoesOn(t *testing.T) {
	t.Parallel()
	a := newWorld(t, health.Policy{})
	ids := a.connect("shop", 30)
	a.fail(refused, ids[0])
	a.fail(away, ids[5:15]...)
	a.pass(50 * time.Hour)
	a.ok(ids[5:15]...)
	raw, err := json.Marshal(a.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	var s health.Snapshot
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	b := &world{Tracker: health.Load(health.Policy{}, s), t: t, now: a.now}
	for _, w := range []*world{a, b} {
		w.all = nil
		w.ok(ids[5:15]...)
		w.pass(10 * day)
		w.fail(refused, ids[0], ids[3])
		w.pass(20 * day)
	}
	if !reflect.DeepEqual(a.all, b.all) || len(a.all) == 0 {
		t.Errorf("%d effects go on as %d", len(a.all), len(b.all))
	}
}

func TestAFactCountsOnce(t *testing.T) {
	t.Parallel()
	tr := health.New(health.Policy{})
	facts := []health.Fact{{Seq: 1, At: begin, Kind: health.Seen, Subject: subject("con_a", "shop")}, {Seq: 2, At: begin, Kind: health.Failed, Connection: "con_a", Failure: &refused}}
	for _, f := range facts {
		if len(tr.Observe(f)) == 0 {
			t.Errorf("no effect of %s", f.Kind)
		}
	}
	tr.Changes()
	for _, f := range facts {
		if e := tr.Observe(f); len(e) != 0 {
			t.Errorf("a second time: %+v", e)
		}
	}
	if c := tr.Changes(); len(c.Connections)+len(c.Incidents) != 0 {
		t.Errorf("changed: %+v", c)
	}
}

func TestSpent(t *testing.T) {
	t.Parallel()
	at := func(h int) time.Time { return begin.Add(time.Duration(h) * time.Hour) }
	history := []health.Interval{{Health: health.Healthy, From: at(0), To: at(10)}, {Health: health.Degraded, From: at(10), To: at(12)}, {Health: health.Down, From: at(12), To: at(15)},
		{Health: health.Unmeasured, From: at(15), To: at(20)}, {Health: health.Healthy, From: at(20)}}
	s := health.SpentIn(history, at(-5), at(24))
	if s.Downtime() != 5*time.Hour || s.Healthy != 14*time.Hour || s.Unmeasured != 10*time.Hour || s.Uptime() != 14.0/19 {
		t.Errorf("%+v, %f", s, s.Uptime())
	}
	if s := health.SpentIn(history, at(11), at(13)); s.Degraded != time.Hour || s.Down != time.Hour || s.Uptime() != 0 {
		t.Errorf("%+v", s)
	}
}
