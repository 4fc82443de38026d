package github

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/kit/rest"
	"github.com/sluicehq/sluice/connectors/kit/rows"
)

// source is the declared endpoints, with what must be found out first: which
// repositories to read.
type source struct {
	sluice.Source
	config Config
	client *rest.Client
	start  time.Time

	listing sync.Mutex
	listed  []list // once they are known

	naming sync.Mutex
	names  []string // full names of the repositories, once they are known
}

// Check finds the repositories, which shows that the credentials, the names and
// the address are right.
func (s *source) Check(ctx context.Context) error {
	names, err := s.repositories(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return sluice.Errorf(sluice.Config, "github_no_repositories", "list repositories",
			"check owners and repositories, and what the credentials may see", "no repository matches the configuration")
	}
	return nil
}

// A list is a place where repositories are listed.
type list struct {
	name    string // stable
	url     string
	records string
	query   url.Values
	wanted  func(fullName string) bool
}

// lists returns the places in which the configured repositories are found; it
// finds them out once.
func (s *source) lists(ctx context.Context) ([]list, error) {
	s.listing.Lock()
	defer s.listing.Unlock()
	if s.listed != nil {
		return s.listed, nil
	}
	all, err := s.findLists(ctx)
	s.listed = all
	return all, err
}

// findLists asks what kind of account each owner is.
func (s *source) findLists(ctx context.Context) ([]list, error) {
	c := &s.config
	if c.App != nil {
		return []list{{name: "installation", url: "installation/repositories", records: "repositories", query: url.Values{"per_page": {"100"}}, wanted: c.matches}}, nil
	}
	owners, single := c.places()
	if len(owners)+len(single) == 0 {
		return []list{{name: "own", url: "user/repos", query: url.Values{"per_page": {"100"}, "sort": {"full_name"}}, wanted: c.matches}}, nil
	}
	var all []list
	for _, o := range owners {
		l, err := s.ownerList(ctx, o)
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	for _, full := range single {
		owner, name, _ := strings.Cut(full, "/")
		all = append(all, list{name: "repository " + full, url: "repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name), wanted: func(string) bool { return true }})
	}
	return all, nil
}

// places returns the owners whose lists are needed and the repositories that are
// named one by one.
func (c *Config) places() (owners, single []string) {
	owners = slices.Clone(c.Owners)
	for _, r := range c.Repositories {
		owner, name, _ := strings.Cut(r, "/")
		if strings.ContainsAny(name, "*?[") {
			owners = append(owners, owner)
		} else {
			single = append(single, r)
		}
	}
	fold := func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }
	slices.SortFunc(owners, fold)
	owners = slices.CompactFunc(owners, strings.EqualFold)
	single = slices.DeleteFunc(single, func(full string) bool {
		owner, _, _ := strings.Cut(full, "/")
		return slices.ContainsFunc(owners, func(o string) bool { return strings.EqualFold(o, owner) })
	})
	slices.SortFunc(single, fold)
	return owners, slices.CompactFunc(single, strings.EqualFold)
}

// matches reports whether the configuration asks for a repository.
func (c *Config) matches(full string) bool {
	if len(c.Owners)+len(c.Repositories) == 0 {
		return true
	}
	full = strings.ToLower(full)
	owner, name, _ := strings.Cut(full, "/")
	for _, o := range c.Owners {
		if strings.ToLower(o) == owner {
			return true
		}
	}
	for _, r := range c.Repositories {
		o, pattern, _ := strings.Cut(strings.ToLower(r), "/")
		if ok, _ := path.Match(pattern, name); ok && o == owner {
			return true
		}
	}
	return false
}

var (
	fieldType     = rest.NewField("type")
	fieldLogin    = rest.NewField("login")
	fieldFullName = rest.NewField("full_name")
	fieldArchived = rest.NewField("archived")
	fieldFork     = rest.NewField("fork")
)

// ownerList returns the list of an owner's repositories. A user's own token sees
// the private ones too, but only through another address.
func (s *source) ownerList(ctx context.Context, owner string) (list, error) {
	l := list{name: "owner " + owner, wanted: s.config.matches, query: url.Values{"per_page": {"100"}, "sort": {"full_name"}}}
	kind, err := s.get(ctx, rest.Request{URL: "users/" + url.PathEscape(owner)}, fieldType)
	switch {
	case err != nil:
		return l, err
	case kind == "Organization":
		l.url = "orgs/" + url.PathEscape(owner) + "/repos"
		return l, nil
	}
	l.url = "users/" + url.PathEscape(owner) + "/repos"
	if s.config.Token != "" {
		self, err := s.get(ctx, rest.Request{URL: "user", Accept: []int{http.StatusForbidden}}, fieldLogin)
		if err != nil {
			return l, err
		}
		if strings.EqualFold(self, owner) {
			l.url, l.query = "user/repos", url.Values{"per_page": {"100"}, "sort": {"full_name"}, "affiliation": {"owner"}}
		}
	}
	return l, nil
}

// get returns one field of an answer.
func (s *source) get(ctx context.Context, r rest.Request, f rest.Field) (string, error) {
	resp, err := s.client.Do(ctx, r)
	if err != nil {
		return "", err
	}
	defer resp.Close()
	body, err := resp.Bytes()
	return f.Text(body), err
}

// keep reports whether a repository of a list is to be read.
func (s *source) keep(l list) func(record []byte) bool {
	return func(record []byte) bool {
		return l.wanted(fieldFullName.Text(record)) &&
			(s.config.IncludeArchived || fieldArchived.Text(record) != "true") &&
			(s.config.IncludeForks || fieldFork.Text(record) != "true")
	}
}

func (l list) walk() rest.Walk {
	return rest.Walk{Request: rest.Request{URL: l.url, Query: l.query}, Records: l.records, Paging: rest.LinkPages{}}
}

// repositories returns the full names of the repositories to read; it asks once.
func (s *source) repositories(ctx context.Context) ([]string, error) {
	s.naming.Lock()
	defer s.naming.Unlock()
	if s.names != nil {
		return s.names, nil
	}
	lists, err := s.lists(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, l := range lists {
		keep := s.keep(l)
		for page, err := range s.client.Pages(ctx, l.walk()) {
			if withheld(rest.Refused(err)) {
				slog.Warn("nothing to read", "connector", "github", "slice", l.name, "cause", err)
				break
			}
			if err != nil {
				return nil, err
			}
			err := page.Records(func(record []byte) error {
				if keep(record) {
					names = append(names, fieldFullName.Text(record))
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(names)
	s.names = slices.Compact(names)
	return s.names, nil
}

// perRepository is the Endpoint.Slices of streams that are read by repository.
func (s *source) perRepository(ctx context.Context, _ *rest.Client, yield func(rest.Slice) error) error {
	names, err := s.repositories(ctx)
	if err != nil {
		return err
	}
	for _, full := range names {
		owner, name, ok := strings.Cut(full, "/")
		if !ok {
			return sluice.Errorf(sluice.Data, "github_repository_name", "list repositories", "check base_url", "a repository has the name %q", full)
		}
		err := yield(rest.Slice{Name: full, Values: map[string]string{"owner": owner, "name": name},
			Fields: []rows.Field{rows.TextField("repository", full)}})
		if err != nil {
			return err
		}
	}
	return nil
}

// readRepositories reads one list of repositories as a slice.
func (s *source) readRepositories(e rest.Endpoint) func(context.Context, rest.SliceRead) error {
	return func(ctx context.Context, r rest.SliceRead) error {
		lists, err := s.lists(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(lists, func(l list) bool { return l.name+" "+s.config.selection() == r.Slice.Name })
		if i < 0 {
			return fmt.Errorf("list %s is gone", r.Slice.Name)
		}
		l := lists[i]
		of := e
		of.Request, of.Records, of.Keep, of.Read = rest.Request{URL: l.url, Query: l.query}, l.records, s.keep(l), nil
		return r.Declared(ctx, &of, nil)
	}
}

// perList is the Endpoint.Slices of the stream of repositories.
func (s *source) perList(ctx context.Context, _ *rest.Client, yield func(rest.Slice) error) error {
	lists, err := s.lists(ctx)
	if err != nil {
		return err
	}
	for _, l := range lists {
		// Unchanged pages are not read again, so a changed configuration must not find
		// the positions of the one before.
		if err := yield(rest.Slice{Name: l.name + " " + s.config.selection()}); err != nil {
			return err
		}
	}
	return nil
}

// selection identifies what the configuration says of which repositories to read.
func (c *Config) selection() string {
	text := fmt.Sprintf("%q %q %t %t", c.Owners, c.Repositories, c.IncludeArchived, c.IncludeForks)
	return strconv.FormatUint(xxh3.HashString(text), 36)
}

// perOwner is the Endpoint.Slices of the stream of users: the members of each
// organisation, and each user who owns a repository. A slice's name is the path.
func (s *source) perOwner(ctx context.Context, _ *rest.Client, yield func(rest.Slice) error) error {
	names, err := s.repositories(ctx)
	if err != nil {
		return err
	}
	owners := slices.Clone(s.config.Owners)
	for _, full := range names {
		owner, _, _ := strings.Cut(full, "/")
		owners = append(owners, owner)
	}
	slices.SortFunc(owners, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, o := range slices.CompactFunc(owners, strings.EqualFold) {
		kind, err := s.get(ctx, rest.Request{URL: "users/" + url.PathEscape(o)}, fieldType)
		if err != nil {
			return err
		}
		place := "users/" + url.PathEscape(o)
		if kind == "Organization" {
			place = "orgs/" + url.PathEscape(o) + "/members"
		}
		if err := yield(rest.Slice{Name: place}); err != nil {
			return err
		}
	}
	return nil
}

// readUsers reads the place that the slice names.
func readUsers(e rest.Endpoint) func(context.Context, rest.SliceRead) error {
	return func(ctx context.Context, r rest.SliceRead) error {
		of := e
		of.Request, of.Read = rest.Request{URL: r.Slice.Name, Query: url.Values{"per_page": {"100"}}}, nil
		return r.Declared(ctx, &of, nil)
	}
}
