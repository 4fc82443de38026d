package rest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluicehq/sluice"
)

// Table declares a table in a few words: its name, the names of its key's columns
// ("" where it has none), and columns, each "name type", in one text or in several:
//
//	rest.Table("orders", "id", "id int64", "total decimal(12,2)", "updated_at timestamptz")
//
// Columns outside the key may be null. Table panics where a column has no type of
// sluice.ParseType, or the key no column: such a declaration is wrong whatever the
// API answers, so the first test finds it.
func Table(name, key string, columns ...string) sluice.Table {
	t := sluice.Table{Name: sluice.TableName{Name: name}, Key: strings.Fields(key)}
	words := strings.Fields(strings.Join(columns, " "))
	for len(words) > 0 {
		pair := words[:min(2, len(words))]
		words = words[len(pair):]
		kind, err := sluice.ParseType(pair[len(pair)-1])
		if err != nil || len(pair) < 2 {
			panic(fmt.Sprintf(`rest.Table %s: %q is no column: write its name and its type, such as "id int64"`, name, strings.Join(pair, " ")))
		}
		t.Columns = append(t.Columns, sluice.Column{Name: pair[0], Type: kind, Nullable: !slices.Contains(t.Key, pair[0])})
	}
	for _, k := range t.Key {
		if len(t.Columns) > 0 && t.Column(k) == nil {
			panic(fmt.Sprintf("rest.Table %s: %s is in the key, and no column", name, k))
		}
	}
	return t
}
