package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
)

// remoteIncident is an incident as a server answers it.
type remoteIncident struct {
	ID              string         `json:"id"`
	Number          int64          `json:"number"`
	State           string         `json:"state"`
	Severity        string         `json:"severity"`
	Title           string         `json:"title"`
	Connector       string         `json:"connector"`
	Code            string         `json:"code"`
	Class           string         `json:"class"`
	Runbook         string         `json:"runbook"`
	Sample          *remoteFailure `json:"sample"`
	Connections     int64          `json:"connections"`
	Failures        int64          `json:"failures"`
	FirstSeen       time.Time      `json:"first_seen"`
	LastSeen        time.Time      `json:"last_seen"`
	DueAt           time.Time      `json:"due_at"`
	Assignee        string         `json:"assignee"`
	AcknowledgedAt  time.Time      `json:"acknowledged_at"`
	ResolvedAt      time.Time      `json:"resolved_at"`
	DowntimeSeconds int64          `json:"downtime_seconds"`
	MergedInto      string         `json:"merged_into"`
}

func (a *app) incidentCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{Use: "incident", Short: "See and steer the incidents of a server", Args: known, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	r.flags(a, cmd)
	cmd.AddCommand(a.incidentList(&r), a.incidentGet(&r), a.incidentAck(&r), a.incidentAssign(&r), a.incidentComment(&r), a.incidentResolve(&r), a.incidentMerge(&r), a.incidentSplit(&r))
	return cmd
}

// incidentArgs is the argument list of commands on one incident, and further ones.
func incidentArgs(further ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1+len(further) || args[0] == "" {
			want := "INCIDENT"
			for _, f := range further {
				want += " " + f
			}
			return usageError{fmt.Errorf("what is needed is the number or id of an incident%s, and nothing else: `%s %s`", also(further), cmd.CommandPath(), want)}
		}
		return nil
	}
}

func also(further []string) string {
	if len(further) == 0 {
		return ""
	}
	return " and " + strings.Join(further, " and ")
}

// namedIncident says which incident is not there.
func namedIncident(incident string, err error) error {
	if e := (*sluice.Error)(nil); errors.As(err, &e) && e.Code == "not_found" {
		return sluice.Errorf(e.Class, e.Code, "", "`sluice incident list --state all` lists all there are", "there is no incident %s", visible(incident))
	}
	return err
}

func (a *app) incidentList(r *remote) *cobra.Command {
	var asJSON bool
	var state, severity, connector, team, assignee string
	cmd := &cobra.Command{Use: "list", Short: "List the incidents of a server, the worst first", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(*r)
		if err != nil {
			return err
		}
		query := url.Values{"sort": {"severity"}}
		for name, value := range map[string]string{"state": state, "severity": severity, "connector": connector, "team": team, "assignee": assignee} {
			if value != "" && value != "all" {
				query.Set(name, value)
			}
		}
		if asJSON {
			list, err := listAll[json.RawMessage](cmd.Context(), c, "incidents", query)
			if err != nil {
				return err
			}
			if list == nil {
				list = []json.RawMessage{}
			}
			return a.writeJSON(list)
		}
		list, err := listAll[remoteIncident](cmd.Context(), c, "incidents", query)
		if err != nil {
			return err
		}
		t := newTable("incident", "severity", "state", "title", "connections", "since", "due", "assignee")
		for i := range list {
			n := &list[i]
			t.add("#"+strconv.FormatInt(n.Number, 10), n.Severity, n.State, clip(visible(n.Title), 60), count(n.Connections), when(n.FirstSeen), when(n.DueAt), dash(visible(n.Assignee)))
		}
		t.write(a.out, a.style(a.out))
		fmt.Fprintln(a.out, plural(int64(len(list)), "incident"))
		return nil
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().StringVar(&state, "state", "under_way", "only those that are open, acknowledged, resolved or merged; under_way: open or acknowledged; all")
	cmd.Flags().StringVar(&severity, "severity", "", "only those of this severity: sev1 to sev4")
	cmd.Flags().StringVar(&connector, "connector", "", "only those of this connector or kind of destination")
	cmd.Flags().StringVar(&team, "team", "", "only those of this team")
	cmd.Flags().StringVar(&assignee, "assignee", "", "only those assigned to them")
	return cmd
}

func (a *app) incidentGet(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "get INCIDENT", Short: "Show an incident with its connections and timeline", Args: incidentArgs(), RunE: func(cmd *cobra.Command, args []string) error {
		c, err := a.client(*r)
		if err != nil {
			return err
		}
		path := "incidents/" + url.PathEscape(args[0])
		var whole json.RawMessage
		if err := c.do(cmd.Context(), http.MethodGet, path, nil, nil, &whole); err != nil {
			return namedIncident(args[0], err)
		}
		if asJSON {
			return a.writeJSON(whole)
		}
		var n remoteIncident
		if err := json.Unmarshal(whole, &n); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		a.showIncident(&n)
		return a.showIncidentParts(cmd, c, path)
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON, without connections and timeline")
	return cmd
}

func (a *app) showIncident(n *remoteIncident) {
	line := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(a.out, "%-14s %s\n", name, visible(value))
		}
	}
	line("incident", "#"+strconv.FormatInt(n.Number, 10)+" "+n.Title)
	line("id", n.ID)
	line("state", n.State)
	line("severity", n.Severity)
	line("connector", n.Connector)
	line("code", n.Code+" ("+n.Class+")")
	if n.Sample != nil {
		line("failure", n.Sample.Message)
		line("to do", n.Sample.Hint)
	}
	line("runbook", n.Runbook)
	line("connections", count(n.Connections))
	line("failures", count(n.Failures))
	line("first seen", when(n.FirstSeen))
	line("last seen", when(n.LastSeen))
	line("downtime", brief(time.Duration(n.DowntimeSeconds)*time.Second))
	line("due", when(n.DueAt))
	line("assignee", n.Assignee)
	line("acknowledged", when(n.AcknowledgedAt))
	line("resolved", when(n.ResolvedAt))
	line("merged into", n.MergedInto)
}

// showIncidentParts shows the connections that are in an incident, and what has
// happened.
func (a *app) showIncidentParts(cmd *cobra.Command, c *client, path string) error {
	connections, err := listAll[struct {
		Name         string    `json:"name"`
		Connector    string    `json:"connector"`
		FailingSince time.Time `json:"failing_since"`
		Failures     int64     `json:"failures"`
	}](cmd.Context(), c, path+"/connections", url.Values{"in": {"true"}})
	if err != nil {
		return err
	}
	if len(connections) > 0 {
		fmt.Fprintln(a.out)
		t := newTable("connection", "connector", "failing since", "failures")
		for _, p := range connections {
			t.add(dash(visible(p.Name)), dash(visible(p.Connector)), when(p.FailingSince), count(p.Failures))
		}
		t.write(a.out, a.style(a.out))
	}
	events, err := listAll[struct {
		At        time.Time `json:"at"`
		Kind      string    `json:"kind"`
		ActorName string    `json:"actor_name"`
		Message   string    `json:"message"`
	}](cmd.Context(), c, path+"/timeline", url.Values{})
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	t := newTable("when", "what", "by", "")
	for _, e := range events {
		t.add(when(e.At), e.Kind, dash(visible(e.ActorName)), clip(visible(e.Message), 80))
	}
	t.write(a.out, a.style(a.out))
	return nil
}

// decide sends a decision about an incident and says what came of it.
func (a *app) decide(cmd *cobra.Command, r *remote, method, incident, what string, body any, asJSON bool, said string) error {
	c, err := a.client(*r)
	if err != nil {
		return err
	}
	path := "incidents/" + url.PathEscape(incident)
	if what != "" {
		path += "/" + what
	}
	var whole json.RawMessage
	if err := c.do(cmd.Context(), method, path, nil, body, &whole); err != nil {
		return namedIncident(incident, err)
	}
	if asJSON {
		return a.writeJSON(whole)
	}
	var n remoteIncident
	if err := json.Unmarshal(whole, &n); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	fmt.Fprintf(a.out, "Incident #%d %s: %s\n", n.Number, said, visible(n.Title))
	return nil
}

func (a *app) incidentAck(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "ack INCIDENT", Short: "Say that somebody sees to an incident", Args: incidentArgs(), RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPost, args[0], "acknowledge", nil, asJSON, "is acknowledged")
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) incidentAssign(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "assign INCIDENT PERSON", Short: "Say who is to see to an incident", Args: incidentArgs("PERSON"), RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPatch, args[0], "", map[string]string{"assignee": args[1]}, asJSON, "is assigned to "+cmp.Or(visible(args[1]), "nobody"))
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) incidentComment(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "comment INCIDENT TEXT", Short: "Add to the timeline of an incident, and to its tickets", Args: incidentArgs("TEXT"), RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPost, args[0], "comments", map[string]string{"text": args[1]}, asJSON, "has the comment")
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) incidentResolve(r *remote) *cobra.Command {
	var asJSON bool
	var text string
	cmd := &cobra.Command{Use: "resolve INCIDENT", Short: "End an incident by hand", Args: incidentArgs(), RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPost, args[0], "resolve", map[string]string{"text": text}, asJSON, "is resolved")
	}}
	cmd.Flags().StringVar(&text, "reason", "", "why")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) incidentMerge(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "merge INCIDENT INTO", Short: "Make an incident a part of another one, for good", Args: incidentArgs("INTO"), RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPost, args[0], "merge", map[string]string{"into": args[1]}, asJSON, "goes on for both")
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) incidentSplit(r *remote) *cobra.Command {
	var asJSON bool
	args := func(cmd *cobra.Command, args []string) error {
		if len(args) < 2 {
			return usageError{fmt.Errorf("what is needed is the number or id of an incident, and the ids of connections that are in it: `%s INCIDENT CONNECTION…`", cmd.CommandPath())}
		}
		return nil
	}
	cmd := &cobra.Command{Use: "split INCIDENT CONNECTION…", Short: "Make an incident of its own of some of an incident's connections", Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		return a.decide(cmd, r, http.MethodPost, args[0], "split", map[string][]string{"connections": args[1:]}, asJSON, "is of these connections alone")
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}
