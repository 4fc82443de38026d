package roundtrip_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/sluicehq/sluice/internal/pgtest"
)

// A bank is pgbench's database with its own writer at work.
type bank struct {
	source string
	keyed  bool // the history has a key
	done   chan error
	out    bytes.Buffer
}

// openBank makes the database and lets clients write to it.
func openBank(t *testing.T, keyed bool) *bank {
	t.Helper()
	server := pgtest.Shared(t)
	b := &bank{source: server.NewDatabase(t), keyed: keyed, done: make(chan error, 1)}
	if out, err := server.Command("pgbench", "-i", "-q", "-s", "1", b.source).CombinedOutput(); err != nil {
		t.Fatalf("pgbench -i: %v\n%s", err, out)
	}
	if keyed {
		pgtest.Exec(t, b.source, "ALTER TABLE pgbench_history ADD id bigserial PRIMARY KEY")
	}
	return b
}

func (b *bank) write(t *testing.T, transactions, rate int, clients string) {
	cmd := pgtest.Shared(t).Command("pgbench", "-n", "-c", clients, "-t", fmt.Sprint(transactions), "-R", fmt.Sprint(rate), b.source)
	cmd.Stdout, cmd.Stderr = &b.out, &b.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { b.done <- cmd.Wait() }()
}

// TestLivePgbench reads a bank while money moves. Each sync sees whole accounts,
// and the last one, when all is quiet, sees every cent.
func TestLivePgbench(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		destination, write string
		keyed              bool
	}{{"duckdb", "replace", true}, {"postgres", "merge", true}, {"duckdb", "soft_delete", false}, {"postgres", "replace", false}} {
		t.Run(fmt.Sprintf("%s/%s/keyed=%v", c.destination, c.write, c.keyed), func(t *testing.T) {
			t.Parallel()
			b := openBank(t, c.keyed)
			p := newPipe(t, b.source, c.destination, b.streams(c.write))
			source := strings.Replace(postgresSource(b.source), "}}", ", cursor_lookback: 10s}}", 1)
			p.write(source, b.streams(c.write))
			// Without a key what commits late cannot be told from what was read, so
			// one client writes alone.
			clients := map[bool]string{true: "3", false: "1"}[c.keyed]
			b.write(t, 300, 150, clients)
			syncs, last := 0, 0
			for writing := true; writing; syncs++ {
				select {
				case err := <-b.done:
					if err != nil {
						t.Fatalf("pgbench: %v\n%s", err, &b.out)
					}
					writing = false
				default:
				}
				p.sync(0)
				last = p.plausible(last)
			}
			b.verify(t, p)
			t.Logf("%d syncs", syncs)
		})
	}
}

func (b *bank) streams(write string) string {
	history := "{name: public.pgbench_history, mode: incremental, cursor: mtime, write: append}"
	if b.keyed {
		history = "{name: public.pgbench_history, mode: incremental, cursor: mtime, write: merge}"
	}
	full := ""
	for _, table := range []string{"accounts", "tellers", "branches"} {
		full += "{name: public.pgbench_" + table + ", mode: full_refresh, write: " + write + "}, "
	}
	return "streams: [" + full + history + "]"
}

// plausible checks what holds in the middle of things, and returns the number of
// transactions seen.
func (p *pipe) plausible(before int) (n int) {
	p.t.Helper()
	got := p.ask(`SELECT (SELECT count(*) FROM raw.pgbench_accounts), (SELECT count(DISTINCT aid) FROM raw.pgbench_accounts),
		(SELECT count(*) FROM raw.pgbench_tellers), (SELECT count(*) FROM raw.pgbench_history)`)[0]
	fmt.Sscan(got[3], &n)
	if got[0] != "100000" || got[1] != "100000" || got[2] != "10" || n < before {
		p.t.Errorf("in the middle: %v, with %d transactions before", got, before)
	}
	return n
}

func (b *bank) verify(t *testing.T, p *pipe) {
	t.Helper()
	for table, columns := range map[string]string{"accounts": "aid, bid, abalance, filler", "tellers": "tid, bid, tbalance", "branches": "bid, bbalance",
		"history": "tid, bid, aid, delta, CAST(CAST(extract(epoch FROM mtime) * 1000000 AS bigint) AS text)"} {
		query := "SELECT " + columns + " FROM %spgbench_" + table + " ORDER BY 1, 2"
		if table == "history" {
			query += ", 3, 4, 5"
		}
		same(t, table, psql(t, b.source, fmt.Sprintf(query, "")), p.ask(fmt.Sprintf(query, "raw.")))
	}
	sums := p.ask(`SELECT (SELECT sum(abalance) FROM raw.pgbench_accounts), (SELECT sum(tbalance) FROM raw.pgbench_tellers),
		(SELECT sum(bbalance) FROM raw.pgbench_branches), (SELECT sum(delta) FROM raw.pgbench_history)`)[0]
	for _, sum := range sums {
		if sum != sums[3] {
			t.Errorf("the balances and the history differ: %v", sums)
		}
	}
	p.sound()
}
