package control_test

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/control"
	"github.com/sluicehq/sluice/store"
)

// TestWhatIsCancelledInTheQueueIsTold: by its own wish, by a plan that makes room,
// and with its connection.
func TestWhatIsCancelledInTheQueueIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	con := f.loaded()
	ended := func() (n int) {
		t.Helper()
		events := must[[]store.Event](t)(f.store.EventsAfter(f.ctx, 0, store.EventFilter{ConnectionID: con.ID, Types: []string{"sync.ended"}}, 100))
		for _, e := range events {
			if e.SyncID == "" || !strings.Contains(string(e.Data), `"outcome":"cancelled"`) {
				t.Errorf("%+v", e)
			}
		}
		return len(events)
	}
	y := must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false)).Sync
	must[*store.Sync](t)(f.CancelSync(f.ctx, who, y.ID))
	must[*store.Sync](t)(f.CancelSync(f.ctx, who, y.ID)) // it has ended
	if n := ended(); n != 1 {
		t.Errorf("%d ended", n)
	}
	must[*control.Start](t)(f.SyncNow(f.ctx, who, con.ID, false))
	p := must[*store.Plan](t)(f.PlanResync(f.ctx, who, con.ID, nil))
	must[*control.Executed](t)(f.ExecutePlan(f.ctx, who, p.ID))
	if n := ended(); n != 2 {
		t.Errorf("%d ended", n)
	}
	if err := f.DeleteConnection(f.ctx, who, con.ID, 0); err != nil {
		t.Fatal(err)
	}
	if n := ended(); n != 3 {
		t.Errorf("%d ended", n)
	}
}

// TestASecretStaysWithItsPlace: who may change a source must not get its secret
// by pointing the source at a machine of theirs.
func TestASecretStaysWithItsPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	src := must[*store.Source](t)(f.CreateSource(f.ctx, who, control.EndpointSpec{Name: "shop", Connector: "fake",
		Config: raw(`{"url":"https://shop.example/v1","token":"marker-secret","auth":{"user":"u","password":"marker-password"},"files":[{"name":"a","key":"marker-key"},{"name":"b","key":"k2"}]}`)}))
	for _, c := range []struct{ patch, want string }{
		{`{"config":{"url":"https://evil.example/v1"}}`, "config.auth.password must be given again: url leads elsewhere now\n" +
			"config.files[0].key must be given again: url leads elsewhere now\nconfig.files[1].key must be given again: url leads elsewhere now\nconfig.token must be given again: url leads elsewhere now"},
		{`{"config":{"url":"http://shop.example/v1","files":[]}}`, "config.auth.password must be given again: url leads elsewhere now\n" +
			"config.token must be given again: url leads elsewhere now"},
		{`{"config":{"url":"https://shop.example:444/v1","token":"new","auth":null,"files":null}}`, ""},
		{`{"config":{"url":"https://shop.example:444/v2"}}`, ""}, // the same system
		{`{"config":{"url":"https://other.example","token":"new"}}`, ""},
		{`{"config":{"url":"https://third.example","token":null}}`, ""}, // nothing is kept
		{`{"config":{"url":"https://third.example","token":"${env:SHOP_TOKEN}"}}`, ""},
		{`{"config":{"url":"https://fourth.example"}}`, ""}, // a reference may be written anywhere
	} {
		_, err := f.PatchSource(f.ctx, who, src.ID, 0, raw(c.patch))
		if got := faults(err); err != nil && sluice.AsError(err).Code != control.CodeSecretAgain || c.want == "" && err != nil || c.want != "" && got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.patch, got, c.want)
		}
	}
	if _, err := f.PatchSource(f.ctx, who, src.ID, 0, raw(`{"config":{"url":""}}`)); err != nil && sluice.AsError(err).Code == control.CodeSecretAgain {
		t.Error(err)
	}
}
