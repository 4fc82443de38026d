package control

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

// vista is what is known of a connection when a plan is made.
type vista struct {
	con         *store.Connection
	destination *store.Destination
	known       catalogue
	stats       map[sluice.TableName]store.StreamStats
	states      []store.StateEntry
	complete    map[sluice.TableName]store.StreamCounters // the last complete load of streams whose every sync replaces the table
}

func (c *Control) look(ctx context.Context, v *vista) (err error) {
	if v.known, err = c.offered(ctx, v.con.SourceID); err != nil {
		return err
	}
	stats, err := c.store.Stats(ctx, v.con.ID)
	if err != nil {
		return err
	}
	v.stats = make(map[sluice.TableName]store.StreamStats, len(stats))
	for _, s := range stats {
		v.stats[s.Stream] = s
	}
	if v.states, err = c.store.States(ctx, v.con.ID); err != nil {
		return err
	}
	return c.lookBack(ctx, v)
}

// lookedBack bounds the syncs among which the last complete loads are sought.
const lookedBack = 10

// lookBack finds the last complete load of each stream whose syncs replace its
// table: the sums of all its syncs say nothing about the rows in it.
func (c *Control) lookBack(ctx context.Context, v *vista) error {
	open := map[sluice.TableName]bool{}
	for name := range v.stats {
		if v.write(name) == sluice.Replace {
			open[name] = true
		}
	}
	if len(open) == 0 {
		return nil
	}
	syncs, _, err := c.store.ListSyncs(ctx, store.SyncFilter{ConnectionID: v.con.ID, State: store.Ended}, store.Page{Limit: lookedBack})
	if err != nil {
		return err
	}
	v.complete = map[sluice.TableName]store.StreamCounters{}
	for i := 0; i < len(syncs) && len(open) > 0; i++ {
		counters, err := c.store.SyncStreams(ctx, syncs[i].ID)
		if err != nil {
			return err
		}
		for _, k := range counters {
			if open[k.Stream] && k.Phase == streamDone {
				v.complete[k.Stream] = k
				delete(open, k.Stream)
			}
		}
	}
	return nil
}

// streamDone is the phase of a stream that is up to date, as package pipeline
// names it.
const streamDone = "done"

// selected returns the streams that the connection syncs, as far as is known, by
// name.
func (v *vista) selected() []sluice.TableName {
	names := map[string]sluice.TableName{} // as syncs know them, where they do
	for i := range v.con.Streams {
		name := v.con.Streams[i].TableName()
		names[name.String()] = name
	}
	for full, offered := range v.known {
		names[full] = offered.Name
	}
	for name := range v.stats {
		names[name.String()] = name
	}
	var out []sluice.TableName
	for _, name := range names {
		if selected(v.con, name) {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, compareNames)
	return out
}

// settings returns those of a stream.
func (v *vista) settings(name sluice.TableName) StreamSpec {
	if s := settingsOf(v.con, name); s != nil {
		return StreamSpecOf(s)
	}
	return StreamSpec{Namespace: name.Schema, Name: name.Name}
}

// write returns how a stream is written: as its settings say, or else by the
// rule that a sync follows.
func (v *vista) write(name sluice.TableName) sluice.WriteMode {
	s := v.settings(name)
	if s.Write != "" {
		return sluice.WriteMode(s.Write)
	}
	mode, key := sluice.ReadMode(s.Mode), s.PrimaryKey
	if s.Cursor != "" && mode == "" {
		mode = sluice.Incremental
	}
	if offered := v.known[name.String()]; offered != nil {
		if mode == "" && len(offered.Modes) > 0 {
			mode = offered.Modes[0]
		}
		if len(key) == 0 {
			key = offered.Key
		}
	}
	switch {
	case mode == sluice.FullRefresh:
		return sluice.Replace
	case len(key) == 0:
		return sluice.Append
	}
	return sluice.Merge
}

// counts returns the rows and bytes that a full read of a stream is expected to
// bring, and the rows in its table, by the last known counts.
func (v *vista) counts(name sluice.TableName) (read, bytes, inTable int64) {
	stats := v.stats[name]
	read, inTable = stats.Rows, stats.Rows
	full := v.write(name) == sluice.Replace // whose every sync loads all rows again
	rows, size := stats.Rows, stats.Bytes
	last, complete := v.complete[name]
	if complete {
		rows, size, read, inTable = last.Committed, last.Bytes, last.Committed, last.Committed
	} else if stats.Estimate > 0 {
		read = stats.Estimate
	}
	if offered := v.known[name.String()]; offered != nil && offered.RowCount > 0 {
		read = offered.RowCount
	}
	if full && !complete {
		inTable = min(inTable, read)
	}
	bytes = size
	if rows > 0 {
		bytes = int64(float64(size) / float64(rows) * float64(read))
	}
	return read, bytes, inTable
}

// sums reports whether all that is known of a stream's rows is how many its syncs
// read, and these may have read a row again.
func (v *vista) sums(name sluice.TableName) bool {
	offered := v.known[name.String()]
	return v.write(name) == sluice.Merge && v.stats[name].Estimate == 0 && (offered == nil || offered.RowCount == 0) && v.stats[name].Rows > 0
}

func tableText(t sluice.TableName) string {
	if t == (sluice.TableName{}) {
		return ""
	}
	return t.String()
}

func (v *vista) resync(p *prospect, streams []string) error {
	selected := v.selected()
	wanted := selected
	if len(streams) > 0 {
		var err error
		if wanted, err = choose(selected, streams); err != nil {
			return err
		}
		p.names = wanted
	}
	for _, name := range wanted {
		e := StreamEffect{Stream: name.String(), Table: tableText(v.stats[name].Table)}
		e.RowsRead, e.BytesRead, e.RowsRewritten = v.counts(name)
		switch v.write(name) {
		case sluice.SoftDelete:
			e.Effect = "every row is read and merged again; rows that the source no longer has are marked deleted"
		case sluice.History:
			e.Effect = "every row is read again; rows that changed get a new version, rows that the source no longer has are closed"
		default:
			if v.write(name) == sluice.Merge { // one row each, however often it was read
				e.RowsRewritten = min(e.RowsRewritten, e.RowsRead)
			}
			if v.sums(name) {
				e.Effect = "the source does not say how many rows it has: at most so many, for rows that changed were counted again; "
			}
			e.Effect += "every row is read again; when that is complete, the new rows take the table's place"
		}
		p.effects.Streams = append(p.effects.Streams, e)
	}
	p.effects.Summary = fmt.Sprintf("%s read anew from the start", are(len(wanted), "stream"))
	return nil
}

// are is "1 stream is" or "2 streams are".
func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return fmt.Sprintf("%d %ss are", n, what)
}

// choose returns the streams of those names; all that are not there are named.
func choose(selected []sluice.TableName, names []string) (out []sluice.TableName, err error) {
	var faults Faults
	known := make([]string, len(selected))
	for i, s := range selected {
		known[i] = s.String()
	}
	for i, name := range names {
		at := slices.Index(known, name)
		if at < 0 {
			faults.add(fmt.Sprintf("streams[%d]", i), "is not a stream that the connection syncs: %q%s", name, checkUnknown(name, known))
			continue
		}
		if !slices.Contains(out, selected[at]) {
			out = append(out, selected[at])
		}
	}
	return out, faults.err("plan")
}

// mostSyncs bounds how many syncs are looked at to count what a restored state
// reads again.
const mostSyncs = 200

func (c *Control) foreseeRestore(ctx context.Context, v *vista, p *prospect, id int64) error {
	entry, err := c.store.StateEntry(ctx, v.con.ID, id)
	if err != nil {
		return err
	}
	if entry.Current {
		return fail(CodePlanUnfit, "plan", "choose an earlier state", "state %d is the current one", id)
	}
	p.entry = entry
	affected := []sluice.TableName{entry.Stream}
	if entry.Stream == (sluice.TableName{}) { // a log that streams share
		affected = v.selected()
	}
	since, more, err := c.since(ctx, v.con.ID, entry)
	if err != nil {
		return err
	}
	for _, name := range affected {
		done := since[name]
		e := StreamEffect{Stream: name.String(), Table: tableText(v.stats[name].Table), RowsRead: done.Rows, BytesRead: done.Bytes, RowsRewritten: done.Rows}
		if len(entry.Positions) == 0 {
			e.RowsRead, e.BytesRead, e.RowsRewritten = v.counts(name)
		}
		e.Effect = "what was read since is read and merged again"
		if v.write(name) == sluice.Append {
			e.Effect, e.RowsRewritten = "what was read since is read and appended again: those rows come twice", 0
		}
		p.effects.Streams = append(p.effects.Streams, e)
	}
	p.effects.Summary = fmt.Sprintf("the state of %s goes back to that of %s", cmp.Or(entry.Stream.String(), "the shared log"), entry.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	if more {
		p.effects.Summary += fmt.Sprintf("; counts are of the last %d syncs only", mostSyncs)
	}
	return nil
}

// since sums what was read of each stream after an entry was current.
func (c *Control) since(ctx context.Context, connectionID string, entry *store.StateEntry) (map[sluice.TableName]store.StreamCounters, bool, error) {
	sums := map[sluice.TableName]store.StreamCounters{}
	syncs, next, err := c.store.ListSyncs(ctx, store.SyncFilter{ConnectionID: connectionID, After: entry.At}, store.Page{Limit: mostSyncs})
	if err != nil {
		return nil, false, err
	}
	for i := range syncs {
		counters, err := c.store.SyncStreams(ctx, syncs[i].ID)
		if err != nil {
			return nil, false, err
		}
		for _, k := range counters {
			sum := sums[k.Stream]
			sum.Rows += k.Rows
			sum.Bytes += k.Bytes
			sums[k.Stream] = sum
		}
	}
	return sums, next != "", nil
}

func (c *Control) foreseeDelete(ctx context.Context, v *vista, p *prospect) error {
	own := map[sluice.TableName]sluice.TableName{} // stream by table
	for name, s := range v.stats {
		if s.Table != (sluice.TableName{}) {
			own[s.Table] = name
			p.names = append(p.names, name)
		}
	}
	for _, state := range v.states {
		if !slices.Contains(p.names, state.Stream) {
			p.names = append(p.names, state.Stream)
		}
		for _, position := range state.Positions {
			for _, child := range position.Children {
				own[child.Name] = state.Stream
			}
		}
	}
	slices.SortFunc(p.names, compareNames)
	if err := c.notShared(ctx, v.con, own, c.mates); err != nil {
		return err
	}
	for table := range own {
		p.tables = append(p.tables, table)
	}
	slices.SortFunc(p.tables, compareNames)
	for _, table := range p.tables {
		e := StreamEffect{Stream: own[table].String(), Table: table.String(), Effect: "the table is dropped"}
		if v.stats[own[table]].Table == table {
			_, _, e.RowsRewritten = v.counts(own[table])
		}
		p.effects.Streams = append(p.effects.Streams, e)
	}
	p.effects.TablesDropped = int64(len(p.tables))
	p.effects.Summary = fmt.Sprintf("%s dropped from %s, and the connection is deleted with its state and history", are(len(p.tables), "table"), v.destination.Name)
	return nil
}
