package githubtest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// route answers by path; the lock is held.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 1 && parts[0] == "rate_limit":
		s.counted--
		s.answer(w, r, Object{"resources": Object{}})
	case len(parts) == 1 && parts[0] == "user":
		s.answer(w, r, s.users["me"])
	case len(parts) == 2 && parts[0] == "users":
		s.account(w, r, parts[1])
	case len(parts) == 2 && parts[0] == "installation":
		s.answer(w, r, Object{"total_count": len(s.repos), "repositories": s.page(w, r, s.records(""))})
	case len(parts) == 2 && parts[0] == "user" && parts[1] == "repos":
		s.answer(w, r, s.page(w, r, s.records("")))
	case len(parts) == 3 && parts[2] == "repos":
		s.answer(w, r, s.page(w, r, s.records(parts[1])))
	case len(parts) == 3 && parts[0] == "orgs" && parts[2] == "members":
		s.answer(w, r, s.page(w, r, s.members()))
	case len(parts) >= 3 && parts[0] == "repos":
		s.inRepo(w, r, parts[1]+"/"+parts[2], strings.Join(parts[3:], "/"))
	default:
		fail(w, http.StatusNotFound, "Not Found")
	}
}

func (s *Server) account(w http.ResponseWriter, r *http.Request, login string) {
	if o, ok := s.users[strings.ToLower(login)]; ok {
		s.answer(w, r, o)
		return
	}
	fail(w, http.StatusNotFound, "Not Found")
}

func (s *Server) members() (all []Object) {
	for _, o := range s.users {
		if o["type"] == "User" {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a["login"].(string), b["login"].(string)) })
	return all
}

// records returns an owner's repositories, "" for all.
func (s *Server) records(owner string) (all []Object) {
	for _, r := range s.repos {
		o, _, _ := strings.Cut(r.Full, "/")
		if owner == "" || strings.EqualFold(o, owner) {
			all = append(all, r.Record)
		}
	}
	slices.SortFunc(all, func(a, b Object) int { return strings.Compare(a["full_name"].(string), b["full_name"].(string)) })
	return all
}

func (s *Server) inRepo(w http.ResponseWriter, q *http.Request, full, list string) {
	i := slices.IndexFunc(s.repos, func(r *Repo) bool { return strings.EqualFold(r.Full, full) })
	if i < 0 || s.repos[i].gone && list != "" {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	r := s.repos[i]
	if r.refusal != 0 {
		fail(w, r.refusal, r.message)
		return
	}
	switch base, name, _ := strings.Cut(list, "/"); {
	case list == "":
		s.answer(w, q, r.Record)
	case list == "issues":
		if r.Record["has_issues"] == false {
			fail(w, http.StatusGone, "Issues are disabled for this repo")
			return
		}
		s.answer(w, q, s.page(w, q, sorted(q, slices.Concat(r.issues, r.pullIssues()))))
	case list == "pulls":
		s.answer(w, q, s.page(w, q, sorted(q, r.pulls)))
	case list == "issues/comments":
		s.answer(w, q, s.page(w, q, sorted(q, r.comments)))
	case list == "pulls/comments":
		s.answer(w, q, s.page(w, q, sorted(q, r.reviews)))
	case list == "releases":
		all := slices.Clone(r.releases)
		slices.Reverse(all)
		s.answer(w, q, s.page(w, q, all))
	case list == "actions/runs":
		s.listRuns(w, q, r)
	case list == "commits":
		s.listCommits(w, q, r)
	case base == "compare":
		s.compare(w, q, r, name)
	default:
		fail(w, http.StatusNotFound, "Not Found")
	}
}

// pullIssues returns the pull requests as the issues that they are.
func (r *Repo) pullIssues() (all []Object) {
	for _, p := range r.pulls {
		all = append(all, Object{"id": p["id"].(int64) + 500000, "number": p["number"], "title": p["title"], "state": p["state"],
			"user": p["user"], "created_at": p["created_at"], "updated_at": p["updated_at"], "pull_request": Object{"url": p["url"]}})
	}
	return all
}

// sorted applies state, since, sort and direction. Pull requests know no since.
func sorted(q *http.Request, all []Object) []Object {
	v := q.URL.Query()
	field := map[string]string{"updated": "updated_at"}[v.Get("sort")]
	if field == "" {
		field = "created_at"
	}
	since := v.Get("since")
	if strings.HasSuffix(q.URL.Path, "/pulls") {
		since = ""
	}
	var out []Object
	for _, o := range all {
		if o["updated_at"].(string) >= since && (v.Get("state") == "all" || o["state"] == nil || o["state"] == "open") {
			out = append(out, o)
		}
	}
	slices.SortStableFunc(out, func(a, b Object) int {
		c := strings.Compare(a[field].(string), b[field].(string))
		if c == 0 {
			c = int(a["id"].(int64) - b["id"].(int64))
		}
		if v.Get("direction") != "asc" {
			c = -c
		}
		return c
	})
	return out
}

// listRuns lists runs, newest first: of a filtered list, no more than 1,000.
func (s *Server) listRuns(w http.ResponseWriter, q *http.Request, r *Repo) {
	created := q.URL.Query().Get("created")
	var all []Object
	for _, o := range r.runs {
		if within(created, o["created_at"].(string)) {
			all = append(all, o)
		}
	}
	slices.SortStableFunc(all, func(a, b Object) int { return strings.Compare(b["created_at"].(string), a["created_at"].(string)) })
	total := len(all)
	if created != "" {
		all = all[:min(len(all), 1000)]
	}
	s.answer(w, q, Object{"total_count": total, "workflow_runs": s.page(w, q, all)})
}

// within understands >=A and A..B.
func within(created, at string) bool {
	if from, ok := strings.CutPrefix(created, ">="); ok {
		return at >= from
	}
	if from, to, ok := strings.Cut(created, ".."); ok {
		return at >= from && at <= to
	}
	return created == ""
}

// reach returns the commits that a head reaches, as git log does: the head first,
// and of those whose children are shown, the one with the newest date.
func (r *Repo) reach(head string) (all []Object) {
	seen := map[string]bool{head: true}
	for todo := []string{head}; len(todo) > 0; {
		newest := 0
		for i := range todo {
			if committed(r.commits[todo[i]]) > committed(r.commits[todo[newest]]) {
				newest = i
			}
		}
		sha := todo[newest]
		todo = slices.Delete(todo, newest, newest+1)
		all = append(all, r.commits[sha])
		for _, p := range r.parents[sha] {
			if r.commits[p] != nil && !seen[p] {
				seen[p] = true
				todo = append(todo, p)
			}
		}
	}
	return all
}

func committed(o Object) string {
	return o["commit"].(Object)["committer"].(Object)["date"].(string)
}

func (s *Server) listCommits(w http.ResponseWriter, q *http.Request, r *Repo) {
	head := q.URL.Query().Get("sha")
	if head == "" {
		head = r.head
	}
	if r.commits[head] == nil {
		fail(w, http.StatusConflict, "Git Repository is empty.")
		return
	}
	since := q.URL.Query().Get("since")
	all := slices.DeleteFunc(r.reach(head), func(o Object) bool { return committed(o) < since })
	s.answer(w, q, s.page(w, q, all))
}

// compare lists what one commit reaches and another does not, oldest first.
func (s *Server) compare(w http.ResponseWriter, q *http.Request, r *Repo, pair string) {
	base, head, _ := strings.Cut(pair, "...")
	if r.commits[base] == nil || r.lost[base] || r.commits[head] == nil {
		fail(w, http.StatusNotFound, "Not Found")
		return
	}
	known := map[any]bool{}
	for _, o := range r.reach(base) {
		known[o["sha"]] = true
	}
	all := slices.DeleteFunc(r.reach(head), func(o Object) bool { return known[o["sha"]] })
	slices.Reverse(all)
	s.answer(w, q, Object{"status": "ahead", "total_commits": len(all), "files": []Object{}, "commits": s.page(w, q, all), "url": fmt.Sprint("u/", pair)})
}
