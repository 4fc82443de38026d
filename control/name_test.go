package control

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDefaultSchema(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"shop":              "shop",
		"Shop to Warehouse": "shop_to_warehouse",
		"pg-to-warehouse":   "raw_pg_to_warehouse", // PostgreSQL refuses pg_…
		"pg":                "pg",
		"pgbouncer":         "pgbouncer",
		"2026 sales (new)":  "raw_2026_sales_new",
		"Café":              "café",
		"💡":                 "raw",
	} {
		if got := defaultSchema(name); got != want {
			t.Errorf("defaultSchema(%q) = %q, want %q", name, got, want)
		}
	}
	if got := defaultSchema(strings.Repeat("é", 100)); len(got) > maxDefaultSchema || !utf8.ValidString(got) {
		t.Errorf("a long name lands in %q", got)
	}
}
