package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/connectors/github/githubtest"
	"github.com/sluicehq/sluice/connectors/kit/egress"
)

// filled starts a GitHub with an organisation whose repositories hold something
// of everything, in several pages and batches.
func filled(t *testing.T) *fixture {
	f := start(t)
	f.config.Owners, f.config.Repositories = []string{"octo"}, nil
	f.AddUser("octo", "Organization")
	f.AddUser("alice", "User")
	f.AddUser("bob", "User")
	body := strings.Repeat("words ", 800)
	for _, name := range []string{"octo/one", "octo/two", "octo/three"} {
		r := f.AddRepo(name)
		for i := range 120 {
			r.Touch(r.AddIssue(fmt.Sprint("issue ", i)), githubtest.Object{"body": body})
			r.Touch(r.AddPull(fmt.Sprint("pull ", i)), githubtest.Object{"body": body})
			r.AddComment(body)
			r.AddReviewComment(body)
			r.AddRelease(fmt.Sprint("v0.", i))
			r.AddRun(map[bool]string{true: "queued", false: "completed"}[i > 115])
			r.Push(r.Commit("work", time.Date(2024, 1, 1, i, 0, 0, 0, time.UTC), r.Head()))
		}
	}
	f.AddRepo("octo/empty")
	f.AddRepo("octo/gone").Remove()
	return f
}

func (f *fixture) broken(change func(*Config)) func() (sluice.Source, error) {
	return func() (sluice.Source, error) {
		c := f.config
		change(&c)
		return open(c, egress.Policy{}, f.clock)
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	f := filled(t)
	connectortest.Run(t, f.source, connectortest.Options{SkipLeaks: true, MaxKills: 3, AtLeastOnce: true,
		Broken: map[string]func() (sluice.Source, error){
			"token":      f.broken(func(c *Config) { c.Token = "ghp_notright" }),
			"owner":      f.broken(func(c *Config) { c.Owners = []string{"nobody"} }),
			"repository": f.broken(func(c *Config) { c.Owners, c.Repositories = nil, []string{"octo/none"} }),
			"pattern":    f.broken(func(c *Config) { c.Owners, c.Repositories = nil, []string{"octo/none-*"} }),
			"address":    f.broken(func(c *Config) { c.BaseURL = "ftp://example.com" }),
			"path":       f.broken(func(c *Config) { c.BaseURL += "/api/v3" }),
			"host":       f.broken(func(c *Config) { c.BaseURL = "http://no.such.host.invalid" }),
			"config": func() (sluice.Source, error) {
				return Connector().Open(t.Context(), json.RawMessage(`{"token":"x","app":{}}`))
			},
		}})
}

// TestConformanceWithTrouble runs the suite against a GitHub that answers every
// seventh request with a 502 and refuses some for its secondary limit, and against
// one whose hourly limit is used up again and again.
func TestConformanceWithTrouble(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(*fixture){
		"failures": func(f *fixture) {
			f.FailEvery = 7
			f.Before = func(n int, _ *http.Request) {
				if n%31 == 0 {
					f.Secondary(1, "2")
				}
			}
		},
		"limits": func(f *fixture) { f.Limit, f.config.MaxWait = 40, 1000*f.config.MaxWait },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := filled(t)
			trouble(f)
			connectortest.Run(t, f.source, connectortest.Options{SkipLeaks: true, MaxKills: 1, AtLeastOnce: true, Modes: []sluice.ReadMode{sluice.Incremental},
				Streams: []string{"issues", "pull_requests", "commits", "repositories", "workflow_runs"}})
		})
	}
}

// The page for users names every field of the configuration and every stream.
func TestPageNamesEveryFieldAndStream(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/connectors/github.md")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Default    any
			Properties map[string]any
		}
	}
	if err := json.Unmarshal(Connector().Config, &schema); err != nil {
		t.Fatal(err)
	}
	for name, field := range schema.Properties {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` .*$").FindString(string(page))
		if row == "" {
			t.Errorf("no row for %s", name)
		}
		if field.Default != nil && !strings.Contains(row, fmt.Sprintf("`%v`", field.Default)) {
			t.Errorf("the row of %s does not name its default, %v", name, field.Default)
		}
		for inner := range field.Properties {
			if !strings.Contains(string(page), "| `"+name+"."+inner+"` ") {
				t.Errorf("no row for %s.%s", name, inner)
			}
		}
	}
	streams, err := start(t).source(t).Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if !strings.Contains(string(page), "| `"+s.Name.Name+"` ") {
			t.Errorf("no row for stream %s", s.Name.Name)
		}
	}
}
