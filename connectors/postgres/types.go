package postgres

import (
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
)

// wireKind is how a column's bytes in the COPY stream become Arrow values.
type wireKind uint8

const (
	wireBool wireKind = iota + 1
	wireInt2
	wireInt4
	wireInt8
	wireOID // uint32 into int64
	wireFloat4
	wireFloat8
	wireDecimal     // numeric into decimal128
	wireNumericText // numeric into its text
	wireMoney       // int64 units of the last place into decimal128
	wireDate
	wireTime
	wireTimestamp // with and without zone
	wireText
	wireCheckedText // text that may not be UTF-8
	wireBytes
	wireJSONB
	wireUUID
)

// column is a column of a table as the catalogue tells it, with how it is read.
type column struct {
	name     string
	typeOID  uint32
	typmod   int32
	notNull  bool
	typeName string // of the base type, where the type is a domain
	system   bool   // the type is PostgreSQL's own
	typtype  byte   // as in pg_type: b base, c composite, d domain, e enum, r range, m multirange
	category byte   // as in pg_type: A array
	// collation is the name of one that is not the database's.
	collation string
	generated bool // its values are computed from others

	logical sluice.Type
	wire    wireKind
	cast    string // a format for the select list with the quoted name as %s; empty: the name
}

// typeOptions is what the server and the user decide about the mapping.
type typeOptions struct {
	numericDecimal bool // numeric without precision becomes decimal(38,9)
	checkText      bool // the database does not vouch for its text being UTF-8
	moneyScale     int32
}

// unboundedScale is the scale of numeric columns that declare none, where the
// user wants them as decimals.
const unboundedScale = 9

type mapping struct {
	kind sluice.Kind
	wire wireKind
	cast string
}

// direct lists the types of pg_catalog that are not read as the text that
// PostgreSQL prints. Types that need parameters are in resolve.
var direct = map[string]mapping{
	"bool":        {sluice.Bool, wireBool, ""},
	"int2":        {sluice.Int16, wireInt2, ""},
	"int4":        {sluice.Int32, wireInt4, ""},
	"int8":        {sluice.Int64, wireInt8, ""},
	"oid":         {sluice.Int64, wireOID, ""},
	"float4":      {sluice.Float32, wireFloat4, ""},
	"float8":      {sluice.Float64, wireFloat8, ""},
	"date":        {sluice.Date, wireDate, ""},
	"time":        {sluice.Time, wireTime, ""},
	"timestamp":   {sluice.Timestamp, wireTimestamp, ""},
	"timestamptz": {sluice.TimestampTZ, wireTimestamp, ""},
	"text":        {sluice.String, wireText, ""},
	"varchar":     {sluice.String, wireText, ""},
	"bpchar":      {sluice.String, wireText, ""}, // padded: a cast to text would strip it
	"name":        {sluice.String, wireText, ""},
	"char":        {sluice.String, wireCheckedText, "%s::pg_catalog.text"}, // one byte, which need not be UTF-8
	"uuid":        {sluice.String, wireUUID, ""},
	"bytea":       {sluice.Binary, wireBytes, ""},
	"json":        {sluice.JSON, wireText, ""},
	"jsonb":       {sluice.JSON, wireJSONB, ""},
	// A cast of inet to text always adds the mask; PostgreSQL prints it only where it says something.
	"inet": {sluice.String, wireText, "pg_catalog.textin(pg_catalog.inet_out(%s))"},
}

// resolve decides the column's logical type and how it is read. Every type has
// an answer: what is not listed is read as the text that PostgreSQL prints.
func (c *column) resolve(o typeOptions) {
	m, ok := direct[c.typeName]
	switch {
	case c.category == 'A' && c.typtype == 'b', c.typtype == 'c':
		// to_json writes NaN and infinity as strings, and copies json members as they are.
		c.set(sluice.T(sluice.JSON), wireText, "pg_catalog.to_json(%s)")
	case c.typtype == 'e':
		c.set(sluice.T(sluice.String), wireText, "")
	case !c.system || !ok && c.typeName != "numeric" && c.typeName != "money":
		c.set(sluice.T(sluice.String), wireText, "%s::pg_catalog.text")
	case c.typeName == "numeric":
		c.resolveNumeric(o)
	case c.typeName == "money":
		c.set(sluice.DecimalType(19, o.moneyScale), wireMoney, "")
	default:
		c.set(sluice.T(m.kind), m.wire, m.cast)
	}
	if c.wire == wireText && o.checkText {
		c.wire = wireCheckedText
	}
}

func (c *column) set(t sluice.Type, w wireKind, cast string) {
	c.logical, c.wire, c.cast = t, w, cast
}

// resolveNumeric reads precision and scale from the type modifier. A negative
// scale adds integer digits; a scale past the precision adds none.
func (c *column) resolveNumeric(o typeOptions) {
	precision, scale := int32(sluice.MaxPrecision+1), int32(0)
	if c.typmod >= 4 {
		mod := c.typmod - 4
		precision = mod >> 16 & 0xffff
		scale = numericScale(c.typmod)
		if scale < 0 {
			precision, scale = precision-scale, 0
		}
		precision = max(precision, scale)
	}
	switch {
	case precision <= sluice.MaxPrecision:
		c.set(sluice.DecimalType(precision, scale), wireDecimal, "")
	case o.numericDecimal && c.typmod < 4:
		c.set(sluice.DecimalType(sluice.MaxPrecision, unboundedScale), wireDecimal, "")
	default:
		c.set(sluice.T(sluice.String), wireNumericText, "")
	}
}

// numericScale returns the scale that a type modifier declares: 11 bits, signed
// since PostgreSQL 15.
func numericScale(typmod int32) int32 { return ((typmod-4)&0x7ff ^ 1024) - 1024 }

// expression is the column in a select list.
func (c *column) expression() string {
	if c.cast == "" {
		return quoteIdent(c.name)
	}
	return fmt.Sprintf(c.cast, quoteIdent(c.name))
}

// rejects reports whether a value of the column may have no place in its logical
// type, so that null takes its place.
func (c *column) rejects() bool {
	switch c.wire {
	case wireDecimal, wireDate, wireTimestamp, wireCheckedText:
		return true
	}
	return false
}

func quoteIdent(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// quoteLiteral returns a literal that means s whatever the server's
// standard_conforming_strings says.
func quoteLiteral(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

func quoteName(n sluice.TableName) string { return quoteIdent(n.Schema) + "." + quoteIdent(n.Name) }
