package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/alert/channel/channeltest"
	"github.com/sluicehq/sluice/health/outward/outwardtest"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/health/tracker/trackertest"
	"github.com/sluicehq/sluice/health/watch"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
	"github.com/sluicehq/sluice/store/storetest"
)

// handClock stands until it is moved.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// openLinks opens trackers and channels whose configurations hold all there is, as
// tests keep them.
type openLinks struct{}

func (openLinks) Tracker(ctx context.Context, t *store.Tracker) (tracker.Filer, []string, error) {
	d, _ := spec.Find(tracker.Builtin(), t.Kind)
	f, err := d.Open(ctx, t.Config)
	return f, spec.SecretValues(d.Config, t.Config), err
}

func (openLinks) Channel(ctx context.Context, c *store.Channel) (channel.Channel, []string, error) {
	d, _ := spec.Find(channel.Builtin(), c.Kind)
	ch, err := d.Open(ctx, c.Config)
	return ch, spec.SecretValues(d.Config, c.Config), err
}

// postOffice is a store with an incident, and every kind of system to deliver to.
type postOffice struct {
	*store.Store
	clock    *handClock
	t        testing.TB
	ctx      context.Context
	incident *store.Incident
	targets  map[string]string // ids by kind

	github    *trackertest.GitHub
	jira      *trackertest.Jira
	webhook   *trackertest.Webhook
	slack     *channeltest.Slack
	pagerduty *channeltest.PagerDuty
	mail      *channeltest.Mail
}

func eachPostOffice(t *testing.T, f func(t *testing.T, p *postOffice)) {
	t.Parallel()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			f(t, newPostOffice(t, dialect))
		})
	}
}

func newPostOffice(t testing.TB, dialect string) *postOffice {
	t.Helper()
	return openPostOffice(t, storetest.URL(t, dialect))
}

func openPostOffice(t testing.TB, url string) *postOffice {
	t.Helper()
	p := &postOffice{clock: &handClock{now: time.Now().UTC().Truncate(time.Second)}, t: t, ctx: t.Context(), targets: map[string]string{}}
	var err error
	if p.Store, err = store.Open(t.Context(), url, store.Options{Now: p.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.github, p.jira, p.webhook = trackertest.StartGitHub(t), trackertest.StartJira(t, false), trackertest.StartWebhook(t)
	p.slack, p.pagerduty, p.mail = channeltest.StartSlack(t), channeltest.StartPagerDuty(t), channeltest.StartMail(t, "none")
	for kind, config := range map[string]json.RawMessage{"github": p.github.Config(), "jira": p.jira.Config(), "webhook": p.webhook.Config()} {
		tr := &store.Tracker{Name: kind, Kind: kind, Enabled: true, Config: config}
		p.must(p.CreateTracker(p.ctx, tr))
		p.targets[kind] = tr.ID
	}
	for kind, config := range map[string]json.RawMessage{"slack": p.slack.WebhookConfig(), "pagerduty": p.pagerduty.Config(), "email": p.mail.Config(nil)} {
		c := &store.Channel{Name: kind, Kind: kind, Enabled: true, Config: config}
		p.must(p.CreateChannel(p.ctx, c))
		p.targets[kind] = c.ID
	}
	p.incident = &store.Incident{Title: "Shop refuses the token", State: store.IncidentOpen, Severity: "sev2", FirstSeen: p.Now(), LastSeen: p.Now()}
	p.must(p.CreateIncident(p.ctx, p.incident))
	return p
}

func (p *postOffice) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// tickets are those of the incident in a tracker.
func (p *postOffice) tickets(kind string) []trackertest.Ticket {
	return map[string]func(string) []trackertest.Ticket{"github": p.github.Tickets, "jira": p.jira.Tickets, "webhook": p.webhook.Tickets}[kind](p.incident.ID)
}

func (p *postOffice) faults(kind string) *outwardtest.Server {
	return map[string]*outwardtest.Server{"github": p.github.Server, "jira": p.jira.Server, "webhook": p.webhook.Server, "slack": p.slack.Server, "pagerduty": p.pagerduty.Server}[kind]
}

var ticketSystems = []string{"github", "jira", "webhook"}

// post posts a delivery; of tickets the lane is theirs.
func (p *postOffice) post(kind, to, key string, payload any) *store.Delivery {
	p.t.Helper()
	raw, err := json.Marshal(payload)
	p.must(err)
	d := &store.Delivery{Key: key + "/" + to, Kind: kind, Target: p.targets[to], Lane: "lane/" + to, IncidentID: p.incident.ID, Payload: raw}
	n, err := p.Post(p.ctx, d)
	p.must(err)
	if n != 1 {
		p.t.Fatalf("%s was posted before", d.Key)
	}
	return d
}

// life posts all of a ticket's life.
func (p *postOffice) life(to string) {
	p.t.Helper()
	created, err := p.CreateTicket(p.ctx, &store.Ticket{IncidentID: p.incident.ID, TrackerID: p.targets[to], State: store.TicketPending})
	p.must(err)
	if !created {
		p.t.Fatal("the ticket is there already")
	}
	p.post(watch.CreateTicket, to, "file", watch.Draft{Title: p.incident.Title, Body: "The token is refused.", Marker: tracker.Marker{ID: p.incident.ID, Since: p.Now()}})
	for _, step := range []struct{ kind, text string }{{watch.CommentTicket, "one more"}, {watch.CloseTicket, "all well"}, {watch.ReopenTicket, "not well"}} {
		p.post(step.kind, to, step.kind, watch.Note{Body: step.text})
	}
}

// alarm posts notifications of an alarm that comes and goes.
func (p *postOffice) alarm(to string) {
	p.t.Helper()
	for _, state := range []channel.State{channel.Firing, channel.Resolved} {
		p.post("alert."+string(state), to, string(state), watch.Message{Thread: "alarm", State: state, Severity: "sev1", At: p.Now(), Title: "It is down"})
	}
}

func (p *postOffice) deliverer(name string, step func(string) error) *watch.Deliverer {
	return watch.NewDeliverer(watch.DelivererConfig{Store: p.Store, Name: name, Links: openLinks{}, Step: step})
}

// deliverAll delivers until nothing waits. Time passes only when nothing is due. It
// returns how often it looked.
func (p *postOffice) deliverAll(next func() *watch.Deliverer) {
	p.t.Helper()
	for looks := 0; ; looks++ {
		n, err := next().Once(p.ctx)
		p.must(err)
		if n > 0 {
			continue
		}
		waiting, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{State: store.DeliveryWaiting}, store.Page{Limit: 200})
		p.must(err)
		if len(waiting) == 0 {
			return
		}
		if looks > 3000 {
			p.t.Fatalf("still waiting: %+v", waiting[0].LastError)
		}
		p.clock.add(30 * time.Second)
		p.jira.Index()
	}
}

// wantLife holds that there is one ticket, open, with each note once and in order.
func (p *postOffice) wantLife(to string) {
	p.t.Helper()
	all := p.tickets(to)
	if len(all) != 1 || !all[0].Open || len(all[0].Comments) != 3 {
		p.t.Fatalf("%s: %+v", to, all)
	}
	for i, want := range []string{"one more", "all well", "not well"} {
		if !strings.Contains(all[0].Comments[i], want) {
			p.t.Errorf("%s: comments %q", to, all[0].Comments)
		}
	}
	kept, err := p.TicketOf(p.ctx, p.incident.ID, p.targets[to])
	p.must(err)
	if kept.ExternalKey != all[0].ID || kept.URL == "" || kept.State != store.TicketOpen || kept.Reopened != 1 || kept.Problem != nil || kept.CommentedAt.IsZero() {
		p.t.Errorf("%s: kept %+v of %s", to, kept, all[0].ID)
	}
}

// delivered holds that all deliveries ended so.
func (p *postOffice) delivered() {
	p.t.Helper()
	all, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{}, store.Page{Limit: 200})
	p.must(err)
	for _, d := range all {
		if d.State != store.DeliveryDelivered || len(d.Answer) == 0 || d.LastError != nil {
			p.t.Errorf("%s to %s is %s: %+v %s", d.Kind, d.Target, d.State, d.LastError, d.Answer)
		}
	}
}

func TestDeliverEverything(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		for _, to := range ticketSystems {
			p.life(to)
		}
		for _, to := range []string{"slack", "pagerduty", "email"} {
			p.alarm(to)
		}
		d := p.deliverer("a", nil)
		p.deliverAll(func() *watch.Deliverer { return d })
		for _, to := range ticketSystems {
			p.wantLife(to)
		}
		p.delivered()
		if n := len(p.slack.Messages()); n != 2 {
			t.Errorf("%d messages in Slack", n)
		}
		if n := len(p.mail.Letters()); n != 2 {
			t.Errorf("%d letters", n)
		}
		if a := p.pagerduty.Alerts(); len(a) != 1 || a[0].State != "resolved" {
			t.Errorf("PagerDuty: %+v", a)
		}
		line, _, err := p.ListIncidentEvents(p.ctx, p.incident.ID, "ticket", nil, store.Page{})
		p.must(err)
		if len(line) != len(ticketSystems) {
			t.Errorf("the timeline tells of %d tickets", len(line))
		}
	})
}

// Whatever goes wrong on the way, all arrives, and once where that can be promised.
func TestDeliverDespiteFaults(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		all := []string{"github", "jira", "webhook", "slack", "pagerduty"}
		for i, to := range all {
			p.faults(to).Chaos(uint64(i)+7, 0.3)
		}
		for _, to := range ticketSystems {
			p.life(to)
		}
		p.alarm("slack")
		p.alarm("pagerduty")
		p.alarm("email")
		p.mail.Later = 2
		d := watch.NewDeliverer(watch.DelivererConfig{Store: p.Store, Name: "a", Links: impatient{}})
		p.deliverAll(func() *watch.Deliverer { return d })
		for _, to := range ticketSystems {
			p.wantLife(to)
		}
		p.delivered()
		if n := len(p.slack.Messages()); n < 2 {
			t.Errorf("%d messages in Slack", n)
		}
		if a := p.pagerduty.Alerts(); len(a) != 1 || a[0].State != "resolved" {
			t.Errorf("PagerDuty: %+v", a)
		}
		if n := len(p.mail.Letters()); n != 2 {
			t.Errorf("%d letters", n)
		}
	})
}

// impatient opens links that wait for a moment only for a server that hangs.
type impatient struct{}

func (impatient) Tracker(ctx context.Context, t *store.Tracker) (tracker.Filer, []string, error) {
	f, secrets, err := openLinks{}.Tracker(ctx, t)
	return hurried{f}, secrets, err
}

func (impatient) Channel(ctx context.Context, c *store.Channel) (channel.Channel, []string, error) {
	ch, secrets, err := openLinks{}.Channel(ctx, c)
	return hurriedChannel{ch}, secrets, err
}

type hurried struct{ tracker.Filer }

const moment = 200 * time.Millisecond

func (h hurried) Find(ctx context.Context, m tracker.Marker) (tracker.Ticket, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Filer.Find(ctx, m)
}

func (h hurried) Create(ctx context.Context, d tracker.Draft) (tracker.Ticket, error) {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Filer.Create(ctx, d)
}

func (h hurried) Comment(ctx context.Context, id string, n tracker.Note) error {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Filer.Comment(ctx, id, n)
}

func (h hurried) Close(ctx context.Context, id string, n tracker.Note) error {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Filer.Close(ctx, id, n)
}

func (h hurried) Reopen(ctx context.Context, id string, n tracker.Note) error {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Filer.Reopen(ctx, id, n)
}

type hurriedChannel struct{ channel.Channel }

func (h hurriedChannel) Send(ctx context.Context, n channel.Notification) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, moment)
	defer cancel()
	return h.Channel.Send(ctx, n)
}

// errShot is what a step ends with where the process is killed there.
var errShot = errors.New("killed")

// Of each delivery a process is killed at each step, one after the other: nothing is
// lost and nothing doubled, since the next process goes on when the claim has ended.
func TestDeliverAfterKills(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		for _, to := range ticketSystems {
			p.life(to)
		}
		p.alarm("pagerduty")
		kills := map[string]int{}
		turn := 0
		p.deliverAll(func() *watch.Deliverer {
			at := []string{"claimed", "sent", "keep", "kept"}[turn%4]
			dead := false
			return watch.NewDeliverer(watch.DelivererConfig{Store: p.Store, Name: fmt.Sprint("process ", turn), Links: openLinks{}, Workers: 1, Pace: map[string]time.Duration{},
				Step: func(step string) error {
					if dead = dead || step == at; !dead {
						return nil
					}
					if step == at {
						kills[step]++
						turn++
					}
					return errShot
				}})
		})
		for _, step := range []string{"claimed", "sent", "keep", "kept"} {
			if kills[step] != 14 { // deliveries
				t.Errorf("%d kills at %s", kills[step], step)
			}
		}
		for _, to := range ticketSystems {
			p.wantLife(to)
		}
		p.delivered()
		if a := p.pagerduty.Alerts(); len(a) != 1 || a[0].State != "resolved" {
			t.Errorf("PagerDuty: %+v", a)
		}
	})
}

// Who was so slow that another one took over keeps nothing, and what both have sent
// is there once.
func TestDeliverIsFenced(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		p.life("github")
		slow := p.deliverer("slow", func(step string) error {
			if step == "sent" { // and sleeps
				p.clock.add(4 * time.Minute)
				if n, err := p.deliverer("quick", nil).Once(p.ctx); n != 1 || err != nil {
					t.Errorf("the other one delivered %d, %v", n, err)
				}
			}
			return nil
		})
		if _, err := slow.Once(p.ctx); err != nil {
			t.Fatal(err)
		}
		d := p.deliverer("later", nil)
		p.deliverAll(func() *watch.Deliverer { return d })
		p.wantLife("github")
		line, _, err := p.ListIncidentEvents(p.ctx, p.incident.ID, "ticket", nil, store.Page{})
		p.must(err)
		if len(line) != 1 {
			t.Errorf("%d entries of one ticket", len(line))
		}
	})
}

// A process that sleeps before it sends, with its machine and all its timers, sends
// nothing when it wakes up.
func TestDeliverAfterSleep(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		p.life("github")
		p.alarm("slack")
		for range 6 {
			sleepy := p.deliverer("sleepy", func(step string) error {
				if step == "claimed" {
					p.clock.add(90 * time.Second) // more than an attempt may take, less than the claim
				}
				return nil
			})
			if _, err := sleepy.Once(p.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(p.tickets("github")) + len(p.slack.Messages()); n != 0 {
			t.Errorf("%d were sent after the time of the attempt", n)
		}
		d := p.deliverer("awake", nil)
		p.deliverAll(func() *watch.Deliverer { return d })
		p.wantLife("github")
		if n := len(p.slack.Messages()); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
}

// Several processes deliver side by side.
func TestDeliverSideBySide(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		for _, to := range ticketSystems {
			p.life(to)
		}
		for n := range 20 {
			p.post("alert.firing", "pagerduty", fmt.Sprint("alert", n), watch.Message{Thread: fmt.Sprint("alarm", n), State: channel.Firing, At: p.Now(), Title: "It is down"})
		}
		ctx, cancel := context.WithCancel(p.ctx)
		var both sync.WaitGroup
		for _, name := range []string{"a", "b"} {
			d := watch.NewDeliverer(watch.DelivererConfig{Store: p.Store, Name: name, Links: openLinks{}, Poll: 5 * time.Millisecond, Pace: map[string]time.Duration{}})
			both.Go(func() { d.Run(ctx) })
		}
		for deadline := time.Now().Add(30 * time.Second); ; {
			next, err := p.NextDelivery(p.ctx)
			p.must(err)
			if next.IsZero() {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("still waiting")
			}
			<-time.After(5 * time.Millisecond)
		}
		cancel()
		both.Wait()
		for _, to := range ticketSystems {
			p.wantLife(to)
		}
		p.delivered()
		if n := len(p.pagerduty.Alerts()); n != 20 {
			t.Errorf("%d alerts, want 20", n)
		}
	})
}

func TestDeliverGivesUpVisibly(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		broken, err := p.Tracker(p.ctx, p.targets["github"])
		p.must(err)
		good := broken.Config
		broken.Config = json.RawMessage(strings.Replace(string(good), p.github.Token, "expired-secret", 1))
		p.must(p.UpdateTracker(p.ctx, broken))
		p.life("github")
		d := p.deliverer("a", nil)
		seen := 0
		for n := 0; n < 400; n++ { // an hour each
			if _, err := d.Once(p.ctx); err != nil {
				t.Fatal(err)
			}
			if next, err := p.NextDelivery(p.ctx); err == nil && next.IsZero() {
				break
			}
			ticket, err := p.TicketOf(p.ctx, p.incident.ID, broken.ID)
			p.must(err)
			if ticket.Problem != nil && ticket.State == store.TicketPending {
				seen++
			}
			p.clock.add(time.Hour)
		}
		if seen < 60 {
			t.Errorf("it was tried %d times", seen)
		}
		ticket, err := p.TicketOf(p.ctx, p.incident.ID, broken.ID)
		p.must(err)
		if ticket.State != store.TicketFailed || ticket.Problem == nil || ticket.Problem.Code != "delivery_no_ticket" {
			t.Errorf("%+v, %+v", ticket, ticket.Problem)
		}
		events, err := p.EventsAfter(p.ctx, 0, store.EventFilter{Types: []string{watch.EventDeliveryFailed}}, 10)
		p.must(err)
		if len(events) != 1 || !strings.Contains(string(events[0].Data), "delivery_credentials") {
			t.Errorf("%+v", events)
		}
		line, _, err := p.ListIncidentEvents(p.ctx, p.incident.ID, "undelivered", nil, store.Page{})
		p.must(err)
		if len(line) != 4 { // the ticket, and three that it would have had
			t.Errorf("%d entries in the timeline", len(line))
		}
		all, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{}, store.Page{})
		p.must(err)
		for _, a := range all {
			if raw, _ := json.Marshal(a); strings.Contains(string(raw), "expired-secret") {
				t.Errorf("a secret shows: %s", raw)
			}
		}
		// Put right, and tried again by hand, in the order of their making.
		broken.Config = good
		p.must(p.UpdateTracker(p.ctx, broken))
		for i := len(all) - 1; i >= 0; i-- {
			_, err := p.RetryDelivery(p.ctx, all[i].ID)
			p.must(err)
		}
		p.deliverAll(func() *watch.Deliverer { return d })
		p.wantLife("github")
	})
}

func TestDeliverKeepsTheOrderOfALane(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		p.slack.Error = "internal_error"
		p.alarm("slack")
		p.alarm("email")
		d := p.deliverer("a", nil)
		for range 5 {
			if _, err := d.Once(p.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.slack.Seen(); n != 1 {
			t.Errorf("Slack was asked %d times: the second must not go before the first", n)
		}
		if n := len(p.mail.Letters()); n != 2 {
			t.Errorf("%d letters: other lanes go on", n)
		}
		p.slack.Error = ""
		p.deliverAll(func() *watch.Deliverer { return d })
		m := p.slack.Messages()
		if len(m) != 2 || !strings.HasPrefix(m[0].Text, "[FIRING") || !strings.HasPrefix(m[1].Text, "[RESOLVED") {
			t.Errorf("%+v", m)
		}
	})
}

func TestDeliverDropsWhatNobodyWants(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		off, err := p.Channel(p.ctx, p.targets["slack"])
		p.must(err)
		off.Enabled = false
		p.must(p.UpdateChannel(p.ctx, off))
		p.alarm("slack")
		p.alarm("email")
		p.must(p.DeleteChannel(p.ctx, p.targets["email"], 0))
		d := p.deliverer("a", nil)
		p.deliverAll(func() *watch.Deliverer { return d })
		all, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{}, store.Page{})
		p.must(err)
		for _, a := range all {
			if a.State != store.DeliveryDropped || a.LastError == nil || a.LastError.Code != "delivery_target" || a.LastError.Hint == "" {
				t.Errorf("%s: %+v", a.State, a.LastError)
			}
		}
		if len(p.slack.Messages())+len(p.mail.Letters()) != 0 {
			t.Error("it was sent all the same")
		}
	})
}

// A payload that cannot be read is a bug; it holds nothing else up for good.
func TestDeliverNonsense(t *testing.T) {
	eachPostOffice(t, func(t *testing.T, p *postOffice) {
		p.post("alert.firing", "slack", "nonsense", []int{1})
		d := p.deliverer("a", nil)
		if _, err := d.Once(p.ctx); err != nil {
			t.Fatal(err)
		}
		all, _, err := p.ListDeliveries(p.ctx, store.DeliveryFilter{}, store.Page{})
		p.must(err)
		if all[0].State != store.DeliveryWaiting || all[0].LastError.Class != sluice.Bug.String() {
			t.Errorf("%+v", all[0].LastError)
		}
		p.clock.add(25 * time.Hour)
		p.deliverAll(func() *watch.Deliverer { return d })
		if all, _, err = p.ListDeliveries(p.ctx, store.DeliveryFilter{State: store.DeliveryFailed}, store.Page{}); err != nil || len(all) != 1 {
			t.Errorf("%d failed, %v", len(all), err)
		}
	})
}
