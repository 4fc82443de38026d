package destinationtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
)

// SQLRows makes an Options.Rows from a destination's Querier. text returns an
// expression that is the canonical text of expr, of type t.
func SQLRows(quote func(string) string, text func(expr string, t sluice.Type) string) func(*testing.T, sluice.Destination, sluice.TableName, []sluice.Column) [][]any {
	return func(t *testing.T, d sluice.Destination, table sluice.TableName, columns []sluice.Column) [][]any {
		t.Helper()
		exprs := make([]string, len(columns))
		for i, c := range columns {
			exprs[i] = text(quote(c.Name), c.Type)
		}
		rows, err := Query(d, fmt.Sprintf("SELECT %s FROM %s.%s", strings.Join(exprs, ", "), quote(table.Schema), quote(table.Name)))
		if err != nil {
			t.Fatalf("read %s: %v", table, err)
		}
		return rows
	}
}

// Query returns what a query of the destination's Querier returns.
func Query(d sluice.Destination, query string) ([][]any, error) {
	q, ok := d.(sluice.Querier)
	if !ok {
		return nil, fmt.Errorf("%T is no sluice.Querier", d)
	}
	var rows [][]any
	err := q.Query(context.Background(), query, func([]string) error { return nil }, func(values []*string) error {
		row := make([]any, len(values))
		for i, v := range values {
			if v != nil {
				row[i] = *v
			}
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}
