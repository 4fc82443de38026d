package sqlload_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/destinations/kit/sqlload"
)

func TestFoldRetiresParts(t *testing.T) {
	t.Parallel()
	at := func(stream string, part int, cursor string) sluice.Position {
		return sluice.Position{Lane: sluice.Lane{Stream: sluice.TableName{Name: stream}, Part: part}, Cursor: sluice.Cursor(cursor)}
	}
	shared := sluice.Position{Lane: sluice.SharedLane, Cursor: sluice.Cursor(`9`)}
	got := sqlload.Fold(nil, []sluice.Position{at("a", 1, "1"), at("a", 2, "1"), at("b", 1, "1")})
	got = sqlload.Fold(got, []sluice.Position{at("a", 1, "2"), shared})
	if want := []sluice.Position{at("a", 2, "1"), at("b", 1, "1"), at("a", 1, "2"), shared}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	got = sqlload.Fold(got, []sluice.Position{at("a", 0, "3")})
	if want := []sluice.Position{at("b", 1, "1"), shared, at("a", 0, "3")}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestShadowFitsTheLimit(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, name := range []string{"a", strings.Repeat("é", 31), strings.Repeat("n", 62) + "a", strings.Repeat("n", 62) + "b"} {
		for _, refresh := range []string{"1", "2"} {
			s := sqlload.Shadow(sluice.Target{Name: sluice.TableName{Schema: "s", Name: name}, Refresh: refresh}, 63)
			if len(s.Name) > 63 || !utf8.ValidString(s.Name) || s.Schema != "s" || seen[s.Name] {
				t.Errorf("shadow of %s: %s", name, s.Name)
			}
			seen[s.Name] = true
		}
	}
	if n := (sluice.TableName{Name: "a"}); sqlload.Shadow(sluice.Target{Name: n}, 63) != n {
		t.Error("a table without a refresh has a shadow")
	}
}

func TestRefsRoundTrip(t *testing.T) {
	t.Parallel()
	r := sqlload.Ref{Table: "stage", Columns: []sluice.Column{{Name: `q"`, Type: sluice.DecimalType(5, 2), Nullable: true}}, Deletes: 3, Excluded: 1,
		Rejects: []sluice.Rejected{{Value: "v", Row: true}}}
	got, err := sqlload.ParseRef(r.String())
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := sqlload.ParseRef("no ref"); err == nil {
		t.Error("nonsense is a reference")
	}
}

func TestStageNamesTellPendingLoads(t *testing.T) {
	t.Parallel()
	name := sqlload.StageName("c", 3, "c/3/1", 0)
	if len(name) > 63 || !strings.HasPrefix(name, sqlload.StagePrefix("c")) || strings.HasPrefix(name, sqlload.StagePrefix("d")) {
		t.Errorf("name %s", name)
	}
	if !sqlload.StagePending(name, []sluice.LoadID{"c/2/9", "c/3/1"}) || sqlload.StagePending(name, []sluice.LoadID{"c/3/2"}) {
		t.Error("pending loads are not told apart")
	}
}
