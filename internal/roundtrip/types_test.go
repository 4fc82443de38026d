package roundtrip_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// A sort says how values are turned into text that is equal on all systems, and
// nowhere else: {} is the column.
type sort struct {
	postgres, duckdb string
	tidy             func(string) string // of what both return
}

var sorts = map[string]sort{
	"plain":       {"{}::text", "CAST({} AS VARCHAR)", nil},
	"float4":      {"{}::text", "CAST({} AS VARCHAR)", func(s string) string { return floatBits(s, 32) }},
	"float8":      {"{}::text", "CAST({} AS VARCHAR)", func(s string) string { return floatBits(s, 64) }},
	"number":      {"{}::text", "CAST({} AS VARCHAR)", leadingZero},
	"date":        {"CASE WHEN isfinite({}) THEN ({} - DATE '1970-01-01')::text END", "CAST(CAST({} AS DATE) - DATE '1970-01-01' AS VARCHAR)", nil},
	"moment":      {"trunc(extract(epoch FROM {}) * 1000000)::text", "CAST(epoch_us({}) AS VARCHAR)", nil},
	"money":       {"{}::numeric::text", "", nil},
	"bytes":       {"encode({}, 'hex')", "lower(hex({}))", nil},
	"text":        {"encode(convert_to({}, 'UTF8'), 'hex')", "lower(hex(encode({})))", nil}, // CSV readers fold line ends
	"shown":       {"CASE WHEN {} IS NOT NULL THEN encode(convert_to(format('%s', {}), 'UTF8'), 'hex') END", "", nil},
	"json":        {"{}::jsonb::text", "CAST({} AS VARCHAR)", nil},
	"listed text": {"to_json({})::text", "", nil},
	"xml":         {"encode(convert_to({}::text, 'UTF8'), 'hex')", "", nil},
	"listed":      {"to_json({})::jsonb::text", "", nil},
}

func floatBits(s string, bits int) string {
	f, err := strconv.ParseFloat(s, bits)
	if err != nil {
		return s
	}
	return strconv.FormatFloat(f, 'g', -1, bits)
}

// leadingZero writes .5 as 0.5: DuckDB leaves out the zero of DECIMAL(2,2).
func leadingZero(s string) string {
	if rest, ok := strings.CutPrefix(s, "-."); ok {
		return "-0." + rest
	}
	if strings.HasPrefix(s, ".") {
		return "0" + s
	}
	return s
}

// A column of the table of all types. From is the sort of the source's values,
// into that of the destination's.
type column struct {
	kind, from, into string
	values           []string // SQL; the type's name is added
	misfits          []string // SQL; become null, with a record
}

func many(s string, n int) string { return "repeat(" + quoted(s) + ", " + strconv.Itoa(n) + ")" }
func quoted(s string) string      { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
func all(values ...string) (sql []string) {
	for _, v := range values {
		sql = append(sql, quoted(v))
	}
	return sql
}

var texts = append(all("", " ", "  padded  ", "NULL", `\N`, "null", `a"b'c`, `a\b\\`, "line\nline\r\nline\r", "tab\tcomma,semi;", "ünïcödé", "e\u0301 combining", "👩‍👩‍👧‍👦 𝒳 😀",
	"\u200f\u202eright to left عربى", "\ufeffbom", "\U0010ffff", "\x01\x1f\x7f", "\u0085\u2028\u2029"), many("x", 1<<20), many("é😀", 1<<17))

// arrayed lists types that to_json prints; shown, those that are text as
// PostgreSQL prints it.
var columns = []column{
	{"boolean", "plain", "plain", all("true", "false"), nil},
	{"smallint", "plain", "plain", all("-32768", "32767", "0"), nil},
	{"integer", "plain", "plain", all("-2147483648", "2147483647", "0"), nil},
	{"bigint", "plain", "plain", all("-9223372036854775808", "9223372036854775807", "0", "9007199254740993"), nil},
	{"oid", "plain", "plain", all("0", "4294967295"), nil},
	{"real", "float4", "float4", all("0", "-0", "1.1", "3.4028235e38", "-3.4028235e38", "1.1754944e-38", "1e-45", "NaN", "Infinity", "-Infinity", "16777217", "0.3"), nil},
	{"double precision", "float8", "float8", all("0", "-0", "0.1", "1.7976931348623157e308", "-1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "NaN", "Infinity", "-Infinity", "9007199254740993", "1e15", "1e16", "123456789012345680"), nil},
	{"numeric", "plain", "plain", append(all("0", "0.00", "-1.50", "1e-100", "123456789012345678901234567890.123456789012345678901234567890", "NaN", "Infinity", "-Infinity", "1e1000"), "(repeat('9', 100000) || '.' || repeat('7', 16000))::numeric"), nil},
	{"numeric(38,0)", "number", "number", all("99999999999999999999999999999999999999", "-99999999999999999999999999999999999999", "0"), all("NaN")},
	{"numeric(38,38)", "number", "number", all("0.99999999999999999999999999999999999999", "-0.00000000000000000000000000000000000001", "0"), nil},
	{"numeric(10,2)", "number", "number", all("-99999999.99", "0.01", "-0.5", "12"), all("NaN")},
	{"numeric(2,2)", "number", "number", all("0.99", "-0.01", "0"), nil},
	{"numeric(3,5)", "number", "number", all("0.00999", "-0.00001"), nil},
	{"numeric(5,-3)", "number", "number", all("99999000", "-1000", "0"), nil},
	{"numeric(40,2)", "plain", "plain", all("99999999999999999999999999999999999999.99", "-0.01", "NaN"), nil},
	{"numeric(1000,500)", "plain", "plain", []string{"repeat('9', 499)::numeric + 0.5"}, nil},
	{"money", "money", "number", all("-92233720368547758.08", "92233720368547758.07", "0.01", "-0.10"), nil},
	{"date", "date", "date", all("4713-01-01 BC", "0044-03-15 BC", "0001-12-31 BC", "0001-01-01", "1582-10-10", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31", "294276-01-01", "5874897-12-31"), all("infinity", "-infinity")},
	{"time", "plain", "plain", all("00:00", "24:00", "23:59:59.999999", "12:34:56.7", "00:00:00.000001"), nil},
	{"time(0)", "plain", "plain", all("12:34:56.5"), nil},
	{"timestamp", "moment", "moment", all("4713-11-24 00:00 BC", "0044-03-15 12:00:00.000001 BC", "1969-12-31 23:59:59.999999", "2024-02-29 12:34:56.789", "294246-12-31 23:59:59.999999", "294247-01-10 04:00:54.775806"), all("infinity", "-infinity", "294247-01-10 04:00:54.775808", "294276-12-31 23:59:59.999999")},
	{"timestamptz", "moment", "moment", all("4713-11-24 00:00+00 BC", "0001-01-01 00:00+15:59", "1969-12-31 23:59:59.999999+00", "2024-02-29 12:34:56.789-07", "294246-12-31 23:59:59.999999+00"), all("infinity", "-infinity", "294276-12-31 23:59:59.999999+00")},
	{"timestamp(3)", "moment", "moment", all("2024-02-29 12:34:56.7891"), nil},
	{"timetz", "shown", "text", all("00:00+15:59", "24:00-15:59", "12:34:56.789+02"), nil},
	{"interval", "shown", "text", all("178000000 years", "-178000000 years", "1 year -2 months 3 days -4:05:06.789", "0", "25:00", "-0.000001 seconds"), nil},
	{"text", "text", "text", texts, nil},
	{"varchar(10)", "text", "text", all("", "0123456789", "üüüüüüüüüü"), nil},
	{"char(5)", "shown", "text", all("", "ab", "abcde", "ü"), nil},
	{`"char"`, "shown", "text", append(all("a", ""), `'\200'`), nil},
	{"name", "text", "text", all("", "pg_class"), nil},
	{"bytea", "bytes", "bytes", append(all(``, `\x00`, `\x00ff5c27220a0d`), "decode(repeat('00ff5c', 350000), 'hex')"), nil},
	{"uuid", "plain", "plain", all("00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"), nil},
	{"json", "shown", "json text", all(`null`, `{}`, `[]`, `""`, `"x"`, `1.0e5`, ` { "b": 1, "a" : [1, {"c": null}] , "n": 12345678901234567890.123456789012345678901234567890 }`, `{"😀": "\ud83d\ude00 \t"}`), nil},
	{"jsonb", "json", "json", append(all(`null`, `{}`, `[]`, `""`, `1.10`, `{"b": 1, "a": [1, {"c": null}], "n": 12345678901234567890.12345678901234567890}`, `"\u0001"`, `{"": "e\u0301"}`), `to_jsonb(repeat('j', 1048576))`), nil},
	{"xml", "xml", "text", all("", "<a/>", `<?xml version="1.0"?><a b="1">ü</a>`, "a <b/> c"), nil},
	{"inet", "shown", "text", all("0.0.0.0", "10.1.2.3/8", "::", "::ffff:1.2.3.4/96", "255.255.255.255/32"), nil},
	{"cidr", "shown", "text", all("10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::1/128"), nil},
	{"macaddr", "shown", "text", all("08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff"), nil},
	{"macaddr8", "shown", "text", all("08:00:2b:01:02:03:04:05"), nil},
	{"bit(5)", "shown", "text", []string{"B'10101'", "B'00000'"}, nil},
	{"varbit", "shown", "text", []string{"B''", "B'1'", "repeat('10', 500)::varbit"}, nil},
	{"tsvector", "shown", "text", all("", "fat:1A,2B cat:3", "'it''s' 'a b'"), nil},
	{"tsquery", "shown", "text", all("", "fat & (rat | !cat:AB) <-> x"), nil},
	{"point", "shown", "text", all("(0,-0)", "(1.1,NaN)", "(Infinity,1e300)"), nil},
	{"line", "shown", "text", all("{1,2,3}"), nil},
	{"lseg", "shown", "text", all("[(0,0),(1,1)]"), nil},
	{"box", "shown", "text", all("(1,1),(0,0)"), nil},
	{"path", "shown", "text", all("((0,0),(1,1))", "[(0,0),(1,1)]"), nil},
	{"polygon", "shown", "text", all("((0,0),(1,1),(1,0))"), nil},
	{"circle", "shown", "text", all("<(0,0),1.5>"), nil},
	{"pg_lsn", "shown", "text", all("0/0", "FFFFFFFF/FFFFFFFF"), nil},
	{"xid", "shown", "text", all("4294967295"), nil},
	{"xid8", "shown", "text", all("18446744073709551615"), nil},
	{"cid", "shown", "text", all("7"), nil},
	{"tid", "shown", "text", all("(4294967295,65535)"), nil},
	{"regclass", "shown", "text", all("pg_class", "0", `information_schema.tables`), nil},
	{"regtype", "shown", "text", all("int4", "timestamptz[]"), nil},
	{"regproc", "shown", "text", all("now"), nil},
	{"txid_snapshot", "shown", "text", all("10:20:10,14,15"), nil},
	{"pg_snapshot", "shown", "text", all("10:20:10,14,15"), nil},
	{"jsonpath", "shown", "text", all(`$."a"[*] ? (@ > 1)`), nil},
	{"int4range", "shown", "text", all("empty", "[1,10)", "(,)", "[5,]"), nil},
	{"int8range", "shown", "text", all("[-9223372036854775808,9223372036854775807)"), nil},
	{"numrange", "shown", "text", all("(1.50,NaN]", "[0,)"), nil},
	{"tsrange", "shown", "text", all(`[2024-01-01 00:00,infinity)`), nil},
	{"tstzrange", "shown", "text", all(`["2024-01-01 00:00:00+00",)`), nil},
	{"daterange", "shown", "text", all("[2024-01-01,2024-12-31]", "(,0044-03-15 BC)"), nil},
	{"int4multirange", "shown", "text", all("{}", "{[1,3),[5,)}"), nil},
	{"nummultirange", "shown", "text", all("{[1.5,2.5],(3,4)}"), nil},
	{"datemultirange", "shown", "text", all("{[2024-01-01,2024-02-01)}"), nil},
	{"integer[]", "listed", "json", all("{}", "{1,NULL,-2147483648}", "{{1,2},{3,4}}", "[5:6]={7,8}"), nil},
	{"text[]", "listed", "json", append(all("{}", `{"",NULL,"NULL","a\"b","{,}","ü😀"}`, `{{a},{b}}`), "ARRAY[E'\\n', repeat('z', 1048576)]"), nil},
	{"double precision[]", "listed", "json", all("{NaN,Infinity,-Infinity,0.1}"), nil},
	{"numeric(10,2)[]", "listed", "json", all("{1.50,NULL}"), nil},
	{"timestamptz[]", "listed", "json", all(`{"2024-02-29 12:00+00",infinity}`), nil},
	{"bytea[]", "listed", "json", all(`{"\\x00ff"}`), nil},
	{"jsonb[]", "listed", "json", all(`{"{\"a\": [1, null]}","null"}`), nil},
	{"uuid[]", "listed", "json", all("{00000000-0000-0000-0000-000000000000}"), nil},
	{"int4range[]", "listed", "json", all(`{"[1,2)",empty}`), nil},
	{"mood", "shown", "text", all("sad", "ok", "it's \"fine\"", "😀"), nil},
	{"mood[]", "listed", "json", all(`{sad,NULL,😀}`), nil},
	{"positive", "plain", "plain", all("1", "2147483647"), nil},
	{"code", "shown", "text", all("AB", ""), nil},
	{"price", "number", "number", all("12345.67"), nil},
	{"positives", "listed", "json", all("{1,2}"), nil},
	{"pair", "listed", "json", []string{`ROW(1, 'x"y')`, "ROW(NULL, NULL)", "ROW(-1, '')"}, nil},
	{"nest", "listed", "json", []string{"ROW(ROW(1, 'x'), ARRAY[ROW(2, 'y')::pair, NULL], 'sad')"}, nil},
	{"pair[]", "listed", "json", []string{"ARRAY[ROW(1, 'x')::pair, NULL]"}, nil},
	{"floatrange", "shown", "text", all("[1.5,Infinity)"), nil},
	{"hstore", "shown", "text", all("", `"a"=>"1", "b"=>NULL, "k \"q\""=>"ü"`), nil},
	{"citext", "shown", "text", all("", "MiXed ü"), nil},
	{"ltree", "shown", "text", all("a.b.c"), nil},
	{"cube", "shown", "text", all("(1, 2),(3, 4)"), nil},
}

const typeDDL = `CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree; CREATE EXTENSION cube;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"', '😀'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN code AS varchar(4); CREATE DOMAIN price AS numeric(12,2); CREATE DOMAIN positives AS integer[];
CREATE TYPE pair AS (a integer, b text); CREATE TYPE nest AS (p pair, list pair[], m mood);
CREATE TYPE floatrange AS RANGE (subtype = float8);`

// typeTable makes the table t of all columns: row r has the r-th value of each,
// then its misfits, then nulls.
func typeTable(t *testing.T, url string) {
	var ddl, cells strings.Builder
	ddl.WriteString(typeDDL + "SET lc_monetary = 'C'; CREATE TABLE t (id integer PRIMARY KEY")
	rows := 0
	for i, c := range columns {
		fmt.Fprintf(&ddl, ", c%d %s", i, c.kind)
		rows = max(rows, len(c.values)+len(c.misfits))
	}
	ddl.WriteString(");\n")
	for r := range rows + 1 {
		names := "id"
		cells.Reset()
		fmt.Fprintf(&cells, "%d", r)
		for i, c := range columns {
			if values := append(slices.Clone(c.values), c.misfits...); r < len(values) {
				names += fmt.Sprintf(", c%d", i)
				fmt.Fprintf(&cells, ", (%s)::%s", values[r], c.kind)
			}
		}
		fmt.Fprintf(&ddl, "INSERT INTO t (%s) VALUES (%s);\n", names, cells.String())
	}
	pgtest.Exec(t, url, ddl.String())
}

// expression is a column as text that tells its value exactly.
func expression(system, sortName, name string) string {
	s := sorts[sortName]
	text := s.postgres
	if system == "duckdb" {
		text = s.duckdb
	}
	return strings.ReplaceAll(text, "{}", name)
}

// sides returns how a column is read in the source and in the destination.
func (c column) sides(p *pipe) (from, into string) {
	switch {
	case c.into == "json text" && p.destination == "postgres": // jsonb, by default
		return "json", "json"
	case c.into == "json text":
		return c.from, "text"
	case c.from == "listed" && p.destination == "duckdb":
		return "listed text", c.into
	}
	return c.from, c.into
}

// compare compares the tables value by value; what are misfits in the source are
// nulls.
func compare(t *testing.T, source string, p *pipe) {
	t.Helper()
	want, got := "SELECT id", "SELECT id"
	for i, c := range columns {
		from, into := c.sides(p)
		name := fmt.Sprintf("c%d", i)
		want += ", coalesce(" + expression("postgres", from, name) + ", '<null>')"
		got += ", coalesce(" + expression(p.destination, into, name) + ", '<null>')"
	}
	wanted := psql(t, source, want+" FROM t ORDER BY id")
	found := p.ask(got + " FROM raw.t ORDER BY id")
	if len(wanted) != len(found) {
		t.Fatalf("%d rows, the source has %d", len(found), len(wanted))
	}
	for i, c := range columns {
		for r := range wanted {
			w, g := c.tidy(p, r, wanted[r][i+1], found[r][i+1])
			if w != g {
				t.Errorf("c%d (%s), row %d is %.300q, the source has %.300q", i, c.kind, r, g, w)
			}
		}
	}
}

// tidy returns what the source has in row r, as it should arrive, and what did.
func (c column) tidy(p *pipe, r int, want, got string) (string, string) {
	_, into := c.sides(p)
	if r >= len(c.values) && r < len(c.values)+len(c.misfits) {
		want = "<null>"
	}
	if tidy := sorts[into].tidy; tidy != nil {
		want, got = tidy(want), tidy(got)
	}
	if strings.HasPrefix(into, "float") && p.destination == "duckdb" { // its compression does not tell zeros apart
		want, got = positiveZero(want), positiveZero(got)
	}
	return want, got
}

// misfits are the rejected values, by column.
func (p *pipe) misfits(t *testing.T) {
	t.Helper()
	got := map[string]int{}
	for _, r := range p.ask("SELECT column_name, row_key, value, reason FROM _sluice.rejected") {
		got[r[0]]++
		if r[1] == "" || r[2] == "" || r[3] == "" {
			t.Errorf("a record of a rejected value does not say all: %v", r)
		}
	}
	for i, c := range columns {
		name := fmt.Sprintf("c%d", i)
		if got[name] != len(c.misfits) {
			t.Errorf("%s (%s): %d values rejected, not %d", name, c.kind, got[name], len(c.misfits))
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("rejected: %v", got)
	}
}

func TestEveryType(t *testing.T) {
	t.Parallel()
	source := pgtest.Shared(t).NewDatabase(t)
	typeTable(t, source)
	for _, destination := range both {
		for _, mode := range []string{"{name: public.t}", "{name: public.t, mode: incremental, cursor: id, write: merge}"} {
			t.Run(destination+"/"+mode, func(t *testing.T) {
				t.Parallel()
				p := newPipe(t, source, destination, "streams: ["+mode+"]")
				p.sync(3)
				compare(t, source, p)
				p.misfits(t)
				p.sound()
				if destination == "postgres" {
					back(t, p)
				}
			})
		}
	}
}

// back takes what arrived in PostgreSQL on to another one, and compares again:
// its types are among those that all systems have, so nothing may change.
func back(t *testing.T, p *pipe) {
	q := newPipe(t, p.url, "postgres", "streams: [{name: raw.t, table: t}]")
	q.sync(0)
	var list []string
	for i := range columns {
		list = append(list, fmt.Sprintf("c%d", i))
	}
	digest := "SELECT id, md5(ROW(" + strings.Join(list, ", ") + ")::text) FROM raw.t ORDER BY id"
	same(t, "the way back", p.ask(digest), q.ask(digest))
	types := `SELECT column_name, data_type, numeric_precision, numeric_scale FROM information_schema.columns
		WHERE table_schema = 'raw' AND table_name = 't' AND column_name LIKE 'c%' ORDER BY 1`
	same(t, "the types on the way back", p.ask(types), q.ask(types))
}

func positiveZero(s string) string {
	if s == "-0" {
		return "0"
	}
	return s
}

// TestNULIsKeptOrRecorded: PostgreSQL's json may name U+0000 and half surrogate
// pairs; its jsonb has neither, and DuckDB's JSON no half pairs.
func TestNULIsKeptOrRecorded(t *testing.T) {
	t.Parallel()
	const nul, half, slashes = `{"a": "x\u0000y"}`, `"\ud800"`, `"\\u0000"`
	source := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, source, "CREATE TABLE n (id int PRIMARY KEY, v json, b bytea);"+
		fmt.Sprintf(`INSERT INTO n VALUES (1, '%s', '\x00'), (2, '%s', '\x'), (3, '%s', '\x0000')`, nul, half, slashes))
	for name, c := range map[string]struct {
		destination, setting string
		nul, half            string
		rejected             [][]string
	}{
		"duckdb": {"duckdb", "", nul, "<null>", [][]string{{"2", "v", half}}},
		"jsonb":  {"postgres", "", "<null>", "<null>", [][]string{{"1", "v", nul}, {"2", "v", half}}},
		"json":   {"postgres", ", json_type: json}}", nul, half, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, write := range []string{"replace", "merge"} {
				p := newDestination(t, c.destination)
				if c.setting != "" {
					p.target = strings.TrimSuffix(p.target, "}}") + c.setting
				}
				p.write(postgresSource(source), "streams: [{name: public.n, mode: full_refresh, write: "+write+"}]")
				p.sync(map[bool]int{false: 0, true: 3}[len(c.rejected) > 0])
				same(t, "json", [][]string{{"1", c.nul, "00"}, {"2", c.half, ""}, {"3", slashes, "0000"}},
					p.ask("SELECT id, coalesce(CAST(v AS text), '<null>'), "+expression(c.destination, "bytes", "b")+" FROM raw.n ORDER BY id"))
				records := p.ask("SELECT row_key, column_name, value FROM _sluice.rejected ORDER BY row_key")
				if len(c.rejected)+len(records) > 0 {
					same(t, "records", c.rejected, records)
				}
			}
		})
	}
}
