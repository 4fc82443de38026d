package health

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
)

// A Cause is what failures have in common that have the same reason: the failure
// without what differs from one connection to the next.
type Cause struct {
	Side     Side         `json:"side"`
	Maker    string       `json:"maker"` // the connector, or the kind of destination, by Side
	Version  string       `json:"version,omitempty"`
	Code     string       `json:"code"`
	Class    sluice.Class `json:"class"`
	Stream   string       `json:"stream,omitempty"` // "" where the class is not about a stream
	Op       string       `json:"op,omitempty"`
	Template string       `json:"template"`
}

// CauseOf returns the cause of a failure of the connection. Failures that concern
// all of a source leave out the stream: which one fails first is chance.
func CauseOf(s *Subject, f *Failure) Cause {
	c := Cause{Side: f.Side, Code: f.Code, Class: f.Class, Stream: f.Stream, Op: Template(f.Op, f.Stream), Template: Template(f.Message, f.Stream)}
	if c.Side == "" {
		c.Side = SideOf(s, f)
	}
	c.Maker, c.Version = s.Connector, s.Version
	if c.Side == DestinationSide {
		c.Maker, c.Version = s.Kind, s.KindVersion
	}
	switch f.Class {
	case sluice.Auth, sluice.Config, sluice.Transient, sluice.Throttled, sluice.Cancelled:
		c.Stream = ""
	case sluice.Bug, sluice.Blocked, sluice.Lost, sluice.Data:
	}
	return c
}

// SideOf works out by a failure's code, which begins with the name of the
// connector or kind that it is from, where it came from; where both have the same
// name, by what was being done.
func SideOf(s *Subject, f *Failure) Side {
	source, destination := ofMaker(f.Code, s.Connector), ofMaker(f.Code, s.Kind)
	op, _, _ := strings.Cut(f.Op, " ")
	if f.Code == "staged_rows_lost" || destination && (!source || slices.Contains(writing, op)) {
		return DestinationSide
	}
	return SourceSide
}

// writing are the first words of what destinations do.
var writing = []string{"alter", "append", "apply", "begin", "change", "commit", "create", "delete", "load", "merge", "prepare", "replace", "stage", "swap", "truncate", "widen", "write"}

func ofMaker(code, maker string) bool {
	rest, ok := strings.CutPrefix(code, strings.ReplaceAll(maker, "-", "_"))
	return ok && maker != "" && strings.HasPrefix(rest, "_")
}

// Fingerprint is the same for the same cause and no other, the version included.
func (c Cause) Fingerprint() string { return c.hash(c.Version) }

// Kin is the fingerprint without the version: a cause that outlives an upgrade is
// still the same, and must not get a second ticket.
func (c Cause) Kin() string { return c.hash("") }

func (c Cause) hash(version string) string {
	h := sha256.New()
	for _, part := range []string{string(c.Side), c.Maker, version, c.Code, c.Class.String(), c.Stream, c.Op, c.Template} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// own is the scope of one source or destination.
func (c Cause) own(s *Subject) Scope {
	if c.Side == DestinationSide {
		return Scope{OfDestination, s.Destination}
	}
	return Scope{OfSource, s.Source}
}

// shared is the scope of all sources of the connector, or destinations of the kind.
func (c Cause) shared() Scope {
	if c.Side == DestinationSide {
		return Scope{OfKind, c.Maker}
	}
	return Scope{OfConnector, c.Maker}
}

func keyOf(s Scope, kin string) string { return s.String() + "/" + kin }

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// incidentID returns an id of the form of all others, made from what it is of, so
// that a replay makes the same.
func incidentID(number int64, key string, at time.Time) string {
	var b [15]byte
	h := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(key), uint64(number)))
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16|uint64(h[0])<<8|uint64(h[1]))
	copy(b[8:], h[2:])
	return "inc_" + idText.EncodeToString(b[:])[:20]
}
