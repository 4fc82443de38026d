// Package extract decides what a run reads of a stream: where the read starts,
// whether an unfinished full read is resumed, and where its rows go.
package extract

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
)

// A Plan is how one stream is read in this run.
type Plan struct {
	State    sluice.State        // to start from; empty: from the beginning
	Mode     sluice.WriteMode    // Replace where the rows fill a shadow first
	Refresh  string              // id of the full read; empty: not a full read
	Since    time.Time           // when that full read began
	Done     bool                // a full or first read was completed before
	Children []sluice.ChildTable // tables of nested arrays known so far
	Resumed  bool                // an unfinished read is carried on
	Fresh    bool                // the full read begins now: its shadow does not exist yet
}

// Shadow reports whether rows go to a shadow table until the read is complete.
func (p Plan) Shadow() bool { return p.Mode == sluice.Replace }

// Sweeps reports whether rows that the full read did not see are to be marked
// deleted or closed at its end.
func (p Plan) Sweeps() bool {
	return p.Refresh != "" && (p.Mode == sluice.SoftDelete || p.Mode == sluice.History)
}

// swap ends the ids of full reads whose rows replace the table, whatever the
// stream's mode: a re-sync asked for, or made necessary by a lost cursor.
const swap = "-swap"

// New plans a stream's read from the ledger's positions. resync asks for a full
// read that starts over, even where one is under way. It is pure; now must be
// later than the now of every plan before it.
func New(sel sluice.Selection, mode sluice.WriteMode, positions []sluice.Position, resync bool, now time.Time) Plan {
	p := fromPositions(sel, positions)
	switch {
	case resync:
		p = Plan{Refresh: refreshID(now) + swap, Since: now, Children: p.Children, Fresh: true}
	case p.Refresh != "" && !p.Done:
		p.Resumed = len(p.State) > 0
	case sel.Mode == sluice.FullRefresh:
		p = Plan{Refresh: refreshID(now), Since: now, Children: p.Children, Fresh: true}
	default: // incremental and log reads go on from their cursor
		p.Refresh, p.Since = "", time.Time{}
	}
	p.Mode = mode
	if strings.HasSuffix(p.Refresh, swap) && (mode == sluice.Append || mode == sluice.Merge) {
		p.Mode = sluice.Replace
	}
	if p.Refresh == "" && mode == sluice.Replace {
		p.Mode = sluice.Merge // the table is complete; changes are merged into it
		if len(sel.Stream.Key) == 0 {
			p.Mode = sluice.Append
		}
	}
	return p
}

// refreshID returns an id that sorts by time.
func refreshID(now time.Time) string { return now.UTC().Format("20060102T150405.000000") }

// fromPositions returns where the stream stands. While a full read is under way,
// cursors of reads before it say nothing: its parts may already be in the ledger
// next to the whole stream's cursor of the one before.
func fromPositions(sel sluice.Selection, positions []sluice.Position) Plan {
	p := Plan{State: sluice.State{}}
	latest := latestOf(sel.Stream.Name, positions)
	underWay := latest.Refresh != "" && !latest.Done
	for _, pos := range positions {
		shared := sel.Mode == sluice.CDC && pos.Lane == sluice.SharedLane
		if pos.Lane.Stream != sel.Stream.Name && !shared {
			continue
		}
		for _, c := range pos.Children {
			if !slices.Contains(p.Children, c) {
				p.Children = append(p.Children, c)
			}
		}
		if underWay && !shared && pos.Refresh != latest.Refresh {
			continue
		}
		if pos.Cursor != nil {
			p.State[pos.Lane] = pos.Cursor
		}
		p.Refresh = max(p.Refresh, pos.Refresh)
		if pos.Since.After(p.Since) {
			p.Since = pos.Since
		}
		p.Done = p.Done || pos.Done
	}
	return p
}

// latestOf returns the stream's position that was written last.
func latestOf(stream sluice.TableName, positions []sluice.Position) (latest sluice.Position) {
	for _, p := range positions {
		later := cmp.Or(cmp.Compare(p.Epoch, latest.Epoch), cmp.Compare(p.Seq, latest.Seq), cmp.Compare(p.Refresh, latest.Refresh))
		if p.Lane.Stream == stream && later >= 0 {
			latest = p
		}
	}
	return latest
}
