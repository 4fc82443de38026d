package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/sluicehq/sluice"
)

// A HealthPart is a time in which a connection had one health.
type HealthPart struct {
	ConnectionID string
	Health       Health
	From         time.Time
	To           time.Time // zero: it lasts
	Reason       string
	IncidentID   string
}

const partColumns = "connection_id, from_at, to_at, health, reason, incident_id"

func scanPart(row scanner, p *HealthPart) error {
	return row(&p.ConnectionID, intoTime(&p.From), intoEnd(&p.To), &p.Health, &p.Reason, &p.IncidentID)
}

// intoEnd scans an end that may be lasting.
func intoEnd(t *time.Time) sql.Scanner { return endScanner{t} }

type endScanner struct{ t *time.Time }

func (s endScanner) Scan(v any) error {
	if v == int64(lasting) {
		v = int64(0)
	}
	return timeScanner(s).Scan(v)
}

var partList = list[HealthPart]{op: "list the history of health", columns: partColumns, from: "health_history", id: "connection_id", sort: "-from",
	sorts: map[string]column{"from": {name: "from_at", number: true}}, scan: scanPart}

// ListHealthHistory lists the parts of a connection's history that reach into the
// time from after to before, the latest first; zero times do not bound. Sort: from.
func (s *Store) ListHealthHistory(ctx context.Context, connectionID string, after, before time.Time, p Page) (items []HealthPart, next string, err error) {
	var w where
	w.add("connection_id = ?", connectionID)
	if !after.IsZero() {
		w.add("to_at > ?", micros(after))
	}
	if !before.IsZero() {
		w.add("from_at < ?", micros(before))
	}
	return partList.page(ctx, s.reader(), w, p)
}

// HealthGroup is what ReportHealth sums up by.
type HealthGroup string

// The groups of ReportHealth.
const (
	ByConnection HealthGroup = "connection"
	ByConnector  HealthGroup = "connector"
	ByTeam       HealthGroup = "team"
	ByAll        HealthGroup = "all" // one group, of the key ""
)

// A HealthReport says for how long the connections of a group had which health.
// What is missing of the period was not measured.
type HealthReport struct {
	Key         string // id of the connection, connector or team
	Name        string // of the connection; else as Key
	Connections int64  // that were measured
	Parts       map[Health]time.Duration
}

// Measured is the time of all connections in which their health was known.
func (r *HealthReport) Measured() (d time.Duration) {
	for health, of := range r.Parts {
		if health != Unmeasured {
			d += of
		}
	}
	return d
}

// Downtime is the data downtime: the time in which data did not come as it
// should.
func (r *HealthReport) Downtime() time.Duration { return r.Measured() - r.Parts[Healthy] }

// Uptime is the share of the measured time that was no downtime; 1 where nothing
// was measured.
func (r *HealthReport) Uptime() float64 {
	measured := r.Measured()
	if measured == 0 {
		return 1
	}
	return float64(r.Parts[Healthy]) / float64(measured)
}

// A HealthReportFilter narrows ReportHealth; zero fields let everything through.
type HealthReportFilter struct {
	ConnectionID string
	Connector    string
	Team         string
	Among        []string // ids of connections; nil: all; empty: none
}

// maxGroups bounds the groups of a report.
const maxGroups = 10_000

// ReportHealth sums up the time from after to before, which must not be zero,
// by group and in the order of their keys. What lasts counts until before, or until
// now where that comes first. Connections that were deleted are left out.
func (s *Store) ReportHealth(ctx context.Context, by HealthGroup, f HealthReportFilter, after, before time.Time) ([]HealthReport, error) {
	const op = "sum up health"
	groups := map[HealthGroup]struct{ key, name string }{ByConnection: {"c.id", "min(c.name)"}, ByConnector: {"s.kind", "min(s.kind)"}, ByTeam: {"c.team", "min(c.team)"}, ByAll: {"''", "''"}}
	g, known := groups[by]
	if !known {
		return nil, sluice.Errorf(sluice.Config, "group_invalid", op, "group by one of: connection, connector, team, all", "health cannot be grouped by %q", by)
	}
	if now := s.Now(); before.After(now) {
		before = now
	}
	from, to := micros(after), micros(before)
	w := where{}
	w.add("h.to_at > ? AND h.from_at < ?", from, to)
	w.is("h.connection_id", f.ConnectionID)
	w.is("s.kind", f.Connector)
	w.is("c.team", f.Team)
	w.among(s.dialect, "h.connection_id", f.Among)
	key := g.key + ", "
	if by == ByAll {
		key = ""
	}
	var reports []HealthReport
	err := s.reader().each(ctx, "SELECT "+g.key+", "+g.name+", h.health, "+
		"cast(sum(CASE WHEN h.to_at > ? THEN ? ELSE h.to_at END - CASE WHEN h.from_at < ? THEN ? ELSE h.from_at END) AS bigint) "+
		"FROM health_history h JOIN connections c ON c.id = h.connection_id JOIN sources s ON s.id = c.source_id"+w.sql()+
		" GROUP BY "+key+"h.health ORDER BY "+key+"h.health"+fmt.Sprintf(" LIMIT %d", 5*maxGroups), append([]any{to, to, from, from}, w.args...), func(row scanner) error {
		var r HealthReport
		var health Health
		var us int64
		if err := row(&r.Key, &r.Name, &health, &us); err != nil {
			return err
		}
		last := len(reports) - 1
		if last < 0 || reports[last].Key != r.Key {
			r.Parts = map[Health]time.Duration{}
			reports, last = append(reports, r), last+1
		}
		reports[last].Parts[health] = time.Duration(us) * time.Microsecond
		return nil
	})
	if err == nil {
		err = s.countMeasured(ctx, g.key, key, w, reports)
	}
	return reports, failed(op, err)
}

// countMeasured fills in how many connections each group has: one may have had
// several kinds of health.
func (s *Store) countMeasured(ctx context.Context, group, key string, w where, reports []HealthReport) error {
	at := make(map[string]*HealthReport, len(reports))
	for i := range reports {
		at[reports[i].Key] = &reports[i]
	}
	query := "SELECT " + group + ", count(DISTINCT h.connection_id) FROM health_history h JOIN connections c ON c.id = h.connection_id JOIN sources s ON s.id = c.source_id" + w.sql()
	if key != "" {
		query += " GROUP BY " + group
	}
	return s.reader().each(ctx, query, w.args, func(row scanner) error {
		var k string
		var n int64
		err := row(&k, &n)
		if r := at[k]; r != nil {
			r.Connections = n
		}
		return err
	})
}

// CountHealth counts the connections among ids (nil: all) by health; those that
// the tracker has not seen are healthy.
func (s *Store) CountHealth(ctx context.Context, among []string) (map[Health]int64, error) {
	var w where
	w.among(s.dialect, "c.id", among)
	counts := map[Health]int64{}
	err := s.reader().each(ctx, "SELECT coalesce(h.health, 'healthy'), count(*) FROM connections c LEFT JOIN connection_health h ON h.connection_id = c.id"+w.sql()+" GROUP BY 1", w.args,
		func(row scanner) error {
			var h Health
			var n int64
			err := row(&h, &n)
			counts[h] = n
			return err
		})
	return counts, failed("count the health of connections", err)
}
