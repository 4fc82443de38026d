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

// JiraConfig is the configuration of tickets in Jira.
type JiraConfig struct {
	BaseURL      string   `json:"base_url" required:"true" doc:"Address of the site; for a Data Center with its path, if it has one." example:"https://example.atlassian.net"`
	Deployment   string   `json:"deployment" enum:"cloud,datacenter" default:"cloud" doc:"cloud: atlassian.net, by REST version 3. datacenter: a server of your own, by version 2."`
	Email        string   `json:"email" doc:"The account of the API token (Cloud only)." example:"sluice@example.com"`
	Token        string   `json:"token" required:"true" secret:"true" doc:"Cloud: an API token of the account. Data Center: a personal access token."`
	Project      string   `json:"project" required:"true" doc:"Key of the project." example:"OPS"`
	IssueType    string   `json:"issue_type" default:"Task" doc:"Name of the type of issue. Its create screen must have the field Labels."`
	Labels       []string `json:"labels" doc:"Further labels of every issue, without spaces." example:"[\"data-platform\"]"`
	Priority     string   `json:"priority" doc:"Name of the priority; empty for the project's own default."`
	CloseStatus  string   `json:"close_status" doc:"Name of the status that closed issues get; empty for the first that the workflow offers in the category Done."`
	ReopenStatus string   `json:"reopen_status" doc:"Name of the status that reopened issues get; empty for the first that the workflow offers in the category To Do, or else In Progress."`
	CACert       string   `json:"ca_certificate" title:"CA certificate" doc:"PEM text of the authority that signed a Data Center's certificate, where the system does not know it."`
}

var jiraProject = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)

// Validate checks what tags cannot say.
func (c *JiraConfig) Validate() error {
	var errs []error
	if !jiraProject.MatchString(c.Project) {
		errs = append(errs, errors.New("project must be the key of a project, such as OPS"))
	}
	if cloud := c.Deployment != "datacenter"; cloud && c.Email == "" {
		errs = append(errs, errors.New("email is required for the cloud: it belongs to the token"))
	} else if !cloud && c.Email != "" {
		errs = append(errs, errors.New("email is for the cloud only: a Data Center knows its token's account"))
	}
	for i, l := range c.Labels {
		if strings.ContainsAny(l, " \t\r\n") || l == "" {
			errs = append(errs, fmt.Errorf("labels[%d] must be one word: Jira takes no spaces in labels", i))
		}
	}
	if _, err := outward.Authorities(c.CACert); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Jira returns the definition of tickets in Jira: Cloud by REST version 3, with
// texts in the Atlassian Document Format, Data Center by version 2, with texts in
// wiki markup ("Issues", "Issue comments", "Issue search", "Transitions").
func Jira() Definition {
	return outward.Define("jira", "Jira", func(ctx context.Context, c JiraConfig) (Filer, error) {
		security, err := outward.Authorities(c.CACert)
		if err != nil {
			return nil, err
		}
		j := &jira{config: c, api: "rest/api/3", format: func(text string) any { return adf(text) }}
		header, secrets := http.Header{}, []string{c.Token}
		if c.Deployment == "datacenter" {
			j.api, j.format = "rest/api/2", func(text string) any { return outward.Cut(wiki(text), jiraText) }
			header.Set("Authorization", "Bearer "+c.Token)
		} else {
			r := http.Request{Header: header}
			r.SetBasicAuth(c.Email, c.Token)
			secrets = append(secrets, strings.TrimPrefix(header.Get("Authorization"), "Basic "))
		}
		header.Set("X-Atlassian-Token", "no-check") // else a Data Center takes a POST without a browser's name for a forgery
		j.client, err = outward.NewClient(outward.Options{System: "Jira", BaseURL: c.BaseURL, Header: header, Secrets: secrets, TLS: security, Egress: egress.From(ctx), Refusal: jiraRefusal})
		return j, err
	})
}

type jira struct {
	config JiraConfig
	client *outward.Client
	api    string
	format func(markdown string) any
}

const (
	jiraText    = 32000 // bytes; Jira takes 32,767 characters
	jiraSummary = 250   // bytes; Jira takes 255 characters
)

// Settle: searches are answered by an index, which Atlassian calls eventually
// consistent, mostly seconds behind. What it misses, latest finds in the cloud.
func (j *jira) Settle() time.Duration { return time.Minute }

func (j *jira) do(ctx context.Context, op, method, path string, q url.Values, body, out any) error {
	a, err := j.client.Do(ctx, outward.Request{Op: op, Method: method, Path: j.api + "/" + path, Query: q, Body: body}, out)
	if a != nil && err == nil {
		// A site that lets strangers in answers a request with bad credentials as if
		// it were a stranger's: the search then finds nothing.
		if reason := a.Header.Get("X-Seraph-Loginreason"); strings.Contains(reason, "FAILED") || strings.Contains(reason, "DENIED") {
			return j.client.Fault(op, sluice.Errorf(sluice.Auth, "delivery_credentials", "", "the credentials are refused: give new ones", "it does not know the account"))
		}
	}
	return err
}

// Check reads the project, the type of issue, and what the account may do.
func (j *jira) Check(ctx context.Context) error {
	const op = "read the project"
	var project struct {
		Archived   bool `json:"archived"`
		IssueTypes []struct {
			Name string `json:"name"`
		} `json:"issueTypes"`
	}
	if err := j.do(ctx, op, http.MethodGet, "project/"+url.PathEscape(j.config.Project), nil, nil, &project); err != nil {
		return err
	}
	var names []string
	for _, t := range project.IssueTypes {
		names = append(names, t.Name)
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, j.config.IssueType) }) {
		return j.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_rejected", "", "set issue_type to one of "+strings.Join(names, ", "), "the project has no type of issue %q", j.config.IssueType))
	}
	var may struct {
		Permissions map[string]struct {
			Have bool `json:"havePermission"`
		} `json:"permissions"`
	}
	needed := []string{"BROWSE_PROJECTS", "CREATE_ISSUES", "ADD_COMMENTS", "TRANSITION_ISSUES"}
	q := url.Values{"projectKey": {j.config.Project}, "permissions": {strings.Join(needed, ",")}}
	if err := j.do(ctx, "read what the account may do", http.MethodGet, "mypermissions", q, nil, &may); err != nil {
		return err
	}
	for _, p := range needed {
		if !may.Permissions[p].Have {
			return j.client.Fault(op, sluice.Errorf(sluice.Auth, "delivery_forbidden", "", "give the account this permission in the project's permission scheme", "the account lacks the permission %s", p))
		}
	}
	return nil
}

// label is what an issue bears so that it is found again.
func jiraLabel(marker string) string { return "sluice-" + marker }

type jiraIssue struct {
	ID     string `json:"id"`
	Key    string `json:"key"`
	Fields struct {
		Labels []string   `json:"labels"`
		Status jiraStatus `json:"status"`
	} `json:"fields"`
}

type jiraStatus struct {
	Name     string `json:"name"`
	Category struct {
		Key string `json:"key"` // new, indeterminate, done
	} `json:"statusCategory"`
}

const jiraDone = "done"

func (j *jira) ticket(i jiraIssue) Ticket {
	return Ticket{ID: i.Key, URL: strings.TrimRight(j.config.BaseURL, "/") + "/browse/" + i.Key, Open: i.Fields.Status.Category.Key != jiraDone}
}

// Find asks the index, and then reads the project's latest issues by their keys,
// which the database itself answers.
func (j *jira) Find(ctx context.Context, m Marker) (Ticket, bool, error) {
	project := `project = "` + j.config.Project + `"`
	found, err := j.search(ctx, project+` AND labels = "`+jiraLabel(m.ID)+`" ORDER BY created ASC`)
	if err != nil {
		return Ticket{}, false, err
	}
	if found == nil && j.config.Deployment != "datacenter" {
		newest, err := j.search(ctx, project+` ORDER BY key DESC`)
		if err != nil {
			return Ticket{}, false, err
		}
		if found, err = j.latest(ctx, newest, m); err != nil {
			return Ticket{}, false, err
		}
	}
	if found == nil {
		return Ticket{}, false, nil
	}
	return j.ticket(*found), true, nil
}

// search returns the first issue that JQL finds, or nil.
func (j *jira) search(ctx context.Context, jql string) (*jiraIssue, error) {
	var answer struct {
		Issues []jiraIssue `json:"issues"`
	}
	path := "search/jql"
	if j.config.Deployment == "datacenter" {
		path = "search"
	}
	body := map[string]any{"jql": jql, "maxResults": 1, "fields": []string{"status", "labels"}}
	if err := j.do(ctx, "look for the issue", http.MethodPost, path, nil, body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Issues) == 0 {
		return nil, nil
	}
	return &answer.Issues[0], nil
}

// jiraAhead is how many keys past the newest that the index knows are read.
const jiraAhead = 100 // what "Bulk fetch issues" takes at once

func (j *jira) latest(ctx context.Context, newest *jiraIssue, m Marker) (*jiraIssue, error) {
	last, project := 0, strings.ToUpper(j.config.Project)
	if newest != nil { // of a project that was renamed, the keys have its new one
		at := strings.LastIndexByte(newest.Key, '-')
		last, _ = strconv.Atoi(newest.Key[at+1:])
		project = newest.Key[:max(at, 0)]
	}
	keys := make([]string, 0, jiraAhead)
	for n := last + 1; n <= last+jiraAhead; n++ {
		keys = append(keys, project+"-"+strconv.Itoa(n))
	}
	var answer struct {
		Issues []jiraIssue `json:"issues"` // those that exist
	}
	body := map[string]any{"issueIdsOrKeys": keys, "fields": []string{"status", "labels"}}
	if err := j.do(ctx, "look for the issue among the latest", http.MethodPost, "issue/bulkfetch", nil, body, &answer); err != nil {
		return nil, err
	}
	for _, i := range answer.Issues {
		if slices.Contains(i.Fields.Labels, jiraLabel(m.ID)) {
			return &i, nil
		}
	}
	return nil, nil
}

func (j *jira) Create(ctx context.Context, d Draft) (Ticket, error) {
	labels := []string{jiraLabel(d.Marker.ID), "sluice"}
	for _, l := range slices.Concat(j.config.Labels, d.Labels) {
		if l = strings.Join(strings.Fields(l), "_"); l != "" && !slices.Contains(labels, l) {
			labels = append(labels, outward.Cut(l, 255))
		}
	}
	fields := map[string]any{"project": map[string]string{"key": j.config.Project}, "issuetype": map[string]string{"name": j.config.IssueType},
		"summary": outward.Cut(outward.OneLine(d.Title), jiraSummary), "description": j.format(outward.Cut(d.Body, jiraText)), "labels": labels}
	if j.config.Priority != "" {
		fields["priority"] = map[string]string{"name": j.config.Priority}
	}
	var made jiraIssue
	err := j.do(ctx, "create an issue", http.MethodPost, "issue", nil, map[string]any{"fields": fields}, &made)
	return j.ticket(made), err
}

// reference ends a comment, so that it is found again.
func reference(key string) string { return "Reference: " + key }

func (j *jira) Comment(ctx context.Context, id string, n Note) error {
	if n.Body == "" {
		return nil
	}
	if n.Again {
		if found, err := j.noted(ctx, id, n.Key); err != nil || found {
			return err
		}
	}
	return j.do(ctx, "comment on issue "+id, http.MethodPost, "issue/"+url.PathEscape(id)+"/comment", nil,
		map[string]any{"body": j.format(outward.Cut(n.Body, jiraText-200) + "\n\n" + reference(n.Key))}, nil)
}

// noted reports whether one of the latest comments bears the key.
func (j *jira) noted(ctx context.Context, id, key string) (bool, error) {
	var answer struct {
		Comments []struct {
			Body any `json:"body"`
		} `json:"comments"`
	}
	q := url.Values{"orderBy": {"-created"}, "maxResults": {"100"}}
	if err := j.do(ctx, "read the comments of issue "+id, http.MethodGet, "issue/"+url.PathEscape(id)+"/comment", q, nil, &answer); err != nil {
		return false, err
	}
	for _, c := range answer.Comments {
		if holdsText(c.Body, reference(key)) {
			return true, nil
		}
	}
	return false, nil
}

// holdsText looks in a wiki text, or in the text nodes of a document.
func holdsText(body any, text string) bool {
	switch b := body.(type) {
	case string:
		return strings.Contains(b, text)
	case []any:
		return slices.ContainsFunc(b, func(item any) bool { return holdsText(item, text) })
	case map[string]any:
		return holdsText(b["text"], text) || holdsText(b["content"], text)
	}
	return false
}

func (j *jira) Close(ctx context.Context, id string, n Note) error {
	return j.move(ctx, id, n, j.config.CloseStatus, jiraDone)
}

func (j *jira) Reopen(ctx context.Context, id string, n Note) error {
	return j.move(ctx, id, n, j.config.ReopenStatus, "new", "indeterminate")
}
