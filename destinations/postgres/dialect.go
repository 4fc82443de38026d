package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

// maxIdentifier is the length of a name in bytes; PostgreSQL cuts longer ones.
const maxIdentifier = 63

// newDialect returns the dialect with JSON columns of type jsonType.
func newDialect(jsonType string) *sqlload.Dialect {
	return &sqlload.Dialect{
		Name:        "postgres",
		Quote:       quote,
		TypeName:    func(t sluice.Type) string { return typeName(t, jsonType) },
		Cast:        func(expr string, from, to sluice.Type) string { return cast(expr, from, to, jsonType) },
		Instant:     instant,
		AddMicros:   func(at time.Time, n string) string { return instant(at) + " + (" + n + ") * interval '1 microsecond'" },
		Equatable:   func(expr string, t sluice.Type) string { return equatable(expr, t, jsonType) },
		OnConflict:  true,
		CreateStage: "CREATE UNLOGGED TABLE",
		Now:         "clock_timestamp()",
		JSONText:    "json",
		Share:       " FOR SHARE",
		Widen: func(table string, from, to sluice.Column) []string {
			return []string{"ALTER TABLE " + table + " ALTER COLUMN " + quote(from.Name) + " TYPE " + typeName(to.Type, jsonType) +
				" USING " + cast(quote(from.Name), from.Type, to.Type, jsonType)}
		},
	}
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func instant(at time.Time) string {
	return "timestamptz '" + at.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

// typeNames are the names that format_type writes, without parameters.
var typeNames = map[sluice.Kind]string{
	sluice.Bool: "boolean", sluice.Int16: "smallint", sluice.Int32: "integer", sluice.Int64: "bigint",
	sluice.Float32: "real", sluice.Float64: "double precision", sluice.Date: "date", sluice.Time: "time without time zone",
	sluice.Timestamp: "timestamp without time zone", sluice.TimestampTZ: "timestamp with time zone",
	sluice.String: "text", sluice.Binary: "bytea",
}

func typeName(t sluice.Type, jsonType string) string {
	switch t.Kind {
	case sluice.Decimal:
		return fmt.Sprintf("numeric(%d,%d)", t.Precision, t.Scale)
	case sluice.JSON:
		return jsonType
	}
	return typeNames[t.Kind]
}

// cast writes the canonical text where the session's DateStyle is ISO, its zone
// UTC and extra_float_digits 1, as in every session of this package.
func cast(expr string, from, to sluice.Type, jsonType string) string {
	switch {
	case to.Kind == sluice.String && from.Kind == sluice.Binary:
		return "replace(encode(" + expr + ", 'base64'), E'\\n', '')"
	default:
		return "(" + expr + ")::" + typeName(to, jsonType)
	}
}

// equatable: json has no equality.
func equatable(expr string, t sluice.Type, jsonType string) string {
	if t.Kind == sluice.JSON && jsonType == "json" {
		return expr + "::text"
	}
	return expr
}
