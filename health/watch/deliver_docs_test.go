package watch_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/health/alert/channel"
	"github.com/sluicehq/sluice/health/tracker"
	"github.com/sluicehq/sluice/spec"
)

// The examples of the manual are configurations that can be opened.
func TestExamplesOfTheManual(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/health-integrations.md")
	if err != nil {
		t.Fatal(err)
	}
	trackers, channels, _ := strings.Cut(string(raw), "\n## Channels\n")
	checked := 0
	for part, open := range map[string]func(kind string, config json.RawMessage) error{
		trackers: func(kind string, config json.RawMessage) error {
			d, _ := spec.Find(tracker.Builtin(), kind)
			_, err := d.Open(t.Context(), config)
			return err
		},
		channels: func(kind string, config json.RawMessage) error {
			d, _ := spec.Find(channel.Builtin(), kind)
			_, err := d.Open(t.Context(), config)
			return err
		},
	} {
		for i, block := range strings.Split(part, "```") {
			text, ok := strings.CutPrefix(block, "json\n")
			if !ok || i%2 == 0 {
				continue
			}
			var example struct {
				Kind   string
				Config json.RawMessage
			}
			if err := json.Unmarshal([]byte(text), &example); err != nil {
				t.Errorf("%v in\n%s", err, text)
				continue
			}
			if err := open(example.Kind, example.Config); err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
			checked++
		}
	}
	if checked != 9 {
		t.Errorf("%d examples", checked)
	}
}
