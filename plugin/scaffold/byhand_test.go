package scaffold_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/connectors/kit/rows"
	"github.com/sluicehq/sluice/plugin/scaffold"
	"github.com/sluicehq/sluice/spec"
)

// byHand is a source without an API: the numbers up to Last.
type byHand struct {
	Last int64 `json:"last" required:"true" min:"0" doc:"The last number."`
}

var connector = spec.Define("numbers", "Numbers", func(_ context.Context, c byHand) (sluice.Source, error) { return c, nil })

var numbers = sluice.Table{Name: sluice.TableName{Name: "numbers"}, Key: []string{"n"},
	Columns: []sluice.Column{{Name: "n", Type: sluice.T(sluice.Int64)}}}

func (byHand) Check(ctx context.Context) error { return ctx.Err() }
func (byHand) Close() error                    { return nil }

func (byHand) Discover(context.Context) ([]sluice.Stream, error) {
	return []sluice.Stream{{Table: numbers, Modes: []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh}}}, nil
}

func (s byHand) Read(ctx context.Context, req sluice.ReadRequest, to sluice.Sink) error {
	lane := sluice.Lane{Stream: numbers.Name}
	var n int64 // up to which the rows are sent: this source's cursor
	if saved := req.State[lane]; saved != nil && json.Unmarshal(saved, &n) != nil {
		return sluice.Errorf(sluice.Lost, "numbers_cursor", "read numbers", "re-sync the stream", "the saved position is none of this source")
	}
	o := rows.Options{Op: sluice.Upsert} // records of JSON become columns, in batches of the right size
	o.Table = numbers
	batches := rows.NewBuilder(o, to)
	for ; n < s.Last; n++ {
		if err := batches.Add(ctx, fmt.Appendf(nil, `{"n": %d}`, n+1)); err != nil {
			return err // a Sink's errors go back unchanged
		}
	}
	if err := batches.Flush(ctx); err != nil {
		return err
	}
	return to.Checkpoint(ctx, lane, fmt.Append(nil, n)) // n covers all that was sent before
}

// The source by hand that docs/plugins.md shows keeps all promises.
func TestByHand(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, func(t *testing.T) sluice.Source {
		s, err := connector.Open(t.Context(), []byte(`{"last": 1000}`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}, connectortest.Options{SkipLeaks: true})
}

// docs/plugins.md shows code as it runs: what a new module's source.go holds, and
// the source by hand.
func TestPageShowsCodeThatRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := scaffold.Write(dir, "acme", scaffold.Options{Version: "v1.2.3"}); err != nil {
		t.Fatal(err)
	}
	page := read(t, "../../docs/plugins.md")
	for file, bounds := range map[string][2]string{
		dir + "/source.go": {"// connector is what", ""},
		"byhand_test.go":   {"// byHand is", "// The source by hand"},
	} {
		text := read(t, file)
		_, code, found := strings.Cut(text, bounds[0])
		if bounds[1] != "" {
			code, _, _ = strings.Cut(code, bounds[1])
		}
		if !found || !strings.Contains(page, "```go\n"+bounds[0]+strings.TrimRight(code, "\n")+"\n```") {
			t.Errorf("docs/plugins.md does not show %s as it is", file)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
