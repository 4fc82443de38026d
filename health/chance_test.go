package health_test

import (
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health"
)

// A sync that only a person can mend is not tried again: its one failure is what the
// connection fails for from then on, whatever it failed for before.
func TestOneRefusalIsNoChance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, health.Policy{})
	id := w.connect("shop", 1)[0]
	w.fail(health.Failure{Class: sluice.Transient, Code: "shop_unavailable", Message: "503"}, id)
	w.pass(time.Hour)
	w.fail(health.Failure{Class: sluice.Auth, Code: "shop_auth", Message: "401 Unauthorized"}, id)
	if i := w.only(); i.Cause.Code != "shop_auth" {
		t.Errorf("the connection is in the incident of %s", i.Cause.Code)
	}
	w.pass(48 * time.Hour)
	if i := w.only(); i.Filed.IsZero() || i.Sample.Code != "shop_auth" {
		t.Errorf("the ticket is about %+v", i.Sample)
	}
}
