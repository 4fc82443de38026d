package normalize_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/pipeline/normalize"
)

var salt = []byte("pepper")

func digest(text string) string {
	m := hmac.New(sha256.New, salt)
	m.Write([]byte(text))
	return hex.EncodeToString(m.Sum(nil))
}

func masked(t *sluice.Table, mode sluice.WriteMode, m normalize.Mask) normalize.Options {
	o := options(t, mode)
	o.Mask = m
	return o
}

func TestMaskHashesAndLeavesOut(t *testing.T) {
	t.Parallel()
	source := table("id", "id", "int64", "email", "string", "ssn", "string", "paid", "decimal(8,2)", "meta", "json")
	n := normalizer(t, masked(source, sluice.Merge, normalize.Mask{Hash: []string{"email", "paid", "meta"}, Exclude: []string{"ssn"}, Salt: salt}))
	if got, want := columnsOf(n.Shape()), "id int64!, email string, paid string, meta string, _sluice_synced_at timestamptz!"; got != want {
		t.Errorf("shape\n got %s\nwant %s", got, want)
	}
	out, rejected := apply(t, n, batch(t, source, `[{"id":1,"email":"a@b.c","ssn":"123","paid":"5.00","meta":"{\"a\":1}"},{"id":2,"ssn":"456"}]`))
	want := "id=1 email=" + digest("a@b.c") + " paid=" + digest("5") + " meta=" + digest(`{"a":1}`) + " \nid=2 \n"
	if got := show(out[0]); got != want || len(rejected) != 0 {
		t.Errorf("rows\n got %s\nwant %s", got, want)
	}
}

func TestMaskedKeysStayKeys(t *testing.T) {
	t.Parallel()
	source := table("email", "email", "string", "v", "int64")
	n := normalizer(t, masked(source, sluice.Merge, normalize.Mask{Hash: []string{"email"}, Salt: salt}))
	out, rejected := apply(t, n, batch(t, source, `[{"email":"a","v":1},{"v":2}]`))
	if got := show(out[0]); got != "email="+digest("a")+" v=1 \n" {
		t.Error(got)
	}
	if len(rejected) != 1 || rejected[0].Column != "email" {
		t.Errorf("%v", rejected)
	}
}

// A column that is widened in the source goes on to hash as before.
func TestHashesSurviveWidening(t *testing.T) {
	t.Parallel()
	var got []string
	for _, typ := range []string{"int16", "int64", "decimal(10,0)", "decimal(12,4)", "string", "float64"} {
		source := table("", "v", typ)
		value := `5`
		if typ == "string" || strings.HasPrefix(typ, "decimal") {
			value = `"5"`
		}
		n := normalizer(t, masked(source, sluice.Append, normalize.Mask{Hash: []string{"v"}, Salt: salt}))
		out, _ := apply(t, n, batch(t, source, `[{"v":`+value+`}]`))
		got = append(got, show(out[0]))
	}
	for _, g := range got {
		if g != "v="+digest("5")+" \n" {
			t.Errorf("%q", got)
			break
		}
	}
}

// A stream whose shape is not known before it is read is masked all the same.
func TestMaskOfInferredStreams(t *testing.T) {
	t.Parallel()
	source := table("", "id", "int64", "secret", "json", "name", "string")
	declared := table("")
	o := masked(declared, sluice.Append, normalize.Mask{Exclude: []string{"secret"}, Hash: []string{"name"}, Salt: salt})
	o.NestedTables = true
	n := normalizer(t, o)
	out, _ := apply(t, n, batch(t, source, `[{"id":1,"name":"x","secret":"[{\"pin\":1}]"}]`))
	if len(out) != 1 || show(out[0]) != "id=1 name="+digest("x")+" \n" {
		t.Errorf("%d batches: %s", len(out), show(out[0]))
	}
	// A later batch brings the same columns in another order.
	again := table("", "name", "string", "secret", "json", "id", "int64")
	out, _ = apply(t, n, batch(t, again, `[{"id":2,"name":"x"}]`))
	if show(out[0]) != "name="+digest("x")+" id=2 \n" {
		t.Error(show(out[0]))
	}
}

func TestExcludingTheKeyIsRefused(t *testing.T) {
	t.Parallel()
	_, err := normalize.New(masked(table("id", "id", "int64", "v", "string"), sluice.Merge, normalize.Mask{Exclude: []string{"id"}}))
	if err == nil || sluice.AsError(err).Code != "key_column_missing" {
		t.Errorf("%v", err)
	}
}

func TestRejectedRecordsAreMasked(t *testing.T) {
	t.Parallel()
	m := normalize.Mask{Hash: []string{"email"}, Exclude: []string{"ssn"}}
	for _, r := range []sluice.Rejected{
		{Column: "email", Key: "1", Value: "a@marker", Reason: "a@marker is no date"},
		{Column: "ssn", Key: "1", Value: "marker"},
		{Row: true, Key: "orders.csv:17", Value: `{"email":"marker"}`, Reason: "too few fields"},
	} {
		got := m.Reject(r, []string{"id"})
		if strings.Contains(got.Value+got.Reason+got.Key, "marker") || got.Key != r.Key || r.Row && got.Reason != r.Reason {
			t.Errorf("%+v", got)
		}
	}
	if got := m.Reject(sluice.Rejected{Column: "v", Key: "a@marker", Value: "x"}, []string{"email"}); got.Key != normalize.Hidden || got.Value != "x" {
		t.Errorf("%+v", got)
	}
	plain := sluice.Rejected{Column: "v", Key: "k", Value: "x", Row: true}
	if got := (&normalize.Mask{}).Reject(plain, nil); got != plain {
		t.Errorf("%+v", got)
	}
}

// What was refused is left out under either name, but for what a read needs; a table
// that is not there has no shape to show.
func TestRefusedColumnsAreLeftOut(t *testing.T) {
	t.Parallel()
	source := table("id", "id", "int64", "unitPrice", "int64", "Gone", "int64", "kept", "int64")
	o := masked(source, sluice.Merge, normalize.Mask{})
	o.Refused = []string{"unit_price", "Gone", "id"}
	n := normalizer(t, o)
	if got, want := columnsOf(n.Shape()), "id int64!, kept int64, _sluice_synced_at timestamptz!"; got != want {
		t.Errorf("shape\n got %s\nwant %s", got, want)
	}
	out, _ := apply(t, n, batch(t, source, `[{"id":1,"unitPrice":2,"Gone":3,"kept":4}]`))
	if got := show(out[0]); got != "id=1 kept=4 \n" {
		t.Error(got)
	}
	if normalize.WithoutSystem(nil) != nil {
		t.Error("a shape of nothing")
	}
}
