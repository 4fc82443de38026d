package extract_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/extract"
)

var (
	name  = sluice.TableName{Name: "t"}
	whole = sluice.Lane{Stream: name}
	part  = sluice.Lane{Stream: name, Part: 1}
	now   = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	then  = now.Add(-time.Hour)
)

const (
	id    = "20261121T100000.000000"
	old   = "20261121T090000.000000"
	older = "20261121T080000.000000"
	swap  = "-swap"
)

func TestNew(t *testing.T) {
	t.Parallel()
	cursor := sluice.Cursor(`1`)
	for what, c := range map[string]struct {
		read      sluice.ReadMode
		mode      sluice.WriteMode
		positions []sluice.Position
		resync    bool

		refresh string
		want    sluice.WriteMode
		cursors int
		resumed bool
	}{
		"first incremental read": {read: sluice.Incremental, mode: sluice.Merge, want: sluice.Merge},
		"next incremental read":  {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Done: true}}, want: sluice.Merge, cursors: 1},
		"first full read":        {read: sluice.FullRefresh, mode: sluice.Replace, refresh: id, want: sluice.Replace},
		"next full read":         {read: sluice.FullRefresh, mode: sluice.Replace, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Refresh: old, Done: true}}, refresh: id, want: sluice.Replace},
		"unfinished full read":   {read: sluice.FullRefresh, mode: sluice.Replace, positions: []sluice.Position{{Lane: part, Cursor: cursor, Refresh: old}}, refresh: old, want: sluice.Replace, cursors: 1, resumed: true},
		"unfinished next full read, in parts": {read: sluice.FullRefresh, mode: sluice.Append, positions: []sluice.Position{
			{Lane: whole, Cursor: cursor, Refresh: older, Done: true, Epoch: 1, Seq: 9}, {Lane: part, Cursor: cursor, Refresh: old, Epoch: 2, Seq: 1}},
			refresh: old, want: sluice.Append, cursors: 1, resumed: true},
		"parts of a full read that was given up": {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{
			{Lane: part, Cursor: cursor, Refresh: older, Epoch: 1, Seq: 2}, {Lane: whole, Cursor: cursor, Refresh: old + swap, Epoch: 2, Seq: 1}},
			refresh: old + swap, want: sluice.Replace, cursors: 1, resumed: true},
		"parts after a re-sync": {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{
			{Lane: whole, Cursor: cursor, Refresh: old + swap, Done: true, Epoch: 1, Seq: 2}, {Lane: part, Cursor: cursor, Done: true, Epoch: 2, Seq: 1}},
			want: sluice.Merge, cursors: 2},
		"full read into history":       {read: sluice.FullRefresh, mode: sluice.History, refresh: id, want: sluice.History},
		"re-sync of a merged stream":   {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Done: true}}, resync: true, refresh: id + swap, want: sluice.Replace},
		"re-sync of a history":         {read: sluice.Incremental, mode: sluice.History, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Done: true}}, resync: true, refresh: id + swap, want: sluice.History},
		"unfinished re-sync":           {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Refresh: old + swap}}, refresh: old + swap, want: sluice.Replace, cursors: 1, resumed: true},
		"re-sync of an unfinished one": {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Refresh: old + swap}}, resync: true, refresh: id + swap, want: sluice.Replace},
		"after a re-sync":              {read: sluice.Incremental, mode: sluice.Merge, positions: []sluice.Position{{Lane: whole, Cursor: cursor, Refresh: old + swap, Done: true}}, want: sluice.Merge, cursors: 1},
		"another stream's state":       {read: sluice.Incremental, mode: sluice.Append, positions: []sluice.Position{{Lane: sluice.Lane{Stream: sluice.TableName{Name: "u"}}, Cursor: cursor, Done: true}}, want: sluice.Append},
		"a shared log":                 {read: sluice.CDC, mode: sluice.Merge, positions: []sluice.Position{{Lane: sluice.SharedLane, Cursor: cursor}, {Lane: whole, Done: true}}, want: sluice.Merge, cursors: 1},
	} {
		sel := sluice.Selection{Stream: sluice.Stream{Table: sluice.Table{Name: name, Key: []string{"id"}}}, Mode: c.read}
		for i := range c.positions {
			c.positions[i].Since = then
		}
		p := extract.New(sel, c.mode, c.positions, c.resync, now)
		if p.Refresh != c.refresh || p.Mode != c.want || len(p.State) != c.cursors || p.Resumed != c.resumed || p.Fresh != strings.HasPrefix(c.refresh, id) {
			t.Errorf("%s: %+v", what, p)
		}
		if p.Refresh != "" && !p.Since.Equal(map[bool]time.Time{true: then, false: now}[c.resumed]) {
			t.Errorf("%s: since %s", what, p.Since)
		}
		if p.Shadow() && p.Sweeps() {
			t.Errorf("%s: both a shadow and a sweep", what)
		}
	}
}
