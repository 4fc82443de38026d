package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
)

func (a *app) connectionCommand() *cobra.Command {
	var r remote
	cmd := &cobra.Command{Use: "connection", Short: "See and steer the connections of a server", Args: known, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	r.flags(a, cmd)
	cmd.AddCommand(a.connectionList(&r), a.connectionGet(&r), a.connectionSync(&r),
		a.connectionAct(&r, "pause", "Keep a connection from running by its schedule"),
		a.connectionAct(&r, "resume", "Let a connection run by its schedule again"),
		a.connectionAct(&r, "cancel", "End a connection's open sync"),
		a.connectionLogs(&r))
	return cmd
}

// connectionArg is the argument list of commands on one connection.
func connectionArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return usageError{fmt.Errorf("the name or id of one connection is needed: `%s CONNECTION`", cmd.CommandPath())}
	}
	return nil
}

func (a *app) connectionList(r *remote) *cobra.Command {
	var asJSON bool
	var state, search string
	cmd := &cobra.Command{Use: "list", Short: "List the connections of a server", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.client(*r)
		if err != nil {
			return err
		}
		query := url.Values{}
		for name, value := range map[string]string{"sync_state": state, "search": search} {
			if value != "" {
				query.Set(name, value)
			}
		}
		if asJSON {
			list, err := listAll[json.RawMessage](cmd.Context(), c, "connections", query)
			if err != nil {
				return err
			}
			if list == nil {
				list = []json.RawMessage{}
			}
			return a.writeJSON(list)
		}
		list, err := listAll[remoteConnection](cmd.Context(), c, "connections", query)
		if err != nil {
			return err
		}
		t := newTable("connection", "source", "destination", "schedule", "state", "last sync", "last success", "next run")
		for i := range list {
			con := &list[i]
			t.add(visible(con.Name), visible(con.SourceName), visible(con.DestinationName), schedule(con), con.Status.SyncState,
				dash(con.Status.LastOutcome), when(con.Status.LastSuccessAt), when(con.Status.NextRunAt))
		}
		t.write(a.out, a.style(a.out))
		fmt.Fprintln(a.out, plural(int64(len(list)), "connection"))
		return nil
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	cmd.Flags().StringVar(&state, "state", "", "only those that are scheduled, queued, syncing, rescheduled or paused")
	cmd.Flags().StringVar(&search, "search", "", "only those with this in their name")
	return cmd
}

func schedule(con *remoteConnection) string {
	s := con.Schedule
	switch {
	case s == nil:
		return "-"
	case s.Manual:
		return "manual"
	case s.Cron != "":
		return strings.TrimSpace(s.Cron + " " + s.Zone)
	}
	return "every " + s.Every
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func (a *app) connectionGet(r *remote) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: "get CONNECTION", Short: "Show a connection with its status", Args: connectionArg, RunE: func(cmd *cobra.Command, args []string) error {
		c, err := a.client(*r)
		if err != nil {
			return err
		}
		con, err := c.connection(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if asJSON {
			var whole json.RawMessage
			if err := c.do(cmd.Context(), http.MethodGet, "connections/"+con.ID, nil, nil, &whole); err != nil {
				return err
			}
			return a.writeJSON(whole)
		}
		a.showConnection(con)
		return nil
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) showConnection(con *remoteConnection) {
	st := con.Status
	line := func(name, value string) {
		if value != "" && value != "-" {
			fmt.Fprintf(a.out, "%-14s %s\n", name, visible(value))
		}
	}
	line("name", con.Name)
	line("id", con.ID)
	line("from", con.SourceName)
	line("to", con.DestinationName+", schema "+con.Schema)
	line("schedule", schedule(con))
	line("set-up", st.SetupState)
	line("state", st.SyncState)
	line("waits for", st.Waiting)
	line("freshness", st.Freshness)
	line("last success", when(st.LastSuccessAt))
	line("next run", when(st.NextRunAt))
	if y := con.LastSync; y != nil {
		line("last sync", syncLine(y))
	}
	if f := st.LastFailure; f != nil {
		line("last failure", f.Message)
		line("to do", f.Hint)
		line("code", f.Code+" ("+f.Class+")")
		line("runbook", dash(f.Runbook))
	}
}

func syncLine(y *remoteSync) string {
	words := []string{y.ID, y.State}
	if y.State == "ended" {
		words[1] = y.Outcome
	}
	words = append(words, plural(y.Rows, "row"))
	if y.Rejected > 0 {
		words = append(words, count(y.Rejected)+" rejected")
	}
	if !y.StartedAt.IsZero() && !y.EndedAt.IsZero() {
		words = append(words, brief(y.EndedAt.Sub(y.StartedAt)))
	}
	return strings.Join(words, ", ")
}

func (a *app) connectionSync(r *remote) *cobra.Command {
	var force, wait, asJSON bool
	cmd := &cobra.Command{
		Use: "sync CONNECTION", Short: "Sync a connection now", Args: connectionArg,
		Long: `Queues a sync in front of all that wait by schedule. Where one is queued or runs
already nothing happens; with --force a running one ends at its next checkpoint and
starts again. With --wait the command shows the sync's log and ends with it: exit
code 0 succeeded, 3 succeeded with warnings, 1 otherwise.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := a.interrupts(cmd.Context())
			defer i.stop()
			c, err := a.client(*r)
			if err != nil {
				return err
			}
			con, err := c.connection(i.now, args[0])
			if err != nil {
				return err
			}
			var start struct {
				Sync    remoteSync `json:"sync"`
				Queued  bool       `json:"queued"`
				Message string     `json:"message"`
			}
			var whole json.RawMessage
			if err := c.do(i.now, http.MethodPost, "connections/"+con.ID+"/sync", url.Values{"force": {strconv.FormatBool(force)}}, nil, &whole); err != nil {
				return err
			}
			if err := json.Unmarshal(whole, &start); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
			switch {
			case asJSON && !wait:
				return a.writeJSON(whole)
			case !asJSON:
				fmt.Fprintln(a.out, start.Message, start.Sync.ID)
			}
			if !wait {
				return nil
			}
			return a.awaitSync(i.now, c, start.Sync.ID, asJSON)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "restart a sync that runs")
	cmd.Flags().BoolVar(&wait, "wait", false, "show the log, and end with the sync")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON; with --wait, a line for each line of the log")
	return cmd
}

// awaitSync follows a sync to its end, and returns how it ended.
func (a *app) awaitSync(ctx context.Context, c *client, id string, asJSON bool) error {
	if err := a.followLog(ctx, c, id, nil, asJSON); err != nil {
		return err
	}
	var y remoteSync
	if err := c.do(ctx, http.MethodGet, "syncs/"+id, nil, nil, &y); err != nil {
		return err
	}
	if !asJSON {
		fmt.Fprintln(a.out, syncLine(&y))
	}
	switch y.Outcome {
	case "succeeded":
		return nil
	case "succeeded_with_warnings":
		return errRejected
	}
	if y.Error != nil {
		var class sluice.Class
		_ = class.UnmarshalText([]byte(y.Error.Class)) // an unknown one is a bug
		return &sluice.Error{Class: class, Code: y.Error.Code, Err: errors.New(y.Error.Message), Hint: y.Error.Hint}
	}
	return sluice.Errorf(sluice.Transient, "sync_"+y.Outcome, "", "`sluice connection get` says more", "the sync ended: %s", y.Outcome)
}

func (a *app) connectionAct(r *remote, what, short string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: what + " CONNECTION", Short: short, Args: connectionArg, RunE: func(cmd *cobra.Command, args []string) error {
		c, err := a.client(*r)
		if err != nil {
			return err
		}
		con, err := c.connection(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		var whole json.RawMessage
		err = c.do(cmd.Context(), http.MethodPost, "connections/"+con.ID+"/"+what, nil, nil, &whole)
		if p, ok := errors.AsType[*problem](err); ok && what == "cancel" && p.Status == http.StatusNotFound {
			return sluice.Errorf(sluice.Config, "no_open_sync", "", "nothing was changed", "%s has no sync that is queued or runs", con.Name)
		}
		if err != nil {
			return err
		}
		if asJSON {
			return a.writeJSON(whole)
		}
		said := map[string]string{"pause": "is paused", "resume": "runs by its schedule again", "cancel": "ends its sync"}
		fmt.Fprintf(a.out, "%s %s.\n", visible(con.Name), said[what])
		return nil
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) connectionLogs(r *remote) *cobra.Command {
	var follow, asJSON bool
	var id string
	var levels []string
	cmd := &cobra.Command{
		Use: "logs CONNECTION", Short: "Show the log of a connection's latest sync", Args: connectionArg,
		Example: `  sluice connection logs shop -f
  sluice connection logs shop --level warn,error --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := a.interrupts(cmd.Context())
			defer i.stop()
			c, err := a.client(*r)
			if err != nil {
				return err
			}
			con, err := c.connection(i.now, args[0])
			if err != nil {
				return err
			}
			if id == "" {
				id = con.Status.LastSyncID
			}
			if id == "" {
				return sluice.Errorf(sluice.Config, "never_synced", "", "`sluice connection sync` starts a sync", "%s was never synced", con.Name)
			}
			query := url.Values{}
			if len(levels) > 0 {
				query.Set("level", strings.Join(levels, ","))
			}
			if follow {
				return a.followLog(i.now, c, id, query, asJSON)
			}
			return a.readLog(i.now, c, id, query, asJSON)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until the sync has ended")
	cmd.Flags().StringVar(&id, "sync", "", "id of another sync than the latest")
	cmd.Flags().StringSliceVar(&levels, "level", nil, "only lines of these levels: debug, info, warn, error")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON line for each")
	return cmd
}

// readLog shows the lines that a sync's log has.
func (a *app) readLog(ctx context.Context, c *client, id string, query url.Values, asJSON bool) error {
	query.Set("limit", "500")
	for after := int64(0); ; {
		query.Set("after", strconv.FormatInt(after, 10))
		var part struct {
			Lines []json.RawMessage `json:"lines"`
			Next  int64             `json:"next"`
		}
		if err := c.do(ctx, http.MethodGet, "syncs/"+id+"/log", query, nil, &part); err != nil {
			return err
		}
		for _, line := range part.Lines {
			if err := a.logLine(line, asJSON); err != nil {
				return err
			}
		}
		if after = part.Next; len(part.Lines) == 0 {
			return nil
		}
	}
}

// followLog shows the lines of a sync's log as they come, until it has ended.
func (a *app) followLog(ctx context.Context, c *client, id string, query url.Values, asJSON bool) error {
	return c.follow(ctx, "syncs/"+id+"/log/stream", query, func(kind string, data []byte) error {
		if kind != "line" {
			return nil
		}
		return a.logLine(data, asJSON)
	})
}

// logLine shows a line of a log.
func (a *app) logLine(raw json.RawMessage, asJSON bool) error {
	if asJSON {
		_, err := fmt.Fprintf(a.out, "%s\n", raw)
		return err
	}
	var l struct {
		At      time.Time      `json:"at"`
		Level   string         `json:"level"`
		Stream  string         `json:"stream"`
		Message string         `json:"message"`
		Attrs   map[string]any `json:"attrs"`
	}
	if err := json.Unmarshal(raw, &l); err != nil {
		return fmt.Errorf("read a line of the log: %w", err)
	}
	s := a.style(a.out)
	level := l.Level
	if level == "error" || level == "warn" {
		level = s.red(level)
	}
	text := s.dim(l.At.Local().Format("15:04:05")) + " " + level + " "
	if l.Stream != "" {
		text += s.bold(visible(l.Stream)) + " "
	}
	text += visible(l.Message)
	names := make([]string, 0, len(l.Attrs))
	for name := range l.Attrs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		text += s.dim(fmt.Sprintf(" %s=%s", name, visible(fmt.Sprint(l.Attrs[name]))))
	}
	_, err := fmt.Fprintln(a.out, text)
	return err
}
