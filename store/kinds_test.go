package store_test

import (
	"maps"
	"testing"

	"github.com/sluicehq/sluice/store"
)

func TestKinds(t *testing.T) {
	each(t, func(t *testing.T, x *fixture) {
		c := x.connection("one")
		src, err := x.Source(x.ctx, c.SourceID)
		x.must(err)
		dst, err := x.Destination(x.ctx, c.DestinationID)
		x.must(err)
		got, err := x.Kinds(x.ctx, c.ID, src.ID, dst.ID, "con_none")
		x.must(err)
		want := map[string]store.Kinds{c.ID: {Source: src.Connector, Destination: dst.Kind}, src.ID: {Source: src.Connector}, dst.ID: {Destination: dst.Kind}}
		if !maps.Equal(got, want) || src.Connector == "" || dst.Kind == "" {
			t.Errorf("got %v, want %v", got, want)
		}
		if got, err := x.Kinds(x.ctx); len(got) > 0 || err != nil {
			t.Errorf("of none: %v, %v", got, err)
		}
	})
}
