package roundtrip_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The files are those that Debian's packages iso-codes, tzdata and postgresql
// bring, so they change with the release: counts come from the files themselves,
// read in another way.
const realFiles = `{connector: file, config: {files: [
  {path: /usr/share/iso-codes/json/iso_3166-1.json, name: countries, record_path: "3166-1", primary_key: [alpha_2]},
  {path: /usr/share/iso-codes/json/iso_3166-2.json, name: subdivisions, record_path: "3166-2", primary_key: [code]},
  {path: /usr/share/iso-codes/json/iso_3166-3.json, name: former},
  {path: /usr/share/iso-codes/json/iso_4217.json, name: currencies, primary_key: [alpha_3]},
  {path: /usr/share/iso-codes/json/iso_639-2.json, name: languages2},
  {path: /usr/share/iso-codes/json/iso_639-3.json, name: languages3, primary_key: [alpha_3]},
  {path: /usr/share/iso-codes/json/iso_639-5.json, name: families},
  {path: /usr/share/iso-codes/json/iso_15924.json, name: scripts, metadata: true},
  {path: /usr/share/zoneinfo/zone1970.tab, name: zones, format: tsv, header: "no"},
  {path: /usr/share/zoneinfo/iso3166.tab, name: zone_countries, header: "no", comment: "#", delimiter: tab},
  {path: "/usr/share/postgresql/*/sql_features.txt", name: features, format: tsv, header: "no"},
  {path: "/usr/share/iso-codes/json/schema-*.json", name: schemas, metadata: true}
]}}`

func TestRealFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, destination string) {
		p := newDestination(t, destination)
		p.write(realFiles, "")
		p.sync(0)
		second := p.sync(0)
		for _, s := range second.summary.Streams {
			if s.Rows > 0 && slices.Contains([]string{"countries", "subdivisions", "currencies", "languages3", "scripts", "schemas"}, s.Stream.Name) {
				t.Errorf("%s: %d rows of a file that has not changed", s.Stream.Name, s.Rows)
			}
		}
		for table, file := range map[string]string{"countries": "3166-1", "subdivisions": "3166-2", "former": "3166-3", "currencies": "4217",
			"languages2": "639-2", "languages3": "639-3", "families": "639-5", "scripts": "15924"} {
			p.isoCodes(t, table, file)
		}
		p.tabbed(t, "zones", "/usr/share/zoneinfo/zone1970.tab", 4)
		p.tabbed(t, "zone_countries", "/usr/share/zoneinfo/iso3166.tab", 2)
		features, err := filepath.Glob("/usr/share/postgresql/*/sql_features.txt")
		if err != nil || len(features) == 0 {
			t.Fatal(features, err)
		}
		if len(features) == 1 {
			p.tabbed(t, "features", features[0], 5)
		}
		for query, want := range map[string]string{
			"SELECT name FROM raw.countries WHERE alpha_2 = 'NA'":                                              "Namibia", // no null
			"SELECT flag FROM raw.countries WHERE alpha_3 = 'AUT'":                                             "🇦🇹",
			"SELECT official_name FROM raw.countries WHERE alpha_2 = 'TR'":                                     "Republic of Türkiye",
			"SELECT numeric FROM raw.countries WHERE alpha_2 = 'AF'":                                           "004", // a code, not a number
			"SELECT name FROM raw.currencies WHERE alpha_3 = 'XAU'":                                            "Gold",
			"SELECT CAST(count(*) AS text) FROM raw.subdivisions WHERE code LIKE 'DE-%'":                       "16",
			"SELECT name FROM raw.languages3 WHERE alpha_3 = 'deu'":                                            "German",
			"SELECT column_3 FROM raw.zones WHERE column_1 LIKE 'DE%'":                                         "Europe/Berlin",
			"SELECT column_2 FROM raw.zone_countries WHERE column_1 = 'NA'":                                    "Namibia",
			"SELECT CAST(count(*) > 5 AS text) FROM raw.schemas WHERE _file LIKE '%/schema-%'":                 "true",
			"SELECT CAST(count(DISTINCT _line) > 100 AS text) FROM raw.scripts":                                "true",
			"SELECT CAST(sum(CASE WHEN parent IS NULL THEN 0 ELSE 1 END) > 100 AS text) FROM raw.subdivisions": "true",
		} {
			if got := p.one(query); got != want {
				t.Errorf("%s: %q, want %q", query, got, want)
			}
		}
		p.sound()
	})
}

// isoCodes compares every field of every record with what encoding/json reads.
func (p *pipe) isoCodes(t *testing.T, table, standard string) {
	t.Helper()
	raw, err := os.ReadFile("/usr/share/iso-codes/json/iso_" + standard + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var file map[string][]map[string]string
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	fields := map[string]bool{}
	for _, record := range file[standard] {
		for field := range record {
			fields[field] = true
		}
	}
	columns := slices.Sorted(func(yield func(string) bool) {
		for field := range fields {
			if !yield(field) {
				return
			}
		}
	})
	var want, list []string
	for _, record := range file[standard] {
		line := ""
		for _, c := range columns {
			line += record[c] + "\x1f"
		}
		want = append(want, line)
	}
	for _, c := range columns {
		list = append(list, "coalesce(CAST("+ident(strings.ToLower(c))+" AS text), '')")
	}
	p.lines(t, table, want, list)
}

// tabbed compares every field of a table of tabs with what encoding/csv reads.
func (p *pipe) tabbed(t *testing.T, table, path string, columns int) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(strings.NewReader(string(raw)))
	r.Comma, r.Comment, r.LazyQuotes, r.FieldsPerRecord = '\t', '#', true, -1
	records, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want, list []string
	for _, record := range records {
		line := ""
		for i := range columns {
			if i < len(record) {
				line += record[i]
			}
			line += "\x1f"
		}
		want = append(want, line)
	}
	for i := range columns {
		list = append(list, fmt.Sprintf("coalesce(CAST(column_%d AS text), '')", i+1))
	}
	p.lines(t, table, want, list)
}

func (p *pipe) lines(t *testing.T, table string, want, list []string) {
	t.Helper()
	var got []string
	for _, row := range p.ask("SELECT " + strings.Join(list, ", ") + " FROM raw." + table) {
		got = append(got, strings.Join(row, "\x1f")+"\x1f")
	}
	slices.Sort(want)
	slices.Sort(got)
	if len(want) < 20 || !slices.Equal(want, got) {
		i := 0
		for i < min(len(want), len(got)) && want[i] == got[i] {
			i++
		}
		t.Errorf("%s: %d records, the file has %d; the first that differs: %q, in the file %q", table, len(got), len(want), got[i:min(i+1, len(got))], want[i:min(i+1, len(want))])
	}
}
