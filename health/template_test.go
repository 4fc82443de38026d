package health_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

func TestTemplate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stream, want string
		of           []string
	}{
		{"", "password authentication failed for user <text> (SQLSTATE 28P01)", []string{
			`password authentication failed for user "ann" (SQLSTATE 28P01)`, `password authentication failed for user "bob o'neil" (SQLSTATE 28P01)`}},
		{"", "dial tcp <n>: connect: connection refused", []string{"dial tcp 10.0.0.7:5432: connect: connection refused", "dial tcp 192.168.1.1:5433: connect: connection refused"}},
		{"", "lookup <name>: no such host", []string{"lookup db.example.com: no such host", "lookup db-2.eu-west-1.example.org: no such host"}},
		{"", "GET <path>: the server answers <n>", []string{"GET https://a.example.com/v1/orders?page=2: the server answers 503", "GET http://b/x: the server answers 503"}},
		{"public.orders", "copy <stream>: duplicate key <text>", []string{`copy public.orders: duplicate key "a"`, `copy orders: duplicate key "b"`}},
		{"", "job <id> of <n> failed after <n>", []string{"job 5f0c1d2e-89ab-4cde-8f01-23456789abcd of 2026-03-01T08:00:00Z failed after 3.5s", "job c0ffee00-89ab-4cde-8f01-23456789abce of 2025-12-31T23:59:59Z failed after 1h2m3s"}},
		{"", "columns <text> are missing", []string{"columns 'a', 'b' are missing", "columns 'c' are missing"}},
		{"", "open <path>: no space left", []string{"open /var/lib/a: no space left", "open ./b/c: no space left"}},
		{"", "can't read utf8 or x509", []string{"can't read utf8 or x509"}},
		{"", "limit=<n>, used <n> of <n>", []string{"limit=10, used 7 of 12", "limit=10000, used 1 of 3"}},
		{"", "mail to <name> bounced", []string{"mail to a.b@example.com bounced", "mail to x@y bounced"}},
		{"", "the slot <id> is gone", []string{"the slot sluice_7f3a_2 is gone", "the slot sluice_99_1 is gone"}},
	} {
		for _, message := range c.of {
			if have := health.Template(message, c.stream); have != c.want {
				t.Errorf("%q\nhas the template %q\nnot              %q", message, have, c.want)
			}
		}
	}
}

func TestATemplateIsItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.OneOf(rapid.SampledFrom([]string{"user", "'x y'", "can't", "3.5s", "10.0.0.1:80", "a.b.c", "/x/y", "id-77", "<n>", "n=1,2,3", `"open`, "SQLSTATE", "42P01", "(", "é“ü”", "…"}), rapid.String())
		message := strings.Join(rapid.SliceOfN(word, 0, 12).Draw(t, "words"), " ")
		once := health.Template(message, "a.b")
		if len(once) > 400+10 {
			t.Fatalf("%d bytes", len(once))
		}
		if len(once) < 380 {
			if twice := health.Template(once, "a.b"); twice != once {
				t.Fatalf("%q\n%q\n%q", message, once, twice)
			}
		}
	})
}

func TestNumbersQuotesAndPathsDoNotTellCausesApart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func() health.Failure {
			n, quoted := rapid.IntRange(0, 1<<40).Draw(t, "n"), rapid.StringMatching(`[a-zA-Z0-9 ._-]{0,20}`).Draw(t, "quoted")
			host := rapid.StringMatching(`[a-z]{1,8}\.[a-z]{2,8}\.com`).Draw(t, "host")
			return health.Failure{Class: sluice.Transient, Code: "shop_unavailable", Stream: rapid.StringMatching(`[a-z]{3,9}`).Draw(t, "stream"),
				Message: "record " + strings.Repeat("0", n%3) + "17" + " of \"" + quoted + "\" at " + host + " was cut"}
		}
		a, b := draw(), draw()
		s := subject("con_a", "shop")
		if x, y := health.CauseOf(s, &a), health.CauseOf(s, &b); x.Fingerprint() != y.Fingerprint() {
			t.Fatalf("%+v\n%+v", x, y)
		}
	})
}

func TestSides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		connector, kind, code, op string
		want                      health.Side
	}{
		{"shop", "duckdb", "shop_token", "read", health.SourceSide},
		{"shop", "duckdb", "duckdb_path", "open x", health.DestinationSide},
		{"postgres", "postgres", "postgres_connect", "read public.t", health.SourceSide},
		{"postgres", "postgres", "postgres_permission", "create schema x", health.DestinationSide},
		{"shop", "duckdb", "staged_rows_lost", "merge", health.DestinationSide},
		{"shop", "duckdb", "unclassified", "merge", health.SourceSide},
		{"ads", "ads-db", "ads_db_full", "merge", health.DestinationSide},
	} {
		s := subject("con_a", c.connector)
		s.Kind = c.kind
		if have := health.SideOf(s, &health.Failure{Code: c.code, Op: c.op}); have != c.want {
			t.Errorf("%+v: %s", c, have)
		}
	}
}
