package connectortest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/internal/memsource"
)

func TestRows(t *testing.T) {
	t.Parallel()
	source := memsource.Numbers("numbers", 5)
	rows, state, err := connectortest.Rows(t.Context(), source, "numbers", nil)
	if err != nil || len(rows) != 5 || rows[1]["id"] != "1" || rows[1]["name"] != "row" {
		t.Fatalf("%v, %v", rows, err)
	}
	if name, ok := rows[0]["name"]; ok {
		t.Errorf("a null is %q", name)
	}
	again, next, err := connectortest.Rows(t.Context(), memsource.Numbers("numbers", 6), "numbers", state)
	if err != nil || len(again) != 1 || again[0]["id"] != "5" || string(state[sluice.Lane{Stream: source.Streams[0].Name}]) == string(next[sluice.Lane{Stream: source.Streams[0].Name}]) {
		t.Errorf("%v from %v to %v, %v", again, state, next, err)
	}
	if _, _, err := connectortest.Rows(t.Context(), source, "none", nil); err == nil || !strings.Contains(err.Error(), "no stream none") {
		t.Errorf("%v", err)
	}
	rejecting := &bad{Source: source, read: func(ctx context.Context, _ *bad, _ sluice.ReadRequest, to sluice.Sink) error {
		return to.Reject(ctx, sluice.Rejected{Column: "id", Value: "x", Reason: "no number"})
	}}
	if _, _, err := connectortest.Rows(t.Context(), rejecting, "numbers", nil); err == nil || !strings.Contains(err.Error(), "no number") {
		t.Errorf("%v", err)
	}
}
