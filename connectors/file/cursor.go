package file

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
)

// maxDone is how many files a cursor remembers one by one. Beyond it, those
// changed longest ago are remembered by a time only.
const maxDone = 20_000

// A cursor is what was read of a stream: the files that are done, and the place
// in one that is not.
type cursor struct {
	done     map[uint64]uint64 // hash of the name: hash of the fingerprint
	before   int64             // files changed before this time (µs) and not in done are done
	at       *place
	complete bool // a full refresh has read everything
}

// place is where reading goes on in a file.
type place struct {
	Name uint64 `json:"name"` // hash
	File uint64 `json:"file"` // hash of the fingerprint
	files.Place
}

type cursorJSON struct {
	Version  int    `json:"v"`
	Done     string `json:"done,omitempty"`
	Before   int64  `json:"before,omitempty"`
	At       *place `json:"at,omitempty"`
	Complete bool   `json:"complete,omitempty"`
}

// parseCursor reads what bytes writes; nothing is the start.
func parseCursor(raw sluice.Cursor) (*cursor, error) {
	c := &cursor{done: map[uint64]uint64{}}
	if len(raw) == 0 || string(raw) == "null" {
		return c, nil
	}
	var j cursorJSON
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(&j)
	var done []byte
	if err == nil {
		done, err = base64.RawStdEncoding.DecodeString(j.Done)
	}
	if err == nil && (j.Version != 1 || len(done)%16 != 0) {
		err = errVersion
	}
	if err == nil && j.At != nil && (j.At.Offset < 0 || j.At.Line < 0 || j.At.Row < 0 || j.At.Group < 0) {
		err = errVersion
	}
	if err != nil {
		return nil, &sluice.Error{Class: sluice.Lost, Code: "file_cursor", Op: "read the cursor", Err: err,
			Hint: "the state was not written by this version of the file connector; the stream is read again"}
	}
	c.before, c.at, c.complete = j.Before, j.At, j.Complete
	for i := 0; i < len(done); i += 16 {
		c.done[binary.LittleEndian.Uint64(done[i:])] = binary.LittleEndian.Uint64(done[i+8:])
	}
	return c, nil
}

// bytes writes the cursor, the same for the same content.
func (c *cursor) bytes() sluice.Cursor {
	names := make([]uint64, 0, len(c.done))
	for n := range c.done {
		names = append(names, n)
	}
	slices.Sort(names)
	done := make([]byte, 0, 16*len(names))
	for _, n := range names {
		done = binary.LittleEndian.AppendUint64(done, n)
		done = binary.LittleEndian.AppendUint64(done, c.done[n])
	}
	raw, err := json.Marshal(cursorJSON{Version: 1, Done: base64.RawStdEncoding.EncodeToString(done), Before: c.before, At: c.at, Complete: c.complete})
	if err != nil {
		panic("file: a cursor is always valid JSON: " + err.Error())
	}
	return raw
}

// seen tells whether a file was read: as it is now, or as it was before.
func (c *cursor) seen(f files.File) (same, other bool) {
	was, ok := c.done[xxh3.HashString(f.Name)]
	switch {
	case ok:
		same = f.Fingerprint != "" && was == xxh3.HashString(f.Fingerprint)
		return same, !same
	case c.before > 0 && f.Modified > 0 && f.Modified < c.before:
		return true, false
	}
	return false, false
}

// finish notes that a file is done.
func (c *cursor) finish(f files.File) {
	c.done[xxh3.HashString(f.Name)] = xxh3.HashString(f.Fingerprint)
	c.at = nil
}

// placeIn notes where reading goes on in a file.
func (c *cursor) placeIn(f files.File, p files.Place) {
	c.at = &place{Name: xxh3.HashString(f.Name), File: xxh3.HashString(f.Fingerprint), Place: p}
}

// resume returns where to go on in a file; changed says that it is not the file
// any more that was read in part.
func (c *cursor) resume(f files.File) (p files.Place, started, changed bool) {
	if c.at == nil || c.at.Name != xxh3.HashString(f.Name) {
		return files.Place{}, false, false
	}
	if f.Fingerprint == "" || c.at.File != xxh3.HashString(f.Fingerprint) {
		return files.Place{}, true, true
	}
	return c.at.Place, true, false
}

// compact forgets files one by one where there are too many: first those that
// are gone, then those changed longest ago, for which a time stands in.
func (c *cursor) compact(listed []files.File, limit int) {
	if len(c.done) <= limit {
		return
	}
	there := make(map[uint64]bool, len(listed))
	for _, f := range listed {
		there[xxh3.HashString(f.Name)] = true
	}
	for n := range c.done {
		if !there[n] {
			delete(c.done, n)
		}
	}
	read := slices.DeleteFunc(slices.Clone(listed), func(f files.File) bool {
		same, _ := c.seen(f)
		_, one := c.done[xxh3.HashString(f.Name)]
		return !same || !one || f.Modified == 0
	})
	slices.SortFunc(read, func(a, b files.File) int { return cmp.Compare(a.Modified, b.Modified) })
	for _, f := range read[:max(0, min(len(read), len(c.done)-limit/2))] {
		delete(c.done, xxh3.HashString(f.Name))
		c.before = max(c.before, f.Modified+1)
	}
}
