package githubtest

import (
	"fmt"
	"strings"
	"time"
)

// Repo is a repository with what is in it.
type Repo struct {
	Full   string
	Record Object

	s        *Server
	gone     bool
	refusal  int // status of all answers on it; 0: none
	message  string
	issues   []Object
	pulls    []Object
	comments []Object
	reviews  []Object
	releases []Object
	runs     []Object
	commits  map[string]Object
	parents  map[string][]string
	lost     map[string]bool // commits that are no longer known by name
	head     string
}

// AddRepo adds a repository, owner/name.
func (s *Server) AddRepo(full string) *Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, name, _ := strings.Cut(full, "/")
	id, at := s.id(), s.tick()
	r := &Repo{Full: full, s: s, commits: map[string]Object{}, parents: map[string][]string{}, lost: map[string]bool{}}
	r.Record = Object{"id": id, "node_id": fmt.Sprint("R_", id), "name": name, "full_name": full, "private": false, "fork": false,
		"archived": false, "description": nil, "owner": Object{"login": owner}, "default_branch": "main", "topics": []string{"a", "b"},
		"stargazers_count": 0, "watchers": 0, "url": s.URL + "/repos/" + full, "created_at": at, "updated_at": at, "pushed_at": at}
	s.repos = append(s.repos, r)
	return r
}

// Set changes a field of the repository.
func (r *Repo) Set(field string, value any) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.Record[field], r.Record["updated_at"] = value, r.s.tick()
}

// Remove makes the repository's lists answer 404.
func (r *Repo) Remove() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.gone = true
}

// Refuse makes all that is asked of the repository answer with a status and a
// message; 0 ends it.
func (r *Repo) Refuse(status int, message string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.refusal, r.message = status, message
}

func (r *Repo) object(kind string, fields Object) Object {
	id, at := r.s.id(), r.s.tick()
	o := Object{"id": id, "node_id": fmt.Sprint(kind, id), "url": fmt.Sprintf("%s/repos/%s/%s/%d", r.s.URL, r.Full, kind, id),
		"user": Object{"login": "octocat", "id": 1}, "created_at": at, "updated_at": at}
	for k, v := range fields {
		o[k] = v
	}
	return o
}

func (r *Repo) add(list *[]Object, kind string, fields Object) Object {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	o := r.object(kind, fields)
	*list = append(*list, o)
	return o
}

// AddIssue adds an issue.
func (r *Repo) AddIssue(title string) Object {
	return r.add(&r.issues, "issues", Object{"number": len(r.issues) + len(r.pulls) + 1, "title": title, "state": "open", "body": nil, "comments": 0,
		"labels": []Object{{"name": "bug"}}, "locked": false})
}

// AddPull adds a pull request, which is an issue too.
func (r *Repo) AddPull(title string) Object {
	return r.add(&r.pulls, "pulls", Object{"number": len(r.issues) + len(r.pulls) + 1, "title": title, "state": "open", "draft": false,
		"head": Object{"ref": "topic", "sha": "abc"}, "base": Object{"ref": "main", "sha": "def"}, "merged_at": nil, "closed_at": nil})
}

// AddComment adds a comment on an issue.
func (r *Repo) AddComment(body string) Object {
	return r.add(&r.comments, "comments", Object{"body": body, "issue_url": r.s.URL + "/repos/" + r.Full + "/issues/1"})
}

// AddReviewComment adds a comment on the lines of a pull request.
func (r *Repo) AddReviewComment(body string) Object {
	return r.add(&r.reviews, "reviews", Object{"body": body, "path": "main.go", "line": 7, "pull_request_url": r.s.URL + "/repos/" + r.Full + "/pulls/2"})
}

// AddRelease adds a release.
func (r *Repo) AddRelease(tag string) Object {
	return r.add(&r.releases, "releases", Object{"tag_name": tag, "name": tag, "draft": false, "prerelease": false, "assets": []Object{}})
}

// AddRun adds a workflow run.
func (r *Repo) AddRun(status string) Object {
	o := r.add(&r.runs, "runs", Object{"name": "CI", "event": "push", "status": status, "conclusion": nil, "run_number": len(r.runs) + 1, "run_attempt": 1})
	delete(o, "user")
	return o
}

// Touch changes fields of an object, and its updated_at.
func (r *Repo) Touch(o Object, fields Object) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for k, v := range fields {
		o[k] = v
	}
	o["updated_at"] = r.s.tick()
}

// Delete removes an issue, comment or run.
func (r *Repo) Delete(o Object) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for _, list := range []*[]Object{&r.issues, &r.comments, &r.reviews, &r.releases, &r.runs} {
		for i, x := range *list {
			if x["id"] == o["id"] {
				*list = append((*list)[:i:i], (*list)[i+1:]...)
				return
			}
		}
	}
}

// Commit adds a commit with a date of its own on parents ("": the head) and
// returns its sha. It does not move the branch.
func (r *Repo) Commit(message string, date time.Time, parents ...string) string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	sha := fmt.Sprintf("%040x", r.s.id())
	who := Object{"name": "Octo", "email": "octo@example.com", "date": date.UTC().Format(time.RFC3339)}
	var list []Object
	for _, p := range parents {
		list = append(list, Object{"sha": p})
	}
	r.commits[sha] = Object{"sha": sha, "node_id": "C_" + sha, "commit": Object{"message": message, "author": who, "committer": who},
		"author": nil, "committer": nil, "parents": list, "url": "u", "comments_url": "u", "html_url": "h"}
	r.parents[sha] = parents
	return sha
}

// Push moves the branch to a commit.
func (r *Repo) Push(sha string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.head = sha
}

// Forget makes a commit unknown to comparisons, as after a forced push and a
// clean-up.
func (r *Repo) Forget(sha string) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.lost[sha] = true
}

// Head returns the branch's commit.
func (r *Repo) Head() string {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.head
}
