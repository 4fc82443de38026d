package duckdb

import (
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload/golden"
)

func TestSQL(t *testing.T) {
	t.Parallel()
	d := dialect
	d.Now = "now()"
	golden.Run(t, &d, "testdata/sql")
}

// TestCastFloats: the texts of floats are PostgreSQL's.
func TestCastFloats(t *testing.T) {
	t.Parallel()
	h, err := Open(ConfigOf(t.TempDir()+"/f.duckdb", "96MB"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	for _, c := range []struct {
		kind        sluice.Kind
		value, want string
	}{
		{sluice.Float64, "1e15", "1e+15"}, {sluice.Float64, "999999999999999", "999999999999999"}, {sluice.Float64, "-1234567890123456", "-1.234567890123456e+15"},
		{sluice.Float64, "1e20", "1e+20"}, {sluice.Float64, "-0.5", "-0.5"}, {sluice.Float64, "0", "0"}, {sluice.Float64, "1e-5", "1e-05"}, {sluice.Float64, "'nan'", "NaN"},
		{sluice.Float64, "'-inf'", "-Infinity"}, {sluice.Float32, "16777216", "1.6777216e+07"}, {sluice.Float32, "1000000", "1e+06"}, {sluice.Float32, "123456", "123456"},
		{sluice.Date, "'0044-03-15 (BC)'", "0044-03-15 BC"}, {sluice.TimestampTZ, "'0044-03-15 (BC) 01:02:03+00'", "0044-03-15 01:02:03+00 BC"},
	} {
		query := "SELECT " + cast("v", sluice.T(c.kind), sluice.T(sluice.String)) + " FROM (SELECT CAST(" + c.value + " AS " + typeName(sluice.T(c.kind)) + ") AS v)"
		err := h.Query(t.Context(), query, func([]string) error { return nil }, func(v []*string) error {
			if v[0] == nil || *v[0] != c.want {
				t.Errorf("%s as %s: %v, want %s", c.value, c.kind, *v[0], c.want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"96MB": 96e6, "1GiB": 1 << 30, " 1.5 kb ": 1500, "2TB": 2e12, "x": 0} {
		if got := parseSize(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}
