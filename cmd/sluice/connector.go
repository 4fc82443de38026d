package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/connectors/shop/shopapi"
	"github.com/sluicehq/sluice/plugin"
)

func (a *app) connectorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "connector", Short: "Make, test and trust connectors of your own",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.connectorTrustCommand())
	return cmd
}

func (a *app) connectorTrustCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trust NAME",
		Short: "Pin a plugin of the plugins folder by its checksum, so that it may run",
		Args:  oneName,
		RunE:  func(cmd *cobra.Command, args []string) error { return a.trust(cmd.Context(), args[0]) },
	}
}

func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("one name is needed: `%s NAME`", cmd.CommandPath())}
	}
	return nil
}

func (a *app) trust(ctx context.Context, name string) error {
	if a.pluginsDir == "" {
		return usageError{fmt.Errorf("which folder? give --plugins-dir, or set SLUICE_PLUGINS_DIR")}
	}
	found, err := plugin.Scan(a.pluginsDir)
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.Name != name && filepath.Base(f.Path) != name {
			continue
		}
		if f, err = plugin.Trust(ctx, f, plugin.Command{Env: plugin.Environment(a.environ)}); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s %s is trusted: %s, version %s, sha256 %s\n", f.Kind, f.Name, f.Pin.Offer.Title, f.Pin.Version, f.Pin.Sum)
		return nil
	}
	return sluice.Errorf(sluice.Config, "plugin_not_found", "", "plugins are executables named sluice-source-NAME or sluice-destination-NAME",
		"there is no plugin %q in %s", name, a.pluginsDir)
}

func (a *app) sampleAPICommand() *cobra.Command {
	var o shopapi.Options
	var listen string
	cmd := &cobra.Command{
		Use:   "sample-api",
		Short: "Serve the API of a sample shop, for the shop connector",
		Long: `Serves a shop's API whose data keeps coming and changing, the same for the same
seed and time. With --chaos some answers are slow, refused or failed, so that you
can see a sync cope.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, _, stop := a.signalsNow(cmd.Context())
			defer stop()
			l, err := net.Listen("tcp", listen)
			if err != nil {
				return sluice.Errorf(sluice.Config, "listen", "listen on "+listen, "choose a free address with --listen", "%w", err)
			}
			fmt.Fprintf(a.out, "The sample shop is at http://%s (API key %q). Ctrl-C ends it.\n", l.Addr(), o.Key)
			return shopapi.Serve(ctx, l, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", shopapi.DefaultListen, "address to listen on")
	f.Uint64Var(&o.Seed, "seed", 1, "seed of the data")
	f.StringVar(&o.Key, "key", "demo", "API key that requests must send")
	f.Float64Var(&o.Scale, "scale", 1, "multiplies the numbers of records")
	f.Float64Var(&o.Pace, "pace", 1, "multiplies how fast records come and change")
	f.Int64Var(&o.Events, "events", 0, "number of events to begin with (default 20,000)")
	f.Float64Var(&o.Chaos, "chaos", 0.02, "share of requests that meet trouble, 0 to 1")
	f.Float64Var(&o.Rate, "rate", 0, "requests a second that a key may make; below 0: no limit (default 20)")
	return cmd
}

// signalsNow is signals for commands that have no checkpoint to wait for: the
// first signal ends the context.
func (a *app) signalsNow(parent context.Context) (context.Context, chan struct{}, func()) {
	ctx, drain, stop := a.signals(parent)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-drain:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, drain, func() { cancel(); stop() }
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		_, err := fmt.Fprintf(a.out, "sluice %s, contract version %d, built %s\n", version(), plugin.ContractVersion, buildTime())
		return err
	}}
}

// release is set by the linker for releases.
var release string

func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return strings.Trim(info.Main.Version, "()")
	}
	return "devel"
}

func buildTime() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				if t, err := time.Parse(time.RFC3339, s.Value); err == nil {
					return t.Format("2006-01-02")
				}
			}
		}
		return "with " + info.GoVersion
	}
	return "unknown"
}
