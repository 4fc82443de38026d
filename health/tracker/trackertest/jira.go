package trackertest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

// Jira is the part of Jira's REST API that issues need, with one project, OPS,
// whose workflow leads from To Do over In Progress to Done or Cancelled and from
// both back to Reopened. Searches see what Index was called after, as Cloud's do.
type Jira struct {
	*outwardtest.Server
	Email, Token string
	DataCenter   bool // version 2: wiki texts, bearer tokens, searches that lag no less
	Public       bool // bad credentials are answered as a stranger's, with nothing found
	NoLabels     bool // the create screen lacks the field

	mu      sync.Mutex
	issues  []*jiraIssue
	indexed int
}

type jiraIssue struct {
	key, summary string
	labels       []string
	body         any
	status       string
	resolution   string
	comments     []any
}

// jiraCategories are the workflow's statuses, in its order.
var jiraCategories = map[string]string{"To Do": "new", "Reopened": "new", "In Progress": "indeterminate", "Cancelled": "done", "Done": "done"}

var jiraWorkflow = map[string][]string{
	"To Do": {"In Progress", "Cancelled", "Done"}, "Reopened": {"In Progress", "Cancelled", "Done"}, "In Progress": {"Cancelled", "Done"},
	"Done": {"Reopened"}, "Cancelled": {"Reopened"},
}

// StartJira starts one with an issue of somebody else in it.
func StartJira(t testing.TB, dataCenter bool) *Jira {
	j := &Jira{Email: "sluice@example.com", Token: "jira-secret-of-tests", DataCenter: dataCenter}
	j.Server = outwardtest.Start(t, j.handler())
	j.issues = []*jiraIssue{{key: "OPS-1", summary: "Of somebody", status: "To Do", body: "x"}}
	j.Index()
	return j
}

// Index lets searches see all issues.
func (j *Jira) Index() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.indexed = len(j.issues)
}

// Tickets returns the issues that bear the marker.
func (j *Jira) Tickets(marker string) []Ticket {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []Ticket
	for _, i := range j.issues {
		if !slices.Contains(i.labels, "sluice-"+marker) {
			continue
		}
		t := Ticket{ID: i.key, Title: i.summary, Body: flat(i.body), Labels: i.labels, Open: jiraCategories[i.status] != "done"}
		for _, c := range i.comments {
			t.Comments = append(t.Comments, flat(c))
		}
		all = append(all, t)
	}
	return all
}

// flat returns the texts of a document, or a text.
func flat(body any) string {
	switch b := body.(type) {
	case string:
		return b
	case []any:
		var all []string
		for _, item := range b {
			all = append(all, flat(item))
		}
		return strings.Join(all, " ")
	case map[string]any:
		return strings.TrimSpace(flat(b["text"]) + flat(b["content"]))
	}
	return ""
}

func jiraFail(w http.ResponseWriter, status int, field, message string) {
	messages, errors := []string{}, map[string]string{}
	if field == "" {
		messages = append(messages, message)
	} else {
		errors[field] = message
	}
	outwardtest.Answer(w, status, map[string]any{"errorMessages": messages, "errors": errors})
}

func (j *Jira) handler() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []string{"3", "2"} {
		api := "/rest/api/" + version
		mux.HandleFunc("GET "+api+"/project/OPS", j.project)
		mux.HandleFunc("GET "+api+"/mypermissions", j.permissions)
		mux.HandleFunc("POST "+api+"/issue", j.create)
		mux.HandleFunc("GET "+api+"/issue/{key}", j.get)
		mux.HandleFunc("GET "+api+"/issue/{key}/comment", j.comments)
		mux.HandleFunc("POST "+api+"/issue/{key}/comment", j.comment)
		mux.HandleFunc("GET "+api+"/issue/{key}/transitions", j.transitions)
		mux.HandleFunc("POST "+api+"/issue/{key}/transitions", j.transition)
	}
	mux.HandleFunc("POST /rest/api/3/search/jql", j.search)
	mux.HandleFunc("POST /rest/api/2/search", j.search)
	mux.HandleFunc("POST /rest/api/3/issue/bulkfetch", j.bulkfetch)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { jiraFail(w, http.StatusNotFound, "", "null for uri") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if !j.allowed(r) {
			w.Header().Set("X-Seraph-LoginReason", "AUTHENTICATED_FAILED")
			if j.Public && strings.Contains(r.URL.Path, "search") {
				outwardtest.Answer(w, http.StatusOK, map[string]any{"issues": []any{}, "isLast": true})
				return
			}
			jiraFail(w, http.StatusUnauthorized, "", "Client must be authenticated to access this resource.")
			return
		}
		if strings.HasPrefix(r.URL.Path, "/rest/api/3") == j.DataCenter {
			jiraFail(w, http.StatusNotFound, "", "no such version here")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (j *Jira) allowed(r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(j.Email+":"+j.Token))
	if j.DataCenter {
		want = "Bearer " + j.Token
	}
	return r.Header.Get("Authorization") == want && (r.Method == http.MethodGet || r.Header.Get("X-Atlassian-Token") == "no-check")
}

func (j *Jira) project(w http.ResponseWriter, _ *http.Request) {
	outwardtest.Answer(w, http.StatusOK, map[string]any{"key": "OPS", "issueTypes": []map[string]any{{"name": "Task"}, {"name": "Bug"}}})
}

func (j *Jira) permissions(w http.ResponseWriter, r *http.Request) {
	all := map[string]any{}
	for _, p := range strings.Split(r.URL.Query().Get("permissions"), ",") {
		all[p] = map[string]any{"key": p, "havePermission": true}
	}
	outwardtest.Answer(w, http.StatusOK, map[string]any{"permissions": all})
}

// validText checks a text as the version takes it.
func (j *Jira) validText(body any) bool {
	if j.DataCenter {
		_, ok := body.(string)
		return ok
	}
	doc, ok := body.(map[string]any)
	return ok && doc["type"] == "doc" && doc["version"] == 1.0 && noEmptyText(doc)
}

// noEmptyText: the format refuses text nodes without text.
func noEmptyText(n map[string]any) bool {
	if text, _ := n["text"].(string); n["type"] == "text" && text == "" {
		return false
	}
	inner, _ := n["content"].([]any)
	for _, item := range inner {
		if child, ok := item.(map[string]any); !ok || !noEmptyText(child) {
			return false
		}
	}
	return true
}

func (j *Jira) create(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Fields struct {
			Project     struct{ Key string }
			IssueType   struct{ Name string }
			Summary     string
			Description any
			Labels      []string
		}
	}
	if !outwardtest.Read(w, r, &asked) {
		return
	}
	f := asked.Fields
	switch {
	case f.Project.Key != "OPS":
		jiraFail(w, http.StatusBadRequest, "project", "valid project is required")
	case f.IssueType.Name != "Task" && f.IssueType.Name != "Bug":
		jiraFail(w, http.StatusBadRequest, "issuetype", "Specify a valid issue type")
	case j.NoLabels && len(f.Labels) > 0:
		jiraFail(w, http.StatusBadRequest, "labels", "Field 'labels' cannot be set. It is not on the appropriate screen, or unknown.")
	case f.Summary == "" || len(f.Summary) > 255 || strings.ContainsAny(f.Summary, "\r\n"):
		jiraFail(w, http.StatusBadRequest, "summary", "The summary is invalid because it contains newline characters.")
	case slices.ContainsFunc(f.Labels, func(l string) bool { return strings.ContainsAny(l, " \t") }):
		jiraFail(w, http.StatusBadRequest, "labels", "The label contains spaces which is invalid.")
	case !j.validText(f.Description):
		jiraFail(w, http.StatusBadRequest, "description", "Operation value must be an Atlassian Document (see the Atlassian Document Format)")
	default:
		i := &jiraIssue{key: "OPS-" + strconv.Itoa(len(j.issues)+1), summary: f.Summary, labels: f.Labels, body: f.Description, status: "To Do"}
		j.issues = append(j.issues, i)
		outwardtest.Answer(w, http.StatusCreated, map[string]string{"id": "100" + strconv.Itoa(len(j.issues)), "key": i.key, "self": j.URL + "/rest/api/3/issue/" + i.key})
	}
}

func (i *jiraIssue) json() map[string]any {
	return map[string]any{"key": i.key, "fields": map[string]any{"labels": i.labels, "status": jiraStatus(i.status)}}
}

func jiraStatus(name string) map[string]any {
	return map[string]any{"name": name, "statusCategory": map[string]string{"key": jiraCategories[name]}}
}

var (
	jqlLabel = regexp.MustCompile(`^project = "OPS" AND labels = "([^"]+)" ORDER BY created ASC$`)
	jqlKey   = regexp.MustCompile(`^project = "OPS" ORDER BY key DESC$`)
)

func (j *Jira) search(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		JQL        string
		MaxResults int
		Fields     []string
	}
	if !outwardtest.Read(w, r, &asked) {
		return
	}
	seen := slices.Clone(j.issues[:j.indexed])
	if m := jqlLabel.FindStringSubmatch(asked.JQL); m != nil {
		seen = slices.DeleteFunc(seen, func(i *jiraIssue) bool { return !slices.Contains(i.labels, m[1]) })
	} else if jqlKey.MatchString(asked.JQL) {
		slices.Reverse(seen)
	} else {
		jiraFail(w, http.StatusBadRequest, "", "Error in the JQL Query")
		return
	}
	found := []any{}
	for _, i := range seen[:min(len(seen), asked.MaxResults)] {
		found = append(found, i.json())
	}
	outwardtest.Answer(w, http.StatusOK, map[string]any{"issues": found, "isLast": len(seen) <= asked.MaxResults})
}

func (j *Jira) bulkfetch(w http.ResponseWriter, r *http.Request) {
	var asked struct{ IssueIdsOrKeys []string }
	if !outwardtest.Read(w, r, &asked) {
		return
	}
	if len(asked.IssueIdsOrKeys) > 100 {
		jiraFail(w, http.StatusBadRequest, "", "too many issues")
		return
	}
	found := []any{}
	for _, i := range j.issues {
		if slices.Contains(asked.IssueIdsOrKeys, i.key) {
			found = append(found, i.json())
		}
	}
	outwardtest.Answer(w, http.StatusOK, map[string]any{"issues": found, "issueErrors": []any{}})
}

func (j *Jira) issue(w http.ResponseWriter, r *http.Request) *jiraIssue {
	for _, i := range j.issues {
		if i.key == r.PathValue("key") {
			return i
		}
	}
	jiraFail(w, http.StatusNotFound, "", "Issue does not exist or you do not have permission to see it.")
	return nil
}

func (j *Jira) get(w http.ResponseWriter, r *http.Request) {
	if i := j.issue(w, r); i != nil {
		outwardtest.Answer(w, http.StatusOK, i.json())
	}
}

func (j *Jira) comments(w http.ResponseWriter, r *http.Request) {
	i := j.issue(w, r)
	if i == nil {
		return
	}
	all := []any{}
	for _, c := range i.comments {
		all = append(all, map[string]any{"body": c})
	}
	if r.URL.Query().Get("orderBy") == "-created" {
		slices.Reverse(all)
	}
	outwardtest.Answer(w, http.StatusOK, map[string]any{"comments": all, "total": len(all)})
}

func (j *Jira) comment(w http.ResponseWriter, r *http.Request) {
	i := j.issue(w, r)
	var asked struct{ Body any }
	if i == nil || !outwardtest.Read(w, r, &asked) {
		return
	}
	if !j.validText(asked.Body) {
		jiraFail(w, http.StatusBadRequest, "comment", "Comment body is not valid!")
		return
	}
	i.comments = append(i.comments, asked.Body)
	outwardtest.Answer(w, http.StatusCreated, map[string]any{"id": strconv.Itoa(len(i.comments))})
}

func (j *Jira) transitions(w http.ResponseWriter, r *http.Request) {
	i := j.issue(w, r)
	if i == nil {
		return
	}
	all := []any{}
	for n, to := range jiraWorkflow[i.status] {
		t := map[string]any{"id": strconv.Itoa(10 + n), "name": "to " + to, "isAvailable": true, "to": jiraStatus(to), "fields": map[string]any{}}
		if jiraCategories[to] == "done" && r.URL.Query().Get("expand") == "transitions.fields" {
			t["fields"] = map[string]any{"resolution": map[string]any{"required": true, "hasDefaultValue": false,
				"allowedValues": []map[string]string{{"name": "Won't Do"}, {"name": "Done"}}}}
		}
		all = append(all, t)
	}
	outwardtest.Answer(w, http.StatusOK, map[string]any{"transitions": all})
}

func (j *Jira) transition(w http.ResponseWriter, r *http.Request) {
	i := j.issue(w, r)
	var asked struct {
		Transition struct{ ID string }
		Fields     struct{ Resolution struct{ Name string } }
	}
	if i == nil || !outwardtest.Read(w, r, &asked) {
		return
	}
	n, err := strconv.Atoi(asked.Transition.ID)
	offered := jiraWorkflow[i.status]
	if err != nil || n < 10 || n-10 >= len(offered) {
		jiraFail(w, http.StatusBadRequest, "", "It seems that you have tried to perform a workflow operation that is not valid for the current state of this issue.")
		return
	}
	to := offered[n-10]
	if jiraCategories[to] == "done" && asked.Fields.Resolution.Name == "" {
		jiraFail(w, http.StatusBadRequest, "resolution", "Resolution is required.")
		return
	}
	i.status, i.resolution = to, asked.Fields.Resolution.Name
	w.WriteHeader(http.StatusNoContent)
}

// Status returns the status and the resolution of an issue.
func (j *Jira) Status(key string) (status, resolution string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, i := range j.issues {
		if i.key == key {
			return i.status, i.resolution
		}
	}
	return "", ""
}

// Config returns the configuration that files tickets here.
func (j *Jira) Config() json.RawMessage {
	if j.DataCenter {
		return json.RawMessage(fmt.Sprintf(`{"base_url":%q,"token":%q,"project":"OPS","deployment":"datacenter"}`, j.URL, j.Token))
	}
	return json.RawMessage(fmt.Sprintf(`{"base_url":%q,"token":%q,"project":"OPS","email":%q}`, j.URL, j.Token, j.Email))
}
