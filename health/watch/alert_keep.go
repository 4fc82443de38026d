package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/health/alert"
	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/outward"
	"github.com/sluicehq/sluice/store"
)

// Kinds of deliveries of alerts, to a channel; payload: Message.
const (
	TellAlert      = "alert.fired"    // something new fires, or some of it no longer does
	TellAlertAgain = "alert.repeated" // what fires still does
	TellAlertEnd   = "alert.resolved" // nothing of the group fires any more
)

// Types of the live events of alerts. Their data is AlertChanged.
const (
	EventAlertFired    = "alert.fired"
	EventAlertResolved = "alert.resolved"
)

// AlertChanged is the data of the live events of alerts.
type AlertChanged struct {
	Alert    string `json:"alert"` // id
	Rule     string `json:"rule"`  // id
	Subject  string `json:"subject"`
	Severity string `json:"severity"`
	Text     string `json:"text"`
}

// alertData is the Data of a kept alert.
type alertData struct {
	Rule  string     `json:"rule"` // name
	Kind  alert.Kind `json:"kind"`
	Value float64    `json:"value"`
	Since time.Time  `json:"since"` // when the rule began to hold
}

// keeping is what one evaluation leads to.
type keeping struct {
	state         *alert.State
	firing        map[alertRef]store.Alert
	rows          []*store.Alert
	notifications []alert.Notification
	events        []store.Event
	tracker       *health.Tracker
}

// keeping works out the rows of alerts that have changed.
func (a *alerts) keeping(next *alert.State, r *alert.Result, t *health.Tracker, now time.Time) *keeping {
	k := &keeping{state: next, firing: map[alertRef]store.Alert{}, notifications: r.Notifications, tracker: t}
	told := map[alertRef]bool{}
	for i := range r.Notifications {
		for _, item := range r.Notifications[i].Items {
			told[alertRef{item.Rule, item.Subject}] = true
		}
	}
	for i := range next.Alerts {
		x := &next.Alerts[i]
		if !x.Firing() {
			continue
		}
		ref := alertRef{x.Rule, x.Subject}
		before, was := a.firing[ref]
		row := k.row(x, before)
		if told[ref] {
			row.NotifiedAt, row.Notifications = now, row.Notifications+1
		}
		if !was {
			row.ID = store.NewID(store.AlertID, now)
			k.event(EventAlertFired, &row)
		}
		if !was || told[ref] || !sameRow(&row, &before) {
			k.rows = append(k.rows, &row)
		}
		k.firing[ref] = row
	}
	for _, ref := range slices.SortedFunc(maps.Keys(a.firing), byAlertRef) {
		if _, still := k.firing[ref]; still {
			continue
		}
		row := a.firing[ref]
		row.State, row.ResolvedAt, row.SilencedBy = store.AlertResolved, now, ""
		if told[ref] {
			row.NotifiedAt, row.Notifications = now, row.Notifications+1
		}
		k.rows = append(k.rows, &row)
		k.event(EventAlertResolved, &row)
	}
	return k
}

func byAlertRef(a, b alertRef) int {
	return cmp.Or(cmp.Compare(a.rule, b.rule), cmp.Compare(a.subject, b.subject))
}

// row is an alert that fires, as it is kept.
func (k *keeping) row(x *alert.Alert, before store.Alert) store.Alert {
	raw, err := json.Marshal(alertData{x.Name, x.Kind, x.Value, x.Since})
	if err != nil {
		panic("watch: " + err.Error()) // numbers of package alert are finite
	}
	row := before
	row.RuleID, row.Subject, row.State, row.Severity, row.Team, row.Labels = x.Rule, x.Subject, store.AlertFiring, x.Severity, x.Labels["team"], x.Labels
	row.Summary, row.Data, row.SilencedBy = x.Text, raw, x.Silence
	if before.ID == "" {
		row.Since = x.FiredAt
	}
	if c, ok := k.tracker.Connection(x.Subject); ok {
		row.ConnectionID, row.IncidentID = c.ID, c.Incident
	} else if x.Kind == alert.TicketDue {
		row.IncidentID = incidentOf(k.tracker, x.Subject)
	}
	return row
}

// sameRow reports whether two rows tell the same, whatever was measured.
func sameRow(a, b *store.Alert) bool {
	return a.Severity == b.Severity && a.Summary == b.Summary && a.SilencedBy == b.SilencedBy && a.IncidentID == b.IncidentID && maps.Equal(a.Labels, b.Labels)
}

func (k *keeping) event(kind string, row *store.Alert) {
	raw, err := json.Marshal(AlertChanged{row.ID, row.RuleID, row.Subject, row.Severity, row.Summary})
	if err != nil {
		panic("watch: " + err.Error()) // strings can be written
	}
	k.events = append(k.events, store.Event{Type: kind, ConnectionID: row.ConnectionID, Data: raw})
}

// keep writes what has followed in one transaction: whoever comes second finds the
// state moved, and writes nothing.
func (a *alerts) keep(ctx context.Context, k *keeping) error {
	a.known = false // until it is committed, nothing in memory counts
	raw, err := json.Marshal(k.state)
	if err != nil {
		return err
	}
	kept := &store.Setting{Key: alertStateKey, Value: raw}
	err = a.Store.Transact(ctx, func(tx *store.Store) error {
		kept.Version = a.version
		for _, step := range []struct {
			name string
			do   func() error
		}{
			{"alert state", func() error { return tx.SetSetting(ctx, kept) }},
			{"alert rows", func() error { return tx.SaveAlerts(ctx, k.rows...) }},
			{"alert outbox", func() error { return a.postAlerts(ctx, tx, k) }},
			{"alert events", func() error { return tx.AppendEvents(ctx, k.events...) }},
		} {
			if err := a.Step(step.name); err != nil {
				return err
			}
			if err := step.do(); err != nil {
				return err
			}
		}
		return a.Step("alert kept")
	})
	if err == nil {
		err = a.Step("alert committed")
	}
	if err != nil {
		return err
	}
	a.state, a.firing, a.version, a.known = *k.state, k.firing, kept.Version, true
	return nil
}

// postAlerts puts notifications into the outbox. Their ids are made of the state that
// they follow from, so nothing is posted twice.
func (a *alerts) postAlerts(ctx context.Context, tx *store.Store, k *keeping) error {
	for i := range k.notifications {
		n := &k.notifications[i]
		if n.Channel == nobody {
			continue
		}
		kind := TellAlert
		switch {
		case n.Resolved:
			kind = TellAlertEnd
		case n.Repeat:
			kind = TellAlertAgain
		}
		m, err := a.alertMessage(ctx, n, k.tracker)
		if err != nil {
			return err
		}
		raw, err := json.Marshal(m)
		if err != nil {
			return err
		}
		first := alertRef{n.Items[0].Rule, n.Items[0].Subject}
		row := k.firing[first]
		if row.ID == "" {
			row = a.firing[first]
		}
		if _, err := tx.Post(ctx, &store.Delivery{Key: m.Key, Kind: kind, Target: n.Channel, Lane: "alert/" + n.Group, AlertID: row.ID, IncidentID: row.IncidentID, Payload: raw}); err != nil {
			return err
		}
	}
	return nil
}

// alertMessage is a notification for channels.
func (a *alerts) alertMessage(ctx context.Context, n *alert.Notification, t *health.Tracker) (Message, error) {
	shown := map[string]int{}
	for i := range n.Items {
		if item := &n.Items[i]; shown[item.What] < maxListed {
			shown[item.What]++
			item.Text = a.guarded(ctx, item.Text, item.Subject, t)
		}
	}
	m := Message{Key: "alert/" + n.ID, Thread: n.Group, State: channel.Firing, Severity: n.Severity, At: n.At, Title: outward.OneLine(n.Headline()), Body: a.alertBody(n, t), Link: a.page("alerts")}
	if n.Resolved {
		m.State = channel.Resolved
	}
	for _, label := range slices.Sorted(maps.Keys(n.Labels)) {
		if v := n.Labels[label]; v != "" {
			m.Facts = append(m.Facts, channel.Fact{Name: strings.ToUpper(label[:1]) + label[1:], Value: v})
		}
	}
	if first := &n.Items[0]; len(n.Items) == 1 {
		m.Source = first.Labels["connector"]
		if c, ok := t.Connection(first.Subject); ok {
			m.Link = a.connectionURL(c.ID)
			if c.Failure != nil {
				if book, ok := a.Runbooks.For(c.Connector, c.Failure.Code); ok {
					m.Runbook = a.runbookURL(book.ID)
				}
			}
		}
	}
	return m, nil
}

// guarded takes the secrets of connections out of a text that is about one, or about
// their incident.
func (a *alerts) guarded(ctx context.Context, text, subject string, t *health.Tracker) string {
	about := []string{subject}
	if i, ok := t.Incident(incidentOf(t, subject)); ok {
		about = i.Active()
		about = about[:min(len(about), maxListed)]
	}
	for _, id := range about {
		c, ok := t.Connection(id)
		if !ok {
			continue
		}
		if m := a.Secrets(ctx, c.Source, c.Destination); m != nil {
			text = m.Text(text)
		}
	}
	return text
}

func (a *alerts) alertBody(n *alert.Notification, t *health.Tracker) string {
	var b strings.Builder
	for _, part := range []struct {
		what, title string
		all         int
	}{{alert.Fired, "Firing", n.Fired}, {alert.Resolved, "Resolved", n.Ended}, {alert.Still, "Still firing", n.Firing}} {
		if part.all == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s:\n\n", part.title)
		shown := 0
		for i := range n.Items {
			item := &n.Items[i]
			if item.What != part.what {
				continue
			}
			if shown++; shown > maxListed {
				break
			}
			a.alertLine(&b, item, t)
		}
		if more := part.all - min(shown, maxListed); more > 0 {
			fmt.Fprintf(&b, "- and %d more\n", more)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (a *alerts) alertLine(b *strings.Builder, item *alert.Item, t *health.Tracker) {
	fmt.Fprintf(b, "- **%s** %s", item.Severity, outward.OneLine(item.Text))
	if c, ok := t.Connection(item.Subject); ok && a.PublicURL != "" {
		fmt.Fprintf(b, " (%s)", anchor("connection", a.connectionURL(c.ID)))
	}
	if item.What == alert.Resolved {
		fmt.Fprintf(b, "; over since %s, after %s", stamp(item.EndedAt), span(item.EndedAt.Sub(item.FiredAt)))
	}
	b.WriteString("\n")
}
