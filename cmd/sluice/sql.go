package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
)

func (a *app) sqlCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "sql FILE 'QUERY'",
		Short: "Ask the destination of a pipeline file a question, to look at the data",
		Long: `Runs a query in the destination of a pipeline file and prints the answer.
Without a query it lists the tables.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usageError{fmt.Errorf("a pipeline file and a query are needed: `sluice sql FILE 'select …'`")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			query := "select table_schema as schema, table_name as table from information_schema.tables where table_schema not in ('information_schema', 'pg_catalog') order by 1, 2"
			if len(args) == 2 {
				query = args[1]
			}
			return a.sql(cmd.Context(), args[0], query, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table, csv or json (lines)")
	return cmd
}

func (a *app) sql(ctx context.Context, path, query, format string) error {
	ctx, _, stop := a.signals(ctx)
	defer stop()
	j, err := a.load(ctx, path)
	if err != nil {
		return err
	}
	dest, err := j.openDestination(ctx)
	if err != nil {
		return err
	}
	defer dest.Close()
	q, ok := dest.(sluice.Querier)
	if !ok {
		return sluice.Errorf(sluice.Config, "no_queries", "query", "use the destination's own tools", "the destination %s answers no queries", j.destination.Name)
	}
	switch format {
	case "table":
		return a.sqlTable(ctx, q, query)
	case "csv":
		return a.sqlCSV(ctx, q, query)
	case "json":
		return a.sqlJSON(ctx, q, query)
	}
	return usageError{fmt.Errorf("--format must be table, csv or json, not %q", format)}
}

// maxTableRows bounds what is held to align a table; csv and json have no bound.
const maxTableRows = 1000

func (a *app) sqlTable(ctx context.Context, q sluice.Querier, query string) error {
	var lines [][]string
	rows := 0
	err := q.Query(ctx, query,
		func(names []string) error { lines = append(lines, names); return nil },
		func(row []*string) error {
			if rows++; rows > maxTableRows {
				return nil
			}
			line := make([]string, len(row))
			for i, v := range row {
				if line[i] = "NULL"; v != nil {
					line[i] = clip(strings.NewReplacer("\n", "⏎", "\t", " ", "\r", "").Replace(*v), 60)
				}
			}
			lines = append(lines, line)
			return nil
		})
	if err != nil {
		return err
	}
	printAligned(a, lines)
	if rows > maxTableRows {
		fmt.Fprintf(a.out, "(%s rows; the first %s are shown, --format csv or json shows all)\n", count(int64(rows)), count(maxTableRows))
	} else {
		fmt.Fprintf(a.out, "(%s)\n", plural(rows, "row"))
	}
	return nil
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return count(int64(n)) + " " + word + "s"
}

func printAligned(a *app, lines [][]string) {
	var widths []int
	for _, line := range lines {
		for i, v := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(v))
		}
	}
	for n, line := range lines {
		var b strings.Builder
		for i, v := range line {
			b.WriteString(v + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(v)+2))
		}
		fmt.Fprintln(a.out, strings.TrimRight(b.String(), " "))
		if n == 0 {
			for i, w := range widths {
				widths[i] = w
				fmt.Fprint(a.out, strings.Repeat("-", w)+"  ")
			}
			fmt.Fprintln(a.out)
		}
	}
}

func (a *app) sqlCSV(ctx context.Context, q sluice.Querier, query string) error {
	w := csv.NewWriter(a.out)
	err := q.Query(ctx, query, w.Write, func(row []*string) error {
		line := make([]string, len(row))
		for i, v := range row {
			if v != nil {
				line[i] = *v
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

func (a *app) sqlJSON(ctx context.Context, q sluice.Querier, query string) error {
	var names []string
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	return q.Query(ctx, query, func(n []string) error { names = n; return nil }, func(row []*string) error {
		line := make(map[string]*string, len(row))
		for i, v := range row {
			line[names[i]] = v
		}
		return e.Encode(line)
	})
}
