package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
)

// Position is where the reading of one slice stands. It holds no secrets.
type Position struct {
	// At is the cursor value up to which the slice is read, in the API's format.
	At string `json:"at,omitempty"`
	// Seen are the records at and just before At, so that an overlapping read does
	// not send them again unchanged.
	Seen []Digest `json:"seen,omitempty"`
	// Next is the address of the page to go on with, of a walk under way.
	Next string `json:"next,omitempty"`
	// Top is the highest cursor value of a walk under way.
	Top string `json:"top,omitempty"`
	// Tags are the pages of the last walk, for conditional requests.
	Tags map[string]Tag `json:"tags,omitempty"`
	// Done: a full refresh has read the slice to its end.
	Done bool `json:"done,omitempty"`
	// Mark is the connector's own.
	Mark string `json:"mark,omitempty"`
}

// Tag is what is remembered of a page: its ETag, and the page after it.
type Tag struct {
	ETag string `json:"etag"`
	Next string `json:"next,omitempty"`
}

// Digest identifies a record by its bytes. It is long enough that two records
// never share one.
type Digest struct{ hi, lo uint64 }

// DigestOf returns the Digest of a record.
func DigestOf(record []byte) Digest {
	h := xxh3.Hash128(record)
	return Digest{h.Hi, h.Lo}
}

// MarshalText writes 22 characters.
func (d Digest) MarshalText() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, d.hi), d.lo)
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.AppendDecode(nil, text)
	if err != nil || len(b) != 16 {
		return errors.New("a digest is 22 characters of base64")
	}
	d.hi, d.lo = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	return nil
}

const cursorVersion = 1

// cursor is the form of a stream's state.
type cursor struct {
	Version int                 `json:"v"`
	Slices  map[string]Position `json:"slices,omitempty"`
	Done    bool                `json:"done,omitempty"` // a full refresh is complete
}

// decodeCursor reads a committed cursor; nothing is a new one. Only what this
// package wrote is accepted.
func decodeCursor(raw sluice.Cursor) (cursor, error) {
	c := cursor{Version: cursorVersion, Slices: map[string]Position{}}
	if len(bytes.TrimSpace(raw)) == 0 || string(bytes.TrimSpace(raw)) == "null" {
		return c, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return cursor{}, fmt.Errorf("decode the cursor: %w", err)
	}
	if d.More() {
		return cursor{}, errors.New("there is text after the cursor")
	}
	if c.Version != cursorVersion {
		return cursor{}, fmt.Errorf("the cursor has version %d, not %d", c.Version, cursorVersion)
	}
	if c.Slices == nil {
		c.Slices = map[string]Position{}
	}
	return c, nil
}

func (c cursor) encode() (sluice.Cursor, error) { return json.Marshal(c) }
