package postgres

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	pgtest.Exec(t, url, typeSetup)
	var columns, values []string
	for i, c := range typeCases {
		columns = append(columns, name(i)+" "+c.sqlType)
		values = append(values, "("+c.value+")::"+c.sqlType)
	}
	pgtest.Exec(t, url, "create table kinds (id int primary key, at timestamptz not null default now(), "+strings.Join(columns, ", ")+")")
	pgtest.Exec(t, url, "insert into kinds select i, '2024-01-01', "+strings.Join(values, ", ")+" from generate_series(1, 20) i")
	pgtest.Exec(t, url, `create table keyed (id int primary key, v text, at timestamptz);
		insert into keyed select i, repeat('x', 100), timestamptz '2024-01-01' + i / 10 * interval '1 s' from generate_series(1, 2000) i;
		create table keyless (n int, v text); insert into keyless select i / 5, repeat('y', 100) from generate_series(1, 2000) i;
		create view vw as select * from keyless; create table empty (id int);
		create table parted (id int, v text) partition by range (id);
		create table p1 partition of parted for values from (0) to (700); create table p2 partition of parted for values from (700) to (5000);
		insert into parted select i, repeat('z', 100) from generate_series(1, 2000) i;
		create table few (id int primary key, v text); insert into few select i, repeat('x', 100) from generate_series(1, 500) i;
		create table fewer (n int); insert into fewer values (1), (1); analyze kinds, few, fewer`)
	t.Run("pooled", func(t *testing.T) {
		t.Parallel()
		pooler := pgtest.Shared(t).Pooler(t, url)
		connectortest.Run(t, func(t *testing.T) sluice.Source { return small(newSource(t, map[string]any{"url": pooler})) }, connectortest.Options{SkipLeaks: true})
	})
	connectortest.Run(t, func(t *testing.T) sluice.Source { return small(newSource(t, map[string]any{"url": url})) }, connectortest.Options{
		SkipLeaks: true, // tests run beside it; TestMain looks for leaks
		Broken: map[string]func() (sluice.Source, error){
			"nothing": func() (sluice.Source, error) { return Connector().Open(t.Context(), []byte(`{}`)) },
			"nobody there": func() (sluice.Source, error) {
				return Connector().Open(t.Context(), []byte(`{"host":"127.0.0.1","port":1,"connect_timeout":"2s"}`))
			},
		},
	})
}
