package files

import (
	"fmt"
	"slices"

	"github.com/sluicehq/sluice"
)

// Metadata columns, sent where they are asked for.
const (
	FileColumn = "_file" // string: the path or URL as it was listed
	LineColumn = "_line" // int64: the line where the record begins, from 1; in Parquet the number of the row
)

// A Shape is the table that the files of a stream share. It widens as files
// come. It belongs to one goroutine.
type Shape struct {
	Name     sluice.TableName
	Key      []string
	Metadata bool                   // send FileColumn and LineColumn
	Types    map[string]sluice.Type // the user's, by column: values that do not fit are rejected
	Wants    func(name string) bool // columns that are read; nil: all
	columns  []shaped
	byName   map[string]int
	table    *sluice.Table
}

// shaped is a column of a Shape.
type shaped struct {
	name     string
	typ      sluice.Type
	strict   bool
	token    string // stands for null in this column
	hasToken bool
}

// Table returns the shape as it is now. It is never changed afterwards.
func (s *Shape) Table() *sluice.Table {
	if s.table != nil {
		return s.table
	}
	t := &sluice.Table{Name: s.Name, Key: s.Key}
	if s.Metadata {
		t.Columns = append(t.Columns, sluice.Column{Name: FileColumn, Type: sluice.T(sluice.String)}, sluice.Column{Name: LineColumn, Type: sluice.T(sluice.Int64)})
	}
	for _, c := range s.columns {
		if s.wants(c.name) {
			t.Columns = append(t.Columns, sluice.Column{Name: c.name, Type: c.typ, Nullable: !slices.Contains(s.Key, c.name)})
		}
	}
	s.table = t
	return t
}

func (s *Shape) wants(name string) bool { return s.Wants == nil || s.Wants(name) }

// Op is what the rows of the table are: without a key, or with the place in the
// file as the key, no row comes twice.
func (s *Shape) Op() sluice.Op {
	if len(s.Key) == 0 || slices.Equal(s.Key, []string{FileColumn, LineColumn}) {
		return sluice.Insert
	}
	return sluice.Upsert
}

// Set adds a column, or widens it to hold t as well.
func (s *Shape) Set(name string, t sluice.Type) { s.set(name, t, "", false) }

func (s *Shape) set(name string, t sluice.Type, token string, hasToken bool) *shaped {
	if s.byName == nil {
		s.byName = map[string]int{}
	}
	i, ok := s.byName[name]
	if !ok {
		i = len(s.columns)
		s.byName[name] = i
		c := shaped{name: name, typ: t, token: token, hasToken: hasToken}
		if own, ok := s.Types[name]; ok {
			c.typ, c.strict = own, true
		}
		s.columns = append(s.columns, c)
		s.table = nil
		return &s.columns[i]
	}
	c := &s.columns[i]
	if wide := sluice.Join(c.typ, t); !c.strict && wide != c.typ {
		c.typ, s.table = wide, nil
	}
	if hasToken && !c.hasToken {
		c.token, c.hasToken = token, true
	}
	return c
}

// free reports columns of a file that are called as the metadata is.
func (s *Shape) free(file string, names ...string) error {
	for _, n := range names {
		if s.Metadata && (n == FileColumn || n == LineColumn) {
			return sluice.Errorf(sluice.Config, "file_metadata", "read "+file, "take metadata out of the configuration, or rename the column in the file", "the file has a column %s of its own", n)
		}
	}
	return nil
}

func (s *Shape) column(name string) *shaped { return &s.columns[s.byName[name]] }

// columnNames turns a header into names: all there, all different.
func columnNames(header []string, n int) []string {
	names := make([]string, n)
	seen := map[string]bool{}
	for i := range names {
		if i < len(header) {
			names[i] = header[i]
		}
		if names[i] == "" {
			names[i] = fmt.Sprintf("column_%d", i+1)
		}
		for base, k := names[i], 2; seen[names[i]]; k++ {
			names[i] = fmt.Sprintf("%s_%d", base, k)
		}
		seen[names[i]] = true
	}
	return names
}
