package file

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// These files are those that Debian ships; `make test` installs iso-codes,
// tzdata and distro-info-data.

func TestISOCodes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ path, row, columns string }{
		"iso_3166-1": {"3166-1", "NA Namibia 516", "alpha_2"},
		"iso_3166-2": {"3166-2", "AD-02", "code"},
		"iso_639-3":  {"639-3", "aaa Ghotuo", "alpha_3"},
		"iso_4217":   {"4217", "UAE Dirham", "name"},
	} {
		m, stream := readFresh(t, fmt.Sprintf(`{"path":"/usr/share/iso-codes/json/%s.json"}`, name))
		raw, err := os.ReadFile("/usr/share/iso-codes/json/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(raw), `"`+want.columns+`":`); len(m.rows) != n || n == 0 || !strings.Contains(stream.Doc, "record_path "+want.path) {
			t.Errorf("%s: %d rows of %d, %s", name, len(m.rows), n, stream.Doc)
		}
		for _, word := range strings.Fields(want.row) {
			if !strings.Contains(fmt.Sprint(m.rows), word) {
				t.Errorf("%s: no %s", name, word)
			}
		}
	}
}

func TestTimeZoneTables(t *testing.T) {
	t.Parallel()
	m, stream := readFresh(t, `{"path":"/usr/share/zoneinfo/zone1970.tab"}`)
	if !strings.Contains(stream.Doc, `comment "#"`) || !strings.Contains(stream.Doc, `delimiter "\t"`) {
		t.Error(stream.Doc)
	}
	raw, err := os.ReadFile("/usr/share/zoneinfo/zone1970.tab")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(raw)) {
		if line[0] != '#' {
			lines++
		}
	}
	if len(m.rows) != lines || len(m.rows) < 200 {
		t.Errorf("%d rows of %d lines, %v", len(m.rows), lines, m.rejected)
	}
	if !strings.Contains(m.column("column_3"), "Europe/Berlin") {
		t.Error(m.column("column_3"))
	}
}

func TestDistroInfo(t *testing.T) {
	t.Parallel()
	m, stream := readFresh(t, `{"path":"/usr/share/distro-info/debian.csv"}`)
	if got := columns(&stream.Table); !strings.HasPrefix(got, "version string, codename string, series string, created date, release date, eol date") {
		t.Error(got)
	}
	if !strings.Contains(m.column("series"), "bookworm") || len(m.rows) < 20 {
		t.Error(m.column("series"), m.rejected)
	}
	if all, err := filepath.Glob("/usr/share/distro-info/*.csv"); err != nil || len(all) < 2 {
		t.Fatal(all, err)
	}
	both, _ := readFresh(t, `{"path":"/usr/share/**/distro-info/*.csv","metadata":true}`)
	if len(both.rows) <= len(m.rows) {
		t.Error(len(both.rows))
	}
}
