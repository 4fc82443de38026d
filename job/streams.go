package job

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/pipeline"
	"github.com/sluicehq/sluice/pipeline/normalize"
	"github.com/sluicehq/sluice/spec"
)

// Choose joins the streams that the job names, all where it names none, with
// those that the source offers. Its errors say the place in the file.
func (j *Job) Choose(offered []sluice.Stream, traits sluice.Traits) ([]pipeline.Stream, error) {
	var chosen []pipeline.Stream
	wanted := j.Streams
	if len(wanted) == 0 {
		wanted = []config.Stream{{Name: "*"}}
	}
	for _, w := range wanted {
		found, err := j.match(w, offered)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			if slices.ContainsFunc(chosen, func(c pipeline.Stream) bool { return c.Selection.Stream.Name == s.Name }) {
				continue
			}
			p, err := j.stream(w, s, traits)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, p)
		}
	}
	return chosen, collisions(chosen, traits)
}

// WithoutNew leaves out, under a drift policy that wants it so, the streams that
// came into being since the first sync and that the file does not name in full.
func (j *Job) WithoutNew(ctx context.Context, q sluice.Querier, streams []pipeline.Stream) (kept []pipeline.Stream, left []string, err error) {
	if pipeline.Drift(j.Drift) == pipeline.AllowAll {
		return streams, nil, nil
	}
	positions, err := j.Positions(ctx, q)
	if err != nil || len(positions) == 0 {
		return streams, nil, err
	}
	known := map[sluice.TableName]bool{}
	for _, p := range positions {
		known[p.Lane.Stream] = true
	}
	for _, s := range streams {
		name := s.Selection.Stream.Name
		named := slices.ContainsFunc(j.Streams, func(w config.Stream) bool { return w.Name == name.String() || w.Name == name.Name })
		if known[name] || named {
			kept = append(kept, s)
		} else {
			left = append(left, name.String())
		}
	}
	return kept, left, nil
}

// match returns the offered streams that a line of the file names.
func (j *Job) match(w config.Stream, offered []sluice.Stream) ([]sluice.Stream, error) {
	var found []sluice.Stream
	var names []string
	for _, s := range offered {
		name := s.Name.String()
		names = append(names, name, s.Name.Name)
		excluded := slices.ContainsFunc(j.Exclude, func(p string) bool { return Matches(p, s.Name) })
		if Matches(w.Name, s.Name) && (!excluded || w.Name == name) {
			found = append(found, s)
		}
	}
	if len(found) == 0 && w.Name != "*" {
		return nil, j.fault(w.Line, "stream_not_found", fmt.Sprintf("the source has no stream %q%s", w.Name, spec.DidYouMean(w.Name, names)),
			j.discovery()+" lists the streams that the source offers; what its user may not read is not among them")
	}
	return found, nil
}

// discovery is how people list what the source offers.
func (j *Job) discovery() string {
	if j.Path == "" {
		return "discovering the source again"
	}
	return "`sluice discover " + j.Path + "`"
}

func (j *Job) fault(line int, code, reason, hint string) error {
	return &sluice.Error{Class: sluice.Config, Code: code, Err: &config.Error{Path: j.Path, Line: line, Reason: reason}, Hint: hint}
}

// Matches reports whether a pattern names a stream, with its schema or without.
func Matches(pattern string, name sluice.TableName) bool {
	// A slash is a character of a name like any other, but path.Match stops at it.
	flat := func(s string) string { return strings.ReplaceAll(s, "/", "\x00") }
	full, _ := path.Match(flat(pattern), flat(name.String()))
	short, _ := path.Match(flat(pattern), flat(name.Name))
	return full || short || pattern == name.String() || pattern == name.Name
}

// stream fills in what a line of the file leaves out.
func (j *Job) stream(w config.Stream, s sluice.Stream, traits sluice.Traits) (pipeline.Stream, error) {
	if len(w.PrimaryKey) > 0 {
		s.Key = w.PrimaryKey
	}
	sel := sluice.Selection{Stream: s, Mode: w.Mode, Cursor: w.Cursor}
	mask, err := j.mask(w, &sel)
	if err != nil {
		return pipeline.Stream{}, err
	}
	sel.Stream.Table = *mask.Table(&s.Table)
	p := pipeline.Stream{Mode: w.Write, Mask: mask, Drift: pipeline.Drift(j.Drift), SourceNames: j.SourceNames,
		NestedTables: orText(w.Nested, j.Nested) == "tables",
		Selection:    sel,
		Table:        normalize.TableFor(j.Schema, s.Name, j.SourceNames, traits.MaxIdentifier)}
	if w.Table != "" {
		p.Table.Name = w.Table
	}
	if err := j.landing(w, p.Table, traits); err != nil {
		return p, err
	}
	if err := j.readMode(w, &p); err != nil {
		return p, err
	}
	if p.Mode == "" {
		p.Mode, p.DefaultMode = defaultWrite(p.Selection), true
	}
	return p, j.checkWrite(w, p, traits)
}

func orText(v, other string) string {
	if v != "" {
		return v
	}
	return other
}

// mask returns what a line says of columns. Those that tell rows and changes are
// selected in any case. What the source does not list yet can be left out where it
// may come; to name it otherwise is taken for a mistake.
func (j *Job) mask(w config.Stream, sel *sluice.Selection) (m pipeline.Mask, err error) {
	s := &sel.Stream
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	needed := sel.Needed()
	known := slices.Concat(w.Columns, w.PrimaryKey, []string{w.Cursor})
	if !s.Sampled {
		known = append(known, w.Exclude...)
	}
	for _, name := range known {
		if name != "" && len(names) > 0 && !slices.Contains(names, name) {
			return m, j.fault(w.Line, "column_not_found", fmt.Sprintf("%s has no column %q%s", s.Name, name, spec.DidYouMean(name, names)),
				j.discovery()+" lists the columns")
		}
	}
	m.Exclude = slices.DeleteFunc(slices.Clone(w.Exclude), func(c string) bool { return slices.Contains(needed, c) })
	if len(w.Columns) > 0 {
		m.Only = slices.Concat(w.Columns, needed)
	}
	return m, nil
}

// landing refuses names that were chosen and do not fit: a table among Sluice's
// own, where it could be taken for the ledger, and names that the destination
// would cut, so that two tables could become one.
func (j *Job) landing(w config.Stream, t sluice.TableName, traits sluice.Traits) error {
	if normalize.FoldCase(t.Schema) == sluice.LedgerSchema {
		return j.fault(w.Line, "name_unfit", fmt.Sprintf("schema %s is Sluice's own: the ledger is there", t.Schema), "choose another `schema:`")
	}
	for key, name := range map[string]string{"schema": t.Schema, "table": t.Name} {
		if limit := traits.MaxIdentifier; limit > 0 && len(name) > limit {
			hint := fmt.Sprintf("choose a shorter `%s:`", key)
			if j.Path == "" && key == "schema" {
				hint = "make the connection anew, with a shorter schema"
			}
			return j.fault(w.Line, "name_unfit", fmt.Sprintf("%s %s has %d bytes, and names in the destination at most %d", key, name, len(name), limit), hint)
		}
	}
	return nil
}

// readMode fills in how a stream is read: as the file says, and else as the source
// prefers. A source that would need to be told the right cursor prefers a full
// refresh: a wrong one misses changes, and nobody would notice.
func (j *Job) readMode(w config.Stream, p *pipeline.Stream) error {
	sel := &p.Selection
	s := sel.Stream
	if sel.Mode == "" && sel.Cursor != "" {
		sel.Mode = sluice.Incremental
	}
	if sel.Mode == "" && len(s.Modes) > 0 {
		sel.Mode = s.Modes[0]
	}
	if !slices.Contains(s.Modes, sel.Mode) {
		return j.fault(w.Line, "mode_unsupported", fmt.Sprintf("%s cannot be read in mode %s; it offers %s", s.Name, sel.Mode, JoinModes(s.Modes)), "choose one of the modes offered")
	}
	if sel.Cursor != "" && sel.Mode != sluice.Incremental {
		return j.fault(w.Line, "cursor_unused", fmt.Sprintf("%s is read in mode %s, which needs no cursor", s.Name, sel.Mode), "remove `cursor:`, or choose mode: incremental")
	}
	if sel.Cursor != "" && len(s.Cursors) == 0 {
		return j.fault(w.Line, "cursor_unused", fmt.Sprintf("%s has no columns to choose a cursor from: its source keeps track of what is new by itself, or cannot", s.Name), "remove `cursor:`")
	}
	if sel.Mode != sluice.Incremental || sel.Cursor != "" || len(s.Cursors) == 0 {
		return nil // without cursors to choose from, the source keeps its own
	}
	if s.Modes[0] != sluice.Incremental {
		return j.fault(w.Line, "cursor_missing", fmt.Sprintf("%s needs a cursor: the column that grows with every change of a row", s.Name),
			"add `cursor:` with one of "+strings.Join(s.Cursors, ", "))
	}
	sel.Cursor = s.Cursors[0]
	return nil
}

// defaultWrite is how rows are written where the file does not say.
func defaultWrite(sel sluice.Selection) sluice.WriteMode {
	switch {
	case sel.Mode == sluice.FullRefresh:
		return sluice.Replace
	case len(sel.Stream.Key) == 0:
		return sluice.Append
	}
	return sluice.Merge
}

func (j *Job) checkWrite(w config.Stream, p pipeline.Stream, traits sluice.Traits) error {
	s := p.Selection.Stream
	if p.Mode.Keyed() && len(s.Key) == 0 {
		return j.fault(w.Line, "key_missing", fmt.Sprintf("%s has no key, which write: %s needs", s.Name, p.Mode), "add `primary_key: [columns]`, or choose write: append or replace")
	}
	if p.Mode == sluice.Replace && p.Selection.Mode != sluice.FullRefresh {
		return j.fault(w.Line, "write_unfit", fmt.Sprintf("%s is read in mode %s, which brings only changes: write: replace would lose the rest", s.Name, p.Selection.Mode), "choose mode: full_refresh, or write: merge")
	}
	if !slices.Contains(traits.Modes, p.Mode) {
		return j.fault(w.Line, "write_unsupported", fmt.Sprintf("the destination cannot write: %s; it offers %s", p.Mode, JoinModes(traits.Modes)), "choose one of the modes offered")
	}
	return nil
}

// collisions refuses two streams that would land in one table.
func collisions(streams []pipeline.Stream, traits sluice.Traits) error {
	first := map[sluice.TableName]sluice.TableName{}
	for _, s := range streams {
		name := s.Table
		if traits.IgnoresCase {
			name = sluice.TableName{Schema: normalize.FoldCase(name.Schema), Name: normalize.FoldCase(name.Name)}
		}
		if other, taken := first[name]; taken {
			return sluice.Errorf(sluice.Config, "name_collision", "", "give one of them a table of its own with `table:`, or set `names: source`",
				"streams %s and %s would both land in table %s", other, s.Selection.Stream.Name, s.Table)
		}
		first[name] = s.Selection.Stream.Name
	}
	return nil
}

// JoinModes lists modes for people.
func JoinModes[M ~string](modes []M) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
	}
	return strings.Join(names, ", ")
}
