package file

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/files"
)

// Config is the configuration of the connector: one entry at the top, or a list
// of them.
type Config struct {
	Entry
	Files []Entry `json:"files" doc:"Several streams, each with the fields that stand at the top for one."`
}

// Entry says where the files of one stream are and how they are written.
type Entry struct {
	Path          string            `json:"path" doc:"A file, a pattern with * ? [] and ** (any folders), or an http(s) address." example:"data/orders-*.csv.gz"`
	Name          string            `json:"name" doc:"Name of the stream. Default: the file's name without endings and pattern characters."`
	Format        string            `json:"format" enum:"auto,csv,tsv,json,jsonl,parquet" default:"auto" doc:"Format of the files; auto goes by the ending, and else by the content."`
	Compression   string            `json:"compression" enum:"auto,none,gzip,zstd" default:"auto" doc:"Compression of the files; auto goes by the first bytes."`
	PrimaryKey    []string          `json:"primary_key" doc:"Columns that tell rows apart. Rows with the same key replace each other, in the order of the files' names."`
	Metadata      bool              `json:"metadata" doc:"Add the columns _file and _line, which are the key where primary_key is not given."`
	Types         map[string]string `json:"types" doc:"Types of columns, in place of the inferred ones. Values that do not fit are rejected." example:"{\"zip\":\"string\",\"price\":\"decimal(12,2)\"}"`
	Inference     string            `json:"inference" enum:"auto,full,sample,none" default:"auto" doc:"How the types of CSV columns are found. full reads each file twice and is exact; sample goes by the first 256 KiB and widens columns as they are read; none makes every column a string. auto is full for local files and sample for addresses."`
	Delimiter     string            `json:"delimiter" doc:"CSV: the character between fields, or tab. Default: found out."`
	Quote         string            `json:"quote" doc:"CSV: the character around fields, or none. Default: found out."`
	Escape        string            `json:"escape" doc:"CSV: the character before a quote inside a field. Default: found out; quotes are doubled."`
	Header        string            `json:"header" enum:"auto,yes,no" default:"auto" doc:"CSV: whether the first record names the columns."`
	NullValues    []string          `json:"null_values" doc:"CSV: unquoted texts that mean null, besides nothing at all. Default: \\N, and one text such as NULL or NA in columns of numbers, dates and bools."`
	ShortRows     string            `json:"short_rows" enum:"auto,null,reject" default:"auto" doc:"CSV: what becomes of records with fewer fields than there are columns: the missing ones are null, or the record is rejected. auto is null where many of the first records are short and none has too many."`
	Comment       string            `json:"comment" doc:"CSV: the character that begins lines to leave out, or none. Default: # where the file begins with it."`
	SkipLines     int               `json:"skip_lines" min:"0" doc:"CSV: lines before the header."`
	DecimalComma  bool              `json:"decimal_comma" doc:"CSV: 1,5 is one and a half."`
	Encoding      string            `json:"encoding" default:"auto" doc:"Text files: auto, utf-8, utf-16le, utf-16be, iso-8859-1, iso-8859-2, iso-8859-15, windows-1250, windows-1251, windows-1252, koi8-r, ibm437 or ibm850."`
	RecordPath    string            `json:"record_path" doc:"JSON: the member that holds the records, such as items or data.items; with a leading slash, slashes part the names. Default: found out." example:"3166-1"`
	Authorization string            `json:"authorization" secret:"true" doc:"Addresses: the Authorization header to send, such as Bearer and a token."`
}

// Validate reports what the tags cannot tell.
func (c *Config) Validate() error {
	_, err := c.entries()
	return err
}

// An entry is an Entry that was read.
type entry struct {
	Entry
	types   map[string]sluice.Type
	dialect files.Dialect
	path    []string // of the records
}

// entries returns the streams, each with its name.
func (c *Config) entries() ([]entry, error) {
	given := c.Files
	switch {
	case len(given) == 0 && c.Path == "":
		return nil, errors.New("path is required, or files with one path each")
	case len(given) > 0 && c.Path != "":
		return nil, errors.New("path and files cannot both be given: move path into files")
	case len(given) == 0:
		given = []Entry{c.Entry}
	}
	var all []entry
	for i, g := range given {
		e, err := readEntry(g)
		at := ""
		if len(c.Files) > 0 {
			at = fmt.Sprintf("files[%d].", i)
		}
		if err != nil {
			return nil, fmt.Errorf("%s%w", at, err)
		}
		for _, other := range all {
			if other.Name == e.Name {
				return nil, fmt.Errorf("%sname: two streams are called %s: give each one a name of its own", at, e.Name)
			}
		}
		all = append(all, e)
	}
	return all, nil
}

func readEntry(g Entry) (entry, error) {
	e := entry{Entry: g, types: map[string]sluice.Type{}}
	if g.Path == "" {
		return e, errors.New("path is required")
	}
	if e.Name == "" {
		e.Name = streamName(g.Path)
	}
	for column, name := range g.Types {
		t, err := sluice.ParseType(strings.TrimSpace(name))
		if err != nil {
			return e, fmt.Errorf("types.%s: %w", column, err)
		}
		e.types[column] = t
	}
	e.path = recordPath(g.RecordPath)
	e.dialect = files.Dialect{Delimiter: g.Delimiter, Quote: g.Quote, Escape: g.Escape, Comment: g.Comment,
		Header: known(g.Header), Encoding: known(g.Encoding), SkipLines: g.SkipLines, Nulls: g.NullValues, DecimalComma: g.DecimalComma, ShortRows: known(g.ShortRows)}
	switch {
	case strings.EqualFold(g.Delimiter, "tab") || g.Delimiter == `\t`:
		e.dialect.Delimiter = "\t"
	case g.Delimiter == "" && g.Format == files.TSV:
		e.dialect.Delimiter = "\t"
	}
	if g.Metadata && len(g.PrimaryKey) == 0 {
		e.PrimaryKey = []string{files.FileColumn, files.LineColumn}
	}
	return e, e.dialect.Validate()
}

// known is a setting without its word for "find out".
func known(s string) string {
	if s == files.Auto {
		return ""
	}
	return s
}

// recordPath splits data.items or /data/items.
func recordPath(s string) []string {
	switch {
	case s == "":
		return nil
	case s[0] == '/':
		return strings.Split(s[1:], "/")
	}
	return strings.Split(s, ".")
}

// streamName makes a name of a path: its last element without endings and
// pattern characters.
func streamName(p string) string {
	if u, err := url.Parse(p); err == nil && u.Host != "" {
		p = u.Path
		if p == "" || p == "/" {
			p = u.Hostname()
		}
	} else if files.IsURL(p) {
		p, _, _ = strings.Cut(p, "?") // it is not valid, but may hold secrets all the same
	}
	p = strings.ReplaceAll(p, "\\", "/")
	for p != "" {
		name := path.Base(p)
		for {
			ext := path.Ext(name)
			if ext == "" || ext == name || !slices.Contains(endings, strings.ToLower(ext)) {
				break
			}
			name = strings.TrimSuffix(name, ext)
		}
		if i := strings.IndexByte(name, '['); i >= 0 {
			name = name[:i]
		}
		name = strings.Trim(strings.Map(func(r rune) rune {
			if strings.ContainsRune("*?[]", r) {
				return -1
			}
			return r
		}, name), "-_. ")
		if name != "" && name != "/" {
			return name
		}
		if p = path.Dir(p); p == "." || p == "/" {
			break
		}
	}
	return "files"
}

var endings = []string{".csv", ".tsv", ".tab", ".psv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".pq", ".gz", ".gzip", ".zst", ".zstd"}
