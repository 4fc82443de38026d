package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
	"github.com/sluicehq/sluice/internal/thin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Sink that keeps everything, and can fail.
type memory struct {
	rows     []map[string]string
	tables   []*sluice.Table
	ops      []sluice.Op
	rejected []sluice.Rejected
	state    sluice.State
	marks    int // checkpoints
	durable  int // rows at the last checkpoint
	sends    int
	failAt   int // number of the Send that fails; 0: none
}

var errSink = errors.New("the destination is gone")

func (m *memory) Send(_ context.Context, b sluice.Batch) error {
	if m.sends++; m.sends == m.failAt {
		return errSink
	}
	for i := range int(b.Rows.NumRows()) {
		row := map[string]string{}
		for k, c := range b.Rows.Columns() {
			name := b.Rows.ColumnName(k)
			if tc := b.Table.Column(name); tc == nil || !arrow.TypeEqual(tc.Type.Arrow(), c.DataType()) {
				return fmt.Errorf("column %s is %v in the batch, %v in the table", name, c.DataType(), tc)
			}
			row[name] = "∅"
			if s, ok := c.(*array.String); ok && c.IsValid(i) {
				row[name] = strings.Clone(s.Value(i)) // the buffer is used again
			} else if c.IsValid(i) {
				row[name] = c.ValueStr(i)
			}
		}
		m.rows = append(m.rows, row)
	}
	m.tables, m.ops = append(m.tables, b.Table), append(m.ops, b.Op)
	return nil
}

func (m *memory) Reject(_ context.Context, r sluice.Rejected) error {
	m.rejected = append(m.rejected, r)
	return nil
}

func (m *memory) Checkpoint(_ context.Context, l sluice.Lane, c sluice.Cursor) error {
	m.state = sluice.State{l: c}
	m.marks, m.durable = m.marks+1, len(m.rows)
	return nil
}

// column returns the values of a column, in order.
func (m *memory) column(name string) string {
	var out []string
	for _, r := range m.rows {
		out = append(out, r[name])
	}
	return strings.Join(out, " ")
}

func open(t testing.TB, config string) *source {
	t.Helper()
	s, err := Connector().Open(context.Background(), json.RawMessage(config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*source)
}

func only1(t testing.TB, s *source) sluice.Stream {
	t.Helper()
	streams, err := s.Discover(context.Background())
	if err != nil || len(streams) != 1 {
		t.Fatal(streams, err)
	}
	return streams[0]
}

func read(s *source, stream sluice.Stream, mode sluice.ReadMode, state sluice.State, m *memory) error {
	return s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{{Stream: stream, Mode: mode}}, State: state, MaxParts: 1}, m)
}

// readFresh discovers and reads the only stream of a configuration.
func readFresh(t testing.TB, config string) (*memory, sluice.Stream) {
	t.Helper()
	s := open(t, config)
	stream := only1(t, s)
	var m memory
	if err := read(s, stream, sluice.FullRefresh, nil, &m); err != nil {
		t.Fatal(err)
	}
	return &m, stream
}

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func columns(t *sluice.Table) string {
	var s []string
	for _, c := range t.Columns {
		s = append(s, c.Name+" "+c.Type.String())
	}
	return strings.Join(s, ", ")
}

func TestFilesOfAPatternAreOneTable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.csv"), "id,price\n1,2\n2,3\n")
	write(t, filepath.Join(dir, "b.csv"), "price;id;note\n2.5;3;x\n")
	write(t, filepath.Join(dir, "c.csv"), "id\nfour\n")
	m, stream := readFresh(t, fmt.Sprintf(`{"path":%q,"name":"things"}`, filepath.Join(dir, "*.csv")))
	if stream.Name.Name != "things" || !strings.Contains(stream.Doc, `delimiter ";"`) {
		t.Errorf("%+v", stream)
	}
	for _, table := range m.tables {
		if got := columns(table); got != "id string, price decimal(20,1), note string" {
			t.Error(got)
		}
	}
	if m.column("id") != "1 2 3 four" || m.column("price") != "2 3 2.5 " {
		t.Errorf("%q %q", m.column("id"), m.column("price"))
	}
	if m.ops[0] != sluice.Insert {
		t.Error("rows without a key are inserts")
	}
}

func TestIncrementalReadsNewAndChangedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.csv"), "id,v\n1,x\n")
	s := open(t, fmt.Sprintf(`{"path":%q,"metadata":true}`, filepath.Join(dir, "*.csv")))
	stream := only1(t, s)
	var first memory
	if err := read(s, stream, sluice.Incremental, nil, &first); err != nil || first.column("v") != "x" {
		t.Fatal(first.rows, err)
	}
	if fmt.Sprint(first.tables[0].Key) != "[_file _line]" || first.column("_line") != "2" || first.column("_file") != a {
		t.Error(first.tables[0].Key, first.rows)
	}
	var again memory
	if err := read(s, stream, sluice.Incremental, first.state, &again); err != nil || len(again.rows) != 0 || again.marks == 0 {
		t.Fatal(again.rows, err)
	}
	write(t, filepath.Join(dir, "b.csv"), "id,v\n2,y\n")
	var fresh memory
	if err := read(s, stream, sluice.Incremental, again.state, &fresh); err != nil || fresh.column("v") != "y" {
		t.Fatal(fresh.rows, err)
	}
	write(t, a, "id,v\n1,x\n3,z\n")
	var changed memory
	if err := read(s, stream, sluice.Incremental, fresh.state, &changed); err != nil || changed.column("v") != "x z" {
		t.Fatal(changed.rows, err)
	}
}

// manyRows is text of n rows in one of the formats.
func manyRows(format string, n int) string {
	var b strings.Builder
	if format == "csv" {
		b.WriteString("id,text\n")
	}
	if format == "json" {
		b.WriteString(`{"meta":{"n":[1]},"items":[`)
	}
	for i := range n {
		text := strings.Repeat(fmt.Sprintf("row %d ", i), 5)
		switch format {
		case "csv":
			fmt.Fprintf(&b, "%d,\"%s\n\"\n", i, text)
		case "jsonl":
			fmt.Fprintf(&b, `{"id":%d,"text":%q}`+"\n", i, text)
		default:
			if i > 0 {
				b.WriteString(",")
			}
			fmt.Fprintf(&b, `{"id":%d,"text":%q}`, i, text)
		}
	}
	if format == "json" {
		b.WriteString(`]}`)
	}
	return b.String()
}

func compress(t testing.TB, how, text string) string {
	t.Helper()
	var b bytes.Buffer
	switch how {
	case "gz":
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case "zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write([]byte(text))
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	default:
		return text
	}
	return b.String()
}

// TestReadResumesWhereItWasCut cuts a read at every batch and goes on from the
// last checkpoint: every row comes once.
func TestReadResumesWhereItWasCut(t *testing.T) {
	t.Parallel()
	const n = 60_000
	for i, ending := range []string{"csv", "csv.gz", "json", "jsonl", "jsonl.zst"} {
		if i%thin.By(2) != 0 {
			continue
		}
		format, how, _ := strings.Cut(ending, ".")
		t.Run(ending, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, filepath.Join(dir, "a."+ending), compress(t, how, manyRows(format, n)))
			write(t, filepath.Join(dir, "b."+ending), compress(t, how, manyRows(format, 10)))
			s := open(t, fmt.Sprintf(`{"path":%q}`, filepath.Join(dir, "*")))
			s.every = 600_000
			stream := only1(t, s)
			for _, mode := range stream.Modes {
				cutEverywhere(t, s, stream, mode, n+10)
			}
		})
	}
}

func cutEverywhere(t *testing.T, s *source, stream sluice.Stream, mode sluice.ReadMode, want int) {
	t.Helper()
	var state sluice.State
	seen, resumed := map[string]int{}, 0
	for failAt := 2; ; failAt++ {
		m := &memory{failAt: failAt % 3, state: state}
		if m.failAt == 0 {
			m.failAt = 3
		}
		err := read(s, stream, mode, state, m)
		if err != nil && err != errSink {
			t.Fatal(err)
		}
		for _, r := range m.rows[:m.durable] {
			seen[r["id"]+r["text"]]++
		}
		if resumed++; resumed > 100 {
			t.Fatal("no progress")
		}
		if state = m.state; err == nil {
			break
		}
	}
	total := 0
	for id, times := range seen {
		if total += times; times > 1 && len(id) > 40 {
			t.Fatalf("%q came %d times", id, times)
		}
	}
	if total != want || resumed < 3 {
		t.Errorf("%v: %d rows in %d reads, want %d", mode, total, resumed, want)
	}
}

func TestAFullRefreshOfFilesThatChangeStartsAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := write(t, filepath.Join(dir, "a.csv"), manyRows("csv", 60_000))
	s := open(t, fmt.Sprintf(`{"path":%q}`, a))
	s.every = 600_000
	stream := only1(t, s)
	m := &memory{failAt: 3}
	if err := read(s, stream, sluice.FullRefresh, nil, m); err != errSink || m.marks == 0 {
		t.Fatal(err, m.marks)
	}
	write(t, a, "id,text\n1,new\n")
	err := read(s, stream, sluice.FullRefresh, m.state, &memory{})
	if sluice.ClassOf(err) != sluice.Lost {
		t.Error(err)
	}
	m2 := &memory{}
	if err := read(s, stream, sluice.Incremental, m.state, m2); err != nil || m2.column("text") != "new" {
		t.Error(err, m2.rows)
	}
}

func TestSelectedColumns(t *testing.T) {
	t.Parallel()
	for ending, content := range map[string]string{"csv": "a,b,c\n1,2,3\n", "jsonl": `{"a":1,"b":2,"c":3}`} {
		s := open(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x."+ending), content)))
		for _, sel := range []sluice.Selection{{Omit: []string{"b", "later"}}, {Only: []string{"a", "c"}}} {
			sel.Stream, sel.Mode = only1(t, s), sluice.FullRefresh
			var m memory
			err := s.Read(t.Context(), sluice.ReadRequest{Selections: []sluice.Selection{sel}, MaxParts: 1}, &m)
			if err != nil || columns(m.tables[0]) != "a int64, c int64" || fmt.Sprint(m.rows) != "[map[a:1 c:3]]" {
				t.Error(columns(m.tables[0]), m.rows, err)
			}
		}
	}
}

// TestOneStreamsFilesDoNotStopTheOthers: one stream has no files, another a broken
// one, and the third is listed and read as if it were alone.
func TestOneStreamsFilesDoNotStopTheOthers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good, broken := write(t, filepath.Join(dir, "good.csv"), "id,b\n1,2\n"), write(t, filepath.Join(dir, "broken.json"), `[{"a":1},`)
	s := open(t, fmt.Sprintf(`{"files":[{"path":%q},{"path":%q},{"path":%q}]}`, filepath.Join(dir, "*.none"), broken, good))
	streams, err := s.Discover(t.Context())
	if err != nil || len(streams) != 3 {
		t.Fatal(streams, err)
	}
	for i, code := range []string{"file_none", "file_json_invalid", ""} {
		var m memory
		err := read(s, streams[i], sluice.FullRefresh, nil, &m)
		if code == "" {
			if err != nil || len(m.rows) != 1 {
				t.Errorf("%s: %v, %v", streams[i].Name, err, m.rows)
			}
		} else if e := sluice.AsError(err); e == nil || e.Code != code || e.Hint == "" || e.Stream != streams[i].Name || (e.Class == sluice.Config) != (code == "file_none") || len(streams[i].Columns) > 0 {
			t.Errorf("%s: %v, %v", streams[i].Name, err, streams[i].Columns)
		}
	}
}

// TestARecordThatIsTooLargeIsRejected, and the lines beside it are read.
func TestARecordThatIsTooLargeIsRejected(t *testing.T) {
	t.Parallel()
	large := `{"a":2,"b":"` + strings.Repeat("x", files.MaxRecord) + `"}`
	m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x.jsonl"), "{\"a\":1}\n"+large+"\n{\"a\":3}\n")))
	if len(m.rows) != 2 || len(m.rejected) != 1 {
		t.Fatalf("%d rows, %d rejected", len(m.rows), len(m.rejected))
	}
	if r := m.rejected[0]; !r.Row || !strings.HasSuffix(r.Key, "x.jsonl:2") || !strings.HasPrefix(r.Value, `{"a":2`) || !strings.Contains(r.Reason, "33554432 bytes") {
		t.Errorf("%s: %s: %.50s", r.Key, r.Reason, r.Value)
	}
}

func TestTheMemberWithTheRecords(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{`{"items":[{"a":1}]}`: "items", `{"n":1,"items":[{"a":1}],"tags":[]}`: "items", `{"items":[]}`: "items",
		`{"id":1,"tags":[]}`: "", `{"tags":[1]}`: "", `{"items":[]}{"items":[]}`: "", `{"a":[{}],"b":[{}]}`: "", `{"items":{}}`: "", `[]`: ""} {
		if got, ok := recordMember([]byte(doc)); got != want || ok != (want != "") {
			t.Errorf("%s: %q, want %q", doc, got, want)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		config, code string
		class        sluice.Class
	}{
		"missing": {fmt.Sprintf(`{"path":%q}`, dir+"/no.csv"), "file_not_found", sluice.Config},
		"folder":  {fmt.Sprintf(`{"path":%q}`, dir), "file_is_folder", sluice.Config},
		"pattern": {fmt.Sprintf(`{"path":%q}`, dir+"/[x"), "file_pattern", sluice.Config},
		"gzip":    {fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(dir, "x.gz"), "\x1f\x8bgarbage garbage garbage")), "file_compression", sluice.Data},
		"parquet": {fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(dir, "x.parquet"), "PAR1 garbage PAR1")), "file_parquet", sluice.Data},
		"json":    {fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(dir, "x.json"), `[{"a":1},`)), "file_json_invalid", sluice.Data},
		"key":     {fmt.Sprintf(`{"path":%q,"primary_key":["ib"]}`, write(t, filepath.Join(dir, "k.csv"), "id,b\n1,2\n")), "file_primary_key", sluice.Config},
		"taken":   {fmt.Sprintf(`{"path":%q,"metadata":true}`, write(t, filepath.Join(dir, "l.csv"), "id,_file\n1,2\n")), "file_metadata", sluice.Config},
		"path":    {fmt.Sprintf(`{"path":%q,"record_path":"b"}`, write(t, filepath.Join(dir, "y.json"), `{"a":[]}`)), "file_json_invalid", sluice.Data},
	} {
		s := open(t, c.config)
		_, err := s.Discover(context.Background())
		e := sluice.AsError(err)
		if err == nil || e.Code != c.code || e.Class != c.class || e.Hint == "" || e.Stream.Name == "" {
			t.Errorf("%s: %v %+v", name, err, e)
		}
	}
	for config, want := range map[string]string{
		`{}`: "path is required", `{"files":[{}]}`: "files[0].path is required",
		`{"path":"a.csv","delimiter":"ab"}`:                  "delimiter must be one ASCII character",
		`{"path":"a.csv","types":{"x":"integer"}}`:           "types.x: unknown type",
		`{"files":[{"path":"a.csv"},{"path":"b/a.csv.gz"}]}`: "two streams are called a",
		`{"path":"a.csv","encoding":"ascii"}`:                "encoding \"ascii\" is not known",
	} {
		if _, err := Connector().Open(context.Background(), json.RawMessage(config)); err == nil || !strings.Contains(err.Error(), want) || sluice.ClassOf(err) != sluice.Config {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func TestEveryFieldIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/connectors/file.md")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(Connector().Config, &schema); err != nil || len(schema.Properties) < 20 {
		t.Fatal(err)
	}
	for name := range schema.Properties {
		if !bytes.Contains(page, []byte("\n| `"+name+"` |")) {
			t.Errorf("docs/connectors/file.md has no row for %s", name)
		}
	}
}

func TestStreamNames(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{"data/orders-*.csv.gz": "orders", "a.tar.json": "a.tar", "https://example.com/x/y.csv?z=1": "y",
		"data/2024/*.csv": "2024", "*.csv": "files", "https://example.com/": "example.com", "x/**/*.parquet": "x", "log[0-9].jsonl": "log",
		"HTTPS://user:hush@example.com/y.csv?z=1": "y", "http://user:h^%zzush@example.com/y.csv?signature=hush": "y"} {
		if got := streamName(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestEncodingsAndCompressions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	utf16 := "\xff\xfe"
	for _, r := range "name;n\nZoë;1\n" {
		utf16 += string([]byte{byte(r), byte(r >> 8)})
	}
	for name, content := range map[string]string{
		"utf8.csv": "name;n\nZoë;1\n", "bom.csv": "\xef\xbb\xbfname;n\nZoë;1\n", "utf16.csv": utf16, "latin.csv": "name;n\nZo\xeb;1\n",
		"z.csv.gz": compress(t, "gz", "name;n\nZoë;1\n"), "two.csv.gz": compress(t, "gz", "name;n\n") + compress(t, "gz", "Zoë;1\n"),
		"z.csv.zst": compress(t, "zst", "name;n\nZoë;1\n"), "mac.csv": "name;n\rZoë;1\r", "plain": "name;n\nZoë;1\n", "x.tsv": "name\tn\nZoë\t1\n",
		"x.json": `[{"name":"Zoë","n":1}]`, "x.jsonl": `{"name":"Zoë","n":1}`, "noending": `{"name":"Zoë","n":1}`,
	} {
		m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(dir, name), content)))
		if got := fmt.Sprintf("%v", m.rows); got != "[map[n:1 name:Zoë]]" || columns(m.tables[0]) != "name string, n int64" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestCursorForgetsFilesThatAreTooMany(t *testing.T) {
	t.Parallel()
	c, err := parseCursor(nil)
	if err != nil {
		t.Fatal(err)
	}
	listed := manyFiles(100)
	for _, f := range listed {
		c.finish(f)
	}
	c.compact(listed, 10)
	if len(c.done) > 10 || c.before == 0 {
		t.Fatal(len(c.done), c.before)
	}
	back, err := parseCursor(c.bytes())
	if err != nil || !bytes.Equal(back.bytes(), c.bytes()) {
		t.Fatal(err)
	}
	for _, f := range listed {
		if same, _ := back.seen(f); !same {
			t.Errorf("%s would be read again", f.Name)
		}
	}
	late := listed[0]
	late.Name, late.Modified = "late", time.Now().UnixMicro()
	if same, _ := back.seen(late); same {
		t.Error("a new file is not read")
	}
}

func manyFiles(n int) []files.File {
	var out []files.File
	for i := range n {
		out = append(out, files.File{Name: fmt.Sprint("f", i), Fingerprint: fmt.Sprint(i), Modified: int64(i + 1)})
	}
	return out
}

func FuzzCursor(f *testing.F) {
	f.Add([]byte(`{"v":1,"done":"AAAAAAAAAAAAAAAAAAAAAA","at":{"name":1,"file":2,"offset":3,"line":4}}`))
	f.Add([]byte(`{"v":1,"at":{"row":-1}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := parseCursor(raw)
		if err != nil {
			if sluice.ClassOf(err) != sluice.Lost {
				t.Fatal(err)
			}
			return
		}
		again, err := parseCursor(c.bytes())
		if err != nil || !bytes.Equal(again.bytes(), c.bytes()) {
			t.Fatalf("%s: %v", raw, err)
		}
	})
}

func TestFilesOfSeveralFormatsWidenTheirColumns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.csv"), "n,word\n5,x\n")
	write(t, filepath.Join(dir, "b.jsonl"), `{"n":7.5,"word":{"deep":1}}`+"\n")
	m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, dir+"/*"))
	if len(m.rejected) > 0 || m.column("n") != "5 7.5" || m.column("word") != `x {"deep":1}` {
		t.Errorf("%v, rejected %v", m.rows, m.rejected)
	}
}

func TestWhatNoFormatIsMadeOf(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]string{"PK\x03\x04": "zip", "BZh91AY&SY": "bzip2", "\xfd7zXZ\x00": "xz", "<!DOCTYPE html>\n<title>Log in</title>": "web page", "\n<HTML lang=en>": "web page"} {
		s := open(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x.csv"), start+",b\n1,2\n")))
		e := sluice.AsError(s.Check(t.Context()))
		if e == nil || e.Code != "file_content" || !strings.Contains(e.Error(), want) || !strings.Contains(e.Error(), "x.csv") {
			t.Errorf("%q: %v", start, e)
		}
	}
	// a skippable frame, as parallel writers put it in front
	m, _ := readFresh(t, fmt.Sprintf(`{"path":%q}`, write(t, filepath.Join(t.TempDir(), "x.csv.zst"), "\x50\x2a\x4d\x18\x04\x00\x00\x00size"+compress(t, "zst", "a,b\n1,2\n"))))
	if m.column("a") != "1" {
		t.Error(m.rows)
	}
}
