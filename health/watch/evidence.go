package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice/health"
	"github.com/sluicehq/sluice/store"
)

// Bounds of a ticket's text.
const (
	maxListed  = 50  // connections
	logTail    = 20  // lines
	maxLogLine = 600 // bytes
)

// clockSkew is how far the clock of a ticket system may be behind ours, for the
// oldest that what we have made can be by its clock.
const clockSkew = time.Hour

// draft is the ticket: its text is what who must fix it needs to know.
func (p *posting) draft(ctx context.Context) (*Draft, error) {
	i := p.incident
	body, err := p.body(ctx)
	if err != nil {
		return nil, err
	}
	d := &Draft{Title: fmt.Sprintf("[%s] %s", i.Severity, i.Title), Body: body, Link: p.incidentURL(i), At: p.effect.At, Labels: []string{"sluice", string(i.Severity), i.Cause.Maker, i.Cause.Code}}
	d.Marker.ID, d.Marker.Since = i.ID, i.Opened.Add(-clockSkew)
	d.Fields.Severity, d.Fields.Team, d.Fields.Assignee = string(i.Severity), i.Team, i.Assignee
	if !i.Due.IsZero() {
		due := i.Due
		d.Fields.Due = &due
	}
	p.guard(ctx, &d.Title, &d.Body)
	return d, nil
}

func (p *posting) body(ctx context.Context) (string, error) {
	i, f := p.incident, &p.incident.Sample
	var b strings.Builder
	verb := "fail"
	if len(i.Active()) == 1 {
		verb = "fails"
	}
	fmt.Fprintf(&b, "%s %s for one cause: %s.\n\n", plural(len(i.Active()), "connection"), verb, sentence(f.Message))
	b.WriteString("## What to do\n\n")
	if f.Hint != "" {
		fmt.Fprintf(&b, "%s\n\n", f.Hint)
	}
	if book, ok := p.Runbooks.For(i.Cause.Maker, i.Cause.Code); ok {
		fmt.Fprintf(&b, "Runbook: %s\n\n", anchor(book.Title, p.runbookURL(book.ID)))
	}
	b.WriteString("## Evidence\n\n")
	p.facts(&b)
	if err := p.aboutWorst(ctx, &b, p.worst()); err != nil {
		return "", err
	}
	b.WriteString("\n## Connections\n\n")
	p.list(&b, i.Active())
	fmt.Fprintf(&b, "\n%s\n", p.link(i))
	return b.String(), nil
}

func (p *posting) facts(b *strings.Builder) {
	i, f := p.incident, &p.incident.Sample
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "- **%s:** %s\n", name, value)
		}
	}
	row("Error", "`"+i.Cause.Code+"` ("+i.Cause.Class.String()+")")
	row("Message", strings.ReplaceAll(f.Message, "\n", " "))
	if f.Cause != f.Message {
		row("Cause", strings.ReplaceAll(f.Cause, "\n", " "))
	}
	row("Connector", strings.TrimSpace(i.Cause.Maker+" "+i.Cause.Version))
	row("Reach", p.reach())
	row("Stream", f.Stream)
	row("Operation", f.Op)
	row("First seen", stamp(i.Opened))
	row("Last seen", stamp(i.LastSeen))
	row("Failures", fmt.Sprint(i.Failures))
	row("Severity", string(i.Severity))
	row("Assigned to", i.Assignee)
	row("Due", stamp(i.Due))
}

// reach says how far the cause reaches, by names.
func (p *posting) reach() string {
	i := p.incident
	switch i.Scope.Kind {
	case health.OfConnector:
		return "the connector " + i.Scope.ID + ", whatever the source"
	case health.OfKind:
		return "destinations of the kind " + i.Scope.ID
	case health.OfConnection:
		return "what was split off by hand"
	}
	name := i.Scope.ID
	for _, id := range i.Active() {
		c, _ := p.tracker.Connection(id)
		switch i.Scope {
		case health.Scope{Kind: health.OfSource, ID: c.Source}:
			name = cmp.Or(c.SourceName, name)
		case health.Scope{Kind: health.OfDestination, ID: c.Destination}:
			name = cmp.Or(c.DestinationName, name)
		}
	}
	return "the " + string(i.Scope.Kind) + " " + name
}

// worst returns the connection that fails the longest.
func (p *posting) worst() *health.Connection {
	var worst *health.Connection
	for _, id := range p.incident.Active() {
		c, ok := p.tracker.Connection(id)
		if ok && c.Failing() && (worst == nil || c.FailingSince.Before(worst.FailingSince)) {
			worst = &c
		}
	}
	return worst
}

// aboutWorst writes what is known of the connection that fails the longest: its
// last success, what it has not delivered, the end of its log, and what has changed
// before.
func (p *posting) aboutWorst(ctx context.Context, b *strings.Builder, c *health.Connection) error {
	if c == nil {
		return nil
	}
	fmt.Fprintf(b, "\nThe connection that fails the longest is %s, since %s.\n\n", anchor(c.Name, p.connectionURL(c.ID)), stamp(c.FailingSince))
	last := "never"
	if !c.LastSuccess.IsZero() {
		last = stamp(c.LastSuccess)
	}
	fmt.Fprintf(b, "- **Last success:** %s\n", last)
	missing, err := p.undelivered(ctx, c)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "- **Rows not delivered:** %s\n", missing)
	drift, _, err := p.tx.ListDrift(ctx, store.DriftFilter{ConnectionID: c.ID}, store.Page{Limit: 1})
	if err != nil {
		return err
	}
	if len(drift) > 0 {
		d := &drift[0]
		what := strings.TrimSpace(strings.ReplaceAll(d.Kind, "_", " ") + " " + d.Column)
		fmt.Fprintf(b, "- **Last schema change:** %s of %s at %s (%s)\n", what, d.Stream, stamp(d.At), d.State)
	}
	if !c.Upgraded.IsZero() && c.OldVersion != "" {
		fmt.Fprintf(b, "- **Last change of its connector:** from %s to %s at %s\n", c.OldVersion, c.Version, stamp(c.Upgraded))
	}
	return p.log(ctx, b, c)
}

// undelivered says how many rows did not come, as far as that can be known.
func (p *posting) undelivered(ctx context.Context, c *health.Connection) (string, error) {
	var left int64
	if m := p.member(c.ID); m != nil && m.LastSync != "" {
		streams, err := p.tx.SyncStreams(ctx, m.LastSync)
		if err != nil {
			return "", err
		}
		for i := range streams {
			left += max(streams[i].Rows, streams[i].Total) - streams[i].Committed
		}
	}
	good, _, err := p.tx.ListSyncs(ctx, store.SyncFilter{ConnectionID: c.ID, Outcome: store.Succeeded}, store.Page{Limit: 10})
	if err != nil {
		return "", err
	}
	typical := int64(0)
	if len(good) > 0 {
		slices.SortFunc(good, func(a, b store.Sync) int { return int(min(max(a.Rows-b.Rows, -1), 1)) })
		typical = good[len(good)/2].Rows
	}
	switch {
	case typical > 0:
		return fmt.Sprintf("about %d (%s, of %d rows each as a rule)", typical*int64(c.Failures), plural(c.Failures, "sync"), typical), nil
	case left > 0:
		return fmt.Sprintf("at least %d, by the last sync", left), nil
	}
	return "not known", nil
}

func (p *posting) member(id string) *health.Member {
	for i := range p.incident.Members {
		if p.incident.Members[i].Connection == id {
			return &p.incident.Members[i]
		}
	}
	return nil
}

func (p *posting) log(ctx context.Context, b *strings.Builder, c *health.Connection) error {
	m := p.member(c.ID)
	if m == nil || m.LastSync == "" {
		return nil
	}
	lines, err := p.tx.LogTail(ctx, m.LastSync, logTail)
	if errors.Is(err, store.ErrNotFound) || len(lines) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	b.WriteString("\nThe end of its last log:\n\n```\n")
	for i := range lines {
		l := &lines[i]
		text := l.Message
		if l.Stream != "" {
			text = l.Stream + ": " + text
		}
		text += attributes(l.Attrs)
		p.guard(ctx, &text) // before it is cut: half a secret is not found
		if len(text) > maxLogLine {
			text = strings.ToValidUTF8(text[:maxLogLine], "") + "…"
		}
		fmt.Fprintf(b, "%s %s %s\n", l.At.UTC().Format("15:04:05"), strings.ToUpper(l.Level), strings.ReplaceAll(text, "```", "'''"))
	}
	b.WriteString("```\n")
	return nil
}

// attributes writes those of a line of a log, with a space before each: what failed
// is said there.
func attributes(raw json.RawMessage) string {
	var all map[string]json.RawMessage
	if json.Unmarshal(raw, &all) != nil { // none, or nothing that can be shown
		return ""
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := string(all[name])
		var text string
		if json.Unmarshal(all[name], &text) == nil {
			value = strings.ReplaceAll(text, "\n", " ")
		}
		fmt.Fprintf(&b, " %s=%s", name, value)
	}
	return b.String()
}

// list writes connections, the longest failing first.
func (p *posting) list(b *strings.Builder, ids []string) {
	all := make([]health.Connection, 0, len(ids))
	for _, id := range ids {
		if c, ok := p.tracker.Connection(id); ok {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b health.Connection) int { return a.FailingSince.Compare(b.FailingSince) })
	for n := range all {
		c := &all[n]
		if n == maxListed {
			fmt.Fprintf(b, "- and %d more\n", len(all)-maxListed)
			return
		}
		last := "never"
		if !c.LastSuccess.IsZero() {
			last = stamp(c.LastSuccess)
		}
		since := "it has succeeded since"
		if c.Failing() {
			since = "failing since " + stamp(c.FailingSince)
		}
		fmt.Fprintf(b, "- %s (%s → %s): %s; last success: %s\n", anchor(c.Name, p.connectionURL(c.ID)), c.Connector, c.Kind, since, last)
	}
}

func (s *Service) page(parts ...string) string {
	if s.PublicURL == "" {
		return ""
	}
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.TrimSuffix(s.PublicURL, "/") + "/" + strings.Join(parts, "/")
}

func (s *Service) connectionURL(id string) string { return s.page("connections", id) }

func (s *Service) runbookURL(id string) string { return s.page("runbooks", id) }

func (s *Service) incidentURL(i *health.Incident) string {
	return s.page("incidents", fmt.Sprint(i.Number))
}

func (s *Service) link(i *health.Incident) string {
	return anchor(fmt.Sprintf("Incident #%d in Sluice", i.Number), s.incidentURL(i))
}

func anchor(text, address string) string {
	if address == "" {
		return text
	}
	return "[" + strings.NewReplacer("[", "(", "]", ")").Replace(text) + "](" + address + ")"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

// span writes a duration in the two largest units.
func span(d time.Duration) string {
	d = d.Round(time.Minute)
	days, hours, minutes := int(d/(24*time.Hour)), int(d/time.Hour)%24, int(d/time.Minute)%60
	switch {
	case days > 0:
		return plural(days, "day") + " " + plural(hours, "hour")
	case hours > 0:
		return plural(hours, "hour") + " " + plural(minutes, "minute")
	}
	return plural(minutes, "minute")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func ordinal(n int) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

func sentence(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.TrimRight(text, ". ")
}

func quote(text string) string { return "> " + strings.ReplaceAll(text, "\n", "\n> ") }
