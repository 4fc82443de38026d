package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors"
	"github.com/sluicehq/sluice/destinations"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/spec"
)

// A catalog is every connector and destination at hand: built in, and found in
// the plugins folder.
type catalog struct {
	connectors   []spec.Connector
	destinations []spec.Destination
	found        []plugin.Found
}

// catalog lists what there is. Each built-in connector opens in a process of its
// own, this binary started again; built-in destinations open in this process, so
// that syncs of one process can share a file.
func (a *app) catalog(context.Context) (*catalog, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	base := plugin.Command{Env: plugin.Environment(a.environ)}
	builtin := base
	builtin.Path, builtin.Args = self, []string{servePlugin}
	c := &catalog{destinations: destinations.Builtin()}
	for _, d := range connectors.Builtin() {
		c.connectors = append(c.connectors, plugin.Connector(builtin, d))
	}
	if a.pluginsDir == "" {
		return c, nil
	}
	if c.found, err = plugin.Scan(a.pluginsDir); err != nil {
		return nil, err
	}
	for _, f := range c.found {
		switch f.Kind {
		case plugin.KindSource:
			c.connectors = append(c.connectors, f.Connector(base))
		case plugin.KindDestination:
			c.destinations = append(c.destinations, f.Destination(base))
		}
	}
	return c, nil
}

// entry is a line of the lists of connectors and destinations.
type entry struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Version string `json:"version"`
	Origin  string `json:"origin"` // "built in", or the plugin's file
	Sum     string `json:"sha256,omitempty"`
	Trusted bool   `json:"trusted"`
}

func entries[T any](all []spec.Definition[T], kind plugin.Kind, found []plugin.Found) []entry {
	var list []entry
	builtin := len(all) - countKind(found, kind)
	for _, d := range all[:builtin] {
		list = append(list, entry{Name: d.Name, Title: d.Title, Version: version(), Origin: "built in", Trusted: true})
	}
	for _, f := range found {
		if f.Kind != kind {
			continue
		}
		e := entry{Name: f.Name, Title: f.Name, Origin: filepath.Base(f.Path), Sum: f.Sum, Trusted: f.Check() == nil}
		if f.Pin != nil {
			e.Title, e.Version = f.Pin.Offer.Title, f.Pin.Version
		}
		list = append(list, e)
	}
	return list
}

func countKind(found []plugin.Found, kind plugin.Kind) (n int) {
	for _, f := range found {
		if f.Kind == kind {
			n++
		}
	}
	return n
}

func (a *app) connectorsCommand() *cobra.Command {
	return a.listCommand("connectors", "List the connectors at hand, built in and plugins", func(c *catalog) []entry {
		return entries(c.connectors, plugin.KindSource, c.found)
	})
}

func (a *app) destinationsCommand() *cobra.Command {
	return a.listCommand("destinations", "List the destinations at hand, built in and plugins", func(c *catalog) []entry {
		return entries(c.destinations, plugin.KindDestination, c.found)
	})
}

func (a *app) listCommand(use, short string, list func(*catalog) []entry) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		c, err := a.catalog(cmd.Context())
		if err != nil {
			return err
		}
		if asJSON {
			return a.writeJSON(list(c))
		}
		w := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(w, "NAME\tTITLE\tVERSION\tORIGIN\tSTATUS")
		for _, e := range list(c) {
			status := "ready"
			if !e.Trusted {
				status = "not trusted: run `sluice connector trust " + e.Name + "`"
			}
			origin := e.Origin
			if e.Sum != "" {
				origin += " sha256:" + e.Sum[:12]
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.Name, e.Title, e.Version, origin, status)
		}
		return w.Flush()
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments", cmd.CommandPath())}
	}
	return nil
}

func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (a *app) specCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "spec NAME",
		Short: "Print the JSON Schema of a connector's or destination's configuration",
		Long: `Prints the JSON Schema of a configuration. Where a connector and a destination
have the same name, source/NAME and destination/NAME tell them apart; NAME alone
prints the connector's.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("one name is needed; `sluice connectors` and `sluice destinations` list them")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.spec(cmd.Context(), args[0]) },
	}
}

func (a *app) spec(ctx context.Context, name string) error {
	c, err := a.catalog(ctx)
	if err != nil {
		return err
	}
	kind, short, qualified := strings.Cut(name, "/")
	if !qualified {
		kind, short = "", name
	}
	if d, ok := spec.Find(c.connectors, short); ok && kind != "destination" {
		return a.writeSchema(d.Config)
	}
	if d, ok := spec.Find(c.destinations, short); ok && kind != "source" {
		return a.writeSchema(d.Config)
	}
	var names []string
	for _, d := range c.connectors {
		names = append(names, d.Name)
	}
	for _, d := range c.destinations {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return sluice.Errorf(sluice.Config, "unknown_connector", "", "known are: "+strings.Join(slices.Compact(names), ", "),
		"there is no connector or destination %q%s", name, spec.DidYouMean(short, names))
}

func (a *app) writeSchema(schema json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, schema, "", "  "); err != nil {
		return fmt.Errorf("the schema is no JSON: %w", err)
	}
	_, err := fmt.Fprintln(a.out, b.String())
	return err
}
