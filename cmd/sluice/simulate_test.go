package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/health/fleet"
)

func TestSimulateFleet(t *testing.T) {
	t.Parallel()
	args := []string{"simulate", "fleet", "--days", "30", "--connections", "300"}
	a, out, errOut := testApp()
	if code := run(args, a); code != exitDone {
		t.Fatalf("%d: %s%s", code, out, errOut)
	}
	if !strings.Contains(out.String(), "0 missed, 0 duplicated, 0 late, 0 false alarms") || !strings.Contains(out.String(), "vendor breaking change") {
		t.Error(out.String())
	}
	a, out, _ = testApp()
	var r fleet.Report
	if code := run(append(args, "--json"), a); code != exitDone {
		t.Fatal(code)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Connections != 300 || r.Tickets.Filed == 0 {
		t.Errorf("%v: %s", err, out)
	}
	a, _, errOut = testApp()
	if code := run([]string{"simulate", "fleet", "--days", "3"}, a); code != exitUsage || !strings.Contains(errOut.String(), "choose 21 to 730") {
		t.Errorf("%d: %s", code, errOut)
	}
	for _, flag := range []string{"--days", "--connections", "--connectors"} {
		a, _, errOut = testApp()
		if code := run([]string{"simulate", "fleet", flag, "0"}, a); code != exitUsage || !strings.Contains(errOut.String(), flag+": 0 is out of range") {
			t.Errorf("%d: %s", code, errOut)
		}
	}
}
