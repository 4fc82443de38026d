package normalize_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

func TestName(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		"id":                  "id",
		"orderId":             "order_id",
		"OrderID":             "order_id",
		"HTTPServerURL":       "http_server_url",
		"line2Total":          "line2_total",
		"größe":               "grosse",
		"Çà et là":            "ca_et_la",
		"Łódź":                "lodz",
		"ﬁne²":                "fine2",
		"Ｆｕｌｌ":                "full",
		"Дата создания":       "data_sozdaniya",
		"ΌΝΟΜΑ":               "onoma",
		"a--b  c":             "a_b_c",
		"__x__":               "_x_",
		"2nd":                 "_2nd",
		"order.total ($)":     "order_total_",
		"select":              "select",
		"_sluice_id":          "sluice_id",
		"_Sluice__synced at":  "sluice_synced_at",
		"a\x00b":              "a_b",
		"\xff":                "n_" + suffix(normalize.Name("\xff", 0)),
		"":                    "n_" + suffix(normalize.Name("", 0)),
		"名前":                  "n_" + suffix(normalize.Name("名前", 0)),
		"camelCase_snake_Mix": "camel_case_snake_mix",
	} {
		if got := normalize.Name(source, 63); got != want {
			t.Errorf("Name(%q) = %q, want %q", source, got, want)
		}
	}
	if normalize.Name("名前", 0) == normalize.Name("住所", 0) {
		t.Error("names without a Latin letter are one")
	}
}

func suffix(name string) string { return name[len("n_"):] }

func TestNameFitsWithAHashInTheMiddle(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("very_", 20)
	a, b := normalize.Name(long+"long_one", 63), normalize.Name(long+"x_long_one", 63)
	if len(a) > 63 || len(a) < 60 || !strings.HasPrefix(a, "very_very") || !strings.HasSuffix(a, "long_one") {
		t.Errorf("got %q", a)
	}
	if a == b {
		t.Errorf("two names fold to %q", a)
	}
	if got := normalize.Name("_sluicexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 24); strings.HasPrefix(got, "_sluice_") {
		t.Errorf("got %q", got)
	}
}

var destinationName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func checkName(t interface{ Fatalf(string, ...any) }, source string, limit int) {
	got := normalize.Name(source, limit)
	switch {
	case !destinationName.MatchString(got):
		t.Fatalf("Name(%q, %d) = %q", source, limit, got)
	case strings.Contains(got, "__") || strings.HasPrefix(got, "_sluice_"):
		t.Fatalf("Name(%q, %d) = %q", source, limit, got)
	case limit > 0 && len(got) > limit:
		t.Fatalf("Name(%q, %d) = %q: too long", source, limit, got)
	case normalize.Name(got, limit) != got:
		t.Fatalf("Name(%q, %d) = %q, and again %q", source, limit, got, normalize.Name(got, limit))
	}
}

func TestNameProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		source := rapid.OneOf(rapid.String(), rapid.StringMatching(`[_A-Za-z0-9 .-]{0,90}`),
			rapid.StringMatching(`_sluice[_a-z]{0,40}`)).Draw(t, "source")
		checkName(t, source, rapid.IntRange(0, 70).Draw(t, "limit"))
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"orderId", "_sluice_id", "größe", "2nd", "", "\xff\xfe", "ΌΝΟΜΑ"} {
		f.Add(s, 20)
	}
	f.Fuzz(func(t *testing.T, source string, limit int) {
		checkName(t, source, max(limit%80, 0))
	})
}

func TestTableFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stream   sluice.TableName
		verbatim bool
		want     string
	}{
		{sluice.TableName{Name: "Orders"}, false, "orders"},
		{sluice.TableName{Schema: "public", Name: "Orders"}, false, "orders"},
		{sluice.TableName{Schema: "Sales", Name: "OrderLines"}, false, "sales_order_lines"},
		{sluice.TableName{Schema: "Sales", Name: "OrderLines"}, true, "Sales_OrderLines"},
		{sluice.TableName{Schema: "public", Name: "_sluice_x"}, true, "sluice_x"},
	} {
		got := normalize.TableFor("raw", c.stream, c.verbatim, 63)
		if got != (sluice.TableName{Schema: "raw", Name: c.want}) {
			t.Errorf("%v: got %v, want %s", c.stream, got, c.want)
		}
	}
	long := normalize.TableFor("", sluice.TableName{Name: strings.Repeat("ü", 60)}, true, 63).Name
	if len(long) > 63 || !utf8.ValidString(long) {
		t.Errorf("got %q, %d bytes", long, len(long))
	}
}
