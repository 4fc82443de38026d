package github

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"go.uber.org/goleak"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/github/githubtest"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/internal/thin"
	"github.com/sluicehq/sluice/spec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock makes waits instant; the server goes by it too.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	slept time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.slept = c.now.Add(d), c.slept+d
	return ctx.Err()
}

// warehouse applies what is sent as a destination would: rows become visible
// with the checkpoint that covers them.
type warehouse struct {
	mu      sync.Mutex
	key     []string
	rows    map[string]map[string]any // visible, by key
	appends []string                  // keys of all visible rows, as append mode keeps them
	pending []map[string]any
	state   sluice.Cursor
	sent    int
	commits int
	cut     int // the checkpoint at which the run is killed; 0: none
}

var errKilled = errors.New("killed")

func newWarehouse(key ...string) *warehouse {
	if len(key) == 0 {
		key = []string{"id"}
	}
	return &warehouse{key: key, rows: map[string]map[string]any{}}
}

func (w *warehouse) Send(_ context.Context, b sluice.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := array.RecordToStructArray(b.Rows)
	defer s.Release()
	raw, err := s.MarshalJSON()
	if err != nil {
		return err
	}
	var rows []map[string]any
	if err := json.Unmarshal(raw, &rows); err != nil {
		return err
	}
	w.pending, w.sent = append(w.pending, rows...), w.sent+len(rows)
	return nil
}

func (w *warehouse) Reject(_ context.Context, r sluice.Rejected) error {
	return fmt.Errorf("rejected %+v", r)
}

func (w *warehouse) Checkpoint(_ context.Context, _ sluice.Lane, c sluice.Cursor) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.commits++; w.commits == w.cut {
		return errKilled
	}
	for _, r := range w.pending {
		var key []string
		for _, k := range w.key {
			key = append(key, fmt.Sprint(r[k]))
		}
		w.rows[strings.Join(key, " ")] = r
		w.appends = append(w.appends, strings.Join(key, " "))
	}
	w.pending, w.state = nil, slices.Clone(c)
	return nil
}

// values returns one column of all rows, by key.
func (w *warehouse) values(column string) map[string]string {
	out := map[string]string{}
	for k, r := range w.rows {
		out[k] = fmt.Sprint(r[column])
	}
	return out
}

type fixture struct {
	*githubtest.Server
	clock  *clock
	config Config
}

func start(t *testing.T) *fixture {
	f := &fixture{Server: githubtest.Start(t), clock: &clock{now: time.Now()}}
	f.Server.Token, f.Server.Clock = "ghp_secret0123", f.clock.Now
	f.config = Config{Token: "ghp_secret0123", BaseURL: f.URL, IncludeArchived: true, IncludeForks: true, Concurrency: 2,
		RunsLookback: spec.Duration(24 * time.Hour), MaxWait: spec.Duration(15 * time.Minute), Repositories: []string{"octo/one"}}
	return f
}

func (f *fixture) source(t *testing.T) sluice.Source {
	t.Helper()
	s, err := open(f.config, egress.Policy{}, f.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// run reads a stream as a run of its own would, from the warehouse's state.
func (f *fixture) run(t *testing.T, w *warehouse, stream string, mode sluice.ReadMode) error {
	t.Helper()
	s := f.source(t)
	streams, err := s.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(streams, func(s sluice.Stream) bool { return s.Name.Name == stream })
	if i < 0 {
		t.Fatalf("no stream %s", stream)
	}
	w.pending, w.sent, w.commits = nil, 0, 0
	return s.Read(t.Context(), sluice.ReadRequest{
		Selections: []sluice.Selection{{Stream: streams[i], Mode: mode}},
		State:      sluice.State{{Stream: streams[i].Name}: w.state}, MaxParts: 1}, w)
}

func (f *fixture) must(t *testing.T, w *warehouse, stream string) {
	t.Helper()
	if err := f.run(t, w, stream, sluice.Incremental); err != nil {
		t.Fatalf("%s: %v", stream, err)
	}
}

func expect(t *testing.T, w *warehouse, column string, objects ...githubtest.Object) {
	t.Helper()
	want := map[string]string{}
	for _, o := range objects {
		want[fmt.Sprintf("%d", o["id"])] = fmt.Sprint(o[column])
	}
	got := map[string]string{}
	for _, r := range w.rows {
		got[fmt.Sprintf("%.0f", r["id"])] = fmt.Sprint(r[column])
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", column, got, want)
	}
}

func TestEveryStreamTwice(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.config.Repositories, f.config.Owners = nil, []string{"octo"}
	f.AddUser("octo", "Organization")
	f.AddUser("alice", "User")
	for _, name := range []string{"octo/one", "octo/two"} {
		fill(f.AddRepo(name))
	}
	want := map[string]int{"repositories": 2, "issues": 12, "pull_requests": 6, "commits": 6, "releases": 6, "comments": 6,
		"review_comments": 6, "users": 1, "workflow_runs": 6}
	for stream, rows := range want {
		w := newWarehouse("repository", "id", "sha")
		f.must(t, w, stream)
		if len(w.rows) != rows {
			t.Errorf("%s: %d rows, want %d", stream, len(w.rows), rows)
		}
		f.must(t, w, stream)
		if w.sent != 0 && stream != "workflow_runs" {
			t.Errorf("%s: %d rows though nothing is new", stream, w.sent)
		}
		full := newWarehouse("repository", "id", "sha")
		if err := f.run(t, full, stream, sluice.FullRefresh); err != nil || len(full.rows) != rows {
			t.Errorf("%s: full refresh: %d rows, want %d (%v)", stream, len(full.rows), rows, err)
		}
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	r.AddIssue("typed")
	w := newWarehouse()
	f.must(t, w, "issues")
	for _, row := range w.rows {
		if row["title"] != "typed" || row["repository"] != "octo/one" || row["created_at"] != "2024-05-01T12:00:02Z" ||
			row["labels"] != `[{"name":"bug"}]` || row["locked"] != false || row["url"] != nil {
			t.Errorf("%v", row)
		}
	}
}

// Records that change while the list is read move to its end, and all behind them
// move up: none may slip through between two pages.
func TestIssuesMoveWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	for _, frozen := range []bool{false, true} {
		f := start(t)
		r := f.AddRepo("octo/one")
		f.Freeze(frozen)
		var all []githubtest.Object
		for i := range 350 {
			all = append(all, r.AddIssue(fmt.Sprint(i)))
		}
		f.Freeze(false)
		moved := 0
		f.Before = func(n int, q *http.Request) {
			if strings.Contains(q.URL.Path, "/issues") && !frozen && moved < 60 {
				for range 20 {
					r.Touch(all[moved], githubtest.Object{"title": fmt.Sprint("moved ", moved)})
					moved++
				}
			}
		}
		w := newWarehouse()
		f.must(t, w, "issues")
		f.must(t, w, "issues")
		expect(t, w, "title", all...)
	}
}

func TestIssuesUnchangedCostNothing(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	for i := range 5 {
		r.AddIssue(fmt.Sprint(i))
	}
	w := newWarehouse()
	f.must(t, w, "issues")
	f.must(t, w, "issues") // asks from the last value on for the first time
	before := f.Counted()
	f.must(t, w, "issues")
	if cost := f.Counted() - before; cost != 1 || w.sent != 0 {
		t.Errorf("%d requests charged and %d rows, want only the one that finds the repository", cost, w.sent)
	}
	changed := r.AddIssue("new")
	f.must(t, w, "issues")
	if w.sent != 1 || w.rows[fmt.Sprintf("%v", float64(changed["id"].(int64)))]["title"] != "new" {
		t.Errorf("%d rows, want the new one", w.sent)
	}
}

func TestPullsChangeWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	var all []githubtest.Object
	for i := range 250 {
		all = append(all, r.AddPull(fmt.Sprint(i)))
	}
	pages := 0
	f.Before = func(n int, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, "/pulls") {
			pages++
			r.Touch(all[pages], githubtest.Object{"title": fmt.Sprint("changed ", pages)})
			if pages < 4 {
				all = append(all, r.AddPull("late"))
			}
		}
	}
	w := newWarehouse()
	f.must(t, w, "pull_requests")
	f.must(t, w, "pull_requests")
	f.Before = nil
	f.must(t, w, "pull_requests")
	expect(t, w, "title", all...)
	f.Requests()
	r.Touch(all[0], githubtest.Object{"title": "only this"})
	f.must(t, w, "pull_requests")
	expect(t, w, "title", all...)
	if asked := f.Requests(); w.sent != 1 || len(asked) != 2 {
		t.Errorf("%d rows by %q: a small change must cost one page", w.sent, asked)
	}
}

func TestCommitsOfAnOldBranchMergedLate(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	root := r.Commit("root", day)
	main := r.Commit("main", day.AddDate(0, 0, 9), root)
	r.Push(main)
	w := newWarehouse("sha")
	f.must(t, w, "commits")
	old := r.Commit("feature", day.AddDate(0, 0, 2), root) // dated long before what was read
	merge := r.Commit("merge", day.AddDate(0, 0, 10), main, old)
	r.Push(merge)
	f.must(t, w, "commits")
	if len(w.rows) != 4 || w.rows[old]["message"] != "feature" || w.rows[old]["committed_at"] != "2024-01-03T00:00:00Z" || w.sent != 2 {
		t.Errorf("%d rows, sent %d: %v", len(w.rows), w.sent, w.rows[old])
	}
	other := r.Commit("rewritten", day.AddDate(0, 0, 11), root)
	r.Push(other)
	r.Forget(merge)
	f.must(t, w, "commits")
	if len(w.rows) != 5 {
		t.Errorf("%d rows after a forced push, want 5", len(w.rows))
	}
	for range 230 {
		r.Push(r.Commit("many", day, r.Head()))
	}
	f.must(t, w, "commits")
	if len(w.rows) != 235 || w.sent != 230 {
		t.Errorf("%d rows, sent %d: a long range must be paged", len(w.rows), w.sent)
	}
}

func TestRunsPastTheThousand(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	var all []githubtest.Object
	for i := range 2500 {
		if i == 1200 {
			f.Advance(90 * 24 * time.Hour)
		}
		all = append(all, r.AddRun(map[bool]string{true: "in_progress", false: "completed"}[i == 2100]))
	}
	asked := 0
	f.Before = func(n int, q *http.Request) {
		if asked++; asked == 30 { // a deletion in the middle moves later runs up a page
			r.Delete(all[len(all)-1])
			all = all[:len(all)-1]
		}
	}
	w := newWarehouse()
	f.config.RunsLookback = 0
	f.must(t, w, "workflow_runs")
	if len(w.rows) < 2499 {
		t.Fatalf("%d rows, want at least 2499", len(w.rows))
	}
	r.Touch(all[2100], githubtest.Object{"status": "completed", "conclusion": "success"})
	f.must(t, w, "workflow_runs")
	if got := w.values("status")[fmt.Sprintf("%v", float64(all[2100]["id"].(int64)))]; got != "completed" {
		t.Errorf("a run that was open is %q, want completed", got)
	}
	f.must(t, w, "workflow_runs")
	if w.sent > 1 {
		t.Errorf("%d rows though nothing is open", w.sent)
	}
}

// A run killed at any checkpoint, and carried on, ends with the same rows, and
// sends no row twice that a checkpoint covered.
func TestKilledAtEveryCheckpoint(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.config.Owners, f.config.Repositories = []string{"octo"}, nil
	f.AddUser("octo", "Organization")
	body := strings.Repeat("long ", 1000) // so that batches are cut often
	for _, name := range []string{"octo/one", "octo/two"} {
		r := f.AddRepo(name)
		for i := range 230 {
			r.Touch(r.AddIssue(fmt.Sprint(i)), githubtest.Object{"body": body})
			r.Touch(r.AddPull(fmt.Sprint(i)), githubtest.Object{"body": body})
			r.Touch(r.AddRun("completed"), githubtest.Object{"display_title": body})
			r.Push(r.Commit(body, time.Date(2024, 1, 1, i, 0, 0, 0, time.UTC), r.Head()))
		}
	}
	r := f.AddRepo("octo/busy")
	for range 1100 { // more than one window lists
		r.Touch(r.AddRun("completed"), githubtest.Object{"display_title": body[:500]})
	}
	for i, c := range []struct {
		stream string
		rows   int
	}{{"issues", 920}, {"pull_requests", 460}, {"commits", 460}, {"workflow_runs", 1560}} {
		for j, mode := range []sluice.ReadMode{sluice.Incremental, sluice.FullRefresh} {
			if (i+j)%thin.By(2) != 0 {
				continue
			}
			kills := 0
			for cut := 1; ; cut += 1 + cut/2 {
				w := newWarehouse("repository", "id", "sha")
				w.cut = cut
				err := f.run(t, w, c.stream, mode)
				if err == nil {
					break
				}
				if !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				w.cut = 0
				kills++
				if err := f.run(t, w, c.stream, mode); err != nil {
					t.Fatal(err)
				}
				if len(w.rows) != c.rows || len(w.appends) != c.rows && c.stream != "workflow_runs" {
					t.Errorf("%s %s killed at %d: %d rows, %d appended, want %d", c.stream, mode, cut, len(w.rows), len(w.appends), c.rows)
				}
			}
			if kills < 2 {
				t.Errorf("%s %s: only %d checkpoints", c.stream, mode, kills)
			}
		}
	}
}

func TestPrimaryLimit(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.Limit = 5
	r := f.AddRepo("octo/one")
	for i := range 800 {
		r.AddIssue(fmt.Sprint(i))
	}
	f.config.MaxWait = spec.Duration(2 * time.Hour)
	w := newWarehouse()
	f.must(t, w, "issues")
	if len(w.rows) != 800 || f.clock.slept < 50*time.Minute {
		t.Errorf("%d rows after waiting %s", len(w.rows), f.clock.slept)
	}
	f.config.MaxWait = spec.Duration(15 * time.Minute)
	w = newWarehouse()
	runs := 0
	for err := f.run(t, w, "issues", sluice.Incremental); err != nil; err = f.run(t, w, "issues", sluice.Incremental) {
		e := sluice.AsError(err)
		if e.Class != sluice.Throttled || e.RetryAfter < time.Minute || e.RetryAfter > time.Hour+time.Minute {
			t.Fatalf("%v, retry after %s: %v", e.Class, e.RetryAfter, err)
		}
		if runs++; runs > 10 {
			t.Fatal("no progress from run to run")
		}
		_ = f.clock.Sleep(t.Context(), e.RetryAfter)
	}
	if len(w.rows) != 800 || runs == 0 {
		t.Errorf("%d rows after %d throttled runs", len(w.rows), runs)
	}
}

func TestSecondaryLimitAndBadGateways(t *testing.T) {
	t.Parallel()
	f := start(t)
	r := f.AddRepo("octo/one")
	for i := range 300 {
		r.AddIssue(fmt.Sprint(i))
	}
	f.FailEvery = 3
	f.Secondary(2, "")
	w := newWarehouse()
	f.must(t, w, "issues")
	if len(w.rows) != 300 || f.clock.slept < 2*time.Minute {
		t.Errorf("%d rows after waiting %s, want at least two minutes", len(w.rows), f.clock.slept)
	}
	slept := f.clock.slept
	f.Secondary(1, "7")
	f.must(t, w, "issues")
	if waited := f.clock.slept - slept; waited < 7*time.Second || waited > time.Minute {
		t.Errorf("waited %s for Retry-After: 7", waited)
	}
}

func TestAppTokens(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	f := start(t)
	f.Key, f.AppID, f.Install = &key.PublicKey, 77, 4242
	r := f.AddRepo("octo/one")
	r.AddIssue("a")
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	f.config.Token, f.config.Repositories = "", nil
	f.config.App = &App{AppID: 77, InstallationID: 4242, PrivateKey: strings.ReplaceAll(string(text), "\n", `\n`)}
	if err := f.config.Validate(); err != nil {
		t.Fatal(err)
	}
	s := f.source(t)
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.ExpireTokens() // refused once, renewed by itself
	w := newWarehouse()
	f.must(t, w, "issues")
	if len(w.rows) != 1 {
		t.Errorf("%d rows", len(w.rows))
	}
	f.Requests()
	_ = f.clock.Sleep(t.Context(), 2*time.Hour)
	f.must(t, w, "issues")
	if asked := strings.Join(f.Requests(), " "); strings.Count(asked, "access_tokens") != 1 {
		t.Errorf("asked %s", asked)
	}
	f.Secondary(1, "40") // meets the request for the token
	slept := f.clock.slept
	f.must(t, w, "issues")
	if waited := f.clock.slept - slept; waited < 40*time.Second || waited > time.Minute {
		t.Errorf("waited %s for the limit on tokens", waited)
	}
	f.Secondary(1, "7200")
	if e := sluice.AsError(f.run(t, w, "issues", sluice.Incremental)); e == nil || e.Class != sluice.Throttled || e.RetryAfter != 2*time.Hour || e.Code != "github_token" {
		t.Errorf("a long limit on tokens: %+v", e)
	}
	f.config.App.InstallationID = 1
	if e := sluice.AsError(f.run(t, w, "issues", sluice.Incremental)); e.Class != sluice.Config || e.Code != "github_app_token" {
		t.Errorf("unknown installation: %v %s %v", e.Class, e.Code, e)
	}
	f.config.App.AppID = 1
	if e := sluice.AsError(f.run(t, w, "issues", sluice.Incremental)); e.Class != sluice.Auth {
		t.Errorf("wrong app: %v %v", e.Class, e)
	}
}

func TestWhichRepositories(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.AddUser("octo", "Organization")
	f.AddUser("me", "User")
	f.AddRepo("octo/api")
	f.AddRepo("octo/web-a")
	f.AddRepo("octo/web-b").Set("archived", true)
	f.AddRepo("octo/fork").Set("fork", true)
	f.AddRepo("me/mine")
	for _, c := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"pattern", func(c *Config) { c.Repositories = []string{"OCTO/web-*"} }, "octo/web-a octo/web-b"},
		{"not archived", func(c *Config) { c.Repositories, c.IncludeArchived = []string{"octo/web-*"}, false }, "octo/web-a"},
		{"owner, no forks", func(c *Config) { c.Owners, c.Repositories, c.IncludeForks = []string{"octo"}, nil, false }, "octo/api octo/web-a octo/web-b"},
		{"named twice", func(c *Config) { c.Repositories = []string{"octo/api", "octo/API", "octo/ap?"} }, "octo/api"},
		{"one and an owner", func(c *Config) { c.Owners, c.Repositories = []string{"me"}, []string{"octo/api"} }, "me/mine octo/api"},
		{"everything", func(c *Config) { c.Owners, c.Repositories = nil, nil }, "me/mine octo/api octo/fork octo/web-a octo/web-b"},
	} {
		f := *f
		c.change(&f.config)
		w := newWarehouse("full_name")
		f.must(t, w, "repositories")
		if got := strings.Join(slices.Sorted(maps.Keys(w.rows)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		names, err := f.source(t).(*source).repositories(t.Context())
		if got := strings.Join(names, " "); err != nil || got != c.want {
			t.Errorf("%s: slices %s, want %s (%v)", c.name, got, c.want, err)
		}
	}
}

// fill puts three of everything that belongs to a repository into one.
func fill(r *githubtest.Repo) {
	for i := range 3 {
		r.AddIssue(fmt.Sprint("issue ", i))
		r.AddPull(fmt.Sprint("pull ", i))
		r.AddComment("hello")
		r.AddReviewComment("a nit")
		r.AddRelease(fmt.Sprint("v", i))
		r.AddRun("completed")
		r.Push(r.Commit("work", time.Now(), r.Head()))
	}
}

// perRepository names the streams that are read by repository, with the rows that
// fill makes.
var perRepository = map[string]int{"issues": 6, "pull_requests": 3, "commits": 3, "releases": 3, "comments": 3, "review_comments": 3, "workflow_runs": 3}

// A repository that GitHub blocks is left out while it is blocked; afterwards all
// of it is read.
func TestABlockedRepositoryIsLeftOut(t *testing.T) {
	t.Parallel()
	for _, status := range []int{403, 451} {
		f := start(t)
		f.AddUser("octo", "Organization")
		fill(f.AddRepo("octo/one"))
		blocked := f.AddRepo("octo/two")
		fill(blocked)
		fill(f.AddRepo("octo/zoo"))
		for stream, rows := range perRepository {
			for name, places := range map[string][]string{"by list": {"octo/*"}, "by name": {"octo/one", "octo/two", "octo/zoo"}} {
				f.config.Repositories = places
				w := newWarehouse("repository", "id", "sha")
				blocked.Refuse(status, "Repository access blocked")
				f.must(t, w, stream)
				if len(w.rows) != 2*rows {
					t.Errorf("%d %s, %s: %d rows, want %d", status, stream, name, len(w.rows), 2*rows)
				}
				blocked.Refuse(0, "")
				f.must(t, w, stream)
				if len(w.rows) != 3*rows {
					t.Errorf("%d %s, %s: %d rows when it is open again, want %d", status, stream, name, len(w.rows), 3*rows)
				}
			}
		}
		blocked.Refuse(status, "Repository access blocked")
		w := newWarehouse()
		f.config.Repositories = []string{"octo/one", "octo/two"}
		f.must(t, w, "repositories")
		if err := f.source(t).Check(t.Context()); err != nil || len(w.rows) != 1 {
			t.Errorf("%d: %d repositories, %v", status, len(w.rows), err)
		}
	}
}

// A repository that the token may not read fails the stream, after the others
// were read.
func TestAForbiddenRepositoryDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.config.Repositories, f.config.Concurrency = []string{"octo/*"}, 1
	f.AddUser("octo", "Organization")
	f.AddRepo("octo/one").Refuse(403, "Resource not accessible by personal access token")
	fill(f.AddRepo("octo/two"))
	for stream, rows := range perRepository {
		w := newWarehouse("repository", "id", "sha")
		e := sluice.AsError(f.run(t, w, stream, sluice.Incremental))
		if e == nil || e.Class != sluice.Auth || !strings.Contains(e.Op, "octo/one") || !strings.Contains(e.Hint, "read access") || len(w.rows) != rows {
			t.Errorf("%s: %d rows, want %d; %+v", stream, len(w.rows), rows, e)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.AddRepo("octo/one").Set("has_issues", false)
	w := newWarehouse()
	f.must(t, w, "issues") // turned off: nothing to read
	f.must(t, w, "commits")
	f.config.Repositories = []string{"octo/none"}
	if e := sluice.AsError(f.source(t).Check(t.Context())); e.Class != sluice.Config || e.Code != "github_http_404" || !strings.Contains(e.Hint, "may not see it") {
		t.Errorf("unknown repository: %v %s %q", e.Class, e.Code, e.Hint)
	}
	f.config.Token = "ghp_wrongtoken99"
	e := sluice.AsError(f.source(t).Check(t.Context()))
	if e.Class != sluice.Auth || !strings.Contains(e.Error(), "Bad credentials") || strings.Contains(e.Error()+e.Hint, "wrongtoken") {
		t.Errorf("wrong token: %v %v", e.Class, e)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := Connector().Open(context.Background(), json.RawMessage(`{"token":"s3cr3tvalue","app":{"app_id":1,"installation_id":2,"private_key":"hush"},
		"owners":["a/b"],"repositories":["x","a/b/c","a/[z"],"start_date":"soon","ca_certificate":"none"}`))
	if sluice.ClassOf(err) != sluice.Config {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"token and app", "app.private_key", "owners[0]", "repositories[0]", "repositories[1]", "repositories[2]", "start_date", "ca_certificate"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "hush") {
		t.Error("a secret shows")
	}
}
