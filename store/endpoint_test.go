package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/store"
)

func TestSource(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.Source{Name: "Shop é", Connector: "shop", Config: []byte(`{"a":1}`), Secrets: map[string]string{"password": "sealed:abc"}, Region: "eu",
			Host: "h", Labels: map[string]string{"a.b": `"c"`}, Team: "t", CreatedBy: "usr_1"}
		x.must(x.CreateSource(x.ctx, want))
		if want.ID == "" || want.Version != 1 || !want.CreatedAt.Equal(x.Now()) || want.Setup != store.Incomplete {
			t.Fatalf("%+v", want)
		}
		got, err := x.SourceByName(x.ctx, "  sHOP É ")
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		x.code(x.CreateSource(x.ctx, &store.Source{Name: "shop é"}), store.CodeNameTaken)

		at := x.Add(time.Minute)
		problem := store.FailureOf(&sluice.Error{Class: sluice.Auth, Code: "shop_auth", Op: "check", Hint: "new key", Err: errors.New("refused")})
		x.must(x.SetSourceSetup(x.ctx, got.ID, store.Broken, problem, at))
		stale := *got
		got.Name, got.Secrets = "Other", nil
		x.must(x.UpdateSource(x.ctx, got)) // the check has not changed the version
		x.is(x.UpdateSource(x.ctx, &stale), store.ErrConflict)
		x.is(x.DeleteSource(x.ctx, got.ID, 1), store.ErrConflict)
		got, err = x.Source(x.ctx, got.ID)
		x.must(err)
		if got.Version != 2 || got.Setup != store.Broken || !reflect.DeepEqual(got.Problem, problem) || !got.CheckedAt.Equal(at) || got.Secrets != nil {
			t.Fatalf("%+v", got)
		}
		x.must(x.DeleteSource(x.ctx, got.ID, 2))
		x.is(x.DeleteSource(x.ctx, got.ID, 0), store.ErrNotFound)
		x.is(x.UpdateSource(x.ctx, got), store.ErrNotFound)
		x.is(x.SetSourceSetup(x.ctx, got.ID, store.Broken, nil, at), store.ErrNotFound)
		_, err = x.Source(x.ctx, got.ID)
		x.is(err, store.ErrNotFound)
	})
}

func TestDestination(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		want := &store.Destination{Name: "Warehouse", Kind: "duckdb", Config: []byte(`{}`), Secrets: map[string]string{"token": "${env:T}"}, Region: "eu", Team: "t"}
		x.must(x.CreateDestination(x.ctx, want))
		got, err := x.DestinationByName(x.ctx, "WAREHOUSE")
		x.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		got.Region = "us"
		x.must(x.UpdateDestination(x.ctx, got))
		x.is(x.UpdateDestination(x.ctx, want), store.ErrConflict)
		x.must(x.SetDestinationSetup(x.ctx, got.ID, store.Connected, nil, x.Now()))
		got, err = x.Destination(x.ctx, got.ID)
		x.must(err)
		if got.Region != "us" || got.Setup != store.Connected || got.Version != 2 {
			t.Fatalf("%+v", got)
		}
		c := x.connect("c", x.source("s").ID, got.ID)
		x.code(x.DeleteDestination(x.ctx, got.ID, 0), store.CodeInUse)
		x.code(x.DeleteSource(x.ctx, c.SourceID, 0), store.CodeInUse)
		x.must(x.DeleteConnection(x.ctx, c.ID, 0))
		x.must(x.DeleteDestination(x.ctx, got.ID, 0))
	})
}

func TestEndpointFilters(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		for i := range 6 {
			v := &store.Source{Name: fmt.Sprintf("Source %d%%_", i), Connector: []string{"shop", "postgres"}[i%2], Region: []string{"", "eu"}[i/3],
				Labels: map[string]string{"n": fmt.Sprint(i), "half": fmt.Sprint(i / 3), "odd\x00": "\x00\xff"}}
			x.must(x.CreateSource(x.ctx, v))
		}
		all, _, err := x.ListSources(x.ctx, store.EndpointFilter{}, store.Page{})
		x.must(err)
		for name, c := range map[string]struct {
			f    store.EndpointFilter
			want int
		}{
			"all":            {store.EndpointFilter{}, 6},
			"kind":           {store.EndpointFilter{Kind: "shop"}, 3},
			"region":         {store.EndpointFilter{Region: "eu"}, 3},
			"search":         {store.EndpointFilter{Search: "SOURCE 3%"}, 1},
			"search literal": {store.EndpointFilter{Search: "%_"}, 6},
			"search none":    {store.EndpointFilter{Search: "_%"}, 0},
			"label":          {store.EndpointFilter{Labels: map[string]string{"half": "1"}}, 3},
			"labels":         {store.EndpointFilter{Labels: map[string]string{"half": "1", "n": "4"}}, 1},
			"no label":       {store.EndpointFilter{Labels: map[string]string{"x": "1"}}, 0},
			"among":          {store.EndpointFilter{Among: []string{all[0].ID, all[1].ID, "x"}}, 2},
			"odd":            {store.EndpointFilter{Labels: map[string]string{"n": "a\x00\xff"}, Search: "\x00\xff", Among: []string{"\x00\xff"}}, 0},
			"among none":     {store.EndpointFilter{Among: []string{}}, 0},
			"setup":          {store.EndpointFilter{Setup: store.Broken}, 0},
		} {
			got, next, err := x.ListSources(x.ctx, c.f, store.Page{})
			x.must(err)
			if len(got) != c.want || next != "" {
				t.Errorf("%s: %d sources, want %d; next %q", name, len(got), c.want, next)
			}
		}
	})
}

func TestCatalogue(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		src := x.source("s")
		var streams []sluice.Stream
		for i := range 250 {
			streams = append(streams, sluice.Stream{Table: sluice.Table{Name: sluice.TableName{Schema: fmt.Sprint("s", i%2), Name: fmt.Sprintf("T%03d", i)},
				Columns: []sluice.Column{{Name: "id", Type: sluice.T(sluice.Int64)}}}, RowCount: int64(i)})
		}
		x.must(x.SaveCatalogue(x.ctx, src.ID, streams[:100], x.Now()))
		x.must(x.SaveCatalogue(x.ctx, src.ID, streams, x.Now()))
		n := 0
		for p := (store.Page{Limit: 60}); ; {
			items, next, err := x.Catalogue(x.ctx, src.ID, "", p)
			x.must(err)
			if n += len(items); next == "" {
				break
			}
			p.Cursor = next
		}
		if n != 250 {
			t.Errorf("%d streams, want 250", n)
		}
		found, _, err := x.Catalogue(x.ctx, src.ID, "s1.t007", store.Page{})
		x.must(err)
		if len(found) != 1 || found[0].Stream.RowCount != 7 || found[0].Stream.Columns[0].Type != sluice.T(sluice.Int64) {
			t.Errorf("%+v", found)
		}
		one, err := x.CatalogueStream(x.ctx, src.ID, streams[3].Name)
		x.must(err)
		if !reflect.DeepEqual(one.Stream, streams[3]) {
			t.Errorf("%+v", one)
		}
		x.is(x.SaveCatalogue(x.ctx, "src_none", streams[:1], x.Now()), store.ErrNotFound)
		x.must(x.DeleteSource(x.ctx, src.ID, 0))
		_, err = x.CatalogueStream(x.ctx, src.ID, streams[3].Name)
		x.is(err, store.ErrNotFound)
	})
}
