package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/internal/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Wrap(m)) }

// ledger is a sink that commits like the engine: what is sent on a lane is held
// back until a checkpoint covers it.
type ledger struct {
	mu       sync.Mutex
	rows     []string          // committed, without a key
	keyed    map[string]string // committed, by key
	held     map[int][]change  // by part
	state    sluice.State
	rejected []sluice.Rejected
	tables   map[*sluice.Table]bool
	sent     int
	inserts  int
	doubled  int // rows inserted whose key was there
	limit    int // rows after which Send fails; 0: never
}

type change struct {
	key, row string
	inserts  bool
}

var errKilled = fmt.Errorf("killed")

func newLedger() *ledger {
	return &ledger{keyed: map[string]string{}, held: map[int][]change{}, state: sluice.State{}, tables: map[*sluice.Table]bool{}}
}

func (m *ledger) Send(ctx context.Context, b sluice.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m.tables[b.Table] = true
	for i, row := range rowTexts(b.Rows) {
		if m.sent++; m.limit > 0 && m.sent > m.limit {
			return errKilled
		}
		if b.OpAt(i) == sluice.Insert {
			m.inserts++
		}
		m.held[b.Part] = append(m.held[b.Part], change{keyOf(b, i), row, b.OpAt(i) == sluice.Insert})
	}
	return nil
}

func (m *ledger) Reject(_ context.Context, r sluice.Rejected) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rejected = append(m.rejected, r)
	return nil
}

func (m *ledger) Checkpoint(_ context.Context, lane sluice.Lane, c sluice.Cursor) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !json.Valid(c) {
		return fmt.Errorf("cursor %s", c)
	}
	parts := []int{lane.Part}
	if lane.Part == 0 {
		parts = slices.Sorted(maps.Keys(m.held))
		maps.DeleteFunc(m.state, func(l sluice.Lane, _ sluice.Cursor) bool { return l.Stream == lane.Stream })
	}
	m.state[lane] = c
	for _, part := range parts {
		for _, c := range m.held[part] {
			if c.key == "" {
				m.rows = append(m.rows, c.row)
			} else {
				if _, there := m.keyed[c.key]; there && c.inserts {
					m.doubled++
				}
				m.keyed[c.key] = c.row
			}
		}
		delete(m.held, part)
	}
	return nil
}

// crash forgets what was not committed.
func (m *ledger) crash() {
	m.held, m.limit, m.sent = map[int][]change{}, 0, 0
}

// all returns the committed rows in order.
func (m *ledger) all() []string {
	return slices.Sorted(slices.Values(append(slices.Clone(m.rows), slices.Collect(maps.Values(m.keyed))...)))
}

func keyOf(b sluice.Batch, i int) string {
	key := ""
	for _, name := range b.Table.Key {
		at := b.Rows.Schema().FieldIndices(name)[0]
		key += "/" + b.Rows.Column(at).ValueStr(i)
	}
	return key
}

func rowTexts(rows arrow.RecordBatch) []string {
	texts := make([]string, rows.NumRows())
	for i := range texts {
		for c := range int(rows.NumCols()) {
			value := "∅"
			if col := rows.Column(c); col.IsValid(i) {
				value = col.ValueStr(i)
			}
			if c > 0 {
				texts[i] += "|"
			}
			texts[i] += value
		}
	}
	return texts
}

// newSource opens the connector the way the platform does.
func newSource(t testing.TB, config map[string]any) *source {
	t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Connector().Open(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened.(*source)
}

// find discovers and returns the stream of that name.
func find(t testing.TB, s *source, name string) sluice.Stream {
	t.Helper()
	streams, err := s.Discover(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range streams {
		if stream.Name.String() == name {
			return stream
		}
	}
	t.Fatalf("no stream %s in %d", name, len(streams))
	return sluice.Stream{}
}

func (m *ledger) read(t testing.TB, s *source, sel sluice.Selection, parts int) error {
	t.Helper()
	return s.Read(context.Background(), sluice.ReadRequest{Selections: []sluice.Selection{sel}, State: maps.Clone(m.state), MaxParts: parts}, m)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	left := map[string]int{}
	for _, w := range want {
		left[w]++
	}
	var missing, extra []string
	for _, g := range got {
		if left[g]--; left[g] < 0 {
			extra = append(extra, g)
		}
	}
	for row, n := range left {
		if n > 0 {
			missing = append(missing, row)
		}
	}
	t.Fatalf("%d rows, want %d; %d missing, such as %.80q; %d too many, such as %.80q", len(got), len(want),
		len(missing), missing[:min(len(missing), 3)], len(extra), extra[:min(len(extra), 3)])
}
