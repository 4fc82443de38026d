package postgres

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestPage: the user's page names every field and every error code.
func TestPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/destinations/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(Destination().Config, &schema); err != nil {
		t.Fatal(err)
	}
	names := []string{"postgres_url", "postgres_column_type", "postgres_not_a_table", "postgres_version", "postgres_encoding", "connection_owner"}
	for name := range schema.Properties {
		names = append(names, name)
	}
	for _, r := range rules {
		names = append(names, r.code)
	}
	for _, name := range names {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}
