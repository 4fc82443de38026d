package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/spec"
	"github.com/sluicehq/sluice/store"
)

// ends are the source and destination of a connection.
type ends struct {
	source      *store.Source
	destination *store.Destination
}

func (c *Control) endsOf(ctx context.Context, con *store.Connection) (e ends, err error) {
	if e.source, err = c.store.Source(ctx, con.SourceID); err != nil {
		return e, err
	}
	e.destination, err = c.store.Destination(ctx, con.DestinationID)
	return e, err
}

// ConnectionSpec returns a connection in the words of users: names in place of
// ids, nothing left out.
func (c *Control) ConnectionSpec(ctx context.Context, con *store.Connection) (ConnectionSpec, error) {
	e, err := c.endsOf(ctx, con)
	if err != nil {
		return ConnectionSpec{}, err
	}
	want := ConnectionSpec{Name: con.Name, Source: e.source.Name, Destination: e.destination.Name, Schema: con.Schema,
		Schedule: scheduleSpec(con.Schedule), Names: orText(con.Names, "normalized"), Drift: con.Drift, OnLost: con.OnLost, Nested: con.Nested,
		Limits: limitsSpec(con.Limits), Freshness: config.FormatInterval(con.Freshness), Paused: &con.Paused, AllStreams: &con.AllStreams,
		Team: con.Team, Labels: con.Labels}
	for _, w := range con.Windows {
		want.Windows = append(want.Windows, WindowSpec{Days: w.Days, From: w.From, To: w.To, Zone: w.Zone})
	}
	for _, id := range con.DependsOn {
		other, err := c.store.ConnectionRow(ctx, id)
		if err != nil {
			return want, err
		}
		want.DependsOn = append(want.DependsOn, other.Name)
	}
	for i := range con.Streams {
		want.Streams = append(want.Streams, StreamSpecOf(&con.Streams[i]))
	}
	want.Fill()
	return want, nil
}

func scheduleSpec(s store.Schedule) *ScheduleSpec {
	switch s.Kind {
	case store.Manual:
		return &ScheduleSpec{Manual: true}
	case store.Cron:
		return &ScheduleSpec{Cron: s.Cron, Zone: s.Zone}
	}
	return &ScheduleSpec{Every: config.FormatInterval(s.Every)}
}

func limitsSpec(l store.Limits) *LimitsSpec {
	return &LimitsSpec{Streams: l.Streams, Parts: l.Parts, MaxRejected: l.MaxRejected, MemoryMB: l.MemoryMB, WindowMB: l.WindowMB, WindowRows: l.WindowRows}
}

// StreamSpecOf returns the settings of a stream in the words of users.
func StreamSpecOf(s *store.Stream) StreamSpec {
	selected := s.Selected
	out := StreamSpec{Namespace: s.Namespace, Name: s.Name, Selected: &selected, Mode: string(s.Mode), Cursor: s.Cursor,
		PrimaryKey: s.PrimaryKey, Write: string(s.Write), Table: s.Table, Nested: s.Nested}
	for _, r := range s.Columns {
		switch r.Action {
		case store.Exclude:
			out.Exclude = append(out.Exclude, r.Name)
		case store.Hash:
			out.Hash = append(out.Hash, r.Name)
		}
	}
	return out
}

func toStream(s StreamSpec) store.Stream {
	out := store.Stream{Namespace: s.Namespace, Name: s.Name, Selected: s.Selected == nil || *s.Selected, Mode: sluice.ReadMode(s.Mode),
		Write: sluice.WriteMode(s.Write), Cursor: s.Cursor, PrimaryKey: s.PrimaryKey, Table: s.Table, Nested: s.Nested}
	for _, name := range s.Exclude {
		out.Columns = append(out.Columns, store.ColumnRule{Name: name, Action: store.Exclude})
	}
	for _, name := range s.Hash {
		out.Columns = append(out.Columns, store.ColumnRule{Name: name, Action: store.Hash})
	}
	return out
}

// maxDefaultSchema is in bytes, and within what every database takes.
const maxDefaultSchema = 60

// defaultSchema is where the tables of a connection of this name land if it does
// not say: an identifier that needs no quotes where the name is ASCII, and never
// pg_…, which PostgreSQL lets nobody use.
func defaultSchema(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) })
	s := strings.Join(words, "_")
	switch {
	case s == "":
		return "raw"
	case s[0] >= '0' && s[0] <= '9' || strings.HasPrefix(s, "pg_"):
		s = "raw_" + s
	}
	if len(s) > maxDefaultSchema {
		s = strings.ToValidUTF8(s[:maxDefaultSchema], "")
	}
	return s
}

// fill makes con what want says; it returns all that is wrong with it. con has
// its ID, and where it exists already its ends and schema.
func (c *Control) fill(ctx context.Context, con *store.Connection, want ConnectionSpec) (ends, error) {
	want.Fill()
	var faults Faults
	checkName(&faults, want.Name)
	checkLabels(&faults, want.Team, want.Labels)
	e, err := c.resolveEnds(ctx, want, &faults)
	if err != nil {
		return e, err
	}
	con.Name, con.Team, con.Labels = want.Name, want.Team, want.Labels
	con.Schema = orText(want.Schema, defaultSchema(want.Name))
	if strings.EqualFold(con.Schema, sluice.LedgerSchema) {
		faults.add("schema", "is Sluice's own: the ledger is there")
	}
	con.Names, con.Drift, con.OnLost, con.Nested = want.Names, want.Drift, want.OnLost, want.Nested
	if con.Names == "normalized" {
		con.Names = ""
	}
	l := *want.Limits
	con.Limits = store.Limits{Streams: l.Streams, Parts: l.Parts, MaxRejected: l.MaxRejected, MemoryMB: l.MemoryMB, WindowMB: l.WindowMB, WindowRows: l.WindowRows}
	con.Paused, con.AllStreams = want.Paused != nil && *want.Paused, *want.AllStreams
	c.fillTimes(con, want, &faults)
	if err := c.fillDependencies(ctx, con, want, &faults); err != nil {
		return e, err
	}
	if e.source != nil {
		known, err := c.offered(ctx, e.source.ID)
		if err != nil {
			return e, err
		}
		con.Streams = streamsOf(want.Streams, known, &faults)
	}
	if err := faults.err("check the connection"); err != nil {
		return e, err
	}
	con.SourceID, con.DestinationID = e.source.ID, e.destination.ID
	return e, c.o.Policy.mayJoin(e.source.Region, e.destination.Region)
}

func (c *Control) resolveEnds(ctx context.Context, want ConnectionSpec, faults *Faults) (e ends, err error) {
	if e.source, err = byIDOrName(ctx, store.SourceID, want.Source, c.store.Source, c.store.SourceByName); err != nil {
		return e, err
	}
	if e.source == nil {
		faults.add("source", "is not there: there is no source %q", want.Source)
	}
	if e.destination, err = byIDOrName(ctx, store.DestinationID, want.Destination, c.store.Destination, c.store.DestinationByName); err != nil {
		return e, err
	}
	if e.destination == nil {
		faults.add("destination", "is not there: there is no destination %q", want.Destination)
	}
	return e, nil
}

// byIDOrName returns the object that ref names, nil where there is none.
func byIDOrName[T any](ctx context.Context, prefix, ref string, byID, byName func(context.Context, string) (*T, error)) (*T, error) {
	get := byName
	if strings.HasPrefix(ref, prefix) && idForm.MatchString(ref) {
		get = byID
	}
	found, err := get(ctx, ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return found, err
}

func (c *Control) fillDependencies(ctx context.Context, con *store.Connection, want ConnectionSpec, faults *Faults) error {
	con.DependsOn = nil
	for i, ref := range want.DependsOn {
		at := fmt.Sprintf("depends_on[%d]", i)
		other, err := byIDOrName(ctx, store.ConnectionID, ref, c.store.Connection, c.store.ConnectionByName)
		switch {
		case err != nil:
			return err
		case other == nil:
			faults.add(at, "is not there: there is no connection %q", ref)
		case other.ID == con.ID:
			faults.add(at, "is the connection itself")
		case slices.Contains(con.DependsOn, other.ID):
			faults.add(at, "comes twice")
		default:
			circle, err := c.reaches(ctx, other.ID, con.ID, map[string]bool{})
			if err != nil {
				return err
			}
			if circle {
				faults.add(at, "depends on this connection: neither would ever run")
			}
			con.DependsOn = append(con.DependsOn, other.ID)
		}
	}
	return nil
}

// reaches reports whether from depends on to, directly or not.
func (c *Control) reaches(ctx context.Context, from, to string, seen map[string]bool) (bool, error) {
	if from == to {
		return true, nil
	}
	if seen[from] {
		return false, nil
	}
	seen[from] = true
	row, err := c.store.ConnectionRow(ctx, from)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, next := range row.DependsOn {
		if circle, err := c.reaches(ctx, next, to, seen); circle || err != nil {
			return circle, err
		}
	}
	return false, nil
}

// CreateConnection checks want and keeps it.
func (c *Control) CreateConnection(ctx context.Context, who Actor, want ConnectionSpec) (*store.Connection, error) {
	if err := decodeSpec(encode(want), &ConnectionSpec{}).err("check the connection"); err != nil {
		return nil, err
	}
	con := store.Connection{ID: store.NewID(store.ConnectionID, c.store.Now()), CreatedBy: who.ID}
	if _, err := c.fill(ctx, &con, want); err != nil {
		return nil, err
	}
	want.Fill()
	made := con
	err := c.store.Transact(ctx, func(tx *store.Store) error {
		made = con
		if err := tx.CreateConnection(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "connection.create", kind: config.KindConnection, id: con.ID, name: con.Name, connection: con.ID, after: want})
	})
	if err != nil {
		return nil, err
	}
	c.o.Kick()
	return &made, nil
}

// PatchConnection changes a connection by a JSON merge patch on its spec; lists,
// that of streams too, are replaced whole: see PatchStreams. version is as with
// PatchSource. The notes say what the change means for rows that are loaded.
func (c *Control) PatchConnection(ctx context.Context, who Actor, id string, version int64, patch json.RawMessage) (con *store.Connection, notes []string, err error) {
	have, err := c.store.Connection(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	if version != 0 && version != have.Version {
		return nil, nil, fmt.Errorf("change connection %s: %w", id, store.ErrConflict)
	}
	before, err := c.ConnectionSpec(ctx, have)
	if err != nil {
		return nil, nil, err
	}
	want, err := patchedSpec(before, patch)
	if err != nil {
		return nil, nil, err
	}
	return c.change(ctx, who, have, before, want)
}

func patchedSpec(before ConnectionSpec, patch json.RawMessage) (want ConnectionSpec, err error) {
	var faults Faults
	changes, err := decodeObject(patch)
	if err != nil {
		faults.add("the request", "%v", err)
		return want, faults.err("change the connection")
	}
	tree, err := decodeObject(encode(before))
	if err != nil {
		return want, err
	}
	if s, ok := changes["schedule"].(map[string]any); ok { // one kind of schedule takes the place of another
		tree["schedule"] = map[string]any{}
		if old := before.Schedule; old != nil && s["zone"] != nil && s["cron"] == nil && old.Cron != "" {
			tree["schedule"] = map[string]any{"cron": old.Cron}
		}
	}
	after := mergePatch(tree, changes)
	faults = decodeSpec(encode(after), &want)
	return want, faults.err("change the connection")
}

// change makes a connection what want says, in one transaction.
func (c *Control) change(ctx context.Context, who Actor, have *store.Connection, before, want ConnectionSpec) (*store.Connection, []string, error) {
	next := *have
	if _, err := c.fill(ctx, &next, want); err != nil {
		return nil, nil, err
	}
	if err := fixed(have, &next, want); err != nil {
		return nil, nil, err
	}
	after, err := c.ConnectionSpec(ctx, &next)
	if err != nil {
		return nil, nil, err
	}
	if string(encode(before)) == string(encode(after)) {
		return have, nil, nil
	}
	notes, err := c.consequences(ctx, have, &next)
	if err != nil {
		return nil, nil, err
	}
	made := next
	shownBefore, shownAfter := differing(before, after)
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		made = next
		if err := tx.UpdateConnection(ctx, &made); err != nil {
			return err
		}
		return c.record(ctx, tx, who, change{action: "connection.update", kind: config.KindConnection, id: have.ID, name: next.Name, connection: have.ID,
			before: shownBefore, after: shownAfter})
	})
	if err != nil {
		return nil, nil, err
	}
	c.o.Kick()
	return &made, notes, nil
}

// fixed refuses changes of what a connection's state and tables hang on.
func fixed(have, next *store.Connection, want ConnectionSpec) error {
	var faults Faults
	if next.SourceID != have.SourceID {
		faults.add("source", "cannot be changed: the state belongs to it; make another connection")
	}
	if next.DestinationID != have.DestinationID {
		faults.add("destination", "cannot be changed: the tables are in it; make another connection")
	}
	if want.Schema != "" && next.Schema != have.Schema {
		faults.add("schema", "cannot be changed: the tables are in it; make another connection")
	}
	next.Schema = have.Schema
	if next.Names != have.Names && have.Status.LastSyncID != "" {
		faults.add("names", "cannot be changed once rows were loaded; make another connection")
	}
	return faults.err("change the connection")
}

// differing returns two specs with only those streams in which they differ, for
// the audit log: a connection may have ten thousand.
func differing(a, b ConnectionSpec) (ConnectionSpec, ConnectionSpec) {
	only := func(list, others []StreamSpec) (out []StreamSpec) {
		texts := make(map[string]bool, len(others))
		for i := range others {
			texts[string(encode(others[i]))] = true
		}
		for i := range list {
			if !texts[string(encode(list[i]))] {
				out = append(out, list[i])
			}
		}
		return out
	}
	streamsA, streamsB := a.Streams, b.Streams
	a.Streams, b.Streams = only(streamsA, streamsB), only(streamsB, streamsA)
	return a, b
}

// DeleteConnection forgets a connection, its state and its history. Its tables
// stay in the destination: PlanDelete removes them too. A running sync must have
// ended.
func (c *Control) DeleteConnection(ctx context.Context, who Actor, id string, version int64) error {
	con, err := c.store.Connection(ctx, id)
	if err != nil {
		return err
	}
	before, err := c.ConnectionSpec(ctx, con)
	if err != nil {
		return err
	}
	err = c.store.Transact(ctx, func(tx *store.Store) error {
		open, err := tx.OpenSync(ctx, id) // a queued one is cancelled with it
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.DeleteConnection(ctx, id, version); err != nil {
			return err
		}
		if open != nil {
			if err := tx.AppendEvents(ctx, endedInQueue(open)); err != nil {
				return err
			}
		}
		return c.record(ctx, tx, who, change{action: "connection.delete", kind: config.KindConnection, id: id, name: con.Name, connection: id, before: before})
	})
	if err == nil {
		c.o.Kick()
	}
	return err
}

// checkUnknown returns a fault's words for a name that is not among known.
func checkUnknown(name string, known []string) string {
	if near := spec.DidYouMean(name, known); near != "" {
		return near
	}
	return "; discover the source again if it is new"
}
