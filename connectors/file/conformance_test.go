package file

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, f := range []string{"csv", "jsonl", "json"} {
		write(t, filepath.Join(dir, "one."+f), manyRows(f, map[string]int{"csv": 15_000, "jsonl": 2000, "json": 1000}[f]))
		write(t, filepath.Join(dir, "two."+f), manyRows(f, 10))
	}
	write(t, filepath.Join(dir, "z.csv.gz"), compress(t, "gz", manyRows("csv", 100)))
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "text", Type: arrow.BinaryTypes.String}}, nil)
	var rows []string
	for i := range 1000 {
		rows = append(rows, fmt.Sprintf(`{"id":%d,"text":"x"}`, i))
	}
	writeParquet(t, filepath.Join(dir, "p.parquet"), schema, rows, 300)
	config := fmt.Sprintf(`{"files":[{"path":%q,"name":"csv"},{"path":%q,"name":"lines","metadata":true},{"path":%q,"name":"json"},{"path":%q},{"path":"/usr/share/distro-info/*.csv","name":"distros"}]}`,
		dir+"/*.csv*", dir+"/*.jsonl", dir+"/*.json", dir+"/p.parquet")
	broken := func(config string) func() (sluice.Source, error) {
		return func() (sluice.Source, error) { return Connector().Open(t.Context(), json.RawMessage(config)) }
	}
	connectortest.Run(t, func(t *testing.T) sluice.Source {
		s := open(t, config)
		s.every = 500_000
		return s
	}, connectortest.Options{SkipLeaks: true, MaxKills: 3, Broken: map[string]func() (sluice.Source, error){
		"path": broken(`{"path":"/no/such/file.csv"}`), "pattern": broken(`{"path":"/no/such/*.csv"}`), "empty": broken(`{}`), "host": broken(`{"path":"http://no.such.host.invalid/x"}`),
	}})
}
