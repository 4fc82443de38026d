package job_test

import (
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/job"
)

// TestChosenNames: where tables land is for people to say, but not among Sluice's
// own tables, and not by a name that the destination would cut.
func TestChosenNames(t *testing.T) {
	t.Parallel()
	offered := []sluice.Stream{{Table: sluice.Table{Name: sluice.TableName{Name: "loads"}}, Modes: []sluice.ReadMode{sluice.FullRefresh}}}
	traits := sluice.Traits{MaxIdentifier: 63, Modes: sluice.WriteModes()}
	for name, c := range map[string]struct{ schema, table, want string }{
		"fits":        {"raw", strings.Repeat("t", 63), ""},
		"the ledger":  {"_sluice", "", "schema _sluice is Sluice's own"},
		"its case":    {"_Sluice", "", "schema _Sluice is Sluice's own"},
		"long schema": {strings.Repeat("s", 64), "", "has 64 bytes"},
		"long table":  {"raw", strings.Repeat("ä", 32), "has 64 bytes"},
	} {
		j := &job.Job{File: &config.File{Schema: c.schema, Streams: []config.Stream{{Name: "loads", Table: c.table}}}}
		_, err := j.Choose(offered, traits)
		if c.want == "" && err == nil {
			continue
		}
		if e := sluice.AsError(err); e == nil || e.Class != sluice.Config || e.Code != "name_unfit" || e.Hint == "" || !strings.Contains(e.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
