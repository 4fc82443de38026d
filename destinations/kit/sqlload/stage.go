package sqlload

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sluicehq/sluice"
)

// A Ref is what a destination says of a segment in sluice.Staged.Ref: enough
// for Merge to find the rows in another connection or process.
type Ref struct {
	Table    string            `json:"table,omitempty"`  // stage table in the schema _sluice; empty where Direct
	Direct   string            `json:"direct,omitempty"` // token of the open transaction that holds the rows already
	Columns  []sluice.Column   `json:"columns,omitempty"`
	Deletes  int64             `json:"deletes,omitempty"`  // staged rows that are deletes
	Rejects  []sluice.Rejected `json:"rejects,omitempty"`  // found while staging
	Empty    bool              `json:"empty,omitempty"`    // no rows were staged
	Excluded int64             `json:"excluded,omitempty"` // rows that Rejects left out
}

// String returns the form that ParseRef reads.
func (r Ref) String() string {
	raw, err := json.Marshal(r)
	if err != nil {
		panic("sqlload: ref: " + err.Error()) // a Ref holds texts and numbers only
	}
	return string(raw)
}

// ParseRef reads what Ref.String writes.
func ParseRef(s string) (Ref, error) {
	var r Ref
	if err := json.Unmarshal([]byte(s), &r); err != nil {
		return r, fmt.Errorf("reference to staged rows: %w", err)
	}
	return r, nil
}

// StagePrefix begins the names of the stage tables of a connection.
func StagePrefix(connection string) string { return "stage_" + hash(connection) + "_" }

// StageName names the stage table of a segment.
func StageName(connection string, epoch int64, load sluice.LoadID, seq int) string {
	return fmt.Sprintf("%s%d_%s_%d", StagePrefix(connection), epoch, hash(string(load)), seq)
}

// StagePending reports whether the stage table of that name belongs to one of
// the loads.
func StagePending(name string, loads []sluice.LoadID) bool {
	return slices.ContainsFunc(loads, func(l sluice.LoadID) bool { return strings.Contains(name, "_"+hash(string(l))+"_") })
}

// StageTable returns the statement that makes a stage table. Its columns are
// nullable: a delete has values for its key only.
func StageTable(d *Dialect, name string, columns []sluice.Column) string {
	var b strings.Builder
	b.WriteString(d.CreateStage + " " + d.stage(name) + " (")
	for _, c := range columns {
		b.WriteString(d.Quote(c.Name) + " " + d.TypeName(c.Type) + ", ")
	}
	b.WriteString(d.Quote(OpColumn) + " smallint, " + d.Quote(SeqColumn) + " bigint)")
	return b.String()
}

// Shadow names the table that a refresh fills: beside the table, so that it can
// take its place by a rename.
func Shadow(t sluice.Target, maxIdentifier int) sluice.TableName {
	if t.Refresh == "" {
		return t.Name
	}
	suffix := "_sluice_" + hash(t.Name.String()+"\x00"+t.Refresh)
	name := t.Name.Name
	for len(name)+len(suffix) > maxIdentifier {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return sluice.TableName{Schema: t.Name.Schema, Name: name + suffix}
}

// hash returns 12 hexadecimal digits.
func hash(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	return fmt.Sprintf("%012x", h.Sum64()>>16)
}
