package trackertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluicehq/sluice/health/outward/outwardtest"
)

// GitHub is the part of GitHub's REST API that issues need, for one repository,
// octo-org/data. Its clock is real, so that since works as it does there.
type GitHub struct {
	*outwardtest.Server
	Token    string
	Push     bool // the token may set labels; without it they are dropped, as GitHub does
	NoIssues bool

	mu     sync.Mutex
	issues []*githubIssue
}

type githubIssue struct {
	Number   int            `json:"number"`
	URL      string         `json:"html_url"`
	Title    string         `json:"title"`
	Body     string         `json:"body"`
	State    string         `json:"state"`
	Reason   string         `json:"state_reason"`
	Labels   []githubLabel  `json:"labels"`
	Pull     *struct{}      `json:"pull_request,omitempty"`
	Updated  time.Time      `json:"updated_at"`
	Comments []githubRemark `json:"-"`
}

type githubLabel struct {
	Name string `json:"name"`
}

type githubRemark struct {
	Body    string    `json:"body"`
	Updated time.Time `json:"updated_at"`
}

// StartGitHub starts one with a pull request and an issue of somebody else in it.
func StartGitHub(t testing.TB) *GitHub {
	g := &GitHub{Token: "ghp_secret-of-tests", Push: true}
	g.Server = outwardtest.Start(t, g.handler())
	g.LimitedBy(func(w http.ResponseWriter) {
		githubFail(w, http.StatusForbidden, "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.")
	})
	g.add(&githubIssue{Title: "Add a thing", Body: "see <!-- sluice:inc_of_a_pull_request -->", Pull: &struct{}{}, Labels: []githubLabel{{"sluice"}}})
	g.add(&githubIssue{Title: "Of somebody", Body: "sluice:inc_1 is mentioned", Labels: []githubLabel{{"sluice"}}})
	return g
}

func (g *GitHub) add(i *githubIssue) {
	i.Number, i.State, i.Updated = len(g.issues)+1, "open", time.Now()
	i.URL = g.URL + "/octo-org/data/issues/" + strconv.Itoa(i.Number)
	g.issues = append(g.issues, i)
}

// Fill adds n issues of somebody else, so that lists have pages.
func (g *GitHub) Fill(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for range n {
		g.add(&githubIssue{Title: "Of somebody", Labels: []githubLabel{{"sluice"}}})
	}
}

// Unlabel takes all labels away, as people do.
func (g *GitHub) Unlabel() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range g.issues {
		i.Labels = nil
	}
}

// Tickets returns the issues that bear the marker.
func (g *GitHub) Tickets(marker string) []Ticket {
	g.mu.Lock()
	defer g.mu.Unlock()
	var all []Ticket
	for _, i := range g.issues {
		if i.Pull != nil || !strings.Contains(i.Body, "<!-- sluice:"+marker+" -->") {
			continue
		}
		t := Ticket{ID: strconv.Itoa(i.Number), Title: i.Title, Body: i.Body, Open: i.State == "open"}
		for _, l := range i.Labels {
			t.Labels = append(t.Labels, l.Name)
		}
		for _, c := range i.Comments {
			t.Comments = append(t.Comments, c.Body)
		}
		all = append(all, t)
	}
	return all
}

func githubFail(w http.ResponseWriter, status int, message string) {
	outwardtest.Answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}

func (g *GitHub) handler() http.Handler {
	mux := http.NewServeMux()
	const repo = "/repos/octo-org/data"
	mux.HandleFunc("GET "+repo, g.repository)
	mux.HandleFunc("GET "+repo+"/issues", g.list)
	mux.HandleFunc("POST "+repo+"/issues", g.create)
	mux.HandleFunc("PATCH "+repo+"/issues/{n}", g.patch)
	mux.HandleFunc("GET "+repo+"/issues/{n}/comments", g.comments)
	mux.HandleFunc("POST "+repo+"/issues/{n}/comments", g.comment)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { githubFail(w, http.StatusNotFound, "Not Found") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		switch {
		case r.Header.Get("User-Agent") == "":
			githubFail(w, http.StatusForbidden, "Request forbidden by administrative rules.")
		case r.Header.Get("Authorization") != "Bearer "+g.Token:
			githubFail(w, http.StatusUnauthorized, "Bad credentials: "+r.Header.Get("Authorization")) // GitHub does not repeat it; others do
		case strings.Contains(r.URL.Path, "/issues") && g.NoIssues:
			githubFail(w, http.StatusGone, "Issues has been disabled in this repository.")
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

func (g *GitHub) repository(w http.ResponseWriter, _ *http.Request) {
	outwardtest.Answer(w, http.StatusOK, map[string]any{"full_name": "octo-org/data", "has_issues": !g.NoIssues, "archived": false,
		"permissions": map[string]bool{"pull": true, "triage": g.Push, "push": g.Push}})
}

func (g *GitHub) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	since, _ := time.Parse(time.RFC3339, q.Get("since"))
	found := []*githubIssue{}
	for _, i := range g.issues {
		labelled := q.Get("labels") == "" || slices.Contains(i.Labels, githubLabel{q.Get("labels")})
		state := q.Get("state")
		if labelled && !i.Updated.Before(since) && (state == "all" || i.State == state || state == "" && i.State == "open") {
			found = append(found, i)
		}
	}
	if q.Get("direction") != "asc" {
		slices.Reverse(found)
	}
	page(w, r, found)
}

func page[T any](w http.ResponseWriter, r *http.Request, all []T) {
	per, at := 30, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		per = min(n, 100)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		at = n
	}
	from := min(len(all), (at-1)*per)
	outwardtest.Answer(w, http.StatusOK, append([]T{}, all[from:min(len(all), from+per)]...))
}

func (g *GitHub) create(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Title, Body string
		Labels      []string
	}
	if !outwardtest.Read(w, r, &asked) {
		return
	}
	if asked.Title == "" || len(asked.Title) > 256 || len(asked.Body) > 65536 {
		outwardtest.Answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []map[string]string{{"resource": "Issue", "field": "title", "code": "invalid"}}})
		return
	}
	i := &githubIssue{Title: asked.Title, Body: asked.Body}
	for _, l := range asked.Labels {
		if g.Push {
			i.Labels = append(i.Labels, githubLabel{l})
		}
	}
	g.add(i)
	outwardtest.Answer(w, http.StatusCreated, i)
}

func (g *GitHub) issue(w http.ResponseWriter, r *http.Request) *githubIssue {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(g.issues) {
		githubFail(w, http.StatusNotFound, "Not Found")
		return nil
	}
	return g.issues[n-1]
}

func (g *GitHub) patch(w http.ResponseWriter, r *http.Request) {
	i := g.issue(w, r)
	var asked struct {
		State  string `json:"state"`
		Reason string `json:"state_reason"`
	}
	if i == nil || !outwardtest.Read(w, r, &asked) {
		return
	}
	reasons := map[string][]string{"closed": {"completed", "not_planned", "duplicate"}, "open": {"reopened"}}
	if !slices.Contains(reasons[asked.State], asked.Reason) {
		githubFail(w, http.StatusUnprocessableEntity, "Validation Failed")
		return
	}
	i.State, i.Reason, i.Updated = asked.State, asked.Reason, time.Now()
	outwardtest.Answer(w, http.StatusOK, i)
}

func (g *GitHub) comments(w http.ResponseWriter, r *http.Request) {
	i := g.issue(w, r)
	if i == nil {
		return
	}
	since, _ := time.Parse(time.RFC3339, r.URL.Query().Get("since"))
	found := []githubRemark{}
	for _, c := range i.Comments {
		if !c.Updated.Before(since) {
			found = append(found, c)
		}
	}
	page(w, r, found)
}

func (g *GitHub) comment(w http.ResponseWriter, r *http.Request) {
	i := g.issue(w, r)
	var asked githubRemark
	if i == nil || !outwardtest.Read(w, r, &asked) {
		return
	}
	asked.Updated, i.Updated = time.Now(), time.Now()
	i.Comments = append(i.Comments, asked)
	outwardtest.Answer(w, http.StatusCreated, map[string]any{"id": len(i.Comments), "body": asked.Body})
}

// Config returns the configuration that files tickets here.
func (g *GitHub) Config() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"base_url":%q,"token":%q,"repository":"octo-org/data","labels":["incident"]}`, g.URL, g.Token))
}
