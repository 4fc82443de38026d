package postgres

import (
	"context"
	"slices"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// TestPreparedQuestions: a connection that is used again has its questions
// planned once, which changes nothing. Where a pooler gives it a session that
// knows nothing of them, or has them already, it does without.
func TestPreparedQuestions(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(s *source, c *conn) string{
		"session":           func(*source, *conn) string { return "" },
		"forgetful session": func(*source, *conn) string { return "DEALLOCATE ALL" },
		"used session": func(s *source, c *conn) string {
			c.prepared = ""
			_, sql := s.preparation(c)
			return "DEALLOCATE ALL;" + sql
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Shared(t).NewDatabase(t)
			pgtest.Exec(t, url, `create table t (id int primary key, v text); insert into t values (1, 'a'), (2, null);
				create type mood as enum ('glad'); create domain amount as numeric(9, 2) not null;
				create table u (b amount, a mood[], m money, unique (m)); insert into u values (1.5, '{glad}', '2.50');
				create view v as select id from t`)
			s := newSource(t, map[string]any{"url": url})
			read := func(table string, want ...string) {
				t.Helper()
				got := newLedger()
				must(t, got.read(t, s, sluice.Selection{Stream: find(t, s, "public."+table), Mode: sluice.FullRefresh}, 1))
				equal(t, got.all(), want)
			}
			for range 7 { // after five times the server plans no more
				read("t", "1|a", "2|∅")
				read("u", `1.5|["glad"]|2.5`)
			}
			if s.unprepared.Load() || !slices.ContainsFunc(s.pool.idle, func(c *conn) bool { return c.prepared != "" }) {
				t.Fatal("nothing was prepared")
			}
			for _, c := range s.pool.idle {
				_, err := c.exec(context.Background(), meddle(s, c))
				must(t, err)
			}
			pgtest.Exec(t, url, "alter table t add more int default 3, drop v")
			read("t", "1|3", "2|3")
			read("v", "1", "2")
			if s.unprepared.Load() != (name != "session") {
				t.Errorf("prepared in vain: %v", s.unprepared.Load())
			}
		})
	}
}
