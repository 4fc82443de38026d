package roundtrip_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluicehq/sluice/internal/pgtest"
	"github.com/sluicehq/sluice/internal/realbinary"
)

const lineitem = `CREATE TABLE lineitem (l_orderkey bigint NOT NULL, l_partkey bigint, l_suppkey bigint, l_linenumber int NOT NULL, l_quantity numeric(15,2),
	l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1), l_linestatus char(1), l_shipdate date, l_commitdate date,
	l_receiptdate date, l_shipinstruct char(25), l_shipmode char(10), l_comment varchar(44));
INSERT INTO lineitem SELECT r / 4, r * 7 %% 200000, r * 3 %% 10000, r %% 4, r %% 50, r * 1.37, r %% 10 / 100.0, r %% 8 / 100.0, 'N', 'O', DATE '1992-01-01' + r %% 2500,
	DATE '1992-02-01' + r %% 2500, DATE '1992-03-01' + r %% 2500, 'DELIVER IN PERSON', 'TRUCK', left(md5(r::text), 10 + r %% 20) FROM generate_series(0, %d) r;
%s ANALYZE lineitem`

const lineitemSum = `SELECT count(*), sum(l_orderkey * 31 + l_linenumber), CAST(sum(l_extendedprice) AS text), CAST(sum(length(l_comment)) AS text), count(DISTINCT l_orderkey * 4 + l_linenumber) FROM `

// TestResume kills a refresh at random points, again and again until it is
// complete, and counts on the wire what that reads twice: on average less than a
// chunk for each reader. Of small chunks it may be two, since what
// is on the wire and in buffers is larger than they are.
func TestResume(t *testing.T) {
	t.Parallel()
	rows, chunk, settings, most := 500_000, 8, "window_mb: 8, ", 2.5
	if text := os.Getenv("SLUICE_RESUME_ROWS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rows, chunk, settings, most = n, 64, "", 1.0
	}
	for _, c := range []struct {
		destination, key string
		write            string
	}{{"duckdb", "", "replace"}, {"postgres", "ALTER TABLE lineitem ADD PRIMARY KEY (l_orderkey, l_linenumber);", "merge"}} {
		t.Run(c.destination+"/"+c.write, func(t *testing.T) {
			t.Parallel()
			source := pgtest.Shared(t).NewDatabase(t)
			pgtest.Exec(t, source, fmt.Sprintf(lineitem, rows-1, c.key))
			wire := newProxy(t, source)
			p := newDestination(t, c.destination)
			entry := fmt.Sprintf("{connector: postgres, config: {url: '%s', chunk_size: %d}}", wire.url, chunk)
			p.write(entry, fmt.Sprintf("limits: {%sparts: 2}\nstreams: [{name: public.lineitem, mode: full_refresh, write: %s}]", settings, c.write))
			r := &resumed{pipe: p, wire: wire, random: rand.New(rand.NewPCG(uint64(rows), 3))}
			r.finish(rows)
			same(t, "lineitem", psql(t, source, lineitemSum+"lineitem"), p.ask(lineitemSum+"raw.lineitem"))
			pages, err := strconv.Atoi(psql(t, source, "SELECT pg_relation_size('lineitem') >> 20")[0][0])
			if err != nil {
				t.Fatal(err)
			}
			perChunk := float64(rows) / float64(pages) * float64(chunk)
			again := (float64(r.wire.rows.Load()) - float64(rows)) / perChunk / 2 / float64(r.kills)
			t.Logf("%d rows, chunks of %.0f, killed %d times: %.2f chunks a reader and kill were read again", rows, perChunk, r.kills, again)
			if r.kills < 2 || again > most {
				t.Errorf("%.2f chunks of a reader were read again in each of %d kills", again, r.kills)
			}
			p.sound()
		})
	}
}

type resumed struct {
	*pipe
	wire   *proxy
	random *rand.Rand
	kills  int
}

// A committing is the output of a sync, and whether it tells of a commit: killed
// before the first one, a sync leaves nothing to go on from.
type committing struct {
	out  *bytes.Buffer
	seen atomic.Bool
}

// Write implements io.Writer.
func (c *committing) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(`"event":"commit"`)) {
		c.seen.Store(true)
	}
	return c.out.Write(p)
}

// finish syncs until a sync comes through; the others are killed when they have
// committed something and read a random share of what is left.
func (r *resumed) finish(rows int) {
	r.t.Helper()
	const kills = 2
	for {
		before := r.wire.rows.Load()
		target := before + int64(rows/4) + r.random.Int64N(int64(rows/6))
		if r.kills == kills {
			target = 1 << 60
		}
		var out bytes.Buffer
		cmd := r.command(&out)
		watched := &committing{out: &out}
		cmd.Stdout, cmd.Stderr = watched, watched
		if err := cmd.Start(); err != nil {
			r.t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		tick := time.NewTicker(200 * time.Microsecond)
		var err error
		killed := false
		for running := true; running; {
			select {
			case err = <-done:
				running = false
			case <-tick.C:
				if !killed && watched.seen.Load() && r.wire.rows.Load() >= target {
					killed = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) == nil
				}
			}
		}
		tick.Stop()
		if killed {
			for _, child := range realbinary.Children(cmd.Process.Pid) {
				syscall.Kill(child, syscall.SIGKILL)
			}
			r.kills++
			continue
		}
		if o := r.pipe.finish(err, &out); o.code != 0 || r.kills > 0 && !strings.Contains(o.text, `"resumed":true`) {
			r.t.Fatalf("after %d kills:\n%s", r.kills, tail(o.text))
		}
		return
	}
}
