package duckdb

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

var memoryLimit = regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?)\s*([kmgt]i?b)\s*$`)

// dialect has no Now: each merge says its own, since now() of DuckDB is when the
// transaction began.
var dialect = sqlload.Dialect{
	Name:          "duckdb",
	Quote:         quote,
	TypeName:      typeName,
	Cast:          cast,
	Instant:       instant,
	AddMicros:     func(at time.Time, n string) string { return instant(at) + " + to_microseconds(" + n + ")" },
	Widen:         widen,
	CreateStage:   "CREATE TABLE",
	LatestByPlace: true,
	Stage:         func(name string) string { return quote(name) + `."main"."rows"` },
	JSONText:      "text",
}

// dialectAt returns the dialect with the time of commit.
func dialectAt(now time.Time) *sqlload.Dialect {
	d := dialect
	d.Now = instant(now)
	return &d
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// literal quotes a text.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func instant(at time.Time) string {
	return "TIMESTAMPTZ '" + at.UTC().Format("2006-01-02 15:04:05.999999") + "+00'"
}

var typeNames = map[sluice.Kind]string{
	sluice.Bool: "BOOLEAN", sluice.Int16: "SMALLINT", sluice.Int32: "INTEGER", sluice.Int64: "BIGINT",
	sluice.Float32: "FLOAT", sluice.Float64: "DOUBLE", sluice.Date: "DATE", sluice.Time: "TIME", sluice.Timestamp: "TIMESTAMP",
	sluice.TimestampTZ: "TIMESTAMP WITH TIME ZONE", sluice.String: "VARCHAR", sluice.Binary: "BLOB", sluice.JSON: "JSON",
}

func typeName(t sluice.Type) string {
	if t.Kind == sluice.Decimal {
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision, t.Scale)
	}
	return typeNames[t.Kind]
}

// foreignTypes are types of columns that Sluice did not make, and what holds
// their values. What does not fit into them is an error, never another value.
var foreignTypes = map[string]sluice.Type{
	"TINYINT": sluice.T(sluice.Int16), "UTINYINT": sluice.T(sluice.Int16), "USMALLINT": sluice.T(sluice.Int32),
	"UINTEGER": sluice.T(sluice.Int64), "UBIGINT": sluice.DecimalType(20, 0), "HUGEINT": sluice.DecimalType(38, 0), "UHUGEINT": sluice.DecimalType(38, 0),
}

// parseType reads a type's name as DuckDB writes it, and reports whether the type
// is one that rows can be written into.
func parseType(name string) (t sluice.Type, known bool) {
	if n, err := fmt.Sscanf(name, "DECIMAL(%d,%d)", &t.Precision, &t.Scale); err == nil && n == 2 && !strings.HasSuffix(name, "]") {
		t.Kind = sluice.Decimal
		return t, true
	}
	for kind, n := range typeNames {
		if n == name {
			return sluice.T(kind), true
		}
	}
	t, known = foreignTypes[name]
	return t, known
}

// widen keeps views: DuckDB binds them by name.
func widen(table string, from, to sluice.Column) []string {
	return []string{"ALTER TABLE " + table + " ALTER COLUMN " + quote(from.Name) + " SET DATA TYPE " + typeName(to.Type) +
		" USING " + cast(quote(from.Name), from.Type, to.Type)}
}

// cast writes canonical text where to is a String. Sessions are in UTC, so that
// a timestamptz ends in +00.
func cast(expr string, from, to sluice.Type) string {
	if to.Kind != sluice.String {
		return "CAST(" + expr + " AS " + typeName(to) + ")"
	}
	text := "CAST(" + expr + " AS VARCHAR)"
	switch from.Kind {
	case sluice.Binary:
		return "base64(" + expr + ")"
	case sluice.Float32:
		return floatText(expr, "1e6")
	case sluice.Float64:
		return floatText(expr, "1e15")
	case sluice.Decimal: // DuckDB leaves the zero out where it has no digits for it
		if from.Precision == from.Scale {
			return `regexp_replace(` + text + `, '^(-?)\.', '\10.')`
		}
	case sluice.Date, sluice.Timestamp, sluice.TimestampTZ:
		return `regexp_replace(` + text + `, '^(\S+) \(BC\)(.*)$', '\1\2 BC')`
	}
	return text
}

// floatText writes a float as PostgreSQL does: with an exponent from limit on,
// where DuckDB begins at 1e16, and without a fraction of zero.
func floatText(expr, limit string) string {
	const exponent = `(CASE WHEN $x < 0 THEN '-' ELSE '' END || $d[1] || CASE WHEN len($d) > 1 THEN '.' || $d[2:] ELSE '' END || 'e+' || lpad(CAST(len(split_part($t, '.', 1)) - 1 AS VARCHAR), 2, '0'))`
	const digits = `rtrim(replace(regexp_replace($t, '\.0$', ''), '.', ''), '0')`
	const whole = `CASE WHEN isnan($x) THEN 'NaN' WHEN isinf($x) THEN CASE WHEN $x < 0 THEN '-Infinity' ELSE 'Infinity' END ` +
		`WHEN abs($x) >= $limit AND abs($x) < 1e16 THEN $exponent ELSE regexp_replace(CAST($x AS VARCHAR), '\.0$', '') END`
	return strings.NewReplacer("$x", expr, "$limit", limit,
		"$exponent", strings.NewReplacer("$d", strings.ReplaceAll(digits, "$t", "CAST(abs("+expr+") AS VARCHAR)"),
			"$t", "CAST(abs("+expr+") AS VARCHAR)", "$x", expr).Replace(exponent)).Replace(whole)
}
