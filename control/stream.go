package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// catalogue is what a source offers, by full name. An empty one says that the
// source was never discovered.
type catalogue map[string]*sluice.Stream

// offered returns what a source offered when it was last discovered.
func (c *Control) offered(ctx context.Context, sourceID string) (catalogue, error) {
	all := catalogue{}
	err := store.Each(func(p store.Page) ([]store.CatalogueEntry, string, error) {
		return c.store.Catalogue(ctx, sourceID, "", p)
	},
		func(e *store.CatalogueEntry) error {
			all[e.Stream.Name.String()] = &e.Stream
			return nil
		})
	return all, err
}

func (k catalogue) names() []string {
	names := make([]string, 0, 2*len(k))
	for full, s := range k {
		names = append(names, full)
		if s.Name.Name != full {
			names = append(names, s.Name.Name)
		}
	}
	slices.Sort(names)
	return names
}

// streamsOf checks the settings of streams against what the source offers, where
// that is known; else they are checked when the connection runs.
func streamsOf(want []StreamSpec, known catalogue, faults *Faults) []store.Stream {
	var names []string
	first, tables := map[string]int{}, map[string]int{}
	out := make([]store.Stream, 0, len(want))
	for i, s := range want {
		at := fmt.Sprintf("streams[%d]", i)
		offered := known[s.FullName()]
		if offered != nil {
			s.Namespace, s.Name = offered.Name.Schema, offered.Name.Name
		} else if len(known) > 0 && (s.Selected == nil || *s.Selected) {
			if names == nil {
				names = known.names()
			}
			faults.add(at+".name", "is not a stream of the source: %q%s", s.FullName(), checkUnknown(s.FullName(), names))
		}
		if offered == nil && len(known) == 0 && strings.ContainsAny(s.Name, "*?") {
			faults.add(at+".name", "must be one stream, not a pattern; all_streams syncs those that are not listed, too")
		}
		if n, twice := first[s.FullName()]; twice {
			faults.add(at+".name", "comes twice: it is streams[%d] already", n)
		}
		first[s.FullName()] = i
		if n, twice := tables[s.Table]; twice && s.Table != "" {
			faults.add(at+".table", "is the table of streams[%d] already", n)
		}
		tables[s.Table] = i
		checkStream(at, s, offered, faults)
		out = append(out, toStream(s))
	}
	return out
}

// checkStream adds what is wrong with a stream's settings; offered is nil where
// it is not known what the source offers.
func checkStream(at string, s StreamSpec, offered *sluice.Stream, faults *Faults) {
	if s.Cursor != "" && s.Mode != "" && s.Mode != string(sluice.Incremental) {
		faults.add(at+".cursor", "is for mode incremental; leave it out with mode %s", s.Mode)
	}
	if s.Write == string(sluice.Replace) && (s.Cursor != "" || s.Mode != "" && s.Mode != string(sluice.FullRefresh)) {
		faults.add(at+".write", "replace needs mode full_refresh: other modes bring only changes, and the rest would be lost")
	}
	checkColumns(at, s, faults)
	if offered == nil {
		return
	}
	modes := make([]string, len(offered.Modes))
	for i, m := range offered.Modes {
		modes[i] = string(m)
	}
	if s.Mode != "" {
		faults.oneOf(at+".mode", s.Mode, modes)
	}
	if sluice.WriteMode(s.Write).Keyed() && len(s.PrimaryKey) == 0 && len(offered.Key) == 0 {
		faults.add(at+".write", "%s needs a key, and the stream has none: give primary_key, or choose append or replace", s.Write)
	}
	checkColumnNames(at, s, offered, faults)
}

// checkColumns adds rules for columns that contradict each other.
func checkColumns(at string, s StreamSpec, faults *Faults) {
	for i, name := range s.Exclude {
		place := fmt.Sprintf("%s.exclude[%d]", at, i)
		switch {
		case slices.Contains(s.Hash, name):
			faults.add(place, "is hashed, too: a column is either left out or hashed")
		case slices.Contains(s.PrimaryKey, name):
			faults.add(place, "is part of the key, which tells rows apart: hash it instead")
		case name == s.Cursor && name != "":
			faults.add(place, "is the cursor, without which changes cannot be found")
		case slices.Contains(s.Exclude[:i], name):
			faults.add(place, "comes twice")
		}
	}
	for i, name := range s.Hash {
		place := fmt.Sprintf("%s.hash[%d]", at, i)
		switch {
		case name == s.Cursor && name != "":
			faults.add(place, "is the cursor, which the state keeps in clear: choose another cursor")
		case slices.Contains(s.Hash[:i], name):
			faults.add(place, "comes twice")
		}
	}
}

// checkColumnNames adds columns that the stream does not have, and rules against
// what the source says of it.
func checkColumnNames(at string, s StreamSpec, offered *sluice.Stream, faults *Faults) {
	key := s.PrimaryKey
	if len(key) == 0 {
		key = offered.Key
	}
	for i, name := range s.Exclude {
		if slices.Contains(key, name) && !slices.Contains(s.PrimaryKey, name) {
			faults.add(fmt.Sprintf("%s.exclude[%d]", at, i), "is part of the key, which tells rows apart: hash it instead")
		}
	}
	if len(offered.Columns) == 0 {
		return // inferred when it is read
	}
	columns := make([]string, len(offered.Columns))
	for i, c := range offered.Columns {
		columns[i] = c.Name
	}
	check := func(place, name string) {
		if !slices.Contains(columns, name) {
			faults.add(place, "is not a column of %s: %q%s", offered.Name, name, checkUnknown(name, columns))
		}
	}
	if s.Cursor != "" {
		check(at+".cursor", s.Cursor)
	}
	known := map[string][]string{"primary_key": s.PrimaryKey}
	if !offered.Sampled { // else what is to be kept out need not have been seen yet, or not again
		known["exclude"], known["hash"] = s.Exclude, s.Hash
	}
	for list, names := range known {
		for i, name := range names {
			check(fmt.Sprintf("%s.%s[%d]", at, list, i), name)
		}
	}
}

// A StreamRow is a stream of a connection: what the source offers, and how it is
// synced.
type StreamRow struct {
	Spec     StreamSpec     // the settings; of a stream that is not listed only the name
	Listed   bool           // the connection has settings of it
	Selected bool           // it is synced
	Offered  *sluice.Stream // nil: the source no longer offers it, or was never discovered
}

// Streams lists what the source of a connection offers, by name, and last the
// streams with settings that it no longer does; search is part of a name.
func (c *Control) Streams(ctx context.Context, con *store.Connection, search string, p store.Page) (rows []StreamRow, next string, err error) {
	items, next, err := c.store.Catalogue(ctx, con.SourceID, search, p)
	if err != nil {
		return nil, "", err
	}
	listed := make(map[string]*store.Stream, len(con.Streams))
	for i := range con.Streams {
		listed[con.Streams[i].TableName().String()] = &con.Streams[i]
	}
	for i := range items {
		name := items[i].Stream.Name
		rows = append(rows, rowOf(con, name, listed[name.String()], &items[i].Stream))
	}
	if next != "" || len(listed) == 0 {
		return rows, next, nil
	}
	gone, err := c.gone(ctx, con)
	if err != nil {
		return nil, "", err
	}
	for _, s := range gone {
		if name := s.TableName(); strings.Contains(strings.ToLower(name.String()), strings.ToLower(search)) {
			rows = append(rows, rowOf(con, name, s, nil))
		}
	}
	return rows, "", nil
}

// gone returns the settings of streams that the source does not offer. A few are
// looked for one by one, many in all that it offers.
func (c *Control) gone(ctx context.Context, con *store.Connection) (out []*store.Stream, err error) {
	const few = 50
	var known catalogue
	if len(con.Streams) > few {
		if known, err = c.offered(ctx, con.SourceID); err != nil {
			return nil, err
		}
	}
	for i := range con.Streams {
		s := &con.Streams[i]
		there := known[s.TableName().String()] != nil
		if known == nil {
			if there, err = c.isOffered(ctx, con.SourceID, s.TableName()); err != nil {
				return nil, err
			}
		}
		if !there {
			out = append(out, s)
		}
	}
	return out, nil
}

// isOffered looks for a stream, also by a name that has its namespace in it.
func (c *Control) isOffered(ctx context.Context, sourceID string, name sluice.TableName) (bool, error) {
	full := name.String()
	for at := -1; at < len(full); {
		try := sluice.TableName{Schema: full[:max(at, 0)], Name: full[at+1:]}
		_, err := c.store.CatalogueStream(ctx, sourceID, try)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return err == nil, err
		}
		next := strings.IndexByte(full[at+1:], '.')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return false, nil
}

func rowOf(con *store.Connection, name sluice.TableName, s *store.Stream, offered *sluice.Stream) StreamRow {
	if s == nil {
		return StreamRow{Spec: StreamSpec{Namespace: name.Schema, Name: name.Name}, Selected: con.AllStreams, Offered: offered}
	}
	return StreamRow{Spec: StreamSpecOf(s), Listed: true, Selected: s.Selected, Offered: offered}
}

// PatchStreams changes the settings of some streams of a connection and leaves
// the others. Each patch is a JSON merge patch on a StreamSpec and names its
// stream. version and notes are as with PatchConnection.
func (c *Control) PatchStreams(ctx context.Context, who Actor, id string, version int64, patches []json.RawMessage) (con *store.Connection, notes []string, err error) {
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
	want := before
	want.Streams = slices.Clone(before.Streams)
	places := make(map[string]int, len(want.Streams))
	for i := range want.Streams {
		places[want.Streams[i].FullName()] = i
	}
	var faults Faults
	touched := map[int]int{} // from the place in want to that in patches
	for i, patch := range patches {
		at, ok := patchStream(&want, places, have.AllStreams, i, patch, &faults)
		if ok {
			touched[at] = i
		}
	}
	if err := faults.err("change streams"); err != nil {
		return nil, nil, err
	}
	con, notes, err = c.change(ctx, who, have, before, want)
	return con, notes, replaced(err, touched)
}

// patchStream applies one patch and returns the stream's place in want.
func patchStream(want *ConnectionSpec, places map[string]int, selected bool, i int, patch json.RawMessage, faults *Faults) (int, bool) {
	under := fmt.Sprintf("streams[%d]", i)
	changes, err := decodeObject(patch)
	var name StreamSpec
	if err == nil {
		err = json.Unmarshal(patch, &struct{ Namespace, Name *string }{&name.Namespace, &name.Name})
	}
	if err != nil || name.Name == "" {
		faults.add(under, "must be an object with the stream's name")
		return 0, false
	}
	at, known := places[name.FullName()]
	base := StreamSpec{Namespace: name.Namespace, Name: name.Name, Selected: &selected}
	if known {
		base = want.Streams[at]
	}
	delete(changes, "name")
	delete(changes, "namespace")
	tree, err := decodeObject(encode(base))
	if err != nil {
		faults.add(under, "%v", err)
		return 0, false
	}
	var after StreamSpec
	found := decodeSpec(encode(mergePatch(tree, changes)), &after)
	for _, f := range found {
		faults.add(join(under, f.Location), "%s", f.Message)
	}
	if !known {
		at = len(want.Streams)
		places[name.FullName()] = at
		want.Streams = append(want.Streams, after)
	}
	want.Streams[at] = after
	return at, len(found) == 0
}

// replaced gives the faults of an error the places in the request.
func replaced(err error, touched map[int]int) error {
	faults := FaultsOf(err)
	if len(faults) == 0 {
		return err
	}
	moved := make(Faults, 0, len(faults))
	for _, f := range faults {
		var n int
		if _, scanErr := fmt.Sscanf(f.Location, "streams[%d]", &n); scanErr == nil {
			if i, ok := touched[n]; ok {
				_, rest, _ := strings.Cut(f.Location, "]")
				f.Location = fmt.Sprintf("streams[%d]%s", i, rest)
			}
		}
		moved = append(moved, f)
	}
	return moved.err("change streams")
}

// consequences returns what a change of settings means for rows that are loaded,
// for people. It refuses what would leave rows of two keys in one table, unless
// the connection is paused, so that a re-sync comes before the next sync.
func (c *Control) consequences(ctx context.Context, have, next *store.Connection) (notes []string, err error) {
	states, err := c.store.States(ctx, have.ID)
	if err != nil || len(states) == 0 {
		return nil, err
	}
	loaded := map[string]bool{}
	for _, s := range states {
		loaded[s.Stream.String()] = len(s.Positions) > 0
	}
	known, err := c.offered(ctx, have.SourceID)
	if err != nil {
		return nil, err
	}
	old := map[string]*store.Stream{}
	for i := range have.Streams {
		old[have.Streams[i].TableName().String()] = &have.Streams[i]
	}
	var faults Faults
	for i := range next.Streams {
		now := &next.Streams[i]
		name := now.TableName()
		if !loaded[name.String()] && !loaded[""] { // "": a log that all share
			continue
		}
		was := old[name.String()]
		if was == nil {
			was = &store.Stream{Namespace: name.Schema, Name: name.Name, Selected: have.AllStreams}
		}
		key, note := effect(was, now, known[name.String()])
		if key && !next.Paused {
			faults.add(fmt.Sprintf("streams[%d]", i), "changes the key of rows that are loaded; pause the connection, change it, re-sync the stream, and resume")
		}
		if note != "" {
			notes = append(notes, name.String()+": "+note)
		}
	}
	return notes, faults.err("change the connection")
}

// effect says what new settings mean for the rows of a stream, and whether its
// rows would have another key.
func effect(was, now *store.Stream, offered *sluice.Stream) (key bool, note string) {
	if !was.Selected {
		return false, ""
	}
	if !now.Selected {
		return false, "it is no longer synced; its table stays as it is"
	}
	before, after := StreamSpecOf(was), StreamSpecOf(now)
	columns := now.PrimaryKey
	if len(columns) == 0 && offered != nil {
		columns = offered.Key
	}
	for _, name := range columns {
		key = key || slices.Contains(before.Hash, name) != slices.Contains(after.Hash, name)
	}
	key = key || !slices.Equal(was.PrimaryKey, now.PrimaryKey) && !(len(was.PrimaryKey) == 0 && offered != nil && slices.Equal(offered.Key, now.PrimaryKey))
	var clear []string
	for _, name := range slices.Concat(after.Hash, after.Exclude) {
		if !slices.Contains(before.Hash, name) && !slices.Contains(before.Exclude, name) {
			clear = append(clear, name)
		}
	}
	switch {
	case key:
		note = "rows that are loaded have another key; re-sync the stream before the next sync"
	case len(clear) > 0:
		note = "rows that are loaded keep " + strings.Join(clear, ", ") + " in clear until the stream is re-synced"
	case was.Write != now.Write || was.Mode != now.Mode || was.Nested != now.Nested || was.Table != now.Table:
		note = "rows that are loaded stay as they are; re-sync the stream to have all of them the new way"
	}
	return key, note
}

// settingsOf returns a connection's settings of a stream, nil where it has none.
// They may name it by its full name, where they were made before it was known
// what the source offers.
func settingsOf(con *store.Connection, name sluice.TableName) *store.Stream {
	full := name.String()
	for i := range con.Streams {
		if con.Streams[i].TableName().String() == full {
			return &con.Streams[i]
		}
	}
	return nil
}

// selected reports whether a connection syncs a stream.
func selected(con *store.Connection, name sluice.TableName) bool {
	if s := settingsOf(con, name); s != nil {
		return s.Selected
	}
	return con.AllStreams
}
