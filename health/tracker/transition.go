package tracker

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/health/outward"
)

type jiraTransition struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Available *bool      `json:"isAvailable"`
	To        jiraStatus `json:"to"`
	Fields    map[string]struct {
		Required bool `json:"required"`
		Default  bool `json:"hasDefaultValue"`
		Allowed  []struct {
			Name string `json:"name"`
		} `json:"allowedValues"`
	} `json:"fields"`
}

// move comments, and brings the issue into a status of that name or, without one,
// into one of the first of the categories that the workflow leads to. An issue that
// is in one of the categories stays where it is.
func (j *jira) move(ctx context.Context, id string, n Note, status string, categories ...string) error {
	if err := j.Comment(ctx, id, n); err != nil {
		return err
	}
	path := "issue/" + url.PathEscape(id)
	op := "move issue " + id
	var issue jiraIssue
	if err := j.do(ctx, "read issue "+id, http.MethodGet, path, url.Values{"fields": {"status"}}, nil, &issue); err != nil {
		return err
	}
	if slices.Contains(categories, issue.Fields.Status.Category.Key) {
		return nil
	}
	var offered struct {
		Transitions []jiraTransition `json:"transitions"`
	}
	if err := j.do(ctx, "read the transitions of issue "+id, http.MethodGet, path+"/transitions", url.Values{"expand": {"transitions.fields"}}, nil, &offered); err != nil {
		return err
	}
	t, ok := choose(offered.Transitions, status, categories)
	if !ok {
		return j.client.Fault(op, sluice.Errorf(sluice.Config, "delivery_no_transition", "", "let the workflow lead from there to a status that is meant, for the account of the token too, or name one in close_status and reopen_status",
			"from the status %q the workflow leads only to %s", issue.Fields.Status.Name, targets(offered.Transitions)))
	}
	body := map[string]any{"transition": map[string]string{"id": t.ID}}
	if fields := t.required(); len(fields) > 0 {
		body["fields"] = fields
	}
	return j.do(ctx, op, http.MethodPost, path+"/transitions", nil, body, nil)
}

// unwanted are words in the names of statuses that say that nothing was done.
var unwanted = []string{"won't", "wont", "cancel", "declin", "reject", "duplicate", "abandon", "invalid"}

// choose returns the transition to take: to the named status, or to the first of
// the categories that any leads to, rather not to a status that says that nothing
// was done.
func choose(all []jiraTransition, status string, categories []string) (jiraTransition, bool) {
	all = slices.DeleteFunc(slices.Clone(all), func(t jiraTransition) bool { return t.Available != nil && !*t.Available })
	if status != "" {
		i := slices.IndexFunc(all, func(t jiraTransition) bool {
			return strings.EqualFold(t.To.Name, status) || strings.EqualFold(t.Name, status)
		})
		if i < 0 {
			return jiraTransition{}, false
		}
		return all[i], true
	}
	for _, category := range categories {
		var fallback *jiraTransition
		for _, t := range all {
			if t.To.Category.Key != category {
				continue
			}
			name := strings.ToLower(t.To.Name + " " + t.Name)
			if !slices.ContainsFunc(unwanted, func(w string) bool { return strings.Contains(name, w) }) {
				return t, true
			}
			if fallback == nil {
				fallback = &t
			}
		}
		if fallback != nil {
			return *fallback, true
		}
	}
	return jiraTransition{}, false
}

// required answers the fields that the transition's screen asks for and that have
// values to choose from, as the resolution mostly has.
func (t jiraTransition) required() map[string]any {
	fields := map[string]any{}
	for name, f := range t.Fields {
		if !f.Required || f.Default || len(f.Allowed) == 0 {
			continue
		}
		value := f.Allowed[0].Name
		for _, a := range f.Allowed {
			if slices.Contains([]string{"done", "fixed", "resolved"}, strings.ToLower(a.Name)) {
				value = a.Name
				break
			}
		}
		fields[name] = map[string]string{"name": value}
	}
	return fields
}

func targets(all []jiraTransition) string {
	var names []string
	for _, t := range all {
		names = append(names, strconv.Quote(t.To.Name))
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// jiraRefusal tells what Jira's statuses do not ("Rate limiting", "Basic auth").
func jiraRefusal(a *outward.Answer) *sluice.Error {
	message := outward.Message(a.Body)
	text := fmt.Errorf("it answered %d%s", a.Status, message)
	switch {
	case strings.Contains(a.Header.Get("X-Seraph-Loginreason"), "DENIED"), strings.Contains(a.Header.Get("X-Authentication-Denied-Reason"), "CAPTCHA"):
		return sluice.Errorf(sluice.Auth, "delivery_credentials", "", "sign in to Jira in a browser once with the account and solve the captcha, then check the token", "%w", text)
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable && a.Header.Get("Retry-After") != "":
		e := sluice.Errorf(sluice.Throttled, "delivery_rate_limited", "", "nothing needs to be done; it is sent when the limit resets", "%w", text)
		if at, err := time.Parse(time.RFC3339, a.Header.Get("X-Ratelimit-Reset")); err == nil {
			e.RetryAfter = max(time.Until(at), time.Second)
		}
		if wait, ok := outward.RetryAfter(a.Header, time.Now()); ok {
			e.RetryAfter = wait
		}
		return e
	case a.Status == http.StatusBadRequest && strings.Contains(message, "labels"):
		return sluice.Errorf(sluice.Config, "delivery_rejected", "", "put the field Labels on the create screen of the project's type of issue: Sluice finds its issues by it", "%w", text)
	case a.Status == http.StatusNotFound:
		return sluice.Errorf(sluice.Config, "delivery_not_found", "", "check the project and that the account may see it; an issue may have been deleted", "%w", text)
	}
	return nil
}
