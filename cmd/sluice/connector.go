package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluicehq/sluice"
	"github.com/sluicehq/sluice/config"
	"github.com/sluicehq/sluice/connectors/connectortest"
	"github.com/sluicehq/sluice/plugin"
	"github.com/sluicehq/sluice/plugin/scaffold"
)

func (a *app) connectorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "connector", Short: "Make, test and trust connectors of your own", Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.connectorNewCommand(), a.connectorTestCommand(), a.connectorTrustCommand())
	return cmd
}

func (a *app) connectorNewCommand() *cobra.Command {
	var dir string
	var o scaffold.Options
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a connector of your own: a Go module that works, with its tests",
		Long: `Makes a Go module that builds into a plugin: a source that reads an API page by
page, incrementally, with tests that run the conformance suite. Change it from there.`,
		Example: "  sluice connector new weather\n  sluice connector new weather --sluice ../sluice --dir plugins/weather",
		Args:    oneName,
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if dir == "" {
				dir = "sluice-source-" + name
			}
			if o.Version == "" && releaseVersion.MatchString(version()) {
				o.Version = version()
			}
			if err := scaffold.Write(dir, name, o); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "Made the connector %s in %s. Next:\n", name, dir)
			fmt.Fprintf(a.out, "  cd %s\n  go mod tidy && go test ./...\n  go build -o sluice-source-%s .\n", dir, name)
			fmt.Fprintln(a.out, "  SERVE=127.0.0.1:8097 go test -run TestServe -timeout 0 .   # in another terminal: the API that config.json names")
			fmt.Fprintf(a.out, "  sluice connector test ./sluice-source-%s --config config.json\n", name)
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder to make it in (default sluice-source-NAME)")
	cmd.Flags().StringVar(&o.Sluice, "sluice", "", "use this checkout of Sluice, instead of a release")
	cmd.Flags().StringVar(&o.Version, "sluice-version", "", "require this release of Sluice (default that of this binary, if it is one)")
	return cmd
}

// releaseVersion matches versions that the module proxy has, as far as one can
// tell: builds of a checkout have others.
var releaseVersion = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+$`)

type testFlags struct {
	name, config string
	o            connectortest.Options
}

func (a *app) connectorTestCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test BINARY",
		Short: "Run the conformance suite on a plugin's executable",
		Long: `Starts the executable and tries all that a source promises: check, discovery,
reads in every mode, resuming after a kill at any checkpoint, errors, cancelling.

The configuration is a JSON or YAML file, in which ${NAME} stands for an
environment variable.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("one executable is needed: `%s BINARY`", cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.connectorTest(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.config, "config", "", "file with the connector's configuration (default: an empty one)")
	cmd.Flags().StringVar(&f.name, "name", "", "which of the executable's sources, where it has several")
	cmd.Flags().StringSliceVar(&f.o.Streams, "streams", nil, "test only these streams (full names)")
	cmd.Flags().BoolVar(&f.o.Changing, "changing", false, "the source's data change meanwhile: do not compare the rows of two reads")
	cmd.Flags().DurationVar(&f.o.Timeout, "timeout", time.Minute, "how long each check, discovery and read may take")
	cmd.Flags().BoolVar(&f.o.AtLeastOnce, "at-least-once", false, "resumed reads may repeat rows of streams that have no key")
	return cmd
}

func (a *app) connectorTest(ctx context.Context, binary string, f testFlags) error {
	i := a.interrupts(ctx)
	defer i.stop()
	path, err := filepath.Abs(binary)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return sluice.Errorf(sluice.Config, "plugin_not_found", "", "build it first: go build -o "+binary+" .", "%w", err)
	}
	settings := json.RawMessage("{}")
	if f.config != "" {
		if settings, err = config.LoadValue(f.config, a.lookup); err != nil {
			return err
		}
	}
	command, err := a.processes()
	if err != nil {
		return err
	}
	command.Path = path
	info, err := plugin.Inspect(i.now, command)
	if err != nil {
		return err
	}
	name, err := chooseSource(info, f.name, binary)
	if err != nil {
		return err
	}
	open := func() (sluice.Source, error) { return plugin.Source(i.now, command, name, settings) }
	first, err := open()
	if e := sluice.AsError(err); e != nil && e.Code == "config_invalid" {
		e.Hint = "write the fields of its configuration into a JSON or YAML file, and name that with --config"
		return e
	}
	if err != nil {
		return err // of opening it: no fault of the connector, most likely
	}
	if err := first.Close(); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s %s, version %s\n", binary, name, dash(info.Version))
	report := connectortest.NewText(a.out)
	f.o.SkipLeaks = true
	connectortest.Check(i.now, report, open, f.o)
	if err := i.now.Err(); err != nil {
		return err
	}
	passed, failed := report.Counts()
	if report.Failed() || failed > 0 {
		fmt.Fprintf(a.out, "%d of %d failed\n", failed, passed+failed)
		return errors.Join(errReported, sluice.Errorf(sluice.Data, "conformance", "test "+name, "", "%d of %d failed", failed, passed+failed))
	}
	fmt.Fprintf(a.out, "all %d passed\n", passed)
	return nil
}

// chooseSource returns the name of the source of an executable to test.
func chooseSource(info plugin.Info, wanted, binary string) (string, error) {
	var names []string
	for _, o := range info.Offers {
		if o.Kind == plugin.KindSource {
			names = append(names, o.Name)
		}
	}
	switch {
	case len(names) == 0:
		return "", sluice.Errorf(sluice.Config, "no_source", "", "destinations are tested by destinationtest, from Go", "%s offers no source", binary)
	case wanted == "" && len(names) > 1:
		return "", usageError{fmt.Errorf("%s offers several sources; choose one of %s with --name", binary, strings.Join(names, ", "))}
	case wanted == "":
		return names[0], nil
	}
	return wanted, nil
}

func (a *app) connectorTrustCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "trust NAME",
		Short: "Pin a plugin of the plugins folder by its checksum, so that it may run",
		Long: `Starts a plugin of the plugins folder to see what it offers, and notes the
checksum of its file. A file that changes afterwards does not run until it is
trusted again.`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error { return a.trust(cmd.Context(), args[0]) },
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
		return usageError{fmt.Errorf("which folder? Give --plugins-dir, or set SLUICE_PLUGINS_DIR")}
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
		fmt.Fprintf(a.out, "%s %s is trusted: %s, version %s, sha256 %s\n", f.Kind, f.Name, f.Pin.Offer.Title, dash(f.Pin.Version), f.Pin.Sum)
		return nil
	}
	return sluice.Errorf(sluice.Config, "plugin_not_found", "", "plugins are executables named sluice-source-NAME or sluice-destination-NAME",
		"there is no plugin %q in %s", name, a.pluginsDir)
}
