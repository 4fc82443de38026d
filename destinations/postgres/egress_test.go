package postgres_test

import (
	"encoding/json"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/destinations/postgres"
	"github.com/sluicehq/sluice/internal/pgtest"
)

// TestTheOutboundPolicyHolds opens a server of this machine under several
// policies, and one that no policy lets anyone reach.
func TestTheOutboundPolicyHolds(t *testing.T) {
	t.Parallel()
	url := pgtest.Shared(t).NewDatabase(t)
	for _, c := range []struct {
		name, preset, url string
		allow, deny       []string
		denied            bool
	}{
		{"by default", egress.Default, url, nil, nil, false},
		{"strict", egress.Strict, url, nil, nil, true},
		{"strict, and allowed", egress.Strict, url, []string{"127.0.0.0/8", "::1"}, nil, false},
		{"denied", egress.Default, url, nil, []string{"127.0.0.1", "::1", "localhost"}, true},
		{"metadata", egress.Default, "postgres://u@169.254.169.254/d?connect_timeout=2", nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := egress.Parse(c.preset, c.allow, c.deny)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(map[string]string{"url": c.url})
			if err != nil {
				t.Fatal(err)
			}
			d, err := postgres.Destination().Open(egress.With(t.Context(), p), text)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			err = d.Check(t.Context())
			if got := err != nil && sluice.AsError(err).Code == "egress_denied"; got != c.denied {
				t.Errorf("%v", err)
			}
		})
	}
}
