package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

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
	base, err := a.processes()
	if err != nil {
		return nil, err
	}
	return a.catalogWith(base)
}

// processes is what the processes of connectors have in common: the environment that
// they may see, and the outbound policy that they are held to.
func (a *app) processes() (plugin.Command, error) {
	s := settings{egressAllow: list(a.env("EGRESS_ALLOW", "")), egressDeny: list(a.env("EGRESS_DENY", "")), egressStrict: a.env("EGRESS_STRICT", "") == "true"}
	policy, err := s.egress()
	return plugin.Command{Env: plugin.Environment(a.environ), Egress: policy}, err
}

// catalogWith is catalog with what all processes of connectors have in common.
func (a *app) catalogWith(base plugin.Command) (*catalog, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	c := &catalog{destinations: destinations.Builtin()}
	for _, d := range connectors.Builtin() {
		builtin := base
		builtin.Path, builtin.Args, builtin.Exited = self, []string{servePlugin}, a.peaks.note("source "+d.Name)
		c.connectors = append(c.connectors, plugin.Connector(builtin, d))
	}
	if a.pluginsDir == "" {
		return c, nil
	}
	if c.found, err = plugin.Scan(a.pluginsDir); err != nil {
		return nil, err
	}
	for _, f := range c.found {
		base.Exited = a.peaks.note(string(f.Kind) + " " + f.Name)
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

	fault *sluice.Error // why it is not trusted
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
		e := entry{Name: f.Name, Title: f.Name, Origin: filepath.Base(f.Path), Sum: f.Sum, fault: sluice.AsError(f.Check())}
		e.Trusted = e.fault == nil
		if f.Pin != nil {
			e.Title, e.Version = f.Pin.Offer.Title, f.Pin.Version
		}
		list = append(list, e)
	}
	return list
}

// status says why the plugin does not run, and what to do.
func (e entry) status() string {
	what := map[string]string{"plugin_not_executable": "not executable", "plugin_changed": "has changed since it was trusted",
		"plugin_incompatible": "speaks another version of the contract"}[e.fault.Code]
	return cmp.Or(what, "not trusted") + ": " + e.fault.Hint
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
		t := newTable("name", "title", "version", "origin", "status")
		for _, e := range list(c) {
			status := "ready"
			if e.fault != nil {
				status = e.status()
			}
			origin := e.Origin
			if e.Sum != "" {
				origin += " sha256:" + e.Sum[:12]
			}
			t.add(e.Name, e.Title, e.Version, origin, status)
		}
		t.write(a.out, a.style(a.out))
		return nil
	}}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// names lists all connectors and destinations.
func (c *catalog) names() []string {
	var names []string
	for _, d := range c.connectors {
		names = append(names, d.Name)
	}
	for _, d := range c.destinations {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
