package store_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// shown is an item of any list: its id, and its value of each field to sort by.
type shown struct {
	id     string
	fields map[string]string
}

func at(t time.Time) string { return fmt.Sprintf("%020d", t.UnixMicro()) }

// lists are the lists that can be sorted, as functions of a page.
func lists(x *fixture) map[string]func(p store.Page) ([]shown, string, error) {
	return map[string]func(p store.Page) ([]shown, string, error){
		"sources": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListSources(x.ctx, store.EndpointFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"name": strings.ToLower(v.Name), "created": at(v.CreatedAt), "updated": at(v.UpdatedAt), "kind": v.Connector}})
			}
			return all, next, err
		},
		"connections": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListConnections(x.ctx, store.ConnectionFilter{}, p)
			for _, v := range items {
				last := v.Status.LastSuccessAt
				if last.IsZero() {
					last = time.UnixMicro(0)
				}
				all = append(all, shown{v.ID, map[string]string{"name": strings.ToLower(v.Name), "created": at(v.CreatedAt), "last_success": at(last), "state": string(v.Status.State)}})
			}
			return all, next, err
		},
		"syncs": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListSyncs(x.ctx, store.SyncFilter{}, p)
			for _, v := range items {
				ended := v.EndedAt
				if ended.IsZero() {
					ended = time.UnixMicro(0)
				}
				all = append(all, shown{v.ID, map[string]string{"queued": at(v.QueuedAt), "ended": at(ended)}})
			}
			return all, next, err
		},
		"users": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListUsers(x.ctx, store.UserFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"email": strings.ToLower(v.Email), "name": strings.ToLower(v.Name), "created": at(v.CreatedAt)}})
			}
			return all, next, err
		},
		"audit": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListAudit(x.ctx, store.AuditFilter{}, p)
			for _, v := range items {
				all = append(all, shown{fmt.Sprintf("%020d", v.ID), map[string]string{"at": at(v.At)}})
			}
			return all, next, err
		},
		"streams": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListStreams(x.ctx, "con_1", "", p)
			for _, v := range items {
				all = append(all, shown{v.Name, map[string]string{"": v.Namespace}})
			}
			return all, next, err
		},
		"incidents": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListIncidents(x.ctx, store.IncidentFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"number": fmt.Sprintf("%020d", v.Number), "severity": v.Severity, "first_seen": at(v.FirstSeen), "last_seen": at(v.LastSeen),
					"connections": fmt.Sprintf("%020d", v.Connections)}})
			}
			return all, next, err
		},
		"alerts": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListAlerts(x.ctx, store.AlertFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"since": at(v.Since)}})
			}
			return all, next, err
		},
		"deliveries": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListDeliveries(x.ctx, store.DeliveryFilter{}, p)
			for _, v := range items {
				all = append(all, shown{fmt.Sprintf("%020d", v.Seq), map[string]string{"created": fmt.Sprintf("%020d", v.Seq)}})
			}
			return all, next, err
		},
		"rules": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListRules(x.ctx, store.DocumentFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"name": strings.ToLower(v.Name), "created": v.ID}})
			}
			return all, next, err
		},
		"drift": func(p store.Page) (all []shown, next string, err error) {
			items, next, err := x.ListDrift(x.ctx, store.DriftFilter{}, p)
			for _, v := range items {
				all = append(all, shown{v.ID, map[string]string{"": v.ID}})
			}
			return all, next, err
		},
	}
}

// populate makes 40 rows of each kind; many have the same times, names in part.
func populate(x *fixture) {
	x.source("S0")
	d := x.destination("d")
	src, _, err := x.ListSources(x.ctx, store.EndpointFilter{}, store.Page{})
	x.must(err)
	for i := range 40 {
		if i%5 == 0 {
			x.Add(time.Second)
		}
		x.must(x.CreateSource(x.ctx, &store.Source{Name: fmt.Sprintf("%c source %d é", "aBcD"[i%4], i), Connector: []string{"shop", "http", "Postgres"}[i%3]}))
		x.must(x.CreateUser(x.ctx, &store.User{Email: fmt.Sprintf("%c%d@x", "aBcD"[i%4], i), Name: []string{"Ann", "bob", ""}[i%3]}))
		x.must(x.AppendAudit(x.ctx, &store.AuditEntry{Action: "a"}))
		c := &store.Connection{Name: fmt.Sprintf("%c connection %d", "zYx"[i%3], i), SourceID: src[0].ID, DestinationID: d.ID, Paused: i%7 == 0}
		if i == 0 {
			c.ID = "con_1"
			for n := range 40 {
				c.Streams = append(c.Streams, store.Stream{Namespace: []string{"", "a", "B"}[n%3], Name: fmt.Sprintf("%c%d", "xY_"[n%3], n)})
			}
		}
		x.must(x.CreateConnection(x.ctx, c))
		x.must(x.RecordDrift(x.ctx, &store.DriftEvent{ConnectionID: c.ID, Stream: sluice.TableName{Name: "s"}, Kind: "column_added", State: store.DriftPending}))
		incident := &store.Incident{Severity: fmt.Sprint("sev", 1+i%4), FirstSeen: x.Now(), LastSeen: x.Now().Add(time.Duration(-i%3) * time.Hour), Connections: i % 5}
		x.must(x.CreateIncident(x.ctx, incident))
		x.must(x.SaveAlerts(x.ctx, &store.Alert{Since: x.Now(), State: store.AlertResolved}))
		x.post(&store.Delivery{Key: fmt.Sprint(i)})
		x.must(x.CreateRule(x.ctx, &store.AlertRule{Name: fmt.Sprintf("%c rule %d", "aBcD"[i%4], i)}))
		if i%2 == 0 {
			x.run(c.ID, store.Succeeded)
			x.queue(c.ID)
		}
	}
}

// TestEveryRowOnAPageOnce is the property of all lists: whatever the sort and the
// limit, pages hold each row once, in order.
func TestEveryRowOnAPageOnce(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		populate(x)
		all := lists(x)
		sorts := map[string][]string{}
		for name, list := range all {
			items, _, err := list(store.Page{Limit: 1})
			x.must(err)
			for field := range items[0].fields {
				sorts[name] = append(sorts[name], field)
			}
			slices.Sort(sorts[name])
		}
		names := []string{"alerts", "audit", "connections", "deliveries", "drift", "incidents", "rules", "sources", "streams", "syncs", "users"}
		rapid.Check(t, func(r *rapid.T) {
			name := rapid.SampledFrom(names).Draw(r, "list")
			field := rapid.SampledFrom(sorts[name]).Draw(r, "sort")
			down := rapid.Bool().Draw(r, "down") && field != "" || name == "drift"
			p := store.Page{Limit: rapid.IntRange(1, 45).Draw(r, "limit"), Sort: field}
			if down {
				p.Sort = "-" + field
			}
			var got []shown
			for {
				items, next, err := all[name](p)
				if err != nil {
					r.Fatal(err)
				}
				if got = append(got, items...); next == "" {
					break
				}
				if len(items) != p.Limit {
					r.Fatalf("a page of %d rows and one after it", len(items))
				}
				p.Cursor = next
			}
			want, _, err := all[name](store.Page{Limit: store.MaxLimit})
			if err != nil || len(want) < 40 {
				r.Fatal(len(want), err)
			}
			slices.SortFunc(want, func(a, b shown) int {
				c := cmp.Or(cmp.Compare(a.fields[field], b.fields[field]), cmp.Compare(a.id, b.id))
				if down {
					return -c
				}
				return c
			})
			if !slices.EqualFunc(got, want, func(a, b shown) bool { return a.id == b.id && a.fields[field] == b.fields[field] }) {
				r.Fatalf("%s by %s in pages of %d:\ngot  %v\nwant %v", name, p.Sort, p.Limit, got, want)
			}
		})
	})
}

func TestPagesStayWhenRowsCome(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		populate(x)
		seen := map[string]int{}
		p := store.Page{Limit: 7, Sort: "name"}
		for n := 0; ; n++ {
			items, next, err := x.ListSources(x.ctx, store.EndpointFilter{}, p)
			x.must(err)
			for _, v := range items {
				seen[v.ID]++
			}
			if next == "" {
				break
			}
			x.source(fmt.Sprint("a first ", n))
			x.must(x.DeleteSource(x.ctx, items[len(items)-1].ID, 0)) // the place itself goes
			p.Cursor = next
		}
		if len(seen) != 41 {
			t.Errorf("%d sources were seen, of 41", len(seen))
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%s was seen %d times", id, n)
			}
		}
	})
}

func TestPageErrors(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		x.source("a")
		x.source("b")
		_, next, err := x.ListSources(x.ctx, store.EndpointFilter{}, store.Page{Limit: 1})
		x.must(err)
		for _, p := range []store.Page{{Cursor: "?"}, {Cursor: "e30"}, {Cursor: next + "x"}, {Cursor: next, Sort: "created"}, {Cursor: next, Sort: "-name"}} {
			_, _, err := x.ListSources(x.ctx, store.EndpointFilter{}, p)
			x.code(err, store.CodeCursorInvalid)
		}
		for _, s := range []string{"id; drop table sources", "nome", "--name"} {
			_, _, err := x.ListSources(x.ctx, store.EndpointFilter{}, store.Page{Sort: s})
			x.code(err, store.CodeSortInvalid)
		}
		items, next, err := x.ListSources(x.ctx, store.EndpointFilter{}, store.Page{Limit: 1 << 40})
		if err != nil || len(items) != 2 || next != "" {
			t.Errorf("%d, %q, %v", len(items), next, err)
		}
	})
}
