package rest_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

func TestTableInAFewWords(t *testing.T) {
	t.Parallel()
	want := sluice.Table{Name: sluice.TableName{Name: "lines"}, Key: []string{"order", "n"}, Columns: []sluice.Column{
		{Name: "order", Type: sluice.T(sluice.Int64)},
		{Name: "n", Type: sluice.T(sluice.Int32)},
		{Name: "total", Type: sluice.DecimalType(12, 2), Nullable: true},
	}}
	for _, got := range []sluice.Table{
		rest.Table("lines", "order n", "order int64", "n int32", "total decimal(12,2)"),
		rest.Table("lines", "order n", "order int64 n int32\n\ttotal decimal(12,2)"),
	} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v", got)
		}
	}
	if bare := rest.Table("found", "id"); len(bare.Columns) > 0 || len(bare.Key) != 1 {
		t.Errorf("%+v", bare)
	}
	for says, columns := range map[string]string{"id integer": "id integer", "name": "id int64 name", "id is in the key": "name string"} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.Contains(p, says) {
					t.Errorf("%q: %s", columns, p)
				}
			}()
			rest.Table("t", "id", columns)
		}()
	}
}
