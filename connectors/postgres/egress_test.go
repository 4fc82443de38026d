package postgres

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

func TestTheOutboundPolicyHolds(t *testing.T) {
	t.Parallel()
	strict, err := egress.Parse(egress.Strict, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		policy egress.Policy
		host   string
	}{{egress.Policy{}, "169.254.169.254"}, {egress.Policy{}, "::ffff:169.254.169.254"}, {strict, "127.0.0.1"}, {strict, "/var/run/postgresql"}} {
		config := json.RawMessage(fmt.Sprintf(`{"host":%q,"database":"d","user":"u","sslmode":"prefer"}`, c.host))
		s, err := Connector().Open(egress.With(t.Context(), c.policy), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(t.Context()); err == nil || sluice.ClassOf(err) != sluice.Config || sluice.AsError(err).Code != "egress_denied" {
			t.Errorf("%s: %v", c.host, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
