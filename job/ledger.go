package job

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
	"github.com/sluicehq/sluice/pipeline"
)

// ofConnection is the condition that chooses the pipeline's rows of the ledger.
func (j *Job) ofConnection() string {
	return fmt.Sprintf("connection = '%s'", strings.ReplaceAll(j.Name, "'", "''"))
}

// Positions reads where the pipeline's streams stand, by queries that disturb no
// sync.
func (j *Job) Positions(ctx context.Context, q sluice.Querier) ([]sluice.Position, error) {
	if known, err := hasLedger(ctx, q); err != nil || !known {
		return nil, err
	}
	of := j.ofConnection()
	var positions []sluice.Position
	// What was known when the last run began, and the loads since then.
	for _, query := range []string{
		"select positions from _sluice.connections where " + of,
		"select positions from _sluice.loads where " + of + " and positions is not null and epoch >= (select epoch from _sluice.connections where " + of + ") order by epoch, seq",
	} {
		err := eachRow(ctx, q, query, func(row []*string) error {
			var load []sluice.Position
			if err := json.Unmarshal([]byte(*row[0]), &load); err != nil {
				return fmt.Errorf("the ledger's positions: %w", err)
			}
			positions = sqlload.Fold(positions, load)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return positions, nil
}

// hasLedger reports whether Sluice ever loaded anything into the destination.
func hasLedger(ctx context.Context, q sluice.Querier) (known bool, err error) {
	err = eachRow(ctx, q, "select 1 as found from information_schema.tables where table_schema = '_sluice' and table_name = 'connections'",
		func([]*string) error { known = true; return nil })
	return known, err
}

// eachRow runs a query whose columns are known.
func eachRow(ctx context.Context, q sluice.Querier, query string, row func([]*string) error) error {
	return q.Query(ctx, query, func([]string) error { return nil }, row)
}

// Shared returns the tables that a pipeline which was never synced before would
// load, and that another one has loaded: its rows would meet with theirs.
func (j *Job) Shared(ctx context.Context, q sluice.Querier, streams []pipeline.Stream) (tables []string, by string, err error) {
	if known, err := hasLedger(ctx, q); err != nil || !known {
		return nil, "", err
	}
	synced := false
	if err := eachRow(ctx, q, "select 1 as found from _sluice.connections where "+j.ofConnection(), func([]*string) error { synced = true; return nil }); err != nil || synced {
		return nil, "", err
	}
	others := map[sluice.TableName]string{}
	err = eachRow(ctx, q, "select distinct table_schema, table_name, connection from _sluice.loads where table_name is not null", func(row []*string) error {
		var t sluice.TableName
		if row[0] != nil {
			t.Schema = *row[0]
		}
		t.Name = *row[1]
		others[t] = *row[2]
		return nil
	})
	for _, s := range streams {
		if other, taken := others[s.Table]; taken {
			tables, by = append(tables, s.Table.String()), other
		}
	}
	return tables, by, err
}
