package wall

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

var at = time.Date(2026, 3, 27, 7, 0, 0, 0, time.UTC)

func example() Input {
	in := Input{At: at, Total: 400, Recovered: 2, URL: "https://sluice.example/wall", Incidents: []Incident{
		{Number: 7, Title: "shop: 401 Unauthorized", Severity: "sev1", Opened: at.Add(-50 * time.Hour), Due: at.Add(19 * 24 * time.Hour), Assignee: "Ada", Acked: true, URL: "https://sluice.example/incidents/7",
			Tickets: []Ticket{{Key: "OPS-12", URL: "https://jira.example/OPS-12"}, {Key: "internal"}}},
		{Number: 8, Title: "bank: password refused", Severity: "sev4", Opened: at.Add(-3 * time.Hour), Due: at.Add(-time.Hour)},
		{Number: 9, Title: "crm: 503", Severity: "sev3", Opened: at.Add(-30 * time.Minute), Assignee: "Grace"},
	}}
	for i := range 20 {
		in.Connections = append(in.Connections, Connection{ID: fmt.Sprint("con_", i), Name: fmt.Sprintf("orders %02d", i), Connector: "shop", Team: "sales", Health: []string{"degraded", "down"}[i%2],
			Since: at.Add(-time.Duration(50-i) * time.Hour), LastSuccess: at.Add(-time.Duration(51-i) * time.Hour), Code: "shop_auth", Reason: "the shop refused the token", Hint: "make a new token", Incident: 7,
			URL: fmt.Sprint("https://sluice.example/connections/con_", i), RunbookURL: "https://sluice.example/runbooks/shop_auth"})
	}
	in.Connections = append(in.Connections,
		Connection{ID: "con_b", Name: "ledger", Connector: "bank", Health: "needs_action", Since: at.Add(-3 * time.Hour), LastSuccess: at.Add(-4 * time.Hour), Code: "bank_auth", Reason: "password refused", Hint: "set the password", Incident: 8},
		Connection{ID: "con_c", Name: "leads", Connector: "crm", Team: "sales", Health: "degraded", Since: at.Add(-30 * time.Minute), Reason: "503 Service Unavailable", Incident: 9},
		Connection{ID: "con_d", Name: "late one", Connector: "crm", Health: "degraded", Since: at.Add(-10 * time.Minute), LastSuccess: at.Add(-7 * time.Hour), Reason: "its data is older than its freshness objective allows"},
		Connection{ID: "con_e", Name: "another late one", Connector: "crm", Health: "degraded", Since: at.Add(-20 * time.Minute), LastSuccess: at.Add(-7 * time.Hour), Reason: "its data is older than its freshness objective allows"})
	return in
}

func render(t *testing.T, in Input, zone string) Message {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Render(New(in), z, "Sluice")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   Input
		zone string
	}{"trouble": {example(), "Europe/Berlin"}, "well": {Input{At: at, Total: 1, Recovered: -1}, "America/New_York"}} {
		m := render(t, c.in, c.zone)
		for ext, got := range map[string]string{".html": m.HTML, ".txt": m.Plain} {
			path := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s is not as in %s; if it should be so, run the test with -update. Got:\n%s", name, path, got)
			}
		}
	}
}

func TestOrderAndNumbers(t *testing.T) {
	t.Parallel()
	w := New(example())
	if w.Failing != 24 || w.Down != 10 || w.NeedsAction != 1 || w.Degraded != 13 {
		t.Errorf("%+v", w)
	}
	if len(w.Shared) != 1 || w.Shared[0].Incident.Number != 7 || w.Shared[0].Connections[0].Name != "orders 01" || w.Shared[0].Connections[10].Name != "orders 00" {
		t.Errorf("shared: %+v", w.Shared)
	}
	var single []string
	for _, c := range w.Single {
		single = append(single, c.Connections[0].Name)
	}
	if got := strings.Join(single, ", "); got != "ledger, leads, another late one, late one" {
		t.Error(got)
	}
	m := render(t, example(), "UTC")
	if m.Subject != "Sluice: 24 of 400 connections in trouble, 10 down, 1 shared cause" {
		t.Error(m.Subject)
	}
}

// nasty are texts that would do harm where they are not escaped.
var nasty = []string{`<script>alert(1)</script>`, `"><img src=http://evil.example/x.png>`, "a\r\nBcc: all@example.com", `{{.}}`, "javascript:alert(1)", "' onmouseover='x", "\u202Eevil", "\x00\x1b[31m",
	"<style>@import url(http://evil.example)</style>", "&lt;b&gt;", strings.Repeat("long ", 500), "\xff\xfe", "--\u2028--"}

func TestNamesDoNoHarm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string {
			return rapid.OneOf(rapid.SampledFrom(nasty), rapid.String()).Draw(t, name)
		}
		in := Input{At: at, Total: 10, Incidents: []Incident{{Number: 1, Title: text("title"), Severity: text("severity"), Assignee: text("assignee"), URL: text("url"), Opened: at,
			Tickets: []Ticket{{Key: text("key"), URL: text("ticket")}}}}}
		for i := range 3 {
			in.Connections = append(in.Connections, Connection{ID: text("id"), Name: text("name"), Team: text("team"), Connector: text("connector"), Health: text("health"), Code: text("code"), Reason: text("reason"),
				Hint: text("hint"), URL: text("link"), RunbookURL: text("runbook"), Since: at, Incident: int64(i % 2)})
		}
		in.URL = text("page")
		m, err := Render(New(in), time.UTC, text("installation"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(m.Subject, "\r\n\x00\x1b\u202e\u2028") || strings.ContainsAny(m.Plain, "\r\x00\x1b\u202e\u2028") {
			t.Fatalf("control characters in %q or %q", m.Subject, m.Plain)
		}
		harmless(t, m.HTML)
	})
}

var loads = regexp.MustCompile(`(?i)url\(|@import|expression\(`)

// harmless parses the HTML as a mail program does and looks for what does more than
// show text.
func harmless(t interface{ Fatalf(string, ...any) }, page string) {
	allowed := map[string]string{"html": "lang", "head": "", "meta": "charset name content", "title": "", "body": "style", "table": "role width cellpadding cellspacing border style",
		"tbody": "", "tr": "", "td": "style align valign width", "div": "style", "span": "style", "br": "", "a": "href style"}
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatalf("%v", err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		attributes, ok := allowed[n.Data]
		if !ok {
			t.Fatalf("there is a <%s> in %s", n.Data, page)
		}
		for _, a := range n.Attr {
			if !strings.Contains(" "+attributes+" ", " "+a.Key+" ") {
				t.Fatalf("<%s> has %s", n.Data, a.Key)
			}
			if a.Key == "style" && loads.MatchString(a.Val) {
				t.Fatalf("a style loads: %s", a.Val)
			}
			if a.Key == "href" && strings.HasPrefix(strings.ToLower(strings.TrimSpace(a.Val)), "javascript:") {
				t.Fatalf("a link runs: %s", a.Val)
			}
		}
	}
}

func TestALongWallStaysShort(t *testing.T) {
	t.Parallel()
	in := Input{At: at, Total: 10_000}
	for i := range 10_000 {
		in.Connections = append(in.Connections, Connection{ID: fmt.Sprint(i), Name: strings.Repeat("n", 200), Connector: "c", Health: "down", Since: at.Add(-time.Hour), Reason: strings.Repeat("r", 1000), Incident: int64(i % 100)})
	}
	for i := range 80 {
		in.Incidents = append(in.Incidents, Incident{Number: int64(i), Title: strings.Repeat("t", 500), Opened: at})
	}
	m := render(t, in, "UTC")
	if len(m.HTML) > 1<<20 || len(m.Plain) > 1<<20 {
		t.Errorf("%d and %d bytes", len(m.HTML), len(m.Plain))
	}
	if !strings.Contains(m.Plain, "… and 40 more.") || !strings.Contains(m.HTML, "… and 85 more") {
		t.Error("what is left out is not counted")
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	s := Schedule{Zone: "Europe/Berlin", Times: []string{"08:00", "16:30"}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	day := func(d, h, m int) time.Time { return time.Date(2026, 3, d, h, m, 0, 0, time.UTC) }
	for _, c := range []struct {
		after, now time.Time
		want       string
	}{
		{day(27, 6, 59), day(27, 7, 0), "2026-03-27 08:00 Europe/Berlin"},
		{day(27, 7, 0), day(27, 7, 1), ""}, // sent already
		{day(27, 6, 59), day(27, 6, 59), ""},
		{day(26, 0, 0), day(27, 15, 30), "2026-03-27 16:30 Europe/Berlin"}, // of those missed only the latest
		{day(26, 0, 0), day(27, 14, 30), ""},                               // seven hours late
		{day(28, 16, 0), day(29, 6, 0), "2026-03-29 08:00 Europe/Berlin"},  // summer time has begun
	} {
		slot, ok := s.Due(c.after, c.now)
		if ok != (c.want != "") || ok && slot.Key != c.want {
			t.Errorf("after %v at %v: %+v %v, want %q", c.after, c.now, slot, ok, c.want)
		}
	}
	if next, ok := s.Next(day(28, 16, 0)); !ok || !next.At.Equal(day(29, 6, 0)) {
		t.Errorf("%+v", next)
	}
	if _, ok := (Schedule{}).Due(time.Time{}, at); ok {
		t.Error("no times, and yet due")
	}
	bad := Schedule{Zone: "Mars", Times: []string{"8:00", "25:00"}}.Check()
	for _, want := range []string{`zone: "Mars"`, `times[0]: "8:00"`, `times[1]: "25:00"`} {
		if bad == nil || !strings.Contains(bad.Error(), want) {
			t.Errorf("%v does not say %s", bad, want)
		}
	}
}

// TestEachSlotIsDueOnce polls at random times over a year in zones that change their
// clocks: no slot is due twice or left out.
func TestEachSlotIsDueOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{Zone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"}).Draw(t, "zone"), Times: []string{"00:30", "02:15", "12:00"}}
		began := at.Add(time.Duration(rapid.IntRange(0, 365*24).Draw(t, "hour")) * time.Hour)
		seen := map[string]bool{}
		last, n := began, 0
		for now := began; now.Before(began.Add(10 * 24 * time.Hour)); now = now.Add(time.Duration(rapid.IntRange(1, 80).Draw(t, "minutes")) * time.Minute) {
			slot, ok := s.Due(last, now)
			if !ok {
				continue
			}
			if seen[slot.Key] || !slot.At.After(last) {
				t.Fatalf("%+v again", slot)
			}
			seen[slot.Key] = true
			last = slot.At
			n++
		}
		if n < 29 || n > 31 {
			t.Fatalf("%d slots in ten days", n)
		}
	})
}
