package tracker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/egress"
	"github.com/sluicehq/sluice/health/outward"
)

// GitHubConfig is the configuration of tickets as GitHub Issues.
type GitHubConfig struct {
	Token      string   `json:"token" required:"true" secret:"true" doc:"A personal access token: fine-grained with read and write access to Issues of the repository, or classic with the scope repo."`
	Repository string   `json:"repository" required:"true" doc:"The repository that the issues are filed in, as owner/name." example:"octo-org/data-platform"`
	Label      string   `json:"label" default:"sluice" doc:"Label that every issue of Sluice gets, and by which they are found again. GitHub makes it where it is missing."`
	Labels     []string `json:"labels" doc:"Further labels of every issue." example:"[\"incident\"]"`
	Assignees  []string `json:"assignees" doc:"Accounts that every issue is assigned to, ten at most." example:"[\"octocat\"]"`
	BaseURL    string   `json:"base_url" default:"https://api.github.com" doc:"Address of the API; for an Enterprise server https://HOST/api/v3."`
	CACert     string   `json:"ca_certificate" title:"CA certificate" doc:"PEM text of the authority that signed an Enterprise server's certificate, where the system does not know it."`
}

// Validate checks what tags cannot say.
func (c *GitHubConfig) Validate() error {
	var errs []error
	owner, name, _ := strings.Cut(c.Repository, "/")
	if owner == "" || name == "" || strings.ContainsAny(c.Repository, " ?#%*") || strings.Contains(name, "/") {
		errs = append(errs, errors.New("repository must be owner/name"))
	}
	if strings.ContainsAny(c.Label, ",\r\n") || c.Label == "" || len(c.Label) > 50 {
		errs = append(errs, errors.New("label must be a name of up to 50 letters, without commas"))
	}
	if len(c.Assignees) > 10 {
		errs = append(errs, errors.New("assignees: GitHub takes ten at most"))
	}
	if _, err := outward.Authorities(c.CACert); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// GitHub returns the definition of tickets as GitHub Issues, by the REST API of
// version 2022-11-28 ("REST API endpoints for issues", "… for issue comments").
func GitHub() Definition {
	return outward.Define("github", "GitHub Issues", func(ctx context.Context, c GitHubConfig) (Filer, error) {
		security, err := outward.Authorities(c.CACert)
		if err != nil {
			return nil, err
		}
		g := &github{config: c}
		g.client, err = outward.NewClient(outward.Options{System: "GitHub", BaseURL: c.BaseURL, Secrets: []string{c.Token}, TLS: security,
			Egress: egress.From(ctx), Refusal: githubRefusal, Header: http.Header{"Authorization": {"Bearer " + c.Token},
				"Accept": {"application/vnd.github+json"}, "X-Github-Api-Version": {"2022-11-28"}}})
		return g, err
	})
}

type github struct {
	config GitHubConfig
	client *outward.Client
}

// What GitHub takes: a body of 65,536 characters, a title of 256, a label of 50.
const (
	githubLabel = 50
	githubBody  = 65000
	githubTitle = 250
)

type githubIssue struct {
	Number int       `json:"number"`
	URL    string    `json:"html_url"`
	State  string    `json:"state"`
	Body   string    `json:"body"`
	Pull   *struct{} `json:"pull_request"` // issues and pull requests are listed as one
}

func (i githubIssue) ticket() Ticket {
	return Ticket{ID: strconv.Itoa(i.Number), URL: i.URL, Open: i.State == "open"}
}

// Settle: lists are read from copies of the database, which lag by moments.
func (g *github) Settle() time.Duration { return 15 * time.Second }

func (g *github) path(parts ...string) string {
	return "repos/" + g.config.Repository + strings.Join(append([]string{""}, parts...), "/")
}

// Check: the answer about a repository says what the token may do.
func (g *github) Check(ctx context.Context) error {
	var repo struct {
		HasIssues   bool            `json:"has_issues"`
		Archived    bool            `json:"archived"`
		Permissions map[string]bool `json:"permissions"`
	}
	const op = "read the repository"
	if _, err := g.client.Do(ctx, outward.Request{Op: op, Method: http.MethodGet, Path: g.path()}, &repo); err != nil {
		return err
	}
	switch {
	case !repo.HasIssues:
		return g.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_rejected", "", "switch Issues on in the repository's settings", "the repository has no issues"))
	case repo.Archived:
		return g.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_rejected", "", "give another repository", "the repository is archived: nothing can be written to it"))
	case repo.Permissions != nil && !repo.Permissions["push"] && !repo.Permissions["triage"]:
		return g.client.Fault(op, sluice.Errorf(sluice.Auth, "delivery_forbidden", "", "give the token's account the right to triage or write in the repository", "the token may file issues, but not label or close them"))
	}
	return nil
}

// mark is what a body bears, unseen, so that it is found again.
func mark(id string) string { return "<!-- sluice:" + id + " -->" }

// calls are what GitHub makes links and calls of: the name of an account, which is
// then told, and the number of another issue.
var calls = regexp.MustCompile(`(^|[\s(\[,;:])([@#])(\w)`)

// harmless returns a text in which nothing is a call, or a mark: texts hold what
// sources have said.
func harmless(text string) string {
	return calls.ReplaceAllString(strings.ReplaceAll(text, "<!--", "&lt;!--"), "$1$2\u200b$3")
}

// Find looks through the issues of the label, and then, since people take labels
// away and GitHub drops those of accounts that may not set them, through all that
// changed since.
func (g *github) Find(ctx context.Context, m Marker) (Ticket, bool, error) {
	for _, label := range []string{g.config.Label, ""} {
		if label == "" && m.Since.IsZero() {
			break // all issues of a repository are too many
		}
		if t, ok, err := g.find(ctx, m, label); err != nil || ok {
			return t, ok, err
		}
	}
	return Ticket{}, false, nil
}

const (
	githubPages = 50        // of 100 issues, before a search gives up
	clocks      = time.Hour // by which GitHub's and ours may differ
)

func (g *github) find(ctx context.Context, m Marker, label string) (Ticket, bool, error) {
	q := url.Values{"state": {"all"}, "sort": {"created"}, "direction": {"asc"}, "per_page": {"100"}}
	if label != "" {
		q.Set("labels", label)
	}
	if !m.Since.IsZero() { // an issue made since was also changed since
		q.Set("since", m.Since.Add(-clocks).UTC().Format(time.RFC3339))
	}
	const op = "look for the issue"
	for page := 1; page <= githubPages; page++ {
		var issues []githubIssue
		q.Set("page", strconv.Itoa(page))
		if _, err := g.client.Do(ctx, outward.Request{Op: op, Method: http.MethodGet, Path: g.path("issues"), Query: q}, &issues); err != nil {
			return Ticket{}, false, err
		}
		for _, i := range issues {
			if i.Pull == nil && strings.Contains(i.Body, mark(m.ID)) {
				return i.ticket(), true, nil
			}
		}
		if len(issues) < 100 {
			return Ticket{}, false, nil
		}
	}
	return Ticket{}, false, g.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_too_many", "", "give a repository of its own, or another label",
		"more than %d issues would have to be looked through", githubPages*100))
}

func (g *github) Create(ctx context.Context, d Draft) (Ticket, error) {
	labels := slices.Concat([]string{g.config.Label}, g.config.Labels, d.Labels)
	for i := range labels {
		labels[i] = outward.Cut(strings.ReplaceAll(outward.OneLine(labels[i]), ",", " "), githubLabel)
	}
	slices.Sort(labels)
	labels = slices.DeleteFunc(slices.Compact(labels), func(l string) bool { return l == "" })
	body := map[string]any{"title": outward.Cut(outward.OneLine(d.Title), githubTitle),
		"body": outward.Cut(harmless(d.Body), githubBody) + "\n\n" + mark(d.Marker.ID), "labels": labels}
	if len(g.config.Assignees) > 0 {
		body["assignees"] = g.config.Assignees
	}
	var made githubIssue
	_, err := g.client.Do(ctx, outward.Request{Op: "file an issue", Method: http.MethodPost, Path: g.path("issues"), Body: body}, &made)
	return made.ticket(), err
}

func (g *github) Comment(ctx context.Context, id string, n Note) error {
	if n.Body == "" {
		return nil
	}
	if n.Again {
		if found, err := g.noted(ctx, id, n); err != nil || found {
			return err
		}
	}
	_, err := g.client.Do(ctx, outward.Request{Op: "comment on issue " + id, Method: http.MethodPost, Path: g.path("issues", url.PathEscape(id), "comments"),
		Body: map[string]string{"body": outward.Cut(harmless(n.Body), githubBody) + "\n\n" + mark(n.Key)}}, nil)
	return err
}

// noted reports whether the issue bears the note.
func (g *github) noted(ctx context.Context, id string, n Note) (bool, error) {
	q := url.Values{"per_page": {"100"}}
	if !n.Since.IsZero() {
		q.Set("since", n.Since.Add(-clocks).UTC().Format(time.RFC3339))
	}
	for page := 1; page <= githubPages; page++ {
		var comments []struct{ Body string }
		q.Set("page", strconv.Itoa(page))
		_, err := g.client.Do(ctx, outward.Request{Op: "read the comments of issue " + id, Method: http.MethodGet, Path: g.path("issues", url.PathEscape(id), "comments"), Query: q}, &comments)
		if err != nil {
			return false, err
		}
		for _, c := range comments {
			if strings.Contains(c.Body, mark(n.Key)) {
				return true, nil
			}
		}
		if len(comments) < 100 {
			return false, nil
		}
	}
	return false, nil // more than 5,000 since: one comment twice is the lesser evil
}

func (g *github) Close(ctx context.Context, id string, n Note) error {
	return g.set(ctx, id, n, "closed", "completed")
}

func (g *github) Reopen(ctx context.Context, id string, n Note) error {
	return g.set(ctx, id, n, "open", "reopened")
}

func (g *github) set(ctx context.Context, id string, n Note, state, reason string) error {
	if err := g.Comment(ctx, id, n); err != nil {
		return err
	}
	_, err := g.client.Do(ctx, outward.Request{Op: "set issue " + id + " " + state, Method: http.MethodPatch, Path: g.path("issues", url.PathEscape(id)),
		Body: map[string]string{"state": state, "state_reason": reason}}, nil)
	return err
}

// githubRefusal tells what GitHub's statuses do not ("Rate limits for the REST
// API"): a 403 may be a limit; without a named time, a minute is to be waited.
func githubRefusal(a *outward.Answer) *sluice.Error {
	message := outward.Message(a.Body)
	text := fmt.Errorf("it answered %d%s", a.Status, message)
	used := a.Header.Get("X-Ratelimit-Remaining") == "0"
	switch {
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusForbidden && (used || a.Header.Get("Retry-After") != "" || strings.Contains(strings.ToLower(message), "rate limit")):
		e := sluice.Errorf(sluice.Throttled, "delivery_rate_limited", "", "nothing needs to be done; it is sent when the limit resets", "%w", text)
		e.RetryAfter = time.Minute
		if wait, ok := outward.RetryAfter(a.Header, time.Now()); ok {
			e.RetryAfter = wait
		} else if reset, err := strconv.ParseInt(a.Header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && used {
			e.RetryAfter = max(time.Until(time.Unix(reset, 0))+time.Second, time.Second)
		}
		return e
	case a.Status == http.StatusForbidden && strings.Contains(message, "saml"), a.Status == http.StatusForbidden && strings.Contains(message, "SAML"):
		return sluice.Errorf(sluice.Auth, "delivery_forbidden", "", "authorise the token for the organisation's single sign-on, on the page of your tokens", "%w", text)
	case a.Status == http.StatusForbidden && strings.Contains(message, "not accessible by"):
		return sluice.Errorf(sluice.Auth, "delivery_forbidden", "", "give the token or app read and write access to Issues of the repository", "%w", text)
	case a.Status == http.StatusNotFound:
		return sluice.Errorf(sluice.Config, "delivery_not_found", "", "check the repository's name and that the token may see it: GitHub answers the same for both", "%w", text)
	case a.Status == http.StatusGone:
		return sluice.Errorf(sluice.Config, "delivery_not_found", "", "the issue was deleted, or Issues are switched off in the repository's settings", "%w", text)
	}
	return nil
}
