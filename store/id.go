package store

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

// The prefixes of ids, which say what an id is of.
const (
	SourceID      = "src_"
	DestinationID = "dst_"
	ConnectionID  = "con_"
	SyncID        = "syn_"
	UserID        = "usr_"
	TokenID       = "tok_"
	WorkerID      = "wrk_"
	PlanID        = "pln_"
	OperationID   = "opr_"
	DriftID       = "drf_"
	IncidentID    = "inc_"
	TicketID      = "tkt_"
	TrackerID     = "trk_"
	ChannelID     = "chn_"
	RuleID        = "rul_"
	SilenceID     = "sil_"
	AlertID       = "alr_"
	DeliveryID    = "dlv_"
	RotaID        = "rot_"
)

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns prefix and 20 characters: 48 bits of milliseconds, so that ids
// sort by the time of their making, and 52 of chance.
func NewID(prefix string, at time.Time) string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16|uint64(b[6])<<8|uint64(b[7]))
	return prefix + idText.EncodeToString(b[:])[:20]
}
