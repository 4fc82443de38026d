package roundtrip_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// canBeKey leaves out types whose values do not make keys: json, xml and the geometric
// ones cannot, floats have two zeros, and 1.0 and 1.00 are one numeric but two
// texts.
func (c column) canBeKey() bool {
	switch c.kind {
	case "json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "xid", "cid", "jsonpath", "txid_snapshot", "pg_snapshot",
		"real", "double precision", "numeric", "nest", "double precision[]":
		return false
	}
	return true
}

// keyTable makes a table with the column's type as its key.
func (c column) keyTable(i int) string {
	ddl := fmt.Sprintf("CREATE TABLE k%d (k %s PRIMARY KEY, v int);\n", i, c.kind)
	for j, value := range c.values {
		if strings.HasPrefix(value, "repeat(") || strings.Contains(value, "repeat('") {
			continue // an index entry is at most 2,700 bytes
		}
		ddl += fmt.Sprintf("INSERT INTO k%d VALUES ((%s)::%s, %d);\n", i, value, c.kind, j)
	}
	return ddl
}

// TestEveryKey: rows are found again by keys of any type.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	for _, destination := range both {
		for _, write := range []string{"merge", "history"} {
			t.Run(destination+"/"+write, func(t *testing.T) {
				t.Parallel()
				source := pgtest.Shared(t).NewDatabase(t)
				ddl := typeDDL + "SET lc_monetary = 'C';"
				var counts, updates []string
				for i, c := range columns {
					if c.canBeKey() {
						ddl += c.keyTable(i)
						updates = append(updates, fmt.Sprintf("UPDATE k%d SET v = -1 - v", i))
						counts = append(counts, fmt.Sprintf("SELECT %d, count(*), sum(v), count(DISTINCT k) FROM %%[1]sk%d%%[2]s", i, i))
					}
				}
				pgtest.Exec(t, source, ddl)
				p := newPipe(t, source, destination, "streams: [{name: 'public.*', mode: full_refresh, write: "+write+"}]")
				p.sync(0)
				pgtest.Exec(t, source, strings.Join(updates, ";"))
				p.sync(0)
				query, active := strings.Join(counts, " UNION ALL ")+" ORDER BY 1", ""
				if write == "history" {
					active = " WHERE _sluice_active"
				}
				same(t, "keys", psql(t, source, fmt.Sprintf(query, "", "")), p.ask(fmt.Sprintf(query, "raw.", active)))
				p.sound()
			})
		}
	}
}
