package wall

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Message is a wall as it is sent.
type Message struct {
	Subject string `json:"subject"`
	HTML    string `json:"html"`
	Plain   string `json:"plain"`
}

// Of long lists these many are shown; the rest is counted. A mail with all of them
// would be cut by mail programs.
const (
	maxCauses      = 40 // shared ones, and single ones
	maxConnections = 15 // of a shared cause
)

// Render makes a message for readers in a zone. name is that of the installation.
func Render(w Wall, zone *time.Location, name string) (Message, error) {
	page := page{Wall: w, Name: clean(cmp.Or(name, "Sluice"), 60), zone: zone}
	html, err := page.html()
	if err != nil {
		return Message{}, fmt.Errorf("render the wall: %w", err)
	}
	return Message{Subject: page.Subject(), HTML: html, Plain: page.plain()}, nil
}

// Shown calls do for each connection that a message shows, and its incident, nil for
// none.
func (w *Wall) Shown(do func(*Connection, *Incident)) {
	for i := range w.Shared[:min(len(w.Shared), maxCauses)] {
		for k := range w.Shared[i].Shown() {
			do(&w.Shared[i].Connections[k], w.Shared[i].Incident)
		}
	}
	for i := range w.Single[:min(len(w.Single), maxCauses)] {
		do(&w.Single[i].Connections[0], w.Single[i].Incident)
	}
}

// page is what the texts are made of.
type page struct {
	Wall
	Name string
	zone *time.Location
}

// Subject is the line of numbers.
func (p page) Subject() string {
	if p.Failing == 0 {
		return fmt.Sprintf("%s: all of %s", p.Name, plural(p.Total, "connection is well", "connections are well"))
	}
	text := fmt.Sprintf("%s: %d of %s", p.Name, p.Failing, plural(p.Total, "connection in trouble", "connections in trouble"))
	if p.Down > 0 {
		text += fmt.Sprintf(", %d down", p.Down)
	}
	if n := len(p.Shared); n > 0 {
		text += ", " + plural(n, "shared cause", "shared causes")
	}
	return text
}

// Summary is the first line of the text.
func (p page) Summary() string {
	text := fmt.Sprintf("%d down, %d in need of action, %d degraded, %d healthy", p.Down, p.NeedsAction, p.Degraded, max(0, p.Total-p.Failing))
	if p.Recovered >= 0 {
		text += fmt.Sprintf("; %d recovered since the last digest", p.Recovered)
	}
	return text
}

// SharedShown are the causes of several connections that the text lists.
func (p page) SharedShown() []Cause { return p.Shared[:min(len(p.Shared), maxCauses)] }

// SingleShown are the others that it lists.
func (p page) SingleShown() []Cause { return p.Single[:min(len(p.Single), maxCauses)] }

// SharedMore counts those that it does not list.
func (p page) SharedMore() int { return len(p.Shared) - len(p.SharedShown()) }

// SingleMore counts those that it does not list.
func (p page) SingleMore() int { return len(p.Single) - len(p.SingleShown()) }

// Shown are the connections that the text lists.
func (c Cause) Shown() []Connection {
	return c.Connections[:min(len(c.Connections), maxConnections)]
}

// More counts those that it does not list.
func (c Cause) More() int { return len(c.Connections) - len(c.Shown()) }

// Worst is the first of the connections.
func (c Cause) Worst() Connection { return c.Connections[0] }

// Headline names what is wrong.
func (c Cause) Headline() string {
	if c.Incident != nil {
		return fmt.Sprintf("#%d %s", c.Incident.Number, clean(c.Incident.Title, 200))
	}
	return c.Worst().Text()
}

// Text is the connection's reason, and its name where there is none.
func (c Connection) Text() string { return clean(cmp.Or(c.Reason, c.Code, "no reason is known"), 300) }

// Label is the connection's name.
func (c Connection) Label() string { return clean(cmp.Or(c.Name, c.ID), 120) }

// Advice is the hint.
func (c Connection) Advice() string { return clean(c.Hint, 300) }

// State is its health in words.
func (c Connection) State() string {
	if c.Health == "needs_action" {
		return "needs action"
	}
	return clean(c.Health, 20)
}

// Who says where the connection comes from.
func (c Connection) Who() string {
	text := clean(c.Connector, 60)
	if c.Team != "" {
		text += ", team " + clean(c.Team, 60)
	}
	return text
}

// Time writes an instant for the readers.
func (p page) Time(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(p.zone).Format("Mon 2 Jan 2006 15:04 MST")
}

// Lasts is how long something has lasted, in its two largest units.
func (p page) Lasts(since time.Time) string {
	if since.IsZero() {
		return "an unknown time"
	}
	minutes := int(max(0, p.At.Sub(since)) / time.Minute)
	days, hours := minutes/1440, minutes/60%24
	switch {
	case days > 0:
		return fmt.Sprintf("%d d %d h", days, hours)
	case hours > 0:
		return fmt.Sprintf("%d h %d min", hours, minutes%60)
	}
	return fmt.Sprintf("%d min", minutes)
}

// Facts is what is known of an incident, in parts.
func (p page) Facts(i *Incident) []string {
	parts := []string{clean(i.Severity, 10), "open for " + p.Lasts(i.Opened)}
	switch {
	case i.Assignee != "" && i.Acked:
		parts = append(parts, "acknowledged by "+clean(i.Assignee, 80))
	case i.Assignee != "":
		parts = append(parts, "assigned to "+clean(i.Assignee, 80))
	default:
		parts = append(parts, "assigned to nobody")
	}
	if !i.Due.IsZero() {
		word := "due "
		if i.Due.Before(p.At) {
			word = "overdue since "
		}
		parts = append(parts, word+p.Time(i.Due))
	}
	return parts
}

func (p page) plain() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s", p.Subject())
	line("%s", p.Time(p.At))
	line("")
	line("%s.", p.Summary())
	p.section(line, "Shared causes", p.SharedShown(), p.SharedMore())
	p.section(line, "Single connections", p.SingleShown(), p.SingleMore())
	if p.URL != "" {
		line("")
		line("All of it: %s", clean(p.URL, 500))
	}
	return b.String()
}

func (p page) section(line func(string, ...any), title string, causes []Cause, more int) {
	if len(causes) == 0 {
		return
	}
	line("")
	line("%s", strings.ToUpper(title))
	for _, c := range causes {
		line("")
		p.cause(line, c)
	}
	if more > 0 {
		line("")
		line("… and %d more.", more)
	}
}

func (p page) cause(line func(string, ...any), c Cause) {
	if len(c.Connections) > 1 {
		line("* %s (%d connections)", c.Headline(), len(c.Connections))
	} else {
		line("* %s", c.Headline())
	}
	if c.Incident != nil {
		line("  %s", strings.Join(p.Facts(c.Incident), ", "))
		for _, t := range c.Incident.Tickets {
			line("  ticket %s %s", clean(t.Key, 60), clean(t.URL, 500))
		}
	}
	if hint := c.Worst().Advice(); hint != "" {
		line("  what to do: %s", hint)
	}
	if url := c.Worst().RunbookURL; url != "" {
		line("  runbook: %s", clean(url, 500))
	}
	for _, x := range c.Shown() {
		line("  - %s (%s): %s for %s, last success %s", x.Label(), x.Who(), x.State(), p.Lasts(x.Since), p.Time(x.LastSuccess))
		if c.Incident != nil {
			line("    %s", x.Text())
		}
	}
	if n := c.More(); n > 0 {
		line("  … and %d more", n)
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// clean makes one line of at most some characters of a text: without what could
// turn lines or the direction of writing, or end a mail's header.
func clean(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return text
}
