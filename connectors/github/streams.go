package github

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
)

// The main columns of each stream, "name type" one after another. Further fields
// come as they are found; objects and arrays are json.
const (
	repositoryColumns = `id int64 node_id string name string full_name string owner json private bool visibility string
		description string html_url string homepage string language string topics json license json fork bool
		archived bool disabled bool is_template bool default_branch string size int64 stargazers_count int64
		watchers_count int64 forks_count int64 open_issues_count int64 has_issues bool has_projects bool has_wiki bool
		has_pages bool has_downloads bool has_discussions bool allow_forking bool permissions json
		created_at timestamptz updated_at timestamptz pushed_at timestamptz`
	issueColumns = `repository string id int64 node_id string number int64 title string body string state string
		state_reason string user json author_association string labels json assignee json assignees json milestone json
		comments int64 locked bool active_lock_reason string draft bool pull_request json reactions json html_url string
		created_at timestamptz updated_at timestamptz closed_at timestamptz closed_by json`
	pullColumns = `repository string id int64 node_id string number int64 title string body string state string
		user json author_association string labels json assignee json assignees json requested_reviewers json
		requested_teams json milestone json head json base json draft bool locked bool active_lock_reason string
		auto_merge json merge_commit_sha string html_url string
		created_at timestamptz updated_at timestamptz closed_at timestamptz merged_at timestamptz`
	commitColumns = `repository string sha string node_id string message string authored_at timestamptz
		committed_at timestamptz commit json author json committer json parents json html_url string`
	releaseColumns = `repository string id int64 node_id string tag_name string target_commitish string name string
		body string draft bool prerelease bool immutable bool author json assets json reactions json html_url string
		created_at timestamptz published_at timestamptz updated_at timestamptz`
	commentColumns = `repository string id int64 node_id string issue_url string user json author_association string
		body string reactions json html_url string created_at timestamptz updated_at timestamptz`
	reviewCommentColumns = `repository string id int64 node_id string pull_request_review_id int64 pull_request_url string
		user json author_association string body string path string diff_hunk string commit_id string
		original_commit_id string in_reply_to_id int64 side string line int64 start_side string start_line int64
		original_line int64 original_start_line int64 position int64 original_position int64 subject_type string
		reactions json html_url string created_at timestamptz updated_at timestamptz`
	userColumns = `id int64 node_id string login string type string site_admin bool user_view_type string
		name string company string blog string location string email string hireable bool bio string
		twitter_username string public_repos int64 public_gists int64 followers int64 following int64
		avatar_url string html_url string created_at timestamptz updated_at timestamptz`
	runColumns = `repository string id int64 node_id string name string display_title string path string event string
		status string conclusion string run_number int64 run_attempt int64 workflow_id int64 check_suite_id int64
		check_suite_node_id string head_branch string head_sha string head_commit json pull_requests json
		referenced_workflows json actor json triggering_actor json html_url string
		created_at timestamptz updated_at timestamptz run_started_at timestamptz`
)

// Addresses of further parts of the API, which can be made of the other columns.
var (
	omitAddresses = []string{"url", "labels_url", "comments_url", "events_url", "repository_url", "timeline_url", "commits_url",
		"review_comments_url", "review_comment_url", "statuses_url", "issue_url", "diff_url", "patch_url", "_links"}
	omitRelease = []string{"url", "assets_url", "upload_url", "tarball_url", "zipball_url"}
	omitRun     = []string{"url", "jobs_url", "logs_url", "check_suite_url", "artifacts_url", "cancel_url", "rerun_url", "previous_attempt_url",
		"workflow_url", "head_repository"}
	omitRepository = strings.Fields(`url archive_url assignees_url blobs_url branches_url clone_url collaborators_url comments_url
		commits_url compare_url contents_url contributors_url deployments_url downloads_url events_url forks_url git_commits_url
		git_refs_url git_tags_url git_url hooks_url issue_comment_url issue_events_url issues_url keys_url labels_url languages_url
		merges_url milestones_url mirror_url notifications_url pulls_url releases_url ssh_url stargazers_url statuses_url
		subscribers_url subscription_url svn_url tags_url teams_url trees_url watchers forks open_issues`)
	omitUser = strings.Fields(`url followers_url following_url gists_url starred_url subscriptions_url organizations_url repos_url
		events_url received_events_url gravatar_id`)
)

func (s *source) endpoints() []rest.Endpoint {
	repositories, users := s.repositoryEndpoint(), s.userEndpoint()
	return []rest.Endpoint{repositories, s.issueEndpoint(), s.pullEndpoint(), s.commitEndpoint(), s.releaseEndpoint(),
		s.commentEndpoint("comments", "issues/comments", commentColumns, "url"),
		s.commentEndpoint("review_comments", "pulls/comments", reviewCommentColumns, "url", "_links"),
		users, s.runEndpoint()}
}

const docs = "https://docs.github.com/en/rest/"

func (s *source) repositoryEndpoint() rest.Endpoint {
	e := rest.Endpoint{
		Table: rest.Table("repositories", "id", repositoryColumns), Doc: "Repositories: " + docs + "repos/repos",
		Paging: rest.LinkPages{}, Omit: omitRepository, Conditional: true,
		Incremental: &rest.Incremental{Order: rest.Whole}, Slices: s.perList, SkipIf: withheld,
	}
	e.Read = s.readRepositories(e)
	return e
}

func (s *source) userEndpoint() rest.Endpoint {
	e := rest.Endpoint{
		Table: rest.Table("users", "id", userColumns), Doc: "Members of the organisations, and users who own repositories: " + docs + "orgs/members",
		Paging: rest.LinkPages{}, Omit: omitUser, Conditional: true,
		Incremental: &rest.Incremental{Order: rest.Whole}, Slices: s.perOwner, Parallel: s.config.Concurrency,
	}
	e.Read = readUsers(e)
	return e
}

// of returns the endpoint of a list in each repository.
func (s *source) of(t sluice.Table, doc, list string, query string) rest.Endpoint {
	q, err := url.ParseQuery(query)
	if err != nil {
		panic("github: " + err.Error())
	}
	q.Set("per_page", "100")
	return rest.Endpoint{
		Table: t, Doc: doc, Request: rest.Request{URL: "repos/{owner}/{name}/" + list, Query: q}, Paging: rest.LinkPages{},
		Slices: s.perRepository, Parallel: s.config.Concurrency,
		// A repository can go away after it was listed, and a part of it be turned off.
		Skip: []int{http.StatusNotFound, http.StatusGone}, SkipIf: withheld,
	}
}

// withheld reports whether GitHub keeps a repository from everybody: for legal
// reasons, such as a DMCA notice, or for a breach of its terms.
func withheld(status int, message string) bool {
	return status == http.StatusUnavailableForLegalReasons ||
		status == http.StatusForbidden && strings.Contains(strings.ToLower(message), "access blocked")
}

// sinceUpdated reads lists that GitHub filters and sorts by their last change. Its
// documentation says "after" of since, and its servers are known to include it:
// asking from a second earlier is right for both.
func (s *source) sinceUpdated() *rest.Incremental {
	return &rest.Incremental{Field: "updated_at", Order: rest.Ascending, Since: "since", Exclusive: true, Rolling: true, Start: s.start}
}

func (s *source) issueEndpoint() rest.Endpoint {
	e := s.of(rest.Table("issues", "id", issueColumns), "Issues; pull requests are issues too, and have pull_request set: "+docs+"issues/issues",
		"issues", "state=all&sort=updated&direction=asc")
	e.Incremental, e.Conditional, e.Omit = s.sinceUpdated(), true, omitAddresses
	return e
}

func (s *source) commentEndpoint(name, list, columns string, omit ...string) rest.Endpoint {
	e := s.of(rest.Table(name, "id", columns), "Comments on "+strings.TrimSuffix(list, "/comments")+": "+docs+list, list, "sort=updated&direction=asc")
	e.Incremental, e.Conditional, e.Omit = s.sinceUpdated(), true, omit
	return e
}

func (s *source) releaseEndpoint() rest.Endpoint {
	e := s.of(rest.Table("releases", "id", releaseColumns), "Releases, with their assets: "+docs+"releases/releases", "releases", "")
	e.Incremental, e.Conditional, e.Omit = &rest.Incremental{Order: rest.Whole}, true, omitRelease
	return e
}
