package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/job"
)

func (a *app) sqlCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "sql FILE ['QUERY']",
		Short: "Ask the destination of a pipeline file a question, to look at the data",
		Long: `Runs a query in the destination of a pipeline file (or in a DuckDB file) and prints
the answer. Queries can only read. Without a query it lists the tables.`,
		Example: `  sluice sql shop.yaml
  sluice sql shop.yaml 'select status, count(*) from shop.orders group by 1'
  sluice sql warehouse.duckdb 'from shop.orders' --format csv > orders.csv
  sluice sql shop.yaml - < report.sql`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("a pipeline file and a query in quotes are needed: `%s FILE 'select …'`", cmd.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := ""
			if len(args) == 2 {
				query = args[1]
			}
			return a.sql(cmd.Context(), args[0], query, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, csv or json (an object a line)")
	return cmd
}

// tablesQuery lists the user's tables, and when each was loaded last.
const tablesQuery = `select t.table_schema as "schema", t.table_name as "table", count(c.column_name) as "columns"
from information_schema.tables t left join information_schema.columns c on c.table_schema = t.table_schema and c.table_name = t.table_name
where t.table_schema not in ('information_schema', 'pg_catalog', '_sluice') and t.table_schema not like 'pg\_%' escape '\'
group by 1, 2 order by 1, 2`

func (a *app) sql(ctx context.Context, path, query, format string) error {
	write := map[string]func(context.Context, sluice.Querier, string) error{"table": a.sqlTable, "csv": a.sqlCSV, "json": a.sqlJSON}[format]
	if write == nil {
		return usageError{fmt.Errorf("--format must be table, csv or json, not %q", format)}
	}
	switch query {
	case "":
		query = tablesQuery
	case "-":
		text, err := io.ReadAll(a.in)
		if err != nil {
			return fmt.Errorf("read the query: %w", err)
		}
		query = string(text)
	}
	i := a.interrupts(ctx)
	defer i.stop()
	j, err := a.loadWarehouse(i.now, path)
	if err != nil {
		return err
	}
	if err := missing(j); err != nil {
		return err
	}
	dest, err := j.OpenDestination(i.now)
	if err != nil {
		return err
	}
	defer a.close("the destination", dest)
	q, ok := dest.(sluice.Querier)
	if !ok {
		return sluice.Errorf(sluice.Config, "no_queries", "query", "use the destination's own tools", "the destination %s answers no queries", j.Target.Name)
	}
	if query != tablesQuery {
		return write(i.now, q, query)
	}
	found := false
	if err := q.Query(i.now, query, func([]string) error { return nil }, func([]*string) error { found = true; return nil }); err != nil {
		return err
	}
	if !found && format == "table" {
		fmt.Fprintf(a.out, "There are no tables yet: `sluice sync %s` loads them.\n", path)
		return nil
	}
	return write(i.now, q, query)
}

// missing refuses to make an empty DuckDB file only to find nothing in it.
func missing(j *job.Job) error {
	var c struct{ Path string }
	if j.Target.Name != "duckdb" || json.Unmarshal(j.Destination.Config, &c) != nil || c.Path == "" {
		return nil //nolint:nilerr // what else is wrong with it, opening it says better
	}
	if _, err := os.Stat(c.Path); errors.Is(err, fs.ErrNotExist) {
		return sluice.Errorf(sluice.Config, "nothing_loaded", "", "run `sluice sync "+j.Path+"` first", "%s does not exist yet", c.Path)
	}
	return nil
}

const (
	// maxTableRows bounds what is held to align a table; csv and json have no bound.
	maxTableRows = 1000
	// maxCell bounds a value in a table.
	maxCell = 60
)

// An answer is the beginning of a query's result.
type answer struct {
	names []string
	rows  [][]*string
	total int64
}

func ask(ctx context.Context, q sluice.Querier, query string) (*answer, error) {
	var r answer
	err := q.Query(ctx, query,
		func(names []string) error { r.names = append([]string(nil), names...); return nil },
		func(row []*string) error {
			if r.total++; r.total <= maxTableRows {
				r.rows = append(r.rows, append([]*string(nil), row...))
			}
			return nil
		})
	return &r, err
}

func (a *app) sqlTable(ctx context.Context, q sluice.Querier, query string) error {
	r, err := ask(ctx, q, query)
	if err != nil {
		return err
	}
	t := r.table()
	if columns, _, ok := a.screen(a.out); ok && t.width() > columns && len(r.names) > 1 {
		a.records(r, columns)
	} else {
		t.writeRuled(a.out, a.style(a.out))
	}
	if r.total > maxTableRows {
		fmt.Fprintf(a.out, "(%s; the first %s are shown, --format csv or json shows all)\n", plural(r.total, "row"), count(maxTableRows))
	} else {
		fmt.Fprintf(a.out, "(%s)\n", plural(r.total, "row"))
	}
	return nil
}

var numeral = regexp.MustCompile(`^-?[0-9][0-9,]*(\.[0-9]+)?(e[+-]?[0-9]+)?$`)

// table aligns an answer: columns of numbers to the right.
func (r *answer) table() *table {
	t := newTable(r.names...)
	t.titles = make([]string, len(r.names)) // as they are, whatever they begin with
	for i, name := range r.names {
		t.titles[i] = visible(name)
		t.right[i] = len(r.rows) > 0
	}
	for _, row := range r.rows {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = "NULL"
			if v != nil {
				t.right[i] = t.right[i] && numeral.MatchString(*v)
				line[i] = clip(visible(*v), maxCell)
			}
		}
		t.add(line...)
	}
	return t
}

// writeRuled writes the table with a rule under the titles.
func (t *table) writeRuled(w io.Writer, s style) {
	lines := t.text(s)
	rules := make([]string, len(t.titles))
	for i, n := range t.widths() {
		rules[i] = strings.Repeat("─", n)
	}
	fmt.Fprintln(w, lines[0])
	fmt.Fprintln(w, s.dim(strings.Join(rules, gap)))
	for _, line := range lines[1:] {
		fmt.Fprintln(w, line)
	}
}

// records shows each row as a block, a column a line: for answers that are wider
// than the terminal.
func (a *app) records(r *answer, columns int) {
	s := a.style(a.out)
	widest := 0
	for _, name := range r.names {
		widest = max(widest, textWidth(visible(name)))
	}
	for n, row := range r.rows {
		head := fmt.Sprintf("── row %s ", count(int64(n+1)))
		fmt.Fprintln(a.out, s.dim(head+strings.Repeat("─", max(0, min(columns-1, 60)-textWidth(head)))))
		for i, v := range row {
			value := s.dim("NULL")
			if v != nil {
				value = clip(visible(*v), max(20, columns-widest-3))
			}
			name := visible(r.names[i])
			fmt.Fprintf(a.out, "%s%s  %s\n", s.bold(name), strings.Repeat(" ", widest-textWidth(name)), value)
		}
	}
}

func (a *app) sqlCSV(ctx context.Context, q sluice.Querier, query string) error {
	w := csv.NewWriter(a.out)
	var line []string
	err := q.Query(ctx, query, w.Write, func(row []*string) error {
		line = line[:0]
		for _, v := range row {
			if v == nil {
				line = append(line, "")
			} else {
				line = append(line, *v)
			}
		}
		return w.Write(line)
	})
	w.Flush()
	if err != nil {
		return err
	}
	return w.Error()
}

// sqlJSON writes objects with the columns in their order; values are texts.
func (a *app) sqlJSON(ctx context.Context, q sluice.Querier, query string) error {
	var names [][]byte
	var line []byte
	out := bufio.NewWriter(a.out)
	err := q.Query(ctx, query, func(columns []string) error {
		for _, name := range columns {
			text, err := json.Marshal(name)
			if err != nil {
				return err
			}
			names = append(names, text)
		}
		return nil
	}, func(row []*string) error {
		line = append(line[:0], '{')
		for i, v := range row {
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if i > 0 {
				line = append(line, ',')
			}
			line = append(append(append(line, names[i]...), ':'), text...)
		}
		_, err := out.Write(append(line, '}', '\n'))
		return err
	})
	return errors.Join(err, out.Flush())
}
